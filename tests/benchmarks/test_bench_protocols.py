from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from benchmarks.inputs import protocols, sources
from mmsr_core.errors import InputError
from mmsr_core.metrics import lr_consistency, psnr

SHARED = os.environ.get("MMSR_SHARED")
NEEDS_SHARED = pytest.mark.skipif(not SHARED, reason="MMSR_SHARED (benchmark data) is not set")


@pytest.fixture
def hr():
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    coarse = 0.8 * coarse.mean(dim=1, keepdim=True) + 0.2 * coarse  # little colour, as in photos
    return torch.nn.functional.interpolate(coarse, (64, 48), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("protocol", [*protocols.PROTOCOLS, "defocus"])
@pytest.mark.parametrize("scale", [2, 4])
def test_inputs_are_seeded_by_name_and_of_eight_bit(hr, protocol, scale):
    def make(name, seed=0):
        return protocols.make_sample(protocol, hr, name, scale, seed).lr

    lr = make("a")
    assert lr.shape == (1, 3, 64 // scale, 48 // scale)
    assert torch.equal(lr * 255, (lr * 255).round())
    assert torch.equal(lr, make("a"))
    if protocol != "p1":
        assert not torch.equal(lr, make("b"))
        assert not torch.equal(lr, make("a", seed=1))


def test_true_kernels_explain_the_input(hr):
    for protocol, floor in (("p2", 55), ("defocus", 55), ("p2n", 30), ("p3", 25)):
        sample = protocols.make_sample(protocol, hr, "a", 4, 0)
        assert sample.true_field is not None
        assert lr_consistency(hr, sample.lr, sample.true_field).item() > floor


def test_p2_parameters_stay_in_range():
    low, high = protocols.blur_sigma_range_px(4)
    assert (round(low, 2), round(high, 2)) == (0.84, 3.16)
    maps = protocols.p2_parameters("a", (20, 30), 4, 0)
    for key in ("s1", "s2"):
        assert maps[key].shape == (1, 20, 30)
        assert maps[key].min() >= low
        assert maps[key].max() <= high
        assert maps[key].std() > 0.05
    assert 0 <= maps["theta"].min() < maps["theta"].max() <= 3.15


def test_defocus_is_sharpest_at_the_focal_plane():
    depth = torch.linspace(0, 1, 60).view(1, 1, 1, 60).expand(1, 1, 8, 60)
    field = protocols.defocus_field(depth, "a", 4, 0)
    focus = torch.rand(1, generator=protocols.seeded(0, "focus", "a")).item()
    spread = field.moments().blur_sigma_px[0, 0, 0]
    assert abs(spread.argmin().item() / 59 - focus) < 0.05
    assert spread[0 if focus > 0.5 else -1] == pytest.approx(spread.max().item(), rel=0.01)


def test_jpeg_file_damages_a_little(hr):
    sample = protocols.make_sample("defocus", hr, "a", 2, 0)
    damaged = protocols.jpeg_file(sample.lr, 80)
    assert 25 < psnr(damaged, sample.lr).item() < 60
    assert psnr(protocols.jpeg_file(sample.lr, 10), sample.lr) < psnr(damaged, sample.lr)


def test_unknown_protocol(hr):
    with pytest.raises(InputError, match="Unknown protocol"):
        protocols.make_sample("p9", hr, "a", 4, 0)


@NEEDS_SHARED
@pytest.mark.parametrize("protocol", ["p1", "p2"])
def test_published_inputs_come_out(protocol):
    root = Path(str(SHARED))
    hr = sources.read_hr(root / "data" / "kodak24" / "kodim07.png", 4)
    file = root / "peers" / "kodak24" / "p2_params" / "kodim07.npz"
    maps = sources.read_kernel_parameters(file, (125, 125))
    made = protocols.make_sample(protocol, hr, "kodim07", 4, 0, parameters=maps).lr
    published = sources.read_lr(root / "peers" / "kodak24" / protocol, "kodim07", (125, 125))
    difference = ((made - published) * 255).abs().round()
    assert difference.max() <= 1  # one level where a value lies on a rounding edge
    assert (difference > 0).double().mean() < 0.001
