"""Write `workflows/*.json` (graph format 0.4), `workflows/api/*_api.json` and `subgraphs/*.json`.

`python tests/comfyui/make_workflows.py http://127.0.0.1:8188` asks a running ComfyUI with this pack
for the nodes' inputs and outputs. Needed when a node's inputs, a workflow or a blueprint change;
then run `make_thumbnail.py`.
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

from blueprint_list import BLUEPRINTS, CATEGORY, Blueprint, Outside
from workflow_list import APPS, TITLES, WORKFLOWS, App

ROOT = Path(__file__).resolve().parents[2]
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
VERSION = "0.1.0"
VIEW_WIDTH = 1400
"""Of the canvas on a small screen, px."""
INSIDE_INPUT, INSIDE_OUTPUT = -10, -20
"""The ids that the frontend gives to the two ends of every subgraph."""


@dataclass
class Node:
    """A node: links are `("id", slot)` or `Outside`, everything else is a widget's value."""

    type: str
    at: tuple[int, int]
    size: tuple[int, int]
    inputs: dict[str, Any] = field(default_factory=dict)
    title: str | None = None


@dataclass
class Link:
    """From an output to an input."""

    id: int
    source: int
    source_slot: int
    target: int
    target_slot: int
    type: str

    def listed(self) -> list:
        """As a workflow has it."""
        return [*vars(self).values()]

    def named(self) -> dict[str, int | str]:
        """As a subgraph has it."""
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        return dict(zip(names, self.listed(), strict=True))


@dataclass
class Port:
    """An input of a blueprint: what it takes, and the value of its widget where it has one."""

    type: str
    widget: bool
    value: Any
    label: str = ""
    links: list[int] = field(default_factory=list)


@dataclass
class Graph:
    """The nodes of a graph, laid out."""

    nodes: list[dict] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    api: dict[str, dict] = field(default_factory=dict)
    ports: dict[str, Port] = field(default_factory=dict)


def default_of(kind: Any, options: dict) -> Any:
    """What the frontend puts into a fresh widget."""
    if "default" in options:
        return options["default"]
    if isinstance(kind, list):
        return kind[0] if kind else ""
    if options.get("options"):
        return options["options"][0]
    return {"STRING": "", "BOOLEAN": False}.get(kind, 0)


@dataclass(frozen=True)
class Declared:
    """An input as its node declares it."""

    name: str
    type: str
    optional: bool
    widget: bool
    default: Any
    companions: tuple[str, ...]
    """Values of the widgets that the frontend adds to this one."""


def declared_inputs(spec: dict) -> list[Declared]:
    """The inputs of a node by the host's `/object_info`."""
    found = []
    for group in ("required", "optional"):
        for name, (kind, *rest) in spec["input"].get(group, {}).items():
            options = rest[0] if rest else {}
            type_name = "COMBO" if isinstance(kind, list) else kind
            widget = type_name in WIDGETS and not options.get("forceInput")
            companions = []
            if options.get("control_after_generate"):
                companions.append("fixed")
            if options.get("image_upload"):
                companions.append("image")
            default = default_of(kind, options) if widget else None
            found.append(
                Declared(name, type_name, group == "optional", widget, default, tuple(companions))
            )
    return found


def lay_out(
    name: str,
    nodes: dict[str, Node],
    info: dict,
    ends: dict[str, int] | None = None,
    labels: dict[tuple[str, str], str] | None = None,
) -> Graph:
    """Nodes and links of one graph.

    Args:
        name: for messages.
        nodes: what to lay out.
        info: the host's `/object_info`.
        ends: of a blueprint: the place of each of its inputs. Then all inputs are written down,
            those with a widget as well, for the frontend finds them by their place.
        labels: (node, input) to what the frontend shows in place of the input's name.
    """
    made = Graph()
    labels = labels or {}
    for order, (key, node) in enumerate(nodes.items()):
        spec = info[node.type]
        entries, values, api_inputs = [], [], {}
        declared = declared_inputs(spec)
        # The frontend gives a node its plain sockets first, then those of its widgets.
        for declaration in sorted(declared, key=lambda one: one.widget):
            input_name, type_name = declaration.name, declaration.type
            given = node.inputs.get(input_name)
            linked = isinstance(given, (tuple, Outside))
            value = declaration.default
            if declaration.widget:
                if isinstance(given, Outside) and given.value is not None:
                    value = given.value
                elif given is not None and not linked:
                    value = given
                values += [value, *declaration.companions]
                api_inputs[input_name] = value
                if not linked and ends is None and (key, input_name) not in labels:
                    continue
            entry: dict[str, Any] = {"name": input_name, "type": type_name, "link": None}
            if (key, input_name) in labels:
                entry["label"] = labels[key, input_name]
            if declaration.widget:
                entry["widget"] = {"name": input_name}
            if declaration.optional:
                entry["shape"] = 7
            if isinstance(given, Outside):
                if ends is None:
                    raise SystemExit(f"{name}: {node.type}.{input_name}: only in a blueprint")
                link = Link(
                    len(made.links) + 1, INSIDE_INPUT, ends[given.name], int(key), len(entries),
                    type_name,
                )  # fmt: skip
                port = Port(type_name, declaration.widget, value, given.label)
                port = made.ports.setdefault(given.name, port)
                if (port.type, port.value) != (type_name, value):
                    raise SystemExit(f"{name}: {given.name} is to be two different things")
                port.links.append(link.id)
            elif linked:
                source, slot = given
                link = Link(
                    len(made.links) + 1, int(source), slot, int(key), len(entries),
                    info[nodes[source].type]["output"][slot],
                )  # fmt: skip
                api_inputs[input_name] = [source, slot]
            elif not declaration.optional and not declaration.widget:
                raise SystemExit(f"{name}: {node.type}.{input_name} is not connected")
            if linked:
                entry["link"] = link.id
                made.links.append(link)
            entries.append(entry)
        seen = [one.name for one in declared]
        api_inputs = {key: api_inputs[key] for key in seen if key in api_inputs}
        unknown = set(node.inputs) - set(seen)
        if unknown:
            raise SystemExit(f"{name}: {node.type} has no inputs {unknown}")
        ours = node.type.startswith("MMSR_")
        shown: dict[str, Any] = {
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
            shown["title"] = node.title
        made.nodes.append(shown)
        made.api[key] = {
            "class_type": node.type,
            "inputs": api_inputs,
            "_meta": {"title": node.title or spec["display_name"] or node.type},
        }
    for shown in made.nodes:
        spec = info[shown["type"]]
        for slot, kind in enumerate(spec["output"]):
            leaving = [k.id for k in made.links if (k.source, k.source_slot) == (shown["id"], slot)]
            shown["outputs"].append(
                {"name": spec["output_name"][slot], "type": kind, "links": leaving}
            )
    return made


def build(
    name: str, note: str, nodes: dict[str, Node], info: dict, app: App | None = None
) -> tuple[dict, dict]:
    """The graph form and the API form of one workflow."""
    labels = {(c.node, c.input): c.label for c in app.controls} if app else {}
    made = lay_out(name, nodes, info, labels=labels)
    number = max(int(key) for key in nodes) + 1
    extra: dict[str, Any] = {"ds": {"scale": view_scale(nodes), "offset": [60, 320]}}
    if app:
        extra |= {"linearMode": True, "linearData": linear_data(app)}
    graph = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"mmsr/{name}")),
        "revision": 0,
        "last_node_id": number,
        "last_link_id": len(made.links),
        "nodes": [*made.nodes, note_node(number, note, len(made.nodes))],
        "links": [link.listed() for link in made.links],
        "groups": [],
        "config": {},
        "extra": extra,
        "version": 0.4,
    }
    return graph, made.api


def view_scale(nodes: dict[str, Node]) -> float:
    """The zoom a workflow opens with: all of its width in sight, as far as notes stay readable."""
    right = max(node.at[0] + node.size[0] for node in nodes.values())
    return min(0.9, max(0.6, round(VIEW_WIDTH / (right + 60), 2)))


def linear_data(app: App) -> dict:
    """What the frontend's app mode shows: controls, and nodes with results."""
    return {
        "inputs": [
            [int(c.node), c.input, {"description": c.description} if c.description else {}]
            for c in app.controls
        ],
        "outputs": [int(key) for key in app.results],
    }


def build_blueprint(name: str, blueprint: Blueprint, info: dict) -> dict:
    """A workflow of one subgraph node, as the host's `/global_subgraphs` hands it out."""
    nodes = {key: Node(*parts) for key, parts in blueprint.nodes.items()}
    ends = {port: place for place, port in enumerate(blueprint.inputs)}
    made = lay_out(name, nodes, info, ends)
    if set(made.ports) != set(ends):
        raise SystemExit(f"{name}: unused inputs {set(ends) - set(made.ports)}")

    def identity(*parts: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("mmsr", "subgraph", name, *parts))))

    left = min(node.at[0] for node in nodes.values()) - 220
    right = max(node.at[0] + node.size[0] for node in nodes.values()) + 100
    height = 20 * max(len(blueprint.inputs), len(blueprint.outputs)) + 40
    inputs, host_inputs, values = [], [], []
    for place, port in enumerate(blueprint.inputs):
        known = made.ports[port]
        label = {"label": known.label} if known.label else {}
        inputs.append(
            {
                "id": identity("in", port), "name": port, **label, "type": known.type,
                "linkIds": known.links, "pos": [left + 100, 140 + 20 * place],
            }
        )  # fmt: skip
        host_inputs.append({"name": port, **label, "type": known.type, "link": None})
        if known.widget:
            host_inputs[-1]["widget"] = {"name": port}
            values.append(known.value)
    outputs, host_outputs = [], []
    for place, (port, (source, slot)) in enumerate(blueprint.outputs.items()):
        kind = info[nodes[source].type]["output"][slot]
        link = Link(len(made.links) + 1, int(source), slot, INSIDE_OUTPUT, place, kind)
        made.links.append(link)
        (node,) = [n for n in made.nodes if n["id"] == int(source)]
        node["outputs"][slot]["links"].append(link.id)
        outputs.append(
            {
                "id": identity("out", port), "name": port, "type": kind, "linkIds": [link.id],
                "pos": [right + 20, 140 + 20 * place],
            }
        )  # fmt: skip
        host_outputs.append({"name": port, "type": kind, "links": []})
    number = max(int(key) for key in nodes) + 1
    return {
        "id": identity("workflow"),
        "revision": 0,
        "last_node_id": number,
        "last_link_id": 0,
        "nodes": [
            {
                "id": number,
                "type": identity(),
                "pos": [0, 0],
                "size": [360, 60 + 24 * (len(host_inputs) + len(host_outputs))],
                "flags": {},
                "order": 0,
                "mode": 0,
                "inputs": host_inputs,
                "outputs": host_outputs,
                "properties": {"cnr_id": "mmsr", "ver": VERSION},
                "widgets_values": values,
                "title": name,
            }
        ],
        "links": [],
        "groups": [],
        "definitions": {
            "subgraphs": [
                {
                    "id": identity(),
                    "version": 1,
                    "state": {
                        "lastGroupId": 0,
                        "lastNodeId": number - 1,
                        "lastLinkId": len(made.links),
                        "lastRerouteId": 0,
                    },
                    "revision": 0,
                    "config": {},
                    "name": name,
                    "description": blueprint.description,
                    "category": CATEGORY,
                    "inputNode": {"id": INSIDE_INPUT, "bounding": [left, 120, 120, height]},
                    "outputNode": {"id": INSIDE_OUTPUT, "bounding": [right, 120, 120, height]},
                    "inputs": inputs,
                    "outputs": outputs,
                    "widgets": [],
                    "nodes": made.nodes,
                    "groups": [],
                    "links": [link.named() for link in made.links],
                    "extra": {},
                }
            ]
        },
        "config": {},
        "extra": {
            "BlueprintDescription": blueprint.description,
            "BlueprintSearchAliases": list(blueprint.aliases),
        },
        "version": 0.4,
    }


def note_node(number: int, text: str, order: int) -> dict:
    """The note above a workflow."""
    return {
        "id": number, "type": "MarkdownNote", "pos": [40, -260], "size": [720, 300], "flags": {},
        "order": order, "mode": 0, "inputs": [], "outputs": [], "title": "About",
        "properties": {}, "widgets_values": [text], "color": "#432", "bgcolor": "#653",
    }  # fmt: skip


def write(path: Path, data: dict) -> None:
    """Write one file."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Write all workflows and blueprints."""
    with urllib.request.urlopen(f"{sys.argv[1]}/object_info", timeout=60) as reply:
        info = json.load(reply)
    for name, (note, described) in WORKFLOWS.items():
        nodes = {key: Node(*parts) for key, parts in described.items()}
        graph, api = build(name, note, nodes, info, APPS.get(name))
        write(ROOT / "workflows" / f"{TITLES[name]}.json", graph)
        write(ROOT / "workflows" / "api" / f"{name}_api.json", api)
    for name, blueprint in BLUEPRINTS.items():
        write(ROOT / "subgraphs" / f"{name}.json", build_blueprint(name, blueprint, info))


if __name__ == "__main__":
    main()
