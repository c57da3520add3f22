"""Loaded by Stable Diffusion WebUI: img2img and hires fix held to their picture."""

from mmsr_webui.hold import HoldScript  # noqa: F401 - the host finds it by its base class
