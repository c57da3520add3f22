"""Compares the Triton kernels with the tap loop; run with TRITON_INTERPRET=1."""

from __future__ import annotations

import torch

from mmsr_core.degradation import operator_triton, tap_loop
from mmsr_core.degradation.operator import window_length

# Scale, pictures, kernels' batch, channels, LR rows, LR columns: small, for it takes seconds.
CASES = ((3, 1, 1, 2, 1, 2), (4, 2, 2, 3, 1, 2), (8, 2, 1, 1, 1, 1))

for scale, batch, own, channels, h, w in CASES:
    g = torch.Generator().manual_seed(scale)
    kernels = torch.rand((own, 441, h, w), generator=g)
    sides = (window_length(h, scale), window_length(w, scale))
    padded = torch.rand((batch, channels, *sides), generator=g)
    lr = torch.rand((batch, channels, h, w), generator=g)
    for name, first in (("gather", padded), ("scatter", lr)):
        made = getattr(operator_triton, name)(first, kernels, scale)
        expected = getattr(tap_loop, name)(first, kernels, scale)
        torch.testing.assert_close(made, expected, atol=1e-4, rtol=1e-5)
