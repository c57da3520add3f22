"""Straight motion: found where there is one, and taken back."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import MotionBlur, find_motion, undo_motion
from mmsr_core.degradation import motion as motion_module
from mmsr_core.degradation.kernels import motion_kernels
from mmsr_core.metrics import psnr


def scene(side: int = 148, seed: int = 0) -> torch.Tensor:
    """A picture with the spectrum of photographs (1 / f), and shapes."""
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.fftfreq(side))
    white = torch.randn((1, 3, side, side), generator=generator)
    pink = torch.fft.ifft2(torch.fft.fft2(white) / frequency.clamp_min(1 / side)).real
    boxes = torch.zeros(side, side)
    for top, left, size, level in torch.randint(0, side, (40, 4), generator=generator).tolist():
        boxes[top : top + size // 4, left : left + size // 6] = level / side
    return (0.5 + 0.12 * pink / pink.std() + 0.3 * (boxes - boxes.mean())).clamp(0, 1)


def moved(picture: torch.Tensor, length: float, degrees: float) -> torch.Tensor:
    """What a camera moving so would see: 10 px less at each side, 8 bits."""
    angle = torch.full((1, 1, 1), math.radians(degrees))
    kernel = motion_kernels(torch.full((1, 1, 1), length), angle, 1)[0, :, 0, 0]
    planes = F.conv2d(picture.transpose(0, 1), kernel.view(1, 1, 21, 21)).transpose(0, 1)
    return planes.mul(255).round().div(255)


@pytest.mark.parametrize(("length", "degrees"), [(13, 0), (13, 90), (9, 35), (17, 120)])
def test_a_motion_is_found_and_taken_back(length, degrees) -> None:
    picture = scene()
    shaken, still = moved(picture, length, degrees), picture[..., 10:-10, 10:-10]
    motion = find_motion(shaken)
    assert motion is not None
    assert motion.length_px == pytest.approx(length, abs=1.2)
    turn = abs((motion.angle_rad - math.radians(degrees) + math.pi / 2) % math.pi - math.pi / 2)
    assert math.degrees(turn) < 8
    back = undo_motion(shaken, motion, torch.zeros(1))
    assert float(psnr(back, still, crop=4) - psnr(shaken, still, crop=4)) > 2


@pytest.mark.parametrize("seed", range(8))
def test_a_still_picture_has_no_motion(seed) -> None:
    assert find_motion(scene(seed=seed)) is None


@pytest.mark.parametrize(
    "picture",
    [torch.full((1, 3, 96, 96), 0.4), torch.rand((1, 3, 20, 300)), torch.zeros(1, 3, 1, 1)],
)
def test_where_nothing_can_be_seen_nothing_is_found(picture) -> None:
    assert find_motion(picture) is None


def test_noise_is_sharpened_less() -> None:
    shaken = moved(scene(), 13, 0)
    motion = MotionBlur(13.0, 0.0, 9.0)
    weak, strong = (undo_motion(shaken, motion, torch.tensor([n / 255])) for n in (1.0, 12.0))
    assert float((strong - shaken).abs().mean()) < 0.7 * float((weak - shaken).abs().mean())


@pytest.mark.parametrize("period", [2, 4])
def test_stripes_are_not_shaken(period: int) -> None:
    y, x = torch.meshgrid(torch.arange(128), torch.arange(160), indexing="ij")
    for pattern in (x, y, x + y):
        stripes = (pattern % period < period // 2).double().expand(1, 3, -1, -1)
        assert find_motion(stripes.float()) is None


@pytest.mark.parametrize("seed", range(3))
def test_what_a_motion_does_not_explain_was_no_motion(seed, monkeypatch) -> None:
    """A dip of the cepstrum alone is none: the deconvolution runs out of black and white."""
    found = {"length": 13.3, "angle": math.radians(77)}

    def everywhere(grey: torch.Tensor) -> torch.Tensor:
        cepstrum = torch.full_like(grey, 1e-3) * torch.randn_like(grey)
        y, x = (round(found["length"] * f(found["angle"])) for f in (math.sin, math.cos))
        cepstrum[grey.shape[0] // 2 + y, grey.shape[1] // 2 + x] = -1.0
        return cepstrum

    monkeypatch.setattr(motion_module, "_cepstrum", everywhere)
    monkeypatch.setattr(motion_module, "_smoothness_ratio", lambda grey, angle: 0.5)
    still = scene(seed=seed)
    assert find_motion(still) is None
    assert find_motion(moved(still, found["length"], 77)) is not None
