"""Small prompts in the API form, and the graph form converted to it."""

from __future__ import annotations

import json

from comfy_server import ROOT
from workflow_list import TITLES

TINY_CHECKPOINT = "tiny_sd15.safetensors"
"""Made by make_checkpoint.py: no such file ships with anything."""
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}
"""The last is what some choices of the host's own nodes have become."""


def upscale(model_name: str, picture: str, **settings: object) -> dict:
    """Load a picture, upscale it in one node, save it."""
    prompt = {
        "1": {"class_type": "MMSR_LoadModel", "inputs": {"model_name": model_name}},
        "2": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "3": {
            "class_type": "MMSR_Upscale",
            "inputs": {
                "model": ["1", 0],
                "image": ["2", 0],
                "scale": 4,
                "steps": 1,
                "seed": 0,
                "detail": 1.0,
            }
            | settings,
        },
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "t"}},
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["3", 1]}},
    }
    return prompt


def with_alpha(prompt: dict, image_node: str, users: list[str]) -> dict:
    """Join the loaded picture's own transparency back to it, for the nodes named."""
    prompt["20"] = {"class_type": "JoinImageWithAlpha",
                    "inputs": {"image": [image_node, 0], "alpha": [image_node, 1]}}  # fmt: skip
    for user in users:
        prompt[user]["inputs"]["image"] = ["20", 0]
    return prompt


def batched(prompt: dict, image_node: str, users: list[str], count: int = 2) -> dict:
    """Repeat the loaded picture, for the nodes named."""
    prompt["21"] = {"class_type": "RepeatImageBatch",
                    "inputs": {"image": [image_node, 0], "amount": count}}  # fmt: skip
    for user in users:
        prompt[user]["inputs"]["image"] = ["21", 0]
    return prompt


def to_api(graph: dict, object_info: dict) -> dict:
    """Convert a workflow graph (format 0.4) to the API form, by the rules of the frontend."""
    links = {link[0]: link for link in graph["links"]}
    prompt = {}
    for node in graph["nodes"]:
        info = object_info.get(node["type"])
        if info is None:  # notes exist only in the frontend
            continue
        values = list(node["widgets_values"])
        inputs = {}
        for group in ("required", "optional"):
            for name, (kind, *rest) in info["input"].get(group, {}).items():
                options = rest[0] if rest else {}
                if isinstance(kind, list) or kind in WIDGET_TYPES:
                    if group == "optional" and not values:
                        continue  # a newer host's node has an input more
                    inputs[name] = values.pop(0)
                    if options.get("control_after_generate") or options.get("image_upload"):
                        values.pop(0)
        for entry in node["inputs"]:
            if entry["link"] is not None:
                _, source, slot, *_ = links[entry["link"]]
                inputs[entry["name"]] = [str(source), slot]
        if values:
            raise AssertionError(f"{node['type']}: widget values left over: {values}")
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def graph(name: str) -> dict:
    """A workflow that ships, in the graph form."""
    path = ROOT / "workflows" / f"{TITLES[name]}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def api(name: str) -> dict:
    """The same in the API form."""
    path = ROOT / "workflows" / "api" / f"{name}_api.json"
    return json.loads(path.read_text(encoding="utf-8"))


def quick(data: dict) -> dict:
    """The graph form on small pictures, at scale 2, with one step and one iteration.

    Widgets are found by their place among the node's values.
    """
    first = {"LoadImage": {0: "small_24x20.png"}, "MMSR_Degrade": {0: 2}} | {
        "MMSR_Upscale": {0: 2, 1: 1}, "MMSR_FuseSensors": {0: 2, 1: 1},
        "MMSR_EstimateDegradation": {0: 2}, "MMSR_KernelRefineNode": {0: 2, 1: 1},
        "MMSR_SRSamplerNode": {2: 1}, "CheckpointLoaderSimple": {0: TINY_CHECKPOINT},
        "KSampler": {2: 4}, "MMSR_GuideModel": {0: 2}, "EmptyLatentImage": {0: 48, 1: 40},
    }  # fmt: skip
    for node in data["nodes"]:
        for place, value in first.get(node["type"], {}).items():
            node["widgets_values"][place] = value
    return data


def smaller(prompt: dict) -> dict:
    """The same of the API form."""
    least = {"scale": 2, "steps": 1, "iterations": 1}
    for node in prompt.values():
        given, kind = node["inputs"], node["class_type"]
        if kind == "LoadImage":
            given["image"] = "small_24x20.png"
        if kind == "CheckpointLoaderSimple":
            given["ckpt_name"] = TINY_CHECKPOINT
        if kind == "KSampler":
            given["steps"] = 4
        if kind == "EmptyLatentImage":
            given |= {"width": 48, "height": 40}
        if kind.startswith("MMSR_"):
            given |= {key: value for key, value in least.items() if key in given}
    return prompt


def blueprint(name: str) -> dict:
    """A blueprint that ships."""
    return json.loads((ROOT / "subgraphs" / f"{name}.json").read_text(encoding="utf-8"))


def around(data: dict, settings: dict) -> dict:
    """A workflow in which a blueprint gets small pictures, and its results are saved."""
    (inner,) = data["nodes"]
    nodes, links = [inner], []

    def node(kind: str, values: list, given: list[tuple], outputs: list[str]) -> dict:
        made = {
            "id": 100 + len(nodes), "type": kind, "pos": [500 * len(nodes), 900],
            "size": [300, 200], "flags": {}, "order": len(nodes), "mode": 0, "properties": {},
            "inputs": [{"name": name, "type": type_, "link": None} for name, type_ in given],
            "outputs": [{"name": type_, "type": type_, "links": []} for type_ in outputs],
            "widgets_values": values,
        }  # fmt: skip
        nodes.append(made)
        return made

    def link(source: dict, slot: int, target: dict, place: int) -> None:
        number = len(links) + 1
        kind = source["outputs"][slot]["type"]
        links.append([number, source["id"], slot, target["id"], place, kind])
        source["outputs"][slot]["links"].append(number)
        target["inputs"][place]["link"] = number

    widgets = [entry["name"] for entry in inner["inputs"] if "widget" in entry]
    values = dict(zip(widgets, inner["widgets_values"], strict=True))
    values |= {key: value for key, value in settings.items() if key in values}
    inner["widgets_values"] = list(values.values())
    picture = node("LoadImage", ["small_24x20.png", "image"], [], ["IMAGE", "MASK"])
    for place, entry in enumerate(inner["inputs"]):
        if entry["type"] == "IMAGE":
            link(picture, 0, inner, place)
        if entry["type"] == "VIDEO":
            frames = node("RepeatImageBatch", [2], [("image", "IMAGE")], ["IMAGE"])
            video = node("CreateVideo", [8.0], [("images", "IMAGE")], ["VIDEO"])
            link(picture, 0, frames, 0)
            link(frames, 0, video, 0)
            link(video, 0, inner, place)
    for slot, output in enumerate(list(inner["outputs"])):
        source = (inner, slot)
        if output["type"] == "VIDEO":
            parts = node("GetVideoComponents", [], [("video", "VIDEO")], ["IMAGE"])
            link(inner, slot, parts, 0)
            source = (parts, 0)
        if output["type"] in ("IMAGE", "VIDEO"):
            saving = node("SaveImage", [f"t_{output['name']}"], [("images", "IMAGE")], [])
            link(*source, saving, 0)
        if output["type"] == "STRING":
            link(inner, slot, node("PreviewAny", [], [("source", "*")], []), 0)
    data["nodes"], data["links"] = nodes, links
    data["last_node_id"], data["last_link_id"] = 100 + len(nodes), len(links)
    return data
