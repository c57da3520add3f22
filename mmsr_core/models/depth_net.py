"""The built-in depth network: small, fast on a CPU, sees the whole downscaled picture at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError, ShapeError
from .network import Network, records_config


class PixelNorm(nn.Module):
    """Normalises the channels of each pixel to unit RMS, then scales them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,H,W)` to the same."""
        rms = x.float().square().mean(1, keepdim=True).add(1e-5).rsqrt().to(x.dtype)
        return x * rms * self.weight


class ResidualBlock(nn.Module):
    """Norm, conv, GELU, dilated conv, added back."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.norm = PixelNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        with torch.no_grad():
            self.conv2.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,H,W)` to the same."""
        return x + self.conv2(F.gelu(self.conv1(self.norm(x))))


class GlobalContext(nn.Module):
    """Adds to every pixel what the whole picture says, from the mean over space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, channels)
        self.linear2 = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """`(B,C,H,W)` to the same."""
        return x + self.linear2(F.gelu(self.linear1(x.mean((2, 3)))))[:, :, None, None]


class Fuse(nn.Module):
    """Upsamples the coarse features by two and merges the finer ones."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, fine, 1)
        self.mix = nn.Conv2d(fine, fine, 3, padding=1)
        self.block = ResidualBlock(fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Features at the size of `fine`."""
        up = F.interpolate(
            self.reduce(coarse), size=fine.shape[-2:], mode="bilinear", align_corners=False
        )
        return self.block(self.mix(F.gelu(up + fine)))


class DepthNet(Network):
    """Relative inverse depth from one picture.

    The output is affine in inverse depth as far as it was learned: larger is nearer, and training
    puts the farthest point of a picture near 0 and the nearest one near 1.
    """

    @records_config
    def __init__(
        self,
        stem: int = 16,
        widths: tuple[int, ...] = (32, 48, 64, 80),
        blocks: tuple[int, ...] = (1, 2, 2, 2),
        input_gain: float = 4.0,
    ) -> None:
        """Build the net.

        Args:
            stem: channels at half resolution.
            widths: channels at 1/4, 1/8, 1/16 and 1/32.
            blocks: residual blocks at each of those.
            input_gain: factor on the zero-mean picture.

        Raises:
            InputError: widths and blocks of different lengths, or fewer than 2.
        """
        super().__init__()
        if len(widths) != len(blocks) or len(widths) < 2:
            raise InputError(
                f"widths and blocks must have the same length of at least 2, not {len(widths)} "
                f"and {len(blocks)}."
            )
        self.stride = 2 ** (len(widths) + 1)
        self._gain = input_gain
        self.conv_in = nn.Conv2d(5, stem, 3, stride=2, padding=1)
        self.downs = nn.ModuleList()
        self.stages = nn.ModuleList()
        before = stem
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            last = level == len(widths) - 1
            self.downs.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            layers: list[nn.Module] = [
                ResidualBlock(width, 2 if last and k % 2 else 1) for k in range(count)
            ]
            if level >= len(widths) - 2:
                layers.insert(len(layers) // 2, GlobalContext(width))
            self.stages.append(nn.Sequential(*layers))
            before = width
        channels = [stem, *widths]
        self.fuses = nn.ModuleList(
            Fuse(channels[k + 1], channels[k]) for k in reversed(range(len(widths)))
        )
        self.head_norm = PixelNorm(stem)
        self.head = nn.Conv2d(stem, 4, 3, padding=1)
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            self.head.bias.fill_(0.4)  # type: ignore[union-attr]

    def forward(self, image: Tensor) -> Tensor:
        """Relative inverse depth, `(B,1,H,W)`.

        Args:
            image: `(B,3,H,W)` in 0..1, any size from 1x1 up.
        """
        if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < 1:
            raise ShapeError("image", "(B,3,H,W)", tuple(image.shape))
        height, width = image.shape[-2:]
        x = (image.to(self.dtype) - 0.5) * self._gain
        pad_h, pad_w = -height % self.stride, -width % self.stride
        if pad_h or pad_w:
            x = F.pad(x, (0, pad_w, 0, pad_h), mode="replicate")
        x = self.conv_in(torch.cat([x, _positions(x, height, width)], 1))
        features = [x]
        for down, stage in zip(self.downs, self.stages, strict=True):
            x = stage(down(F.gelu(x)))
            features.append(x)
        for fuse, fine in zip(self.fuses, reversed(features[:-1]), strict=True):
            x = fuse(x, fine)
        x = F.pixel_shuffle(self.head(self.head_norm(x)), 2)
        return x[..., :height, :width]


def _positions(x: Tensor, height: int, width: int) -> Tensor:
    """Row and column of each pixel, -1..1 over the unpadded picture, `(B,2,H,W)`."""
    rows = (torch.arange(x.shape[-2], device=x.device, dtype=torch.float32) + 0.5) * (
        2 / height
    ) - 1
    columns = (torch.arange(x.shape[-1], device=x.device, dtype=torch.float32) + 0.5) * (
        2 / width
    ) - 1
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return grid.to(x.dtype).expand(x.shape[0], -1, -1, -1)
