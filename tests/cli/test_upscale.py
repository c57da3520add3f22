"""`mmsr upscale` and `mmsr estimate` with a tiny real model: files, reports, batches."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmsr_core.degradation import read_sharpening
from mmsr_core.image import load_image

ROOT = Path(__file__).parents[2]
FAST = ("--device", "cpu", "--dtype", "float32", "--iterations", 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A weights folder with tiny random networks."""
    path = Path(__file__).parents[1] / "helpers.py"
    if not path.is_file():
        pytest.skip("tests/helpers.py is missing")
    spec = importlib.util.spec_from_file_location("mmsr_test_helpers", path)
    helpers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(helpers)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    helpers.tiny_pipeline_folder(folder)
    return folder


@pytest.fixture
def upscale(mmsr, model):
    """Runs `mmsr upscale` with one step and the tiny model."""

    def run(*words):
        return mmsr("upscale", *words, "--model", model, "--steps", 1, *FAST)

    return run


def test_one_picture(upscale, picture, tmp_path):
    out, report, maps = tmp_path / "out.png", tmp_path / "r.json", tmp_path / "maps"
    code, text, err = upscale(picture, "-o", out, "--report", report, "--maps", maps)
    assert (code, err) == (0, [])
    assert str(out) in text
    assert "agrees with the input" in text or "differs from the input" in text
    assert load_image(out).size == (64, 96)
    content = json.loads(report.read_text())
    assert content["input"] == str(picture)
    assert content["output"] == str(out)
    assert (content["steps"], content["preset"]) == (1, "balanced")
    assert content["noise_levels"] == pytest.approx(255 * content["noise_std"], abs=1e-3)
    names = {path.name for path in maps.iterdir()}
    assert {"picture_kernel_map.png", "picture_depth.png"} <= names
    with Image.open(out) as image:
        chosen = json.loads(image.text["mmsr"])
    assert (chosen["factor"], chosen["preset"]) == (4, "balanced")
    leftovers = [p.name for p in tmp_path.rglob("*") if p.suffix == ".tmp"]
    assert leftovers == []


def test_the_preset_is_recorded_where_it_was_used(mmsr, model, picture, tmp_path):
    out, report = tmp_path / "out.png", tmp_path / "r.json"
    for options, name in (
        (["--preset", "crisp"], "crisp"),
        (["--preset", "crisp", "--detail", 0.5], None),
        (["--steps", 2], None),
    ):
        code, _, err = mmsr(
            "upscale", picture, "-o", out, "--report", report, "--model", model, *options, *FAST
        )
        assert (code, err) == (0, [])
        with Image.open(out) as image:
            assert json.loads(image.text["mmsr"])["preset"] == name
        assert json.loads(report.read_text())["preset"] == name


def test_the_same_seed_gives_the_same_file(upscale, picture, tmp_path):
    results = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.png"
        assert upscale(picture, "-o", out, "--seed", seed, "--quiet") == (0, "", [])
        results.append(load_image(out).rgb)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "L", "1", "CMYK", "I;16", "pixel", "deep"])
def test_every_kind_of_picture(upscale, tmp_path, kind):
    path, out = tmp_path / "a.png", tmp_path / "out.png"
    grey = np.arange(80, dtype=np.uint8).reshape(8, 10) * 3
    size = (16, 20)
    if kind == "RGBA":
        Image.fromarray(np.dstack([grey, grey, grey, 255 - grey])).save(path)
    elif kind == "LA":
        Image.fromarray(np.dstack([grey, 255 - grey])).save(path)
    elif kind == "P":
        Image.fromarray(grey).convert("P").save(path, transparency=3)
    elif kind == "CMYK":
        path = tmp_path / "a.tif"
        Image.fromarray(np.dstack([grey] * 3)).convert("CMYK").save(path)
    elif kind == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    elif kind == "pixel":
        Image.new("RGB", (1, 1), (9, 8, 7)).save(path)
        size = (2, 2)
    elif kind == "deep":
        from mmsr_core.image import save_image

        save_image(path, torch.rand(1, 3, 8, 10), bit_depth=16)
    else:
        Image.fromarray(grey).convert(kind).save(path)
    code, _, err = upscale(path, "-o", out, "--scale", 2)
    assert (code, err) == (0, [])
    result = load_image(out)
    assert result.size == size
    assert (result.alpha is not None) == (kind in ("RGBA", "LA", "P"))
    assert result.bit_depth == (16 if kind in ("I;16", "deep") else 8)


def test_a_batch_goes_on_past_a_bad_file(upscale, picture, tmp_path):
    folder, out, report = picture.parent, tmp_path / "out", tmp_path / "r.json"
    (folder / "bad.png").write_text("no picture")
    Image.new("RGB", (6, 5)).save(folder / "small.jpg")
    (folder / "notes.txt").write_text("left alone")
    code, text, err = upscale(folder, "-o", out, "--report", report)
    assert code == 2
    assert len(err) == 2
    assert "bad.png is not a picture" in err[0]
    assert "1 of 3 pictures failed" in err[1]
    assert sorted(p.name for p in out.iterdir()) == ["picture.png", "small.png"]
    entries = json.loads(report.read_text())
    assert [("error" in entry) for entry in entries] == [True, False, False]
    assert "picture.png" in text


def test_a_blank_prompt_is_none_and_so_is_its_weight(upscale, picture, tmp_path):
    results = []
    for name, words in {
        "plain": ["--prompt", "a fox", "--prompt", "a car"],
        "blank": ["--prompt", "a fox", "--prompt", " ", "--prompt", "a car"],
    }.items():
        weights = [w for i in range(words.count("--prompt")) for w in ("--prompt-weight", i + 1)]
        if name == "plain":
            weights = ["--prompt-weight", 1, "--prompt-weight", 3]
        out = tmp_path / f"{name}.png"
        code, _, err = upscale(picture, "-o", out, "--scale", 1, *words, *weights)
        assert (code, err) == (0, [])
        results.append(load_image(out).rgb)
    assert torch.equal(*results)
    words = ["--prompt", "", "--prompt-weight", 2]
    assert upscale(picture, "-o", tmp_path / "none.png", "--scale", 1, *words)[0] == 0


def test_several_files_go_to_a_folder(upscale, picture, tmp_path):
    other = tmp_path / "other.webp"
    Image.new("RGB", (6, 5), (50, 60, 70)).save(other, lossless=True)
    assert upscale(picture, other, "-o", tmp_path / "new" / "out", "--scale", 1)[0] == 0
    names = sorted(p.name for p in (tmp_path / "new" / "out").iterdir())
    assert names == ["other.png", "picture.png"]


def test_pictures_that_share_a_stem_have_maps_of_their_own(upscale, picture, tmp_path):
    Image.new("RGB", (6, 5), (50, 60, 70)).save(picture.with_suffix(".webp"), lossless=True)
    maps = tmp_path / "maps"
    assert upscale(picture.parent, "-o", tmp_path / "out", "--scale", 1, "--maps", maps)[0] == 0
    assert load_image(maps / "picture_png_depth.png").size == (16, 24)
    assert load_image(maps / "picture_webp_depth.png").size == (5, 6)


def test_maps_lie_where_the_results_do(upscale, picture, tmp_path):
    for place in ("a", "b"):
        (picture.parent / "sub" / place).mkdir(parents=True)
        Image.open(picture).save(picture.parent / "sub" / place / "x.png")
    maps = tmp_path / "maps"
    run = (picture.parent / "sub", "-o", tmp_path / "out", "--scale", 1, "--recursive")
    assert upscale(*run, "--maps", maps)[0] == 0
    assert (maps / "a" / "x_kernel_map.png").is_file()
    assert (maps / "b" / "x_kernel_map.png").is_file()


def test_kernel_and_depth_are_used(upscale, picture, tmp_path, kernel_file):
    depth = tmp_path / "depth.png"
    Image.fromarray(np.tile(np.arange(48, dtype=np.uint8) * 5, (32, 1))).save(depth)
    results = {}
    for name, words in {
        "plain": [],
        "kernel": ["--kernel", kernel_file(16, 24)],
        "depth": ["--depth", depth],
    }.items():
        out = tmp_path / f"with_{name}.png"
        code, _, err = upscale(picture, "-o", out, *words)
        assert (code, err) == (0, [])
        results[name] = load_image(out).rgb
    assert not torch.equal(results["plain"], results["kernel"])


def test_a_run_imports_no_diffusers(model, picture, tmp_path):
    words = ["upscale", picture, "-o", tmp_path / "o.png", "--model", model, "--steps", 0, *FAST]
    probe = (
        "import sys; from mmsr_core.cli import main; code = main(sys.argv[1:]);"
        " found = {'diffusers', 'transformers'} & set(sys.modules);"
        " sys.exit(code or (repr(found) if found else 0))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", probe, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_estimate(mmsr, model, picture, tmp_path):
    out = tmp_path / "measured"
    code, text, err = mmsr("estimate", picture, "-o", out, "--model", model, *FAST)
    assert (code, err) == (0, [])
    assert "blur" in text
    names = sorted(path.name for path in out.iterdir())
    assert names == ["depth.png", "estimate.json", "kernel_field.safetensors", "kernel_map.png"]
    content = json.loads((out / "estimate.json").read_text())
    assert content["noise_levels"] == pytest.approx(255 * content["noise_std"], abs=1e-3)
    blur = content["blur_sigma_px"]
    assert 0 < blur["min"] <= blur["mean"] <= blur["max"]
    assert load_image(out / "depth.png").size == (16, 24)
    # What was measured can be given back to the other commands.
    field = out / "kernel_field.safetensors"
    large = tmp_path / "large.png"
    assert mmsr("upscale", picture, "-o", large, "--model", model, "--steps", 0, "--kernel", field,
                "--depth", out / "depth.png", *FAST)[0] == 0  # fmt: skip
    assert mmsr("degrade", large, "-o", tmp_path / "lr.png", "--kernel", field)[0] == 0
    assert load_image(tmp_path / "lr.png").size == (16, 24)


def test_sharpening_goes_through_the_files(mmsr, model, picture, tmp_path):
    """The amount is in the numbers and the words, and goes with the kernels to other commands."""
    out, run = tmp_path / "measured", ("--model", model, *FAST)
    known = ("--sharpening", 0.4, "--noise-std", 8)
    code, text, _ = mmsr("estimate", picture, "-o", out, *known, *run)
    assert code == 0
    assert "sharpened by a camera or an editor (amount 0.40, radius 2.5 px)" in text
    content = json.loads((out / "estimate.json").read_text())
    assert content["sharpening"] == pytest.approx(0.4)
    assert content["noise_levels"] == pytest.approx(8, abs=1e-2)
    field = out / "kernel_field.safetensors"
    assert float(read_sharpening(field).amount) == pytest.approx(0.4)
    reports = {}
    for name, more in {"file": [], "stated": ["--sharpening", 0]}.items():
        report = tmp_path / f"{name}.json"
        words = ("upscale", picture, "-o", tmp_path / "large.png", "--steps", 0, "--kernel", field)
        assert mmsr(*words, "--report", report, *more, *run)[0] == 0
        reports[name] = json.loads(report.read_text())
    assert reports["file"]["sharpening"] == pytest.approx(0.4)
    assert reports["stated"]["sharpening"] == 0
    for scale, expected in ((1, None), (2, 0), (4, 0)):
        mmsr("estimate", picture, "-o", out, "--scale", scale, *run)
        assert json.loads((out / "estimate.json").read_text())["sharpening"] == expected


def damaged(model, folder, damage):
    """A copy of the weights with one kind of damage."""
    from safetensors.torch import load_file, save_file

    from mmsr_core.weights import write_sums

    shutil.copytree(model, folder)
    weights = folder / "mean_net" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    if damage == "flipped bit":
        content[-1] ^= 1
        weights.write_bytes(content)
    elif damage == "cut":
        weights.write_bytes(content[: len(content) // 2])
        write_sums(folder)
    elif damage == "no file":
        weights.unlink()
    else:
        tensors = load_file(weights)
        if damage == "missing key":
            tensors.pop(sorted(tensors)[0])
        else:
            tensors["surplus"] = torch.zeros(2)
        save_file(tensors, weights)
        write_sums(folder)
    return folder


DAMAGE = {
    "flipped bit": "SHA-256",
    "cut": "cannot be read",
    "no file": "lacks",
    "missing key": "missing keys",
    "surplus key": "extra keys surplus",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_weights(refused, model, picture, tmp_path, damage):
    folder = damaged(model, tmp_path / "weights", damage)
    line = refused("upscale", picture, "-o", tmp_path / "o.png", "--model", folder)
    assert DAMAGE[damage] in line
    assert not (tmp_path / "o.png").exists()


def test_weights_that_are_not_there(refused, picture, tmp_path):
    out = tmp_path / "o.png"
    assert "missing" in refused("upscale", picture, "-o", out, "--model", tmp_path / "missing")
    (tmp_path / "nothing").mkdir()
    assert "lacks" in refused("upscale", picture, "-o", out, "--model", tmp_path / "nothing")
    from mmsr_core.weights import available_weights

    if "base" not in available_weights():
        assert "'base'" in refused("upscale", picture, "-o", out, "--model", "base")


def test_info_lists_weights(mmsr, model, tmp_path, monkeypatch):
    monkeypatch.setenv("MMSR_WEIGHTS", str(tmp_path))
    shutil.copytree(model, tmp_path / "mine")
    (tmp_path / "mine" / "card.json").write_text('{"figures": {"PSNR-Y": 27.61}}')
    damaged(model, tmp_path / "spoilt", "flipped bit")
    code, out, err = mmsr("info")
    assert (code, err) == (0, [])
    lines = out.splitlines()
    assert any(line.startswith("  mine:") and "SHA-256 checked" in line for line in lines)
    assert "    PSNR-Y: 27.61" in lines
    assert any(line.startswith("  spoilt:") and "NOT USABLE" in line for line in lines)


def test_the_names_of_strengths_are_the_models(upscale, picture, tmp_path):
    from mmsr_core.models import Denoiser
    from mmsr_core.types import MODALITIES

    assert Denoiser().modalities == MODALITIES
    names = (*MODALITIES, "picture", "blur")  # as reports call two of them
    words = [word for name in names for word in ("--strength", f"{name}=0.5")]
    assert upscale(picture, "-o", tmp_path / "o.png", *words)[0] == 0


def test_a_device_that_is_not_there(refused, model, picture, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    words = ["upscale", picture, "-o", tmp_path / "o.png", "--model", model, "--device", "cuda"]
    assert "cuda" in refused(*words).lower()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_leaves_nothing_half_written(model, tmp_path):
    source, out = tmp_path / "large.png", tmp_path / "out" / "large.png"
    Image.effect_noise((400, 300), 50).save(source)
    out.parent.mkdir()
    out.write_bytes(b"the old result")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = ["upscale", source, "-o", out, "--model", model, "--steps", 64, "--progress", *FAST]
    # Started in the background, this process may ignore SIGINT, and its children would too.
    start = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " from mmsr_core.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", start, *map(str, command)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=ROOT
    )
    seen = b""
    deadline = time.monotonic() + 120
    while b"%|" not in seen and time.monotonic() < deadline:
        piece = process.stderr.read1(200)
        if not piece:
            break
        seen += piece
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    output, rest = process.communicate(timeout=60)
    assert process.returncode == 130, (seen + rest).decode()
    assert output == b""
    assert b"interrupted" in rest
    assert b"Traceback" not in rest
    assert [path.name for path in out.parent.iterdir()] == ["large.png"]
    assert out.read_bytes() == b"the old result"


def test_one_transparent_picture_does_not_spoil_a_folder_of_jpegs(upscale, picture, tmp_path):
    clear = Image.open(picture).convert("RGBA")
    clear.putalpha(0)
    clear.save(picture.with_name("clear.png"))
    out, report = tmp_path / "out", tmp_path / "report.json"
    line = (picture.parent, "-o", out, "--format", "jpg", "--scale", 1)
    code, said, err = upscale(*line, "--report", report)
    assert (code, err) == (0, [])
    assert said.count("laid on white, as JPEG has no transparency") == 1
    assert "--background COLOUR" in said
    assert np.asarray(Image.open(out / "clear.jpg")).min() > 252
    notes = {part["input"]: part["notes"] for part in json.loads(report.read_text("utf-8"))}
    assert "laid on white" in " ".join(notes[str(picture.with_name("clear.png"))])
    assert "laid on" not in " ".join(notes[str(picture)])
    assert upscale(*line, "--background", "#0000ff")[0] == 0
    blue = np.asarray(Image.open(out / "clear.jpg")).astype(int)
    assert np.abs(blue - (0, 0, 255)).max() < 4


def test_a_background_counts_in_a_png_too(upscale, picture, tmp_path):
    clear, out = picture.with_name("clear.png"), tmp_path / "o.png"
    Image.new("RGBA", (24, 16), (9, 9, 9, 0)).save(clear)
    assert upscale(clear, "-o", out, "--scale", 1)[0] == 0
    assert Image.open(out).mode == "RGBA"
    assert upscale(clear, "-o", out, "--scale", 1, "--background", "black")[0] == 0
    assert Image.open(out).mode == "RGB"
