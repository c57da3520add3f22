"""The demo's access to the pipeline: one job at a time, results on disk, the last ones kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..types import Progress, ProgressCallback
from .files import Workspace, safe_stem
from .jobs import Restoration, RestoreJob
from .kept import KeptResults, job_key
from .outcome import inspect_result, png_metadata
from .settings import DemoSettings
from .sizes import SizePlan, plan_size

if TYPE_CHECKING:
    from torch import Tensor

    from ..image import LoadedImage
    from ..pipeline import MMSREngine, RestorationOutput
    from ..prompts import ClipPromptEncoder
    from .inspection import Inspection

_CPU_PIXELS, _GPU_PIXELS = 4_000_000, 24_000_000
_PACE = {"cpu": (5.0, 10.0), "cuda": (0.15, 0.3), "mps": (0.6, 1.2)}
"""Seconds per megapixel of the result before anything was timed: without and with a flow."""
MAX_PROMPT = 300
"""Characters."""


def _silent(progress: Progress) -> None:
    del progress


@dataclass(frozen=True)
class Abilities:
    """What the loaded weights can make use of beside the picture itself."""

    prompt: bool
    references: bool
    guide: bool

    def uses(self, modality: str) -> bool:
        """Whether the strength of a modality means anything."""
        return {"prompt": self.prompt, "guide": self.guide}.get(modality, True)


class Engine:
    """Loads the weights when first needed and runs one job at a time."""

    def __init__(self, settings: DemoSettings, workspace: Workspace | None = None) -> None:
        """Args: what the starter chose; where files go (a new place by default)."""
        self.settings = settings
        self.workspace = workspace or Workspace()
        self._one_job = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._loading = threading.Lock()
        self._pipeline: MMSREngine | None = None
        self.results = KeptResults()
        self._pace: dict[bool, float] = {}
        self._clip: ClipPromptEncoder | None = None

    # -- the model ------------------------------------------------------------------------------

    @property
    def pipeline(self) -> MMSREngine:
        """The pipeline; the first access loads it.

        Raises:
            WeightsError: The weights are missing or damaged.
        """
        with self._loading:
            if self._pipeline is None:
                from ..pipeline import load_pipeline

                chosen = self.settings
                self._pipeline = load_pipeline(chosen.model, chosen.device, chosen.dtype)
            return self._pipeline

    @property
    def clip(self) -> ClipPromptEncoder | None:
        """The CLIP model that the starter named, or None; the first access loads it.

        Raises:
            WeightsError: It is missing or damaged.
            InputError: transformers is not installed.
        """
        with self._loading:
            if self._clip is None and self.settings.clip is not None:
                from ..prompts import load_clip

                self._clip = load_clip(self.settings.clip)
            return self._clip

    @property
    def abilities(self) -> Abilities:
        """What the weights can make use of; loads them."""
        pipeline = self.pipeline
        in_flow = set(pipeline.denoiser.modalities)
        in_mean = bool(pipeline.mean_net.config.get("prompt_every", 0))
        clip = self.settings.clip is not None
        prompt = (in_mean or "prompt" in in_flow) and (clip or pipeline.prompt_encoder is not None)
        return Abilities(prompt, prompt and clip, pipeline.fusion_net is not None)

    def _prompt(self, job: RestoreJob) -> Any:
        """The job's words and reference pictures as the pipeline takes them; None for neither."""
        text = job.prompt.strip()
        if len(text) > MAX_PROMPT:
            raise InputError(f"The words are longer than {MAX_PROMPT} characters; use fewer.")
        clip = self.clip
        if clip is None:
            if job.references:
                raise InputError("Reference pictures need CLIP: start the demo with --clip FOLDER.")
            return text or None
        if not text and not job.references:
            return None
        from ..prompts import mix_prompts

        parts = [clip.encode_texts(text)] if text else []
        parts += [clip.encode_images(self.load(path).rgb) for path in job.references]
        return mix_prompts(parts)

    @property
    def device_type(self) -> str:
        """`cpu`, `cuda` or `mps`."""
        from ..pipeline.loading import resolve_device

        return resolve_device(self.settings.device).type

    # -- sizes and times ------------------------------------------------------------------------

    def plan(self, size: tuple[int, int], scale: int | None) -> SizePlan:
        """The working size of a picture of (height, width); see `plan_size`."""
        auto = self.settings.auto_pixels
        if not auto:
            auto = _CPU_PIXELS if self.device_type == "cpu" else _GPU_PIXELS
        return plan_size(size, scale, auto, self.settings.max_output_pixels)

    def seconds_for(self, plan: SizePlan, steps: int) -> float:
        """About how long a run takes, from the runs so far."""
        flow = steps > 0
        pace = self._pace.get(flow)
        if pace is None:
            pace = _PACE.get(self.device_type, _PACE["cpu"])[flow]
        return 1.0 + pace * plan.result[0] * plan.result[1] / 1e6 * (steps / 4 if flow else 1)

    def _learn_pace(self, plan: SizePlan, steps: int, seconds: float) -> None:
        megapixels = plan.result[0] * plan.result[1] / 1e6 * (steps / 4 if steps else 1)
        if megapixels > 0.2:
            self._pace[steps > 0] = seconds / megapixels

    # -- turns ----------------------------------------------------------------------------------

    @property
    def somebody_waits(self) -> bool:
        """Whether a job waits for the one that runs."""
        return self._waiting > 0

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._one_job.locked()

    @contextmanager
    def _turn(self, tell: ProgressCallback) -> Iterator[None]:
        """The right to compute. Waiting reports, so that it can be ended like any other stage."""
        with self._counting:
            self._waiting += 1
        try:
            while not self._one_job.acquire(timeout=0.2):
                tell(Progress("wait", 0, 1))
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            yield
        finally:
            self._one_job.release()

    # -- jobs -----------------------------------------------------------------------------------

    def load(self, path: Path, float_range: Any = "unit") -> LoadedImage:
        """Reads an uploaded picture within the limits.

        Raises:
            ImageFileError: It is no picture, damaged or too large; the message has no server path.
        """
        from ..errors import ImageFileError
        from ..image import load_image

        try:
            return load_image(path, self.settings.max_pixels, float_range=float_range)
        except ImageFileError as error:
            raise ImageFileError(str(error).replace(str(path), "This file")) from None

    def size_of(self, path: Path) -> tuple[int, int]:
        """Height and width from the header alone; errors as for `load`."""
        from ..errors import ImageFileError
        from ..image import read_size

        try:
            return read_size(path, self.settings.max_pixels)
        except ImageFileError as error:
            raise ImageFileError(str(error).replace(str(path), "This file")) from None

    def restore(
        self, job: RestoreJob, progress: ProgressCallback | None = None, *, keep: bool = False
    ) -> Restoration:
        """Restores one picture; the same job again is answered from the last results.

        Args:
            job: what to do.
            progress: told how far it is; may raise to end the run.
            keep: keep the result as long as the engine, for a shipped example.

        Raises:
            InputError: A picture or a number cannot be used.
        """
        from ..image import resize_alpha, resize_bicubic, save_image

        tell = progress or _silent
        key = job_key(job)
        kept = self.results.get(key)
        if kept is not None:
            return kept
        self.plan(self.size_of(job.picture), job.scale)  # From the header: refused before decoding.
        image = self.load(job.picture)
        plan = self.plan(image.size, job.scale)
        lr = resize_bicubic(image.rgb, plan.work)
        tell(Progress("load", 0, 1))
        pipeline = self.pipeline
        with self._turn(tell):
            started = time.perf_counter()
            output = self._run(pipeline, lr, job, plan.scale, tell)
            self._learn_pace(plan, job.steps, time.perf_counter() - started)
        tell(Progress("save", 1, 1))
        folder = self.workspace.new_folder(keep=keep)
        stem = safe_stem(job.name)
        after, before = folder / f"{stem}_restored.png", folder / f"{stem}_before.jpg"
        alpha = None if image.alpha is None else resize_alpha(image.alpha, plan.result)
        save_image(
            after,
            output.images,
            alpha,
            metadata=png_metadata(job, plan, output),
            icc_profile=image.icc_profile,
            bit_depth=16 if image.bit_depth > 8 and not plan.is_reduced else 8,
        )
        save_image(before, resize_bicubic(lr, plan.result), icc_profile=image.icc_profile)
        made = Restoration(
            after, before, plan, output.report.to_dict(), inspect_result(lr, output, folder, job)
        )
        self.results.put(key, made, keep=keep)
        return made

    def estimate(
        self, picture: Path, scale: int | None, progress: ProgressCallback | None = None
    ) -> Inspection:
        """Measures one picture without restoring it.

        Raises:
            InputError: The picture cannot be used.
        """
        from ..image import resize_bicubic
        from .inspection import inspect_run

        self.plan(self.size_of(picture), scale)
        image = self.load(picture)
        plan = self.plan(image.size, scale)
        lr = resize_bicubic(image.rgb, plan.work)
        tell = progress or _silent
        tell(Progress("load", 0, 1))
        pipeline = self.pipeline
        with self._turn(tell):
            measured = pipeline.refine_kernel(lr, plan.scale, progress=progress)
        return inspect_run(lr, measured, self.workspace.new_folder())

    def run(self, lr: Tensor, scale: int, job: RestoreJob, tell: ProgressCallback) -> Tensor:
        """The pipeline on a picture in memory: `(1,3,h,w)` to `(1,3,h*scale,w*scale)`, 0..1."""
        pipeline = self.pipeline
        with self._turn(tell):
            return self._run(pipeline, lr, job, scale, tell).images

    def _run(
        self,
        pipeline: MMSREngine,
        lr: Tensor,
        job: RestoreJob,
        scale: int,
        tell: ProgressCallback,
    ) -> RestorationOutput:
        height, width = lr.shape[-2:]
        options: dict[str, Any] = {}
        if job.depth is not None:
            from ..depth import depth_from_picture

            picture = self.load(job.depth, "stretch")
            options["inverse_depth"] = depth_from_picture(picture.rgb, (height, width))
        if job.guide is not None:
            options |= {"guide": self.load(job.guide).rgb, "guide_mode": job.guide_mode}
        prompt = self._prompt(job)
        if prompt is not None:
            options["prompt"] = prompt
        return pipeline(
            lr,
            scale=scale,
            steps=job.steps,
            detail=job.detail,
            seed=job.seed,
            strengths=dict(job.strengths),
            consistency=job.consistency,
            progress=tell,
            **options,
        )

    def close(self) -> None:
        """Removes every file."""
        self.results.clear()
        self.workspace.close()
