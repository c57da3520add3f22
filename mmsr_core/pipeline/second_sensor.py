"""A second sensor's picture: measured and restored like the first one, then fused with it.

After FS-Diff: clarity sensing, guidance and fusion. The fusion network itself is
`models.fusion_net`, which is imported with the weights only.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import KernelField
from ..errors import InputError, ShapeError
from ..image import (
    SensorShift,
    is_narrow_grey,
    luminance,
    moved_back,
    resize_bicubic,
    sensor_shift,
)
from ..models.blocks import GRID
from ..tiling import Tile, grid_window
from ..types import GUIDE_MODES, GuideMode
from .context import RunContext, Stage
from .refinement import Refinement
from .scene import Scene
from .stages import repeat_cells, restore_mean

NOISE_HALVING_STD = 20 / 255
"""Noise that halves the clarity: about the contrast of fine texture."""
JPEG_HALVING = 70.0
"""Points below JPEG quality 100 that halve the clarity."""
OFF_ITS_PLACE = "The second picture seems to lie "
"""How a note begins on a shift that is not certain, and so was not taken back."""
_NO_SHIFT = SensorShift(0, 0, True)
_FADE_PX = 4
"""Px of the first picture over which a moved second one begins to count, at the edges where it had
nothing to show."""
_WHITE, _MOSTLY = 254.5 / 255, 0.6
"""A second picture of which more than this share is white holds nothing."""


def comes_at_low_resolution(guide: Tensor, low_size: tuple[int, int], scale: int) -> bool:
    """Whether a guide is as large as the LR picture, and so is to be restored like it."""
    return tuple(guide.shape[-2:]) == low_size and scale > 1


class SecondSensor:
    """The guide of a scene on the HR canvas, and the mean of both sensors."""

    def __init__(self, context: RunContext, scene: Scene) -> None:
        """Args: the run; a scene with a guide that has an effect."""
        if scene.guide is None or context.networks.fusion_net is None:
            raise RuntimeError("A second sensor needs a guide and a fusion net.")
        self._context = context
        self._scene = scene
        low_size = (int(scene.lr.shape[-2]), int(scene.lr.shape[-1]))
        guide = self._in_place(scene.guide.to(scene.lr))
        self._own: Scene | None = None
        if comes_at_low_resolution(guide, low_size, scene.scale):
            self._own = Scene(guide, scene.scale, scene.basis, fill=False)
        self.canvas = guide if self._own is not None else fit_guide(guide, scene)
        """`(B,3,H',W')` the guide on the padded HR canvas, not clamped, after the stages."""
        if float((guide > _WHITE).float().mean()) > _MOSTLY:
            context.note(
                "Most of the second picture is white and says nothing: 16-bit files that a program "
                "has read as 8 bits look like that."
            )
        if scene.guide_mode == "fuse" and any(is_narrow_grey(one) for one in scene.given.split(1)):
            context.note(
                "The first picture is grey and uses a small part of its range, as an infrared "
                "camera's counts do: give it as the second one, which is stretched."
            )

    def _in_place(self, guide: Tensor) -> Tensor:
        """The guide, moved onto the picture where its shift is certain; notes say what was found.

        The scene has the moved one, too, which does not count where it has nothing to show.
        """
        scene = self._scene
        size = (int(scene.given.shape[-2]), int(scene.given.shape[-1]))
        placed, cover, said = list(guide.split(1)), [], ""
        pictures = scene.given.split(1)
        for index, one in enumerate(resize_bicubic(guide, size).split(1)):
            shift = sensor_shift(one, pictures[index]) or _NO_SHIFT
            if shift != _NO_SHIFT:
                said = said or _shift_note(shift)
            taken = shift if shift.certain else _NO_SHIFT
            cover.append(_covered(taken, size))
            if taken != _NO_SHIFT:
                down, right = (
                    value * own / side
                    for value, own, side in zip(taken[:2], guide.shape[-2:], size, strict=True)
                )
                placed[index] = moved_back(placed[index], down, right)
        if said:
            self._context.note(said)
        if all(bool(one.all()) for one in cover):
            return guide
        scene.guide = torch.cat(placed)
        amount = scene.amounts["guide"]
        covered = torch.cat(cover).to(amount)
        place = (int(scene.lr.shape[-2]), int(scene.lr.shape[-1]))
        if place != size:
            covered = F.interpolate(covered, size=place, mode="area")
        scene.amounts["guide"] = amount * covered
        return scene.guide

    def stages(self) -> list[Stage]:
        """What brings the guide to the HR canvas.

        A guide of the LR picture's size is an LR picture too: its own kernels, noise and JPEG
        damage are estimated (without depth, which belongs to the other picture), and the mean net
        restores it. Any other is only resampled.
        """
        own, context = self._own, self._context
        if own is None:
            return []

        def restore() -> None:
            self.canvas = restore_mean(context, own)

        measuring = Refinement(
            context, own, fixed_depth=True, find_sharpening=False, about="The second picture: "
        )
        return [*measuring.stages(), Stage("mean", restore)]

    def fuse(self, mean: Tensor) -> Tensor:
        """The mean of both sensors on the padded HR canvas, by the fusion net."""
        scene, net = self._scene, self._context.networks.fusion_net
        if net is None:
            raise RuntimeError("A second sensor needs a fusion net.")
        return fuse_canvas(
            self._context,
            mean,
            self.canvas,
            (clarity_of(scene), None if self._own is None else clarity_of(self._own)),
            scene.scale,
            scene.prompt if scene.has("prompt") else None,
            "fuse" if scene.guide_mode == "fuse" else "guide",
            scene.amounts["guide"],
        )


def _shift_note(shift: SensorShift) -> str:
    """What the report says of a second picture that does not lie on the first one."""
    down, right, certain = shift
    vertical = f"{abs(down)} px {'below' if down > 0 else 'above'}"
    horizontal = f"{abs(right)} px to the {'right' if right > 0 else 'left'} of"
    if certain:
        return (
            f"The second picture lay {vertical} and {horizontal} the first one, and was moved by "
            "that onto it."
        )
    return (
        f"{OFF_ITS_PLACE}{vertical} and {horizontal} the first one. Move it into place first: here "
        "the two are laid on each other as they are."
    )


def _covered(shift: SensorShift, size: tuple[int, int]) -> Tensor:
    """How far a second picture, its shift taken back, shows something: `(1,1,*size)`, 0..1."""
    parts = []
    for side, off in zip(size, shift[:2], strict=True):
        place = torch.arange(side, dtype=torch.float32)
        inside = side - off - place if off > 0 else place + off + 1  # px from where it ends
        parts.append((inside / _FADE_PX).clamp(0, 1) if off else torch.ones(side))
    return (parts[0][:, None] * parts[1])[None, None]


def fit_guide(guide: Tensor, scene: Scene) -> Tensor:
    """A guide `(B,3,gh,gw)` of any other size, resampled (bicubic, antialiased) to the canvas."""
    picture = resize_bicubic(guide, scene.size)
    bottom, right = (c - s for c, s in zip(scene.canvas_size, scene.size, strict=True))
    return F.pad(picture, (0, right, 0, bottom), mode="replicate")


def clarity_of(scene: Scene) -> Tensor:
    """`clarity_map` of a measured scene."""
    estimate = scene.estimate
    return clarity_map(estimate.kernel_field, estimate.noise_std, estimate.jpeg_quality)


def clarity_map(field: KernelField, noise_std: Tensor, jpeg_quality: Tensor) -> Tensor:
    """How clear a source is at every LR pixel: `(B,1,h,w)` in 0..1, from its degradation.

    The product of three shares, each 1 for an undamaged source and falling with the damage:
    what the blur leaves at the Nyquist frequency of the LR grid, `exp(-(pi std / scale)^2 / 2)`
    for a Gaussian of `std` HR px (the geometric mean of the two axes); `1 / (1 + (noise /
    NOISE_HALVING_STD)^2)`; and `1 / (1 + ((100 - quality) / JPEG_HALVING)^2)`. The last two hold
    for the whole source, the first for a place. Each picture of a batch stands alone.

    Args:
        field: the source's kernels.
        noise_std: `(B,)`, 0..1 units.
        jpeg_quality: `(B,)`, 1..100.
    """
    major, minor = field.moments().blur_sigma_px.unbind(1)
    variance = (major * minor).unsqueeze(1) / field.scale**2
    sharp = torch.exp(-0.5 * math.pi**2 * variance)
    clean = 1 / (1 + (noise_std.to(sharp) / NOISE_HALVING_STD).square())
    whole = 1 / (1 + ((100 - jpeg_quality.to(sharp)) / JPEG_HALVING).square())
    return sharp * (clean * whole).view(-1, 1, 1, 1)


@torch.no_grad()
def fuse_canvas(
    context: RunContext,
    visible: Tensor,
    guide: Tensor,
    clarity: tuple[Tensor, Tensor | None],
    scale: int,
    prompt: Tensor | None,
    mode: GuideMode,
    amount: Tensor | None = None,
) -> Tensor:
    """The fusion net over whole HR canvases, in exact tiles.

    Args:
        context: the run, with a fusion net.
        visible: `(B,3,H,W)` restored visible picture, sides multiples of 4. The net sees it, and
            the guide, clamped to 0..1; its change is added to `visible` as it is.
        guide: `(B,3,H,W)` or `(B,1,H,W)`, the restored (or resampled) guide on the same canvas.
        clarity: of the visible picture and of the guide, each `(B,1,h,w)` at the LR pixels, see
            `clarity_map`; None: a guide given at HR, taken as clear everywhere.
        scale: SR factor.
        prompt: `(B,512)` or `(1,512)` embedding, None for no prompt.
        mode: "guide" or "fuse".
        amount: strength x mask of the guide, `(B,1,1,1)` or `(B,1,h,w)` at the LR pixels. 0 is
            exactly the visible picture, 1 (also None) the net's answer, 2 twice the change.

    Returns:
        `(B,3,H,W)`, not clamped.

    Raises:
        InputError: unknown mode.
        ShapeError: canvases of different sizes, or sides that are no multiples of 4.
    """
    net = context.networks.fusion_net
    if net is None:
        raise RuntimeError("Fusing needs a fusion net.")
    if mode not in GUIDE_MODES:
        raise InputError(f"mode must be one of {', '.join(GUIDE_MODES)}, but is {mode!r}.")
    b, _, height, width = visible.shape
    if height % GRID or width % GRID or guide.shape[-2:] != visible.shape[-2:]:
        expected = "canvases of one size, sides multiples of 4"
        raise ShapeError("guide", expected, tuple(guide.shape))
    unit = GRID * net.total_stride
    pad = (0, -width % unit, 0, -height % unit)
    before = F.pad(visible, pad, mode="replicate")
    own, other = before.clamp(0, 1), F.pad(luminance(guide.clamp(0, 1)), pad, mode="replicate")
    meaning = None if prompt is None else prompt.to(own).expand(b, -1)
    out = torch.empty_like(own)

    def process(tile: Tile) -> None:
        fine = tile.times(GRID)
        part = own[fine.window]
        with context.autocast():
            made = net(
                part,
                other[fine.window],
                _clarity_window(clarity, scale, tile),
                scale,
                mode,
                meaning,
            )
        change = (made - part)[fine.inner]
        if amount is not None:
            change = change * _amount_core(amount, scale, tile)
        out[fine.core] = before[fine.core] + change

    grid = (own.shape[-2] // GRID, own.shape[-1] // GRID)
    halo, stride = net.receptive_radius, net.total_stride
    context.tiles.run(*grid, halo, stride, process, context.advance)
    return out[..., :height, :width]


def _clarity_window(clarity: tuple[Tensor, Tensor | None], scale: int, tile: Tile) -> Tensor:
    own = grid_window(clarity[0], scale, tile)
    other = clarity[1]
    given = torch.ones_like(own) if other is None else grid_window(other, scale, tile)
    return torch.cat((own, given.to(own)), 1)


def _amount_core(amount: Tensor, scale: int, tile: Tile) -> Tensor:
    """Strength x mask on the HR pixels of a tile's core."""
    if tuple(amount.shape[-2:]) == (1, 1):
        return amount
    return repeat_cells(grid_window(amount, scale, tile)[tile.inner])
