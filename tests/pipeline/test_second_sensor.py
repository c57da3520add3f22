"""The second sensor's stages: preparing, clarity, and fusing in exact tiles."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import KernelField, gaussian_kernels
from mmsr_core.errors import InputError, ShapeError
from mmsr_core.models.fusion_net import FusionNet
from mmsr_core.pipeline.context import Networks, RunContext
from mmsr_core.pipeline.inputs import check_guide
from mmsr_core.pipeline.scene import Scene
from mmsr_core.pipeline.second_sensor import (
    clarity_map,
    comes_at_low_resolution,
    fit_guide,
    fuse_canvas,
)
from tests.helpers import liven, tiny_basis, tiny_models


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def context(net: FusionNet, tile: int) -> RunContext:
    models = {n: m for n, m in tiny_models().items() if n not in ("prompt_encoder", "fusion_net")}
    networks = Networks(**models, basis=tiny_basis(), fusion_net=net)
    return RunContext(networks, torch.device("cpu"), tile=tile)


def fused_canvas(net, visible, guide, clarity, scale, prompt, mode, tile=4096, amount=None):
    return fuse_canvas(context(net, tile), visible, guide, clarity, scale, prompt, mode, amount)


@pytest.fixture(scope="module")
def net() -> FusionNet:
    torch.manual_seed(0)
    return liven(FusionNet(8, blocks=1, condition_channels=4, prompt_channels=4, heads=2, state=4))


def canvases(h: int, w: int, scale: int, batch: int = 1):
    """Visible and guide canvases of `h` x `w` LR pixels, and their clarity."""
    size = (h * scale + -(h * scale) % 16, w * scale + -(w * scale) % 16)
    visible, guide = rand(batch, 3, *size), rand(batch, 3, *size, seed=1)
    return visible, guide, (rand(batch, 1, h, w, seed=2), rand(batch, 1, h, w, seed=3))


@pytest.mark.parametrize("mode", ["guide", "fuse"])
@pytest.mark.parametrize(("scale", "size"), [(4, (7, 97)), (2, (150, 9)), (3, (61, 11))])
def test_tiled_equals_untiled(net, mode: str, scale: int, size) -> None:
    visible, guide, clarity = canvases(*size, scale)
    options = (clarity, scale, rand(1, 512) - 0.5, mode)
    whole = fused_canvas(net, visible, guide, *options)
    assert whole.shape == visible.shape
    for tile in (16, 24):
        tiled = fused_canvas(net, visible, guide, *options, tile)
        assert float((tiled - whole).abs().max()) < 1e-5
    assert float((whole - visible).abs().max()) > 1e-3


def test_a_batch_equals_its_pictures_alone(net) -> None:
    visible, guide, clarity = canvases(8, 8, 4, batch=2)
    both = fused_canvas(net, visible, guide, clarity, 4, None, "fuse")
    for i in range(2):
        own = slice(i, i + 1)
        one = fused_canvas(
            net, visible[own], guide[own], (clarity[0][own], clarity[1][own]), 4, None, "fuse",
            4096,
        )  # fmt: skip
        torch.testing.assert_close(both[own], one, atol=1e-5, rtol=1e-5)


def test_amount_dials_the_change_and_a_mask_places_it(net) -> None:
    visible, guide, clarity = canvases(8, 16, 4)

    def fused(amount: torch.Tensor | None, tile: int = 4096) -> torch.Tensor:
        return fused_canvas(net, visible, guide, clarity, 4, None, "guide", tile, amount)

    full = fused(None)
    beyond = fused_canvas(
        net, visible * 3 - 1, guide, clarity, 4, None, "guide", 4096, torch.zeros(1, 1, 1, 1)
    )
    assert torch.equal(beyond, visible * 3 - 1)  # nothing at all, not even a clamp
    assert torch.equal(fused(torch.zeros(1, 1, 1, 1)), visible)
    torch.testing.assert_close(fused(torch.ones(1, 1, 1, 1)), full)
    twice = fused(torch.full((1, 1, 1, 1), 2.0))
    torch.testing.assert_close(twice - visible, 2 * (full - visible), atol=1e-5, rtol=1e-4)
    mask = torch.zeros(1, 1, 8, 16)
    mask[..., :5] = 1
    for tile in (4096, 16):
        made = fused(mask, tile)
        torch.testing.assert_close(made[..., :20], full[..., :20])
        assert torch.equal(made[..., 20:], visible[..., 20:])


def test_a_guide_at_full_resolution_is_clear_everywhere(net) -> None:
    visible, guide, (own, _) = canvases(8, 8, 4)
    given = fused_canvas(net, visible, guide, (own, None), 4, None, "fuse")
    ones = fused_canvas(net, visible, guide, (own, torch.ones_like(own)), 4, None, "fuse")
    assert torch.equal(given, ones)


def field(blur_sigma_px: torch.Tensor, scale: int = 4) -> KernelField:
    kernels = gaussian_kernels(blur_sigma_px, blur_sigma_px, torch.zeros_like(blur_sigma_px), scale)
    return KernelField.from_dense(kernels, scale)


def test_clarity_falls_with_every_damage_and_stays_in_range() -> None:
    blur = torch.linspace(0.8, 3.2, 9).view(1, 1, 9)
    clean, fine = torch.zeros(1), torch.full((1,), 100.0)
    clarity = clarity_map(field(blur), clean, fine)
    assert clarity.shape == (1, 1, 1, 9)
    assert bool((clarity.diff(dim=-1) < 0).all())
    assert 0 < float(clarity.min()) < float(clarity.max()) <= 1
    steps = [clarity]
    for noise, quality in ((0.01, 100), (0.05, 100), (0.05, 80), (0.05, 30)):
        steps.append(
            clarity_map(field(blur), torch.tensor([noise]), torch.tensor([float(quality)]))
        )
        assert bool((steps[-1] < steps[-2]).all())
    # The same blur in LR pixels is the same clarity at every scale.
    wide = clarity_map(field(torch.full((1, 1, 1), 2.4), 4), clean, fine)
    narrow = clarity_map(field(torch.full((1, 1, 1), 1.2), 2), clean, fine)
    torch.testing.assert_close(wide, narrow, atol=0.03, rtol=0)


def test_clarity_is_sensed_for_each_picture_of_a_batch() -> None:
    """FS-Diff's release senses the first picture of a batch and applies it to all."""
    blur = torch.stack((torch.full((2, 2), 0.9), torch.full((2, 2), 3.0)))
    noise, quality = torch.tensor([0.0, 0.03]), torch.tensor([100.0, 70.0])
    both = clarity_map(field(blur), noise, quality)
    for i in range(2):
        own = slice(i, i + 1)
        alone = clarity_map(field(blur[own]), noise[own], quality[own])
        torch.testing.assert_close(both[own], alone)
    assert float(both[0].min()) > 2 * float(both[1].max())


def scene(height: int, width: int, scale: int = 4, batch: int = 1) -> Scene:
    return Scene(rand(batch, 3, height, width), scale, tiny_basis())


def test_a_guide_of_any_resolution() -> None:
    low_size = (10, 12)
    assert comes_at_low_resolution(rand(2, 3, 10, 12), low_size, 4)
    same = rand(1, 3, 40, 48)
    assert not comes_at_low_resolution(same, low_size, 4)
    high = fit_guide(same, scene(*low_size))
    assert torch.equal(high[..., :40, :48], same)
    assert high.shape[-2:] == (48, 48)
    larger = fit_guide(rand(1, 3, 100, 120), scene(*low_size))
    assert larger.shape == (1, 3, 48, 48)
    smooth = F.interpolate(rand(1, 3, 5, 6), size=(100, 120), mode="bicubic").clamp(0, 1)
    small = fit_guide(smooth, scene(*low_size))[..., :40, :48]
    again = F.interpolate(small, size=(100, 120), mode="bicubic")
    assert float((again - smooth).abs().mean()) < 0.02  # in place, not shifted
    assert not comes_at_low_resolution(rand(1, 3, 10, 12), low_size, 1)


def test_bad_input_is_refused(net) -> None:
    with pytest.raises(ShapeError, match="guide"):
        check_guide(rand(1, 2, 8, 8), "guide", rand(1, 3, 8, 8))
    with pytest.raises(InputError, match="NaN"):
        check_guide(torch.full((1, 3, 8, 8), float("nan")), "guide", rand(1, 3, 8, 8))
    visible, guide, clarity = canvases(8, 8, 4)
    with pytest.raises(InputError, match="guide, fuse"):
        fused_canvas(net, visible, guide, clarity, 4, None, "blend")
    with pytest.raises(ShapeError, match="guide"):
        fused_canvas(net, visible, guide[..., :16], clarity, 4, None, "fuse")


def test_nothing_of_it_is_imported_with_the_library() -> None:
    import subprocess
    import sys

    probe = (
        "import sys, mmsr_core.models, mmsr_core.metrics, mmsr_core.cli\n"
        "names = ('fusion_net', 'selective_scan', 'metrics.fusion')\n"
        "print([m for m in sys.modules if m.endswith(names)])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
