"""How a scene moves between frames: found to a part of a pixel, and trusted only where it holds."""

import pytest
import torch

from mmsr_core.errors import MissingPackageError
from mmsr_core.image import frames
from mmsr_core.image.frames import motions_between, sample_at
from tests.helpers import smooth_picture


def moved(picture, right, down):
    """What lies `right` and `down` of each place of a picture."""
    flow = torch.tensor([right, down]).view(1, 2, 1, 1).expand(1, 2, *picture.shape[-2:])
    return sample_at(picture, flow)


def noisy(picture, seed, levels=2.0):
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + levels / 255 * noise).clamp(0, 1)


@pytest.mark.parametrize("shift", [(0.3, -0.6), (2.4, 1.7), (-5.2, 3.1)])
def test_a_camera_that_moves_is_found_to_a_part_of_a_pixel(shift):
    scene = smooth_picture((72, 80), 1, cells=20)
    first, second = noisy(scene, 1), noisy(moved(scene, *shift), 2)
    there, back = motions_between(first, second)
    inner = (..., slice(8, -8), slice(8, -8))
    wanted = -torch.tensor(shift).view(1, 2, 1, 1)
    assert float((there.flow - wanted)[inner].abs().mean()) < 0.08
    assert float((back.flow + wanted)[inner].abs().mean()) < 0.08
    assert float(there.trust[inner].mean()) > 0.9
    brought = there.bring(moved(scene, *shift))
    assert float((brought - scene)[inner].abs().mean()) < 0.02


def test_frames_of_a_still_camera_are_not_sampled_anew():
    scene = smooth_picture((48, 48), 2)
    there, _ = motions_between(noisy(scene, 1), noisy(scene, 2))
    assert not bool(there.flow.any())
    assert torch.equal(there.bring(scene), scene)
    assert float(there.trust.min()) > 0.9


def test_another_scene_is_not_trusted():
    there, back = motions_between(smooth_picture((64, 64), 3), smooth_picture((64, 64), 4))
    assert float(there.trust.mean()) < 0.15
    assert float(back.trust.mean()) < 0.15


@pytest.mark.parametrize("with_opencv", [True, False])
def test_what_moves_by_itself_leaves_no_ghost(monkeypatch, with_opencv):
    if with_opencv:
        pytest.importorskip("cv2")
    else:

        def missing(*_):
            raise MissingPackageError("not installed")

        monkeypatch.setattr(frames, "require", missing)
    scene, thing = smooth_picture((80, 80), 5), smooth_picture((80, 80), 6, cells=24)
    pair = []
    for left in (20, 31):
        frame = scene.clone()
        frame[..., 30:52, left : left + 22] = thing[..., 30:52, 20:42]
        pair.append(frame)
    there, _ = motions_between(*pair)
    brought = there.bring(pair[1])
    trust = there.trust_of(pair[0], brought)
    ghost = trust * (brought - pair[0]).abs()
    assert float(ghost.max()) < 0.1
    assert float(ghost.mean()) < 0.002
    assert float(trust[..., :20, :].mean()) > 0.9


def test_large_frames_are_compared_reduced(monkeypatch):
    monkeypatch.setattr(frames, "MOTION_SIDE", 64)
    scene = smooth_picture((128, 96), 7)
    there, _ = motions_between(scene, moved(scene, 4.0, -2.0))
    assert there.flow.shape == (1, 2, 64, 48)
    flow = there.flow_at((128, 96))[..., 16:-16, 16:-16].mean((0, 2, 3))
    assert torch.allclose(flow, torch.tensor([-4.0, 2.0]), atol=0.3)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (17, 16)])
def test_small_frames_work(size):
    there, _ = motions_between(torch.rand(1, 3, *size), torch.rand(1, 3, *size))
    assert there.flow.shape == (1, 2, *size)
    assert torch.isfinite(there.flow).all()
