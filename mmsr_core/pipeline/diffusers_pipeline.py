"""The engine as a diffusers pipeline. Importing this module imports diffusers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from torch import nn

from ..diffusion import flow_times
from ..models import Denoiser, KernelEstimator, MeanNet
from ..models.depth_net import DepthNet
from ..models.diffusers_models import to_diffusers
from .engine import MMSREngine

if TYPE_CHECKING:
    from ..models import DamageEstimator, FusionNet, PromptTextEncoder, SharpeningEstimator


class MMSRPipeline(DiffusionPipeline, MMSREngine):  # pyright: ignore[reportIncompatibleMethodOverride]
    """`MMSREngine` with diffusers' loading, saving, offloading and scheduler.

    `MMSRPipeline.from_pretrained(folder)` reads a weights folder; `from_engine` wraps a loaded
    engine. Unlike `load_pipeline`, diffusers does not compare SHA-256 sums.
    """

    model_cpu_offload_seq = (
        "sharpening_estimator->damage_estimator->depth_estimator->kernel_estimator->mean_net->mean_net_low->fusion_net"
        "->denoiser"
    )
    _optional_components = [  # noqa: RUF012  (diffusers reads it)
        "damage_estimator",
        "mean_net_low",
        "sharpening_estimator",
        "prompt_encoder",
        "fusion_net",
    ]

    def __init__(
        self,
        depth_estimator: DepthNet,
        kernel_estimator: KernelEstimator,
        mean_net: MeanNet,
        denoiser: Denoiser,
        scheduler: FlowMatchEulerDiscreteScheduler,
        prompt_encoder: PromptTextEncoder | None = None,
        fusion_net: FusionNet | None = None,
        damage_estimator: DamageEstimator | None = None,
        mean_net_low: MeanNet | None = None,
        sharpening_estimator: SharpeningEstimator | None = None,
    ) -> None:
        """Args: the networks, and the scheduler that places the sampling times."""
        DiffusionPipeline.__init__(self)
        self.register_modules(
            depth_estimator=depth_estimator,
            kernel_estimator=kernel_estimator,
            mean_net=mean_net,
            denoiser=denoiser,
            scheduler=scheduler,
            prompt_encoder=prompt_encoder,
            fusion_net=fusion_net,
            damage_estimator=damage_estimator,
            mean_net_low=mean_net_low,
            sharpening_estimator=sharpening_estimator,
        )
        self.compute_dtype = torch.float32
        self.model_label = "custom"

    @classmethod
    def from_engine(cls, engine: MMSREngine) -> MMSRPipeline:
        """The same networks, with the same parameters, as a diffusers pipeline."""
        parts = {
            name: None if network is None else to_diffusers(network)
            for name, network in engine.components.items()
        }
        scheduler = FlowMatchEulerDiscreteScheduler(shift=engine.time_shift)
        pipe = cls(**parts, scheduler=scheduler)  # pyright: ignore[reportArgumentType]
        pipe.compute_dtype, pipe.model_label = engine.compute_dtype, engine.model_label
        return pipe

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """See diffusers. Weights are made contiguous first, which older safetensors ask for."""
        for network in self.components.values():
            if isinstance(network, nn.Module):
                for parameter in network.parameters():
                    parameter.data = parameter.data.contiguous()
        super().save_pretrained(*args, **kwargs)

    def sampling_times(self, steps: int) -> list[float]:
        """Flow times from 1 to 0 as the scheduler places them: `steps + 1` numbers."""
        self.scheduler.set_timesteps(sigmas=np.array(flow_times(steps)[:-1]))
        return [float(v) for v in self.scheduler.sigmas]
