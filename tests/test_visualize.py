"""Maps: right size, right values where they are known, and the documented errors."""

import math

import pytest
import torch

from mmsr_core.degradation import (
    KernelField,
    constant_kernel_field,
    gaussian_kernels,
    isotropic_gaussian,
)
from mmsr_core.errors import InputError, ShapeError
from mmsr_core.visualize import (
    COLOUR_MAPS,
    before_after,
    colourise,
    depth_map,
    heat,
    kernel_map,
)


def luma(colours):
    return (colours * torch.tensor([0.299, 0.587, 0.114]).view(3, *[1] * (colours.dim() - 1))).sum(
        0
    )


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_maps_get_brighter_all_the_way(name):
    colours = colourise(torch.linspace(0, 1, 200), name)
    assert colours.shape == (3, 200)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert (luma(colours).diff() > 0).all()


def test_colourise_ends_and_clamping():
    ends = colourise(torch.tensor([-1.0, 0.0, 1.0, 2.0]))
    assert torch.equal(ends[:, 0], ends[:, 1])
    assert torch.equal(ends[:, 2], ends[:, 3])
    assert torch.allclose(ends[:, 0] * 255, torch.tensor([68.0, 1.0, 84.0]))
    with pytest.raises(InputError, match="colour_map"):
        colourise(torch.zeros(2), "rainbow")
    with pytest.raises(InputError, match="finite"):
        colourise(torch.tensor([math.nan]))


def test_heat_maps_low_and_high_to_the_ends():
    values = torch.tensor([[2.0, 3.0], [4.0, 6.0]])
    assert torch.allclose(heat(values, 2, 6), colourise((values - 2) / 4))
    with pytest.raises(InputError, match="above low"):
        heat(values, 3, 3)
    with pytest.raises(ShapeError):
        heat(values[None], 2, 6)


def test_grey_depth_map_is_the_depth():
    depth = torch.rand(1, 1, 5, 7)
    assert torch.allclose(depth_map(depth)[1], depth[0, 0], atol=1e-6)
    assert depth_map(depth, "plasma").shape == (3, 5, 7)
    with pytest.raises(ShapeError):
        depth_map(torch.rand(2, 1, 5, 7))


def test_before_after():
    left, right = torch.zeros(1, 3, 4, 5), torch.full((1, 3, 4, 5), 0.5)
    both = before_after(left, right, gap_px=2)
    assert both.shape == (3, 4, 12)
    assert both[:, :, :5].max() == 0
    assert both[:, :, 5:7].min() == 1
    assert (both[:, :, 7:] == 0.5).all()
    with pytest.raises(ShapeError):
        before_after(left, right[..., :4])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (60, 31)])
def test_kernel_map_has_the_proportions_of_the_field(height, width):
    field = constant_kernel_field(isotropic_gaussian(1.6, 4), height, width, 4)
    picture = kernel_map(field, torch.rand(1, 3, height, width))
    assert picture.min() >= 0
    assert picture.max() <= 1
    factor = 768 / max(height, width)
    assert picture.shape[1] == round(height * factor)
    assert 0 < picture.shape[2] - round(width * factor) < 120  # The colour bar.


def test_kernel_map_colours_say_where_the_blur_is_wide():
    wide = torch.linspace(1, 3, 48).expand(1, 16, 48)
    kernels = gaussian_kernels(wide, wide, torch.zeros_like(wide), 4)
    picture = kernel_map(KernelField.from_dense(kernels, 4))
    columns = luma(picture).median(dim=0).values  # Ellipses cover less than half of a column.
    assert columns[20] < columns[380] < columns[740]


def test_colours_of_a_kernel_map_start_at_no_width():
    """A narrow blur looks narrow, however even it is."""
    brightness = []
    for width in (1.0, 2.0):
        field = constant_kernel_field(isotropic_gaussian(width, 4), 8, 8, 4)
        brightness.append(float(luma(kernel_map(field, high_px=4)[:, :, :768]).median()))
    assert brightness[0] < brightness[1]
    even = kernel_map(constant_kernel_field(isotropic_gaussian(2.0, 4), 8, 8, 4))[:, :, :768]
    colours = even.flatten(1).median(dim=1).values
    torch.testing.assert_close(colours, colourise(torch.tensor(1.0)), atol=0.01, rtol=0)


def test_ellipses_point_along_the_blur():
    """A blur along x gives outlines that reach further in x than in y."""
    long, short = torch.full((1, 8, 8), 3.0), torch.full((1, 8, 8), 1.0)
    extent = []
    for angle in (0.0, math.pi / 2):
        kernels = gaussian_kernels(long, short, torch.full_like(long, angle), 4)
        picture = kernel_map(KernelField.from_dense(kernels, 4), cell_px=768)[:, :, :768]
        rows, columns = (picture.min(dim=0).values > 0.9).nonzero().T
        extent.append((int(columns.max() - columns.min()), int(rows.max() - rows.min())))
    assert extent[0][0] > 2.5 * extent[0][1]
    assert extent[1][1] > 2.5 * extent[1][0]


def test_kernel_map_refuses_what_it_cannot_show():
    field = constant_kernel_field(isotropic_gaussian(1.6, 4), 4, 4, 4)
    with pytest.raises(InputError, match="cell_px"):
        kernel_map(field, cell_px=4)
    with pytest.raises(InputError, match="high_px"):
        kernel_map(field, high_px=0)
    with pytest.raises(ShapeError):
        kernel_map(field, torch.rand(1, 4, 8, 8))
    two = KernelField.from_dense(field.dense().expand(2, -1, -1, -1), 4)
    with pytest.raises(InputError, match="one picture"):
        kernel_map(two)
