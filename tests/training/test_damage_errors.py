"""Errors of estimated noise and JPEG quality."""

import math

import torch

from tests.helpers import tiny_models
from training.tools.damage_errors import damage_errors


def test_every_damaged_crop_has_an_error_and_a_better_guess_a_smaller_one():
    net = tiny_models()["kernel_estimator"].eval()
    crops = torch.rand((12, 3, 96, 96), generator=torch.Generator().manual_seed(0)).unbind()
    noise, quality = damage_errors(net, crops)
    assert len(noise) + len(quality) >= 12  # Each has one of the two, or both.
    assert 0 <= float(quality.min()) <= float(quality.max()) <= 100
    louder = damage_errors(Louder(net, 50.0), crops)[0]
    assert float(louder.min()) > float(noise.min())
    assert math.isfinite(float(louder.max()))


class Louder:
    """The same estimator, which takes everything for noisier."""

    def __init__(self, net, added: float) -> None:
        self.net, self.added = net, added

    def __call__(self, *given):
        estimate = self.net(*given)
        estimate.log_noise.add_(self.added)
        return estimate
