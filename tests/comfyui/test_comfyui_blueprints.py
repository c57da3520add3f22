"""The blueprints and the app: what the nodes are now, and at work in the real frontend."""

import io
import json
import os
from pathlib import Path

import pytest
from comfy_browser import opened, shoot
from comfy_graphs import TINY_CHECKPOINT, around, blueprint, graph
from comfy_server import ROOT
from make_workflows import declared_inputs
from PIL import Image
from workflow_list import APPS

pytestmark = pytest.mark.comfy

BLUEPRINTS = sorted(p.stem for p in (ROOT / "subgraphs").glob("*.json"))
SMALL = {"scale": 2, "steps": 2, "ckpt_name": TINY_CHECKPOINT}
APP_MODE = (1, 41, 13)
"""The first frontend with app mode."""


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_blueprints_hold_what_the_nodes_declare(server, name):
    info = server.get("/object_info")
    (inside,) = blueprint(name)["definitions"]["subgraphs"]
    for node in inside["nodes"]:
        spec = info[node["type"]]
        declared = declared_inputs(spec)
        inputs = [(d.name, d.type, d.widget) for d in sorted(declared, key=lambda d: d.widget)]
        listed = [(e["name"], e["type"], "widget" in e) for e in node["inputs"]]
        values = sum(1 + len(d.companions) for d in declared if d.widget)
        outputs = list(zip(spec["output_name"], spec["output"], strict=True))
        shown = [(output["name"], output["type"]) for output in node["outputs"]]
        if not node["type"].startswith("MMSR_"):  # newer hosts have inputs and outputs more
            inputs = [one for one in inputs if one in listed]
            outputs = outputs[: len(shown)]
            values = min(values, len(node["widgets_values"]))
        assert listed == inputs, node["type"]
        assert shown == outputs, node["type"]
        assert len(node["widgets_values"]) == values, node["type"]


def test_the_host_offers_the_blueprints(server):
    try:
        offered = server.get("/global_subgraphs")
    except OSError:
        pytest.skip("this host knows no blueprints of node packs")
    ours = {e["name"]: key for key, e in offered.items() if e["source"] == "custom_node"}
    assert sorted(ours) == BLUEPRINTS
    for name, key in ours.items():
        assert json.loads(server.get(f"/global_subgraphs/{key}")["data"]) == blueprint(name)


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "vue"])
def test_blueprints_take_values_from_outside_and_run(frontend, browser, vue):
    page = opened(browser, frontend, vue=vue)
    for name in BLUEPRINTS:
        data = around(blueprint(name), SMALL)
        page.load(data)
        page.page.wait_for_timeout(500)
        (shown,) = [n for n in page.saved()["nodes"] if n["id"] < 100]
        assert shown["widgets_values"] == data["nodes"][0]["widgets_values"], name
        prompt = page.prompt()
        for node in prompt.values():
            given = node["inputs"]
            if node["class_type"].startswith("MMSR_") and "scale" in given:
                assert given["scale"] == SMALL["scale"], name
        shoot(page, f"{name}_{'vue' if vue else 'canvas'}")
        if vue:
            continue
        run = frontend.run(prompt)
        assert run.status == "success", name
        saved = [run.outputs[k] for k, n in prompt.items() if n["class_type"] == "SaveImage"]
        pictures = [
            Image.open(io.BytesIO(frontend.picture(item)))
            for one in saved
            for item in one["images"]
        ]
        assert (48, 40) in {picture.size for picture in pictures}, name
    assert page.errors == []
    page.page.close()


def test_an_opened_blueprint_shows_the_results_in_place_of_previews(frontend, browser):
    page = opened(browser, frontend, vue=False)
    page.load(around(blueprint("Restore an Old Photo (MMSR)"), SMALL | {"seed": 7}))
    assert frontend.post("/history", {"clear": True})[0] == 200
    page.run()
    for _ in range(600):
        if any(entry["status"]["completed"] for entry in frontend.get("/history").values()):
            break
        page.page.wait_for_timeout(500)
    page.page.evaluate(
        """() => { const node = app.graph.nodes.find(n => n.subgraph);
                   app.canvas.openSubgraph(node.subgraph, node); }"""
    )
    page.page.wait_for_timeout(1000)
    page.page.evaluate(
        """() => { const nodes = app.canvas.graph.nodes, ds = app.canvas.ds;
                   ds.scale = 0.5;
                   ds.offset[0] = 300 - Math.min(...nodes.map(n => n.pos[0]));
                   ds.offset[1] = 300 - Math.min(...nodes.map(n => n.pos[1]));
                   app.canvas.setDirty(true, true); }"""
    )
    page.page.wait_for_function(
        "() => document.querySelectorAll('.mmsr-panel .mmsr-body').length === 4", timeout=60_000
    )
    page.page.wait_for_function(
        """() => app.canvas.graph.nodes.every(
            n => !n.widgets?.some(w => w.name === '$$canvas-image-preview'))"""
    )
    shoot_at = os.environ.get("COMFYUI_SCREENSHOTS")
    if shoot_at:
        page.screenshot(Path(shoot_at) / "blueprint_opened.png")
    assert page.errors == []
    page.page.close()


@pytest.mark.parametrize("name", sorted(APPS))
def test_apps_open_as_apps(frontend, browser, name):
    page = opened(browser, frontend, vue=False)
    page.load(graph(name), as_app=True)
    shown = page.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__")
    if tuple(int(part) for part in shown.split(".")[:3]) < APP_MODE:
        pytest.skip(f"frontend {shown} has no app mode")
    controls = page.page.locator("[data-testid='app-mode-widget-item']")
    controls.nth(len(APPS[name].controls) - 1).wait_for(timeout=60_000)
    texts = [text.splitlines() for text in controls.all_inner_texts()]
    for control, text in zip(APPS[name].controls, texts, strict=True):
        assert text[0] == control.label
        assert control.description in text or not control.description
    page.page.locator("[data-testid='linear-run-button'] button").last.click()
    result = page.page.locator("img[data-testid='linear-image-output']").first
    result.wait_for(timeout=300_000)
    query = result.get_attribute("src")
    assert "subfolder=mmsr" in query
    assert result.evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    shoot(page, f"{name}_app")
    assert page.errors == []
    page.page.close()
