"""The `mmsr` command. Nothing heavy is imported until the arguments are understood."""

from .main import main

__all__ = ["main"]
