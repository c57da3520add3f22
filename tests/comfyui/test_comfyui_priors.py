"""Other upscalers and diffusion models as priors, in a real ComfyUI server."""

import comfy_graphs as graphs
import numpy as np
import pytest
from comfy_graphs import TINY_CHECKPOINT, api, smaller
from test_comfyui_nodes import pictures, views

pytestmark = pytest.mark.comfy


def guided(strength: float = 1.0, **settings: object) -> dict:
    """The guided text-to-image template, small, with a Faithfulness Check as node 20."""
    prompt = smaller(api("mmsr_guided_text2img"))
    prompt["4"]["inputs"] |= {"strength": strength, "end": 1.0} | settings
    prompt["8"]["inputs"] |= {"cfg": 1.0, "denoise": 1.0, "seed": 3}
    prompt["21"] = {
        "class_type": "MMSR_EstimateDegradation",
        "inputs": {"model": ["1", 0], "image": ["2", 0], "scale": 2},
    }
    prompt["20"] = {
        "class_type": "MMSR_FaithfulnessCheck",
        "inputs": {"image": ["9", 0], "original": ["2", 0], "degradation": ["21", 0], "gain": 8.0},
    }
    prompt["22"] = {"class_type": "PreviewAny", "inputs": {"source": ["20", 1]}}
    return prompt


def agreement(server, prompt: dict) -> float:
    run = server.run(prompt)
    assert run.status == "success", run.messages
    return float(run.outputs["22"]["text"][0])


def without_guide(prompt: dict) -> dict:
    """The checkpoint's own model goes straight into the sampler."""
    prompt["8"]["inputs"]["model"] = ["3", 0]
    return prompt


def test_strength_0_is_the_model_itself(server):
    (plain,) = pictures(server, server.run(without_guide(guided())), "10")
    (still,) = pictures(server, server.run(guided(0.0)), "10")
    (led,) = pictures(server, server.run(guided(1.0)), "10")
    assert np.array_equal(plain, still)
    assert not np.array_equal(plain, led)


@pytest.mark.parametrize("sampling", ["as it is", "v_prediction", "flow"])
def test_a_guided_model_comes_nearer_to_the_picture(server, sampling):
    """With every parametrisation; the tiny autoencoder is untrained, so not to the noise."""
    prompts = [without_guide(guided()), guided(1.0)]
    for prompt in prompts:
        if sampling == "v_prediction":
            prompt["30"] = {
                "class_type": "ModelSamplingDiscrete",
                "inputs": {"model": ["3", 0], "sampling": sampling, "zsnr": False},
            }
        if sampling == "flow":
            prompt["30"] = {
                "class_type": "ModelSamplingSD3", "inputs": {"model": ["3", 0], "shift": 3.0},
            }  # fmt: skip
        if "30" in prompt:
            user = prompt["8"] if prompt is prompts[0] else prompt["4"]
            user["inputs"]["model"] = ["30", 0]
    plain, led = (agreement(server, prompt) for prompt in prompts)
    assert led > plain


@pytest.mark.parametrize("mode", ["measured", "quick"])
def test_of_a_film_with_sound_the_pictures_alone_are_guided(server, mode):
    if "TestWithSound" not in server.get("/object_info"):
        pytest.skip("this host has no latents of several streams")
    prompts = [without_guide(guided()), guided(1.0, mode=mode)]
    heard, reached = [], []
    for prompt in prompts:
        prompt["30"] = {
            "class_type": "TestWithSound", "inputs": {"model": ["3", 0], "samples": ["5", 0]},
        }  # fmt: skip
        user = prompt["8"] if prompt is prompts[0] else prompt["4"]
        user["inputs"]["model"] = ["30", 0]
        prompt["8"]["inputs"]["latent_image"] = ["30", 1]
        prompt["31"] = {"class_type": "TestWithoutSound", "inputs": {"samples": ["8", 0]}}
        prompt["9"]["inputs"]["samples"] = ["31", 0]
        prompt["32"] = {"class_type": "PreviewAny", "inputs": {"source": ["31", 1]}}
        run = server.run(prompt)
        assert run.status == "success", run.messages
        heard.append(run.outputs["32"]["text"])
        reached.append(float(run.outputs["22"]["text"][0]))
    assert heard[0] == heard[1]
    assert reached[1] > reached[0]


def test_the_quick_way_runs_and_is_another_picture(server):
    (plain,) = pictures(server, server.run(without_guide(guided())), "10")
    (led,) = pictures(server, server.run(guided(1.0, mode="quick")), "10")
    assert not np.array_equal(plain, led)


def test_nothing_is_guided_outside_start_and_end(server):
    (plain,) = pictures(server, server.run(without_guide(guided())), "10")
    (late,) = pictures(server, server.run(guided(1.0, start=1.0, end=1.0)), "10")
    assert np.array_equal(plain, late)


def test_a_latent_of_another_size_is_refused(server):
    prompt = guided()
    prompt["5"]["inputs"] |= {"width": 64}
    run = server.run(prompt)
    assert run.status == "error"
    assert "decode to 64x40 pixels, but at scale 2 the input enlarges to 48x40" in run.error


def merged(picture: str = "small_24x20.png", **settings: object) -> dict:
    """Enlarge with the host's own node, merge: node 4."""
    return {
        "1": {"class_type": "MMSR_LoadModel", "inputs": {"model_name": "small"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "3": {
            "class_type": "ImageScaleBy",
            "inputs": {"image": ["2", 0], "upscale_method": "lanczos", "scale_by": 2.0},
        },
        "4": {
            "class_type": "MMSR_MergeUpscale",
            "inputs": {"model": ["1", 0], "image": ["2", 0], "upscaled": ["3", 0], "trust": 0.5}
            | settings,
        },
        "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
        "6": {"class_type": "MaskToImage", "inputs": {"mask": ["4", 1]}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
    }


def test_merging_hands_out_the_picture_the_weights_and_a_view(server):
    run = server.run(merged())
    (made,), (weight,) = pictures(server, run, "5"), pictures(server, run, "7")
    assert made.size == weight.size == (48, 40)
    values = np.asarray(weight.convert("L"))
    assert 0 < values.mean() < 255
    (view,) = views(server, run, "4")
    assert view["labels"] == ["upscaled", "merged"]
    assert "prior counts" in view["text"]
    assert set(view["maps"]) == {"prior"}


def test_a_mask_and_trust_0_leave_the_other_picture_out(server):
    (plain,) = pictures(server, server.run(merged(trust=0.0)), "5")
    prompt = merged(trust=1.0, mask=["8", 0])
    prompt["8"] = {
        "class_type": "SolidMask", "inputs": {"value": 0.0, "width": 9, "height": 9},
    }  # fmt: skip
    (masked,) = pictures(server, server.run(prompt), "5")
    (all_of_it,) = pictures(server, server.run(merged(trust=1.0)), "5")
    assert np.array_equal(plain, masked)
    assert not np.array_equal(plain, all_of_it)


def test_batches_and_alpha_go_through_the_merge(server):
    prompt = graphs.batched(merged(), "2", ["3", "4"], count=2)
    assert len(pictures(server, server.run(prompt), "5")) == 2
    prompt = graphs.with_alpha(merged("alpha_24x20.png"), "2", ["4"])
    (made,) = pictures(server, server.run(prompt), "5")
    assert made.mode == "RGBA"


def test_what_is_no_enlargement_is_refused(server):
    prompt = merged()
    prompt["3"]["inputs"]["scale_by"] = 0.3
    run = server.run(prompt)
    assert run.status == "error"
    assert "no enlargement" in run.error


def test_the_host_takes_the_restoration_as_an_upscale_model(server):
    prompt = {
        "1": {"class_type": "MMSR_LoadModel", "inputs": {"model_name": "small"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "small_24x20.png"}},
        "3": {
            "class_type": "MMSR_AsUpscaleModel",
            "inputs": {"model": ["1", 0], "scale": 2, "steps": 1, "seed": 5, "detail": 1.0},
        },
        "4": {
            "class_type": "ImageUpscaleWithModel",
            "inputs": {"upscale_model": ["3", 0], "image": ["2", 0]},
        },
        "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
    }
    (tiled,) = pictures(server, server.run(prompt), "5")
    whole = graphs.upscale("small", "small_24x20.png", scale=2, seed=5)
    (made,) = pictures(server, server.run(whole), "4")
    assert np.array_equal(tiled, made)  # one tile is the whole picture


def test_the_tiny_checkpoint_is_the_one_that_templates_load():
    assert smaller(api("mmsr_guided_img2img"))["5"]["inputs"]["ckpt_name"] == TINY_CHECKPOINT


def test_an_upscale_model_takes_the_place_of_its_picture(server):
    prompt = merged()
    prompt["3"] = {
        "class_type": "MMSR_AsUpscaleModel",
        "inputs": {"model": ["1", 0], "scale": 2, "steps": 0, "seed": 0, "detail": 1.0},
    }
    del prompt["4"]["inputs"]["upscaled"]
    refused = server.run(prompt)
    assert refused.status == "error"
    assert "Connect either upscaled or upscale_model" in refused.error
    prompt["4"]["inputs"]["upscale_model"] = ["3", 0]
    (made,) = pictures(server, server.run(prompt), "5")
    assert made.size == (48, 40)
