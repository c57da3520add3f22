"""Flow leads from one picture to another, with OpenCV and without it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.errors import ShapeError
from mmsr_core.image import optical_flow as module
from mmsr_core.image import smooth
from mmsr_core.image.optical_flow import inside, optical_flow, warp


def scene(height: int = 96, width: int = 128) -> torch.Tensor:
    rough = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0))
    soft = smooth(rough, 2.0)
    return ((soft - soft.mean()) * 4 + 0.5).clamp(0, 1)


@pytest.mark.parametrize("with_opencv", [True, False])
def test_a_shift_is_found_and_undone(monkeypatch, with_opencv) -> None:
    if with_opencv:
        pytest.importorskip("cv2")
    monkeypatch.setattr(module, "follows_every_point", lambda: with_opencv)
    source = scene()
    target = torch.roll(source, (-3, 5), (2, 3))  # what was at x is now at x + 5: look at x - 5
    flow = optical_flow(source, target)
    middle = flow[..., 16:-16, 16:-16]
    assert float((middle[:, 0] + 5).abs().median()) < 0.2
    assert float((middle[:, 1] - 3).abs().median()) < 0.2
    before, after = (
        (picture - target)[..., 16:-16, 16:-16].abs().mean()
        for picture in (source, warp(source, flow))
    )
    assert float(after) < 0.15 * float(before)


def test_places_that_move_apart_are_followed() -> None:
    pytest.importorskip("cv2")
    source = scene()
    target = source.clone()
    target[..., 64:] = torch.roll(source, 4, 3)[..., 64:]
    flow = optical_flow(source, target)
    assert float(flow[0, 0, 20:-20, 16:48].abs().median()) < 0.3
    assert float((flow[0, 0, 20:-20, 84:112] + 4).abs().median()) < 0.5


def test_warping_by_nothing_changes_nothing_and_borders_are_known() -> None:
    picture = scene(40, 50)
    still = torch.zeros(1, 2, 40, 50)
    torch.testing.assert_close(warp(picture, still), picture, atol=1e-4, rtol=0)
    assert bool(inside(still).all())
    right = still.clone()
    right[:, 0] = 10.0
    assert bool(inside(right)[..., :40].all())
    assert not bool(inside(right)[..., 40:].any())
    moved = warp(picture, right)
    torch.testing.assert_close(moved[..., :39], picture[..., 10:49], atol=2e-3, rtol=0)


def test_tiny_pictures_do_not_move_and_sizes_must_agree() -> None:
    small = torch.rand(1, 3, 8, 20)
    assert not optical_flow(small, small.roll(1, 3)).any()
    with pytest.raises(ShapeError, match="source"):
        optical_flow(small, F.pad(small, (0, 1)))
