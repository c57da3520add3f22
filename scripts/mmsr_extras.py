"""Loaded by Stable Diffusion WebUI: MMSR in the Extras tab."""

from mmsr_webui.extras import RestorePostprocessing  # noqa: F401 - the host finds it here
