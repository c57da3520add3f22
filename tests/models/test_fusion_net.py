"""The fusion net: exact windows, batch invariance, prompts, modes."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import ShapeError
from mmsr_core.image import luminance
from mmsr_core.metrics.fusion import spatial_frequency
from mmsr_core.models.fusion_net import FusionNet, structural_agreement
from tests.helpers import liven

MODES = ("guide", "fuse")


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def net() -> FusionNet:
    torch.manual_seed(0)
    return liven(FusionNet(8, blocks=2, condition_channels=4, prompt_channels=4, heads=2, state=4,
                           window=4, levels=3))  # fmt: skip


def given(h: int, w: int, batch: int = 1, seed: int = 0) -> list[torch.Tensor]:
    """Visible, guide and clarity; h and w in grid cells."""
    visible = rand(batch, 3, 4 * h, 4 * w, seed=seed)
    guide = rand(batch, 1, 4 * h, 4 * w, seed=seed + 1)
    return [visible, guide, rand(batch, 2, h, w, seed=seed + 2)]


@pytest.mark.parametrize("mode", MODES)
def test_receptive_radius_is_enough_and_not_wasteful(net, mode: str) -> None:
    cells = 64
    values = [v.requires_grad_() for v in given(4, cells)]
    reach = 0
    for at in range(32, 32 + net.total_stride):  # every place in a window
        out = net(*values, 4, mode)[..., 4 * at : 4 * at + 4]
        weights = rand(*out.shape, seed=at) - 0.5
        for gradient in torch.autograd.grad((out * weights).sum(), values):
            columns = gradient.abs().amax((0, 1, 2)).reshape(cells, -1).amax(1).nonzero()[:, 0]
            reach = max(reach, at - int(columns.min()), int(columns.max()) - at)
    assert reach <= net.receptive_radius
    assert reach >= 0.75 * net.receptive_radius


@pytest.mark.parametrize("mode", MODES)
def test_a_window_on_the_stride_equals_the_whole(net, mode: str) -> None:
    stride = net.total_stride
    halo = -(-net.receptive_radius // stride) * stride
    cells = 3 * halo + 16
    values = given(4, cells)

    def part(low: int, high: int) -> torch.Tensor:
        cut = [v[..., low * k : high * k] for v, k in zip(values, (4, 4, 1), strict=True)]
        return net(*cut, 4, mode)[..., 4 * halo : 4 * halo + 32]

    with torch.no_grad():
        whole = net(*values, 4, mode)
        for low, same in ((2 * stride, True), (2 * stride + 2, False)):
            own = part(low, low + 2 * halo + 8)
            apart = (own - whole[..., 4 * (low + halo) : 4 * (low + halo) + 32]).abs().max()
            assert (float(apart) < 1e-5) is same  # off the stride the windows lie elsewhere


@pytest.mark.parametrize("mode", MODES)
def test_batch_items_do_not_mix(net, mode: str) -> None:
    """FS-Diff's release looks at the first picture of a batch only; here each stands alone."""
    visible, guide, clarity = given(8, 8, batch=3)
    clarity[0, 0], clarity[0, 1] = 1, 0
    clarity[1, 0], clarity[1, 1] = 0, 1
    prompt = rand(3, 512) - 0.5
    with torch.no_grad():
        both = net(visible, guide, clarity, 4, mode, prompt)
        for i in range(3):
            own = slice(i, i + 1)
            one = net(visible[own], guide[own], clarity[own], 4, mode, prompt[own])
            torch.testing.assert_close(both[own], one, atol=1e-5, rtol=1e-5)
        turned = net(visible.flip(0), guide.flip(0), clarity.flip(0), 4, mode, prompt.flip(0))
        torch.testing.assert_close(turned.flip(0), both, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_clarity_acts_where_it_is(net, mode: str) -> None:
    visible, guide, clarity = given(4, 48)
    other = clarity.clone()
    other[..., :4] = 1 - other[..., :4]
    with torch.no_grad():
        change = (net(visible, guide, clarity, 4, mode) - net(visible, guide, other, 4, mode)).abs()
    assert float(change[..., :16].max()) > 1e-5
    beyond = 4 * (4 + net.receptive_radius + net.total_stride)
    assert float(change[..., beyond:].max()) == 0


@pytest.mark.parametrize("mode", MODES)
def test_scale_and_prompt_reach_the_output_and_no_prompt_is_nothing(net, mode: str) -> None:
    values = given(4, 8)
    prompt = rand(1, 512) - 0.5
    fresh = FusionNet(8, blocks=1, heads=2, window=4).eval()
    with torch.no_grad():
        plain = net(*values, 4, mode)
        assert float((plain - net(*values, 2, mode)).abs().max()) > 1e-6
        assert float((plain - net(*values, 4, mode, prompt)).abs().max()) > 1e-6
        twice = net(*values, 4, mode, 2 * prompt)  # its direction counts, not its length
        torch.testing.assert_close(net(*values, 4, mode, prompt), twice)
        assert torch.equal(fresh(*values, 4, mode), fresh(*values, 4, mode, prompt))


def test_an_untrained_net_keeps_the_picture_and_takes_the_stronger() -> None:
    fresh = FusionNet(8, blocks=1, heads=2, window=4).eval()
    visible, guide, clarity = given(4, 8)
    with torch.no_grad():
        assert torch.equal(fresh(visible, guide, clarity, 4, "guide"), visible)
        fused = luminance(fresh(visible, guide, clarity, 4, "fuse"))
        alone = luminance(fresh(visible, torch.full_like(guide, 0.0), clarity, 4, "fuse"))
        itself = luminance(fresh(visible, luminance(visible), clarity, 4, "fuse"))
    own = luminance(visible)
    torch.testing.assert_close(itself, own, atol=1e-5, rtol=0)
    assert float((alone - own).abs().mean()) < 0.02  # nothing in the guide is stronger
    strong = spatial_frequency(fused)
    assert strong > spatial_frequency(torch.maximum(own, guide))
    assert strong > spatial_frequency((own + guide) / 2)


def test_fusing_keeps_the_chroma_and_uses_the_guides_luminance_alone(net) -> None:
    visible, guide, clarity = given(4, 8)
    with torch.no_grad():
        fused = net(visible, guide, clarity, 4, "fuse")
        coloured = net(visible, guide.expand(-1, 3, -1, -1), clarity, 4, "fuse")
    torch.testing.assert_close(fused, coloured, atol=1e-5, rtol=1e-5)
    shift = fused - visible  # the same in every channel
    torch.testing.assert_close(shift, shift.mean(1, keepdim=True).expand_as(shift))
    assert float(shift.abs().max()) > 1e-3


def test_agreement_of_structures() -> None:
    a = rand(1, 1, 32, 32)
    same, size, share = structural_agreement(a, a)[0]
    assert float(same.min()) > 0.98
    torch.testing.assert_close(share, torch.full_like(share, 0.5), atol=0.01, rtol=0)
    inverse = structural_agreement(a, 1 - a)[0]
    torch.testing.assert_close(inverse[0], -same)
    torch.testing.assert_close(inverse[1], size)
    black = structural_agreement(a, torch.zeros_like(a))[0]
    assert float(black.abs().max()) == 0
    foreign = structural_agreement(a, rand(1, 1, 32, 32, seed=9))[0, 1]
    assert float(foreign.mean()) < 0.3


@pytest.mark.parametrize("mode", MODES)
def test_every_parameter_is_used(net, mode: str) -> None:
    net.zero_grad(set_to_none=True)
    out = net(*given(8, 8), 4, mode, rand(1, 512) - 0.5)
    (out * (rand(*out.shape, seed=5) - 0.5)).sum().backward()
    idle = {k for k, p in net.named_parameters() if p.grad is None or not bool(p.grad.any())}
    net.zero_grad(set_to_none=True)
    heads = {k for k, _ in net.named_parameters() if k.startswith(("fusion_head", "preference"))}
    gated = {k for k, _ in net.named_parameters() if k.startswith(("guide_head", "gate"))}
    assert idle == (heads if mode == "guide" else gated)


def test_bfloat16_stays_close(net) -> None:
    values = given(4, 8)
    with torch.no_grad():
        full = net(*values, 4, "fuse")
        with torch.autocast("cpu", torch.bfloat16):
            half = net(*values, 4, "fuse")
    assert half.dtype == torch.float32
    assert 0 < float((full - half).abs().max()) < 0.03


def test_save_and_load(net, tmp_path) -> None:
    net.save_pretrained(str(tmp_path))
    again = FusionNet.from_pretrained(str(tmp_path)).eval()
    values = given(4, 4)
    with torch.no_grad():
        torch.testing.assert_close(net(*values, 4), again(*values, 4))


def test_wrong_shapes_are_refused(net) -> None:
    visible, guide, clarity = given(4, 8)
    with pytest.raises(ShapeError, match="visible"):
        net(visible[..., :20], guide, clarity, 4)
    with pytest.raises(ShapeError, match="guide"):
        net(visible, guide[..., :16], clarity, 4)
    with pytest.raises(ShapeError, match="clarity"):
        net(visible, guide, clarity[:, :1], 4)
    with pytest.raises(ShapeError, match="prompt"):
        net(visible, guide, clarity, 4, "guide", rand(1, 77))


def test_the_shipped_size_stays_small() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in FusionNet().parameters()) < 0.5e6
