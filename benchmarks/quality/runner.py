"""Our own method as the benchmarks call it: one call per result, as a user would make it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmsr_core.errors import InputError
from mmsr_core.weights import (
    COMPONENTS,
    OPTIONAL_COMPONENTS,
    WEIGHTS_FILE,
    file_sha256,
    find_weights,
)

from .measure import Figures

if TYPE_CHECKING:
    from mmsr_core.degradation import KernelField
    from mmsr_core.pipeline import MMSREngine, RestorationOutput


@dataclass(frozen=True)
class Method:
    """One row of ours."""

    steps: int
    """Flow steps; 0 is the mean estimate alone."""
    kernel: str
    """`estimated` (blind), `true`, or `constant` (the best single kernel for the true field)."""
    depth: str
    """`on` (the built-in estimate), `off` (no depth anywhere), `given` (the protocol's map)."""

    def label(self, model: str) -> str:
        """Name of the row."""
        depth = {"on": "", "off": ", no depth", "given": ", given depth"}[self.depth]
        return f"MMSR {Path(model).name}, steps {self.steps}, {self.kernel} kernel{depth}"


def expand_methods(
    steps: Sequence[int], kernels: Sequence[str], depths: Sequence[str]
) -> list[Method]:
    """All combinations, in the order given and without repeats."""
    methods = [Method(s, k, d) for d in depths for k in kernels for s in steps]
    return list(dict.fromkeys(methods))


def describe_model(model: str, pipe: MMSREngine) -> dict[str, Any]:
    """Which weights were measured and how they ran, for the record."""
    folder = find_weights(model)
    files = {
        part: folder / part / WEIGHTS_FILE
        for part in (*COMPONENTS, *OPTIONAL_COMPONENTS)
        if part in COMPONENTS or (folder / part).is_dir()
    }
    return {
        "name": Path(model).name,
        "sha256": {part: file_sha256(path) for part, path in files.items()},
        "dtype": str(pipe.compute_dtype).removeprefix("torch."),
        "device": str(pipe.device),
    }


@dataclass(frozen=True)
class Run:
    """One result and how long it took."""

    output: RestorationOutput
    seconds: float
    """Wall-clock seconds of the whole call, kernel estimation included."""


def restore(
    pipe: MMSREngine,
    lr: Tensor,
    method: Method,
    *,
    scale: int,
    seed: int,
    kernel: KernelField | None,
    inverse_depth: Tensor | None,
) -> Run:
    """Run the pipeline on one input `(1,3,h,w)`.

    Args:
        pipe: The loaded pipeline.
        lr: The input in 0..1.
        method: What to run; its `kernel` must agree with the `kernel` argument.
        scale: SR factor.
        seed: Seed of the flow's noise.
        kernel: The field to use, None to estimate it.
        inverse_depth: The map for `depth = given`, `(1,1,h,w)`.
    """
    depth = depth_argument(method.depth, inverse_depth)
    _synchronise()
    start = time.perf_counter()
    if method.depth == "off":
        output = _restore_without_depth(pipe, lr, method, scale=scale, seed=seed, kernel=kernel)
    else:
        output = pipe(
            lr, scale=scale, steps=method.steps, seed=seed, kernel=kernel, inverse_depth=depth
        )
    _synchronise()
    return Run(output, time.perf_counter() - start)


def _restore_without_depth(
    pipe: MMSREngine,
    lr: Tensor,
    method: Method,
    *,
    scale: int,
    seed: int,
    kernel: KernelField | None,
) -> RestorationOutput:
    """No stage sees a depth map, not even a constant one; SVKR has nothing to refine then."""
    estimate = pipe.estimate_degradation(lr, scale, use_depth=False)
    if kernel is not None:
        estimate = replace(estimate, kernel_field=kernel)
    conditioning = pipe.fuse_modalities(lr, estimate, strengths={"depth": 0.0})
    return pipe.sample(conditioning, steps=method.steps, seed=seed)


def estimate_kernel(
    pipe: MMSREngine,
    lr: Tensor,
    *,
    scale: int,
    iterations: int,
    depth: str,
    inverse_depth: Tensor | None,
) -> KernelField:
    """The kernel field SVKR ends with, on the CPU.

    Args:
        pipe: The loaded pipeline.
        lr: `(1,3,h,w)` in 0..1.
        scale: SR factor.
        iterations: SVKR's T.
        depth: `on`, `off` or `given`. Without depth, and with a given one, which stays fixed, every
            iteration asks the same question, so `iterations` matters for `on` only.
        inverse_depth: The map for `given`, `(1,1,h,w)`.
    """
    if depth == "off":
        return pipe.estimate_degradation(lr, scale, use_depth=False).kernel_field.to("cpu")
    estimate = pipe.refine_kernel(
        lr,
        scale,
        depth_argument(depth, inverse_depth),
        iterations=iterations,
        fixed_depth=depth == "given",
    )
    return estimate.kernel_field.to("cpu")


def depth_argument(mode: str, inverse_depth: Tensor | None) -> Tensor | None:
    """What to hand to the pipeline as `inverse_depth` for a depth mode."""
    if mode != "given":
        return None
    if inverse_depth is None:
        raise InputError("--depth given needs a depth map, which only p3 has.")
    return inverse_depth


def estimate_figures(run: Run) -> Figures:
    """Noise and JPEG estimates, for the per-picture record."""
    estimate = run.output.estimate
    return {
        "noise_std": float(estimate.noise_std.flatten()[0]),
        "jpeg_quality": float(estimate.jpeg_quality.flatten()[0]),
    }


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
