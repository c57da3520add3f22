"""A real ComfyUI for the tests in this folder: set COMFYUI_PATH to a checkout.

COMFYUI_PYTHON names its interpreter (by default the one that runs the tests).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import comfy_browser
from comfy_graphs import TINY_CHECKPOINT
from comfy_server import ROOT, ComfyServer, copy_examples, copy_pack

OTHER_FRONTEND = os.environ.get("COMFYUI_FRONTEND")


@pytest.fixture(scope="session")
def comfy_path() -> Path:
    path = os.environ.get("COMFYUI_PATH")
    if not path:
        pytest.skip("COMFYUI_PATH is not set: no ComfyUI to test with")
    if not (Path(path) / "main.py").is_file():
        pytest.fail(f"COMFYUI_PATH={path} holds no ComfyUI (no main.py)")
    return Path(path)


@pytest.fixture(scope="session")
def plain_log(comfy_path, tmp_path_factory) -> str:
    """What this ComfyUI prints at start without the pack."""
    with ComfyServer(comfy_path, tmp_path_factory.mktemp("plain")) as server:
        return server.log


@pytest.fixture(scope="session")
def tiny_checkpoint(comfy_path, tmp_path_factory) -> Path:
    """A small, untrained Stable Diffusion 1.5 checkpoint: no weights of the kind ship here."""
    path = tmp_path_factory.mktemp("checkpoint") / TINY_CHECKPOINT
    maker = Path(__file__).parent / "make_checkpoint.py"
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    made = subprocess.run(
        [python, str(maker), str(comfy_path), str(path)],
        capture_output=True,
        text=True,
        timeout=900,  # a busy machine takes minutes
    )
    assert made.returncode == 0, made.stderr[-3000:]
    return path


def furnish(base: Path, checkpoint: Path) -> None:
    """The pack, pictures to load, and a checkpoint in a new base directory."""
    copy_pack(base)
    (base / "input").mkdir()
    write_inputs(base / "input")
    folder = base / "models" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / checkpoint.name).symlink_to(checkpoint)


@pytest.fixture(scope="session")
def server(comfy_path, tiny_checkpoint, tmp_path_factory):
    base = tmp_path_factory.mktemp("comfy")
    furnish(base, tiny_checkpoint)
    write_depth_model(base / "models" / "mmsr_depth" / "tiny")
    nodes = base / "custom_nodes" / "second_stream"
    shutil.copytree(Path(__file__).parent / "second_stream", nodes)
    own = base / "models" / "mmsr"
    own.mkdir(parents=True)
    (own / "copy").symlink_to(Path(os.environ.get("MMSR_WEIGHTS", ROOT / "weights")) / "small")
    with ComfyServer(comfy_path, base) as running:
        running.start_log = running.log
        yield running


@pytest.fixture(scope="session", params=["pinned", "other"])
def frontend(request, comfy_path, tiny_checkpoint, tmp_path_factory):
    """A server with the frontend that the host pins, and one with another."""
    pytest.importorskip("playwright", reason="playwright is not installed: no browser tests")
    if comfy_browser.chromium() is None:
        pytest.skip("no Chromium found (CHROMIUM): no browser tests")
    if request.param == "other" and not OTHER_FRONTEND:
        pytest.skip("COMFYUI_FRONTEND is not set: only the frontend that the host pins is tested")
    base = tmp_path_factory.mktemp(f"browser_{request.param}")
    furnish(base, tiny_checkpoint)
    folder = Path(OTHER_FRONTEND) if request.param == "other" and OTHER_FRONTEND else None
    with ComfyServer(comfy_path, base, frontend=folder) as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    with comfy_browser.open_browser() as running:
        yield running


def write_inputs(folder: Path) -> None:
    """The pictures the tests load: the one that ships, and small ones of awkward sizes."""
    from PIL import Image

    copy_examples(folder)
    picture = Image.open(ROOT / "assets" / "example_lr.png").convert("RGB")
    picture.crop((20, 20, 44, 40)).save(folder / "small_24x20.png")
    picture.crop((20, 20, 28, 28)).save(folder / "tiny_8x8.png")
    picture.crop((20, 20, 21, 21)).save(folder / "one_1x1.png")
    picture.crop((10, 10, 33, 27)).save(folder / "odd_23x17.png")
    alpha = Image.linear_gradient("L").resize((24, 20))
    cut = picture.crop((20, 20, 44, 40)).convert("RGBA")
    cut.putalpha(alpha)
    cut.save(folder / "alpha_24x20.png")


def write_depth_model(folder: Path) -> None:
    """A tiny, untrained but real depth model of transformers."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[4, 6, 8, 10],
        fusion_hidden_size=8, head_hidden_size=4, patch_size=14,
    )  # fmt: skip
    model = DepthAnythingForDepthEstimation(config)
    with torch.no_grad():  # a fresh head may give zero everywhere after its ReLU
        model.head.conv3.bias.fill_(1.0)
        model.head.conv3.weight.mul_(50)
    model.save_pretrained(folder)


@pytest.fixture(scope="session")
def model_name(server) -> str:
    """The model used in the tests: the one that ships."""
    info = server.get("/object_info/MMSR_LoadModel")["MMSR_LoadModel"]
    kind, options = info["input"]["required"]["model_name"]
    return (kind if isinstance(kind, list) else options["options"])[0]
