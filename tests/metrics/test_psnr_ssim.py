from __future__ import annotations

import math

import pytest
import torch

from mmsr_core.errors import InputError, ShapeError
from mmsr_core.metrics import psnr, rgb_to_y, round_to_uint8, ssim
from tests.helpers import WithoutFloat64


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(3)
    a = torch.rand(2, 3, 40, 36, generator=generator)
    return a, (a + 0.1 * torch.randn(a.shape, generator=generator)).clamp(0, 1)


def test_luma_range_and_weights():
    corners = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    y = rgb_to_y(corners.T.reshape(1, 3, 1, 5)).flatten() * 255
    expected = torch.tensor([16, 235, 16 + 65.481, 16 + 128.553, 16 + 24.966])
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("channel", ["y", "rgb"])
def test_equal_pictures(pair, channel):
    a, _ = pair
    assert torch.isinf(psnr(a, a, channel=channel)).all()
    torch.testing.assert_close(ssim(a, a, channel=channel), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("channel", ["y", "rgb"])
def test_symmetric_and_per_item(pair, channel):
    a, b = pair
    for metric in (psnr, ssim):
        whole = metric(a, b, channel=channel, crop=3)
        torch.testing.assert_close(whole, metric(b, a, channel=channel, crop=3))
        singles = [metric(a[i : i + 1], b[i : i + 1], channel=channel, crop=3) for i in range(2)]
        torch.testing.assert_close(whole, torch.cat(singles))


def test_falls_with_noise(pair):
    a, _ = pair
    noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(1))
    for metric in (psnr, ssim):
        values = torch.stack([metric(a, a + s * noise) for s in (0.02, 0.05, 0.1, 0.3)])
        assert (values.diff(dim=0) < 0).all()


def test_psnr_of_a_known_offset():
    a = torch.full((1, 3, 16, 16), 100 / 255)
    b = torch.full((1, 3, 16, 16), 110 / 255)
    assert psnr(a, b, channel="rgb").item() == pytest.approx(20 * math.log10(255 / 10))
    assert psnr(a, b).item() == pytest.approx(20 * math.log10(255 / (10 * 219 / 255)))


def test_rounding_flag():
    a = torch.full((1, 3, 16, 16), 100 / 255)
    b = a + 0.2 / 255
    assert torch.isinf(psnr(a, b)).all()
    assert torch.isfinite(psnr(a, b, rounded=False)).all()
    assert round_to_uint8(torch.tensor([-1.0, 0.501 / 255, 2.0])).tolist() == pytest.approx(
        [0, 1 / 255, 1]
    )


def test_crop_leaves_the_border_out(pair):
    a, _ = pair
    b = a.clone()
    b[..., :4] = 0
    assert torch.isinf(psnr(a, b, crop=4)).all()
    assert torch.isfinite(psnr(a, b, crop=3)).all()


def test_ssim_against_a_direct_window():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(1, 3, 11, 11, generator=generator, dtype=torch.float64)
    b = torch.rand(1, 3, 11, 11, generator=generator, dtype=torch.float64)
    offsets = torch.arange(11, dtype=torch.float64) - 5
    taps = torch.exp(-(offsets**2) / 4.5)
    weights = torch.outer(taps, taps) / taps.sum() ** 2
    x, y = rgb_to_y(a)[0, 0], rgb_to_y(b)[0, 0]
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
    cov = (weights * (x - mx) * (y - my)).sum()
    c1, c2 = 0.0001, 0.0009
    expected = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert ssim(a, b, rounded=False).item() == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_a_device_without_float64(pair, metric):
    there = [picture.as_subclass(WithoutFloat64) for picture in pair]
    assert torch.equal(metric(*there), metric(*pair))


def test_bad_arguments(pair):
    a, b = pair
    with pytest.raises(ShapeError, match="b must have shape"):
        psnr(a, b[..., :-1])
    with pytest.raises(ShapeError, match=r"\(B,3,H,W\)"):
        ssim(a[:, :1], b[:, :1])
    with pytest.raises(InputError, match="crop"):
        psnr(a, b, crop=18)
    with pytest.raises(InputError, match="channel"):
        psnr(a, b, channel="cb")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least 11 pixels"):
        ssim(a, b, crop=13)
