import pytest
import torch

from mmsr_core.depth import depth_from_picture, normalise_depth
from mmsr_core.errors import InputError, ShapeError


def depth_map(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (250.0, -3.0), (7.0, 10.0)])
def test_positive_scale_and_shift_change_nothing(scale, shift):
    depth = depth_map(2, 1, 23, 31)
    torch.testing.assert_close(
        normalise_depth(depth * scale + shift), normalise_depth(depth), atol=2e-5, rtol=1e-4
    )


def test_range_is_reached_and_order_is_kept():
    depth = depth_map(1, 1, 40, 40)
    result = normalise_depth(depth)
    assert result.min() == 0
    assert result.max() == 1
    order = depth.flatten().argsort()
    assert (result.flatten()[order].diff() >= 0).all()


def test_outliers_do_not_set_the_range():
    depth = depth_map(1, 1, 50, 50)
    spoiled = depth.clone()
    spoiled[0, 0, 0, 0], spoiled[0, 0, 0, 1] = 1e4, -1e4
    torch.testing.assert_close(
        normalise_depth(spoiled)[..., 1:, :], normalise_depth(depth)[..., 1:, :], atol=0.01, rtol=0
    )


def test_pictures_are_normalised_separately():
    depth = depth_map(2, 1, 16, 16)
    depth[1] *= 100
    both = normalise_depth(depth)
    torch.testing.assert_close(both[1:], normalise_depth(depth[1:]))


@pytest.mark.parametrize("value", [0.0, -4.0, 1e6])
def test_constant_depth_becomes_a_half(value):
    assert torch.equal(
        normalise_depth(torch.full((1, 1, 5, 4), value)), torch.full((1, 1, 5, 4), 0.5)
    )
    assert normalise_depth(torch.full((1, 1, 1, 1), value)).item() == 0.5


def test_a_tiny_object_on_a_constant_background_is_kept():
    depth = torch.zeros(1, 1, 40, 40)
    depth[..., 3:5, 3:5] = 1
    assert torch.equal(normalise_depth(depth), depth)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(bad):
    depth = depth_map(1, 1, 4, 4)
    depth[0, 0, 1, 1] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        normalise_depth(depth)
    with pytest.raises(InputError, match="NaN or infinite"):
        depth_from_picture(depth, (4, 4))


def test_wrong_shape_and_quantiles_are_refused():
    with pytest.raises(ShapeError):
        normalise_depth(torch.zeros(1, 2, 4, 4))
    with pytest.raises(InputError, match="low < high"):
        normalise_depth(torch.zeros(1, 1, 4, 4), 0.6, 0.4)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_depth_picture_of_any_kind_and_size(channels):
    ramp = torch.linspace(0, 1, 60)[None, None, :, None].expand(1, channels, 60, 45).clone()
    if channels == 4:
        ramp[:, 3] = depth_map(60, 45)
    for factor in (1, 255, 65535):
        depth = depth_from_picture(ramp * factor, (20, 33))
        assert depth.shape == (1, 1, 20, 33)
        assert (depth[0, 0, 1:] >= depth[0, 0, :-1]).all()
        torch.testing.assert_close(
            depth_from_picture(ramp * factor, (20, 33), invert=True), 1 - depth
        )
    assert torch.equal(
        depth_from_picture(ramp, (9, 9)), depth_from_picture(ramp, (9, 9), invert=False)
    )


def test_integer_depth_picture_works():
    picture = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert depth_from_picture(picture, (16, 16))[0, 0, -1, -1] == 1


def test_bad_depth_picture_arguments_are_refused():
    with pytest.raises(ShapeError, match="picture"):
        depth_from_picture(torch.zeros(1, 2, 4, 4), (4, 4))
    with pytest.raises(InputError, match="size"):
        depth_from_picture(torch.zeros(1, 1, 4, 4), (0, 4))
    with pytest.raises(InputError, match="invert"):
        depth_from_picture(torch.zeros(1, 1, 4, 4), (4, 4), invert="yes")  # type: ignore[arg-type]
