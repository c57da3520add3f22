"""Patterns of a few levels at their own size: they are not noise, and stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmsr_core.image import load_image
from mmsr_core.pipeline import load_pipeline

ROOT = Path(__file__).parents[2]
BAYER = torch.tensor([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])


@pytest.fixture(scope="module")
def small():
    return load_pipeline("small", "cpu", "float32")


def still_life() -> torch.Tensor:
    return load_image(ROOT / "assets" / "example_hr.png").rgb[..., 260:356, 220:332]


def checkerboard(cell: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(96), torch.arange(112), indexing="ij")
    return ((y // cell + x // cell) % 2).float().expand(1, 3, -1, -1)


def bayer(picture: torch.Tensor, levels: int = 2) -> torch.Tensor:
    threshold = ((BAYER + 0.5) / 16).repeat(24, 28)
    return ((picture * (levels - 1) + threshold).floor() / (levels - 1)).clamp(0, 1)


def floyd_steinberg(picture: torch.Tensor) -> torch.Tensor:
    pixels = picture[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    dithered = np.array(Image.fromarray(pixels).convert("1").convert("RGB"))
    return torch.from_numpy(dithered).permute(2, 0, 1)[None] / 255


PATTERNS = {
    "1 px": lambda: checkerboard(1),
    "2 px": lambda: checkerboard(2),
    "faint": lambda: 0.3 + 0.3 * checkerboard(1),
    "Bayer": lambda: bayer(still_life().mean(1, keepdim=True).expand(-1, 3, -1, -1)),
    "Bayer, colour": lambda: bayer(still_life()),
    "Bayer, 4 levels": lambda: bayer(still_life(), 4),
    "Floyd-Steinberg": lambda: floyd_steinberg(still_life()),
    "Floyd-Steinberg, grey": lambda: 0.2 + 0.6 * floyd_steinberg(still_life()),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("steps", [0, 1])
def test_a_pattern_comes_back_as_it_was(small, name: str, steps: int) -> None:
    pattern = PATTERNS[name]()
    made = small(pattern, scale=1, steps=steps)
    assert float((made.images - pattern).abs().mean()) * 255 < 0.5
    assert made.report.noise_std == 0
    assert made.report.jpeg_quality == 100


@pytest.mark.parametrize(
    "made_by", [lambda: checkerboard(1), lambda: floyd_steinberg(still_life())]
)
def test_a_pattern_beside_a_photograph_stays(small, made_by) -> None:
    both = still_life().clone()
    both[..., 56:] = made_by()[..., 56:]
    made = small(both, scale=1, steps=0)
    assert float((made.images - both).abs().mean()) * 255 < 1
    assert made.report.noise_std * 255 < 1


@pytest.mark.parametrize("level", [12, 40])
def test_strong_noise_is_still_noise(small, level: int) -> None:
    generator = torch.Generator().manual_seed(level)
    clean = still_life()
    noise = torch.randn(clean.shape, generator=generator) * level / 255
    noisy = (clean + noise).clamp(0, 1).mul(255).round().div(255)
    made = small(noisy, scale=1, steps=0)
    assert made.report.noise_std * 255 > 0.55 * level
    left = (made.images - clean).square().mean()
    assert float(left) < 0.45 * float((noisy - clean).square().mean())
