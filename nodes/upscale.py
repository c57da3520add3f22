"""Everything in one node: measure, refine, restore, report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from . import checks, inputs, values
from .convert import mask_to_map, pick, split_image, transparency_mask, with_transparency
from .host_api import io
from .load import connected_or_shipped
from .payloads import ModelHandle, PromptBatch
from .results import alpha_runs, larger_alpha, report_output, restored
from .runtime import HostProgress, acquire, host_names


class UpscaleNode(io.ComfyNode):
    """The whole pipeline with its defaults."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_Upscale",
            display_name="Restore & Upscale (MMSR)",
            category=inputs.CATEGORY,
            **inputs.aliases(
                "super resolution",
                "restore",
                "deblur",
                "unblur",
                "denoise",
                "noise",
                "grain",
                "scan",
                "old photo",
                "sharpen",
                "jpeg",
                "enhance",
                "enlarge",
                "face",
            ),
            description=(
                "Measures what is wrong with the picture, restores and enlarges it, and reports "
                "how well the result agrees with the input. Alpha is kept."
            ),
            inputs=[
                inputs.own_model_input(),
                inputs.image_input("The soft, noisy or small picture to restore."),
                inputs.scale_input(),
                inputs.steps_input(),
                inputs.seed_input(),
                inputs.detail_input(),
                inputs.tile_input(),
                inputs.depth_input(),
                inputs.prompt_input(),
                inputs.seed_mode_input(),
                inputs.depth_polarity_input(),
                inputs.preset_input(),
                inputs.known_noise_input(),
                inputs.known_jpeg_input(),
                inputs.known_blur_input(),
                inputs.denoise_input(),
                inputs.target_size_input(),
                # Last, as all that was added: saved workflows hold the values by position.
                inputs.blend_mask_input(),
                inputs.feather_input(),
                inputs.transparency_input(),
                inputs.frames_input(),
                inputs.known_sharpening_input(),
            ],
            is_output_node=True,
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The restored picture."),
                report_output(),
                io.Mask.Output(
                    "mask_out",
                    display_name="mask",
                    tooltip=(
                        "The picture's transparency at the size of the result, from alpha or from "
                        "the picture itself: white is transparent. For Join Image with Alpha."
                    ),
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        seed_mode: str | None = None,
        depth_polarity: str | None = None,
        preset: str | None = None,
        size: str | None = None,
        tile: int | None = None,
    ) -> bool | str:
        """Check the choices, the size and the tile."""
        return checks.first_complaint(
            checks.check_choices(
                preset=(preset, inputs.PRESET_CHOICES),
                seed_mode=(seed_mode, inputs.SEED_MODES),
                depth_polarity=(depth_polarity, inputs.POLARITIES),
            ),
            checks.check_size(size),
            checks.check_tile(tile),
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        scale: int,
        steps: int,
        seed: int,
        detail: float,
        model: ModelHandle | None = None,
        tile: int = 0,
        depth: Tensor | None = None,
        prompt: PromptBatch | None = None,
        seed_mode: str = inputs.SEED_MODES[0],
        depth_polarity: str = inputs.POLARITIES[0],
        preset: str = inputs.CUSTOM,
        noise: float = -1.0,
        jpeg_quality: int = 0,
        blur: float = 0.0,
        denoise: float = 1.0,
        size: str = "",
        mask: Tensor | None = None,
        feather: float = 4.0,
        alpha: Tensor | None = None,
        frames: bool = False,
        sharpening: float = -1.0,
    ) -> io.NodeOutput:
        """Restore each picture of the batch by itself, with its own seed, or all as one clip.

        A batch through the networks at once would not be the same: pictures of a batch share the
        decision to reduce a widely blurred picture, and the report.
        """
        from ..mmsr_core.pipeline import restored_within

        steps, detail = values.preset_numbers(preset, steps, detail)
        picture = split_image(image)
        clear = with_transparency(picture, alpha)
        scale, wanted = values.scale_and_size(scale, size, picture.size)
        made = wanted or (picture.size[0] * scale, picture.size[1] * scale)
        where = None if mask is None else mask_to_map(mask, made)
        inverse_depth = values.connected_depth(depth, picture.size, depth_polarity)
        pipeline = acquire(connected_or_shipped(model), picture.size, scale)
        settings: dict[str, Any] = {
            "scale": scale,
            "size": wanted,
            "steps": steps,
            "detail": detail,
            "tile": values.tile_cells(tile),
            "overrides": values.overrides(noise, jpeg_quality, sharpening),
            "blur_sigma_px": blur or None,
            "denoise": denoise,
        }
        together = frames and picture.batch > 1
        progress = HostProgress(picture.batch + alpha_runs(clear.alpha, scale))
        depths = [pick(inverse_depth, i, picture.batch, "depth") for i in range(picture.batch)]
        results = []
        with host_names():
            clip = None
            if together:
                clip = pipeline.restore_clip(
                    clear.rgb,
                    seed=seed,
                    inverse_depths=None if inverse_depth is None else depths,
                    prompt=None if prompt is None else prompt.pick(0, picture.batch),
                    progress=progress.item(0, picture.batch),
                    **settings,
                )
            for index in range(picture.batch):
                one = clear.rgb[index : index + 1]
                own_mask = pick(where, index, picture.batch, "mask")
                evidence = {"inverse_depth": depths[index]}
                if prompt is not None:
                    evidence["prompt"] = prompt.pick(index, picture.batch)
                result = (
                    next(clip)
                    if clip is not None
                    else pipeline(
                        one,
                        seed=values.item_seed(seed, index, seed_mode),
                        progress=progress.item(index),
                        **settings,
                        **evidence,
                    )
                )
                results.append(restored_within(result, one, own_mask, feather))
        alpha = larger_alpha(pipeline, clear.alpha, scale, made, progress, values.tile_cells(tile))
        if clear is picture:
            picture = replace(picture, alpha=alpha)
        return restored(pipeline, picture, results, transparency_mask(alpha, picture.batch, made))
