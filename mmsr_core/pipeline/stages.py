"""DKENet, the mean net and the denoiser over whole pictures, in exact tiles.

HR canvases are padded on the right and at the bottom (`scene.CANVAS_MULTIPLE`), so that every
tiling sees the same borders. `[..., :H, :W]` is the picture.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import (
    KernelField,
    Sharpening,
    back_project,
    from_log_gains,
    shrink_codes,
    with_jpeg_steps_times,
)
from ..image.levels import FEW, HARDLY_ANY, few_levels, two_level_cells
from ..models import (
    DamageEstimator,
    DamageMaps,
    Denoiser,
    DenoiserOutput,
    SharpeningMaps,
    condition_globals,
    whole_picture_damage,
)
from ..models.blocks import GRID
from ..models.cell_net import CELL, CellNet
from ..models.damage_estimator import MOST_NOISE
from ..models.mean_net import BACK_PROJECTIONS, NOISE, noise_condition
from ..precision import as_float64
from ..tiling import Span, Tile, grid_window
from .context import RunContext
from .results import DegradationEstimate
from .scene import Scene, quiet

DAMAGE_TILES, DKENET_TILES = 0.5, 2.5
"""Sides of these nets' tiles, in their own cells, in terms of the other nets': DKENet's cells hold
less, and it looks far. Measured on a CPU, whose cache a tile should fit."""
LEAST_LOG_GAIN, FEW_PX = 0.1, 64
"""Log-gain of fine detail up to which a large picture was not sharpened, and the side, px, of one
for which it is twice that. Of 96 parts of 128 px of photographs that were not sharpened, .01 is
found in the median, .09 in one of ten, .14 in one of twenty..."""
HIDING_NOISE, GOOD_QUALITY, HIDING_QUALITY = 8 / 255, 70, 20
"""...Noise (std), and a JPEG quality this far below a good one, raise it by as much again: their
grains and ringing look like halos."""
BELIEVED_SHARE = 0.8
"""Of the log-gains found, what is taken back: with less or more of them held-out photographs that
were sharpened come out worse, at scales 2 and 4."""
HALOS_PX = 0.6
"""A picture with more blur (std, px of it) has no halos."""
FADED_GAIN = 1.5
"""A picture is faded if its full contrast is so many times its own."""
HEAD_ROWS = 64
"""LR rows that DKENet's heads read at a time: 441 float32 values for each kernel, several times."""
EFFECT_SIDE = 64
"""Grid cells a side of the window on which the effect of a prompt is measured."""
STEP_MAP_SIDE = 256
"""The weight maps of each step are kept at most this long."""


def estimate_damage(context: RunContext, scene: Scene) -> DamageMaps | None:
    """Noise, JPEG damage and blur at every place of a scene's `lr`, on its device, in tiles.

    Noise of faded pictures is measured at more contrast, since weak noise hides between the grey
    levels; blur at both contrasts, since it is read as wider at the lower one and as narrower at
    the higher. JPEG's steps are the same at any contrast. None where the weights have no damage
    estimator.
    """
    net = context.networks.damage_estimator
    if net is None:
        return None
    patterns = _patterns(scene.lr)
    maps = _believable(_damage_of(context, net, scene.lr), patterns)
    if not bool((scene.brightness.gain > FADED_GAIN).any()):
        return maps
    seen = quiet(scene.brightness, maps.whole().noise_std)
    faded = seen.gain > FADED_GAIN
    if bool(faded.any()):
        more = _believable(_damage_of(context, net, seen(scene.lr)), patterns)
        maps = maps.with_contrast(more, seen.gain, faded)
    return maps


def _patterns(lr: Tensor) -> tuple[Tensor, Tensor]:
    """Where a picture is drawn in a few levels, and where in so few that nothing damaged it.

    Bools that broadcast to the maps of the damage estimator: no noise, and no damage at all.
    """
    few, fewer = (few_levels(lr, most).view(-1, 1, 1, 1) for most in (FEW, HARDLY_ANY))
    two, dither = two_level_cells(lr, CELL)
    return few | two, fewer | dither


def _believable(maps: DamageMaps, patterns: tuple[Tensor, Tensor]) -> DamageMaps:
    """An estimate without what cannot be: patterns of a few levels are not noise.

    A checkerboard or a dither looks like noise, the stronger, the more regular it is.
    """
    no_noise, undamaged = patterns
    too_much = maps.log_noise > math.log(MOST_NOISE)
    return maps.without(no_noise | too_much, undamaged, undamaged)


def _damage_of(context: RunContext, net: DamageEstimator, lr: Tensor) -> DamageMaps:
    return DamageMaps.from_stacked(_cells_of(context, net, lr))


def estimate_sharpening(context: RunContext, scene: Scene, damage: DamageMaps | None) -> Sharpening:
    """The sharpening of each picture of a scene, as halos in `lr` show it, in tiles; often none.

    None, too, in blurred pictures, in drawings of a few levels, and where the weights have no
    sharpening estimator.

    Args:
        context: the run.
        scene: the picture.
        damage: as measured; noise and JPEG damage make it less certain.
    """
    net, lr = context.networks.sharpening_estimator, scene.lr
    if net is None:
        return Sharpening.of(0).like(lr)
    gains, _ = SharpeningMaps.from_stacked(_cells_of(context, net, lr)).whole()
    found = from_log_gains(BELIEVED_SHARE * gains.to(lr))
    none = few_levels(lr, FEW)
    least = lr.new_full((len(lr),), LEAST_LOG_GAIN * (1 + FEW_PX / math.sqrt(lr[0, 0].numel())))
    if damage is not None:
        whole = damage.whole()
        hidden = whole.noise_std / HIDING_NOISE
        hidden = hidden + (GOOD_QUALITY - whole.jpeg_quality).clamp_min(0) / HIDING_QUALITY
        least = least * (1 + hidden).to(lr)
        none = none | (whole.blur_std_px > HALOS_PX).to(none)
    believed = (gains[:, 1].to(lr) > least) & ~none
    return Sharpening(torch.where(believed, found.amount, 0.0), found.radius_px)


def _cells_of(context: RunContext, net: CellNet, lr: Tensor) -> Tensor:
    """What a net says of every cell of 4x4 px, stacked, in tiles: `(B,C,h/4,w/4)`."""
    stride = net.total_stride
    picture = F.pad(lr, (0, -lr.shape[-1] % stride, 0, -lr.shape[-2] % stride), mode="replicate")
    values = 2 * net.outputs
    maps = lr.new_empty((lr.shape[0], values, *(side // stride for side in picture.shape[-2:])))

    def process(tile: Tile) -> None:
        with context.autocast():
            maps[tile.core] = net(picture[tile.times(stride).window]).stacked[tile.inner]

    halo = -(-net.receptive_radius // stride)
    rows, cols = maps.shape[-2:]
    context.tiles.run(rows, cols, halo, 1, process, context.advance, factor=DAMAGE_TILES)
    return maps


def kernel_block(scale: int) -> int:
    """LR px along each side of a block that gets one kernel of DKENet's.

    Kernels of neighbours are alike: one for each pixel makes no better picture (within .002 dB at
    scale 4), and costs four times as much to decode. At scale 1 it is the block of `CellKernels`.
    """
    if scale == 1:
        return CELL
    return 2 if scale <= 4 else 1


def estimate_kernels(
    context: RunContext, lr: Tensor, scale: int, depth: Tensor | None
) -> DegradationEstimate:
    """DKENet in tiles: kernels, noise and JPEG quality of `lr`, on its device.

    Kernels are stored as codes; dense ones exist inside a tile only.

    Args:
        context: the run.
        lr: `(B,3,h,w)`, 0..1.
        scale: SR factor.
        depth: `(B,1,h,w)` inverse depth, or None.
    """
    net, basis = context.networks.kernel_estimator, context.networks.basis
    b, _, h, w = lr.shape
    stride = net.total_stride
    pad = (0, -w % stride, 0, -h % stride)
    picture = F.pad(lr, pad, mode="replicate")
    padded_depth = None if depth is None else F.pad(depth, pad, mode="replicate")
    height, width = picture.shape[-2:]
    block = kernel_block(scale)
    codes = lr.new_empty((b, basis.rank, height // block, width // block))
    damage = lr.new_empty((b, 2, height // block, width // block))

    def process(tile: Tile) -> None:
        own_depth = None if padded_depth is None else padded_depth[tile.window]
        with context.autocast():
            features = net.features(picture[tile.window], scale, own_depth, block)
        left = tile.cols.inner
        for top in range(tile.rows.start, tile.rows.stop, HEAD_ROWS):
            rows = slice(top, min(top + HEAD_ROWS, tile.rows.stop))
            inner = slice(rows.start - tile.rows.low, rows.stop - tile.rows.low)
            with context.autocast():
                out = net.read_out(features.window(inner, left))
            at = (
                ...,
                slice(rows.start // block, rows.stop // block),
                slice(tile.cols.start // block, tile.cols.stop // block),
            )
            codes[at] = basis.encode(out.kernels)
            damage[at] = torch.cat((out.log_noise, out.jpeg_damage), 1)

    halo = net.radius_of(block)
    context.tiles.run(height, width, halo, stride, process, context.advance, factor=DKENET_TILES)
    down, across = -(-h // block), -(-w // block)
    means = as_float64(damage[..., :down, :across]).mean((2, 3)).to(lr)
    codes = codes[..., :down, :across]
    evidence = None
    if depth is not None:
        evidence = F.avg_pool2d(depth, block, ceil_mode=True).expand(b, -1, -1, -1)
    codes = shrink_codes(codes.contiguous(), basis, net.config["shrinkage"], evidence)
    field = KernelField.from_codes(codes, scale, basis, block=block, size=(h, w))
    noise_std, jpeg_quality = whole_picture_damage(means[:, 0], means[:, 1])
    return DegradationEstimate(field, depth, noise_std, jpeg_quality)


def back_projected(context: RunContext, scene: Scene) -> Tensor:
    """The second input of the mean net, a canvas: the bicubic one, made to agree with the input."""
    back = scene.bicubic.clone()
    if scene.has("kernel"):
        back_project(
            scene.picture(back), scene.lr, scene.operator, BACK_PROJECTIONS, callback=context.check
        )
    return back


def restore_mean(context: RunContext, scene: Scene, back: Tensor | None = None) -> Tensor:
    """The mean net over the whole canvas: `(B,3,H',W')`, padded, not clamped.

    Args:
        context: the run.
        scene: the measured picture.
        back: `back_projected(context, scene)`, where it is there already.
    """
    net, base = context.networks.mean_net_of(scene.scale), scene.bicubic
    height, width = base.shape[-2:]
    back = back_projected(context, scene) if back is None else back
    out = torch.empty_like(base)
    conditions, seen = _global_conditions(scene), scene.brightness
    codes = scene.codes[:, : net.config["kernel_codes"]]
    depth = scene.depth if scene.has("depth") else None
    # Without DCMs in the net a prompt has no effect here.
    prompt = scene.prompt if net.prompt_every and scene.has("prompt") else None

    def process(tile: Tile) -> None:
        fine = tile.times(GRID)
        own_base = seen(base[fine.window])
        sharper = seen(back[fine.window]) - own_base
        # A modality acts as far as its strength x mask says, at most wholly: 0 is leaving it out.
        trust = scene.amount("kernel", tile).clamp(0, 1)
        with context.autocast():
            made = net(
                own_base,
                own_base + sharper * (trust if trust.shape[-1] == 1 else repeat_cells(trust)),
                grid_window(codes, scene.codes_scale, tile) * trust,
                _conditions_at(scene, conditions, tile),
                None if depth is None else grid_window(depth, scene.scale, tile),
                scene.amount("depth", tile).clamp(0, 1),
                prompt,
                None if prompt is None else scene.amount("prompt", tile),
            )
        out[fine.core] = seen.undo(made[fine.inner].float())

    halo, stride = net.receptive_radius, net.total_stride
    context.tiles.run(height // GRID, width // GRID, halo, stride, process, context.advance)
    return out


def _global_conditions(scene: Scene) -> Tensor:
    """What the networks are told of the damage, in the brightness that they see."""
    gain = scene.brightness.gain.flatten()
    quality = with_jpeg_steps_times(scene.estimate.jpeg_quality, gain)
    return condition_globals(scene.scale, scene.told_noise_std * gain, quality)


def _conditions_at(scene: Scene, conditions: Tensor, tile: Tile) -> Tensor:
    """`_global_conditions` with the noise of each place, `(B,3,h,w)`, where it differs."""
    share = scene.noise_share
    if share is None:
        return conditions
    told = (scene.told_noise_std * scene.brightness.gain.flatten()).view(-1, 1, 1, 1)
    local = told * grid_window(share, scene.scale * CELL, tile)
    spread = conditions[:, :, None, None].expand(-1, -1, *local.shape[-2:]).clone()
    spread[:, NOISE] = noise_condition(local)[:, 0]
    return spread


def repeat_cells(grid_map: Tensor) -> Tensor:
    """Repeat every cell of a map on the grid over its 4x4 HR pixels."""
    return F.interpolate(grid_map, scale_factor=GRID, mode="nearest")


class TiledDenoiser:
    """The denoiser over the whole canvas, and the router's weights at each step."""

    def __init__(
        self, context: RunContext, scene: Scene, mean: Tensor, guide: Tensor | None
    ) -> None:
        """Args: the run, the scene, the mean's canvas, a second sensor's canvas."""
        self._net: Denoiser = context.networks.denoiser
        self._context = context
        self._scene = scene
        self._mean = mean
        self._guide = guide
        self._codes = scene.codes[:, : self._net.config["kernel_codes"]]
        available = {
            "lr": True,
            "kernel": True,
            "depth": scene.depth is not None,
            "prompt": scene.prompt is not None,
            "guide": guide is not None,
        }
        self._used = [m for m in self._net.modalities if available[m] and scene.has(m)]
        b, _, height, width = mean.shape
        grid = (height // GRID, width // GRID)
        self._weights = mean.new_zeros((b, len(self._net.modalities), *grid), dtype=torch.float16)
        self._prompt_mask: Tensor | None = None
        if "prompt" in self._used:
            self._prompt_mask = self._weights.new_zeros((b, 1, *grid))
        self.steps: list[dict[str, Tensor]] = []

    def __call__(self, z: Tensor, t: float) -> Tensor:
        """One evaluation at flow time `t`: the x0 estimate `(B,3,H',W')`."""
        context, net = self._context, self._net
        out = torch.empty_like(z)

        def process(tile: Tile) -> None:
            fine = tile.times(GRID)
            made = self._evaluate(z, t, tile, self._used)
            out[fine.core] = self._scene.brightness.undo(made.sample[fine.inner].float())
            self._weights[tile.core] = made.weights[tile.inner].half()
            if self._prompt_mask is not None and made.prompt_mask is not None:
                self._prompt_mask[tile.core] = made.prompt_mask[tile.inner].half()

        height, width = self._weights.shape[-2:]
        halo, stride = net.receptive_radius, net.total_stride
        context.tiles.run(height, width, halo, stride, process, context.advance)
        self.steps.append(self._by_name(_at_most(self._cropped(self._weights), STEP_MAP_SIDE)))
        return out

    def prompt_effect(self, z: Tensor, t: float) -> float:
        """How much the prompt changes the estimate at time `t`, std in 0..1 units.

        Measured on a window in the middle of the picture, at most `EFFECT_SIDE` cells a side.
        """
        stride = self._net.total_stride
        spans = []
        for cells in self._weights.shape[-2:]:
            side = min(cells, EFFECT_SIDE)
            start = (cells - side) // 2 // stride * stride
            spans.append(Span(start, start + side, start, start + side))
        tile = Tile(*spans)
        others = [name for name in self._used if name != "prompt"]
        with_prompt, without = (
            self._evaluate(z, t, tile, names).sample.float() for names in (self._used, others)
        )
        changed = (with_prompt - without) / self._scene.brightness.gain
        return float(changed.square().mean().sqrt())

    def _evaluate(self, z: Tensor, t: float, tile: Tile, names: list[str]) -> DenoiserOutput:
        """The denoiser on one window, steered by the modalities of these names."""
        scene, fine = self._scene, tile.times(GRID)
        seen = scene.brightness
        time = torch.full((z.shape[0],), float(t), device=z.device)
        given = {name: self._modality(name, tile, fine) for name in names}
        amounts = {name: scene.amount(name, tile) for name in names}
        with self._context.autocast():
            return self._net(
                seen(z[fine.window]),
                seen(self._mean[fine.window]),
                time,
                given,
                amounts,
                _global_conditions(scene),
            )

    def _modality(self, name: str, tile: Tile, fine: Tile) -> Tensor:
        scene = self._scene
        if name == "lr":
            return scene.brightness(scene.bicubic[fine.window])
        if name == "guide" and self._guide is not None:
            return self._guide[fine.window]
        if name == "prompt" and scene.prompt is not None:
            return scene.prompt
        if name == "kernel":
            return grid_window(self._codes, scene.codes_scale, tile)
        if scene.depth is None:
            raise RuntimeError(f"The modality {name} was used without its map.")
        return grid_window(scene.depth, scene.scale, tile)

    def release(self) -> None:
        """Let go of the canvases; what is known of the weights stays."""
        self._mean, self._guide = self._mean.new_empty(0), None

    def last_weights(self) -> dict[str, Tensor]:
        """Weights `(B,1,H/4,W/4)` of each modality in use, at the last step."""
        return self._by_name(self._cropped(self._weights))

    @property
    def prompt_mask(self) -> Tensor | None:
        """`(B,1,H/4,W/4)`, 0..1: where the prompt found its likeness; None without a prompt."""
        return None if self._prompt_mask is None else self._cropped(self._prompt_mask)

    def _by_name(self, weights: Tensor) -> dict[str, Tensor]:
        places = {name: i for i, name in enumerate(self._net.modalities)}
        return {name: weights[:, places[name] : places[name] + 1] for name in self._used}

    def _cropped(self, grid_map: Tensor) -> Tensor:
        height, width = (-(-v // GRID) for v in self._scene.size)
        return grid_map[..., :height, :width].float()


def _at_most(maps: Tensor, side: int) -> Tensor:
    """Means over blocks, so that no side is longer than `side`."""
    block = -(-max(maps.shape[-2:]) // side)
    return maps if block == 1 else F.avg_pool2d(maps, block, ceil_mode=True)
