from __future__ import annotations

import numpy as np
import pytest

from mmsr_core.metrics import Lpips

SHAPES = [(8, 3, 11), (12, 8, 5), (16, 12, 3), (12, 16, 3), (12, 12, 3)]


@pytest.fixture(scope="session")
def lpips_folder(tmp_path_factory):
    """A narrow AlexNet-shaped trunk with random weights, in the two files Lpips reads."""
    folder = tmp_path_factory.mktemp("lpips")
    rng = np.random.default_rng(0)
    trunk, heads = {}, {}
    for index, (out, cin, size) in enumerate(SHAPES):
        weight = rng.normal(0, (2 / (cin * size * size)) ** 0.5, (out, cin, size, size))
        trunk[f"w{index + 1}"] = weight.astype(np.float32)
        trunk[f"b{index + 1}"] = rng.normal(0, 0.1, out).astype(np.float32)
        heads[f"lin{index}"] = rng.uniform(0, 1, (1, out, 1, 1)).astype(np.float32)
    np.savez(folder / "alexnet_features.npz", **trunk)
    np.savez(folder / "lpips_alex_heads.npz", **heads)
    return folder


@pytest.fixture(scope="session")
def tiny_lpips(lpips_folder):
    return Lpips.from_folder(lpips_folder)
