"""Any latent diffusion model, held to a measured input while it samples.

At a noise level, the model predicts the clean latents. They are decoded, moved to the nearest
picture that agrees with the input through the measured kernels, and encoded again. Only the
difference of the two encodings is added, so that what the autoencoder loses cancels. No gradient
goes through the networks.

Sources: DiffPIR (arXiv 2305.08995) for the step and its weight, LATINO (arXiv 2503.12615)
for latents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ..degradation import FieldOperator, conjugate_gradient_from, doubt_variance
from ..errors import InputError, ShapeError
from . import inputs
from .results import DegradationEstimate

PICTURE_STD = 0.25
"""Uncertainty of a picture predicted from pure noise, 0..1 units: the contrast of pictures."""
LEAST_STD = 0.1
"""The same at the end of the sampling, as `conjugate_gradient` has it."""
_CG_ITERATIONS = 5


class Autoencoder(Protocol):
    """The diffusion model's own autoencoder, in its own latents."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pictures `(B,3,H,W)`, 0..1."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Pictures `(B,3,H,W)`, 0..1, to latents. The same picture gives the same latents."""
        ...


def signal_share(sigma: Tensor) -> Tensor:
    """`sigma^2 / (1 + sigma^2)`: how much of unit-variance latents a noise level leaves open.

    Args:
        sigma: standard deviation of the noise over that of the signal, 0 and more. Of a flow with
            time t (1 is noise) it is `t / (1 - t)`.
    """
    return 1 - 1 / (1 + sigma.cpu().double().square())


class MeasuredGuide:
    """Moves what a diffusion model predicts towards agreement with a measured input."""

    def __init__(
        self,
        lr: Tensor,
        estimate: DegradationEstimate,
        strength: float = 1.0,
        mask: Tensor | None = None,
        callback: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is computed yet.

        Args:
            lr: `(B,3,h,w)`, 0..1, the input.
            estimate: what is wrong with it; its kernels set the scale of the result.
            strength: 0..1, how far each prediction is moved. 0 leaves it as it is.
            mask: `(1 or B,1,mh,mw)`, 0..1, of any size: where it is moved.
            callback: called often; it may raise to end the run.

        Raises:
            InputError: the estimate does not belong to the input, or strength is out of its range.
        """
        inputs.check_number("strength", strength, 0, 1)
        self.lr = inputs.check_picture("lr", lr)
        self.scale = estimate.kernel_field.scale
        checked = inputs.check_estimate(estimate, self.lr, self.scale)
        self.lr = checked.before_sharpening(self.lr)
        self.strength = float(strength)
        self.mask = None
        if mask is not None:
            self.mask = inputs.check_mask("mask", mask, self.lr.shape[0], self.size)
        self._field = checked.kernel_field
        self._operators: dict[int, FieldOperator] = {}
        self._noise = checked.unexplained_std.to(self.lr).expand(self.lr.shape[0])
        self._callback = callback

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the result."""
        return self.lr.shape[-2] * self.scale, self.lr.shape[-1] * self.scale

    def solve(self, images: Tensor, sigma: float | Tensor) -> Tensor:
        """The nearest pictures that agree with the input, `(B,3,H,W)`, 0..1.

        `min |x - images|^2 / s^2 + |A x - lr|^2 / d`, with `A` the measured degradation, `d` the
        variance that noise, JPEG damage and wrong kernels explain, and `s` the uncertainty of the
        prediction. It falls from `PICTURE_STD` to `LEAST_STD` with the noise level.

        Args:
            images: `(B,3,H,W)`, 0..1; the input has as many pictures, or one for all.
            sigma: noise over signal, see `signal_share`: a number, or `(1 or B,)`.

        Raises:
            ShapeError: the pictures have another size than the result, or another number.
        """
        count = images.shape[0]
        own = self.lr.shape[0]
        if tuple(images.shape[1:]) != (3, *self.size) or own not in (1, count):
            batch = "B" if own == 1 else own
            expected = f"({batch},3,{self.size[0]},{self.size[1]})"
            raise ShapeError("images", expected, tuple(images.shape))
        sigma = torch.as_tensor(sigma, dtype=torch.float32).reshape(-1).cpu().expand(count)
        std = (PICTURE_STD * signal_share(sigma).sqrt()).clamp_min(LEAST_STD)
        self._move_to(images.device)
        made = []
        for index in range(count):
            at = 0 if own == 1 else index
            lr = self.lr[at : at + 1]
            damping = doubt_variance(lr, self._noise[at : at + 1]) / float(std[index]) ** 2
            made.append(
                conjugate_gradient_from(
                    images[index : index + 1].float().clone(),
                    lr,
                    self._operator(at),
                    _CG_ITERATIONS,
                    damping.clamp_min(1e-4),
                    callback=self._callback,
                )
            )
        return torch.cat(made).clamp_(0, 1)

    def correct(self, latents: Tensor, sigma: float | Tensor, autoencoder: Autoencoder) -> Tensor:
        """Predicted clean latents, moved: `x0 + strength mask (E(solve(D(x0))) - E(D(x0)))`.

        Args:
            latents: `(B,C,h',w')`, the prediction.
            sigma: see `solve`.
            autoencoder: between these latents and pictures.

        Returns:
            Latents of the same shape and dtype.

        Raises:
            InputError: the latents decode to another size than the result.
        """
        if self.strength == 0:
            return latents
        images = autoencoder.decode(latents)
        decoded = (images.shape[-2], images.shape[-1])
        if decoded != self.size:
            raise InputError(
                f"The latents decode to {decoded[1]}x{decoded[0]} pixels, but at scale "
                f"{self.scale} the input enlarges to {self.size[1]}x{self.size[0]}. Autoencoders "
                "work in multiples of 8 or 16 pixels: crop the input, or use latents that fit."
            )
        solved = self.solve(images, sigma)
        step = autoencoder.encode(solved) - autoencoder.encode(images)
        return latents + self._placed(step.to(latents))

    def pull(self, latents: Tensor, sigma: float | Tensor, reference: Tensor) -> Tensor:
        """The cheap way, without decoding: towards the latents of a picture that agrees already.

        `x0 + strength mask sigma^2 / (1 + sigma^2) (reference - x0)`: the model is led while much
        is open, and is free at the end.

        Args:
            latents: `(B,C,h',w')`, the prediction.
            sigma: see `solve`.
            reference: `(1 or B,C,h',w')`, latents of the faithful restoration.
        """
        if self.strength == 0:
            return latents
        if tuple(reference.shape[1:]) != tuple(latents.shape[1:]):
            expected = ("1 or B", *latents.shape[1:])
            raise ShapeError("reference", str(expected), tuple(reference.shape))
        share = signal_share(torch.as_tensor(sigma).reshape(-1)).to(latents)
        share = share.view(-1, *(1,) * (latents.ndim - 1))
        return latents + self._placed(share * (reference.to(latents) - latents))

    def _placed(self, step: Tensor) -> Tensor:
        """A change of the latents, weighed by strength and mask."""
        if self.mask is None:
            return self.strength * step
        size = (step.shape[-2], step.shape[-1])
        mask = F.interpolate(self.mask.to(step), size=size, mode="area")
        if step.ndim == 5:  # video latents (B,C,T,h',w')
            mask = mask.unsqueeze(2)
        return self.strength * mask * step

    def _operator(self, index: int) -> FieldOperator:
        """The operator of one picture of the input: made once, for all steps."""
        index = index if self._field.batch > 1 else 0
        if index not in self._operators:
            self._operators[index] = FieldOperator(self._field.item(index))
        return self._operators[index]

    def _move_to(self, device: torch.device) -> None:
        if self.lr.device != device:
            self._operators.clear()
            self.lr, self._noise = self.lr.to(device), self._noise.to(device)
            self._field = self._field.to(device)
