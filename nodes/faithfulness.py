"""Degrade a result again and compare it with the input."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..mmsr_core.errors import InputError
from . import inputs
from .convert import join_image, pick, split_image
from .host_api import io
from .payloads import DegradationBatch
from .previews import show
from .runtime import check_interrupted
from .views import MAX_VIEWS, compare_view

MAX_DB = 100.0
"""Shown for pictures that are equal."""


class FaithfulnessCheckNode(io.ComfyNode):
    """The proof: the result, degraded with the measured kernels, against the input."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_FaithfulnessCheck",
            display_name="Faithfulness Check (MMSR)",
            category=inputs.TOOLS,
            **inputs.aliases("psnr", "consistency", "compare"),
            description=(
                "Blurs, shrinks and sharpens a result as measured and compares it with the picture "
                "it came from: does it still say what the input said? Works on the result of any "
                "upscaler."
            ),
            inputs=[
                inputs.image_input(
                    "The result to check, exactly scale times as large as the input."
                ),
                io.Image.Input(
                    "original", tooltip="The small picture that the result was made from."
                ),
                inputs.degradation_input(
                    optional=False,
                    tooltip="The blur and sharpening of the small picture, measured or true.",
                ),
                io.Float.Input(
                    "gain",
                    default=8.0,
                    min=1.0,
                    max=64.0,
                    step=1.0,
                    tooltip="How many times the difference picture is exaggerated.",
                ),
                io.Image.Input(
                    "ground_truth",
                    display_name="ground truth",
                    optional=True,
                    tooltip="The sharp picture, where it is known: gives PSNR and SSIM as well.",
                ),
            ],
            is_output_node=True,
            outputs=[
                io.Image.Output(
                    "difference",
                    display_name="difference",
                    tooltip="Input minus degraded result, exaggerated: grey is agreement.",
                ),
                io.Float.Output(
                    "consistency_db",
                    display_name="dB",
                    tooltip="Agreement with the input in dB, the mean of the batch. 45 is good.",
                ),
                io.String.Output("report", display_name="report", tooltip="The figures in words."),
                io.Image.Output(
                    "degraded", display_name="degraded", tooltip="The result, degraded again."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        original: Tensor,
        degradation: DegradationBatch,
        gain: float,
        ground_truth: Tensor | None = None,
    ) -> io.NodeOutput:
        """Check each picture of the batch."""
        from ..mmsr_core.degradation import degrade_canvas

        result, small = split_image(image), split_image(original, "original").rgb
        truth = None if ground_truth is None else split_image(ground_truth, "ground_truth").rgb
        again, differences, lines, figures, views = [], [], [], [], []
        for index in range(result.batch):
            check_interrupted()
            one = result.rgb[index : index + 1]
            lr = pick(small, index, result.batch, "original")
            estimate = degradation.pick(index, result.batch)
            field = estimate.kernel_field
            _check_sizes(one, lr, field.scale, (field.height, field.width))
            low = degrade_canvas(one, field, callback=check_interrupted)
            degraded = estimate.sharpened(low).clamp(0, 1)
            error = float((degraded - lr).square().mean())
            figures.append(MAX_DB if error <= 0 else min(MAX_DB, -10 * math.log10(error)))
            text = (
                f"degraded again, it differs from the input by {255 * math.sqrt(error):.1f} of 255 "
                f"grey levels ({figures[-1]:.1f} dB)"
            )
            own_truth = pick(truth, index, result.batch, "ground_truth")
            if own_truth is not None:
                text += "\n" + _against_truth(one, own_truth, field.scale)
            lines.append(text if result.batch == 1 else f"picture {index + 1}: {text}")
            again.append(degraded)
            differences.append((0.5 + gain * (lr - degraded)).clamp(0, 1))
            if index < MAX_VIEWS:
                labels = ("input", "result, degraded again")
                views.append(compare_view(lr[0], degraded[0], labels, text))
        return io.NodeOutput(
            join_image(torch.cat(differences)),
            sum(figures) / len(figures),
            "\n".join(lines),
            join_image(torch.cat(again)),
            ui=show(views),
        )


def _check_sizes(result: Tensor, lr: Tensor, scale: int, lr_pixels: tuple[int, int]) -> None:
    size = (lr.shape[-2], lr.shape[-1])
    if size != lr_pixels:
        raise InputError(
            f"original: has {size[1]}x{size[0]} pixels, but the degradation is for "
            f"{lr_pixels[1]}x{lr_pixels[0]}. Measure the blur on this very picture."
        )
    wanted = (size[0] * scale, size[1] * scale)
    if tuple(result.shape[-2:]) != wanted:
        raise InputError(
            f"image: has {result.shape[-1]}x{result.shape[-2]} pixels, but at scale {scale} the "
            f"result of this input has {wanted[1]}x{wanted[0]}. Use the same scale throughout. "
            "Nodes that work in a VAE's latents crop to a multiple of 8 pixels: resize their "
            f"result to {wanted[1]}x{wanted[0]}, or start from a picture whose result fits."
        )


def _against_truth(result: Tensor, truth: Tensor, scale: int) -> str:
    from ..mmsr_core.metrics import psnr, ssim

    if result.shape != truth.shape:
        raise InputError(
            f"ground_truth: has {truth.shape[-1]}x{truth.shape[-2]} pixels, but the result has "
            f"{result.shape[-1]}x{result.shape[-2]}. Use Degrade's ground truth output."
        )
    crop = scale if min(result.shape[-2:]) > 2 * scale + 16 else 0
    text = f"PSNR {float(psnr(result, truth, crop=crop)):.2f} dB against the ground truth"
    if min(result.shape[-2:]) - 2 * crop >= 11:
        text += f", SSIM {float(ssim(result, truth, crop=crop)):.4f}"
    return f"{text} (luma, {crop} px of border left out)"
