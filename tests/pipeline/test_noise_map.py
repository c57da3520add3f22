"""The noise by place: found where it differs, and taken away where it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import constant_kernel_field, isotropic_gaussian
from mmsr_core.degradation.noise import correlated
from mmsr_core.errors import ShapeError
from mmsr_core.image import load_image
from mmsr_core.models import DamageMaps
from mmsr_core.pipeline import DegradationEstimate, Overrides, load_pipeline
from mmsr_core.pipeline.noise_map import noise_by_place, repeated_share, without_repeated

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small():
    return load_pipeline("small", "cpu", "float32")


def picture() -> torch.Tensor:
    """A part of the example picture: `(1,3,128,192)`."""
    return load_image(ROOT / "assets" / "example_hr.png").rgb[..., 220:348, 180:372]


def noisy(clean: torch.Tensor, left: float, right: float) -> torch.Tensor:
    """Noise of so many grey levels in each half."""
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    half = clean.shape[-1] // 2
    noise[..., :half] *= left / 255
    noise[..., half:] *= right / 255
    return (clean + noise).clamp(0, 1)


def maps(log_noise: torch.Tensor, error: float) -> DamageMaps:
    flat = torch.full_like(log_noise, error)
    none = torch.zeros_like(log_noise)
    return DamageMaps(log_noise, flat, none, flat, none, flat)


def test_even_noise_has_no_map(small) -> None:
    estimate = small.estimate_degradation(noisy(picture(), 10, 10), 1)
    assert estimate.noise_map is None
    assert float(estimate.noise_std) * 255 == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("scale", [1, 4])
def test_noise_of_one_half_is_found_there(small, scale) -> None:
    estimate = small.estimate_degradation(noisy(picture(), 12, 0), scale)
    found = estimate.noise_map[0, 0] * 255
    assert float(found[:, :16].mean()) == pytest.approx(12, rel=0.2)
    assert float(found[:, -16:].mean()) < 1
    assert float(estimate.noise_std) ** 2 == pytest.approx(
        float(estimate.noise_map.square().mean()), rel=1e-4
    )


@pytest.mark.parametrize("scale", [1, 2])
def test_it_goes_where_it_is_and_the_rest_stays(small, scale) -> None:
    clean = picture()
    given = noisy(clean, 12, 0)
    made = small(given, scale=scale, steps=0).images
    whole = small(noisy(clean, 12, 12), scale=scale, steps=0).images
    wide = F.interpolate(clean, scale_factor=scale, mode="bicubic")
    edge = 80 * scale

    def error(result: torch.Tensor) -> float:
        return float((result - wide)[..., :edge].square().mean().sqrt()) * 255

    assert error(made) < 1.12 * error(whole)
    if scale == 1:
        assert float((made - clean)[..., 112:].abs().mean()) * 255 < 0.5


def test_a_stated_noise_is_alike_everywhere(small) -> None:
    estimate = small.estimate_degradation(
        noisy(picture(), 12, 0), 1, overrides=Overrides(noise_std=6 / 255)
    )
    assert estimate.noise_map is None
    assert float(estimate.noise_std) == pytest.approx(6 / 255)


def test_differences_within_the_error_are_none() -> None:
    generator = torch.Generator().manual_seed(1)
    scattered = -3.4 + 0.2 * torch.randn(2, 1, 24, 24, generator=generator)
    assert noise_by_place(maps(scattered, 0.2)) is None
    stepped = scattered.clone()
    stepped[1, ..., 12:] += 1.2
    found = noise_by_place(maps(stepped, 0.2))
    assert float(found[0].std()) == 0  # as a whole, as it would be alone
    assert float(found[1, ..., -4:].mean()) > 2.5 * float(found[1, ..., :4].mean())
    alone = noise_by_place(maps(stepped[1:], 0.2))
    torch.testing.assert_close(found[1:], alone)


def test_a_changed_estimate_scales_the_map(small) -> None:
    given = noisy(picture(), 12, 0)
    estimate = small.estimate_degradation(given, 1)
    half = replace(estimate, noise_std=estimate.noise_std / 2)
    less, plain = (
        small.sample(small.fuse_modalities(given, e), steps=0).images for e in (half, estimate)
    )
    took = [float((given - made)[..., :80].square().mean()) for made in (less, plain)]
    assert took[0] < 0.9 * took[1]


def test_a_map_of_another_size_is_refused(small) -> None:
    given = noisy(picture(), 12, 0)
    estimate = small.estimate_degradation(given, 1)
    wrong = replace(estimate, noise_map=estimate.noise_map[..., 1:])
    with pytest.raises(ShapeError, match="noise_map"):
        small.fuse_modalities(given, wrong)


def unit_noise(*size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("size", [(64, 80), (128, 128), (200, 300)])
def test_noise_and_grain_do_not_repeat(size) -> None:
    white = unit_noise(1, 3, *size)
    grey = white[:, :1].expand_as(white)
    film = correlated(white, torch.tensor([1.2]))
    for residual in (white, grey, film):
        assert float(repeated_share(0.05 * residual).max()) == 0


@pytest.mark.parametrize("size", [(64, 80), (128, 128), (200, 300)])
def test_a_mesh_repeats_though_it_is_noisy(size) -> None:
    rows, cols = (torch.arange(side).float() for side in size)
    mesh = torch.sin(rows[:, None] * 1.4) * torch.sin(cols[None] * 1.1)
    residual = mesh.expand(1, 3, -1, -1) + 0.4 * unit_noise(1, 3, *size)
    assert float(repeated_share(0.05 * residual).min()) > 0.9


def test_what_repeats_is_no_noise_and_the_rest_is() -> None:
    columns = torch.arange(256).float()
    mesh = torch.sin(columns[:128, None] * 1.4) * torch.sin(columns[None] * 1.1)
    residual = 0.05 * unit_noise(1, 3, 128, 256)
    residual[..., :128] += 0.1 * mesh[:, :128]
    field = constant_kernel_field(isotropic_gaussian(1.5, 4), 128, 256, 4)
    estimate = DegradationEstimate(field, None, torch.tensor([0.05]), torch.tensor([100.0]))
    found = without_repeated(estimate, residual)
    assert float(found.noise_map[..., :12].max()) < 0.01
    assert float(found.noise_map[..., -12:].min()) > 0.045
    assert 0.02 < float(found.noise_std) < 0.045
    assert without_repeated(estimate, 0.05 * unit_noise(1, 3, 128, 256)) is None


def cloth(amount: float) -> torch.Tensor:
    """Threads that are not quite regular: `(1,3,128,128)`, which look like noise."""
    generator = torch.Generator().manual_seed(2)
    at = torch.arange(128).float()
    rows, cols = (0.6 * torch.randn(128, generator=generator) for _ in range(2))
    threads = torch.sin(1.4 * at[:, None] + cols) * torch.sin(1.1 * at + rows[:, None])
    shade = 0.5 + 0.1 * torch.linspace(-1, 1, 128)
    return (shade + amount / 255 * threads).expand(1, 3, -1, -1)


def test_kernels_of_cloth_are_not_looked_for_as_in_noise(small) -> None:
    estimate = small.estimate_degradation(cloth(12), 4)
    assert any("repeats itself" in note for note in estimate.notes)
    assert float(estimate.noise_std) == 0
    known = Overrides(noise_std=0.0)
    told = small.estimate_degradation(cloth(12), 4, overrides=known)
    widths, expected = (e.kernel_field.moments().blur_sigma_px.mean() for e in (estimate, told))
    assert float(widths) == pytest.approx(float(expected), rel=0.02)
    grain = small.estimate_degradation(noisy(picture(), 8, 8), 4)
    assert float(grain.noise_std) * 255 == pytest.approx(8, rel=0.2)
