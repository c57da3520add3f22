"""Every workflow in the real frontend: loads, converts, runs, shows its views, no page error.

Needs COMFYUI_PATH, playwright and a Chromium (CHROMIUM, or `chromium` on the path). Also against
another frontend where COMFYUI_FRONTEND names its `static` folder. Screenshots go to
COMFYUI_SCREENSHOTS where that is set.
"""

import json
import os
from pathlib import Path

import pytest
from comfy_browser import opened, shoot
from comfy_graphs import api, graph, quick, smaller, to_api
from comfy_server import PACK_NAME, ROOT
from workflow_list import TITLES

pytestmark = pytest.mark.comfy

WORKFLOWS = sorted(TITLES)
PANELS = {
    "mmsr_faithfulness": 3, "mmsr_fuse_sensors": 1, "mmsr_prompt": 2, "mmsr_sd_refine": 3,
    "mmsr_ssr_full": 3, "mmsr_upscale": 1, "mmsr_video_frames": 1, "mmsr_merge_upscale": 1,
    "mmsr_guided_img2img": 3, "mmsr_guided_text2img": 0, "mmsr_app": 1,
    "mmsr_clean": 1,
}  # fmt: skip
"""How many panels each workflow fills."""


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "vue"])
def test_every_workflow_loads_and_converts(frontend, browser, vue):
    page = opened(browser, frontend, vue=vue)
    for name in WORKFLOWS:
        page.load(graph(name))
        assert page.unknown_types() == [], name
        shipped, converted = api(name), page.prompt()
        for key, node in converted.items():
            assert node["class_type"] == shipped[key]["class_type"]
            given = {k: v for k, v in node["inputs"].items() if k in shipped[key]["inputs"]}
            assert given == shipped[key]["inputs"], f"{name}: node {key}"
            assert "mmsr_view" not in node["inputs"]
        assert set(converted) == set(shipped)
        shoot(page, f"{name}_{'vue' if vue else 'canvas'}")
    assert page.errors == []
    page.page.close()


def saved_state(page) -> dict:
    ours = [node for node in page.saved()["nodes"] if node["type"].startswith("MMSR_")]
    return {n["id"]: (n["widgets_values"], [round(side) for side in n["size"]]) for n in ours}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_run_and_show_their_views(frontend, browser, name):
    page = opened(browser, frontend, vue=False, light=name == "mmsr_faithfulness")
    page.load(quick(graph(name)))
    page.page.wait_for_timeout(500)
    before = saved_state(page)
    page.run()
    page.wait_for_views(PANELS[name])
    shoot(page, f"{name}_ran")
    # Nothing of what is shown is saved: neither values nor sizes of this pack's nodes change.
    assert saved_state(page) == before
    # Undo and reload make the nodes anew: the views come back.
    page.load_again()
    page.wait_for_views(PANELS[name], timeout=120)
    assert page.errors == []
    page.page.close()


def test_views_answer_the_pointer(frontend, browser):
    page = opened(browser, frontend, vue=False)
    page.load(quick(graph("mmsr_ssr_full")))
    page.run()
    page.wait_for_views(3)
    page.page.evaluate("() => { app.canvas.ds.scale = 1; app.canvas.setDirty(true, true); }")
    page.page.evaluate(
        """() => { const n = app.graph.nodes.find(n => n.type === 'MMSR_EstimateDegradation');
                   app.canvas.centerOnNode(n); }"""
    )
    page.page.wait_for_timeout(800)
    canvas = page.page.locator(".mmsr-panel canvas[aria-label='Kernels']").first
    pixels = "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    plain = canvas.evaluate(f"c => ({pixels})(c).reduce((a, b) => (a * 31 + b) | 0, 7)")
    box = canvas.bounding_box()
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    page.page.wait_for_timeout(300)
    chosen = canvas.evaluate(f"c => ({pixels})(c).reduce((a, b) => (a * 31 + b) | 0, 7)")
    assert chosen != plain, "a click enlarges the kernel"
    shoot_at = os.environ.get("COMFYUI_SCREENSHOTS")
    if shoot_at:
        page.screenshot(Path(shoot_at) / "kernel_clicked.png")
    page.page.evaluate(
        """() => { const n = app.graph.nodes.find(n => n.type === 'MMSR_SRSamplerNode');
                   app.canvas.centerOnNode(n); }"""
    )
    page.page.wait_for_timeout(800)
    slider = page.page.locator(".mmsr-panel canvas[role='slider']").first
    box = slider.bounding_box()
    page.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=4)
    page.page.mouse.up()
    assert int(slider.get_attribute("aria-valuenow")) == pytest.approx(25, abs=3)
    scale = page.page.evaluate("() => app.canvas.ds.scale")
    page.page.mouse.wheel(0, -300)
    page.page.wait_for_timeout(300)
    assert page.page.evaluate("() => app.canvas.ds.scale") == scale, "the wheel is the view's"
    page.page.locator(".mmsr-panel button[data-tab='weights']").first.click()
    page.page.wait_for_timeout(500)
    assert page.page.locator(".mmsr-stack > div").count() >= 2
    if shoot_at:
        page.screenshot(Path(shoot_at) / "weights_tab.png")
    panel = page.page.locator(".mmsr-panel:has(button[data-tab='weights'])").first
    panel.locator("button[data-tab='report']").click()
    rows = panel.locator(".mmsr-text tr")
    assert rows.locator("th").all_inner_texts()[:2] == ["sharpness", "kernels used"]
    kernels, jpeg = (rows.nth(at).locator("td").inner_text() for at in (1, 3))
    assert "px of the result, mean " in kernels
    assert kernels.endswith("(blur and shrinking together)")
    assert "–" not in jpeg
    if shoot_at:
        page.screenshot(Path(shoot_at) / "report_tab.png")
    assert page.errors == []
    page.page.close()


def test_vue_nodes_show_the_views_where_the_frontend_can(frontend, browser):
    page = opened(browser, frontend, vue=True)
    data = quick(graph("mmsr_upscale"))
    (node,) = [n for n in data["nodes"] if n["type"] == "MMSR_Upscale"]
    node["widgets_values"][2] = 11  # a seed of its own: really run, with live previews
    page.load(data)
    # Early Vue nodes show no DOM widget at all, the host's own Markdown note included.
    for _ in range(40):
        page.page.wait_for_timeout(500)
        if page.page.locator(".mmsr-panel").count():
            break
    else:
        pytest.skip("this frontend's Vue nodes show no DOM widgets")
    page.fit()
    before = saved_state(page)
    page.run()
    page.wait_for_views(1)
    preview = page.page.locator(".lg-node:has(.mmsr-panel) img[src^='blob:']:visible")
    assert preview.count() == 0, "the live preview gives way to the result"
    assert saved_state(page) == before
    assert page.page.locator(".mmsr-panel").first.bounding_box()["height"] > 60
    shoot(page, "mmsr_upscale_vue_ran")
    assert page.errors == []
    page.page.close()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_quick_graph_is_the_quick_prompt(frontend, name):
    """The two ways to make a workflow small agree, so that both tests test the same."""
    prompt = smaller(api(name))
    made = to_api(quick(graph(name)), frontend.get("/object_info"))
    assert made == {key: {k: n[k] for k in ("class_type", "inputs")} for key, n in prompt.items()}


WORDS = {
    "seed_mode": "seeds in a batch",
    "depth_polarity": "depth polarity",
    "tile": "tile size (0 = automatic)",
    "feather": "mask feather",
}
LABELS = {
    "noise": "noise (-1 = measured)",
    "jpeg_quality": "JPEG quality (0 = measured)",
    "blur": "blur width (0 = measured)",
}


def widgets_of(page, kind: str, read: str) -> dict:
    return page.page.evaluate(
        f"""() => Object.fromEntries(app.graph.nodes.find(n => n.type === '{kind}')
                .widgets.map(w => [w.name, {read}]))"""
    )


def test_what_is_measured_says_so_on_the_canvas(frontend, browser):
    page = opened(browser, frontend, vue=False)
    page.load(graph("mmsr_upscale"))
    labels = widgets_of(page, "MMSR_Upscale", "w.label")
    assert {key: labels[key] for key in LABELS | WORDS} == LABELS | WORDS
    shown = widgets_of(page, "MMSR_Upscale", "w._displayValue")
    assert {shown[key] for key in LABELS} == {"measured"}
    inputs = page.prompt()["3"]["inputs"]
    assert [inputs[key] for key in LABELS] == [-1, 0, 0]
    page.page.evaluate(
        """() => { app.graph.nodes.find(n => n.type === 'MMSR_Upscale')
                   .widgets.find(w => w.name === 'noise').value = 5; }"""
    )
    assert float(widgets_of(page, "MMSR_Upscale", "w._displayValue")["noise"]) == 5
    # Where 0 means none, and where nothing is measured, the numbers stay.
    page.load(graph("mmsr_faithfulness"))
    assert float(widgets_of(page, "MMSR_Degrade", "w._displayValue")["noise"]) >= 0
    shoot(page, "measured")
    assert page.errors == []
    page.page.close()


def test_a_preset_and_its_numbers_go_together(frontend, browser):
    page = opened(browser, frontend, vue=False)
    page.load(graph("mmsr_upscale"))

    def give(name: str, value: object) -> list:
        """What the canvas does when a user gives a widget a value; what is then to be run."""
        page.page.evaluate(
            """([name, value]) => {
                const node = app.graph.nodes.find(n => n.type === 'MMSR_Upscale');
                node.widgets.find(w => w.name === name).setValue(
                    value, { e: {}, node, canvas: app.canvas });
            }""",
            [name, value],
        )
        inputs = page.prompt()["3"]["inputs"]
        return [inputs[key] for key in ("steps", "detail", "preset")]

    assert give("preset", "crisp") == [1, 1, "crisp"]
    assert give("detail", 0.8) == [1, 0.8, "custom"]
    assert give("preset", "faithful") == [0, 0.3, "faithful"]
    assert give("preset", "custom") == [0, 0.3, "custom"]
    assert page.errors == []
    page.page.close()


def shown_of(page, how: str) -> dict:
    """The values of the first Restore & Upscale node, after `how` has put it into the graph."""
    page.page.evaluate(f"async () => {{ {how} }}")
    page.page.wait_for_timeout(300)
    return widgets_of(page, "MMSR_Upscale", "w.value")


def test_a_node_added_by_hand_starts_at_a_named_preset(frontend, browser):
    page = opened(browser, frontend, vue=False)
    shown = shown_of(
        page, "app.graph.clear(); app.graph.add(LiteGraph.createNode('MMSR_Upscale'));"
    )
    assert (shown["preset"], shown["steps"], shown["detail"]) == ("balanced", 1, 0.3)
    assert shown["control_after_generate"] == "fixed"
    # A call with steps alone is what it was: its numbers are no preset's.
    prompt = {"1": {"class_type": "MMSR_Upscale", "inputs": {"steps": 5}}}
    shown = shown_of(page, f"await app.loadApiJson({json.dumps(prompt)}, 'steps');")
    assert (shown["preset"], shown["steps"], shown["detail"]) == ("custom", 5, 0.3)
    assert page.errors == []
    page.page.close()


OLD_VALUES = [2, 1, 7, "randomize", 0.3]
"""Of a workflow that was saved when the node had fewer inputs."""


def test_old_workflows_load_as_they_were_saved(frontend, browser):
    page = opened(browser, frontend, vue=False)
    data = graph("mmsr_upscale")
    (node,) = [n for n in data["nodes"] if n["type"] == "MMSR_Upscale"]
    for values in (OLD_VALUES, [*OLD_VALUES, 128, "same for all"]):
        node["widgets_values"] = values
        page.load(data)
        page.page.wait_for_timeout(300)
        shown = widgets_of(page, "MMSR_Upscale", "w.value")
        names = ["scale", "steps", "seed", "control_after_generate", "detail", "tile", "seed_mode"]
        assert [shown[name] for name in names[: len(values)]] == values
        assert shown["preset"] == "custom"
    page.page.evaluate(
        """() => { app.canvas.selectItems([app.graph.nodes.find(n => n.type === 'MMSR_Upscale')]);
                   app.canvas.copyToClipboard(); app.graph.clear();
                   app.canvas.pasteFromClipboard(); }"""
    )
    page.page.wait_for_timeout(300)
    shown = widgets_of(page, "MMSR_Upscale", "w.value")
    assert (shown["preset"], shown["control_after_generate"]) == ("custom", "randomize")
    assert page.errors == []
    page.page.close()


def test_rarely_needed_inputs_are_marked_as_advanced(frontend):
    info = frontend.get("/object_info/MMSR_Upscale")["MMSR_Upscale"]["input"]
    given = {**info["required"], **info["optional"]}
    marked = {name for name, (_, options) in given.items() if options.get("advanced")}
    assert marked == {"tile", "seed_mode", "depth_polarity", "feather"}


def test_the_template_browser_shows_titles(frontend, browser):
    page = opened(browser, frontend, vue=False)
    page.page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.page.get_by_text(PACK_NAME, exact=True).first.click(timeout=60_000)
    for title in TITLES.values():
        page.page.get_by_text(title).first.wait_for(timeout=60_000, state="attached")
    page.page.get_by_text(TITLES["mmsr_upscale"]).first.click(timeout=60_000)
    page.page.wait_for_function(
        "() => app.graph.nodes.some(n => n.type === 'MMSR_Upscale')", timeout=60_000
    )
    assert page.unknown_types() == []
    assert widgets_of(page, "MMSR_Upscale", "w.value")["preset"] == "balanced"
    assert page.errors == []
    page.page.close()


EXAMPLES = {path.name: path for path in (ROOT / "assets").glob("example_*.png")}


def test_opening_a_template_brings_its_pictures(frontend, browser):
    folder = frontend.base / "input"
    for name in EXAMPLES:
        (folder / name).unlink(missing_ok=True)
    page = opened(browser, frontend, vue=False)
    for name in WORKFLOWS:
        page.load(graph(name))
        loading = [n for n in api(name).values() if n["class_type"] == "LoadImage"]
        loaded = [node["inputs"]["image"] for node in loading]
        assert loaded, name
        for picture in loaded:
            assert (folder / picture).read_bytes() == EXAMPLES[picture].read_bytes(), name
            offered = page.page.evaluate(
                """(picture) => app.graph.nodes.filter(n => n.type === 'LoadImage')
                        .every(n => n.widgets[0].options.values.includes(picture))""",
                picture,
            )
            assert offered, f"{name}: {picture} is no choice of Load Image"
    said = page.page.get_by_text("example_lr.png. Choose your own in Load Image.")
    said.first.wait_for(timeout=10_000)
    shoot(page, "examples")
    assert page.errors == []
    page.page.close()


def test_a_template_runs_by_one_click(frontend, browser):
    """Nothing was copied by hand, and a picture of the user's own under such a name stays."""
    own = frontend.base / "input" / "example_hr.png"
    own.write_bytes(EXAMPLES["example_lr.png"].read_bytes())
    (frontend.base / "input" / "example_lr.png").unlink(missing_ok=True)
    page = opened(browser, frontend, vue=False)
    page.page.evaluate("() => app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.page.get_by_text(PACK_NAME, exact=True).first.click(timeout=60_000)
    page.page.get_by_text(TITLES["mmsr_upscale"]).first.click(timeout=60_000)
    page.page.wait_for_function(
        "() => app.graph.nodes.some(n => n.type === 'MMSR_Upscale')", timeout=60_000
    )
    page.page.evaluate(
        """() => { app.graph.nodes.find(n => n.type === 'MMSR_Upscale')
                   .widgets.find(w => w.name === 'scale').value = 1; }"""
    )
    page.run()
    page.wait_for_views(1)
    page.load(graph("mmsr_faithfulness"))
    assert own.read_bytes() == EXAMPLES["example_lr.png"].read_bytes()
    own.write_bytes(EXAMPLES["example_hr.png"].read_bytes())
    assert page.errors == []
    page.page.close()
