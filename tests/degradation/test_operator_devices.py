"""The operator's sums as a GPU makes them: by unfolding, and by Triton (in its interpreter)."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from mmsr_core.degradation import adjoint, degrade, tap_loop, unfolded
from mmsr_core.degradation.operator import window_length

SCALES = (1, 2, 3, 4, 8)
SIZES = ((1, 1, 3, 5, 7), (2, 1, 2, 4, 3), (2, 2, 1, 1, 6))
"""Pictures, kernels' batch, channels, LR rows, LR columns."""


def inputs(scale: int, size: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A padded picture, LR pixels and kernels."""
    batch, own, channels, h, w = size
    g = torch.Generator().manual_seed(scale)
    kernels = torch.rand((own, 441, h, w), generator=g)
    kernels /= kernels.sum(1, keepdim=True)
    sides = (window_length(h, scale), window_length(w, scale))
    padded = torch.rand((batch, channels, *sides), generator=g)
    return padded, torch.rand((batch, channels, h, w), generator=g), kernels


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", SCALES)
def test_unfolding_is_the_tap_loop(scale: int, size: tuple[int, ...]) -> None:
    padded, lr, kernels = inputs(scale, size)
    pairs = (
        (unfolded.gather(padded, kernels, scale), tap_loop.gather(padded, kernels, scale)),
        (unfolded.scatter(lr, kernels, scale), tap_loop.scatter(lr, kernels, scale)),
        (
            unfolded.kernel_gradient(padded, lr, scale),
            tap_loop.kernel_gradient(padded, lr, scale),
        ),
    )
    for made, expected in pairs:
        torch.testing.assert_close(made, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_triton_is_the_tap_loop() -> None:
    # In a process of its own: the interpreter is chosen when triton is imported.
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("triton_interpreter.py"))],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("scale", SCALES)
def test_a_gpu_computes_the_same(scale: int) -> None:
    device = "cuda" if torch.cuda.is_available() else "mps"
    if device == "mps" and not torch.backends.mps.is_available():
        pytest.skip("no CUDA or MPS device")
    padded, lr, kernels = inputs(scale, (2, 2, 3, 9, 200))
    del padded
    hr = torch.rand(2, 3, 9 * scale, 200 * scale)
    for function, picture in ((degrade, hr), (adjoint, lr)):
        made = function(picture.to(device), kernels.to(device), scale).cpu()
        torch.testing.assert_close(made, function(picture, kernels, scale), atol=1e-5, rtol=1e-4)
