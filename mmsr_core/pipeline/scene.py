"""The picture that travels through a run, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import (
    FieldOperator,
    KernelBasis,
    KernelField,
    MotionBlur,
    Sharpening,
    jpeg_error_std,
    noise_gain,
    redo_motion,
    sharpen,
    undo_motion,
    unsharpen,
)
from ..image.brightness import BrightnessMap, full_range
from ..image.frame import Inside, find_inside
from ..models.cell_net import CELL
from ..tiling import Tile, enlarge_bicubic, grid_window
from ..types import MODALITIES
from .context import LOW_SCALES
from .results import Conditioning, DegradationEstimate

LOUDEST_NOISE, LOUDEST_NOISE_LOW = 14 / 255, 50 / 255
"""Std of the strongest noise that the networks were trained with; the mean net of low scales."""
CONSTANT = 0.5 / 255
"""A channel whose values differ by no more than this holds one value."""
CANVAS_MULTIPLE = 16
"""HR canvases are padded to multiples of this, the denoiser's stride on the HR / 4 grid."""


class Scene:
    """One picture, or a batch, on its way through a run, on the run's device.

    It starts with what the caller gave. `measure` adds what is known of its degradation. What is
    derived from these is made once, when it is first asked for.
    """

    def __init__(
        self,
        lr: Tensor,
        scale: int,
        basis: KernelBasis,
        *,
        strengths: Mapping[str, float] | None = None,
        masks: Mapping[str, Tensor] | None = None,
        prompt: Tensor | None = None,
        guide: Tensor | None = None,
        guide_mode: str = "guide",
        fill: bool = True,
    ) -> None:
        """All inputs are checked.

        Args:
            lr: `(B,3,h,w)`, 0..1, on the run's device.
            scale: SR factor.
            basis: the kernel estimator's.
            strengths: see `Conditioning`; 1 where not given.
            masks: see `Conditioning`.
            prompt: see `Conditioning`.
            guide: see `Conditioning`.
            guide_mode: see `Conditioning`.
            fill: see the mean of the other channels in the place of a channel that holds one
                value, and the mirrored picture in the place of a frame of one colour, until the
                result is there (`put_back`). Not where one picture is made of two sensors.
        """
        self._constants: tuple[Tensor, Tensor] | None = None
        self._insides: list[Inside | None] = [None] * len(lr)
        self._frame: Tensor | None = None
        """`(B,4,h,w)`: the picture as it was given, and where its frame is (1)."""
        if fill and (guide is None or guide_mode != "fuse"):
            self._constants = constant_channels(lr)
            self._insides = [find_inside(one) for one in lr.split(1)]
            self._frame = framed(lr, self._insides)
            lr = self.filled(lr)
        self.lr = lr
        """The picture that is measured and restored: `given`, or a reduction of it."""
        self.scale = scale
        """From `lr` to the result."""
        self.given = lr
        """The picture as it was given, `(B,3,h,w)`, but for sharpening and a motion that were taken
        back."""
        self._input = lr
        self._motions: dict[int, MotionBlur] = {}
        self.sharpening: Sharpening | None = None
        """What was taken back; None: not looked for."""
        self.first_mean: tuple[Tensor, Tensor] | None = None
        """The back-projected canvas and the mean, where measuring has made them already."""
        self.given_scale = scale
        self.given_noise_std: Tensor | None = None
        """`(B,)`, 0..1 units: the noise of the picture as it was given, where a reduction of it was
        measured; see `noise_of_input`."""
        self.basis = basis
        self.prompt = None if prompt is None else prompt.to(lr)
        self.guide = guide
        self.guide_mode = guide_mode
        strengths, masks = strengths or {}, masks or {}
        self.amounts: dict[str, Tensor] = {}
        """Strength x mask of each modality: `(B,1,1,1)` or `(B,1,h,w)`."""
        self._acts: set[str] = set()
        for name in MODALITIES:
            amount = torch.full((1, 1, 1, 1), strengths.get(name, 1.0))
            if name in masks:
                amount = amount * masks[name].cpu()
            if bool((amount > 0).any()):
                self._acts.add(name)
            self.amounts[name] = amount.to(lr.device).expand(lr.shape[0], -1, -1, -1)
        self._estimate: DegradationEstimate | None = None
        self.told_noise_std = lr.new_zeros(lr.shape[0])
        """`(B,)`, 0..1 units: what the networks are told. The measured noise, or more."""

    @classmethod
    def of(cls, conditioning: Conditioning, basis: KernelBasis, device: torch.device) -> Scene:
        """The scene that a conditioning describes, measured, on `device`."""
        given = conditioning
        scene = cls(
            given.lr.to(device),
            given.scale,
            basis,
            strengths=given.strengths,
            masks=given.masks,
            prompt=given.prompt,
            guide=given.guide,
            guide_mode=given.guide_mode,
        )
        scene.measure(given.estimate)
        return scene

    def bare(self) -> Scene:
        """The same picture without prompt and guide, every modality at strength 1."""
        scene = Scene(self.lr, self.scale, self.basis)
        scene.sharpening = self.sharpening
        scene.__dict__["bicubic"] = self.bicubic
        return scene

    @property
    def estimate(self) -> DegradationEstimate:
        """What is wrong with the picture, on the run's device."""
        if self._estimate is None:
            raise RuntimeError("The scene was used before it was measured.")
        return self._estimate

    def measure(self, estimate: DegradationEstimate) -> None:
        """Take over what is known of the degradation.

        Sharpening is taken back, unless it was already.
        """
        self.first_mean = None
        if estimate.sharpening is not None and self.sharpening is None:
            self.take_back_sharpening(estimate.sharpening)
        field = adopt_basis(estimate.kernel_field, self.basis, self.lr.device)
        depth, damage, noise_map = estimate.inverse_depth, estimate.damage, estimate.noise_map
        self._estimate = replace(
            estimate,
            kernel_field=field,
            inverse_depth=None if depth is None else depth.to(self.lr),
            noise_std=estimate.noise_std.to(self.lr).expand(self.lr.shape[0]),
            jpeg_quality=estimate.jpeg_quality.to(self.lr).expand(self.lr.shape[0]),
            damage=None if damage is None else damage.to(self.lr.device),
            noise_map=None if noise_map is None else noise_map.to(self.lr),
        )
        self.told_noise_std = self._estimate.noise_std
        for name in ("brightness", "noise_share", "operator", "codes"):
            self.__dict__.pop(name, None)

    def take_back_sharpening(self, sharpening: Sharpening) -> None:
        """Undo unsharp masking of the picture as it was given; the rest goes on from there.

        Called again, in the place of what was taken back before. No motion may have been.
        """
        self.sharpening = sharpening.like(self.lr)
        if not sharpening:  # what was measured and derived still holds
            if self._estimate is not None:
                self._estimate = replace(self._estimate, sharpening=self.sharpening)
            return
        self.given = self.lr = unsharpen(self._input, sharpening).clamp(0, 1)
        self.forget()

    def take_back(self, motions: Mapping[int, MotionBlur], noise_std: Tensor) -> None:
        """Undo the straight motion of some pictures of the batch; the rest goes on from there.

        Args:
            motions: what `find_motion` found, by the place in the batch.
            noise_std: `(B,)`, 0..1 units.
        """
        parts = list(self.given.split(1))
        for index, motion in motions.items():
            parts[index] = undo_motion(parts[index], motion, noise_std[index : index + 1])
        self._motions = dict(motions)
        self.given = self.lr = torch.cat(parts)
        self.forget()

    def reduce(self, factor: int, noise_std: Tensor | None = None) -> float:
        """Work on a reduction of the picture from here on, and enlarge by as much more.

        For pictures that are blurred so widely, in their own px, that they hold no more detail than
        a smaller one. Nothing may have been measured yet.

        Args:
            factor: 2 or more.
            noise_std: `(B,)` of `given`, 0..1 units; of the reductions it is less.

        Returns:
            What the reduction leaves out of the pictures: the root mean square, 0..1 units.
        """
        lost = float(self.left_out(factor).square().mean().sqrt())
        if self.given_noise_std is None and noise_std is not None:
            self.given_noise_std = noise_std / self.kept_noise
        self.lr = self._reduced(factor)
        self.scale = self.given_scale * factor
        size = (self.lr.shape[-2], self.lr.shape[-1])
        for name, amount in self.amounts.items():
            if tuple(amount.shape[-2:]) != (1, 1):
                self.amounts[name] = F.interpolate(amount, size=size, mode="area")
        self.forget()
        return lost

    def left_out(self, factor: int) -> Tensor:
        """What a reduction by `factor` would leave out of each picture: rms `(B,)`, 0..1 units."""
        difference = self._on_given_grid(self._reduced(factor), factor) - self.given
        return difference.square().mean((1, 2, 3)).sqrt()

    def _reduced(self, factor: int) -> Tensor:
        bottom, right = (-side % factor for side in self.given.shape[-2:])
        padded = F.pad(self.given, (0, right, 0, bottom), mode="replicate")
        small = F.interpolate(padded, scale_factor=1 / factor, mode="bicubic", antialias=True)
        return small.clamp_(0, 1)

    def forget(self) -> None:
        """Let go of what is derived; it is made again when it is asked for."""
        for name in ("brightness", "noise_share", "bicubic", "operator", "codes"):
            self.__dict__.pop(name, None)

    # -- derived, each made once ------------------------------------------------------------------

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that `lr` enlarges to; of a reduction, up to `factor - 1` LR px more."""
        return self.lr.shape[-2] * self.scale, self.lr.shape[-1] * self.scale

    @property
    def wanted_size(self) -> tuple[int, int]:
        """(height, width) of the result."""
        height, width = self.given.shape[-2:]
        return height * self.given_scale, width * self.given_scale

    @property
    def canvas_size(self) -> tuple[int, int]:
        """(height, width) of the padded HR canvas."""
        height, width = self.size
        return height + -height % CANVAS_MULTIPLE, width + -width % CANVAS_MULTIPLE

    @cached_property
    def brightness(self) -> BrightnessMap:
        """How the networks see `lr` and all pictures of it: with full contrast.

        Where that would make the noise stronger than any that they know, with as much as they do.
        """
        full = full_range(self.lr)
        if self._estimate is None:
            return full
        loudest = LOUDEST_NOISE_LOW if self.scale <= LOW_SCALES else LOUDEST_NOISE
        return quiet(full, self._estimate.noise_std, loudest)

    @cached_property
    def bicubic(self) -> Tensor:
        """The bicubic enlargement `(B,3,H',W')` on the padded canvas."""
        return enlarge_bicubic(self.lr, self.scale, self.canvas_size)

    @cached_property
    def operator(self) -> FieldOperator:
        """The degradation operator of the kernels."""
        return FieldOperator(self.estimate.kernel_field)

    @cached_property
    def codes(self) -> Tensor:
        """`(B,R,h',w')` codes in the estimator's basis: at the LR pixels, or at blocks of them."""
        codes = self.estimate.kernel_field.codes(self.basis)
        return codes.expand(self.lr.shape[0], -1, -1, -1)

    @property
    def codes_scale(self) -> int:
        """HR px from one code to the next: the scale times the block."""
        field = self.estimate.kernel_field
        return self.scale * (field.block if self.basis.shares_codes(field.basis) else 1)

    @property
    def depth(self) -> Tensor | None:
        """`(B,1,h,w)` inverse depth."""
        return self.estimate.inverse_depth

    @cached_property
    def noise_share(self) -> Tensor | None:
        """Noise std of each place in terms of the whole picture's, `(B,1,h/4,w/4)`.

        None where the noise is alike everywhere.
        """
        noise = self.estimate.noise_map
        if noise is None:
            return None
        return noise / noise.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)

    @property
    def was_shaken(self) -> bool:
        """Whether any motion was taken back."""
        return bool(self._motions)

    @property
    def was_sharpened(self) -> bool:
        """Whether any sharpening was taken back."""
        return bool(self.sharpening)

    @property
    def kept_noise(self) -> Tensor:
        """How much of the std of white noise is left without the sharpening, a share `(B,)`."""
        return noise_gain(self.sharpening) if self.sharpening else self.lr.new_ones(len(self.lr))

    @property
    def noise_of_input(self) -> Tensor:
        """`(B,)`, 0..1 units: the noise of the picture as it was given."""
        noise = self.given_noise_std
        return self.estimate.given_noise_std if noise is None else noise.to(self.lr)

    @property
    def noise_by_place(self) -> Tensor:
        """The measured noise std: `(B,1,h,w)` where places differ, else `(B,1,1,1)`."""
        whole, share = self.estimate.noise_std.view(-1, 1, 1, 1), self.noise_share
        if share is None:
            return whole
        height, width = self.lr.shape[-2:]
        wide = F.interpolate(share, scale_factor=CELL, mode="bilinear")
        return whole * wide[..., :height, :width]

    @property
    def unexplained_by_place(self) -> Tensor:
        """`DegradationEstimate.unexplained_std` of each place, as `noise_by_place`."""
        coded = jpeg_error_std(self.estimate.jpeg_quality).view(-1, 1, 1, 1)
        return torch.hypot(self.noise_by_place, coded)

    def picture(self, canvas: Tensor) -> Tensor:
        """The picture's part of a canvas."""
        height, width = self.size
        return canvas[..., :height, :width]

    def left_over(self, canvas: Tensor) -> Tensor:
        """What a canvas, degraded as measured, leaves of `lr`, `(B,3,h,w)`."""
        return self.lr - self.operator.degrade(self.picture(canvas))

    def disagreement(self, picture: Tensor) -> Tensor:
        """What a result leaves of the picture that was given, `(B,3,h,w)`.

        The result is degraded as measured; after a reduction it is enlarged to the given size. A
        motion that was taken back blurs it again, and sharpening sharpens it.

        Args:
            picture: `(B,3,H,W)` of `size`.
        """
        low = self.operator.degrade(self.filled(picture))
        made = self._on_given_grid(low, self.scale // self.given_scale)
        parts = list(made.split(1))
        for index, motion in self._motions.items():
            parts[index] = redo_motion(parts[index], motion)
        made = torch.cat(parts) if self._motions else made
        if self.sharpening:
            made = sharpen(made, self.sharpening)
        left = self._input - made
        if self._constants is not None:
            left = left * ~self._constants[0]
        return left if self._frame is None else left * (1 - self._frame[:, 3:])

    def put_back(self, picture: Tensor) -> Tensor:
        """A picture `(B,3,H,W)` with what `filled` took out of the input: one value, one colour."""
        if self._constants is not None:
            picture = torch.where(*self._constants, picture)
        if self._frame is None:
            return picture
        frame = F.interpolate(self._frame, scale_factor=self.given_scale, mode="nearest")
        height, width = picture.shape[-2:]
        frame = frame[..., :height, :width]
        bottom, right = height - frame.shape[-2], width - frame.shape[-1]
        if bottom or right:  # the last pixels of what was reduced
            frame = F.pad(frame, (0, right, 0, bottom), mode="replicate")
        return torch.where(frame[:, 3:] > 0, frame[:, :3], picture)

    def filled(self, picture: Tensor) -> Tensor:
        """A picture of the input's or the result's size without what says nothing of it.

        That is the mean of the others in the place of each channel that holds one value, and the
        mirrored inside in the place of a frame.
        """
        if self._constants is not None:
            where = self._constants[0]
            where = where & ~where.all(1, keepdim=True)  # nothing to see in one colour
            others = (picture * ~where).sum(1, keepdim=True) / (~where).sum(1, keepdim=True)
            picture = torch.where(where, others, picture)
        if self._frame is None:
            return picture
        by = round(picture.shape[-1] / self._frame.shape[-1])
        parts = [
            one if inside is None else inside.times(by).continued(one)
            for one, inside in zip(picture.split(1), self._insides, strict=True)
        ]
        return torch.cat(parts)

    def inside(self, index: int) -> Tensor:
        """One of the pictures of `given`, `(1,3,h,w)`, without its frame."""
        one, inside = self.given[index : index + 1], self._insides[index]
        return one if inside is None else inside.of(one)

    def _on_given_grid(self, low: Tensor, factor: int) -> Tensor:
        """A reduction by `factor` at the size of `given`."""
        if factor == 1:
            return low
        height, width = self.given.shape[-2:]
        wide = F.interpolate(low, scale_factor=factor, mode="bicubic")
        return wide[..., :height, :width]

    def has(self, name: str) -> bool:
        """Whether a modality has any effect, anywhere in the batch."""
        return name in self._acts

    def amount(self, name: str, tile: Tile) -> Tensor:
        """Strength x mask of a modality on a window of the grid, or `(B,1,1,1)`."""
        amount = self.amounts[name]
        if tuple(amount.shape[-2:]) == (1, 1):
            return amount
        return grid_window(amount, self.scale, tile)


def constant_channels(pictures: Tensor) -> tuple[Tensor, Tensor] | None:
    """Which channels of `pictures (B,3,h,w)` hold one value, as under red light, and which.

    Returns None where there are none, or `(B,3,1,1)` each: bools, and values.
    """
    low, high = pictures.amin((2, 3), keepdim=True), pictures.amax((2, 3), keepdim=True)
    constant = high - low <= CONSTANT
    if not bool(constant.any()):
        return None
    return constant, pictures.mean((2, 3), keepdim=True)


def framed(pictures: Tensor, insides: Sequence[Inside | None]) -> Tensor | None:
    """`pictures (B,3,h,w)` and, as a fourth channel, where their frames are; None without any."""
    if not any(insides):
        return None
    masks = pictures.new_zeros((len(pictures), 1, *pictures.shape[-2:]))
    for mask, inside in zip(masks, insides, strict=True):
        if inside is not None:
            mask += inside.mask(*mask.shape[-2:])[0].to(mask)
    return torch.cat((pictures, masks), 1)


def quiet(seen: BrightnessMap, noise_std: Tensor, loudest: float = LOUDEST_NOISE) -> BrightnessMap:
    """A map with gains that do not raise this noise, `(B,)`, above `loudest`, 0..1 units."""
    return seen.at_most(loudest / noise_std.to(seen.gain).clamp_min(1e-6))


def adopt_basis(field: KernelField, basis: KernelBasis, device: torch.device) -> KernelField:
    """`field` on `device`. Codes in a copy of `basis` are taken over, not encoded again."""
    own = field.basis
    if own is None:
        return field.to(device)
    pairs = zip(
        (own.mean, own.components, own.spread),
        (basis.mean, basis.components, basis.spread),
        strict=True,
    )
    if own is basis or all(torch.equal(a.to(b), b) for a, b in pairs):
        return field.stored_as(field.data.to(device), basis)
    return field.to(device)
