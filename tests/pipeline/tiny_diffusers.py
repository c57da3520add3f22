"""Tiny real pipelines of diffusers, with an autoencoder that loses nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from diffusers import (
    ConfigMixin,
    FluxPipeline,
    FluxTransformer2DModel,
    ModelMixin,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.configuration_utils import register_to_config
from torch import Tensor
from torch.nn import functional as F

WIDTH = 32
"""Of the embeddings of prompts."""


class PixelShuffleVAE(ModelMixin, ConfigMixin):
    """2x2 pixels become 12 channels, exactly invertible; -1..1 on the side of the pictures."""

    @register_to_config
    def __init__(
        self,
        block_out_channels: tuple[int, ...] = (4, 4),
        latent_channels: int = 12,
        scaling_factor: float = 2.0,
        shift_factor: float | None = None,
    ) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(()))

    def encode(self, images: Tensor, return_dict: bool = True) -> SimpleNamespace:
        return SimpleNamespace(latents=F.pixel_unshuffle(images, 2))

    def decode(self, latents: Tensor, return_dict: bool = True, **_: Any) -> tuple[Tensor]:
        return (F.pixel_shuffle(latents, 2),)


def tiny_stable_diffusion(scheduler: Any) -> StableDiffusionPipeline:
    """Stable Diffusion with one small level and random weights."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=12, out_channels=12, layers_per_block=1,
        block_out_channels=(16, 16), norm_num_groups=4, cross_attention_dim=WIDTH,
        attention_head_dim=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    pipe = StableDiffusionPipeline(
        vae=PixelShuffleVAE(), text_encoder=None, tokenizer=None, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    return quiet(pipe)


def tiny_flux(scheduler: Any) -> FluxPipeline:
    """Flux with one block of each kind and random weights."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=48, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    pipe = FluxPipeline(
        scheduler=scheduler, vae=PixelShuffleVAE(shift_factor=0.1), text_encoder=None,
        tokenizer=None, text_encoder_2=None, tokenizer_2=None, transformer=transformer,
    )  # fmt: skip
    return quiet(pipe)


def quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe


def prompt(pipe: Any) -> dict[str, Tensor | float]:
    """What stands in for words, without guidance."""
    words = torch.randn(1, 5, WIDTH, generator=torch.manual_seed(1))
    made: dict[str, Tensor | float] = {"prompt_embeds": words, "guidance_scale": 1.0}
    if isinstance(pipe, FluxPipeline):
        made["pooled_prompt_embeds"] = words[:, 0]
    return made
