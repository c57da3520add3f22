"""The joint stage: gradients stay in their network, and a run leaves networks that can ship."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mmsr_core.metrics import Lpips
from mmsr_core.models import Denoiser, KernelEstimator, MeanNet
from mmsr_core.models.network import load_network
from tests.helpers import tiny_models, write_narrow_lpips
from training.data.batches import Batch, Preparer, degraded
from training.losses.discriminator import Discriminator
from training.losses.flow import FlowLoss, FlowOptions
from training.stages import joint

CPU = torch.device("cpu")
SIDE = 48


@pytest.fixture
def nets() -> nn.ModuleDict:
    models = tiny_models()
    parts = {"kernel": models["kernel_estimator"], "mean": models["mean_net"]}
    parts |= {"flow": models["denoiser"], "discriminator": Discriminator(4)}
    return nn.ModuleDict(parts).train()


@pytest.fixture
def batch() -> Batch:
    picture = torch.rand((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    depth = torch.full((2, 1, SIDE // 4, SIDE // 4), float("nan"))
    return next(degraded(iter([(picture, depth)]), CPU, 0, scale_shares=(1, 0, 0, 0, 0)))


@pytest.fixture
def loss(nets: nn.ModuleDict, tmp_path: Path) -> joint.JointLoss:
    write_narrow_lpips(tmp_path)
    perceptual = Lpips.from_folder(tmp_path).requires_grad_(False)
    estimator, denoiser = nets["kernel"], nets["flow"]
    assert isinstance(estimator, KernelEstimator)
    assert isinstance(denoiser, Denoiser)
    generator = torch.Generator().manual_seed(0)
    prepare = Preparer(estimator.basis, 6, estimator, generator, 0.0)
    flow = FlowLoss(denoiser.modalities, 0.1, perceptual, generator, FlowOptions())
    args = joint.arguments(["--data", "", "--out", "", "--init", "", "--metrics", ""])
    return joint.JointLoss(args, prepare, flow)


def gradients(nets: nn.ModuleDict) -> dict[str, float]:
    """Of each network, the largest."""
    return {
        name: max(
            (float(p.grad.abs().max()) for p in net.parameters() if p.grad is not None), default=0.0
        )
        for name, net in nets.items()
    }


def test_every_network_learns_and_the_discriminator_only_in_its_turn(nets, batch, loss) -> None:
    total, numbers = loss(nets, batch, 0.0)
    total.backward()
    found = gradients(nets)
    assert min(found[name] for name in joint.COMPONENTS) > 0
    assert found["discriminator"] == 0
    assert {"kernel_kernel", "mean_l1", "flow_l1", "flow_lpips"} <= set(numbers)
    nets.zero_grad(set_to_none=True)
    total, numbers = loss(nets, batch, 0.5)
    total.backward()
    assert gradients(nets)["discriminator"] > 0
    assert float(numbers["weight"]) > 0


def test_no_network_hears_of_another_s_error(nets, batch, loss) -> None:
    """With the denoiser's part alone, only the denoiser and the discriminator move."""
    for part in ("kernel", "mean"):
        nets[part].requires_grad_(False)
    total, _ = loss(nets, batch, 0.5)
    total.backward()
    found = gradients(nets)
    assert found["kernel"] == found["mean"] == 0
    assert found["flow"] > 0


def test_a_run_from_the_command_line_leaves_what_can_be_exported(tmp_path: Path) -> None:
    write_narrow_lpips(tmp_path)
    for name, model in tiny_models().items():
        model.save_pretrained(str(tmp_path / "init" / name))
    rng = np.random.default_rng(0)
    names = [f"{n}.png" for n in range(26)]
    with tarfile.open(tmp_path / "photos_0.tar", "w") as tar:
        for name in names:
            stream = io.BytesIO()
            pixels = rng.integers(0, 256, (70, 80, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(stream, "PNG")
            entry = tarfile.TarInfo(name)
            entry.size = stream.tell()
            stream.seek(0)
            tar.addfile(entry, stream)
    listed = [{"name": name, "captions": ["a dog"]} for name in names[::2]]
    (tmp_path / "photos.json").write_text(json.dumps(listed))
    out = tmp_path / "run"
    joint.main(
        [
            "--data", str(tmp_path), "--metrics", str(tmp_path), "--init", str(tmp_path / "init"),
            "--out", str(out), "--steps", "2", "--batch", "2", "--patch", "48", "--echo", "1",
            "--device", "cpu", "--precision", "no", "--discriminator-from", "0",
            "--drawing-from", "0", "--width", "4", "--held-out-side", "48",
        ]
    )  # fmt: skip
    kinds = {"kernel": KernelEstimator, "mean": MeanNet, "flow": Denoiser}
    for name, folder in joint.COMPONENTS.items():
        before = load_network(tmp_path / "init" / folder, kinds[name]).state_dict()
        after = load_network(out / folder, kinds[name]).state_dict()
        assert any(not torch.equal(before[key], after[key]) for key in before)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["val_psnr_mean"] > 0
