"""Saving, loading, undo and redo with this pack's panels, in the real frontend."""

import json

import pytest
from comfy_browser import opened
from comfy_graphs import graph, quick

pytestmark = pytest.mark.comfy

STEPS = "app.graph.nodes.find(n => n.type === 'MMSR_Upscale').widgets.find(w => w.name === 'steps')"
TRACKER = "app.extensionManager.workflow.activeWorkflow.changeTracker"


def upscale_as_added(page) -> dict:
    """The one-node workflow, with the node as small as one that was just added."""
    size = page.page.evaluate("() => [...LiteGraph.createNode('MMSR_Upscale').size]")
    data = quick(graph("mmsr_upscale"))
    for node in data["nodes"]:
        if node["type"] == "MMSR_Upscale":
            node["size"] = size
    return data


def run_until_shown(page) -> None:
    page.run()
    page.wait_for_views(1, timeout=300)


def contents(saved: dict) -> dict:
    """What a user would miss: everything but where the canvas looks."""
    kept = ("id", "type", "pos", "size", "mode", "widgets_values", "title")
    nodes = [{key: node.get(key) for key in kept} for node in saved["nodes"]]
    return {"nodes": sorted(nodes, key=lambda n: int(n["id"])), "links": saved["links"]}


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "vue"])
def test_a_saved_workflow_comes_back_the_same(frontend, browser, vue):
    page = opened(browser, frontend, vue=vue)
    page.load(upscale_as_added(page))
    run_until_shown(page) if not vue else page.page.wait_for_timeout(2000)
    first = page.saved()
    assert "mmsr_view" not in json.dumps(first), "what is shown is no part of the workflow"
    (node,) = [n for n in first["nodes"] if n["type"] == "MMSR_Upscale"]
    (shipped,) = [n for n in graph("mmsr_upscale")["nodes"] if n["type"] == "MMSR_Upscale"]
    assert len(node["widgets_values"]) == len(shipped["widgets_values"])
    page.load(first)
    page.page.wait_for_timeout(2000)
    assert contents(page.saved()) == contents(first)
    assert page.prompt()["3"]["inputs"]["steps"] == 1
    assert page.errors == []
    page.page.close()


def test_a_new_tab_shows_what_the_host_does_not_run_again(frontend, browser):
    for tab in range(2):
        page = opened(browser, frontend, vue=False)
        page.load(upscale_as_added(page))
        if tab:
            page.fit()
            assert page.page.locator(".mmsr-panel .mmsr-body").count() == 0
        run_until_shown(page)
        assert page.errors == []
        page.page.close()


def test_undo_and_redo_keep_the_panels(frontend, browser):
    page = opened(browser, frontend, vue=False)
    page.load(upscale_as_added(page))
    page.click_beside()
    entries = page.page.evaluate(f"() => {TRACKER}.undoQueue.length")
    run_until_shown(page)
    page.click_beside()
    assert page.page.evaluate(f"() => {TRACKER}.undoQueue.length") == entries, (
        "a result is no change of the workflow: undo would step through it"
    )
    page.page.evaluate(f"() => {{ {STEPS}.value = 3; }}")
    page.click_beside()
    page.page.keyboard.press("Control+z")
    page.page.wait_for_function(f"() => {STEPS}.value === 1", timeout=60_000)
    page.wait_for_views(1, timeout=120)
    page.click_beside()
    page.page.keyboard.press("Control+y")
    page.page.wait_for_function(f"() => {STEPS}.value === 3", timeout=60_000)
    page.wait_for_views(1, timeout=120)
    assert page.prompt()["3"]["inputs"]["steps"] == 3
    assert page.errors == []
    page.page.close()


def shown(page) -> int:
    page.fit()
    return page.page.locator(".mmsr-panel .mmsr-body").count()


def bring_to_front(page, place: int) -> None:
    """Change to another opened workflow, as a click on its tab does."""
    page.page.evaluate(
        """async (i) => {
            const workflow = app.extensionManager.workflow.openWorkflows[i];
            await app.loadGraphData(workflow.activeState, true, true, workflow);
        }""",
        place,
    )
    page.page.wait_for_timeout(5000)


def test_two_workflows_of_one_template_show_their_own_results(frontend, browser):
    """Their graphs and their nodes have the same ids."""
    page = opened(browser, frontend, vue=False)
    page.load(upscale_as_added(page))
    opened_before = page.page.evaluate("() => app.extensionManager.workflow.openWorkflows.length")
    run_until_shown(page)
    page.load(upscale_as_added(page))
    page.page.wait_for_timeout(5000)
    assert shown(page) == 0, "nothing was run here"
    bring_to_front(page, opened_before - 1)
    assert shown(page) == 1
    bring_to_front(page, opened_before)
    assert shown(page) == 0
    assert page.errors == []
    page.page.close()


def test_a_result_goes_to_the_workflow_that_was_queued(frontend, browser):
    page = opened(browser, frontend, vue=False)
    page.load(upscale_as_added(page))
    first = page.page.evaluate("() => app.extensionManager.workflow.openWorkflows.length") - 1
    page.page.evaluate(f"() => {{ {STEPS}.value = 12; }}")
    page.run()
    page.load(upscale_as_added(page))  # while the first runs
    page.page.wait_for_function(
        "async () => (await (await fetch('/queue')).json()).queue_running.length === 0",
        timeout=300_000,
    )
    page.page.wait_for_timeout(1500)
    assert shown(page) == 0, "the run was another workflow's"
    bring_to_front(page, first)
    assert shown(page) == 1
    assert page.errors == []
    page.page.close()
