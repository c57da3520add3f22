"""What the templates show when they are opened, checked without a host."""

import json
import re
from pathlib import Path

import pytest

from mmsr_core.degradation import NO_JPEG_QUALITY
from mmsr_core.pipeline.results import _NO_BLUR_PX
from mmsr_core.pipeline.sharpness import _HIDES_PX, _NONE_PX, _PLACES, LEVELS
from mmsr_core.types import PRESETS, preset_name

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = sorted((ROOT / "workflows").glob("*.json"))
APIS = sorted((ROOT / "workflows" / "api").glob("*.json"))


def test_every_template_has_a_title_a_picture_and_an_api_form():
    """ComfyUI shows the file's name as the title, and about 36 letters of it."""
    assert len(GRAPHS) == len(APIS) >= 11
    for path in GRAPHS:
        assert re.fullmatch(r"[A-Z][A-Za-z, ]+ \(MMSR\)", path.stem)
        assert len(path.stem) <= 36
        assert path.with_suffix(".jpg").is_file()


@pytest.mark.parametrize("path", APIS, ids=lambda p: p.stem)
def test_the_pictures_of_templates_ship(path):
    prompt = json.loads(path.read_text(encoding="utf-8"))
    for node in prompt.values():
        if node["class_type"] == "LoadImage":
            name = node["inputs"]["image"]
            assert re.fullmatch(r"example_\w+\.png", name), "web/lib/examples.mjs knows these"
            assert (ROOT / "assets" / name).is_file()


@pytest.mark.parametrize("word", ["Noisy", "Scan", "Video", "Infrared"])
def test_there_is_a_template_for(word):
    assert any(word in path.stem for path in GRAPHS)


@pytest.mark.parametrize("path", APIS, ids=lambda p: p.stem)
def test_templates_open_with_a_named_preset_and_its_numbers(path):
    prompt = json.loads(path.read_text(encoding="utf-8"))
    for node in prompt.values():
        if "preset" in node["inputs"]:
            given = node["inputs"]
            assert given["preset"] == preset_name(given["steps"], given["detail"])


def test_the_templates_with_a_preset_are_found():
    """So that the test above cannot pass by finding nothing."""
    texts = [path.read_text(encoding="utf-8") for path in APIS]
    assert sum('"preset"' in text for text in texts) >= 5


def test_the_panels_know_the_presets_of_the_library():
    text = (ROOT / "web" / "lib" / "presets.mjs").read_text(encoding="utf-8")
    found = re.findall(r"(\w+): \{ steps: (\d+), detail: ([\d.]+) \}", text)
    shown = {name: (int(steps), float(detail)) for name, steps, detail in found}
    assert shown == {name: (one.steps, one.detail) for name, one in PRESETS.items()}


def test_the_panels_know_the_bounds_of_the_library():
    text = (ROOT / "web" / "lib" / "weights.mjs").read_text(encoding="utf-8")
    found = {name: float(value) for name, value in re.findall(r"const (NO_\w+) = ([\d.]+);", text)}
    assert found == {"NO_BLUR_PX": _NO_BLUR_PX, "NO_JPEG_QUALITY": NO_JPEG_QUALITY}


def test_the_panels_know_what_the_library_says_of_sharpness():
    text = (ROOT / "web" / "lib" / "words.mjs").read_text(encoding="utf-8")
    assert f"NO_BLUR_FOUND_PX = {_NONE_PX};" in text
    parts = {"levels": [name for _, name in LEVELS], "places": _PLACES, "causes": _HIDES_PX}
    for part, names in parts.items():
        tables = re.findall(rf"^    {part}: \{{(.*?)\}}", text, re.M | re.S)
        assert len(tables) == 2, part
        for table in tables:
            keys = [
                quoted or plain for quoted, plain in re.findall(r'(?:"([a-z ]+)"|(\w+)):', table)
            ]
            assert set(keys) == set(names) - {""}, part
