"""LPIPS v0.1 with the AlexNet trunk, as a frozen module that also serves as a training loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError, ShapeError, WeightsError

_MIN_SIDE = 31
"""Smallest picture side for which the last feature map is not empty."""
_LAYERS = 5
_STRIDE_PADDING = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
_POOL_BEFORE = (1, 2)
"""Layers (0-based) with a 3x3 stride-2 max pooling in front."""
_MEAN = (-0.030, -0.088, -0.188)
_STD = (0.458, 0.448, 0.450)
_FEATURES_FILE = "alexnet_features.npz"
_HEADS_FILE = "lpips_alex_heads.npz"


class Lpips(nn.Module):
    """Learned perceptual distance between pictures, lower is closer.

    All weights are buffers: an optimizer never sees them, `.to()`, `channels_last` and autocast
    work as usual. Under autocast only the convolutions run in low precision.
    """

    def __init__(self, convolutions: list[tuple[Tensor, Tensor]], heads: list[Tensor]) -> None:
        """Build from arrays.

        Args:
            convolutions: Five pairs of weight `(C_out,C_in,K,K)` and bias `(C_out,)`.
            heads: Five tensors with `C_out` non-negative channel weights each, any shape.
        """
        super().__init__()
        if len(convolutions) != _LAYERS or len(heads) != _LAYERS:
            raise WeightsError(
                f"LPIPS needs {_LAYERS} convolutions and {_LAYERS} heads, but got "
                f"{len(convolutions)} and {len(heads)}."
            )
        channels = 3
        for index, ((weight, bias), head) in enumerate(zip(convolutions, heads, strict=True)):
            if weight.ndim != 4 or weight.shape[1] != channels:
                raise ShapeError(
                    f"convolution {index + 1}", f"(C_out,{channels},K,K)", tuple(weight.shape)
                )
            channels = weight.shape[0]
            for name, vector in (("bias", bias), ("head", head)):
                if vector.numel() != channels:
                    raise ShapeError(f"{name} {index + 1}", f"({channels},)", tuple(vector.shape))
            self.register_buffer(f"weight{index}", weight.detach().float().clone())
            self.register_buffer(f"bias{index}", bias.detach().float().flatten().clone())
            self.register_buffer(f"head{index}", head.detach().float().reshape(1, -1, 1, 1).clone())
        # [0,1] -> [-1,1] -> (x - mean) / std, folded into one affine map.
        mean, std = torch.tensor(_MEAN), torch.tensor(_STD)
        self.register_buffer("input_scale", (2 / std).view(1, 3, 1, 1))
        self.register_buffer("input_shift", ((-1 - mean) / std).view(1, 3, 1, 1))

    @classmethod
    def from_folder(cls, folder: str | Path) -> Lpips:
        """Read `alexnet_features.npz` (`w1..w5`, `b1..b5`) and `lpips_alex_heads.npz` (`lin0..4`).

        Raises:
            WeightsError: A file or an array in it is missing or unreadable.
        """
        trunk = _read(Path(folder) / _FEATURES_FILE, [f"{n}{i}" for i in range(1, 6) for n in "wb"])
        heads = _read(Path(folder) / _HEADS_FILE, [f"lin{i}" for i in range(_LAYERS)])
        pairs = [(trunk[f"w{i}"], trunk[f"b{i}"]) for i in range(1, _LAYERS + 1)]
        return cls(pairs, [heads[f"lin{i}"] for i in range(_LAYERS)])

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance per item.

        Args:
            a: `(B,3,H,W)` float, sRGB in 0..1, at least 31x31. Differentiable.
            b: The same shape as `a`. Differentiable.

        Returns:
            `(B,)` float32, 0 for equal pictures. Not rounded to 8 bit: the caller decides.
        """
        for name, value in (("a", a), ("b", b)):
            if value.ndim != 4 or value.shape[1] != 3:
                raise ShapeError(name, "(B,3,H,W)", tuple(value.shape))
        if a.shape != b.shape:
            raise ShapeError("b", f"{tuple(a.shape)}, the shape of a", tuple(b.shape))
        if min(a.shape[-2:]) < _MIN_SIDE:
            raise InputError(
                f"LPIPS needs at least {_MIN_SIDE} pixels along each side, but got "
                f"{a.shape[-1]}x{a.shape[-2]}."
            )
        total = a.new_zeros(a.shape[0], dtype=torch.float32)
        feature_a, feature_b = self._normalise(a), self._normalise(b)
        for index in range(_LAYERS):
            feature_a, feature_b = self._layer(feature_a, index), self._layer(feature_b, index)
            difference = (_unit(feature_a) - _unit(feature_b)).square()
            weighted = (difference * self.get_buffer(f"head{index}")).sum(dim=1)
            total = total + weighted.flatten(1).mean(dim=1)
        return total

    def _normalise(self, image: Tensor) -> Tensor:
        return image.float() * self.get_buffer("input_scale") + self.get_buffer("input_shift")

    def _layer(self, feature: Tensor, index: int) -> Tensor:
        """One convolution with ReLU, and the pooling in front of it where AlexNet has one."""
        if index in _POOL_BEFORE:
            feature = F.max_pool2d(feature, kernel_size=3, stride=2)
        stride, padding = _STRIDE_PADDING[index]
        weight, bias = self.get_buffer(f"weight{index}"), self.get_buffer(f"bias{index}")
        return F.relu(F.conv2d(feature.to(weight.dtype), weight, bias, stride, padding))


def _unit(feature: Tensor) -> Tensor:
    """Unit length over channels, in float32; finite gradient where all channels are zero."""
    feature = feature.float()
    return feature * torch.rsqrt(feature.square().sum(dim=1, keepdim=True) + 1e-12)


def _read(path: Path, names: list[str]) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in names}
    except FileNotFoundError:
        raise WeightsError(
            f"{path} does not exist. LPIPS needs {_FEATURES_FILE} and {_HEADS_FILE} in one folder."
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path} cannot be used ({error}). Expected arrays: {', '.join(names)}."
        ) from error
