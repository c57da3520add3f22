"""The network stages on whole canvases, in exact tiles.

HR canvases are padded on the right and at the bottom to multiples of 16 px (the denoiser's stride
on the HR / 4 grid), so that every tiling sees the same borders. `[..., :H, :W]` is the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import KernelField, back_project, shrink_codes
from ..models import (
    Denoiser,
    MeanNet,
    condition_globals,
    whole_picture_damage,
)
from ..models.blocks import GRID
from ..models.mean_net import BACK_PROJECTIONS
from ..tiling import Span, Tile, base_window, grid_window, plan_tiles
from .networks import Networks
from .run import Run
from .scene import Scene

STEP_MAP_SIDE = 256
"""The weight maps of each step are kept at most this long."""


@dataclass(frozen=True)
class KernelStage:
    """DKENet over a whole picture."""

    field: KernelField
    """Codes in the estimator's basis."""
    noise_std: Tensor
    """`(B,)`, 0..1 units."""
    jpeg_quality: Tensor
    """`(B,)`, 1..100."""


def estimate_kernels(
    nets: Networks, lr: Tensor, scale: int, depth: Tensor | None, run: Run
) -> KernelStage:
    """DKENet in tiles; kernels are stored as codes, dense ones exist inside a tile only."""
    net, basis = nets.kernel_estimator, nets.basis
    b, _, h, w = lr.shape
    stride = net.total_stride
    pad = (0, -w % stride, 0, -h % stride)
    picture = F.pad(lr, pad, mode="replicate")
    depth = None if depth is None else F.pad(depth, pad, mode="replicate")
    height, width = picture.shape[-2:]
    block = max(1, GRID // scale)  # codes no denser than the grid of the networks
    codes = lr.new_empty((b, basis.rank, height // block, width // block))
    damage = lr.new_empty((b, 2, height, width))

    def process(tile: Tile) -> None:
        rows, cols = tile.rows, tile.cols
        part = picture[..., rows.window, cols.window]
        own = None if depth is None else depth[..., rows.window, cols.window]
        with run.autocast():
            out = net(part, scale, own)
        inner = (..., rows.inner, cols.inner)
        made = basis.encode(out.kernels[inner])
        if block == 1:
            codes[..., rows.core, cols.core] = made
        else:  # the mean of the codes is the code of the mean kernel
            at = [slice(s.core.start // block, s.core.stop // block) for s in (rows, cols)]
            codes[..., at[0], at[1]] = F.avg_pool2d(made, block)
        damage[..., rows.core, cols.core] = torch.cat((out.log_noise, out.jpeg_damage), 1)[inner]

    # 441 float32 values a cell, several times over: smaller tiles than the other stages
    run.runner.run(height, width, net.receptive_radius, stride, process, run.advance, divide=2)
    means = damage[..., :h, :w].cpu().double().mean((2, 3)).to(lr)  # MPS has no float64
    codes = codes[..., : -(-h // block), : -(-w // block)]
    evidence = None
    if depth is not None:
        evidence = F.avg_pool2d(depth[..., :h, :w], block, ceil_mode=True).expand(b, -1, -1, -1)
    codes = shrink_codes(codes.contiguous(), basis, net.config["shrinkage"], evidence)
    field = KernelField.from_codes(codes, scale, basis, block=block, size=(h, w))
    return KernelStage(field, *whole_picture_damage(means[:, 0], means[:, 1]))


def base_canvas(lr: Tensor, scale: int, size: tuple[int, int], core: int = 512) -> Tensor:
    """The bicubic enlargement on a canvas of `size`, made in pieces."""
    out = lr.new_empty((*lr.shape[:2], *size))
    for tile in plan_tiles(*size, core, 0, 1):
        rows, cols = tile.rows, tile.cols
        out[..., rows.core, cols.core] = base_window(lr, scale, rows, cols)
    return out


def restore_mean(net: MeanNet, scene: Scene, run: Run) -> Tensor:
    """The mean net over the whole canvas: `(B,3,H',W')`, padded, not clamped."""
    height, width = scene.canvas_size
    back = base_canvas(scene.lr, scene.scale, (height, width))
    kernel_used = scene.has("kernel")
    if kernel_used:
        back_project(
            scene.picture(back),
            scene.lr,
            scene.field,
            BACK_PROJECTIONS,
            sums=scene.sums,
            tick=run.tick,
        )
    out = torch.empty_like(back)
    conditions = condition_globals(scene.scale, scene.noise_std, scene.jpeg_quality)
    codes = scene.codes[:, : net.config["kernel_codes"]]
    depth = scene.depth if scene.depth is not None and scene.has("depth") else None

    # None without DCMs, too: then a prompt says nothing here
    prompt = scene.prompt if net.prompt_every and scene.has("prompt") else None

    def process(tile: Tile) -> None:
        fine = tile.times(GRID)
        rows, cols = fine.rows, fine.cols
        base = base_window(scene.lr, scene.scale, rows, cols)
        # A modality acts as far as its strength x mask says, at most wholly: 0 is leaving it out.
        trust = scene.amount("kernel", tile).clamp(0, 1)
        sharper = back[..., rows.window, cols.window] - base
        with run.autocast():
            own = net(
                base,
                base + sharper * (trust if trust.shape[-1] == 1 else enlarge(trust)),
                grid_window(codes, scene.codes_scale, tile) * trust,
                conditions,
                None if depth is None else grid_window(depth, scene.scale, tile),
                scene.amount("depth", tile).clamp(0, 1),
                prompt,
                None if prompt is None else scene.amount("prompt", tile),
            )
        out[..., rows.core, cols.core] = own[..., rows.inner, cols.inner]

    halo, stride = net.receptive_radius, net.total_stride
    run.runner.run(height // GRID, width // GRID, halo, stride, process, run.advance)
    return out


def enlarge(grid_map: Tensor) -> Tensor:
    """Repeat every cell of a map on the grid over its 4x4 HR pixels."""
    return F.interpolate(grid_map, scale_factor=GRID, mode="nearest")


@dataclass(frozen=True)
class FlowMaps:
    """What the router did."""

    last: dict[str, Tensor] = field(default_factory=dict)
    """Weights `(B,1,H/4,W/4)` of each modality at the last step; empty without a flow."""
    steps: tuple[dict[str, Tensor], ...] = ()
    """The same of each step, at most `STEP_MAP_SIDE` long."""
    prompt: Tensor | None = None
    """`(B,1,H/4,W/4)`, 0..1: where the prompt found its likeness; None without a prompt."""


class FlowStage:
    """The denoiser over the whole canvas, and the router's weights at each step."""

    def __init__(
        self, net: Denoiser, scene: Scene, mean: Tensor, run: Run, guide: Tensor | None = None
    ) -> None:
        """Args: network, scene, the mean's canvas, the run, a second sensor's canvas."""
        self.net = net
        self.scene = scene
        self.mean = mean
        self.run = run
        self.weights: Tensor | None = None
        self.prompt_mask: Tensor | None = None
        self.steps: list[dict[str, Tensor]] = []
        self.guide = guide
        self.codes = scene.codes[:, : net.config["kernel_codes"]]
        present = {
            "lr": True,
            "kernel": True,
            "depth": scene.depth is not None,
            "prompt": scene.prompt is not None,
            "guide": guide is not None,
        }
        self.used = [m for m in net.modalities if present[m] and scene.has(m)]

    def denoise(self, z: Tensor, t: float) -> Tensor:
        """One evaluation at flow time `t`: the x0 estimate `(B,3,H',W')`."""
        scene, run, net = self.scene, self.run, self.net
        out = torch.empty_like(z)
        b, _, height, width = z.shape
        conditions = condition_globals(scene.scale, scene.noise_std, scene.jpeg_quality)
        time = torch.full((b,), float(t), device=z.device)
        shape = (b, len(net.modalities), height // GRID, width // GRID)
        if self.weights is None:
            self.weights = torch.zeros(shape, dtype=torch.float16, device=z.device)
        if "prompt" in self.used and self.prompt_mask is None:
            self.prompt_mask = self.weights.new_zeros((b, 1, *shape[2:]))
        weights = self.weights

        def process(tile: Tile) -> None:
            fine = tile.times(GRID)
            rows, cols = fine.rows, fine.cols
            given = {name: self._modality(name, tile, rows, cols) for name in self.used}
            amounts = {name: scene.amount(name, tile) for name in self.used}
            with run.autocast():
                made = net(
                    z[..., rows.window, cols.window],
                    self.mean[..., rows.window, cols.window],
                    time,
                    given,
                    amounts,
                    conditions,
                )
            out[..., rows.core, cols.core] = made.sample[..., rows.inner, cols.inner]
            inner = (..., tile.rows.inner, tile.cols.inner)
            weights[..., tile.rows.core, tile.cols.core] = made.weights[inner].half()
            if self.prompt_mask is not None and made.prompt_mask is not None:
                own = made.prompt_mask[inner].half()
                self.prompt_mask[..., tile.rows.core, tile.cols.core] = own

        halo, stride = net.receptive_radius, net.total_stride
        run.runner.run(height // GRID, width // GRID, halo, stride, process, run.advance)
        small = _at_most(self._cropped(weights), STEP_MAP_SIDE)
        self.steps.append(self._named(small.cpu()))
        return out

    def _modality(self, name: str, tile: Tile, rows: Span, cols: Span) -> Tensor:
        scene = self.scene
        if name == "lr":
            return base_window(scene.lr, scene.scale, rows, cols)
        if name == "guide" and self.guide is not None:
            return self.guide[..., rows.window, cols.window]
        if name == "prompt" and scene.prompt is not None:
            return scene.prompt
        if name == "kernel":
            return grid_window(self.codes, scene.codes_scale, tile)
        if scene.depth is None:
            raise RuntimeError(f"The modality {name} was used without its map.")
        return grid_window(scene.depth, scene.scale, tile)

    def maps(self) -> FlowMaps:
        """What the router did, on the CPU."""
        if self.weights is None:
            return FlowMaps()
        last = self._named(self._cropped(self.weights).cpu())
        mask = None if self.prompt_mask is None else self._cropped(self.prompt_mask).cpu()
        return FlowMaps(last, tuple(self.steps), mask)

    def _named(self, weights: Tensor) -> dict[str, Tensor]:
        """The maps of the modalities in use."""
        places = {name: i for i, name in enumerate(self.net.modalities)}
        return {name: weights[:, places[name] : places[name] + 1] for name in self.used}

    def _cropped(self, grid_map: Tensor) -> Tensor:
        height, width = (-(-v // GRID) for v in self.scene.size)
        return grid_map[..., :height, :width].float()


def _at_most(maps: Tensor, side: int) -> Tensor:
    """Means over blocks, so that no side is longer than `side`."""
    block = -(-max(maps.shape[-2:]) // side)
    return maps if block == 1 else F.avg_pool2d(maps, block, ceil_mode=True)
