"""The table of cells: rows belong together, and fitting it teaches the statistics branch."""

from __future__ import annotations

import torch

from mmsr_core.degradation import gaussian_kernels
from mmsr_core.models import KernelEstimatorOutput
from tests.helpers import tiny_models
from training.data.batches import Batch
from training.data.statistics import estimate_loss, fit_cells, gather_cells, moment_weights

SIGMAS = (0.9, 2.8)


def batches(noise: float = 0.0):
    """Noise of two kinds, each with its own constant kernel: what there is to learn is plain."""
    generator = torch.Generator().manual_seed(0)
    ones = torch.ones(1, 16, 16)
    fields = [gaussian_kernels(s * ones, s * ones, 0 * ones, 4) for s in SIGMAS]
    kernels = torch.cat(fields)
    while True:
        lr = torch.rand((2, 3, 16, 16), generator=generator)
        lr[1] = 0.5 + 0.1 * (lr[1] - 0.5)
        std = torch.tensor([0.0, 0.05])
        quality = torch.tensor([100.0, 50.0])
        yield Batch(torch.zeros(2, 3, 64, 64), lr, kernels, std, quality, None, 4)


def test_rows_belong_together() -> None:
    net = tiny_models()["kernel_estimator"]
    torch.manual_seed(0)
    cells = gather_cells(net, batches(), 0.0, each=5)
    assert cells.inputs.shape[0] == cells.kernels.shape[0] == len(cells.scales) == 10
    assert cells.noise_std.tolist() == [0.0] * 5 + [0.05000000074505806] * 5
    assert cells.jpeg_quality.tolist() == [100.0] * 5 + [50.0] * 5
    widths = cells.kernels.float() @ moment_weights(4, torch.device("cpu"))[0]
    assert bool((widths[:5] < 1.0).all())
    assert bool((widths[5:] > 6.0).all())
    inputs = net.statistics.inputs(next(batches()).lr, 4).flatten(2)
    for row in cells.inputs[:5]:
        assert bool((row == inputs[0].T).all(1).any())


def test_fitting_teaches_only_the_branch() -> None:
    net = tiny_models()["kernel_estimator"]
    before = {k: v.clone() for k, v in net.state_dict().items()}
    source = batches()
    torch.manual_seed(0)
    cells = gather_cells(net, source, 0.0, each=16)
    early = fit_cells(net, cells, 10, batch=16)
    late = fit_cells(net, cells, 500, batch=16, lr=1e-2)
    assert late["kernel"] < 0.5 * early["kernel"]
    assert late["noise"] < 0.5 * early["noise"]
    assert late["jpeg"] < 0.5 * early["jpeg"]
    for name, value in net.state_dict().items():
        if not name.startswith("statistics."):
            assert torch.equal(value, before[name]), name


def test_the_loss_of_the_truth_is_nothing() -> None:
    batch = next(batches())
    zero = torch.zeros(2, 1, 16, 16)
    log_noise = torch.log(batch.noise_std + 0.5 / 255).view(2, 1, 1, 1) + zero
    damage = (100 - batch.jpeg_quality).view(2, 1, 1, 1) / 100 + zero
    truth = KernelEstimatorOutput(batch.kernels, log_noise, damage)
    rest = (moment_weights(4, torch.device("cpu")), batch.noise_std, batch.jpeg_quality)
    assert float(estimate_loss(truth, batch.kernels, *rest)[0]) < 1e-5
    wrong = KernelEstimatorOutput(batch.kernels.flip(0), log_noise, damage)
    loss, parts = estimate_loss(wrong, batch.kernels, *rest)
    assert float(parts["spread"]) > 3
    assert float(loss) > 1
