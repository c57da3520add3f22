"""Write `workflows/*.json` (graph format 0.4) and `workflows/api/*_api.json` from one description.

`python tests/comfyui/make_workflows.py http://127.0.0.1:8188` asks a running ComfyUI with this pack
for the nodes' inputs and outputs. Needed when a node's inputs or a workflow change; then run
`make_thumbnail.py`.
"""

from __future__ import annotations

import json
import sys
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from workflow_list import WORKFLOWS

ROOT = Path(__file__).resolve().parents[2]
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
VERSION = "0.1.0"


@dataclass
class Node:
    """A node of a workflow: links are `("id", slot)`, everything else is a widget's value."""

    type: str
    at: tuple[int, int]
    size: tuple[int, int]
    inputs: dict[str, Any] = field(default_factory=dict)
    title: str | None = None


def default_of(kind: Any, options: dict) -> Any:
    """What the frontend puts into a fresh widget."""
    if "default" in options:
        return options["default"]
    if isinstance(kind, list):
        return kind[0] if kind else ""
    if options.get("options"):
        return options["options"][0]
    return {"STRING": "", "BOOLEAN": False}.get(kind, 0)


def build(name: str, note: str, nodes: dict[str, Node], info: dict) -> tuple[dict, dict]:
    """The graph form and the API form of one workflow."""
    graph_nodes, links, api = [], [], {}
    outgoing: dict[tuple[str, int], list[int]] = {}
    for order, (key, node) in enumerate(nodes.items()):
        spec = info[node.type]
        entries, values, api_inputs, seen = [], [], {}, set()
        for group in ("required", "optional"):
            for input_name, (kind, *rest) in spec["input"].get(group, {}).items():
                options = rest[0] if rest else {}
                given = node.inputs.get(input_name)
                seen.add(input_name)
                widget = isinstance(kind, list) or kind in WIDGETS
                if widget and not options.get("forceInput") and not isinstance(given, tuple):
                    value = default_of(kind, options) if given is None else given
                    values.append(value)
                    api_inputs[input_name] = value
                    if options.get("control_after_generate"):
                        values.append("fixed")
                    if options.get("image_upload"):
                        values.append("image")
                    continue
                entry: dict[str, Any] = {"name": input_name, "type": kind, "link": None}
                if group == "optional":
                    entry["shape"] = 7
                if given is not None:
                    source, slot = given
                    link = len(links) + 1
                    kind_out = info[nodes[source].type]["output"][slot]
                    if entry["type"] == "*":
                        entry["type"] = "*"
                    entry["link"] = link
                    links.append([link, int(source), slot, int(key), len(entries), kind_out])
                    outgoing.setdefault((source, slot), []).append(link)
                    api_inputs[input_name] = [source, slot]
                elif group == "required":
                    raise SystemExit(f"{name}: {node.type}.{input_name} is not connected")
                entries.append(entry)
        unknown = set(node.inputs) - seen
        if unknown:
            raise SystemExit(f"{name}: {node.type} has no inputs {unknown}")
        ours = node.type.startswith("MMSR_")
        made: dict[str, Any] = {
            "id": int(key),
            "type": node.type,
            "pos": list(node.at),
            "size": list(node.size),
            "flags": {},
            "order": order,
            "mode": 0,
            "inputs": entries,
            "outputs": [],
            "properties": {
                "cnr_id": "mmsr" if ours else "comfy-core",
                "ver": VERSION if ours else "0.3.64",
                "Node name for S&R": node.type,
            },
            "widgets_values": values,
        }
        if node.title:
            made["title"] = node.title
        graph_nodes.append(made)
        api[key] = {
            "class_type": node.type,
            "inputs": api_inputs,
            "_meta": {"title": node.title or spec["display_name"] or node.type},
        }
    for made in graph_nodes:
        spec = info[made["type"]]
        for slot, kind in enumerate(spec["output"]):
            connected = outgoing.get((str(made["id"]), slot), [])
            made["outputs"].append(
                {"name": spec["output_name"][slot], "type": kind, "links": connected}
            )
    number = max(int(key) for key in nodes) + 1
    graph_nodes.append(note_node(number, note, len(graph_nodes)))
    graph = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"mmsr/{name}")),
        "revision": 0,
        "last_node_id": number,
        "last_link_id": len(links),
        "nodes": graph_nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {"ds": {"scale": 0.6, "offset": [60, 320]}},
        "version": 0.4,
    }
    return graph, api


def note_node(number: int, text: str, order: int) -> dict:
    """The note above a workflow."""
    return {
        "id": number, "type": "MarkdownNote", "pos": [40, -260], "size": [720, 300], "flags": {},
        "order": order, "mode": 0, "inputs": [], "outputs": [], "title": "About",
        "properties": {}, "widgets_values": [text], "color": "#432", "bgcolor": "#653",
    }  # fmt: skip


def main() -> None:
    """Write all workflows."""
    with urllib.request.urlopen(f"{sys.argv[1]}/object_info", timeout=60) as reply:
        info = json.load(reply)
    for name, (note, described) in WORKFLOWS.items():
        nodes = {key: Node(*parts) for key, parts in described.items()}
        graph, api = build(name, note, nodes, info)
        for path, data in (
            (ROOT / "workflows" / f"{name}.json", graph),
            (ROOT / "workflows" / "api" / f"{name}_api.json", api),
        ):
            path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
