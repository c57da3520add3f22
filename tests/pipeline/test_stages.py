"""The kernel stage shrinks the whole picture's field, by depth where there is one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import shrink_codes
from mmsr_core.models.network import NetworkConfig
from mmsr_core.pipeline import MMSREngine, Overrides
from mmsr_core.pipeline.stages import kernel_block

AMOUNT = 0.03


@pytest.fixture
def plain(pipe: MMSREngine, monkeypatch):
    """Estimates codes without shrinkage."""

    def estimate(lr, scale, depth):
        with monkeypatch.context() as patch:
            own = pipe.kernel_estimator.config
            bare = NetworkConfig({**own, "shrinkage": 0.0})
            patch.setitem(pipe.kernel_estimator.__dict__, "_recorded_config", bare)
            known = Overrides(sharpening=0.0)
            return pipe.estimate_degradation(
                lr, scale, depth, use_depth=False, overrides=known
            ).kernel_field

    return estimate


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("with_depth", [False, True])
def test_estimated_fields_are_shrunk(pipe, plain, picture, scale: int, with_depth: bool) -> None:
    lr = picture(21, 30, batch=2)
    depth = picture(21, 30, batch=2, seed=5)[:, :1] if with_depth else None
    before = plain(lr, scale, depth)
    unsharpened = Overrides(sharpening=0.0)
    after = pipe.estimate_degradation(
        lr, scale, depth, use_depth=False, overrides=unsharpened
    ).kernel_field
    evidence = None
    if depth is not None:
        evidence = F.avg_pool2d(depth, before.block, ceil_mode=True)
    expected = shrink_codes(before.data.clone(), before.basis, AMOUNT, evidence)
    assert pipe.kernel_estimator.config["shrinkage"] == AMOUNT
    torch.testing.assert_close(after.data, expected)
    assert not torch.allclose(after.data, before.data)


@pytest.mark.parametrize("scale", range(1, 9))
def test_one_kernel_serves_a_block(pipe: MMSREngine, picture, scale: int) -> None:
    field = pipe.estimate_degradation(picture(22, 19), scale=scale).kernel_field
    assert field.block == kernel_block(field.scale)
    sides = (field.height, field.width)
    assert field.data.shape[-2:] == tuple(-(-side // field.block) for side in sides)
    assert field.dense().shape == (1, 441, *sides)
