"""Rules of the node pack, checked on its source."""

import ast
import json
import re
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODES = sorted((ROOT / "nodes").glob("*.py"))
HOST = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "folder_paths", "server"}


def imports(path: Path) -> list[tuple[str, int, ast.stmt]]:
    """(module, relative level, statement) of every import in a file, wherever it stands."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.module is None:
                found += [(alias.name, node.level, node) for alias in node.names]
            else:
                found.append((node.module, node.level, node))
    return found


@pytest.mark.parametrize("path", NODES, ids=lambda p: p.name)
def test_only_runtime_touches_the_host_and_nothing_depends_on_the_folder_name(path):
    for module, level, node in imports(path):
        top = module.split(".")[0]
        if level == 0 and top in HOST:
            allowed = {
                "host_api.py": {"comfy_api"}, "runtime.py": {"comfy"}, "examples.py": {"server"},
            }  # fmt: skip
            if path.name in {"convert.py", "payloads.py", "views.py", "__init__.py"}:
                allowed[path.name] = set()
            assert top in allowed.get(path.name, {"folder_paths"}), f"{path.name} imports {module}"
        assert level > 0 or top not in {"mmsr_core", "nodes"}, f"{path.name}: {module} by name"
        assert level <= 2, f"{path.name}: {ast.unparse(node)} leaves the pack"


def test_the_hosts_interface_is_pinned_to_a_numbered_version():
    (module,) = [
        module
        for module, _, _ in imports(ROOT / "nodes" / "host_api.py")
        if module.split(".")[0] == "comfy_api"
    ]
    assert re.fullmatch(r"comfy_api\.v\d+_\d+_\d+", module), "not `latest`, which may change"


@pytest.mark.parametrize("path", NODES, ids=lambda p: p.name)
def test_heavy_imports_wait_until_a_node_runs(path):
    heavy = {"diffusers", "transformers", "accelerate", "scipy", "matplotlib"}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            assert name.split(".")[0] not in heavy
            light = {"mmsr_core.errors", "mmsr_core.types", "mmsr_core.weights"}
            assert not name.startswith("mmsr_core") or name in light, f"{name} at module level"


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


def test_each_socket_is_declared_once():
    declared: list[tuple[str, str]] = []
    for path in NODES:
        for call in calls(ast.parse(path.read_text(encoding="utf-8")), "io.Custom"):
            declared.append((path.name, ast.literal_eval(call.args[0])))
    names = [name for _, name in declared]
    assert {file for file, _ in declared} == {"sockets.py"}
    assert len(names) == len(set(names))
    assert {"MMSR_MODEL", "MMSR_DEGRADATION", "MMSR_CONDITIONING"} <= set(names)
    assert all(re.fullmatch(r"MMSR_[A-Z_]+", name) for name in names)


def schemas() -> list[tuple[str, dict[str, ast.expr]]]:
    found = []
    for path in NODES:
        for call in calls(ast.parse(path.read_text(encoding="utf-8")), "io.Schema"):
            found.append((path.name, {k.arg: k.value for k in call.keywords}))
    return found


# Saved workflows hold these. A name may be added, never changed or removed.
PUBLISHED_IDS = {
    "MMSR_LoadModel",
    "MMSR_Upscale",
    "MMSR_EstimateDegradation",
    "MMSR_DepthNode",
    "MMSR_KernelRefineNode",
    "MMSR_ModalityFusionNode",
    "MMSR_SRSamplerNode",
    "MMSR_EditKernelField",
    "MMSR_SaveKernelField",
    "MMSR_LoadKernelField",
    "MMSR_Prompt",
    "MMSR_FuseSensors",
    "MMSR_WeightMap",
    "MMSR_Degrade",
    "MMSR_FaithfulnessCheck",
    "MMSR_MergeUpscale",
    "MMSR_GuideModel",
    "MMSR_AsUpscaleModel",
}


def test_node_ids_are_unique_prefixed_and_kept():
    ids = [ast.literal_eval(fields["node_id"]) for _, fields in schemas()]
    assert len(ids) == len(set(ids))
    assert all(name.startswith("MMSR_") for name in ids)
    assert set(ids) >= PUBLISHED_IDS


def test_every_node_class_is_registered():
    classes = set()
    for path in NODES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(
                ast.unparse(base) == "io.ComfyNode" for base in node.bases
            ):
                classes.add(node.name)
    extension = ast.parse((ROOT / "nodes" / "extension.py").read_text(encoding="utf-8"))
    listed = next(
        {element.id for element in node.value.elts}
        for node in extension.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "NODES"
    )
    assert listed == classes


def test_own_validation_does_not_silence_the_hosts_range_checks():
    # An input named in validate_inputs loses the host's own checks: only choices and texts, which
    # have no range, may be named, and the tile, whose range check_tile knows.
    for path in NODES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        shared = ast.parse((ROOT / "nodes" / "inputs.py").read_text(encoding="utf-8"))
        combos = {
            ast.literal_eval(call.args[0])
            for part in (tree, shared)
            for kind in ("Combo", "String")
            for call in calls(part, f"io.{kind}.Input")
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "validate_inputs":
                named = {argument.arg for argument in node.args.args} - {"cls"}
                assert node.args.kwarg is None
                assert named <= combos | {"tile"}, f"{path.name}: {named - combos}"
                assert ("tile" in named) == ("check_tile(tile)" in ast.unparse(node))


def test_every_node_with_a_panel_is_an_output():
    """A panel asks for a run. The host runs no graph without an output."""
    outputs = {
        ast.literal_eval(fields["node_id"])
        for _, fields in schemas()
        if "is_output_node" in fields and ast.literal_eval(fields["is_output_node"])
    }
    script = (ROOT / "web" / "mmsr.js").read_text(encoding="utf-8")
    listed = re.search(r"const NODES = new Set\(\[(.*?)\]\)", script, re.DOTALL)
    assert listed is not None
    assert outputs == set(re.findall(r'"(MMSR_\w+)"', listed[1])) | {"MMSR_SaveKernelField"}


@pytest.mark.parametrize(
    "graph",
    sorted((ROOT / "workflows").glob("*.json")),
    ids=lambda p: p.stem,
)
def test_workflow_graphs_are_whole(graph):
    data = json.loads(graph.read_text(encoding="utf-8"))
    assert data["version"] == 0.4
    nodes = {node["id"]: node for node in data["nodes"]}
    assert data["last_node_id"] == max(nodes)
    assert data["last_link_id"] == max(link[0] for link in data["links"])
    for link_id, source, source_slot, target, target_slot, kind in data["links"]:
        output = nodes[source]["outputs"][source_slot]
        entry = nodes[target]["inputs"][target_slot]
        assert link_id in output["links"]
        assert entry["link"] == link_id
        assert output["type"] == kind
        assert entry["type"] in (kind, "*")
    linked = [i["link"] for n in nodes.values() for i in n.get("inputs", []) if i.get("link")]
    assert sorted(linked) == sorted(link[0] for link in data["links"])
    # The file is named by its title; the graph's own id is made of the name of its API form.
    (path,) = [
        path
        for path in (graph.parent / "api").glob("*_api.json")
        if data["id"] == str(uuid5(NAMESPACE_URL, f"mmsr/{path.stem.removesuffix('_api')}"))
    ]
    api = json.loads(path.read_text(encoding="utf-8"))
    shown = sorted(n["type"] for n in nodes.values() if n["type"] not in {"Note", "MarkdownNote"})
    assert shown == sorted(node["class_type"] for node in api.values())
    assert graph.with_suffix(".jpg").is_file()
    app = data["extra"].get("linearData", {"inputs": [], "outputs": []})
    for number, name, _ in app["inputs"]:
        assert name in api[str(number)]["inputs"]
    assert {api[str(number)]["class_type"] for number in app["outputs"]} <= {"SaveImage"}
    assert data["extra"].get("linearMode", False) == bool(app["inputs"] and app["outputs"])


@pytest.mark.parametrize("path", sorted((ROOT / "subgraphs").glob("*.json")), ids=lambda p: p.stem)
def test_blueprints_are_whole(path):
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["version"] == 0.4
    (outside,) = data["nodes"]
    (inside,) = data["definitions"]["subgraphs"]
    assert outside["type"] == inside["id"]
    assert outside["title"] == inside["name"] == path.stem
    assert data["extra"]["BlueprintDescription"] == inside["description"] != ""
    assert data["extra"]["BlueprintSearchAliases"]
    nodes = {node["id"]: node for node in inside["nodes"]}
    first, last = inside["inputNode"]["id"], inside["outputNode"]["id"]
    for link in inside["links"]:
        source, target = link["origin_id"], link["target_id"]
        if source == first:
            output = inside["inputs"][link["origin_slot"]]
            assert link["id"] in output["linkIds"]
        else:
            output = nodes[source]["outputs"][link["origin_slot"]]
            assert link["id"] in output["links"]
        if target == last:
            entry = inside["outputs"][link["target_slot"]]
            assert entry["linkIds"] == [link["id"]]
        else:
            entry = nodes[target]["inputs"][link["target_slot"]]
            assert entry["link"] == link["id"]
        assert output["type"] == entry["type"] == link["type"]
    linked = [link["id"] for link in inside["links"]]
    counted = [i["link"] for n in nodes.values() for i in n["inputs"] if i["link"]]
    counted += [number for port in inside["outputs"] for number in port["linkIds"]]
    assert sorted(counted) == sorted(set(linked)) == sorted(linked)
    for side in ("inputs", "outputs"):
        shown = [(port["name"], port["type"]) for port in outside[side]]
        assert shown == [(port["name"], port["type"]) for port in inside[side]]
        assert all(port["linkIds"] for port in inside[side])
    widgets = [port for port in outside["inputs"] if "widget" in port]
    assert len(outside["widgets_values"]) == len(widgets)
    assert any(node["type"].startswith("MMSR_") for node in nodes.values())
