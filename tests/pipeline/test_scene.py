"""What a result leaves of the picture as it was given."""

import math

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.degradation import (
    MotionBlur,
    constant_kernel_field,
    isotropic_gaussian,
    redo_motion,
    undo_motion,
)
from mmsr_core.pipeline import DegradationEstimate
from mmsr_core.pipeline.scene import Scene


def measured(scene: Scene) -> Scene:
    height, width = scene.lr.shape[-2:]
    field = constant_kernel_field(isotropic_gaussian(1.0, scene.scale), height, width, scene.scale)
    scene.measure(DegradationEstimate(field, None, torch.zeros(1), torch.full((1,), 100.0)))
    return scene


def test_without_a_reduction_it_is_the_residual(pipe, picture) -> None:
    lr, result = picture(20, 24), picture(40, 48)
    scene = measured(Scene(lr, 2, pipe.networks.basis))
    assert torch.equal(scene.disagreement(result), lr - scene.operator.degrade(result))


@pytest.mark.parametrize("size", [(24, 32), (21, 27)])
def test_a_reduction_is_checked_at_the_given_size(pipe, picture, size) -> None:
    lr = picture(*size)
    scene = Scene(lr, 1, pipe.networks.basis)
    lost = scene.reduce(2)
    measured(scene)
    assert lost > 0.01  # this picture has detail that a reduction does not hold
    left = scene.disagreement(F.interpolate(scene.lr, scale_factor=2, mode="bicubic"))
    assert left.shape == lr.shape
    assert left.square().mean().sqrt() > 0.8 * lost


def test_a_smooth_picture_loses_nothing_by_reduction(pipe) -> None:
    ramp = torch.linspace(0.2, 0.8, 64).expand(1, 3, 48, 64).contiguous()
    assert Scene(ramp, 1, pipe.networks.basis).reduce(2) < 0.5 / 255


def test_a_motion_is_checked_with_the_motion(pipe, picture) -> None:
    motion = MotionBlur(9.0, math.radians(30), 9.0)
    still = picture(48, 64)
    moved = redo_motion(still, motion)
    scene = Scene(torch.cat([moved, still]), 1, pipe.networks.basis)
    scene.take_back({0: motion}, torch.zeros(2))
    assert torch.equal(scene.given[:1], undo_motion(moved, motion, torch.zeros(1)))
    assert torch.equal(scene.given[1:], still)
    field = constant_kernel_field(isotropic_gaussian(0.05, 1), 48, 64, 1)
    nothing = torch.full((2,), 100.0)
    scene.measure(DegradationEstimate(field, None, torch.zeros(2), nothing))
    left = scene.disagreement(torch.cat([still, still])).abs().amax((1, 2, 3))
    assert left.max() < 1e-3
