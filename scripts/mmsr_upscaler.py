"""Loaded by Stable Diffusion WebUI: MMSR as an upscaler, and its settings."""

from modules import script_callbacks

from mmsr_webui.settings import add_settings
from mmsr_webui.upscaler import UpscalerMMSR  # noqa: F401 - the host finds it by its base class

script_callbacks.on_ui_settings(add_settings)
