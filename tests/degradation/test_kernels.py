from __future__ import annotations

import math

import pytest
import torch

from mmsr_core.degradation import (
    centre_shift_px,
    disk_kernels,
    gaussian_kernels,
    isotropic_gaussian,
    motion_kernels,
    resize_kernel,
    window_offsets_px,
)
from mmsr_core.errors import InputError, ShapeError

SCALES = (1, 2, 3, 4, 8)


def maps(value: float, lr_pixels: int = 3) -> torch.Tensor:
    return torch.full((2, lr_pixels, lr_pixels), value)


def kernels_of(family: str, scale: int) -> torch.Tensor:
    if family == "gaussian":
        return gaussian_kernels(maps(2.1), maps(0.9), maps(0.6), scale)
    if family == "motion":
        return motion_kernels(maps(6.0), maps(0.6), scale)
    return disk_kernels(maps(3.0), scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("family", ["gaussian", "motion", "disk"])
def test_kernels_are_distributions(family: str, scale: int) -> None:
    kernels = kernels_of(family, scale)
    assert kernels.shape == (2, 441, 3, 3)
    assert float(kernels.min()) >= 0
    torch.testing.assert_close(kernels.sum(1), torch.ones(2, 3, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("family", ["gaussian", "motion", "disk"])
def test_kernels_are_centred_on_their_lr_pixel(family: str, scale: int) -> None:
    kernels = kernels_of(family, scale)
    x, y = window_offsets_px(scale)
    for offsets in (x, y):
        centre = torch.einsum("k,bkhw->bhw", offsets, kernels)
        assert float(centre.abs().max()) < 0.02


@pytest.mark.parametrize("scale", SCALES)
def test_gaussian_has_the_variance_it_was_asked_for(scale: int) -> None:
    kernels = gaussian_kernels(maps(1.6), maps(1.2), maps(0.0), scale).double()
    x, y = window_offsets_px(scale)
    for offsets, sigma in ((x, 1.6), (y, 1.2)):
        variance = torch.einsum("k,bkhw->bhw", offsets.double() ** 2, kernels)
        assert float((variance.sqrt() - sigma).abs().max()) < 0.01


def test_angle_turns_x_towards_y() -> None:
    kernel = gaussian_kernels(maps(3.0), maps(1.0), maps(math.pi / 4), 3)[0, :, 0, 0]
    x, y = window_offsets_px(3)
    assert float((kernel * x * y).sum()) > 1


@pytest.mark.parametrize("scale", SCALES)
def test_tiny_blur_stays_finite(scale: int) -> None:
    kernel = gaussian_kernels(maps(1e-4), maps(1e-4), maps(0.0), scale)
    torch.testing.assert_close(kernel.sum(1), torch.ones(2, 3, 3))
    assert float(disk_kernels(maps(0.0), scale).sum(1).min()) == pytest.approx(1)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_resize_kernel_is_what_interpolate_does_inside(scale: int) -> None:
    from mmsr_core.degradation import degrade

    torch.manual_seed(0)
    hr = torch.rand(1, 1, 24 * scale, 24 * scale)
    kernel = resize_kernel(scale).view(1, -1, 1, 1).expand(1, -1, 24, 24)
    mine = degrade(hr, kernel, scale)
    theirs = torch.nn.functional.interpolate(hr, size=(24, 24), mode="bicubic", antialias=True)
    margin = 4
    error = (mine - theirs)[..., margin:-margin, margin:-margin].abs().max()
    assert float(error) < 1e-5


def test_centre_shift() -> None:
    assert [centre_shift_px(s) for s in (1, 2, 3, 4, 8)] == [0, 0.5, 0, 0.5, 0.5]


@pytest.mark.parametrize("bad", [0, 17, 2.5, "4", True, -1])
def test_bad_scale_is_refused(bad: object) -> None:
    with pytest.raises(InputError, match="scale"):
        gaussian_kernels(maps(1.0), maps(1.0), maps(0.0), bad)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="sigma_u_px"):
        gaussian_kernels(torch.ones(3), torch.ones(3), torch.ones(3), 4)
    with pytest.raises(InputError, match="blur_sigma_px"):
        isotropic_gaussian(0, 4)
