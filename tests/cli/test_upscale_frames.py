"""`mmsr upscale --frames`: a folder as the frames of one clip."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.helpers import save_picture, smooth_picture, tiny_pipeline_folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_pipeline_folder(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture
def clip(tmp_path):
    """Frames 9, 10 and 11 of a still clip."""
    for number in (9, 10, 11):
        save_picture(tmp_path / "clip" / f"f{number}.png", smooth_picture((12, 16), 1))
    return tmp_path / "clip"


def fast(model):
    return ("--model", model, "--steps", 1, "--device", "cpu", "--dtype", "float32")


def test_a_folder_of_frames(mmsr, model, clip, tmp_path):
    out, report = tmp_path / "out", tmp_path / "r.json"
    code, text, err = mmsr("upscale", clip, "-o", out, "--frames", "--report", report, *fast(model))
    assert (code, err) == (0, [])
    assert "3 done" in text
    made = [np.asarray(Image.open(out / f"f{n}.png")) for n in (9, 10, 11)]
    assert made[0].shape == (48, 64, 3)
    assert all(np.abs(m.astype(int) - made[0]).max() <= 1 for m in made)
    reports = json.loads(report.read_text())
    assert [r["input"] for r in reports] == [str(clip / f"f{n}.png") for n in (9, 10, 11)]
    assert [r["seed"] for r in reports] == [[0]] * 3


def test_frames_of_two_sizes_are_named_before_the_run(refused, model, clip, tmp_path):
    save_picture(clip / "f12.png", smooth_picture((12, 17), 1))
    line = refused("upscale", clip, "-o", tmp_path / "out", "--frames", *fast(model))
    assert "f12.png has 17x12 pixels" in line
    assert "f9.png 16x12" in line


@pytest.mark.parametrize("option", [["--skip-existing"], ["--guide", "g.png"]])
def test_what_no_clip_has(refused, model, clip, tmp_path, option):
    if option[0] == "--guide":
        save_picture(tmp_path / "g.png", smooth_picture((12, 16), 2))
        option = ["--guide", tmp_path / "g.png"]
    line = refused("upscale", clip, "-o", tmp_path / "out", "--frames", *option, *fast(model))
    assert f"{option[0]} and --frames" in line
