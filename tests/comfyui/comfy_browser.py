"""The real frontend in a headless Chromium, driven through playwright."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip
OURS = "mmsr"


def chromium() -> str | None:
    """The browser's program: CHROMIUM, or what the system has."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


class Page:
    """One tab with the frontend in it, and what went wrong there."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        page.on("console", self._console)

    def _console(self, message: Any) -> None:
        # The frontend has troubles of its own (optional files, routes of newer hosts).
        where = (message.location or {}).get("url", "")
        if message.type == "error" and OURS in where.rsplit("/", 1)[-1]:
            self.errors.append(f"console: {message.text} ({where})")

    def open(self) -> None:
        """Load the frontend and wait until it has the nodes."""
        self.page.goto(self.url, wait_until="domcontentloaded", timeout=300_000)
        self.ready()

    def ready(self) -> None:
        """Wait until the application is there and its nodes are registered."""
        self.page.wait_for_function(
            "() => window.app?.graph && window.LiteGraph?.registered_node_types?.MMSR_Upscale",
            timeout=300_000,
        )
        self.page.wait_for_function("() => window.app.extensionManager", timeout=300_000)

    def load(self, graph: dict, as_app: bool = False) -> None:
        """Load a workflow in the graph form, and show it as a graph, even where it is an app."""
        if not as_app:
            graph = graph | {"extra": graph["extra"] | {"linearMode": False}}
        self.page.evaluate("async (g) => { await window.app.loadGraphData(g); }", graph)
        self.page.wait_for_function(
            "(count) => window.app.graph.nodes.length === count",
            arg=len(graph["nodes"]),
            timeout=120_000,
        )

    def load_again(self) -> None:
        """Load what is there into the same opened workflow, as undo and a change of tabs do."""
        self.page.evaluate(
            """async () => {
                const workflow = app.extensionManager.workflow.activeWorkflow;
                await app.loadGraphData(app.graph.serialize(), true, true, workflow);
            }"""
        )

    def unknown_types(self) -> list[str]:
        """Types in the loaded graph that the frontend does not know."""
        return self.page.evaluate(
            "() => app.graph.nodes.map(n => n.type)"
            ".filter(t => !LiteGraph.registered_node_types[t])"
        )

    def prompt(self) -> dict:
        """The API form, by the frontend's own conversion."""
        return self.page.evaluate("async () => (await app.graphToPrompt()).output")

    def saved(self) -> dict:
        """What the frontend would save."""
        return json.loads(self.page.evaluate("() => JSON.stringify(app.graph.serialize())"))

    def run(self) -> None:
        """Queue the workflow as the button does."""
        self.page.evaluate("async () => { await app.queuePrompt(0, 1); }")

    def wait_for_views(self, count: int, timeout: float = 900) -> None:
        """Bring all nodes into sight, and wait until that many panels on them show a result.

        The frontend draws only the panels of nodes that are in sight.
        """
        self.fit()
        self.page.wait_for_function(
            "(n) => document.querySelectorAll('.mmsr-panel .mmsr-body').length >= n",
            arg=count, timeout=timeout * 1000,
        )  # fmt: skip
        time.sleep(1.0)

    def click_beside(self) -> None:
        """Click on empty canvas, beside all nodes, as one who is done with a widget."""
        at = self.page.evaluate(
            """() => {
                const c = app.canvas, box = c.canvas.getBoundingClientRect();
                const right = Math.max(...app.graph.nodes.map(n => n.pos[0] + n.size[0]));
                const top = Math.min(...app.graph.nodes.map(n => n.pos[1]));
                const s = c.ds.scale = 0.4;
                c.ds.offset[0] = (box.width - 200) / s - right;
                c.ds.offset[1] = 150 / s - top;
                c.setDirty(true, true);
                return [box.left + box.width - 120, box.top + 150];
            }"""
        )
        self.page.wait_for_timeout(300)
        self.page.mouse.click(*at)
        self.page.wait_for_timeout(300)

    def fit(self) -> None:
        """Bring the whole graph into sight."""
        self.page.evaluate(
            """() => {
                const nodes = app.graph.nodes, c = app.canvas;
                const x0 = Math.min(...nodes.map(n => n.pos[0])) - 40;
                const y0 = Math.min(...nodes.map(n => n.pos[1])) - 80;
                const x1 = Math.max(...nodes.map(n => n.pos[0] + n.size[0])) + 40;
                const y1 = Math.max(...nodes.map(n => n.pos[1] + n.size[1])) + 40;
                const w = c.canvas.clientWidth || innerWidth;
                const h = c.canvas.clientHeight || innerHeight;
                const s = Math.min((w - 90) / (x1 - x0), (h - 60) / (y1 - y0), 1);
                c.ds.scale = s;
                c.ds.offset[0] = -x0 + 80 / s;
                c.ds.offset[1] = -y0 + 40 / s;
                c.setDirty(true, true);
            }"""
        )
        time.sleep(1.2)

    def screenshot(self, path: Path) -> None:
        """Save what is seen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))


@contextmanager
def open_browser() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def settings(server: Any, vue: bool, light: bool = False, locale: str = "en") -> None:
    """Set up the frontend before a tab is opened."""
    palette = "light" if light else "dark"
    for key, value in {
        "Comfy.TutorialCompleted": True,
        "Comfy.VueNodes.Enabled": vue,
        "Comfy.ColorPalette": palette,
        "Comfy.Locale": locale,
        "Comfy.Workflow.ShowMissingModelsWarning": False,
        "Comfy.Workflow.ShowMissingNodesWarning": False,
        "Comfy.Release.Status": "what's new seen",
        "Comfy.Notification.ShowVersionUpdates": False,
        "Comfy.InstalledVersion": "1.27.10",
        "Comfy.Minimap.Visible": False,
        "Comfy.OnboardingCoachmarks.Seen": ["appMode", "firstRun"],
    }.items():
        server.post("/settings", {key: value})


def opened(browser: Any, server: Any, *, vue: bool, light: bool = False) -> Page:
    """A tab with the frontend, set up as wanted, before any workflow is loaded."""
    settings(server, vue, light)
    page = Page(browser.new_page(viewport={"width": 1600, "height": 900}), server.url)
    page.open()
    page.errors.clear()  # what the frontend does before a workflow is loaded is its own affair
    return page


def shoot(page: Page, name: str) -> None:
    """A screenshot of the whole graph, where COMFYUI_SCREENSHOTS names a folder for it."""
    folder = os.environ.get("COMFYUI_SCREENSHOTS")
    if folder:
        page.fit()
        page.screenshot(Path(folder) / f"{name}.png")
