"""A pipeline of tiny random networks, and pictures for it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.pipeline import MMSREngine, load_pipeline
from tests.helpers import one_thread, tiny_pipeline_folder  # noqa: F401  (a fixture)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return tiny_pipeline_folder(tmp_path_factory.mktemp("pipeline") / "tiny")


@pytest.fixture(scope="session")
def pipe(tiny_folder) -> MMSREngine:
    return load_pipeline(tiny_folder, "cpu", "float32")


@pytest.fixture
def picture():
    """Makes a smooth random picture `(B,3,h,w)`."""

    def make(h: int, w: int, batch: int = 1, seed: int = 0) -> torch.Tensor:
        g = torch.Generator().manual_seed(seed)
        coarse = torch.rand((batch, 3, -(-h // 3), -(-w // 3)), generator=g)
        fine = F.interpolate(coarse, size=(h, w), mode="bilinear")
        return (0.8 * fine + 0.2 * torch.rand((batch, 3, h, w), generator=g)).clamp(0, 1)

    return make
