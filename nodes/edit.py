"""Edit a measured kernel field by hand."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from . import inputs
from .convert import Picture, is_black, mask_to_map, pick, split_image
from .host_api import io
from .payloads import DegradationBatch
from .previews import show
from .sockets import DegradationSocket
from .views import kernel_maps, kernel_views, plain_kernel_maps

BLACK_MASK = "The mask is black everywhere: the blur was left as it is."


class EditKernelFieldNode(io.ComfyNode):
    """Scale the blur, pull it towards one kernel, everywhere or where a mask is white."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_EditKernelField",
            display_name="Edit Measured Blur (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("blur", "kernel", "sharpen"),
            description=(
                "Changes the measured blur by hand: wider or narrower, pulled towards one blur of "
                "your choice, everywhere or only where you paint. Restoring with a wider blur "
                "sharpens more."
            ),
            inputs=[
                inputs.degradation_input(
                    optional=False, tooltip="The measurement to change. It is not altered itself."
                ),
                io.Float.Input(
                    "blur_scale",
                    display_name="blur factor",
                    default=1.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip=(
                        "Makes the blur this many times as wide. Above 1 the result is sharpened "
                        "more, below 1 less; 0 says there is no blur; 1 changes nothing."
                    ),
                ),
                io.Float.Input(
                    "blend",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip=(
                        "How far the blur is pulled towards the one set below: 0 not at all, "
                        "1 replaces it."
                    ),
                ),
                io.Float.Input(
                    "blur_sigma_px",
                    display_name="blur width",
                    default=2.0,
                    min=0.1,
                    max=4.5,
                    step=0.1,
                    tooltip=(
                        "Blur width of the blur to blend in, in pixels of the result (a standard "
                        "deviation). Has no effect while blend is 0."
                    ),
                ),
                io.Float.Input(
                    "ratio",
                    default=1.0,
                    min=0.1,
                    max=1.0,
                    step=0.05,
                    tooltip="How round that blur is: 1 is round, less is longer in one direction.",
                ),
                io.Float.Input(
                    "angle",
                    default=0.0,
                    min=-180.0,
                    max=180.0,
                    step=1.0,
                    tooltip="Direction of its longer axis in degrees, clockwise from the right.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip=(
                        "Where to change the blur: white is fully, black is not at all. Any size. "
                        "Leave it open to change it everywhere."
                    ),
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture, to see the changed blur over it. Only for show.",
                ),
            ],
            is_output_node=True,
            outputs=[
                DegradationSocket.Output(
                    "degradation_out",
                    display_name="degradation",
                    tooltip="The changed measurement.",
                ),
                io.Image.Output(
                    "kernel_map", display_name="kernel map", tooltip="The changed blur, drawn."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        degradation: DegradationBatch,
        blur_scale: float,
        blend: float,
        blur_sigma_px: float,
        ratio: float,
        angle: float,
        mask: Tensor | None = None,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        """Edit each picture's field."""
        from ..mmsr_core.degradation import KernelEdit, edit_field

        edit = KernelEdit(blur_scale, blend, blur_sigma_px, ratio, math.radians(angle))
        picture = None if image is None else split_image(image)
        count = len(degradation.items) if picture is None else picture.batch
        items = []
        for index in range(count):
            estimate = degradation.pick(index, count)
            field = estimate.kernel_field
            where = None
            if mask is not None:
                lr_pixels = mask_to_map(mask, (field.height, field.width))
                where = pick(lr_pixels, index, count, "mask")
            edited = edit_field(field, edit, where)
            notes = estimate.notes
            if mask is not None and is_black(mask):
                notes = (BLACK_MASK, *notes)
            given = {"kernel_field": edited, "kernels_given": True, "notes": notes}
            items.append(replace(estimate, **given))
        return degradation_result(DegradationBatch(tuple(items)), picture)


def degradation_result(batch: DegradationBatch, picture: Picture | None) -> io.NodeOutput:
    """A degradation and its map, over a picture where there is one."""
    drawn = plain_kernel_maps(batch) if picture is None else kernel_maps(batch, picture)
    return io.NodeOutput(batch, drawn, ui=show(kernel_views(batch, picture)))
