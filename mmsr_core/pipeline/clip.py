"""Frames of one clip: what is measured, what is drawn and what is shown hold still in the scene.

Each frame is measured, sampled and shown with what its neighbours know of the same places:

- noise and JPEG damage are medians over the shot, as far as it has been read; kernels, depth and
  maps of damage are means over the neighbours, place by place;
- the flow's noise lies on the scene and moves with it;
- a result is the mean of its own and its neighbours' results, moved onto it, where their motion is
  trusted and they look alike. Elsewhere it is its own.

A cut of the scene starts everything anew. At most `4 reach + 1` frames are held at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import Sharpening
from ..diffusion import seeded_noise
from ..image import smooth
from ..image.frames import FrameMotion, motions_between
from ..models import DamageMaps
from ..types import Progress, ProgressCallback
from .context import UNITS, RunContext
from .results import DegradationEstimate, RestorationOutput
from .sampling import Sampler, agreement_db
from .scene import Scene

CLIP_REACH, MAX_CLIP_REACH = 4, 8
"""Frames before and after that a frame is averaged with: at first, and at most."""
CUT_TRUST = 0.15
"""Two frames of which less than this share can be trusted to show the same are two shots."""
_FINE_PX, _FINE_WINDOW_PX, _MOST_GAIN = 1.5, 6.0, 1.2
"""Detail finer than this (std), the window in which its strength is compared, and by how much it
may be raised: sharper and closer to the truth, but what flickers is raised, too."""
_WORTH = 0.02
"""Neighbours trusted less than this are not moved at all."""
T = TypeVar("T")


@dataclass
class Frame:
    """A frame on its way through a clip."""

    number: int
    shot: int
    given: Tensor
    """`(1,3,h,w)`, 0..1, where the caller has it."""
    scene: Scene
    own: DegradationEstimate
    """Measured in this frame alone."""
    seconds: dict[str, float]
    notes: tuple[str, ...]
    origin: Tensor
    """`(1,2,h,w)`: where each place lies on the shot's sheet of noise, px of the frame."""
    noise_std: Tensor
    jpeg_quality: Tensor
    """`(1,)`: its own."""
    result: RestorationOutput | None = None
    motions: dict[int, FrameMotion] = field(default_factory=dict)
    """To the frames of these numbers."""


Measure = Callable[[RunContext, Tensor, int, Sharpening | None], tuple[Scene, int]]
"""`(context, frame, factor, sharpening)`: the measured scene, and by how much it was reduced. A
factor of 0, and a sharpening of None, let it measure."""
MakeSampler = Callable[[RunContext, Scene, Tensor | None, float | None], Sampler]
"""`(context, scene, noise canvas, share of the noise to tell)`."""


class ClipRun:
    """One run over the frames of a clip."""

    def __init__(
        self,
        make_context: Callable[[ProgressCallback | None], RunContext],
        measure: Measure,
        make_sampler: MakeSampler,
        *,
        reach: int,
        share: float,
        seed: int,
        flows: bool,
        model: str,
        count: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """All inputs are checked.

        Args:
            make_context: a context for a part of one frame's work, which tells this callback.
            measure: see `Measure`.
            make_sampler: see `MakeSampler`.
            reach: frames before and after that a frame is averaged with.
            share: 0..1, how much of the average is taken; 0 leaves each frame its own grain.
            seed: of the noise of the whole clip.
            flows: whether noise is needed at all.
            model: name of the weights, for the reports.
            count: of the frames, where it is known.
            progress: see `mmsr_core.types`; told of the whole clip.
        """
        self._make_context = make_context
        self._measure = measure
        self._make_sampler = make_sampler
        self._reach = reach
        self._share = share
        self._seed = seed
        self._flows = flows
        self._model = model
        self._count = count
        self._progress = progress
        self._read = 0
        self._halves_done = 0
        self._factor = 0
        self._sharpening: Sharpening | None = None
        self._told: tuple[int, float] | None = None  # shot, share
        self._noises: list[Tensor] = []
        self._qualities: list[Tensor] = []

    def results(self, frames: Iterable[Tensor]) -> Iterator[RestorationOutput]:
        """The result of each frame, in order, as soon as its neighbours are there.

        Args:
            frames: `(1,3,h,w)`, 0..1, all of one size.
        """
        measured = self._measured(frames)
        sampled = _with_neighbours(measured, self._reach, self._sampled)
        yield from _with_neighbours(sampled, self._reach, self._shown)

    # -- one frame --------------------------------------------------------------------------------

    @torch.no_grad()
    def _read_one(self, given: Tensor, before: Frame | None) -> Frame:
        number = self._read
        self._read += 1
        motions: tuple[FrameMotion, FrameMotion] | None = None
        if before is not None:
            motions = motions_between(given, before.given)
        shot = 0 if before is None else before.shot
        if motions is not None and float(motions[0].trust.mean()) < CUT_TRUST:
            motions, shot = None, shot + 1
        if motions is None:
            self._factor, self._sharpening = 0, None
            self._noises, self._qualities = [], []
        context = self._make_context(self._told_of_half())
        scene, self._factor = self._measure(context, given, self._factor, self._sharpening)
        self._sharpening = scene.sharpening
        self._halves_done += 1
        estimate = scene.estimate
        self._noises.append(estimate.noise_std)
        self._qualities.append(estimate.jpeg_quality)
        origin = _places(given.shape[-2], given.shape[-1])
        frame = Frame(
            number=number,
            shot=shot,
            given=given,
            scene=scene,
            own=estimate,
            seconds=dict(context.seconds),
            notes=context.notes,
            origin=origin,
            noise_std=torch.cat(self._noises).median().view(1),
            jpeg_quality=torch.cat(self._qualities).median().view(1),
        )
        if before is not None and motions is not None:
            frame.motions[before.number], before.motions[number] = motions
            moved = motions[0].bring(before.origin - _places(*_size(before.origin)))
            moved = moved + motions[0].flow_at(_size(origin))
            believed = motions[0].trust_at(_size(origin)) > 0.5
            frame.origin = origin + torch.where(believed, moved, torch.zeros_like(moved))
        return frame

    def _measured(self, frames: Iterable[Tensor]) -> Iterator[Frame]:
        before: Frame | None = None
        for given in frames:
            before = self._read_one(given, before)
            yield before

    @torch.no_grad()
    def _sampled(self, frame: Frame, near: Sequence[Frame]) -> Frame:
        """The frame with a result of its own, from what all of them know."""
        started = time.perf_counter()
        for other in near:
            if other.number not in frame.motions:
                there, back = motions_between(frame.given, other.given)
                frame.motions[other.number], other.motions[frame.number] = there, back
        context = self._make_context(self._told_of_half())
        scene = frame.scene
        latest = max([frame, *near], key=lambda other: other.number)
        estimates = {other.number: other.own for other in near}
        scene.measure(
            _shared(frame.own, estimates, frame.motions, latest.noise_std, latest.jpeg_quality)
        )
        share = self._told[1] if self._told is not None and self._told[0] == frame.shot else None
        sampler = self._make_sampler(context, scene, self._noise_of(frame), share)
        context.execute(sampler.stages())
        if share is None:
            told, known = (
                float(x.mean()) for x in (scene.told_noise_std, scene.estimate.noise_std)
            )
            self._told = frame.shot, told / known if known > 0 else 1.0
        output = sampler.output(self._model, started, frame.given.device)
        seconds = {**frame.seconds, **context.seconds}
        total = sum(seconds.values())
        notes = dict.fromkeys((*frame.notes, *output.report.notes))
        report = replace(
            output.report,
            stage_seconds={name: round(value, 3) for name, value in seconds.items()},
            total_seconds=round(total, 3),
            notes=list(notes),
        )
        frame.result = replace(output, report=report)
        scene.forget()
        self._halves_done += 1
        return frame

    @torch.no_grad()
    def _shown(self, frame: Frame, near: Sequence[Frame]) -> RestorationOutput:
        """The result, averaged with its neighbours' where they show the same."""
        output = frame.result
        if output is None:
            raise RuntimeError("A frame was shown before it was sampled.")
        own = output.images
        total, weight = own.clone(), torch.ones_like(own[:, :1])
        for other in near:
            motion = frame.motions[other.number]
            if other.result is None or float(motion.trust.mean()) < _WORTH:
                continue
            moved = motion.bring(other.result.images)
            trust = motion.trust_of(own, moved)
            total += trust * moved
            weight += trust
        images = own.lerp(_with_contrast(total / weight, own), self._share).clamp_(0, 1)
        scene = frame.scene
        agreement = output.report.consistency_db | {
            "after": agreement_db(scene, images.to(scene.lr.device))
        }
        scene.forget()
        return replace(
            output, images=images, report=replace(output.report, consistency_db=agreement)
        )

    # -- what frames share ------------------------------------------------------------------------

    def _noise_of(self, frame: Frame) -> Tensor | None:
        """The canvas of noise of a frame: the shot's sheet, seen where the frame looks at it."""
        if not self._flows:
            return None
        scene = frame.scene
        rows, cols = scene.canvas_size
        sheet = seeded_noise((1, 3, rows, cols), [self._seed])
        height, width = scene.size
        shift = frame.origin - _places(*_size(frame.origin))
        if not bool(shift.any()):
            return sheet
        wide = F.interpolate(shift, size=(height, width), mode="bilinear") * scene.given_scale
        places = (_places(height, width) + wide).round().long()
        canvas = sheet.clone()
        x, y = places[0, 0] % cols, places[0, 1] % rows
        canvas[..., :height, :width] = sheet[0, :, y, x]
        return canvas

    def _told_of_half(self) -> ProgressCallback | None:
        progress = self._progress
        if progress is None:
            return None

        def tell(event: Progress) -> None:
            halves = 2 * max(self._count or 0, self._read)
            done = (self._halves_done + event.done / max(1, event.total)) * UNITS
            progress(replace(event, done=min(int(done), halves * UNITS), total=halves * UNITS))

        return tell


def _with_neighbours(
    frames: Iterable[Frame], reach: int, work: Callable[[Frame, Sequence[Frame]], T]
) -> Iterator[T]:
    """`work` on every frame with those of its shot that are at most `reach` away, in order."""
    window: list[Frame] = []
    done = 0  # place in the window of the first frame that is not worked on
    for frame in frames:
        window.append(frame)
        while done < len(window) - reach:
            yield work(window[done], _near(window, done, reach))
            done += 1
            if done > reach:
                window.pop(0)
                done -= 1
    for place in range(done, len(window)):
        yield work(window[place], _near(window, place, reach))


def _near(window: Sequence[Frame], place: int, reach: int) -> list[Frame]:
    around = window[max(0, place - reach) : place + reach + 1]
    frame = window[place]
    return [other for other in around if other is not frame and other.shot == frame.shot]


def _with_contrast(average: Tensor, own: Tensor) -> Tensor:
    """An average whose fine detail, place by place, is nearly as strong as that of one frame.

    Args:
        average: `(1,3,H,W)`; frames that differ in fine detail have softened it.
        own: `(1,3,H,W)`, the frame's own result.
    """
    fine = average - smooth(average, _FINE_PX)
    strengths = [
        smooth(detail.square().mean(1, keepdim=True), _FINE_WINDOW_PX)
        for detail in (own - smooth(own, _FINE_PX), fine)
    ]
    gain = (strengths[0] / strengths[1].clamp_min(1e-8)).sqrt().clamp(1, _MOST_GAIN)
    return average + (gain - 1) * fine


def _shared(
    own: DegradationEstimate,
    others: dict[int, DegradationEstimate],
    motions: dict[int, FrameMotion],
    noise_std: Tensor,
    jpeg_quality: Tensor,
) -> DegradationEstimate:
    """An estimate as the mean of its neighbours' maps has it, with the noise of the shot."""

    def mean(values: Tensor, theirs: Callable[[DegradationEstimate], Tensor | None]) -> Tensor:
        total, weight = values.clone(), torch.ones_like(values[:, :1])
        for number, other in others.items():
            found, motion = theirs(other), motions[number]
            if found is None or found.shape != values.shape:
                continue
            trust = motion.trust_at(_size(values)).to(values)
            total += trust * motion.bring(found)
            weight += trust
        return total / weight

    kernels, damage, depth = own.kernel_field, own.damage, own.inverse_depth
    if not own.kernels_given and kernels.basis is not None:
        codes = mean(kernels.data, lambda other: other.kernel_field.data)
        kernels = kernels.stored_as(codes, kernels.basis)
    if damage is not None:
        damage = DamageMaps.from_stacked(
            mean(
                damage.stacked, lambda other: None if other.damage is None else other.damage.stacked
            )
        )
    if depth is not None:
        depth = mean(depth, lambda other: other.inverse_depth).clamp(0, 1)
    return replace(
        own, kernel_field=kernels, damage=damage, inverse_depth=depth,
        noise_std=noise_std, jpeg_quality=jpeg_quality, noise_map=None,
    )  # fmt: skip


def _size(picture: Tensor) -> tuple[int, int]:
    return int(picture.shape[-2]), int(picture.shape[-1])


def _places(height: int, width: int) -> Tensor:
    """`(1,2,h,w)`: px right and down of each place."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float32),
        torch.arange(width, dtype=torch.float32),
        indexing="ij",
    )
    return torch.stack((x, y))[None]
