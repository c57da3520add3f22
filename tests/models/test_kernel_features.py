"""DKENet's heads read windows and blocks of its features, and cells have a body of their own."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.models import KernelEstimator
from training.tools.extend import extend_with_cells


def estimator(cell_width: int = 0) -> KernelEstimator:
    torch.manual_seed(0)
    made = KernelEstimator(widths=(8, 8, 8), depth_widths=(2, 2, 2), head_width=8, basis_rank=4,
                           statistics_windows=(3, 5), cell_width=cell_width)  # fmt: skip
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


@pytest.fixture(scope="module")
def net() -> KernelEstimator:
    return estimator()


@pytest.fixture(scope="module")
def with_cells() -> KernelEstimator:
    return estimator(cell_width=8)


@pytest.fixture
def lr() -> torch.Tensor:
    return torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("block", [1, 2, 4])
def test_a_window_is_read_out_as_in_the_whole(net, with_cells, lr, block, cells) -> None:
    net = with_cells if cells else net
    features = net.features(lr, 2, block=block)
    whole = net.read_out(features)
    for rows, cols in ((slice(0, 8), slice(0, 32)), (slice(8, 24), slice(4, 20))):
        part = net.read_out(features.window(rows, cols))
        down, across = (slice(s.start // block, s.stop // block) for s in (rows, cols))
        for made, expected in (
            (part.kernels, whole.kernels),
            (part.log_noise, whole.log_noise),
            (part.jpeg_damage, whole.jpeg_damage),
        ):
            torch.testing.assert_close(made, expected[..., down, across], atol=1e-6, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("block", [2, 4])
def test_a_block_has_about_the_mean_kernel_of_its_pixels(net, lr, block) -> None:
    own = net(lr, 2).kernels
    mean = torch.nn.functional.avg_pool2d(own, block)
    made = net.read_out(net.features(lr, 2, block=block)).kernels
    assert made.shape == mean.shape
    torch.testing.assert_close(made.sum(1), torch.ones(1, *made.shape[-2:]))
    spread = float((own - own.mean((2, 3), keepdim=True)).abs().sum(1).mean())
    assert float((made - mean).abs().sum(1).mean()) < 0.3 * spread


@torch.no_grad()
def test_cells_change_only_what_is_asked_for_cells(with_cells, lr) -> None:
    with_cells_off = estimator()
    shared = with_cells_off.state_dict()
    with_cells_off.load_state_dict({k: with_cells.state_dict()[k] for k in shared})
    for block in (1, 2):
        made, expected = (
            net.read_out(net.features(lr, 2, block=block)).kernels
            for net in (with_cells, with_cells_off)
        )
        assert torch.equal(made, expected)
    made = with_cells.read_out(with_cells.features(lr, 1, block=4))
    assert made.kernels.shape == (1, 441, 6, 8)
    assert made.log_noise.shape == made.jpeg_damage.shape == (1, 1, 6, 8)
    torch.testing.assert_close(made.kernels.sum(1), torch.ones(1, 6, 8))
    own = with_cells_off.read_out(with_cells_off.features(lr, 1, block=4)).kernels
    assert float((made.kernels - own).abs().max()) > 1e-4


@torch.no_grad()
def test_cells_look_no_further_than_they_say(with_cells) -> None:
    cells = with_cells.cells
    assert cells is not None
    side, middle = 160, 80
    lr = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(3))
    depth = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(4))
    before = cells(lr, 1, depth).kernels.log()
    lr[..., middle, middle] = 1 - lr[..., middle, middle]
    changed = (cells(lr, 1, depth).kernels.log() != before).any(1)[0].nonzero()
    # The farthest pixel of the farthest cell that changed.
    reach = int(torch.maximum((4 * changed - middle).abs(), (4 * changed + 3 - middle).abs()).max())
    assert 0.6 * cells.receptive_radius < reach <= cells.receptive_radius
    assert with_cells.radius_of(4) == cells.receptive_radius
    assert with_cells.radius_of(2) == with_cells.receptive_radius == estimator().radius_of(4)


@torch.no_grad()
def test_depth_steers_the_cells_and_none_leaves_it_out(with_cells, lr) -> None:
    cells = with_cells.cells
    assert cells is not None
    near, far = (torch.full((1, 1, 24, 32), value) for value in (0.9, 0.1))
    found = [cells(lr, 1, depth).kernels for depth in (None, near, far)]
    assert float((found[1] - found[2]).abs().max()) > 1e-5
    assert float((found[0] - found[1]).abs().max()) > 1e-5


def test_added_cells_start_from_the_statistics_that_are_there() -> None:
    old = estimator()
    new = extend_with_cells(old)
    assert extend_with_cells(new) is new
    assert new.cells is not None
    assert old.statistics is not None
    for name, value in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], value)
    for name, value in old.statistics.state_dict().items():
        assert torch.equal(new.cells.statistics.state_dict()[name], value)
    bare = KernelEstimator(widths=(8, 8, 8), depth_widths=(2, 2, 2), head_width=8, basis_rank=4)
    with pytest.raises(ValueError, match="statistics"):
        extend_with_cells(bare)


@torch.no_grad()
def test_pixels_of_a_cell_have_one_kernel_at_scale_1(with_cells, lr) -> None:
    made = with_cells(lr, 1)
    assert made.kernels.shape == (1, 441, 24, 32)
    cells = with_cells.cells(lr, 1)
    assert torch.equal(made.kernels[..., ::4, ::4], cells.kernels)
    assert torch.equal(made.log_noise[..., 3::4, 3::4], cells.log_noise)
