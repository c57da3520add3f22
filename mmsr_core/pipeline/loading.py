"""Loading a weights folder: found, verified, strict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ..errors import InputError, WeightsError
from ..models.network import load_network
from ..weights import find_weights, verify_folder
from .engine import MMSREngine

Module = TypeVar("Module", bound=nn.Module)

_SCHEDULER = "FlowMatchEulerDiscreteScheduler"
_SPECIAL_SCHEDULES = (
    "invert_sigmas",
    "shift_terminal",
    "stochastic_sampling",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_karras_sigmas",
)

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
}


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """The device to run on: "auto" takes CUDA, then MPS, then the CPU.

    Raises:
        InputError: unknown, or not present on this machine.
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise InputError(f"device must be auto, cpu, cuda or mps, but is {device!r}.") from None
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(chosen.type, True):
        raise InputError(f"device {device!r} was asked for, but this machine has none; use auto.")
    return chosen


def resolve_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The networks' dtype: "auto" takes bfloat16 where the hardware multiplies it natively.

    Raises:
        InputError: unknown dtype.
    """
    if isinstance(dtype, torch.dtype):
        if dtype not in _DTYPES.values():
            raise InputError(f"dtype must be float32, bfloat16 or float16, but is {dtype}.")
        return dtype
    if dtype != "auto":
        if dtype not in _DTYPES:
            raise InputError(f"dtype must be auto or one of {', '.join(_DTYPES)}, not {dtype!r}.")
        return _DTYPES[dtype]
    if device.type == "cuda":
        return torch.bfloat16 if _gpu_multiplies_bfloat16(device) else torch.float16
    if device.type == "cpu" and _cpu_multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def _gpu_multiplies_bfloat16(device: torch.device) -> bool:
    """`torch.cuda.is_bf16_supported` counts emulation, and asks the current device only."""
    if torch.version.hip is not None:
        return torch.cuda.is_bf16_supported()
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _cpu_multiplies_bfloat16() -> bool:
    capability = torch.backends.cpu.get_cpu_capability()
    if "AVX512" not in capability and "AMX" not in capability:
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    found = [getattr(torch.cpu, name, None) for name in checks]
    return any(check() for check in found if check is not None)


def _load_time_shift(folder: Path) -> float:
    """The shift of the flow times, from the scheduler's settings; 1 where there are none."""
    path = folder / "scheduler_config.json"
    if not path.is_file():
        return 1.0
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        special = [name for name in _SPECIAL_SCHEDULES if settings.get(name)]
        shift = float(settings.get("shift", 1.0))
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise WeightsError(f"The scheduler in {folder} cannot be read: {error}") from None
    if special or settings.get("_class_name", _SCHEDULER) != _SCHEDULER:
        raise WeightsError(
            f"{path} asks for {', '.join(special) or settings['_class_name']}, which only "
            "diffusers knows: use MMSRPipeline.from_pretrained."
        )
    return shift


def load_pipeline(
    model: str | Path = "small",
    device: str | torch.device = "auto",
    torch_dtype: str | torch.dtype = "auto",
) -> MMSREngine:
    """Load the engine from weights that ship ("small"), a diffusers folder, or the hub.

    Every file is checked against the folder's list of SHA-256 sums (where it has one), and every
    network is loaded strictly: a missing or an extra key is an error.

    Args:
        model: name of shipped weights, a folder, or "owner/name" on the hub.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        torch_dtype: "auto", "float32", "bfloat16", "float16", or torch's own. Weights stay
            float32; the networks run under autocast.

    Raises:
        WeightsError: missing, incomplete or altered weights.
        InputError: unknown device or dtype.
    """
    from ..models import (
        DamageEstimator,
        Denoiser,
        DepthNet,
        FusionNet,
        KernelEstimator,
        MeanNet,
        PromptTextEncoder,
        SharpeningEstimator,
    )

    chosen = resolve_device(device)
    compute = resolve_dtype(torch_dtype, chosen)
    folder = find_weights(model)
    verify_folder(folder)

    def load(name: str, kind: type[Module]) -> Module:
        module = load_network(folder / name, kind).to(chosen)
        return module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def load_if_there(name: str, kind: type[Module]) -> Module | None:
        return load(name, kind) if (folder / name).is_dir() else None

    pipe = MMSREngine(
        depth_estimator=load("depth_estimator", DepthNet),
        kernel_estimator=load("kernel_estimator", KernelEstimator),
        mean_net=load("mean_net", MeanNet),
        denoiser=load("denoiser", Denoiser),
        prompt_encoder=load_if_there("prompt_encoder", PromptTextEncoder),
        fusion_net=load_if_there("fusion_net", FusionNet),
        damage_estimator=load_if_there("damage_estimator", DamageEstimator),
        mean_net_low=load_if_there("mean_net_low", MeanNet),
        sharpening_estimator=load_if_there("sharpening_estimator", SharpeningEstimator),
        time_shift=_load_time_shift(folder / "scheduler"),
    )
    pipe.compute_dtype = compute
    pipe.model_label = str(model)
    return pipe
