import math

import pytest
import torch

from mmsr_core.degradation import (
    KernelBasis,
    KernelEdit,
    KernelField,
    constant_kernel_field,
    edit_field,
    gaussian_kernels,
    isotropic_gaussian,
    motion_kernels,
    scale_kernels,
)
from mmsr_core.errors import InputError, ShapeError


def gaussian_field(scale=4, height=5, width=7, low=0.9, high=2.2):
    sigma = torch.linspace(low, high, height * width).reshape(1, height, width)
    turn = torch.linspace(0, 3, height * width).reshape(1, height, width)
    return KernelField.from_dense(gaussian_kernels(sigma, 0.6 * sigma, turn, scale), scale)


def widths(field):
    return field.moments().blur_sigma_px


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("factor", [0.8, 1.25, 1.6])
def test_the_width_is_multiplied_and_the_direction_kept(scale, factor):
    field = gaussian_field(scale, low=1.6, high=2.2)
    edited = edit_field(field, KernelEdit(blur_scale=factor))
    torch.testing.assert_close(widths(edited), factor * widths(field), rtol=0.04, atol=0)
    turned = edited.moments().angle_rad - field.moments().angle_rad
    assert torch.sin(turned).abs().max() < 0.02
    assert edited.moments().centre_px.abs().max() < 0.02


def test_other_families_widen_as_well():
    length = torch.full((1, 1, 1), 5.0)
    kernels = motion_kernels(length, torch.full((1, 1, 1), 0.5), 4, 1.0)
    field = KernelField.from_dense(kernels, 4)
    wider = edit_field(field, KernelEdit(blur_scale=1.5))
    torch.testing.assert_close(widths(wider), 1.5 * widths(field), rtol=0.03, atol=0)


def test_kernels_stay_kernels():
    field = gaussian_field()
    for edit in (
        KernelEdit(blur_scale=0.0),
        KernelEdit(blur_scale=4.0),
        KernelEdit(blur_scale=0.3, blend=0.4),
    ):
        dense = edit_field(field, edit).dense()
        assert dense.min() >= 0
        torch.testing.assert_close(dense.sum(1), torch.ones(1, 5, 7), rtol=0, atol=1e-5)


def test_no_blur_is_a_point_and_composition_is_multiplication():
    field = gaussian_field(3)
    point = edit_field(field, KernelEdit(blur_scale=0.0))
    assert widths(point).max() < 1e-3
    once = scale_kernels(field.dense(), 1.5, 3)
    twice = scale_kernels(scale_kernels(field.dense(), 1.25, 3), 1.2, 3)
    assert (once - twice).abs().max() < 0.006


def test_blending_is_linear_and_full_replaces_everything():
    field = gaussian_field()
    replaced = edit_field(field, KernelEdit(blend=1.0, blur_sigma_px=1.7))
    wanted = constant_kernel_field(isotropic_gaussian(1.7, 4), 5, 7, 4)
    torch.testing.assert_close(replaced.dense(), wanted.dense(), rtol=0, atol=1e-4)
    half = edit_field(field, KernelEdit(blend=0.5, blur_sigma_px=1.7))
    middle = (field.dense() + wanted.dense()) / 2
    torch.testing.assert_close(half.dense(), middle, rtol=0, atol=1e-4)


def test_direction_and_ratio_of_the_constant():
    edit = KernelEdit(blend=1.0, blur_sigma_px=2.0, ratio=0.5, angle_rad=math.pi / 6)
    moments = edit_field(gaussian_field(), edit).moments()
    assert moments.angle_rad[0, 2, 3].item() == pytest.approx(math.pi / 6, abs=0.01)
    assert moments.blur_sigma_px[0, :, 2, 3].tolist() == pytest.approx([2.0, 1.0], rel=0.02)


def test_the_mask_decides_where():
    field = gaussian_field()
    mask = torch.zeros(1, 1, 5, 7)
    mask[..., 4:] = 1
    edited = edit_field(field, KernelEdit(blur_scale=1.5), mask).dense()
    everywhere = edit_field(field, KernelEdit(blur_scale=1.5)).dense()
    torch.testing.assert_close(edited[..., :4], field.dense()[..., :4], rtol=0, atol=1e-4)
    torch.testing.assert_close(edited[..., 4:], everywhere[..., 4:], rtol=0, atol=1e-6)


def test_an_edit_that_changes_nothing_hands_the_field_back():
    field = gaussian_field()
    assert edit_field(field, KernelEdit()) is field


def test_codes_and_large_fields_by_windows(monkeypatch):
    kernels = gaussian_field(4, 16, 16).dense()
    basis = KernelBasis.fit(kernels.flatten(2)[0].T.contiguous(), 20)
    coded = KernelField.from_codes(basis.encode(kernels), 4, basis)
    wider = edit_field(coded, KernelEdit(blur_scale=1.1))
    assert wider.basis is None
    dense = KernelField.from_dense(coded.dense(), 4)
    assert torch.equal(edit_field(dense, KernelEdit(blur_scale=1.1)).data, wider.data)
    monkeypatch.setattr("mmsr_core.degradation.edit._DENSE_LR_PIXELS", 100)
    kept = edit_field(coded, KernelEdit(blur_scale=1.1))
    assert kept.basis is basis
    assert (kept.dense() - wider.dense()).abs().max() < 0.02


@pytest.mark.parametrize(
    "wrong",
    [
        {"blur_scale": -0.1},
        {"blur_scale": 5.0},
        {"blend": 1.2},
        {"blur_sigma_px": 0.0},
        {"blur_sigma_px": 6.0},
        {"ratio": 0.0},
        {"angle_rad": float("nan")},
    ],
)
def test_numbers_out_of_range_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        KernelEdit(**wrong)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="mask"):
        edit_field(gaussian_field(), KernelEdit(blur_scale=2), torch.ones(1, 1, 4, 7))
