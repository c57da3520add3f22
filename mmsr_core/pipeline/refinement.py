"""SVKR: depth, kernels and picture refined in turn (SSR, arXiv 2403.05808, Algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import (
    NO_JPEG_QUALITY,
    KernelBasis,
    KernelField,
    MotionBlur,
    Sharpening,
    find_motion,
    isotropic_gaussian,
    jpeg_error_std,
    sigma_range_px,
)
from ..depth import estimate_depth_builtin
from ..image.brightness import full_range
from ..models import DamageMaps, WholeDamage
from ..models.blocks import GRID
from ..types import SHARPENING_RADIUS_PX
from .context import RunContext, Stage
from .excess_contrast import LEAST_SCALE, excess_contrast
from .noise_map import TEXTURE_NOTE, noise_by_place, repeated_cells
from .results import DegradationEstimate, Overrides
from .scene import Scene, adopt_basis, quiet
from .stages import (
    back_projected,
    estimate_damage,
    estimate_kernels,
    estimate_sharpening,
    restore_mean,
)

ROOM_SHARE = 0.95
"""Share of the widest blur of a scale up to which the scale is left as it is."""
WIDER = 1.15
"""A blur is said to be too wide from this many times the widest kernels on: the measured width is
right within a tenth or so."""
REDUCTIONS = {2: 1.45, 4: 2.8}
"""Factor -> the least blur std, in px, from which on a reduction by it makes a better picture..."""
OWN_SIZE_REDUCTIONS = REDUCTIONS | {2: 1.95}
"""...and the same at scale 1, where the mean net takes more back itself."""
MOST_LOST = {2: 0.02, 4: 0.034}
"""Factor -> the largest share of a picture's contrast (std) that a reduction by it may leave out
beside the noise; that by 2 is free at scale 2. Pictures of little contrast seem wider than they
are."""
_NOISE_LOST = 0.25
"""Of the noise, as the share of it that may seem to be left out: it is not known better."""
LARGEST_WORKING_SCALE = 8
"""The largest scale that the networks were trained for."""
LEAST_SHAKEN_PX = 0.06
"""Blur std of a whole picture, px of it, below which it was not shaken, whatever its spectrum says:
of shaken photographs .1 or more is measured, of sharp ones .01 to .03."""
SHARP_PX = 0.3
"""Blur std of a whole picture, px of it, below which it is sharp at its own size. Of sharp
photographs .03 is measured, with any noise or JPEG damage; of a true .5 px .1, of .8 px .6."""
SURE_BLUR_PX, BLURRED_SHARE = 0.4, 0.04
"""A picture with more than this share of places blurred more widely than this is not sharp."""
CLEAN_NOISE = 1 / 255
"""...unless its noise is stronger than this (std), or it has JPEG damage."""
EVEN_SHARP_PX = 0.025
"""The same at scale 2, where a blur of half a pixel is worth an estimate of its own. A varying blur
of that width is read as .03 to .1, sharp photographs as .02 at most, most of them as 0."""
_FOUND_PX, _TRUE_PX = (0.93, 1.08, 1.345), (0.6, 0.9, 1.2)
"""What DKENet finds in sharp pictures at scale 2 and what is there (std, px of the result): medians
of 36 training photographs, with and without noise. It takes narrow kernels for wider ones."""
_EVEN_PX = (0.6, 1.0)
"""The narrowest and the widest even kernel of a sharp picture at scale 2, px of the result."""
MOSTLY = 0.5
"""Share of repetition from which on a place holds no noise, when kernels are looked for again."""
DKENET_QUALITY_ERROR = 15.0
"""Expected error of the JPEG quality where there is no damage estimator, points."""


class Refinement:
    """The rounds of SVKR on one scene.

    `D <- DE(I)`, `K' <- DKENet(LR, D)`, `K <- gamma K' + (1 - gamma) K`, `I <- mean_net(LR, K)`.
    The first picture I is the input itself. A depth given for the first round is not estimated
    again there. The last stage measures the scene.
    """

    def __init__(
        self,
        context: RunContext,
        scene: Scene,
        *,
        depth: Tensor | None = None,
        initial: KernelField | None = None,
        known: KernelField | None = None,
        iterations: int = 1,
        gamma: float = 1.0,
        fixed_depth: bool = False,
        overrides: Overrides | None = None,
        may_reduce: bool = False,
        reduce_by: int = 1,
        find_sharpening: bool = True,
        sharpening: Sharpening | None = None,
        name_motion: bool = False,
        about: str = "",
    ) -> None:
        """All inputs are checked.

        Args:
            context: the run.
            scene: the picture to measure.
            depth: `(B,1,h,w)`, the first depth; estimated when None, unless it is fixed.
            initial: kernels to blend into; the first estimated ones are taken as they are if None.
            known: kernels that take the place of the estimated ones at the end.
            iterations: T, at least 1.
            gamma: weight of the new kernels, 0..1.
            fixed_depth: keep `depth` in every round. Without `initial` one round is enough then,
                since nothing that DKENet sees would change.
            overrides: noise, JPEG damage and sharpening that the caller knows.
            may_reduce: work on a reduction of a picture that is blurred too widely for its scale.
            reduce_by: work on this reduction; 0 decides as `may_reduce` does, but takes no motion
                back. 1 is none.
            find_sharpening: look for the sharpening of cameras and editors and take it back, where
                the picture is enlarged and nobody says what blurred it. At its own size it may be
                as sharp as it is.
            sharpening: known; see `DegradationEstimate`.
            name_motion: say so where the picture was shaken, without taking that back.
            about: which picture the notes are about, as their first words.
        """
        self._context = context
        self._scene = scene
        self._picture: Tensor | None = None  # the last restored one; the input before
        self._depth = None if depth is None else depth.to(scene.lr)
        self._initial = initial
        self._known = known
        self._rounds = 1 if fixed_depth and initial is None else iterations
        self._gamma = gamma
        self._fixed_depth = fixed_depth
        self._overrides = overrides or Overrides()
        self._may_reduce = may_reduce
        stated = self._overrides.stated_sharpening
        self._sharpening = sharpening if stated is None else stated
        unknown = known is None and initial is None and self._sharpening is None
        self._find_halos = find_sharpening and unknown and scene.given_scale > 1
        self._find_excess = self._find_halos and scene.given_scale >= LEAST_SCALE
        self._measures_again = self._own_depth = False
        self._name_motion = name_motion
        self._about = about
        self.reduced_by = reduce_by
        """By how much the picture was reduced; 0 as long as that is not decided."""
        self._damage: DamageMaps | None = None
        self._bare: Scene | None = None
        self._texture: Tensor | None = None

    def stages(self) -> list[Stage]:
        """The damage, then one kernel stage for each round, and what it needs before."""
        plan: list[Stage] = []
        if self._context.networks.damage_estimator is not None or self._sharpening is not None:
            plan.append(Stage("damage", self._estimate_damage))
        for index in range(self._rounds):
            if not self._fixed_depth and (index > 0 or self._depth is None):
                if index > 0:
                    plan.append(Stage("mean", self._restore))
                plan.append(Stage("depth", self._estimate_depth))
            plan.append(Stage("kernel", self._estimate_kernels))
        if self._find_excess:
            plan.append(Stage("mean", self._look_for_sharpening))
            plan.append(Stage("damage", self._estimate_damage_again))
            plan.append(Stage("kernel", self._estimate_kernels_again))
        return plan

    def estimate(self) -> DegradationEstimate:
        """What was measured, after all stages, with the run's notes and times."""
        context = self._context
        return replace(
            self._scene.estimate, notes=context.notes, stage_seconds=dict(context.seconds)
        )

    def _restore(self) -> None:
        scene = self._bare = self._bare or self._scene.bare()
        scene.measure(self._scene.estimate)
        self._picture = scene.picture(restore_mean(self._context, scene)).clamp_(0, 1)

    def _estimate_damage(self) -> None:
        scene = self._scene
        if self._sharpening is not None:
            scene.take_back_sharpening(self._sharpening)
        if self.reduced_by > 1:
            self._reduce(self.reduced_by)
        damage = estimate_damage(self._context, scene)
        if self._find_halos and self.reduced_by <= 1:
            sharpening = estimate_sharpening(self._context, scene, damage)
            scene.take_back_sharpening(sharpening)
            damage = estimate_damage(self._context, scene) if sharpening else damage
        if damage is not None and (self._may_reduce or self.reduced_by == 0):
            if self._may_reduce and self._take_back_motion(damage.whole()):
                damage = estimate_damage(self._context, scene)
            assert damage is not None
            factor = self._chosen_reduction(damage.whole())
            if factor > 1:
                self._reduce(factor, self._known_noise(damage.whole().noise_std))
                damage = estimate_damage(self._context, scene)
            self.reduced_by = factor
        elif damage is not None and self._name_motion:
            for _, motion in self._find_motions(damage.whole()):
                self._note(
                    f"Shaken: {_motion_words(motion)}. A restoration that measures for itself "
                    "takes it back first."
                )
        self._damage = damage
        self._note_width()

    def _look_for_sharpening(self) -> None:
        """Find sharpening without halos and undo it, and texture that was taken for noise.

        Where there is none of either, the mean is kept.
        """
        scene, context = self._scene, self._context
        if scene.scale != scene.given_scale or scene.was_shaken:  # too soft, or not so simple
            return
        back = back_projected(context, scene)
        mean = restore_mean(context, scene, back)
        left = scene.left_over(mean)
        self._texture = self._repeated(left)
        if self._damage is not None and self._texture is not None:
            self._note(TEXTURE_NOTE)
            self._damage = self._damage.without(self._texture)
            self._initial = None
            self._estimate_kernels()  # they were looked for as in noise
            back = back_projected(context, scene)
            mean = restore_mean(context, scene, back)
            left = scene.left_over(mean)
        amount = excess_contrast(scene, left)
        if not bool(amount.any()):
            scene.first_mean = (back, mean)
            return
        more = Sharpening(amount, torch.full_like(amount, SHARPENING_RADIUS_PX))
        known = scene.sharpening
        scene.take_back_sharpening(more if known is None else known.followed_by(more))
        self._measures_again = True
        self._initial = None

    def _repeated(self, left: Tensor) -> Tensor | None:
        """Where what was taken for noise is texture, `(B,1,h/4,w/4)`; None where nothing is."""
        if self._damage is None or self._overrides.noise_std is not None:
            return None
        texture = repeated_cells(self._scene.estimate, left) > MOSTLY
        return texture if bool(texture.any()) else None

    def _estimate_damage_again(self) -> None:
        if self._measures_again and self._damage is not None:
            self._damage = estimate_damage(self._context, self._scene)
            if self._damage is not None and self._texture is not None:
                self._damage = self._damage.without(self._texture)

    def _estimate_kernels_again(self) -> None:
        if not self._measures_again:
            return
        if self._own_depth:
            self._estimate_depth()
        self._estimate_kernels()

    def _note(self, remark: str) -> None:
        self._context.note(self._about + remark)

    def _chosen_reduction(self, whole: WholeDamage) -> int:
        """By how much to reduce, for a batch as its least blurred picture needs it."""
        scale, blur = self._scene.scale, whole.blur_std_px
        factor = reduction(float(blur.min()), scale)
        if len(blur) > 1 and factor < reduction(float(blur.max()), scale):
            self._note(
                "Some pictures of this batch are blurred so widely that, restored alone, they "
                "would be reduced first and come out sharper."
            )
        return factor if factor == 1 else self._bearable(factor, whole)

    def _bearable(self, factor: int, whole: WholeDamage) -> int:
        """The factor, or a smaller one that does not leave out what the picture lives on."""
        scene = self._scene
        contrast = scene.given.std((1, 2, 3)).clamp_min(1e-6)
        noise = torch.hypot(whole.noise_std, jpeg_error_std(whole.jpeg_quality)).to(contrast)
        while factor > 1:
            kept_noise = (1 - 1 / factor**2) * noise.square()
            lost = (scene.left_out(factor).to(contrast).square() - kept_noise).clamp_min(0).sqrt()
            most = MOST_LOST[factor] * contrast + _NOISE_LOST * noise
            if bool((lost <= most).all()) or (factor == 2 and scene.scale > 1):
                break
            factor //= 2
        return factor

    def _reduce(self, factor: int, noise_std: Tensor | None = None) -> None:
        scene = self._scene
        lost = 255 * scene.reduce(factor, noise_std)
        self._note(
            f"The blur is wide for x{scene.given_scale}: the picture was first reduced by "
            f"{factor}, which leaves out {lost:.1f} of 255."
        )

    def _take_back_motion(self, whole: WholeDamage) -> bool:
        """Undo a straight motion of each whole picture; returns whether there was any."""
        motions = dict(self._find_motions(whole))
        for motion in motions.values():
            self._note(f"Shaken: {_motion_words(motion)} was taken back first.")
        if motions:
            self._scene.take_back(motions, whole.noise_std)
        return bool(motions)

    def _find_motions(self, whole: WholeDamage) -> Iterator[tuple[int, MotionBlur]]:
        """The straight motion of each whole picture of the batch that was shaken, by its place."""
        for index in range(len(self._scene.given)):
            if float(whole.blur_std_px[index]) < LEAST_SHAKEN_PX:
                continue
            noise_std = whole.noise_std[index : index + 1]
            motion = find_motion(self._scene.inside(index), noise_std)
            self._context.check()
            if motion is not None:
                yield index, motion

    def _note_width(self) -> None:
        """Say so where the blur is wider than kernels of this scale can be."""
        damage, scene = self._damage, self._scene
        if damage is None or self._known is not None:
            return
        width, limit = float(damage.whole().blur_std_px.min()), sigma_range_px(scene.scale)[1]
        if width * scene.scale < WIDER * limit:
            return
        remark = (
            f"A part of the blur stays: it seems to be {width * scene.scale:.0f} px of the result "
            f"wide (std), and at this scale at most {limit:.1f} px are taken back."
        )
        if not self._may_reduce and reduction(width, scene.scale) > 1:
            remark += " A restoration that measures for itself takes more of it away."
        self._note(remark)

    def _estimate_depth(self) -> None:
        net, lr = self._context.networks.depth_estimator, self._scene.lr
        depth = estimate_depth_builtin(net, lr if self._picture is None else self._picture)
        self._picture = None  # so that the restored one does not stay in memory
        self._own_depth = True
        if depth.shape[-2:] != lr.shape[-2:]:
            size = (int(lr.shape[-2]), int(lr.shape[-1]))
            depth = F.interpolate(
                depth, size=size, mode="bilinear", align_corners=False, antialias=True
            ).clamp(0, 1)
        self._depth = depth

    def _estimate_kernels(self) -> None:
        scene = self._scene
        depth = self._depth
        if depth is not None and depth.shape[-2:] != scene.lr.shape[-2:]:  # given, then reduced
            depth = F.interpolate(depth, size=tuple(scene.lr.shape[-2:]), mode="area")
        unknown = scene.lr.new_zeros(len(scene.lr))  # noise and JPEG damage are measured apart
        sharp = torch.zeros(len(unknown), dtype=torch.bool)
        if scene.scale == 1 and self._damage is not None:
            sharp = is_sharp(self._damage).cpu()
        if self._known is not None and self._damage is not None:
            fresh = DegradationEstimate(self._known, depth, unknown, unknown)
        elif bool(sharp.all()) and self._initial is None:  # nothing is left for DKENet to find
            fresh = DegradationEstimate(sharp_field(scene.basis, scene.lr), depth, unknown, unknown)
        else:
            seen = scene.brightness
            if self._damage is not None:
                seen = quiet(full_range(scene.lr), self._damage.whole().noise_std)
            fresh = estimate_kernels(self._context, seen(scene.lr), scene.scale, depth)
            fresh = replace(fresh, noise_std=fresh.noise_std / seen.gain.flatten())
            if scene.scale == 2 and self._damage is not None:
                even_out_sharp(fresh.kernel_field, scene.basis, self._damage)
            elif self._initial is None:
                narrow_sharp(fresh.kernel_field, scene.basis, sharp)
        fresh = self._with_damage(fresh)
        if self._known is not None:
            scene.measure(replace(fresh, kernel_field=self._known, kernels_given=True))
            return
        field = fresh.kernel_field
        if self._initial is not None:
            old = adopt_basis(self._initial, scene.basis, scene.lr.device)
            field = _blend(field, old, self._gamma)
        if not bool(sharp.all()):
            self._initial = field
        scene.measure(replace(fresh, kernel_field=field))

    def _with_damage(self, estimate: DegradationEstimate) -> DegradationEstimate:
        """The estimate with noise and JPEG quality as measured apart, or as the caller has them."""
        known, noise_std, quality = self._overrides, estimate.noise_std, estimate.jpeg_quality
        quality_error, noise_map = torch.full_like(quality, DKENET_QUALITY_ERROR), None
        if self._damage is not None:
            whole = self._damage.whole()
            noise_std, quality = whole.noise_std, whole.jpeg_quality
            quality_error = whole.jpeg_quality_error
            noise_map = noise_by_place(self._damage)
        if known.noise_std is not None:
            noise_std, noise_map = self._known_noise(noise_std), None
        if noise_map is not None:
            noise_std = noise_map.square().mean((1, 2, 3)).sqrt()
        quality = known.quality(quality, quality_error)
        return replace(
            estimate,
            noise_std=noise_std,
            jpeg_quality=quality,
            damage=self._damage,
            noise_map=noise_map,
            sharpening=self._scene.sharpening,
        )

    def _known_noise(self, measured: Tensor) -> Tensor:
        """Noise std `(B,)` of the picture without its sharpening: as measured, or as stated."""
        stated = self._overrides.noise_std
        if stated is None:
            return measured
        return torch.full_like(measured, stated) * self._scene.kept_noise


def _motion_words(motion: MotionBlur) -> str:
    return f"a motion of {motion.length_px:.0f} px at {math.degrees(motion.angle_rad):.0f} degrees"


def is_sharp(damage: DamageMaps) -> Tensor:
    """Which pictures of a batch show no blur worth taking back at their own size, `(B,)`.

    Neither as wholes nor in some part: of a picture that is in focus here and not there, the sharp
    places alone would decide, being the surer ones. With noise or JPEG damage they do: a false blur
    of some places would cost more there than a true one.
    """
    whole = damage.whole()
    clean = (whole.noise_std < CLEAN_NOISE) & (whole.jpeg_quality >= NO_JPEG_QUALITY)
    soft_parts = clean & (damage.blurred_share(SURE_BLUR_PX) >= BLURRED_SHARE).to(clean)
    return (whole.blur_std_px < SHARP_PX) & ~soft_parts


def sharp_field(basis: KernelBasis, lr: Tensor) -> KernelField:
    """A field of scale 1 for sharp pictures: the narrowest kernel that the networks know.

    DKENet takes a sharp picture for a slightly soft one, and codes alone hold no narrow kernel.

    Args:
        basis: DKENet's.
        lr: `(B,3,h,w)`, the pictures.
    """
    batch, _, height, width = lr.shape
    narrow = isotropic_gaussian(sigma_range_px(1)[0], 1, lr.device)
    own, codes = basis.holding(narrow)
    codes = codes.expand(batch, -1, -(-height // GRID), -(-width // GRID))
    return KernelField.from_codes(codes, 1, own, block=GRID, size=(height, width))


def even_out_sharp(field: KernelField, basis: KernelBasis, damage: DamageMaps) -> None:
    """Give sharp pictures at scale 2 one Gaussian, of the width that DKENet's widths stand for.

    Where there is no blur, what DKENet's kernels vary by is error, and too wide a kernel costs a
    sharp picture up to three decibels. In place; each picture of a batch by itself.

    Args:
        field: DKENet's, in codes of `basis`, which are overwritten.
        basis: DKENet's.
        damage: of the same pictures.
    """
    sharp = damage.whole().blur_std_px < EVEN_SHARP_PX
    if not bool(sharp.any()):
        return
    means = basis.decode(field.data.mean((2, 3), keepdim=True).float())
    found = KernelField.from_dense(means, field.scale).moments().blur_sigma_px.prod(1).sqrt()
    for index in sharp.nonzero().flatten().tolist():
        width = float(np.interp(float(found[index]), _FOUND_PX, _TRUE_PX).clip(*_EVEN_PX))
        kernel = isotropic_gaussian(width, field.scale, field.data.device)
        field.data[index] = basis.encode(kernel.view(1, -1, 1, 1))[0].to(field.data)


def narrow_sharp(field: KernelField, basis: KernelBasis, sharp: Tensor) -> None:
    """Give the sharp pictures of a batch at scale 1 the kernel of `sharp_field`, in place.

    As well as DKENet's own basis can, which the others need.
    """
    kernel = isotropic_gaussian(sigma_range_px(1)[0], 1, field.data.device)
    codes = basis.encode(kernel.view(1, -1, 1, 1))[0].to(field.data)
    for index in sharp.nonzero().flatten().tolist():
        field.data[index] = codes


def reduction(blur_std_px: float, scale: int) -> int:
    """How much smaller a picture to work on: 1, 2 or 4.

    Kernels are estimated up to a std of sqrt(2.5 scale) HR px. A picture that is blurred more
    widely holds no more than its reduction, at whose larger scale there is room for its blur.

    Args:
        blur_std_px: px of the picture.
        scale: from the picture to the result.
    """
    if blur_std_px * scale < ROOM_SHARE * sigma_range_px(scale)[1]:
        return 1
    reductions = OWN_SIZE_REDUCTIONS if scale == 1 else REDUCTIONS
    fitting = [f for f, least in reductions.items() if blur_std_px >= least]
    return max((f for f in fitting if f * scale <= LARGEST_WORKING_SCALE), default=1)


def _blend(fresh: KernelField, old: KernelField, gamma: float) -> KernelField:
    """`gamma * fresh + (1 - gamma) * old`, in codes."""
    if fresh.basis is None:
        raise RuntimeError("DKENet's kernels come as codes.")
    data = old.codes(fresh.basis)
    # Foreign kernels come one for each LR pixel.
    given = old.block if fresh.basis.shares_codes(old.basis) else 1
    if fresh.block > given:  # an edited field, too, may have codes for each LR pixel
        data = F.avg_pool2d(data, fresh.block // given, ceil_mode=True)
    return fresh.stored_as(torch.lerp(data.expand_as(fresh.data), fresh.data, gamma), fresh.basis)
