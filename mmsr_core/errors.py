"""Typed errors. Each message says what was wrong, what was expected and what to do."""

from __future__ import annotations


class MMSRError(Exception):
    """Base of every error this library raises on purpose."""


class InputError(MMSRError, ValueError):
    """An argument or a file given by the caller cannot be used (command line exit code 2)."""


class ShapeError(InputError):
    """A tensor has the wrong shape."""

    def __init__(self, name: str, expected: str, actual: object) -> None:
        """Args: name of the argument, the expected shape in words, the shape found."""
        shape = tuple(actual) if isinstance(actual, (tuple, list)) else actual
        super().__init__(f"{name} must have shape {expected}, but has {shape}.")
        self.name = name
        self.expected = expected
        self.actual = shape


class ImageFileError(InputError):
    """An image file cannot be read, is too large, or cannot be written."""


class KernelFileError(InputError):
    """A kernel-field file is malformed, has the wrong shape, or holds unusable values."""


class WeightsError(InputError):
    """A weights folder is missing, incomplete, or does not match its hash or configuration."""


class MissingPackageError(InputError, ImportError):
    """A part that was asked for needs a package that is not installed."""


class OutOfMemoryError(MMSRError):
    """The smallest tile still does not fit in memory."""
