"""NIQE (Mittal, Soundararajan, Bovik 2013): naturalness without a reference, lower is better."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, ShapeError, WeightsError
from .psnr_ssim import rgb_to_y, round_to_uint8

_FILE = "niqe_pris_params.npz"
_BLOCK = 96
_FEATURES = 36
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True)
class NiqeModel:
    """The multivariate Gaussian of pristine pictures. All float64 on the CPU."""

    mean: Tensor
    """`(36,)`."""
    covariance: Tensor
    """`(36,36)`."""
    window: Tensor
    """`(7,7)` Gaussian of the local normalisation, sums to 1."""

    @classmethod
    def from_folder(cls, folder: str | Path) -> NiqeModel:
        """Read `niqe_pris_params.npz` (`mu_pris_param`, `cov_pris_param`, `gaussian_window`).

        Raises:
            WeightsError: The file is missing, unreadable, or its arrays have the wrong shape.
        """
        path = Path(folder) / _FILE
        try:
            with np.load(path, allow_pickle=False) as arrays:
                mean = torch.from_numpy(arrays["mu_pris_param"]).double().flatten()
                covariance = torch.from_numpy(arrays["cov_pris_param"]).double()
                window = torch.from_numpy(arrays["gaussian_window"]).double()
        except FileNotFoundError:
            raise WeightsError(
                f"{path} does not exist. NIQE needs {_FILE} in that folder."
            ) from None
        except (OSError, ValueError, KeyError) as error:
            raise WeightsError(f"{path} cannot be used ({error}).") from error
        if mean.shape != (_FEATURES,) or covariance.shape != (_FEATURES, _FEATURES):
            raise WeightsError(
                f"{path}: expected a mean of 36 values and a 36x36 covariance, but found "
                f"{tuple(mean.shape)} and {tuple(covariance.shape)}."
            )
        return cls(mean, covariance, window)


def niqe(image: Tensor, model: NiqeModel, *, crop: int = 0, rounded: bool = True) -> Tensor:
    """Naturalness image quality evaluator on BT.601 luma (0..255, rounded).

    The picture is cut to whole 96x96 blocks; 18 features per block and scale (1 and 1/2).

    Args:
        image: `(B,3,H,W)` float, sRGB in 0..1; at least two blocks after cropping.
        model: Parameters of pristine pictures.
        crop: Pixels left out along each side first.
        rounded: Round the picture to 8 bit first.

    Returns:
        `(B,)` float64.
    """
    if image.ndim != 4 or image.shape[1] != 3:
        raise ShapeError("image", "(B,3,H,W)", tuple(image.shape))
    plane = image.detach().cpu().double()
    plane = round_to_uint8(plane) if rounded else plane
    if crop:
        plane = plane[..., crop:-crop, crop:-crop]
    rows, columns = plane.shape[-2] // _BLOCK, plane.shape[-1] // _BLOCK
    if rows * columns < 2:
        raise InputError(
            f"NIQE needs at least two {_BLOCK}x{_BLOCK} blocks after cropping, but the picture is "
            f"{plane.shape[-1]}x{plane.shape[-2]}."
        )
    plane = plane[..., : rows * _BLOCK, : columns * _BLOCK]
    luma = rgb_to_y(plane).mul(255).round()
    return torch.stack([_niqe_single(item, model) for item in luma])


def _niqe_single(luma: Tensor, model: NiqeModel) -> Tensor:
    """Distance of one `(1,H,W)` luma plane (0..255) from the pristine model."""
    features = torch.cat(
        [
            _block_features(_normalise(luma, model.window), _BLOCK),
            _block_features(_normalise(_halve(luma), model.window), _BLOCK // 2),
        ],
        dim=1,
    )
    mean = features.nanmean(dim=0)
    usable = features[~features.isnan().any(dim=1)]
    if usable.shape[0] < 2:
        return torch.tensor(float("nan"), dtype=torch.float64)
    pooled = (model.covariance + usable.T.cov()) / 2
    difference = model.mean - mean
    return (difference @ torch.linalg.pinv(pooled) @ difference).clamp_min(0).sqrt()


def _normalise(luma: Tensor, window: Tensor) -> Tensor:
    """Mean-subtracted, contrast-normalised coefficients of a `(1,H,W)` plane; replicate padding."""
    margin = window.shape[-1] // 2
    kernel = window.view(1, 1, *window.shape)
    padded = F.pad(luma[None], (margin,) * 4, mode="replicate")
    mean = F.conv2d(padded, kernel)
    second = F.conv2d(padded * padded, kernel)
    deviation = (second - mean * mean).abs().sqrt()
    return ((luma[None] - mean) / (deviation + 1))[0]


def _halve(luma: Tensor) -> Tensor:
    """Half size with the antialiased cubic (A = -0.5) and symmetric edges, as `imresize` does."""
    distance = torch.tensor([1.75, 1.25, 0.75, 0.25], dtype=luma.dtype)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    half = torch.where(distance <= 1, near, far)
    taps = torch.cat([half, half.flip(0)])
    taps = taps / taps.sum()
    for dim in (-1, -2):
        head = luma.narrow(dim, 0, 3).flip(dim)
        tail = luma.narrow(dim, luma.shape[dim] - 3, 3).flip(dim)
        strips = torch.cat([head, luma, tail], dim=dim).unfold(dim, 8, 2)
        luma = (strips * taps).sum(dim=-1)
    return luma


def _block_features(coefficients: Tensor, block: int) -> Tensor:
    """`(1,H,W)` coefficients -> `(N,18)` features of the N blocks."""
    tiles = coefficients[0].unfold(0, block, block).unfold(1, block, block)
    tiles = tiles.reshape(-1, block, block)
    alpha, left, right = _fit_aggd(tiles)
    columns = [alpha, (left + right) / 2]
    for shift in _SHIFTS:
        alpha, left, right = _fit_aggd(tiles * tiles.roll(shift, dims=(1, 2)))
        ratio = torch.exp(torch.lgamma(2 / alpha) - torch.lgamma(1 / alpha))
        columns += [alpha, (right - left) * ratio, left, right]
    return torch.stack(columns, dim=1)


def _fit_aggd(tiles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Asymmetric generalised Gaussian by moment matching: shape, left and right scale, each `(N,)`.

    A block without negative or positive values (a flat one) gives NaN, which the caller leaves out.
    """
    values = tiles.flatten(1)
    negative, positive = values < 0, values > 0
    squares = values.square()
    left_std = ((squares * negative).sum(1) / negative.sum(1)).sqrt()
    right_std = ((squares * positive).sum(1) / positive.sum(1)).sqrt()
    balance = left_std / right_std
    ratio = values.abs().mean(1).square() / squares.mean(1)
    ratio = ratio * (balance**3 + 1) * (balance + 1) / (balance**2 + 1).square()
    grid = torch.arange(200, 10001, dtype=torch.float64) / 1000
    log_table = 2 * torch.lgamma(2 / grid) - torch.lgamma(1 / grid) - torch.lgamma(3 / grid)
    table = log_table.exp()  # rises with the shape parameter
    above = torch.searchsorted(table, ratio).clamp(1, len(grid) - 1)
    nearest = above - (ratio - table[above - 1] < table[above] - ratio).long()
    alpha = torch.where(ratio.isnan(), ratio, grid[nearest])
    width = torch.exp(0.5 * (torch.lgamma(1 / alpha) - torch.lgamma(3 / alpha)))
    return alpha, left_std * width, right_std * width
