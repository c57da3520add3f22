from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmsr_core.errors import InputError, WeightsError
from mmsr_core.metrics import NiqeModel, niqe

SHARED = os.environ.get("MMSR_SHARED")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A stand-in for the pristine statistics; tests with real ones need MMSR_SHARED."""
    folder = tmp_path_factory.mktemp("niqe")
    offsets = np.arange(-3, 4)
    taps = np.exp(-(offsets**2) / (2 * (7 / 6) ** 2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    np.savez(
        folder / "niqe_pris_params.npz",
        mu_pris_param=np.tile([2.6, 0.9, 0.8, 0.1, 0.3, 0.5], 6)[None],
        cov_pris_param=0.2 * np.eye(36),
        gaussian_window=window,
    )
    return NiqeModel.from_folder(folder)


def _texture(size=(192, 200), seed=0):
    generator = torch.Generator().manual_seed(seed)
    octaves = [
        F.interpolate(torch.rand(1, 3, n, n, generator=generator), size, mode="bicubic") / (i + 1)
        for i, n in enumerate((6, 12, 24, 48, 96))
    ]
    picture = torch.stack(octaves).sum(dim=0)
    return (picture - picture.min()) / (picture.max() - picture.min())


def test_finite_and_per_item(model):
    pictures = torch.cat([_texture(seed=0), _texture(seed=1)])
    values = niqe(pictures, model)
    assert torch.isfinite(values).all()
    assert (values > 0).all()
    torch.testing.assert_close(values[1:], niqe(pictures[1:], model))


def test_only_whole_blocks_count(model):
    picture = _texture((200, 210))
    torch.testing.assert_close(niqe(picture, model), niqe(picture[..., :192, :192], model))
    shifted = F.pad(picture, (4, 4, 4, 4))
    torch.testing.assert_close(niqe(picture, model), niqe(shifted, model, crop=4))


def test_flat_blocks_are_left_out(model):
    picture = _texture((192, 192))
    picture[..., :96, :96] = 0.5
    assert torch.isfinite(niqe(picture, model)).all()


def test_bad_arguments(model, tmp_path):
    with pytest.raises(InputError, match="at least two 96x96 blocks"):
        niqe(torch.rand(1, 3, 100, 100), model)
    with pytest.raises(WeightsError, match="does not exist"):
        NiqeModel.from_folder(tmp_path)


@pytest.mark.skipif(not SHARED, reason="MMSR_SHARED (benchmark data) is not set")
def test_grows_with_blur_and_noise_on_a_photograph():
    from PIL import Image

    folder = Path(str(SHARED))
    real = NiqeModel.from_folder(folder / "metrics")
    with Image.open(folder / "data" / "kodak24" / "kodim05.png") as picture:
        array = np.asarray(picture.convert("RGB"))[:384, :384].copy()
    clean = torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    blurred = F.avg_pool2d(clean, 5, stride=1, padding=2)
    value = niqe(clean, real).item()
    assert 1 < value < 6
    assert niqe(blurred, real).item() > value + 1
    assert niqe(clean + 0.2 * noise, real).item() > value + 1
