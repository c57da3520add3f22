"""What is not given costs nothing: its networks are not run."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch


@pytest.fixture
def calls(pipe):
    """Names of the parts that a block of code has run."""
    parts = {name: net for name, net in pipe.components.items() if net is not None}
    parts |= {f"expert {name}": net for name, net in pipe.denoiser.experts.items()}
    parts["kernel_estimator"] = pipe.kernel_estimator.head  # a run reads it out itself
    seen: set[str] = set()
    with ExitStack() as stack:
        for name, net in parts.items():
            hook = net.register_forward_hook(lambda *_, name=name: seen.add(name))
            stack.callback(hook.remove)
        yield seen


def test_a_plain_run_uses_neither_prompt_nor_second_sensor(pipe, picture, calls) -> None:
    pipe(picture(16, 20), scale=4, steps=1)
    assert calls == {
        "sharpening_estimator", "damage_estimator", "depth_estimator", "kernel_estimator",
        "mean_net", "denoiser",
        "expert lr", "expert kernel", "expert depth",
    }  # fmt: skip


def test_no_flow_runs_no_denoiser(pipe, picture, calls) -> None:
    pipe(picture(16, 20), scale=4, steps=0)
    assert not {name for name in calls if name.startswith(("denoiser", "expert"))}


@pytest.mark.parametrize("name", ["lr", "kernel", "depth", "prompt"])
def test_strength_zero_runs_no_expert(pipe, picture, calls, name: str) -> None:
    prompt = torch.nn.functional.normalize(torch.ones(1, 512), dim=1)
    pipe(picture(16, 20), scale=4, steps=1, prompt=prompt, strengths={name: 0.0})
    used = {"lr", "kernel", "depth", "prompt"} - {name}
    assert {n for n in calls if n.startswith("expert")} == {f"expert {n}" for n in used}


def test_what_is_given_is_used(pipe, picture, calls) -> None:
    pipe(picture(16, 20), scale=4, steps=1, prompt="a fox", guide=picture(16, 20, seed=3))
    assert {"prompt_encoder", "fusion_net", "expert prompt"} <= calls
