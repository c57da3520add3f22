"""The networks as diffusers models (`ModelMixin`, `ConfigMixin`), for `MMSRPipeline`.

Each is the network of the same name with diffusers' loading, saving and configuration in front.
Importing this module imports diffusers.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from . import (
    damage_estimator,
    denoiser,
    depth_net,
    fusion_net,
    kernel_estimator,
    mean_net,
    sharpening_estimator,
    text_encoder,
)
from .network import Network


def _as_diffusers_model(kind: type[Network]) -> Any:
    own_init = kind.__init__

    @wraps(own_init)
    def __init__(self: Network, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        own_init(self, *args, **kwargs)

    members = {
        "__init__": register_to_config(__init__),
        "__module__": __name__,
        "__qualname__": kind.__name__,
        "__doc__": f"`{kind.__name__}` as a diffusers model.",
        # torch's attribute lookup must come before ConfigMixin's, these two after it
        "config": ConfigMixin.config,
        "save_config": ConfigMixin.save_config,
    }
    return type(kind.__name__, (ModelMixin, kind, ConfigMixin), members)


DepthNet = _as_diffusers_model(depth_net.DepthNet)
KernelEstimator = _as_diffusers_model(kernel_estimator.KernelEstimator)
MeanNet = _as_diffusers_model(mean_net.MeanNet)
Denoiser = _as_diffusers_model(denoiser.Denoiser)
PromptTextEncoder = _as_diffusers_model(text_encoder.PromptTextEncoder)
FusionNet = _as_diffusers_model(fusion_net.FusionNet)
DamageEstimator = _as_diffusers_model(damage_estimator.DamageEstimator)
SharpeningEstimator = _as_diffusers_model(sharpening_estimator.SharpeningEstimator)

_TWINS = {
    twin.__name__: twin
    for twin in (
        DepthNet,
        KernelEstimator,
        MeanNet,
        Denoiser,
        PromptTextEncoder,
        FusionNet,
        DamageEstimator,
        SharpeningEstimator,
    )
}


def to_diffusers(network: nn.Module) -> nn.Module:
    """The diffusers model with the configuration and the very parameters of `network`."""
    if isinstance(network, ModelMixin) or not isinstance(network, Network):
        return network
    twin = _TWINS[type(network).__name__](**network.config)
    twin.load_state_dict(network.state_dict(), assign=True)
    return twin.train(network.training)
