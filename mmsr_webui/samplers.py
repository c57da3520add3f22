"""The host's sampling model: Forge's own backend, and the older one of Forge Classic.

Both take a function that is called after each prediction. They differ in where the noise schedule,
the scaling of latents and the memory manager are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from mmsr_core.pipeline import HostAutoencoder


def _schedule(model: Any) -> Any:
    """Forge has `predictor`, Forge Classic `model_sampling`; they answer alike."""
    return getattr(model, "predictor", None) or model.model_sampling


def sigma_span(unet: Any, start: float, end: float) -> tuple[float, float]:
    """Shares of the sampling, 0 (noise) to 1, as the host's sigmas: the larger first."""
    schedule = _schedule(unet.model)
    return float(schedule.percent_to_sigma(start)), float(schedule.percent_to_sigma(end))


def noise_over_signal(model: Any, sigma: Tensor) -> Tensor:
    """The host's sigma as noise over signal."""
    from mmsr_core.pipeline import flow_noise_over_signal

    if getattr(_schedule(model), "prediction_type", "") == "const":
        return flow_noise_over_signal(sigma)
    return sigma


def autoencoder(objects: Any, model: Any) -> HostAutoencoder:
    """The host's VAE in the sampler's latents.

    Args:
        objects: the host's `forge_objects`.
        model: the model that is sampling; None before the sampling.
    """
    from mmsr_core.pipeline import HostAutoencoder

    vae, unet = objects.vae, objects.unet
    if hasattr(vae.first_stage_model, "process_out"):
        to_vae, from_vae = vae.first_stage_model.process_out, vae.first_stage_model.process_in
    else:
        to_vae, from_vae = unet.model.process_latent_out, unet.model.process_latent_in
    network = None if model is None else model.diffusion_model
    return HostAutoencoder(vae, to_vae, from_vae, network, lambda: _bring_back(unet))


def _bring_back(unet: Any) -> None:
    try:
        from backend import memory_management as manager
    except ImportError:
        from ldm_patched.modules import model_management as manager
    manager.load_model_gpu(unet)
