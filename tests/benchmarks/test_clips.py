"""Clips with a known motion, and what is said of their steadiness."""

import json

import pytest
import torch

from benchmarks.command import main
from benchmarks.inputs.clips import MOTIONS, make_clip, temporal_std
from tests.helpers import save_picture, smooth_picture, tiny_pipeline_folder

pytestmark = pytest.mark.usefixtures("without_shared")


def clip_of(motion, noise_std=0.0):
    return make_clip(
        smooth_picture((220, 230), 1),
        "a",
        motion,
        scale=2,
        side=64,
        frames=5,
        blur_sigma_px=1.0,
        noise_std=noise_std,
        jpeg_quality=100,
        seed=0,
    )


@pytest.mark.parametrize("motion", MOTIONS)
def test_the_truth_stands_still_under_its_own_motion_only(motion):
    clip = clip_of(motion)
    assert 255 * temporal_std(clip.truth, clip) < 0.15
    if motion != "still":
        unmoved = torch.cat(clip.truth).var(0)[None].mean(1, keepdim=True)
        assert 255 * float(unmoved[clip.steady].mean().sqrt()) > 1


def test_flicker_that_is_put_in_is_what_is_found():
    clip = clip_of("pan")
    frames = [(t + s * 3 / 255) for t, s in zip(clip.truth, (-1, 1, -1, 1, 0), strict=True)]
    assert 255 * temporal_std(frames, clip) == pytest.approx(3.0, abs=0.4)


def test_noise_differs_from_frame_to_frame_and_the_seed_decides_it():
    first, again = clip_of("still", 3 / 255), clip_of("still", 3 / 255)
    assert torch.equal(first.lr[1], again.lr[1])
    assert not torch.equal(first.lr[0], first.lr[1])


def test_the_command(tmp_path):
    save_picture(tmp_path / "in" / "a.png", smooth_picture((120, 130), 2))
    model = tiny_pipeline_folder(tmp_path / "tiny")
    options = ["--data", tmp_path / "in", "--model", model, "--out", tmp_path / "out"]
    rest = ["--side", 16, "--frames", 3, "--motion", "pan", "object", "--device", "cpu"]
    assert main([str(word) for word in ["clip", *options, *rest]]) == 0
    found = json.loads((tmp_path / "out" / "clip.json").read_text())["motions"]
    assert list(found) == ["pan", "object"]
    assert list(found["pan"]) == [
        "the truth", "bicubic", "balanced, frame by frame", "balanced, as a clip"
    ]  # fmt: skip
    assert found["object"]["bicubic"]["psnr_object"] > 0
    assert "| balanced, as a clip" in (tmp_path / "out" / "clip.md").read_text()
