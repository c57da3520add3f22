"""Packages that only some parts need, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import MissingPackageError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import an optional package.

    Args:
        module: its import name.
        extra: the extra of this project that installs it.
        purpose: what needs it, for the message.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # it is there, but something that it needs is not
        package = module.split(".")[0]
        raise MissingPackageError(
            f'{purpose} needs {package}, which is not installed: pip install "mmsr[{extra}]".'
        ) from None
