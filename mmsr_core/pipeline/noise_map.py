"""The noise at every place: where a picture is noisier here than there, and what only looks noisy.

Cameras leave more noise in light places, phones smooth skies and faces and not the rest, and
pictures are put together from others. The networks are told the noise of each place then.

Cloth, knitting and gratings look like noise to a small network. Unlike noise, they repeat.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..image import smooth
from ..models import DamageMaps
from ..models.cell_net import CELL
from ..models.damage_estimator import least_error, weighed_mean, without_texture
from .results import DegradationEstimate

TEXTURE_NOTE = "A part of what looked like noise repeats itself: it is kept."
WINDOW_PX = 16.0
"""Std of the Gaussian window that the noise of a place is a mean over."""
LEAST_NOISE = 2 / 255
"""Weaker noise is not asked whether it is texture."""
DOUBT, DOUBT_OF_CLEAN = 1.0, 3.0
"""Differences are believed as far as they exceed so many expected errors; in pictures that look
clean as a whole, where texture may look like noise, so many."""
BLOCK_PX = 128
"""Side of the blocks that are looked at for repetition."""
_HALO_PX = 24
LEAST_SIDE_PX = 48
"""Smaller pictures hold too few pixels to tell."""
REPEATED = (0.08, 0.12)
"""Autocorrelation (rms over `LAGS_PX`) up to which a residual is noise, and from which it is none.
Noise has .01, film grain up to .06; knitting that was taken for noise .09 to .14."""
LAGS_PX = (4, 12)
"""Distances that are looked at: farther than grain is wide, as near as threads and meshes are."""
_PRIOR_SHARE = 0.05
"""Weight of the whole picture's noise in each window, in terms of a usual window's."""


def noise_by_place(damage: DamageMaps) -> Tensor | None:
    """Noise std of each place, `(B,1,h/4,w/4)`, 0..1 units; None where it is alike everywhere.

    Places are weighed by their certainty. How far they differ from the whole picture is shrunk by
    what the estimate's own error explains (James and Stein 1961).
    """
    weights = damage.log_noise_error.pow(-2)
    weights = weights / weights.mean((1, 2, 3), keepdim=True)
    whole = weighed_mean(damage.log_noise, damage.log_noise_error).to(weights).view(-1, 1, 1, 1)
    std = WINDOW_PX / CELL
    away = smooth(weights * (damage.log_noise - whole), std) / (smooth(weights, std) + _PRIOR_SHARE)
    spread = away.square().mean((1, 2, 3), keepdim=True)
    plain = damage.whole().noise_std.view(-1, 1, 1, 1)
    doubt = torch.where(plain > 0, DOUBT, DOUBT_OF_CLEAN)
    doubt = doubt * least_error(damage.log_noise_error).view(-1, 1, 1, 1)
    kept = (1 - doubt.square() / spread.clamp_min(1e-9)).clamp_min(0)
    if not bool((kept > 0).any()):
        return None
    return torch.where(kept > 0, without_texture(whole + kept * away), plain)


def repeated_share(residual: Tensor) -> Tensor:
    """How much of what a restoration leaves out repeats itself, `(B,1,rows,cols)` of blocks, 0..1.

    None of it in pictures below `LEAST_SIDE_PX`.

    Args:
        residual: `(B,C,h,w)`: the input less the degraded result.
    """
    height, width = residual.shape[-2:]
    if min(height, width) < LEAST_SIDE_PX:
        return residual.new_zeros((len(residual), 1, 1, 1))
    side = BLOCK_PX
    rows, cols = (
        torch.linspace(0, size - min(size, side), -(-size // side)).long().tolist()
        for size in (height, width)
    )
    found = []
    for top in rows:  # one after the other: a large picture's residual need not be held again
        first = max(top - _HALO_PX, 0)
        flat = _evened(residual[..., first : top + side + _HALO_PX, :])
        band = flat[..., top - first : top - first + side, :]
        found.append([_autocorrelation(band[..., left : left + side]) for left in cols])
    rms = torch.stack([torch.stack(row, -1) for row in found], -2)
    return ((rms - REPEATED[0]) / (REPEATED[1] - REPEATED[0])).clamp(0, 1)


def _evened(residual: Tensor) -> Tensor:
    """A residual without slow changes, as strong everywhere."""
    flat = residual - smooth(residual, 2.0)
    energy = smooth(flat.square().mean(1, keepdim=True), 4.0)
    return flat * energy.clamp_min(1e-9).rsqrt()


def _autocorrelation(block: Tensor) -> Tensor:
    """Root mean square of a block's autocorrelation at the distances `LAGS_PX`, `(B,1)`."""
    height, width = block.shape[-2:]
    size = (2 * height, 2 * width)
    block = block - block.mean((2, 3), keepdim=True)
    power = torch.fft.rfft2(block, s=size).abs().square().mean(1, keepdim=True)
    found = torch.fft.irfft2(power, s=size)
    found = found / found[..., :1, :1].clamp_min(1e-12)
    most = LAGS_PX[1]
    found = found.roll((most, most), (2, 3))[..., : 2 * most + 1, : 2 * most + 1]
    lags = torch.arange(-most, most + 1, device=block.device).float()
    away = torch.hypot(lags[:, None], lags[None])
    ring = (away >= LAGS_PX[0]) & (away <= LAGS_PX[1])
    return found[..., ring].square().mean(-1).sqrt()


def repeated_cells(estimate: DegradationEstimate, residual: Tensor) -> Tensor:
    """How much of what was taken for noise repeats itself, `(B,1,h/4,w/4)`, 0..1.

    Nothing where no noise was found. See `without_repeated`.
    """
    noisy = estimate.noise_std > LEAST_NOISE
    cells = (-(-residual.shape[-2] // CELL), -(-residual.shape[-1] // CELL))
    if not bool(noisy.any()):
        return residual.new_zeros((len(residual), 1, *cells))
    repeated = repeated_share(residual)
    repeated = repeated * noisy.to(repeated).view(-1, 1, 1, 1)
    return F.interpolate(repeated, size=cells, mode="bilinear", align_corners=False)


def without_repeated(estimate: DegradationEstimate, residual: Tensor) -> DegradationEstimate | None:
    """The estimate with less noise where what was taken for it repeats; None where nothing does.

    Args:
        estimate: of a picture `(B,3,h,w)`, with its noise.
        residual: `(B,3,h,w)`, the picture less the degraded result that was made with this noise.
    """
    repeated = repeated_cells(estimate, residual)
    if not bool((repeated > 0).any()):
        return None
    kept = 1 - repeated
    noise = estimate.noise_map
    noise = estimate.noise_std.view(-1, 1, 1, 1) if noise is None else noise
    noise = noise.to(kept) * kept
    return replace(estimate, noise_map=noise, noise_std=noise.square().mean((1, 2, 3)).sqrt())
