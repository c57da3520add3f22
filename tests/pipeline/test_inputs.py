"""Everything wrong is refused before any work, and the message names the argument."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmsr_core.degradation import constant_kernel_field, isotropic_gaussian
from mmsr_core.errors import InputError
from mmsr_core.pipeline import inputs, load_pipeline

LR = torch.full((2, 3, 6, 5), 0.5)
NAN = float("nan")


def field(height: int, width: int, scale: int = 4, batch: int = 1):
    kernel = isotropic_gaussian(1.5, scale).expand(batch, -1)
    return constant_kernel_field(kernel, height, width, scale)


BAD = [
    ("lr", {"lr": LR[0]}),
    ("lr", {"lr": LR[:, :2]}),
    ("lr", {"lr": LR[..., :0]}),
    ("lr", {"lr": LR * NAN}),
    ("lr", {"lr": LR / 0}),
    ("lr", {"lr": (LR * 255).byte()}),
    ("lr", {"lr": np.zeros((1, 3, 4, 4), np.float32)}),
    ("scale", {"scale": 0}),
    ("scale", {"scale": 17}),
    ("scale", {"scale": 2.5}),
    ("steps", {"steps": -1}),
    ("steps", {"steps": 65}),
    ("steps", {"steps": 1.5}),
    ("steps", {"steps": "4"}),
    ("size", {"size": (0, 9)}),
    ("size", {"size": "4K"}),
    ("size", {"size": (10,)}),
    ("size", {"size": 5}),
    ("size", {"size": (10.5, 20)}),
    ("size", {"size": (10**6, 10**6)}),
    ("overrides", {"overrides": {"noise_std": 0.1}}),
    ("strengths", {"strengths": ["lr"]}),
    ("masks", {"masks": "lr"}),
    ("detail", {"detail": 2.1}),
    ("detail", {"detail": NAN}),
    ("seed", {"seed": -1}),
    ("seed", {"seed": 2**64}),
    ("seed", {"seed": [1]}),
    ("seed", {"seed": 1.5}),
    ("seed", {"seed": ["a", "b"]}),
    ("kernel", {"kernel": field(6, 5, 2)}),
    ("kernel", {"kernel": field(5, 6)}),
    ("kernel", {"kernel": field(6, 5, batch=3)}),
    ("kernel", {"kernel": "kernel.safetensors"}),
    ("inverse_depth", {"inverse_depth": torch.zeros(1, 1, 5, 6)}),
    ("inverse_depth", {"inverse_depth": torch.zeros(3, 1, 6, 5)}),
    ("inverse_depth", {"inverse_depth": torch.full((1, 1, 6, 5), math.inf)}),
    ("inverse_depth", {"inverse_depth": np.zeros((1, 1, 6, 5))}),
    ("iterations", {"iterations": 0}),
    ("iterations", {"iterations": 17}),
    ("iterations", {"iterations": "3"}),
    ("iterations", {"iterations": 0, "kernel": field(6, 5)}),
    ("gamma", {"gamma": 1.1}),
    ("gamma", {"gamma": -0.1, "kernel": field(6, 5)}),
    ("infrared", {"strengths": {"infrared": 1}}),
    ("depth", {"strengths": {"depth": 2.5}}),
    ("depth", {"strengths": {"depth": -0.1}}),
    ("infrared", {"masks": {"infrared": LR[:, :1]}}),
    ("depth", {"masks": {"depth": torch.ones(1, 1, 5, 6)}}),
    ("depth", {"masks": {"depth": torch.ones(3, 1, 6, 5)}}),
    ("depth", {"masks": {"depth": torch.full((1, 1, 6, 5), NAN)}}),
    ("consistency", {"consistency": "magic"}),
    ("prompt", {"prompt": 5}),
    ("prompt", {"prompt": ["a fox", None]}),
    ("prompt", {"prompt": b"a fox"}),
    ("tile", {"tile": 15}),
    ("tile", {"tile": 20.5}),
]


@pytest.mark.parametrize(("name", "given"), BAD, ids=[f"{i}-{n}" for i, (n, _) in enumerate(BAD)])
def test_bad_arguments_are_refused_before_any_work(pipe, name: str, given: dict) -> None:
    options = {"lr": LR, "steps": 1, "iterations": 1, **given}
    events = []
    with pytest.raises(InputError, match=name):
        pipe(**options, progress=events.append)
    assert events == []


def test_estimates_for_another_picture_are_refused(pipe) -> None:
    estimate = pipe.estimate_degradation(LR[:1, :, :4], 4)
    with pytest.raises(InputError, match="kernel field is for"):
        pipe.fuse_modalities(LR[:1], estimate)
    with pytest.raises(InputError, match="scale"):
        pipe.refine_kernel(LR[:1, :, :4], 2, initial=estimate)


def test_pixels_beyond_the_range_are_clamped() -> None:
    made = inputs.check_picture("lr", torch.tensor([-1.0, 0.5, 3.0]).view(1, 3, 1, 1))
    assert made.flatten().tolist() == [0.0, 0.5, 1.0]
    assert inputs.check_picture("lr", LR.half()).dtype == torch.float32


def test_seeds() -> None:
    assert inputs.check_seeds(3, 3) == [3, 4, 5]
    assert inputs.check_seeds(np.int64(3), 2) == [3, 4]
    assert inputs.check_seeds([9, 1], 2) == [9, 1]
    assert inputs.check_seeds(2**64 - 1, 2) == [2**64 - 1, 0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("device", {"device": "abacus"}),
        ("dtype", {"torch_dtype": "int8"}),
        ("dtype", {"torch_dtype": torch.int8}),
    ],
)
def test_unknown_device_and_dtype(tiny_folder, name: str, options: dict) -> None:
    with pytest.raises(InputError, match=name):
        load_pipeline(tiny_folder, **options)
