"""A quick start for DKENet: its statistics branch, fitted to a table of cells.

Statistics of a cell are a few hundred numbers, and reading them is a small perceptron: kept in a
table, the cells of some thousand patches can be gone through many times in the time that the whole
net takes for a few hundred steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.degradation import window_offsets_px
from mmsr_core.errors import InputError
from mmsr_core.models import KernelEstimator, KernelEstimatorOutput
from mmsr_core.models.blur_statistics import CELL

from ..loop.optimizer import MuonAdamW
from .batches import Batch


@dataclass(frozen=True)
class Cells:
    """Inputs of the statistics branch and the truth, one row for each cell."""

    inputs: Tensor
    """`(N,K)` float32."""
    kernels: Tensor
    """`(N,441)` float16."""
    scales: Tensor
    """`(N,)` long: SR factors."""
    noise_std: Tensor
    jpeg_quality: Tensor


@torch.no_grad()
def gather_cells(
    net: KernelEstimator, batches: Iterator[Batch], minutes: float, each: int = 16
) -> Cells:
    """Degrade pictures for `minutes` and keep `each` random cells of each."""
    if net.statistics is None:
        raise InputError("The net has no statistics branch to gather cells for.")
    device = net.device
    rows: list[tuple[Tensor, ...]] = []
    end = time.monotonic() + 60 * minutes
    while not rows or time.monotonic() < end:
        batch = next(batches)
        h, w = (side // CELL for side in batch.lr.shape[-2:])
        lr = batch.lr[..., : h * CELL, : w * CELL]
        inputs = net.statistics.inputs(lr, batch.scale).flatten(2)
        kernels = F.avg_pool2d(batch.kernels, CELL).flatten(2)
        chosen = torch.randint(h * w, (len(lr), 1, each), device=device)
        picked = [v.gather(2, chosen.expand(-1, v.shape[1], -1)) for v in (inputs, kernels)]
        ones = torch.ones((len(lr), each), device=device)
        rows.append(
            (
                picked[0].transpose(1, 2).flatten(0, 1),
                picked[1].transpose(1, 2).flatten(0, 1).half(),
                torch.full((len(lr) * each,), batch.scale, device=device),
                (ones * batch.noise_std[:, None]).flatten(),
                (ones * batch.jpeg_quality[:, None]).flatten(),
            )
        )
    return Cells(*(torch.cat(column) for column in zip(*rows, strict=True)))


def estimate_loss(
    estimate: KernelEstimatorOutput,
    kernels: Tensor,
    offsets_px: Tensor,
    noise_std: Tensor,
    jpeg_quality: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What DKENet is trained on, and its parts.

    Args:
        estimate: of LR pixels or cells, `(B,.,h,w)`.
        kernels: `(B,441,h,w)`, the truth there.
        offsets_px: `(3,441)` or `(B,3,441)`: x x, y y and x y of the taps, HR px squared; see
            `moment_weights`.
        noise_std: `(B,)`, 0..1 units.
        jpeg_quality: `(B,)`.
    """
    error = estimate.kernels - kernels
    kernel = error.abs().sum(1).mean()
    energy = (error.square().sum((1, 2, 3)) / kernels.square().sum((1, 2, 3))).mean()
    # The L1 distance of two kernels says little about which is too wide; their moments say just it.
    spread = (offsets_px @ error.flatten(2)).abs().mean()
    target = torch.log(noise_std + 0.5 / 255).view(-1, 1, 1, 1)
    noise = (estimate.log_noise - target).abs().mean()
    damage = (100 - jpeg_quality).view(-1, 1, 1, 1) / 100
    jpeg = (estimate.jpeg_damage - damage).abs().mean()
    loss = kernel + energy + 0.1 * spread + 0.1 * noise + jpeg
    parts = {"kernel": kernel, "energy": energy, "spread": spread, "noise": noise, "jpeg": jpeg}
    return loss, {name: value.detach() for name, value in parts.items()}


def moment_weights(scale: int, device: torch.device) -> Tensor:
    """`(3,441)`: what second moments xx, yy, xy about the LR pixel's centre weigh the taps with."""
    x, y = window_offsets_px(scale, device)
    return torch.stack((x * x, y * y, x * y))


def fit_cells(
    net: KernelEstimator,
    cells: Cells,
    steps: int,
    batch: int = 512,
    lr: float = 2e-3,
    seed: int = 0,
) -> dict[str, float]:
    """Train the statistics branch on the table, and say how it ended (means of the last tenth)."""
    if net.statistics is None:
        raise InputError("The net has no statistics branch to fit.")
    device = cells.inputs.device
    generator = torch.Generator(device).manual_seed(seed)
    scales, of_row = cells.scales.unique(return_inverse=True)
    moments = torch.stack([moment_weights(int(scale), device) for scale in scales])
    trained = list(net.statistics.parameters())
    optimizer = MuonAdamW(trained, lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    sums: dict[str, float] = {}
    last = max(1, steps // 10)
    for step in range(steps):
        rows = torch.randint(len(cells.inputs), (batch,), generator=generator, device=device)
        estimate = net.read_cells(cells.inputs[rows][:, :, None, None])
        loss, parts = estimate_loss(
            estimate,
            cells.kernels[rows].float()[:, :, None, None],
            moments[of_row[rows]],
            cells.noise_std[rows],
            cells.jpeg_quality[rows],
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if step >= steps - last:
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value) / last
    return sums
