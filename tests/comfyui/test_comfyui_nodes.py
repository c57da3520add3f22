"""The nodes beyond the plain restoration, and every workflow, in a real ComfyUI server."""

import io
import json
import uuid

import comfy_graphs as graphs
import numpy as np
import pytest
from comfy_events import Listener
from comfy_graphs import api, smaller
from PIL import Image
from workflow_list import TITLES

pytestmark = pytest.mark.comfy

WORKFLOWS = sorted(TITLES)


def pictures(server, run, node: str) -> list[Image.Image]:
    assert run.status == "success", run.messages
    return [Image.open(io.BytesIO(server.picture(p))) for p in run.outputs[node]["images"]]


def views(server, run, node: str) -> list[dict]:
    assert run.status == "success", run.messages
    (file,) = run.outputs[node]["mmsr"]
    return json.loads(server.picture(file))["views"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_workflow_runs(server, name):
    prompt = smaller(api(name))
    run = server.run(prompt)
    saved = [k for k, n in prompt.items() if n["class_type"] == "SaveImage"]
    for key in saved:
        for picture in pictures(server, run, key):
            assert min(picture.size) >= 10
            assert np.asarray(picture.convert("RGB")).std() > 1
    for key, node in prompt.items():
        if "mmsr" in run.outputs.get(key, {}):
            assert views(server, run, key), node["class_type"]


def test_a_refinement_hand_over_gets_a_mask_that_varies(server):
    prompt = {k: n for k, n in smaller(api("mmsr_sd_refine")).items() if int(k) <= 7}
    prompt["20"] = {"class_type": "MaskToImage", "inputs": {"mask": ["6", 0]}}
    prompt["21"] = {"class_type": "PreviewImage", "inputs": {"images": ["20", 0]}}
    run = server.run(prompt)
    (mask,) = pictures(server, run, "21")
    assert mask.size == (48, 40)
    values = np.asarray(mask.convert("L"))
    assert values.min() == 0
    assert values.max() == 255


def degraded(scale: int = 4, **settings: object) -> dict:
    """Load, degrade, show: node 2 is the Degrade node."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "example_frame_1.png"}},
        "2": {
            "class_type": "MMSR_Degrade",
            "inputs": {
                "image": ["1", 0], "scale": scale, "shape": "gaussian", "layout": "even",
                "blur_from_px": 1.5, "blur_to_px": 2.5, "angle": 0.0, "noise": 0.0,
                "jpeg_quality": 100, "seed": 1,
            } | settings,
        },
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }  # fmt: skip


def test_the_truth_degrades_back_exactly_and_a_wrong_blur_does_not(server):
    prompt = degraded(layout="left to right")
    prompt["4"] = {
        "class_type": "MMSR_FaithfulnessCheck",
        "inputs": {
            "image": ["2", 3], "original": ["2", 0], "degradation": ["2", 1], "gain": 8.0,
            "ground_truth": ["2", 3],
        },
    }  # fmt: skip
    prompt["5"] = {"class_type": "PreviewAny", "inputs": {"source": ["4", 1]}}
    prompt["6"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
    prompt["7"] = {
        "class_type": "MMSR_EditKernelField",
        "inputs": {
            "degradation": ["2", 1], "blur_scale": 1.5, "blend": 0.0, "blur_sigma_px": 2.0,
            "ratio": 1.0, "angle": 0.0,
        },
    }  # fmt: skip
    prompt["8"] = {
        "class_type": "MMSR_FaithfulnessCheck",
        "inputs": {
            "image": ["2", 3], "original": ["2", 0], "degradation": ["7", 0], "gain": 8.0
        },
    }  # fmt: skip
    prompt["9"] = {"class_type": "PreviewAny", "inputs": {"source": ["8", 1]}}
    run = server.run(prompt)
    assert run.status == "success", run.messages
    assert float(run.outputs["5"]["text"][0]) > 80
    assert float(run.outputs["9"]["text"][0]) < 50
    (difference,) = pictures(server, run, "6")
    assert np.ptp(np.asarray(difference.convert("RGB"))) <= 3
    (view,) = views(server, run, "2")
    assert (view["width"], view["height"]) == (20, 15)
    assert view["major"][-1] > view["major"][0] + 0.5
    (check,) = views(server, run, "4")
    assert "PSNR" in check["text"]


def test_a_sharpened_picture_is_compared_with_a_result_that_is_sharpened_again(server):
    """Also with the blur from a file: the file keeps the sharpening."""
    prompt = degraded(sharpening=0.3)
    prompt["4"] = {
        "class_type": "MMSR_SaveKernelField",
        "inputs": {"degradation": ["2", 1], "filename_prefix": "mmsr_kernels/sharpened"},
    }
    run = server.run(prompt)
    assert run.status == "success", run.messages
    del prompt["4"]
    plain = degraded()
    prompt["5"] = plain["2"]
    prompt["6"] = {
        "class_type": "MMSR_LoadKernelField",
        "inputs": {
            "file": "output/sharpened_00001_.safetensors", "noise": 2.0, "jpeg_quality": 100,
        },
    }  # fmt: skip
    for key, truth in {"11": ["2", 1], "12": ["6", 0], "13": ["5", 1]}.items():
        prompt[key] = {
            "class_type": "MMSR_FaithfulnessCheck",
            "inputs": {
                "image": ["2", 3], "original": ["2", 0], "degradation": truth, "gain": 8.0
            },
        }  # fmt: skip
        prompt[f"{key}0"] = {"class_type": "PreviewAny", "inputs": {"source": [key, 1]}}
    run = server.run(prompt)
    assert run.status == "success", run.messages
    own, file, unaware = (float(run.outputs[f"{key}0"]["text"][0]) for key in ("11", "12", "13"))
    assert own > 80
    assert file > 55  # the kernels are float16
    assert unaware < min(own, file) - 10
    (view,) = views(server, run, "2")
    assert "sharpened by a camera or an editor (amount 0.30, radius 2.5 px)" in view["text"]
    (view,) = views(server, run, "6")
    assert "(amount 0.30, radius 2.5 px)" in view["text"]
    assert "noise 2.0 of 255" in view["text"]


def test_degrading_follows_depth_and_masks(server):
    near = degraded(layout="follow depth", depth=["1", 0])
    assert pictures(server, server.run(near), "3")[0].size == (20, 15)
    without = server.run(degraded(layout="follow depth"))
    assert without.status == "error"
    assert "depth: layout is follow depth, but no depth picture is connected" in without.error
    assert "choose another layout" in without.error
    masked = degraded(layout="follow mask", mask=["4", 0])
    masked["4"] = {
        "class_type": "SolidMask", "inputs": {"value": 1.0, "width": 9, "height": 9},
    }  # fmt: skip
    (view,) = views(server, server.run(masked), "2")
    assert min(view["major"]) > 2.2


def test_a_batch_of_three_gets_three_noises(server):
    prompt = degraded(noise=8.0)
    graphs.batched(prompt, "1", ["2"], count=3)
    made = [np.asarray(p) for p in pictures(server, server.run(prompt), "3")]
    assert len(made) == 3
    assert not np.array_equal(made[0], made[1])
    assert not np.array_equal(made[1], made[2])


def test_video_frames_share_their_noise(server, model_name):
    prompt = graphs.upscale(model_name, "small_24x20.png", seed=7, seed_mode="same for all")
    graphs.batched(prompt, "2", ["3"], count=3)
    frames = [np.asarray(p) for p in pictures(server, server.run(prompt), "4")]
    assert len(frames) == 3
    assert np.array_equal(frames[0], frames[1])
    assert np.array_equal(frames[0], frames[2])


def test_frames_of_one_clip_are_measured_and_restored_together(server):
    prompt = graphs.upscale("small", "example_frame_1.png", seed=1, seed_mode="same for all")
    prompt["5"] = degraded(noise=8.0)["2"]
    graphs.batched(prompt, "2", ["5"], count=3)
    prompt["3"]["inputs"]["image"] = ["5", 0]
    alone = [np.asarray(p, float) for p in pictures(server, server.run(prompt), "4")]
    prompt["3"]["inputs"]["frames"] = True
    made = [np.asarray(p, float) for p in pictures(server, server.run(prompt), "4")]
    assert [m.shape for m in made] == [a.shape for a in alone]
    assert np.std(made, 0).mean() < 0.6 * np.std(alone, 0).mean()


def estimate(picture: str) -> dict:
    """Load a model and a picture, measure: node 3."""
    return {
        "1": {"class_type": "MMSR_LoadModel", "inputs": {"model_name": "small"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "3": {
            "class_type": "MMSR_EstimateDegradation",
            "inputs": {"model": ["1", 0], "image": ["2", 0], "scale": 2},
        },
    }


def test_a_saved_field_is_found_and_is_the_same(server):
    prompt = estimate("small_24x20.png")
    prompt["4"] = {
        "class_type": "MMSR_SaveKernelField",
        "inputs": {"degradation": ["3", 0], "filename_prefix": "mmsr_kernels/saved"},
    }
    run = server.run(prompt)
    assert run.status == "success", run.messages
    info = server.get("/object_info/MMSR_LoadKernelField")["MMSR_LoadKernelField"]
    kind, options = info["input"]["required"]["file"]
    names = kind if isinstance(kind, list) else options["options"]
    (name,) = [n for n in names if "saved" in n]
    load = {
        "1": {
            "class_type": "MMSR_LoadKernelField",
            "inputs": {"file": name, "noise": 2.0, "jpeg_quality": 90},
        },
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 1]}},
    }
    again = server.run(load)
    (loaded,), (measured,) = views(server, again, "1"), views(server, run, "3")
    assert loaded["major"] == pytest.approx(measured["major"], abs=0.02)
    assert "noise 2.0 of 255" in loaded["text"]


@pytest.mark.parametrize("name", ["output/../../secret.safetensors", "/etc/passwd", ""])
def test_kernel_files_come_from_their_folders_only(server, name):
    load = {
        "1": {
            "class_type": "MMSR_LoadKernelField",
            "inputs": {"file": name, "noise": 2.0, "jpeg_quality": 90},
        },
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 1]}},
    }
    status, reply = server.post("/prompt", {"prompt": load, "client_id": "bad"})
    assert status == 400
    assert "file" in json.dumps(reply["node_errors"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("blur_scale", 9.0), ("blend", -0.1), ("blur_sigma_px", 0.0), ("ratio", 0.0), ("angle", 999)],
)
def test_wrong_edits_are_refused_before_anything_runs(server, name, value):
    prompt = degraded()
    prompt["4"] = {
        "class_type": "MMSR_EditKernelField",
        "inputs": {
            "degradation": ["2", 1], "blur_scale": 1.0, "blend": 0.0, "blur_sigma_px": 2.0,
            "ratio": 1.0, "angle": 0.0,
        } | {name: value},
    }  # fmt: skip
    prompt["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 1]}}
    # The Degrade node is an output and runs all the same: the host names the other node.
    _, reply = server.post("/prompt", {"prompt": prompt, "client_id": "bad"})
    errors = reply["node_errors"]["4"]["errors"]
    assert [e["extra_info"]["input_name"] for e in errors] == [name]


def test_what_does_not_fit_is_named(server):
    prompt = degraded()
    prompt["4"] = {
        "class_type": "MMSR_FaithfulnessCheck",
        "inputs": {
            "image": ["1", 0], "original": ["1", 0], "degradation": ["2", 1], "gain": 8.0
        },
    }  # fmt: skip
    prompt["5"] = {"class_type": "PreviewAny", "inputs": {"source": ["4", 2]}}
    run = server.run(prompt)
    assert run.status == "error"
    assert "original: has 80x60 pixels, but the degradation is for 20x15" in run.error


def test_no_weights_without_sampling_and_the_message_says_what_to_do(server):
    prompt = {k: n for k, n in smaller(api("mmsr_sd_refine")).items() if int(k) <= 7}
    prompt["5"]["inputs"]["mean_only"] = True
    run = server.run(prompt)
    assert run.status == "error"
    assert "Set steps of Restore from Evidence above 0" in run.error


def test_an_empty_prompt_changes_nothing(server, model_name):
    prompt = graphs.upscale(model_name, "small_24x20.png", seed=3)
    (plain,) = pictures(server, server.run(prompt), "4")
    prompt["6"] = {
        "class_type": "MMSR_Prompt",
        "inputs": {"model": ["1", 0], "text": "  \n", "weight": 1.0},
    }
    prompt["3"]["inputs"]["prompt"] = ["6", 0]
    (said,) = pictures(server, server.run(prompt), "4")
    assert np.array_equal(np.asarray(plain), np.asarray(said))


def test_depth_of_either_polarity(server):
    prompt = estimate("small_24x20.png")
    prompt["3"]["inputs"]["depth"] = ["2", 0]
    prompt["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 1]}}
    (bright,) = views(server, server.run(prompt), "3")
    prompt["3"]["inputs"]["depth_polarity"] = "near is dark"
    (dark,) = views(server, server.run(prompt), "3")
    prompt["6"] = {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}}
    prompt["3"]["inputs"] |= {"depth": ["6", 0], "depth_polarity": "near is bright"}
    (inverted,) = views(server, server.run(prompt), "3")
    assert dark["major"] != bright["major"]
    assert dark["major"] == pytest.approx(inverted["major"], abs=5e-3)
    prompt["3"]["inputs"]["depth_polarity"] = "sideways"
    status, reply = server.post("/prompt", {"prompt": prompt, "client_id": "bad"})
    assert status == 200 or "depth_polarity" in json.dumps(reply["node_errors"])
    assert "3" in reply["node_errors"]


@pytest.mark.parametrize(
    ("size", "expected"), [("w30", (30, 25)), ("1.5x", (36, 30)), ("12", (12, 10)), ("", (48, 40))]
)
def test_a_wanted_size(server, size, expected):
    prompt = graphs.upscale("small", "small_24x20.png", scale=2, steps=0, size=size)
    (save,) = (key for key, node in prompt.items() if node["class_type"] == "SaveImage")
    (made,) = pictures(server, server.run(prompt), save)
    assert made.size == expected


def test_a_size_that_is_none_is_refused_before_anything_runs(server):
    prompt = graphs.upscale("small", "small_24x20.png", size="huge")
    status, reply = server.post("/prompt", {"prompt": prompt, "client_id": "bad"})
    assert status == 400
    assert "A size is one of" in json.dumps(reply["node_errors"])


def alone(**settings: object) -> dict:
    """Load a picture and restore it, with nothing after it and no model: node 3."""
    settings = {"scale": 2, "steps": 0} | settings
    prompt = graphs.upscale("small", "alpha_24x20.png", **settings)
    for node in ("1", "4", "5"):
        del prompt[node]
    del prompt["3"]["inputs"]["model"]
    return prompt


def test_restoring_needs_no_model_and_nothing_after_it(server):
    (view,) = views(server, server.run(alone()), "3")
    assert view["report"]["output_size"] == [48, 40]
    connected = graphs.upscale("small", "alpha_24x20.png", scale=2, steps=0)
    (same,) = views(server, server.run(connected), "3")
    assert server.picture(view["after"]) == server.picture(same["after"])


def test_a_graph_that_ends_in_a_measurement_runs(server):
    prompt = estimate("small_24x20.png")
    del prompt["1"], prompt["3"]["inputs"]["model"]
    (view,) = views(server, server.run(prompt), "3")
    assert " px of the result, mean " in view["text"]


def masked(**mask: object) -> dict:
    """Restore within a mask; the result, its transparency as a picture, and the report."""
    prompt = alone(seed=4, steps=1, detail=1.0)
    prompt["3"]["inputs"] |= {"alpha": ["2", 1]} | mask
    prompt["7"] = {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}}
    prompt["8"] = {"class_type": "MaskToImage", "inputs": {"mask": ["3", 2]}}
    prompt["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    prompt["10"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 1]}}
    prompt["11"] = {
        "class_type": "SolidMask", "inputs": {"value": 0.0, "width": 64, "height": 64},
    }  # fmt: skip
    prompt["12"] = {
        "class_type": "SolidMask", "inputs": {"value": 1.0, "width": 24, "height": 20},
    }  # fmt: skip
    return prompt


def test_a_black_mask_keeps_the_plain_enlargement_and_says_so(server):
    runs = [server.run(masked(**m)) for m in ({}, {"mask": ["12", 0]}, {"mask": ["11", 0]})]
    whole, white, black = (np.asarray(pictures(server, run, "7")[0], float) for run in runs)
    assert np.array_equal(whole, white)
    assert np.abs(whole - black).mean() > 0.5
    said = [run.outputs["10"]["text"][0] for run in runs]
    assert ["black everywhere" in text for text in said] == [False, False, True]


def test_the_mask_of_load_image_comes_out_at_the_size_of_the_result(server):
    (clear,) = pictures(server, server.run(masked()), "9")
    source = Image.open(server.base / "input" / "alpha_24x20.png").getchannel("A")
    wanted = 255 - np.asarray(source.resize((48, 40), Image.Resampling.BICUBIC), float)
    assert clear.size == (48, 40)
    assert np.abs(np.asarray(clear.convert("L"), float) - wanted).mean() < 3


def progress_of(server, prompt: dict, node: str) -> list[float]:
    """How full a node's bar was, each time it was said."""
    client, shown = uuid.uuid4().hex, []
    with Listener(server.port, client) as listener:
        server.submit(prompt, client)
        for event in listener.events(timeout=300):
            assert event.name not in ("execution_error", "execution_interrupted"), event.data
            if event.name == "execution_success":
                return shown
            if event.name == "progress" and event.data["node"] == node:
                shown.append(event.data["value"] / event.data["max"])


@pytest.mark.parametrize("count", [1, 2])
def test_the_bar_covers_the_picture_and_its_transparency(server, count):
    plain = graphs.batched(alone(seed=11), "2", ["3"], count)
    clear = graphs.batched(alone(seed=12), "2", ["3"], count)
    clear["3"]["inputs"]["alpha"] = ["2", 1]
    without, shown = (progress_of(server, prompt, "3") for prompt in (plain, clear))
    for bar in (without, shown):
        assert bar == sorted(bar)
        assert bar[-1] == 1
    halves = [full / 2 for full in without if full < 1]
    assert shown[: len(halves)] == pytest.approx(halves), "the pictures fill half of the bar"
    rest = {full for full in shown if 0.5 < full < 1}
    assert len(rest) > 1, "their transparency fills the other half step by step"


def test_noise_and_jpeg_maps_are_brighter_where_there_is_more(server):
    means = {}
    for name, settings in {"good": {}, "bad": {"noise": 20.0, "jpeg_quality": 15}}.items():
        prompt = degraded(scale=1, blur_from_px=0.5, **settings)
        prompt["4"] = {
            "class_type": "MMSR_EstimateDegradation", "inputs": {"image": ["2", 0], "scale": 1},
        }  # fmt: skip
        for key, slot in (("5", 3), ("6", 4)):
            prompt[key] = {"class_type": "MaskToImage", "inputs": {"mask": ["4", slot]}}
            prompt[f"{key}0"] = {"class_type": "PreviewImage", "inputs": {"images": [key, 0]}}
        run = server.run(prompt)
        maps = [pictures(server, run, key)[0] for key in ("50", "60")]
        assert [one.size for one in maps] == [(80, 60)] * 2
        means[name] = [np.asarray(one.convert("L"), float).mean() for one in maps]
    assert means["bad"][0] > 1.5 * means["good"][0]
    assert means["bad"][1] > means["good"][1] + 40


@pytest.mark.parametrize(("size", "expected"), [("w30", (30, 25)), ("", (48, 40))])
def test_a_merged_picture_of_a_wanted_size(server, size, expected):
    prompt = {
        "2": {"class_type": "LoadImage", "inputs": {"image": "small_24x20.png"}},
        "3": {
            "class_type": "ImageScaleBy",
            "inputs": {"image": ["2", 0], "upscale_method": "lanczos", "scale_by": 2.0},
        },
        "4": {
            "class_type": "MMSR_MergeUpscale",
            "inputs": {"image": ["2", 0], "upscaled": ["3", 0], "trust": 0.5, "size": size},
        },
        "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
        "6": {"class_type": "MaskToImage", "inputs": {"mask": ["4", 1]}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
    }
    run = server.run(prompt)
    assert pictures(server, run, "5")[0].size == pictures(server, run, "7")[0].size == expected
