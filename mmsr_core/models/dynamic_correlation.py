"""PDN's dynamic correlation module (DCM): a prompt says where to look and with which kernel.

Prompt-guided Dynamic Network (PDN): spatial attention between features and a prompt embedding, then
a convolution whose kernel is mixed for the prompt (dynamic convolution, arXiv 1912.03458).

    S = <W f, p> / (|W f| |p|)          1x1 projection W to d, cosine with the prompt at each place
    M = sigmoid(zeta S)                 zeta learned, from 50
    k = sum_i softmax(MLP(p) / T)_i K_i     n basis kernels; T falls during training
    out = f + gain * (k conv (M f))     gain per channel, from 0: it starts as the identity

M multiplies the features themselves, not the projected or normalised ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError, ShapeError
from ..precision import full_precision
from ..types import PROMPT_DIM

FIRST_TEMPERATURE = 34.0
TEMPERATURE_STEP = 3.0
"""What every tenth of the training takes from the temperature: 34, 31 .. 7."""


def temperature_at(share: float) -> float:
    """Softmax temperature when `share` (0..1) of the training is done: 34 at first, 7 at last.

    The end keeps the value of the last tenth, the one that the weights were trained with.
    """
    if not 0 <= share <= 1:
        raise InputError(f"The share of the training done must be in 0..1, but is {share}.")
    return FIRST_TEMPERATURE - TEMPERATURE_STEP * min(int(share * 10 + 1e-9), 9)


class DynamicCorrelationModule(nn.Module):
    """Adds to features what a prompt makes of them; without a prompt it does nothing at all.

    An output depends on features at most `receptive_radius` cells away, so tiles stay exact.
    """

    temperature: Tensor

    def __init__(
        self,
        channels: int,
        embed_dim: int = PROMPT_DIM,
        kernels: int = 4,
        kernel_size: int = 3,
        hidden: int = 64,
    ) -> None:
        """Build the module.

        Args:
            channels: C of the features.
            embed_dim: width of the prompt embedding.
            kernels: n basis kernels.
            kernel_size: odd side of the basis kernels.
            hidden: hidden units of the MLP that mixes them.

        Raises:
            InputError: sizes below 1, or an even kernel.
        """
        super().__init__()
        if min(channels, embed_dim, kernels, hidden) < 1 or kernel_size % 2 == 0:
            raise InputError(
                "channels, embed_dim, kernels and hidden must be at least 1 and kernel_size odd, "
                f"but are {channels}, {embed_dim}, {kernels}, {hidden}, {kernel_size}."
            )
        self.channels = channels
        self.embed_dim = embed_dim
        self.kernel_size = kernel_size
        self.project = nn.Conv2d(channels, embed_dim, 1)
        self.zeta = nn.Parameter(torch.tensor(50.0))
        self.mix = nn.Sequential(
            nn.Linear(embed_dim, hidden), nn.ReLU(), nn.Linear(hidden, kernels)
        )
        fan_in = channels * kernel_size**2
        # Flat, because a five-dimensional parameter cannot be channels_last.
        self.kernels = nn.Parameter(torch.randn(kernels, channels, fan_in) / fan_in**0.5)
        self.bias = nn.Parameter(torch.zeros(kernels, channels))
        self.gain = nn.Parameter(torch.zeros(channels))
        self.register_buffer("temperature", torch.tensor(FIRST_TEMPERATURE))

    @property
    def receptive_radius(self) -> int:
        """How far an output looks, in cells of the features."""
        return self.kernel_size // 2

    def set_progress(self, share: float) -> None:
        """Set the temperature for the share of the training done, 0..1 (see `temperature_at`).

        It is a buffer: saved with the weights, and in use as it was saved.
        """
        self.temperature.fill_(temperature_at(share))

    def attention(self, x: Tensor, prompt: Tensor) -> Tensor:
        """The mask M `(B,1,h,w)`, 0..1, float32.

        With q = W^T p and G = W^T W the cosine is (q f + p b) / (|p| sqrt(f^T G f + ...)): the same
        number, for C x C products a place and not C x d.

        Args:
            x: `(B,C,h,w)`.
            prompt: `(B or 1,embed_dim)`.
        """
        with full_precision(x.device):
            f = x.float()
            weight = self.project.weight.flatten(1).float()
            bias = self.project.bias
            bias = torch.zeros_like(weight[:, 0]) if bias is None else bias.float()
            p = F.normalize(prompt.float(), dim=-1)
            query = p @ weight
            along = (f * query[:, :, None, None]).sum(1, keepdim=True)
            along = along + (p @ bias).view(-1, 1, 1, 1)
            gram = (weight.T @ weight)[:, :, None, None]
            shifted = F.conv2d(f, gram, 2 * (weight.T @ bias))
            square = (f * shifted).sum(1, keepdim=True) + bias @ bias
            cosine = along * torch.rsqrt(square.clamp_min(1e-12))
            return torch.sigmoid(self.zeta.float() * cosine)

    def mixture(self, prompt: Tensor) -> Tensor:
        """Shares of the basis kernels `(B,n)`, sum 1, float32, from prompts `(B,embed_dim)`."""
        with full_precision(prompt.device):
            # Unit variance in, whatever the length of the embedding.
            unit = F.normalize(prompt.float(), dim=-1) * self.embed_dim**0.5
            return (self.mix(unit) / self.temperature).softmax(-1)

    def respond(
        self, x: Tensor, prompt: Tensor, presence: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features and mask.

        Args:
            x: `(B,C,h,w)`.
            prompt: `(B or 1,embed_dim)`, any length but zero.
            presence: `(B,)`, or broadcastable to `(B,1,h,w)`: scales what is added. 0 is exactly
                leaving the prompt out, None is 1.

        Returns:
            `(B,C,h,w)`, and the mask `(B,1,h,w)` 0..1 in float32 (`presence` does not change it).

        Raises:
            ShapeError: a shape does not fit.
        """
        self._check(x, prompt)
        mask = self.attention(x, prompt)
        shares = self.mixture(prompt)
        kernels = torch.einsum("bn,nkf->bkf", shares, self.kernels.float()).to(x.dtype)
        kernels = kernels.unflatten(-1, (self.channels, self.kernel_size, self.kernel_size))
        bias = (shares @ self.bias.float()).to(x.dtype)
        added = _convolve(x * mask.to(x.dtype), kernels, bias) * self.gain[:, None, None]
        if presence is not None:
            added = added * amount_map(presence, x).to(added.dtype)
        return x + added.to(x.dtype), mask

    def forward(
        self, x: Tensor, prompt: Tensor | None = None, presence: Tensor | None = None
    ) -> Tensor:
        """`(B,C,h,w)` to the same shape; see `respond`. Without a prompt, `x` itself."""
        return x if prompt is None else self.respond(x, prompt, presence)[0]

    def _check(self, x: Tensor, prompt: Tensor) -> None:
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ShapeError("features", f"(B,{self.channels},h,w)", tuple(x.shape))
        if prompt.ndim != 2 or prompt.shape[1] != self.embed_dim or len(prompt) not in (1, len(x)):
            raise ShapeError("prompt", f"(1 or {len(x)},{self.embed_dim})", tuple(prompt.shape))


def amount_map(amount: Tensor, x: Tensor) -> Tensor:
    """`amount` as a map that broadcasts over the features `x (B,C,h,w)`.

    Args:
        amount: `()`, `(B or 1,)`, or `(B or 1, 1, h or 1, w or 1)`.
        x: the features.
    """
    if amount.ndim == 0:
        return amount
    own = amount.view(-1, 1, 1, 1) if amount.ndim == 1 else amount
    fits = own.ndim == 4 and all(
        have in (1, want) for have, want in zip(own.shape, (len(x), 1, *x.shape[-2:]), strict=True)
    )
    if not fits:
        raise ShapeError(
            "prompt amount", f"(B,) or (B or 1,1,h or 1,w or 1) for features {tuple(x.shape)}",
            tuple(amount.shape),
        )  # fmt: skip
    return own


def set_prompt_progress(model: nn.Module, share: float) -> None:
    """`set_progress` of every DCM in a model."""
    for module in model.modules():
        if isinstance(module, DynamicCorrelationModule):
            module.set_progress(share)


def _convolve(x: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """Same-size convolution; one kernel for all, or one for each item (as groups)."""
    b, c, h, w = x.shape
    pad = kernels.shape[-1] // 2
    if len(kernels) == 1:
        return F.conv2d(x, kernels[0], bias[0], padding=pad)
    flat = F.conv2d(
        x.reshape(1, b * c, h, w), kernels.flatten(0, 1), bias.flatten(), padding=pad, groups=b
    )
    return flat.view(b, c, h, w)
