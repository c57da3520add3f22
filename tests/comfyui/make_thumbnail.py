"""Run each workflow in a real ComfyUI and write its thumbnail, before | after.

`COMFYUI_PATH=... python tests/comfyui/make_thumbnail.py [NAME...]` rewrites `workflows/*.jpg`.
Needed when the model, an example picture or a workflow has changed. A workflow that needs something
that is not there (a checkpoint, a network the weights lack) shows its inputs instead, and says so.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from comfy_server import ROOT, ComfyServer, copy_examples, copy_pack
from PIL import Image, ImageDraw
from workflow_list import TITLES

SIDE = 512


def before_after(before: Image.Image, after: Image.Image) -> Image.Image:
    """Left half the input, enlarged; right half the result."""
    size = after.size
    if max(size) != SIDE:
        size = (round(size[0] * SIDE / max(size)), round(size[1] * SIDE / max(size)))
    picture = after.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    left = before.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    middle = size[0] // 2
    picture.paste(left.crop((0, 0, middle, size[1])), (0, 0))
    ImageDraw.Draw(picture).line((middle, 0, middle, size[1]), fill="white", width=2)
    return picture


def make(server: ComfyServer, path: Path) -> Image.Image:
    """The thumbnail of one workflow."""
    prompt = json.loads(path.read_text(encoding="utf-8"))
    loaded = [n["inputs"]["image"] for n in prompt.values() if n["class_type"] == "LoadImage"]
    sources = [Image.open(ROOT / "assets" / name) for name in loaded]
    saving = [k for k, n in prompt.items() if n["class_type"] == "SaveImage"][-1]
    outputs = attempt(server, prompt)
    if saving not in outputs:
        print(f"{path.name}: did not run as it is; shown without what is missing")  # noqa: T201
        for node in prompt.values():
            node["inputs"].pop("prompt", None)
        outputs = attempt(server, prompt)
    shown = outputs.get(saving) or next((o for o in outputs.values() if "images" in o), None)
    if shown is None:
        return before_after(sources[0], sources[-1])
    return before_after(sources[0], Image.open(io.BytesIO(server.picture(shown["images"][0]))))


def attempt(server: ComfyServer, prompt: dict) -> dict:
    """The outputs of a prompt, as far as it can be run."""
    _, reply = server.post("/prompt", {"prompt": prompt, "client_id": "thumbnail"})
    if "prompt_id" not in reply:
        return {}
    return server.wait(reply["prompt_id"], timeout=1800).outputs


def main() -> None:
    """Make all thumbnails, or those named."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        copy_pack(base)
        copy_examples(base / "input")
        with ComfyServer(Path(os.environ["COMFYUI_PATH"]), base) as server:
            for path in sorted((ROOT / "workflows" / "api").glob("*_api.json")):
                name = path.stem.removesuffix("_api")
                if len(sys.argv) > 1 and name not in sys.argv[1:]:
                    continue
                made = ROOT / "workflows" / f"{TITLES[name]}.jpg"
                make(server, path).save(made, quality=85)


if __name__ == "__main__":
    main()
