"""The extension's settings, and what they are when the host has not stored any."""

from __future__ import annotations

from typing import Any

SECTION = ("mmsr", "MMSR", "postprocessing")
DEFAULTS: dict[str, Any] = {
    "mmsr_model": "small",
    "mmsr_dtype": "auto",
    "mmsr_tile": 0,
    "mmsr_seed": 0,
    "mmsr_unload": False,
}
DTYPES = ("auto", "float32", "bfloat16", "float16")


def setting(name: str) -> Any:
    """The user's choice, or the default."""
    from modules import shared

    return getattr(shared.opts, name, DEFAULTS[name])


def add_settings() -> None:
    """Adds the page "MMSR" under Postprocessing."""
    import gradio as gr
    from modules import shared

    from .engine import model_names

    def add(name: str, label: str, component: Any = None, args: Any = None) -> None:
        info = shared.OptionInfo(DEFAULTS[name], label, component, args, section=SECTION[:2])
        info.category_id = SECTION[2]
        shared.opts.add_option(name, info)

    add("mmsr_model", "Model", gr.Dropdown, lambda: {"choices": model_names()})
    add("mmsr_dtype", "Number format of the networks", gr.Radio, {"choices": list(DTYPES)})
    add(
        "mmsr_tile",
        "Tile, in quarter pixels of the result (0 chooses; it never changes the picture)",
        gr.Slider,
        {"minimum": 0, "maximum": 1024, "step": 16},
    )
    add("mmsr_seed", "Seed of the drawn detail", gr.Number, {"precision": 0})
    add("mmsr_unload", "Free the device's memory after each picture")
