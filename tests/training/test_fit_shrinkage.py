"""Fitting the amount by which kernel fields are shrunk."""

from types import SimpleNamespace

import numpy as np
import torch

from mmsr_core.degradation import gaussian_kernels
from training.data.batches import fit_basis
from training.data.photos import Photo
from training.tools.fit_shrinkage import CANDIDATES, SCALE, SETS, kernel_errors, whole


def photo(height: int, width: int, depth: bool = True) -> Photo:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    near = np.linspace(0, 255, 10).astype(np.uint8)[:, None].repeat(12, 1)
    return Photo("photo.png", pixels, near if depth else None)


class Restless:
    """A stand-in for an estimator: one Gaussian, and an error of its own at every place."""

    basis = fit_basis(8)

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def __call__(self, lr: torch.Tensor, scale: int, depth: torch.Tensor | None):
        h, w = lr.shape[-2:]
        one = gaussian_kernels(*(torch.full((1, 1, 1), v) for v in (2.0, 2.0, 0.0)), SCALE)
        errors = torch.randn((1, 441, h, w), generator=torch.Generator().manual_seed(1))
        return SimpleNamespace(kernels=one + self.noise * errors)


def test_the_middle_of_a_photograph_fits_the_scale():
    hr, depth = whole(photo(170, 600), most=256)
    assert hr.shape == (1, 3, 160, 256)
    assert depth is not None
    assert depth.shape == (1, 1, 160 // SCALE, 256 // SCALE)
    assert 0 <= float(depth.min()) < float(depth.max()) <= 1
    assert whole(photo(64, 64, depth=False))[1] is None


def test_a_restless_estimate_of_a_constant_blur_gains_and_a_steady_one_does_not_change():
    photos = [photo(128, 128)]
    found = kernel_errors(Restless(2e-3), photos, SETS["constant"], seed=0)
    assert found.shape == (len(CANDIDATES),)
    assert float(found[0]) == 0
    assert bool((found.diff() < 0).all())
    steady = kernel_errors(Restless(0), photos, SETS["constant"], seed=0)
    assert float(steady.abs().max()) < 1e-3
