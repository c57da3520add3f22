"""Damage a good picture on purpose, to test a restoration whose truth is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..mmsr_core.errors import InputError
from . import checks, inputs, values
from .convert import (
    Picture,
    depth_from_image,
    fit_map,
    join_image,
    mask_to_map,
    pick,
    split_image,
)
from .host_api import io
from .payloads import DegradationBatch
from .previews import show
from .runtime import check_interrupted
from .sockets import DegradationSocket
from .views import kernel_maps, kernel_views

SHAPES = ("gaussian", "defocus", "motion")
LAYOUTS = (
    "even",
    "left to right",
    "top to bottom",
    "centre to edge",
    "follow depth",
    "follow mask",
)


class DegradeNode(io.ComfyNode):
    """Blur, shrink, noise, sharpening and JPEG, in this order, and the truth about it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_Degrade",
            display_name="Degrade (MMSR)",
            category=inputs.TOOLS,
            **inputs.aliases("blur", "noise", "jpeg", "downscale"),
            description=(
                "Makes a soft, small, noisy picture from a good one, with a blur that may vary "
                "over the picture, and hands out the true blur. For tests and comparisons."
            ),
            inputs=[
                inputs.image_input(
                    "A sharp picture. It is cropped at the right and bottom to a multiple of scale."
                ),
                io.Int.Input(
                    "scale",
                    default=4,
                    min=1,
                    max=16,
                    step=1,
                    tooltip="How many times smaller the damaged picture is in each direction.",
                ),
                io.Combo.Input(
                    "shape",
                    options=list(SHAPES),
                    default=SHAPES[0],
                    tooltip="Kind of blur: soft and round, out of focus (a disk), or shaken.",
                ),
                io.Combo.Input(
                    "layout",
                    options=list(LAYOUTS),
                    default="left to right",
                    tooltip=(
                        "How the blur goes over the picture, from the first blur width to the "
                        "second. even uses the first alone; follow depth needs a depth picture, "
                        "follow mask a mask (white is the second)."
                    ),
                ),
                io.Float.Input(
                    "blur_from_px",
                    display_name="blur width from",
                    default=0.9,
                    min=0.1,
                    max=4.5,
                    step=0.1,
                    tooltip=(
                        "Blur width where the layout begins, in pixels of the sharp picture (a "
                        "standard deviation)."
                    ),
                ),
                io.Float.Input(
                    "blur_to_px",
                    display_name="blur width to",
                    default=2.6,
                    min=0.1,
                    max=4.5,
                    step=0.1,
                    tooltip="Blur width where the layout ends, in pixels of the sharp picture.",
                ),
                io.Float.Input(
                    "angle",
                    default=30.0,
                    min=-180.0,
                    max=180.0,
                    step=1.0,
                    tooltip="Direction of the shake in degrees, clockwise from the right.",
                ),
                inputs.noise_input(
                    "noise", 2.0, "Sensor noise: standard deviation in steps of 255. 0 is none."
                ),
                inputs.jpeg_input(100, "JPEG quality of the damaged picture. 100 leaves JPEG out."),
                inputs.seed_input(),
                io.Float.Input(
                    "focus",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="For follow depth: how near the sharp plane is, 0 far to 1 near.",
                ),
                io.Image.Input(
                    "depth",
                    optional=True,
                    tooltip="Depth picture for the layout follow depth: near is bright. Any size.",
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="For the layout follow mask. Any size."
                ),
                inputs.degradation_input(
                    optional=True,
                    tooltip=(
                        "Blur to use instead of shape and layout, such as one measured on another "
                        "picture of the same size. Its scale must be the same. Its sharpening goes "
                        "with it."
                    ),
                ),
                inputs.sharpening_input(),
            ],
            is_output_node=True,
            outputs=[
                io.Image.Output(
                    "image_out", display_name="image", tooltip="The damaged, small picture."
                ),
                DegradationSocket.Output(
                    "degradation_out",
                    display_name="degradation",
                    tooltip=(
                        "The truth: the blur, noise, sharpening and JPEG quality that were used."
                    ),
                ),
                io.Image.Output(
                    "kernel_map", display_name="kernel map", tooltip="The true blur, drawn."
                ),
                io.Image.Output(
                    "truth",
                    display_name="ground truth",
                    tooltip="The sharp picture, cropped: what a perfect restoration gives.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, shape: str | None = None, layout: str | None = None) -> bool | str:
        """Check the choices."""
        return checks.check_choices(shape=(shape, SHAPES), layout=(layout, LAYOUTS))

    @classmethod
    def execute(
        cls,
        image: Tensor,
        scale: int,
        shape: str,
        layout: str,
        blur_from_px: float,
        blur_to_px: float,
        angle: float,
        noise: float,
        jpeg_quality: int,
        seed: int,
        focus: float = 1.0,
        depth: Tensor | None = None,
        mask: Tensor | None = None,
        degradation: DegradationBatch | None = None,
        sharpening: float = 0.0,
    ) -> io.NodeOutput:
        """Damage each picture of the batch, each with its own noise."""
        from ..mmsr_core.degradation import Sharpening, add_damage, blur_field, degrade_canvas
        from ..mmsr_core.pipeline import DegradationEstimate

        whole = split_image(image)
        h, w = whole.size[0] // scale, whole.size[1] // scale
        if min(h, w) < 1:
            raise InputError(
                f"scale: a picture of {whole.size[1]}x{whole.size[0]} pixels cannot be made "
                f"{scale} times smaller. Choose a smaller scale."
            )
        rows, cols = slice(h * scale), slice(w * scale)
        hr = whole.rgb[..., rows, cols].contiguous()
        amount = _layout(layout, (h, w), focus, depth, mask)
        small, items = [], []
        for index in range(whole.batch):
            check_interrupted()
            one = hr[index : index + 1]
            sharpened = Sharpening.of(sharpening)
            if degradation is not None:
                given = degradation.pick(index, whole.batch)
                field = given.kernel_field
                if given.sharpening is not None:
                    sharpened = given.sharpening
                _check_field(field.scale, (field.height, field.width), scale, (h, w))
            else:
                share = pick(amount, index, whole.batch, "depth" if depth is not None else "mask")
                sigma = blur_from_px + (blur_to_px - blur_from_px) * share[:, 0]
                field = blur_field(sigma, scale, shape, math.radians(angle))  # type: ignore[arg-type]
            lr = degrade_canvas(one, field, callback=check_interrupted)
            own_seed = values.item_seed(seed, index, inputs.SEED_MODES[0])
            quality = None if jpeg_quality >= 100 else jpeg_quality
            small.append(add_damage(lr, noise / 255, quality, own_seed, sharpened))
            items.append(
                DegradationEstimate(
                    kernel_field=field,
                    inverse_depth=None,
                    noise_std=torch.tensor([noise / 255]),
                    jpeg_quality=torch.tensor([float(jpeg_quality)]),
                    sharpening=sharpened,
                )
            )
        alpha = None if whole.alpha is None else whole.alpha[..., rows, cols].contiguous()
        small_alpha = None if alpha is None else fit_map(alpha, (h, w))
        batch, damaged = DegradationBatch(tuple(items)), Picture(torch.cat(small), small_alpha)
        return io.NodeOutput(
            join_image(damaged.rgb, small_alpha),
            batch,
            kernel_maps(batch, damaged),
            join_image(hr, alpha),
            ui=show(kernel_views(batch, damaged)),
        )


def _layout(
    layout: str, size: tuple[int, int], focus: float, depth: Tensor | None, mask: Tensor | None
) -> Tensor:
    """`(B,1,h,w)` in 0..1: 0 is blur_from_px, 1 is blur_to_px."""
    from ..mmsr_core.degradation import layout_map

    if layout == "follow depth":
        if depth is None:
            raise InputError(
                "depth: layout is follow depth, but no depth picture is connected. Connect one, "
                "or choose another layout."
            )
        # Thin lens: the blur grows with |1/d - 1/d_focus|.
        away = (depth_from_image(depth, size) - focus).abs()
        return away / max(focus, 1.0 - focus)
    if layout == "follow mask":
        if mask is None:
            raise InputError(
                "mask: layout is follow mask, but no mask is connected. Connect one, or choose "
                "another layout."
            )
        return mask_to_map(mask, size)
    return layout_map(layout, *size)[None]  # type: ignore[arg-type]


def _check_field(found: int, lr_pixels: tuple[int, int], scale: int, size: tuple[int, int]) -> None:
    if found != scale:
        raise InputError(
            f"degradation: is for scale {found}, but scale is {scale}. Set scale to {found}, or "
            f"connect a blur measured at scale {scale}."
        )
    if lr_pixels != size:
        raise InputError(
            f"degradation: is for a small picture of {lr_pixels[1]}x{lr_pixels[0]} pixels, "
            f"but this one becomes {size[1]}x{size[0]}. Use a picture of {lr_pixels[1] * scale}x"
            f"{lr_pixels[0] * scale} pixels, or leave the degradation open."
        )
