import pytest
import torch
from safetensors.torch import load_file

from mmsr_core.depth import estimate_depth_builtin
from mmsr_core.depth.builtin import working_size
from mmsr_core.errors import InputError, ShapeError
from mmsr_core.models.depth_net import DepthNet

TINY = {"stem": 4, "widths": (6, 8), "blocks": (1, 2)}


@pytest.fixture
def net():
    torch.manual_seed(0)
    return DepthNet(**TINY).eval()


def picture(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_default_size_is_at_most_a_million_parameters():
    assert sum(p.numel() for p in DepthNet().parameters()) <= 1_000_000


def test_saved_network_gives_the_same_depth(net, tmp_path):
    image = picture(1, 3, 20, 28)
    net.save_pretrained(tmp_path)
    again = DepthNet.from_pretrained(tmp_path).eval()
    assert again.config.widths in (list(TINY["widths"]), TINY["widths"])
    for name, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    torch.testing.assert_close(again(image), net(image), atol=1e-6, rtol=1e-5)
    stored = load_file(tmp_path / "diffusion_pytorch_model.safetensors")
    assert set(stored) == set(net.state_dict())


def test_gradient_reaches_every_parameter(net):
    net(picture(2, 3, 32, 32)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_pictures_of_a_batch_do_not_influence_each_other(net):
    batch = picture(3, 3, 24, 40)
    alone = torch.cat([net(batch[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(net(batch), alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (16, 16), (17, 33), (31, 50)])
def test_any_size(net, size):
    depth = net(picture(1, 3, *size))
    assert depth.shape == (1, 1, *size)
    assert torch.isfinite(depth).all()


def test_whole_picture_is_seen_at_every_pixel(net):
    image = picture(1, 3, 64, 64)
    changed = image.clone()
    changed[..., 60:, 60:] = 1 - changed[..., 60:, 60:]
    assert (net(image) - net(changed))[..., :4, :4].abs().max() > 0


def test_bfloat16_stays_close(net):
    image = picture(1, 3, 32, 48)
    exact = net(image)
    rough = net.to(torch.bfloat16)(image)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.05, rtol=0.05)


def test_wrong_shape_and_config_are_refused(net):
    with pytest.raises(ShapeError, match="image"):
        net(picture(1, 1, 8, 8))
    with pytest.raises(InputError, match="same length"):
        DepthNet(widths=(8, 8), blocks=(1,))


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (90, 61), (130, 200)])
def test_builtin_estimate_has_the_size_of_the_picture(net, size):
    depth = estimate_depth_builtin(net, picture(2, 3, *size), max_side=64)
    assert depth.shape == (2, 1, *size)
    assert depth.min() >= 0
    assert depth.max() <= 1


def test_builtin_estimate_hardly_depends_on_the_resolution_above_max_side(net):
    coarse = picture(1, 3, 8, 8)
    large = torch.nn.functional.interpolate(coarse, size=(128, 128), mode="bicubic").clamp(0, 1)
    larger = torch.nn.functional.interpolate(coarse, size=(256, 256), mode="bicubic").clamp(0, 1)
    first = estimate_depth_builtin(net, large, max_side=64)
    second = estimate_depth_builtin(net, larger, max_side=64)
    shrunk = torch.nn.functional.interpolate(second, size=(128, 128), mode="area")
    assert (first - shrunk).abs().mean() < 0.03


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 768), (256, 384)),
        ((64, 32), (128, 64)),
        ((200, 300), (200, 300)),
        ((1, 5000), (1, 384)),
    ],
)
def test_working_size(size, expected):
    assert working_size(*size, max_side=384) == expected


def test_builtin_estimate_refuses_bad_input(net):
    with pytest.raises(ShapeError):
        estimate_depth_builtin(net, picture(3, 8, 8))
    with pytest.raises(InputError, match="max_side"):
        estimate_depth_builtin(net, picture(1, 3, 8, 8), max_side=3)


def test_the_border_of_a_depth_map_goes_on_from_the_inside(net):
    depth = estimate_depth_builtin(net, picture(1, 3, 130, 140))
    rims = ((depth[..., 0, :], depth[..., 1, :]), (depth[..., :, -1], depth[..., :, -2]))
    for rim, inner in rims:
        assert torch.equal(rim, inner)
