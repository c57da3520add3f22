"""The web demo: a page on this computer that measures, restores, fuses and compares pictures.

Nothing of gradio is imported before `run_demo` (or `build_demo`) is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .settings import DemoSettings

if TYPE_CHECKING:
    from gradio import Blocks

    from .work.engine import Engine

__all__ = ["DemoSettings", "build_demo", "run_demo"]


def build_demo(settings: DemoSettings) -> tuple[Blocks, Engine]:
    """Builds the page without starting a server; see `ui.page.build_page`."""
    from .ui.page import build_page

    return build_page(settings)


def run_demo(settings: DemoSettings, announce: Callable[[str], None] = lambda url: None) -> None:
    """Starts the server and stays until it is interrupted.

    Args:
        settings: see `DemoSettings`.
        announce: told the address, once it answers.

    Raises:
        InputError: gradio is not installed, the port is taken, or a setting is out of range.
        WeightsError: The weights are missing or damaged.
    """
    from .server import serve

    serve(settings, announce)
