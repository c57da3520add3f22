"""Tiny real models (the shipped classes at small sizes, random weights), and a shared fixture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmsr_core.degradation import KernelBasis, KernelField, gaussian_kernels, sample_kernels
from mmsr_core.models import Denoiser, KernelEstimator, MeanNet, SharpeningEstimator
from mmsr_core.models.damage_estimator import DamageEstimator
from mmsr_core.models.depth_net import DepthNet
from mmsr_core.models.fusion_net import FusionNet
from mmsr_core.models.text_encoder import PromptTextEncoder


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny work: on a busy machine several threads would mostly wait for each other.

    For every test below a `conftest.py` that imports it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class WithoutFloat64(torch.Tensor):
    """Stands for a tensor on MPS: it must come to the CPU before it can be float64."""

    @property
    def device(self) -> torch.device:
        return torch.device("mps")

    def cpu(self) -> torch.Tensor:
        return self.as_subclass(torch.Tensor)

    def double(self) -> torch.Tensor:
        raise TypeError("MPS has no float64")


def smooth_picture(size: tuple[int, int], seed: int, cells: int = 12) -> torch.Tensor:
    """`(1,3,*size)` in 0..1: random colours in `cells` x `cells` places, enlarged bicubically."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, cells, cells, generator=generator)
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)


def save_picture(path: Path, picture: torch.Tensor, mode: str = "RGB") -> None:
    """Write `(1,3,H,W)` in 0..1 as an 8-bit file of a Pillow mode; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = picture[0].mul(255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(array).convert(mode).save(path)


def write_model_with_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A transformers folder whose model comes with code of its own; whoever is asked says yes.

    Returns:
        The file that exists once that code has run.
    """
    trace = folder / "run"
    entry = {"model_type": "own", "auto_map": {"AutoConfig": "own_code.OwnConfig"}}
    (folder / "config.json").write_text(json.dumps(entry))
    (folder / "own_code.py").write_text(
        f"open({str(trace)!r}, 'w').close()\n"
        "from transformers import PretrainedConfig\n"
        "class OwnConfig(PretrainedConfig):\n    model_type = 'own'\n"
    )
    monkeypatch.setenv("HF_MODULES_CACHE", str(folder / "modules"))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    return trace


def tiny_basis(rank: int = 12) -> KernelBasis:
    """A basis fitted to a few kernels of the synthesis family at x4."""
    generator = torch.Generator().manual_seed(3)
    kernels, _ = sample_kernels(24, 4, 4, 4, generator)
    kernels = kernels.clamp_min(0)
    kernels = kernels / kernels.sum(1, keepdim=True)
    return KernelBasis.fit(kernels.permute(0, 2, 3, 1).reshape(-1, kernels.shape[1]), rank)


def liven(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give zero-initialised layers small random weights, so that every path has an effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if not bool(parameter.any()):
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def tiny_models(seed: int = 0) -> dict[str, torch.nn.Module]:
    """One of each network, random weights."""
    torch.manual_seed(seed)
    estimator = KernelEstimator(
        widths=(8, 8, 8),
        depth_widths=(4, 4, 4),
        head_width=16,
        basis_rank=12,
        statistics_windows=(1, 3),
        shrinkage=0.03,
        cell_width=8,
    )
    models = {
        "depth_estimator": DepthNet(),
        "kernel_estimator": liven(estimator, seed),
        "mean_net": liven(
            MeanNet(channels=8, blocks=2, kernel_codes=6, condition_channels=8, prompt_every=1),
            seed,
        ),
        "denoiser": liven(
            Denoiser(widths=(8, 12, 16), blocks=(1, 1, 1), expert_width=6, kernel_codes=6), seed
        ),
    }
    estimator.set_basis(tiny_basis())
    models["prompt_encoder"] = PromptTextEncoder(buckets=997, width=8, hidden=12, heads=2)
    fusion = FusionNet(
        8, blocks=1, condition_channels=4, prompt_channels=4, heads=2, state=4, window=4
    )
    models["fusion_net"] = liven(fusion, seed)
    narrow = {"widths": (4, 8, 8), "dilations": (1, 2)}
    models["damage_estimator"] = liven(DamageEstimator(**narrow), seed)
    models["sharpening_estimator"] = SharpeningEstimator(**narrow)  # finds none
    return {name: model.eval() for name, model in models.items()}


def tiny_pipeline_folder(path: Path) -> Path:
    """Write a diffusers folder of tiny random models; usable as `--model PATH`."""
    from mmsr_core.weights import write_sums

    for name, model in tiny_models().items():
        model.save_pretrained(str(path / name))
    (path / "scheduler").mkdir()
    (path / "scheduler" / "scheduler_config.json").write_text('{"shift": 1.0}')
    write_sums(path)
    return path


def write_narrow_lpips(folder: Path) -> None:
    """A narrow AlexNet-shaped trunk with random weights, in the two files Lpips reads."""
    shapes = [(8, 3, 11), (12, 8, 5), (16, 12, 3), (12, 16, 3), (12, 12, 3)]
    rng = np.random.default_rng(0)
    trunk, heads = {}, {}
    for index, (out, cin, size) in enumerate(shapes):
        weight = rng.normal(0, (2 / (cin * size * size)) ** 0.5, (out, cin, size, size))
        trunk[f"w{index + 1}"] = weight.astype(np.float32)
        trunk[f"b{index + 1}"] = rng.normal(0, 0.1, out).astype(np.float32)
        heads[f"lin{index}"] = rng.uniform(0, 1, (1, out, 1, 1)).astype(np.float32)
    np.savez(folder / "alexnet_features.npz", **trunk)
    np.savez(folder / "lpips_alex_heads.npz", **heads)


def varying_field(h: int, w: int, scale: int, batch: int = 1) -> tuple[KernelField, torch.Tensor]:
    """Dense kernels that differ at every LR pixel, and a sharp picture for them."""
    g = torch.Generator().manual_seed(h + w + scale)
    sigmas = [0.7 + 2.5 * torch.rand((batch, h, w), generator=g) for _ in range(2)]
    kernels = gaussian_kernels(*sigmas, 3 * torch.rand((batch, h, w), generator=g), scale)
    kernels = kernels / kernels.sum(1, keepdim=True)
    hr = torch.rand((batch, 3, h * scale, w * scale), generator=g)
    return KernelField.from_dense(kernels, scale), hr
