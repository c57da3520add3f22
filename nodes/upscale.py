"""Everything in one node: measure, refine, restore, report."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from . import inputs
from .convert import pick, split_image
from .payloads import ModelHandle, PromptBatch
from .results import report_output, restored
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
                inputs.model_input(),
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
            ],
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The restored picture."),
                report_output(),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        seed_mode: str | None = None,
        depth_polarity: str | None = None,
        preset: str | None = None,
        size: str | None = None,
    ) -> bool | str:
        """Check the choices and the size."""
        checked = inputs.check_choices(
            preset=(preset, inputs.PRESET_CHOICES),
            seed_mode=(seed_mode, inputs.SEED_MODES),
            depth_polarity=(depth_polarity, inputs.POLARITIES),
        )
        return inputs.check_size(size) if checked is True else checked

    @classmethod
    def execute(
        cls,
        model: ModelHandle,
        image: Tensor,
        scale: int,
        steps: int,
        seed: int,
        detail: float,
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
    ) -> io.NodeOutput:
        """Restore each picture of the batch with its own seed."""
        steps, detail = inputs.preset_numbers(preset, steps, detail)
        picture = split_image(image)
        scale, wanted = inputs.scale_and_size(scale, size, picture.size)
        inverse_depth = inputs.connected_depth(depth, picture.size, depth_polarity)
        pipeline = acquire(model, picture.size, scale)
        progress = HostProgress(picture.batch)
        results = []
        with host_names():
            for index in range(picture.batch):
                evidence = {"inverse_depth": pick(inverse_depth, index, picture.batch, "depth")}
                if prompt is not None:
                    evidence["prompt"] = prompt.pick(index, picture.batch)
                results.append(
                    pipeline(
                        picture.rgb[index : index + 1],
                        scale=scale,
                        size=wanted,
                        steps=steps,
                        seed=inputs.item_seed(seed, index, seed_mode),
                        detail=detail,
                        tile=inputs.tile_size(tile),
                        overrides=inputs.overrides(noise, jpeg_quality),
                        blur_sigma_px=blur or None,
                        denoise=denoise,
                        progress=progress.item(index),
                        **evidence,
                    )
                )
        return restored(picture, results)
