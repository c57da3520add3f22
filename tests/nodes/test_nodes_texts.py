"""Help pages and translations, checked for completeness without a host."""

import argparse
import ast
import json
import re
from inspect import signature
from pathlib import Path

import pytest

from mmsr_core.cli.arguments import add_model_options
from mmsr_core.pipeline import MMSREngine
from mmsr_core.types import SVKR_ROUNDS

ROOT = Path(__file__).resolve().parents[2]
LOCALES = sorted(path.name for path in (ROOT / "locales").iterdir())
DOCS = ROOT / "web" / "docs"


def node_ids() -> set[str]:
    found = set()
    for path in (ROOT / "nodes").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.keyword) and call.arg == "node_id":
                found.add(ast.literal_eval(call.value))
    return found


def schema_default(file: str, name: str) -> str:
    """What a node's file writes as the default of an input."""
    tree = ast.parse((ROOT / "nodes" / file).read_text(encoding="utf-8"))
    (found,) = [
        keyword.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and any(isinstance(arg, ast.Constant) and arg.value == name for arg in call.args)
        for keyword in call.keywords
        if keyword.arg == "default"
    ]
    return ast.unparse(found)


def definitions(locale: str) -> dict:
    text = (ROOT / "locales" / locale / "nodeDefs.json").read_text(encoding="utf-8")
    return json.loads(text)


def shape(value: object) -> object:
    """The keys of a translation, and whether there are words."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return isinstance(value, str) and bool(value.strip())


def test_the_three_languages_are_there():
    assert LOCALES == ["en", "ja", "zh"]
    assert set(definitions("en")) == node_ids()


@pytest.mark.parametrize("locale", [name for name in LOCALES if name != "en"])
def test_every_language_says_everything(locale):
    english, other = definitions("en"), definitions(locale)
    assert shape(other) == shape(english)
    for node, entry in english.items():
        for part in ("inputs", "outputs"):
            for key, words in entry[part].items():
                own = other[node][part][key]["tooltip"]
                assert own != words["tooltip"], f"{locale}: {node}.{key} is not translated"
                script = r"[\u3040-\u30ff\u4e00-\u9fff]" if locale == "ja" else r"[\u4e00-\u9fff]"
                assert re.search(script, own), f"{locale}: {node}.{key}"


NO_PLAIN_WORDS = {"dtype", "feather", "gamma", "tile", "vae"}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_input_has_a_label_in_words(locale):
    """An id is shown as it is only where it is a plain word, and then in English alone."""
    for node, entry in definitions(locale).items():
        for key, words in entry["inputs"].items():
            name = words["name"]
            assert "_" not in name, f"{locale}: {node}.{key}"
            plain = locale == "en" and "_" not in key and key not in NO_PLAIN_WORDS
            assert plain or name != key, f"{locale}: {node}.{key}"


def test_one_input_has_one_label():
    """Labels differ only where a number asks for a measurement."""
    labels: dict[str, set[str]] = {}
    for entry in definitions("en").values():
        for key, words in entry["inputs"].items():
            labels.setdefault(key, set()).add(words["name"].partition(" (")[0])
    assert {key: names for key, names in labels.items() if len(names) > 1} == {}


def test_tiles_are_in_pixels_of_the_result_everywhere():
    for entry in definitions("en").values():
        if "tile" in entry["inputs"]:
            assert "in pixels of the result" in entry["inputs"]["tile"]["tooltip"]
    told = [line for page in DOCS.glob("*.md") for line in page.read_text("utf-8").splitlines()]
    lines = [line for line in told if line.startswith("| tile size |")]
    assert len(lines) >= 3
    assert all("in pixels of the result" in line for line in lines)


@pytest.mark.parametrize("node", sorted(node_ids()))
def test_every_node_has_a_help_page_with_a_picture(node):
    page = (DOCS / f"{node}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {definitions('en')[node]['display_name']}\n")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
    assert pictures
    for picture in pictures:
        assert (DOCS / picture).stat().st_size <= 40_000, picture


def test_pictures_of_the_help_stay_small_and_are_used():
    files = sorted((DOCS / "img").iterdir())
    assert sum(path.stat().st_size for path in files) < 600_000
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    assert [path.name for path in files if f"img/{path.name}" not in pages] == []


def test_the_usual_rounds_of_refinement_are_the_same_in_library_and_command_line():
    for name in (MMSREngine.__call__, MMSREngine.refine_kernel):
        assert signature(name).parameters["iterations"].default == SVKR_ROUNDS
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    assert parser.parse_args([]).iterations == SVKR_ROUNDS


def test_the_rounds_of_the_node_that_refines_are_the_same_everywhere():
    """The node, its texts in three languages, its help page and both forms of the workflow."""
    rounds = schema_default("kernel.py", "iterations")
    for locale in LOCALES:
        words = definitions(locale)["MMSR_KernelRefineNode"]["inputs"]["iterations"]["tooltip"]
        assert rounds in re.findall(r"\d+", words), locale
    page = (DOCS / "MMSR_KernelRefineNode.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("| iterations ")]
    assert re.findall(r"\d+", line) == [rounds]
    graph = json.loads((ROOT / "workflows/api/mmsr_ssr_full_api.json").read_text(encoding="utf-8"))
    (node,) = [n for n in graph.values() if n["class_type"] == "MMSR_KernelRefineNode"]
    assert node["inputs"]["iterations"] == int(rounds)
    path = ROOT / "workflows/Restore Step by Step (MMSR).json"
    drawn = json.loads(path.read_text(encoding="utf-8"))
    (box,) = [n for n in drawn["nodes"] if n["type"] == "MMSR_KernelRefineNode"]
    typed_in = {k: v for k, v in node["inputs"].items() if not isinstance(v, list)}
    assert dict(zip(typed_in, box["widgets_values"], strict=True)) == typed_in


def schema_fields() -> dict[str, dict[str, ast.expr]]:
    """Node id -> what its schema says, as far as it is written there."""
    found = {}
    for path in (ROOT / "nodes").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "io.Schema":
                given = {keyword.arg or "aliases": keyword.value for keyword in call.keywords}
                found[ast.literal_eval(given["node_id"])] = given
    return found


def test_one_node_is_at_the_top_of_the_menu():
    places: dict[str, set[str]] = {}
    for node, given in schema_fields().items():
        place = ast.unparse(given["category"]).rpartition(".")[2]
        places.setdefault(place, set()).add(node)
    assert set(places) == {"CATEGORY", "ADVANCED", "TOOLS"}
    assert places["CATEGORY"] == {"MMSR_Upscale"}


def test_every_node_is_found_by_other_words():
    words = {}
    for node, given in schema_fields().items():
        assert ast.unparse(given["aliases"].func).endswith("aliases"), node
        words[node] = [ast.literal_eval(argument) for argument in given["aliases"].args]
        assert words[node], node
        assert len(words[node]) == len(set(words[node])), node
        assert all(word == word.lower().strip() for word in words[node]), node
    wanted = {"noise", "denoise", "grain", "scan", "old photo", "deblur", "jpeg", "enhance"}
    assert wanted <= set(words["MMSR_Upscale"])


@pytest.mark.parametrize("word", ["noise", "blur", "jpeg", "restore", "upscale"])
def test_names_alone_find_a_node(word):
    """Older frontends look at names only."""
    assert any(word in entry["display_name"].lower() for entry in definitions("en").values())


def test_the_two_masks_of_restore_and_upscale_say_what_they_are():
    for locale in LOCALES:
        given = definitions(locale)["MMSR_Upscale"]["inputs"]
        for key in ("mask", "alpha"):
            assert re.search(r"[(（].+[)）]$", given[key]["name"]), f"{locale}: {key}"
        for one, other in (("mask", "alpha"), ("alpha", "mask")):
            name = re.split(r" ?[(（]", given[other]["name"])[0]
            assert name.lower() in given[one]["tooltip"].lower(), f"{locale}: {one}"
