"""Synthesis: resize filters that are wider than a kernel's window are applied whole."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import SynthesisConfig, synthesise

RESIZE = SynthesisConfig(families=(0, 0, 0, 1), layouts=(1, 0, 0, 0), clean_share=1.0)


@pytest.mark.parametrize("scale", [4, 8])
def test_a_resized_picture_has_no_aliasing(scale: int) -> None:
    """Stripes finer than the LR grid can hold vanish, whatever filter was drawn.

    A cubic cut by the 21x21 window lets some of them through at scale 8.
    """
    x = torch.arange(24 * scale)
    stripes = 0.5 + 0.4 * torch.cos(2 * torch.pi * x / scale).expand(8, 3, 24 * scale, -1)
    lr = synthesise(stripes, scale, torch.Generator().manual_seed(0), RESIZE).lr
    assert (lr[..., 6:-6] - 0.5).abs().max() <= 1.5 / 255


def test_unblurred_resizing_is_among_what_is_drawn() -> None:
    """At scale 8 the sharpest draws are close to torch's antialiased bicubic reduction."""
    generator = torch.Generator().manual_seed(1)
    hr = F.interpolate(torch.rand(1, 3, 48, 48, generator=generator), scale_factor=4).clamp(0, 1)
    plain = F.interpolate(hr, scale_factor=1 / 8, mode="bicubic", antialias=True)
    lr = synthesise(hr.expand(32, -1, -1, -1), 8, generator, RESIZE).lr
    error = (lr - plain)[..., 3:-3, 3:-3].abs().mean((1, 2, 3))
    assert error.min() < 0.01 < error.max()
