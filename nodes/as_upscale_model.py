"""The restoration as an upscale model, for nodes that take one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from . import checks, inputs, values
from .host_api import io
from .load import connected_or_shipped
from .payloads import ModelHandle
from .runtime import acquire, check_interrupted


class RestorationUpscaler:
    """What nodes expect of an UPSCALE_MODEL: `scale`, `to`, a call on `(B,3,h,w)`, `model`.

    The host calls it tile by tile. Each tile is measured and restored by itself.
    """

    input_channels = 3
    output_channels = 3
    supports_half = False
    supports_bfloat16 = False

    def __init__(self, handle: ModelHandle, scale: int, settings: dict[str, Any]) -> None:
        """Args: the model, the factor, and further arguments of the pipeline."""
        self.scale = scale
        self._handle = handle
        self._settings = settings

    @property
    def model(self) -> nn.Module:
        """The networks; hosts count their bytes."""
        return self._handle.networks.module

    @property
    def patcher(self) -> object:
        """The host's handle on the networks (newer hosts load them by it)."""
        return self._handle.networks.patcher

    @property
    def device(self) -> torch.device:
        """Where the networks are now."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return torch.float32

    def to(self, *_: object, **__: object) -> RestorationUpscaler:
        """Nothing: the host's memory manager moves the networks when they are needed."""
        return self

    def eval(self) -> RestorationUpscaler:
        """Nothing: the networks are never trained here."""
        return self

    def __call__(self, image: Tensor) -> Tensor:
        """`(B,3,h,w)`, 0..1, to `(B,3,h*scale,w*scale)`, on the same device and in its dtype."""
        size = (image.shape[-2], image.shape[-1])
        pipeline = acquire(self._handle, size, self.scale)
        picture = image[:, :3].float().clamp(0, 1)
        made = pipeline(
            picture,
            scale=self.scale,
            progress=lambda _: check_interrupted(),
            **self._settings,
        )
        return made.images.to(image)


class AsUpscaleModelNode(io.ComfyNode):
    """MMSR for Upscale Image (using Model), Ultimate SD Upscale, detailers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_AsUpscaleModel",
            display_name="As Upscale Model (MMSR)",
            category=inputs.TOOLS,
            **inputs.aliases("upscale model", "esrgan", "ultimate sd upscale", "detailer"),
            description=(
                "Hands the restoration to nodes that take an upscale model: Upscale Image (using "
                "Model), Ultimate SD Upscale, detailers. They call it tile by tile; for a whole "
                "picture Restore & Upscale (MMSR) measures better."
            ),
            inputs=[
                inputs.own_model_input(),
                inputs.scale_input(),
                inputs.steps_input(),
                inputs.seed_input(),
                inputs.detail_input(),
                inputs.preset_input(),
                inputs.known_noise_input(),
                inputs.known_jpeg_input(),
                inputs.known_blur_input(),
                inputs.denoise_input(),
                inputs.known_sharpening_input(),
            ],
            outputs=[
                io.UpscaleModel.Output(
                    "upscale_model",
                    display_name="upscale model",
                    tooltip="The restoration with these settings, as an upscale model.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, preset: str | None = None) -> bool | str:
        """Check the choice."""
        return checks.check_choices(preset=(preset, inputs.PRESET_CHOICES))

    @classmethod
    def execute(
        cls,
        scale: int,
        steps: int,
        seed: int,
        detail: float,
        model: ModelHandle | None = None,
        preset: str = inputs.CUSTOM,
        noise: float = -1.0,
        jpeg_quality: int = 0,
        blur: float = 0.0,
        denoise: float = 1.0,
        sharpening: float = -1.0,
    ) -> io.NodeOutput:
        """Nothing is computed yet."""
        steps, detail = values.preset_numbers(preset, steps, detail)
        settings = {
            "steps": steps,
            "seed": seed,
            "detail": detail,
            "overrides": values.overrides(noise, jpeg_quality, sharpening),
            "blur_sigma_px": blur or None,
            "denoise": denoise,
        }
        return io.NodeOutput(RestorationUpscaler(connected_or_shipped(model), scale, settings))
