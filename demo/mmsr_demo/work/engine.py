"""The demo's access to the pipeline: one job at a time, results on disk, the last ones kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsr_core.errors import InputError
from mmsr_core.types import Progress, ProgressCallback

from ..files.workspace import Workspace
from ..settings import DemoSettings
from .job_queue import JobQueue
from .jobs import Merged, Restoration, RestoreJob
from .models import Abilities, Models
from .parts import Part, part_around
from .result_cache import ResultCache, job_key
from .run_time import RunClock, RunPlan, RunTimeEstimate, measuring, restoring
from .saving import noted, save_part, save_result
from .sizes import SizePlan, plan_size, suitable_pixels

if TYPE_CHECKING:
    from torch import Tensor

    from mmsr_core.image import LoadedImage, TargetSize
    from mmsr_core.pipeline import MMSREngine, RestorationOutput
    from mmsr_core.prompts import ClipPromptEncoder

    from .inspection import Inspection


def _silent(progress: Progress) -> None:
    del progress


class Engine:
    """Loads the weights when first needed and runs one job at a time."""

    def __init__(self, settings: DemoSettings, workspace: Workspace | None = None) -> None:
        """Args: what the starter chose; where files go (a new place by default)."""
        self.settings = settings
        self.workspace = workspace or Workspace()
        self.results: ResultCache[Restoration] = ResultCache()
        self.merges: ResultCache[Merged] = ResultCache()
        self._models = Models(settings)
        self._queue = JobQueue()
        self._run_time = RunTimeEstimate()

    @property
    def pipeline(self) -> MMSREngine:
        """The pipeline; see `Models.pipeline`."""
        return self._models.pipeline

    @property
    def clip(self) -> ClipPromptEncoder | None:
        """The CLIP model that the starter named, or None; see `Models.clip`."""
        return self._models.clip

    @property
    def abilities(self) -> Abilities:
        """What the weights can make use of; loads them."""
        return self._models.abilities

    @property
    def has_waiting_jobs(self) -> bool:
        """Whether a job waits for the one that runs."""
        return self._queue.has_waiting_jobs

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._queue.is_busy

    def plan(
        self, size: tuple[int, int], scale: int | None, target: TargetSize | None = None
    ) -> SizePlan:
        """The working size of a picture of (height, width); see `plan_size`."""
        auto = self.settings.auto_pixels or suitable_pixels(self._models.device_type)
        return plan_size(size, scale, auto, self.settings.max_output_pixels, target)

    def seconds_for(self, run: RunPlan) -> float:
        """About how long a run takes, from the runs so far."""
        return self._run_time.seconds_for(run, self._models.device_type)

    @contextmanager
    def timed(self, run: RunPlan, callback: ProgressCallback) -> Iterator[RunClock]:
        """The clock of a run, which begins now; how long it took is learnt.

        Args:
            run: its phases and size.
            callback: told how far it is by time; may raise to end the run.
        """
        started = time.perf_counter()
        yield RunClock(callback, run, self.seconds_for(run))
        self._run_time.learn(run, time.perf_counter() - started)

    @property
    def prior_pixels(self) -> int:
        """The largest picture of another upscaler that is taken: results are as large."""
        return max(self.settings.max_pixels, self.settings.max_output_pixels)

    @contextmanager
    def turn(self, callback: ProgressCallback) -> Iterator[MMSREngine]:
        """The pipeline for the block, once no other job runs.

        Args:
            callback: called while waiting; may raise to give up.
        """
        pipeline = self.pipeline
        with self._queue.wait_for_turn(callback):
            yield pipeline

    def load(
        self, path: Path, float_range: Any = "unit", max_pixels: int | None = None
    ) -> LoadedImage:
        """Reads an uploaded picture within the limits.

        Args:
            path: of the file.
            float_range: see `load_image`.
            max_pixels: the limit, where it is not that of pictures to be restored.

        Raises:
            ImageFileError: It is no picture, damaged or too large; the message has no server path.
        """
        from mmsr_core.errors import ImageFileError
        from mmsr_core.image import load_image

        try:
            limit = max_pixels or self.settings.max_pixels
            return load_image(path, limit, float_range=float_range)
        except ImageFileError as error:
            raise ImageFileError(str(error).replace(str(path), "This file")) from None

    def _load_noted(
        self, path: Path, what: str, notes: list[str] | None, float_range: Any = "unit"
    ) -> LoadedImage:
        """As `load`; what is to be known of the file is added to `notes`."""
        image = self.load(path, float_range)
        if notes is not None:
            notes += [f"{what}: {note}" for note in image.notes]
        return image

    def size_of(self, path: Path, max_pixels: int | None = None) -> tuple[int, int]:
        """Height and width from the header alone; limit and errors as for `load`."""
        from mmsr_core.errors import ImageFileError
        from mmsr_core.image import read_size

        try:
            return read_size(path, max_pixels or self.settings.max_pixels)
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
        from mmsr_core.image import has_transparency, resize_alpha, resize_bicubic
        from mmsr_core.pipeline import enlarge_alpha

        callback = progress or _silent
        key = job_key(job)
        kept = self.results.get(key)
        if kept is not None:
            return replace(kept, own_folder=None)
        # From the header: refused before decoding.
        self.plan(self.size_of(job.picture), job.scale, job.size)
        image = self.load(job.picture)
        plan = self.plan(image.size, job.scale, job.size)
        lr = resize_bicubic(image.visible_rgb, plan.work)
        part = None if job.place is None else part_around(plan.work, job.place)
        wanted = plan.wanted
        notes = list(image.notes)
        if part is not None:
            lr, wanted = part.cut(lr), wanted and part.worked_size(wanted)
        callback(Progress("load", 0, 1))
        pipeline = self.pipeline
        run = restoring(
            SizePlan(plan.given, (int(lr.shape[-2]), int(lr.shape[-1])), plan.scale),
            job.steps if job.detail else 0,
            transparent=has_transparency(image.alpha),
            second=job.guide is not None,
        )
        with self._queue.wait_for_turn(callback), self.timed(run, callback) as clock:
            output = self._run(
                pipeline,
                lr,
                job,
                scale=plan.scale,
                callback=clock,
                quality=file_quality(image, plan),
                size=wanted,
                part=part,
                notes=notes,
            )
            alpha, size = image.alpha, plan.result
            if alpha is not None:
                alpha = resize_alpha(alpha, plan.work)
                if part is not None:
                    alpha, size = part.cut(alpha), part.worked_size(size)
                alpha = enlarge_alpha(pipeline, alpha, plan.scale, size, progress=clock.of_alpha)
        callback(Progress("save", 1, 1))
        with self.workspace.result_folder(keep=keep) as folder:
            if part is None:
                made = save_result(folder, job, image, lr, plan, output, alpha)
            else:
                made = save_part(folder, job, image, lr, plan, output, alpha, part)
            made = noted(made, notes)
            callback(Progress("save", 1, 1))  # Ended meanwhile: nothing stays.
        self.results.put(key, made, keep=keep)
        return made

    def estimate(
        self, picture: Path, scale: int | None, progress: ProgressCallback | None = None
    ) -> Inspection:
        """Measures one picture without restoring it.

        Raises:
            InputError: The picture cannot be used.
        """
        from mmsr_core.image import resize_bicubic
        from mmsr_core.pipeline import Overrides

        from .inspection import inspect_run

        self.plan(self.size_of(picture), scale)
        image = self.load(picture)
        plan = self.plan(image.size, scale)
        lr = resize_bicubic(image.visible_rgb, plan.work)
        callback = progress or _silent
        callback(Progress("load", 0, 1))
        pipeline = self.pipeline
        with self._queue.wait_for_turn(callback), self.timed(measuring(plan), callback) as clock:
            known = Overrides(file_quality=file_quality(image, plan))
            measured = pipeline.refine_kernel(lr, plan.scale, overrides=known, progress=clock)
        callback(Progress("save", 1, 1))
        with self.workspace.result_folder() as folder:
            found = inspect_run(lr, measured, folder, plan.scale)
            callback(Progress("save", 1, 1))
        return replace(found, notes=(*image.notes, *measured.notes))

    def run(
        self,
        lr: Tensor,
        scale: int,
        job: RestoreJob,
        callback: ProgressCallback,
        quality: float | None = None,
    ) -> Tensor:
        """The pipeline on a picture in memory: `(1,3,h,w)` to `(1,3,h*scale,w*scale)`, 0..1.

        Args:
            lr: the picture.
            scale: 1..16.
            job: what to do with it; its `picture` is not read.
            callback: told how far it is.
            quality: of the JPEG file that the picture is, if it is one.
        """
        pipeline = self.pipeline
        size = (int(lr.shape[-2]), int(lr.shape[-1]))
        run = restoring(SizePlan(size, size, scale), job.steps if job.detail else 0)
        with self._queue.wait_for_turn(callback), self.timed(run, callback) as clock:
            output = self._run(pipeline, lr, job, scale=scale, callback=clock, quality=quality)
        return output.images

    def _run(
        self,
        pipeline: MMSREngine,
        lr: Tensor,
        job: RestoreJob,
        *,
        scale: int,
        callback: ProgressCallback,
        quality: float | None = None,
        size: tuple[int, int] | None = None,
        part: Part | None = None,
        notes: list[str] | None = None,
    ) -> RestorationOutput:
        """The pipeline within its turn; what is to be known of further files goes to `notes`."""
        from mmsr_core.pipeline import Overrides

        height, width = lr.shape[-2:]
        noise_std = None if job.noise_255 is None else job.noise_255 / 255
        options: dict[str, Any] = {
            "overrides": Overrides(noise_std, job.jpeg_quality, quality, job.sharpening),
            "blur_sigma_px": job.blur_px,
            "denoise": job.denoise,
        }
        if job.depth is not None:
            from mmsr_core.depth import depth_from_picture

            picture = self._load_noted(job.depth, "The depth", notes, "stretch")
            whole = (height, width) if part is None else part.whole
            depth = depth_from_picture(picture.visible_rgb, whole)
            options["inverse_depth"] = depth if part is None else part.cut(depth)
        if job.guide is not None:
            picture = self._load_noted(job.guide, "The second picture", notes, "stretch")
            guide = picture.visible_rgb
            guide = guide if part is None else cut_second(guide, part)
            options |= {"guide": guide, "guide_mode": job.guide_mode}
        elif job.guide_mode == "fuse":
            raise InputError("To make one picture of two, give the second one as guide.")
        prompt = self._models.prompt(
            job, lambda path: self._load_noted(path, "A reference", notes).visible_rgb
        )
        if prompt is not None:
            options["prompt"] = prompt
        return pipeline(
            lr,
            scale=scale,
            size=size,
            steps=job.steps,
            detail=job.detail,
            seed=job.seed,
            strengths=dict(job.strengths),
            consistency=job.consistency,
            progress=callback,
            **options,
        )

    def close(self) -> None:
        """Removes every file."""
        self.results.clear()
        self.merges.clear()
        self.workspace.close()


def cut_second(picture: Tensor, part: Part) -> Tensor:
    """The part of a second picture `(1,3,h,w)` of the same view.

    A smaller one is enlarged first, in its own shape: else the cut would be right to a few of its
    pixels only, and its shape another.
    """
    from mmsr_core.image import resize_bicubic

    height, width = (int(side) for side in picture.shape[-2:])
    growth = max(part.whole[0] / height, part.whole[1] / width)
    if growth > 1:
        picture = resize_bicubic(picture, (round(height * growth), round(width * growth)))
    return part.cut(picture)


def file_quality(image: LoadedImage, plan: SizePlan) -> float | None:
    """The quality that a JPEG file states; None for other files, or where it is reduced first."""
    return image.jpeg_quality if plan.work == image.size else None
