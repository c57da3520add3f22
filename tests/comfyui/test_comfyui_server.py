"""The pack in a real ComfyUI server: registration, runs, wrong values, interruption."""

import io
import json
import re
import time
import urllib.error
import urllib.parse
import uuid
from pathlib import Path

import comfy_graphs as graphs
import numpy as np
import pytest
from comfy_events import Listener
from comfy_server import PACK_NAME, ROOT
from PIL import Image
from workflow_list import TITLES

pytestmark = pytest.mark.comfy

API_FORM = ROOT / "workflows" / "api" / "mmsr_ssr_full_api.json"


def workflow() -> dict:
    return json.loads(API_FORM.read_text(encoding="utf-8"))


def saved(server, run, node: str) -> list[Image.Image]:
    assert run.status == "success", run.messages
    return [Image.open(io.BytesIO(server.picture(p))) for p in run.outputs[node]["images"]]


def bicubic(path: Path, factor: int) -> np.ndarray:
    picture = Image.open(path).convert("RGB")
    size = (picture.width * factor, picture.height * factor)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC), dtype=np.float64)


def test_the_pack_imports_without_a_line_in_the_log(server, plain_log):
    def lines(log: str) -> set[str]:
        log = re.sub(r"\x1b\[\d+m|\[INFO\]", "", log)  # how newer hosts begin a line
        log = re.sub(r"/\S*/pytest-\d+/[a-z]+\d+", "BASE", log)
        return {re.sub(r"\d+", "#", line).strip() for line in log.splitlines()}

    extra = lines(server.start_log) - lines(plain_log)
    times = re.findall(rf"([\d.]+) seconds(.*): \S*{re.escape(PACK_NAME)}", server.start_log)
    assert len(times) == 1
    assert times[0][1] == "", "the import failed"
    allowed = (
        "Import times for custom nodes:",
        "seconds: ",
        "To see the GUI go to",
        "setup plugin",
    )
    assert [line for line in extra if line and not any(a in line for a in allowed)] == []


def test_every_input_and_output_explains_itself(server):
    ours = {k: v for k, v in server.get("/object_info").items() if k.startswith("MMSR_")}
    assert len(ours) >= 15
    everything = server.get("/object_info").values()
    if any(info.get("search_aliases") for info in everything):  # a host that knows them
        assert all(info["search_aliases"] for info in ours.values())
    for name, info in ours.items():
        assert info["category"].startswith("MMSR"), name
        assert info["description"], name
        assert info["display_name"] not in (None, "", name), name
        assert all(info["output_tooltips"]), name
        for group in ("required", "optional"):
            for key, (kind, options) in info["input"].get(group, {}).items():
                assert isinstance(options, dict), f"{name}.{key}"
                assert len(options.get("tooltip", "")) > 10, f"{name}.{key}"
                if kind in ("INT", "FLOAT"):
                    for field in ("default", "min", "max", "step"):
                        assert field in options, f"{name}.{key} has no {field}"
                    assert options["min"] <= options["default"] <= options["max"]


def test_the_english_texts_are_those_of_the_nodes(server):
    text = (ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8")
    info = server.get("/object_info")
    for name, words in json.loads(text).items():
        node = info[name]
        assert words["description"] == node["description"], name
        groups = [node["input"].get(group, {}) for group in ("required", "optional")]
        shown = {key: value[1]["tooltip"] for group in groups for key, value in group.items()}
        assert {key: part["tooltip"] for key, part in words["inputs"].items()} == shown, name
        for key, (_, options) in (pair for group in groups for pair in group.items()):
            assert "_" not in (options.get("display_name") or key), f"{name}.{key}"
            if options.get("display_name"):
                assert words["inputs"][key]["name"] == options["display_name"], f"{name}.{key}"
        outputs = [part["tooltip"] for part in words["outputs"].values()]
        assert outputs == node["output_tooltips"], name


def test_the_pictures_of_the_templates_are_served_and_nothing_else_is(server):
    for path in sorted((ROOT / "assets").glob("example_*.png")):
        assert server.fetch(f"/mmsr/examples/{path.name}") == path.read_bytes()
    for name in ("icon.png", "example_none.png", "..%2Fpyproject.toml"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            server.fetch(f"/mmsr/examples/{name}")


def test_every_node_has_a_help_page_that_is_served(server):
    ours = [name for name in server.get("/object_info") if name.startswith("MMSR_")]
    for name in ours:
        page = server.fetch(f"/extensions/{PACK_NAME}/docs/{name}.md").decode()
        assert page.startswith("# "), name
        shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
        assert shown, name
        for picture in shown:
            data = server.fetch(f"/extensions/{PACK_NAME}/docs/{picture}")
            assert min(Image.open(io.BytesIO(data)).size) >= 100, name


def test_the_template_browser_lists_the_graphs_only(server):
    shown = server.get("/workflow_templates")[PACK_NAME]
    assert sorted(shown) == sorted(TITLES.values())
    for title in shown:
        for ending in ("json", "jpg"):
            name = urllib.parse.quote(f"{title}.{ending}")
            assert server.fetch(f"/api/workflow_templates/{PACK_NAME}/{name}"), name


@pytest.mark.parametrize("name", sorted(TITLES))
def test_graph_and_api_form_of_the_workflows_are_the_same(server, name):
    converted = graphs.to_api(graphs.graph(name), server.get("/object_info"))
    api = graphs.api(name)
    assert converted == {key: {k: n[k] for k in ("class_type", "inputs")} for key, n in api.items()}


def test_the_workflow_runs_and_the_picture_comes_back(server):
    run = server.run(workflow())
    source = Image.open(ROOT / "assets" / "example_lr.png")
    (picture,) = saved(server, run, "11")
    assert picture.size == (source.width * 4, source.height * 4)
    # It is that picture: close to its bicubic enlargement, and not the enlargement itself.
    difference = np.asarray(picture.convert("RGB")) - bicubic(
        server.base / "input" / "example_lr.png", 4
    )
    assert 0.2 < np.abs(difference).mean() < 20
    for node in ("4", "8"):
        (preview,) = saved(server, run, node)
        assert min(preview.size) > 0
        assert np.asarray(preview.convert("RGB")).std() > 1
    assert "noise" in run.outputs["6"]["text"][0]
    assert "the input" in run.outputs["12"]["text"][0]


def test_a_changed_seed_runs_only_the_sampler_again(server, model_name):
    prompt = workflow()
    prompt["2"]["inputs"]["image"] = "small_24x20.png"
    prompt["10"]["inputs"].update(steps=1, seed=1)
    assert server.run(prompt).status == "success"
    prompt["10"]["inputs"]["seed"] = 2
    run = server.run(prompt)
    assert run.status == "success"
    cached = set(run.message("execution_cached")["nodes"])
    assert cached >= {"1", "2", "3", "5", "7", "9"}
    assert "10" not in cached
    same = server.run(prompt)
    assert "10" in same.message("execution_cached")["nodes"]
    assert same.outputs["10"]["mmsr"] == run.outputs["10"]["mmsr"], "the view is cached as well"


@pytest.mark.parametrize(
    ("node", "name", "value"),
    [
        ("10", "steps", -1),
        ("10", "steps", 65),
        ("10", "detail", 2.5),
        ("10", "seed", -1),
        ("10", "consistency", "magic"),
        ("10", "tile", 63),
        ("7", "tile", -64),
        ("5", "tile", 20000),
        ("7", "scale", 0),
        ("7", "gamma", 1.5),
        ("9", "depth_strength", 3.0),
        ("1", "model_name", "no-such-model"),
        ("3", "depth_model", "../../etc"),
    ],
)
def test_wrong_values_are_refused_before_anything_runs(server, node, name, value):
    prompt = workflow()
    prompt["2"]["inputs"]["image"] = "tiny_8x8.png"  # the host runs the outputs that are right
    prompt[node]["inputs"][name] = value
    _, reply = server.post("/prompt", {"prompt": prompt, "client_id": "bad"})
    errors = reply["node_errors"][node]["errors"]
    named = [e["extra_info"]["input_name"] for e in errors]
    # The host repeats a node's own complaint at every choice of the node: it must name its input.
    assert named == [name] or all(f"{name}: " in e["details"] for e in errors)


@pytest.mark.parametrize(
    ("picture", "scale", "size"),
    [
        ("tiny_8x8.png", 4, (32, 32)),
        ("one_1x1.png", 4, (4, 4)),
        ("odd_23x17.png", 3, (69, 51)),
        ("small_24x20.png", 1, (24, 20)),
        ("tiny_8x8.png", 16, (128, 128)),
    ],
)
def test_sizes_and_scales(server, model_name, picture, scale, size):
    run = server.run(graphs.upscale(model_name, picture, scale=scale))
    (result,) = saved(server, run, "4")
    assert result.size == size


def test_mean_only(server, model_name):
    run = server.run(graphs.upscale(model_name, "small_24x20.png", steps=0))
    assert saved(server, run, "4")[0].size == (96, 80)


def test_a_batch_has_a_seed_per_picture(server, model_name):
    prompt = graphs.upscale(model_name, "small_24x20.png", seed=7)
    first, second = saved(server, server.run(graphs.batched(prompt, "2", ["3"])), "4")
    alone = graphs.upscale(model_name, "small_24x20.png", seed=8)
    (third,) = saved(server, server.run(alone), "4")
    assert first.size == second.size == (96, 80)
    assert np.array_equal(np.asarray(second), np.asarray(third)), "picture 1 uses seed + 1"
    assert not np.array_equal(np.asarray(first), np.asarray(second))


def test_alpha_is_kept_by_the_upscale_node(server, model_name):
    prompt = graphs.with_alpha(graphs.upscale(model_name, "alpha_24x20.png"), "2", ["3"])
    (picture,) = saved(server, server.run(prompt), "4")
    check_alpha(server, picture)


def test_alpha_travels_through_the_workflow_and_one_estimate_serves_a_batch(server):
    prompt = workflow()
    prompt["2"]["inputs"]["image"] = "alpha_24x20.png"
    prompt["10"]["inputs"]["steps"] = 1
    prompt["7"]["inputs"]["iterations"] = 1
    graphs.with_alpha(prompt, "2", ["3", "5", "7"])
    prompt["21"] = {
        "class_type": "RepeatImageBatch",
        "inputs": {"image": ["20", 0], "amount": 2},
    }
    prompt["9"]["inputs"]["image"] = ["21", 0]
    pictures = saved(server, server.run(prompt), "11")
    assert len(pictures) == 2
    for picture in pictures:
        check_alpha(server, picture)


def check_alpha(server, picture: Image.Image) -> None:
    assert picture.size == (96, 80)
    assert picture.mode == "RGBA"
    source = Image.open(server.base / "input" / "alpha_24x20.png").getchannel("A")
    wanted = np.asarray(source.resize((96, 80), Image.Resampling.BICUBIC), dtype=float)
    assert np.abs(np.asarray(picture.getchannel("A"), dtype=float) - wanted).mean() < 3


def test_depth_and_masks_of_other_sizes_are_accepted(server):
    prompt = workflow()
    prompt["2"]["inputs"]["image"] = "odd_23x17.png"
    prompt["7"]["inputs"]["iterations"] = 1
    prompt["10"]["inputs"]["steps"] = 1
    prompt["30"] = {"class_type": "LoadImage", "inputs": {"image": "example_lr.png"}}
    prompt["31"] = {
        "class_type": "SolidMask",
        "inputs": {"value": 0.5, "width": 64, "height": 48},
    }
    prompt["9"]["inputs"] |= {"depth": ["30", 0], "depth_mask": ["31", 0], "lr_mask": ["31", 0]}
    (picture,) = saved(server, server.run(prompt), "11")
    assert picture.size == (92, 68)


def test_batches_that_do_not_match_are_named(server):
    prompt = workflow()
    prompt["2"]["inputs"]["image"] = "tiny_8x8.png"
    prompt["10"]["inputs"]["steps"] = 0
    graphs.batched(prompt, "2", ["9"], count=3)
    prompt["22"] = {"class_type": "RepeatImageBatch", "inputs": {"image": ["2", 0], "amount": 2}}
    for node in ("3", "5", "7"):
        prompt[node]["inputs"]["image"] = ["22", 0]
    run = server.run(prompt)
    assert run.status == "error"
    assert "degradation: was made for 2 pictures, but the image batch has 3" in run.error


def test_a_depth_model_of_transformers_from_the_models_folder(server):
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "odd_23x17.png"}},
        "2": {"class_type": "MMSR_DepthNode",
              "inputs": {"image": ["1", 0], "depth_model": "mmsr_depth/tiny"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }  # fmt: skip
    (picture,) = saved(server, server.run(prompt), "3")
    assert picture.size == (23, 17)
    values = np.asarray(picture.convert("RGB"))
    assert values.std() > 1
    assert np.ptp(values.astype(int), axis=2).max() == 0, "depth is grey"


def test_a_model_of_ones_own_from_the_models_folder(server):
    run = server.run(graphs.upscale("mmsr/copy", "tiny_8x8.png"))
    assert saved(server, run, "4")[0].size == (32, 32)


def test_the_built_in_depth_without_a_model_is_that_of_the_model_that_ships(server):
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "tiny_8x8.png"}},
        "2": {"class_type": "MMSR_DepthNode",
              "inputs": {"image": ["1", 0], "depth_model": "built-in"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }  # fmt: skip
    (alone,) = saved(server, server.run(prompt), "3")
    prompt["4"] = {"class_type": "MMSR_LoadModel", "inputs": {"model_name": "small"}}
    prompt["2"]["inputs"]["model"] = ["4", 0]
    (connected,) = saved(server, server.run(prompt), "3")
    assert np.array_equal(np.asarray(alone), np.asarray(connected))


def test_cancel_half_way_stops_within_a_moment(server, model_name, record_testsuite_property):
    prompt = graphs.upscale(model_name, "example_lr.png", steps=64, seed=uuid.uuid4().int % 2**32)
    client = uuid.uuid4().hex
    began = asked = stopped = None
    previews = []
    with Listener(server.port, client) as listener:
        prompt_id = server.submit(prompt, client)
        for event in listener.events(timeout=300):
            if event.preview:
                previews.append(event.preview)
            data = event.data
            if event.name == "progress" and began is None:
                began = time.monotonic()
            half = event.name == "progress" and data["value"] * 2 >= data["max"]
            if half and asked is None:
                assert data["value"] < data["max"]
                server.post("/interrupt", {})
                asked = time.monotonic()
            if event.name == "execution_interrupted":
                stopped = time.monotonic()
                break
            assert event.name not in ("execution_success", "execution_error"), event.data
    record_testsuite_property("seconds_from_cancel_to_stop", round(stopped - asked, 3))
    record_testsuite_property("previews", len(previews))
    one_step = (asked - began) / 32
    assert stopped - asked < max(2, 4 * one_step), "cancel must take effect within a tile"
    run = server.wait(prompt_id)
    assert run.message("execution_interrupted")["node_type"] == "MMSR_Upscale"
    preview = Image.open(io.BytesIO(previews[-1]))
    assert preview.format == "JPEG"
    assert max(preview.size) <= 256
    assert np.asarray(preview).std() > 1
    # The server is fine afterwards.
    again = server.run(graphs.upscale(model_name, "tiny_8x8.png", steps=1, seed=1))
    assert again.status == "success"


def test_nothing_was_printed_but_the_hosts_own_lines(server):
    """Runs after the others: no warning and no traceback beyond the errors provoked above."""
    after = server.log[len(server.start_log) :]
    provoked = (
        "was made for 2 pictures",
        # by test_comfyui_nodes.py, which uses the same server
        "was trained without prompts",
        "no depth picture is connected",
        "but the degradation is for 20x15",
        "nothing was sampled",
        # by test_comfyui_priors.py
        "decode to 64x40 pixels",
        "is no enlargement",
        "Connect either upscaled",
    )
    for line in after.splitlines():
        if line.startswith("!!! Exception"):
            assert any(text in line for text in provoked), line
        assert "Warning" not in line, line
