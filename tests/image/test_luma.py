"""Luma, and colours that 0..1 cannot hold."""

import torch

from mmsr_core.image import limit_chroma, luminance


def test_colours_that_do_not_fit_turn_paler_at_their_luma() -> None:
    image = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.3
    made = limit_chroma(image)
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    assert torch.allclose(luminance(made), luminance(image).clamp(0, 1), atol=1e-5)
    before, after = image - luminance(image), made - luminance(made)
    assert float((before * after).sum(1).min()) >= -1e-6  # no hue is turned round
    assert bool((after.abs() <= before.abs() + 1e-5).all())


def test_colours_that_fit_stay() -> None:
    image = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(limit_chroma(image), image, atol=1e-6)
    grey = torch.linspace(-1, 2, 7).expand(1, 3, 1, 7)
    assert torch.allclose(limit_chroma(grey), grey.clamp(0, 1), atol=1e-6)
