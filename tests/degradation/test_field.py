from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mmsr_core.degradation import (
    KernelBasis,
    KernelField,
    Sharpening,
    constant_kernel_field,
    gaussian_kernels,
    isotropic_gaussian,
    read_sharpening,
    sample_kernels,
)
from mmsr_core.errors import InputError, KernelFileError, ShapeError
from tests.helpers import tiny_basis


def smooth_kernels(h: int = 6, w: int = 5, scale: int = 4) -> torch.Tensor:
    s = torch.linspace(1, 2.5, h * w).view(1, h, w)
    return gaussian_kernels(s, s.flip(1) * 0.6, s, scale)


def test_file_round_trip(tmp_path: Path) -> None:
    field = KernelField.from_dense(smooth_kernels(), 4)
    field.save(tmp_path / "k.safetensors")
    again = KernelField.load(tmp_path / "k.safetensors")
    assert (again.scale, again.height, again.width, again.batch) == (4, 6, 5, 1)
    torch.testing.assert_close(again.dense(), field.dense(), atol=2e-4, rtol=0)
    assert [p.name for p in tmp_path.iterdir()] == ["k.safetensors"]


@pytest.mark.parametrize("numbers", [None, (0.0, 2.5), (0.2125, 1.25), (3.0, 0.5)])
def test_a_file_keeps_the_sharpening_that_goes_with_the_kernels(tmp_path: Path, numbers) -> None:
    field = KernelField.from_dense(smooth_kernels(), 4)
    field.save(tmp_path / "k.safetensors", None if numbers is None else Sharpening.of(*numbers))
    found = read_sharpening(tmp_path / "k.safetensors")
    if found is not None:
        assert (float(found.amount), float(found.radius_px)) == pytest.approx(numbers)
    else:
        assert numbers is None
    assert KernelField.load(tmp_path / "k.safetensors").scale == 4


@pytest.mark.parametrize("amount", ["much", "-1", "4.5", "nan"])
def test_a_file_with_a_wrong_sharpening_is_refused(tmp_path: Path, amount: str) -> None:
    path = tmp_path / "bad.safetensors"
    meta = {"scale": "4", "sharpening": amount}
    save_file({"kernel_field": torch.full((441, 4, 4), 1 / 441)}, str(path), metadata=meta)
    with pytest.raises(KernelFileError, match=r"'sharpening'.* from 0 to 3, but is '"):
        read_sharpening(path)
    meta = {"scale": "4", "sharpening": "0.3", "sharpening_radius_px": amount}
    save_file({"kernel_field": torch.full((441, 4, 4), 1 / 441)}, str(path), metadata=meta)
    with pytest.raises(KernelFileError, match=r"'sharpening_radius_px'.* from 0.4 to 4, but is '"):
        read_sharpening(path)
    with pytest.raises(KernelFileError, match="not a readable"):
        read_sharpening(tmp_path / "missing.safetensors")


@pytest.mark.parametrize(
    ("tensor", "meta", "message"),
    [
        (torch.ones(441, 4), {"scale": "4"}, r"must have shape \(441,h,w\), but has \(441, 4\)"),
        (torch.ones(440, 4, 4), {"scale": "4"}, "shape"),
        (torch.full((441, 4, 4), math.nan), {"scale": "4"}, "NaN"),
        (torch.full((441, 4, 4), -1 / 441), {"scale": "4"}, "negative"),
        (torch.ones(441, 4, 4), {"scale": "4"}, "sum to 1"),
        (torch.full((441, 4, 4), 1 / 441), {"scale": "0"}, "scale"),
        (torch.full((441, 4, 4), 1 / 441), {}, "scale"),
    ],
)
def test_bad_files_are_refused(
    tmp_path: Path, tensor: torch.Tensor, meta: dict[str, str], message: str
) -> None:
    path = tmp_path / "bad.safetensors"
    save_file({"kernel_field": tensor}, str(path), metadata=meta or None)
    with pytest.raises(KernelFileError, match=message):
        KernelField.load(path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_files_of_any_precision(tmp_path: Path, dtype: torch.dtype) -> None:
    kernels = isotropic_gaussian(1.5, 2).view(-1, 1, 1).expand(-1, 3, 4).to(dtype).contiguous()
    path = tmp_path / "k.safetensors"
    save_file({"kernel_field": kernels}, str(path), metadata={"scale": "2"})
    field = KernelField.load(path)
    assert field.data.dtype == (torch.float16 if dtype == torch.float16 else torch.float32)
    torch.testing.assert_close(field.dense()[0], kernels.float(), atol=1e-3, rtol=0)


def test_not_a_kernel_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("hello")
    with pytest.raises(KernelFileError, match="not a readable kernel file"):
        KernelField.load(path)
    with pytest.raises(KernelFileError):
        KernelField.load(tmp_path / "missing.safetensors")
    save_file({"other": torch.ones(1)}, str(path))
    with pytest.raises(KernelFileError, match="no tensor 'kernel_field'"):
        KernelField.load(path)


def test_moments_recover_the_gaussian() -> None:
    shape = (1, 4, 4)
    su, sv, theta = torch.full(shape, 2.0), torch.full(shape, 1.1), torch.full(shape, 0.5)
    moments = KernelField.from_dense(gaussian_kernels(su, sv, theta, 4), 4).moments()
    torch.testing.assert_close(moments.blur_sigma_px[:, 0], su, atol=0.02, rtol=0)
    torch.testing.assert_close(moments.blur_sigma_px[:, 1], sv, atol=0.02, rtol=0)
    torch.testing.assert_close(moments.angle_rad, theta, atol=0.01, rtol=0)
    assert float(moments.centre_px.abs().max()) < 0.01


def test_codes_expand_to_distributions_in_any_window() -> None:
    basis = tiny_basis()
    kernels = smooth_kernels()
    field = KernelField.from_codes(basis.encode(kernels), 4, basis)
    dense = field.dense()
    assert float(dense.min()) >= 0
    torch.testing.assert_close(dense.sum(1), torch.ones(1, 6, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(field.dense(slice(2, 5), slice(1, 3)), dense[:, :, 2:5, 1:3])


def test_basis_error_falls_with_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    kernels, _ = sample_kernels(16, 6, 6, 4, generator)
    kernels = kernels.clamp_min(0)
    kernels = kernels / kernels.sum(1, keepdim=True)
    flat = kernels.permute(0, 2, 3, 1).reshape(-1, 441)
    errors = []
    for rank in (5, 15, 40):
        basis = KernelBasis.fit(flat, rank)
        error = basis.decode(basis.encode(kernels)) - kernels
        errors.append(float(error.norm() / kernels.norm()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


def test_blend_is_convex() -> None:
    a = KernelField.from_dense(smooth_kernels(), 4)
    b = constant_kernel_field(isotropic_gaussian(2.0, 4), 6, 5, 4)
    mixed = a.blend(b, 0.25).dense()
    torch.testing.assert_close(mixed, 0.25 * a.dense() + 0.75 * b.dense())
    with pytest.raises(InputError, match="size or scale"):
        a.blend(constant_kernel_field(isotropic_gaussian(2.0, 4), 5, 5, 4), 0.5)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="kernel_field"):
        KernelField.from_dense(torch.ones(1, 440, 2, 2), 4)
    with pytest.raises(ShapeError, match="codes"):
        KernelField.from_codes(torch.ones(1, 5, 2, 2), 4, tiny_basis())


@pytest.mark.parametrize("size", [(8, 12), (7, 10)])
def test_blocks_share_their_code(size: tuple[int, int]) -> None:
    basis = tiny_basis()
    h, w = size
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn((2, basis.rank, -(-h // 4), -(-w // 4)), generator=generator)
    field = KernelField.from_codes(codes, 1, basis, block=4, size=size)
    each = codes.repeat_interleave(4, -2).repeat_interleave(4, -1)[..., :h, :w]
    plain = KernelField.from_codes(each, 1, basis)
    assert (field.height, field.width, field.batch) == (h, w, 2)
    torch.testing.assert_close(field.dense(), plain.dense())
    window = slice(3, 6), slice(5, 10)
    torch.testing.assert_close(field.dense(*window), plain.dense(*window))
    torch.testing.assert_close(field.item(1).dense(), plain.item(1).dense())
    torch.testing.assert_close(field.moments().blur_sigma_px, plain.moments().blur_sigma_px)
    blended = field.blend(plain, 0.3)
    torch.testing.assert_close(blended.dense(), plain.dense(), atol=1e-5, rtol=0)
    assert field.blend(field, 0.3).block == 4
    with pytest.raises(ShapeError, match="codes"):
        KernelField.from_codes(codes, 1, basis, block=4, size=(h + 4, w))


def test_a_basis_can_hold_one_kernel_exactly() -> None:
    basis = tiny_basis()
    kernel = isotropic_gaussian(0.5, 1)
    own, codes = basis.holding(kernel)
    torch.testing.assert_close(own.decode(codes).flatten(), kernel, atol=1e-6, rtol=0)
    off = (basis.decode(codes).flatten() - kernel).abs().sum()
    assert float(off) > 0.1  # which the basis itself cannot
    torch.testing.assert_close(basis.encode(kernel.view(1, -1, 1, 1)), codes)
    assert own.shares_codes(basis)
    assert basis.shares_codes(own)
    assert not basis.shares_codes(None)
    assert not basis.shares_codes(KernelBasis(basis.mean, basis.components * 2, basis.spread))
    field = KernelField.from_codes(codes.expand(1, -1, 3, 4), 1, own, block=4, size=(10, 16))
    assert torch.equal(field.codes(basis), field.data)


def test_moments_are_measured_once() -> None:
    field = KernelField.from_dense(smooth_kernels(), 4)
    assert field.moments() is field.moments()
