"""Run each workflow in a real ComfyUI and write its thumbnail, before | after.

`COMFYUI_PATH=... python tests/comfyui/make_thumbnail.py` rewrites `workflows/*.jpg`. Needed when
the model, the example picture or a workflow has changed.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from comfy_server import ROOT, ComfyServer, copy_pack
from PIL import Image, ImageDraw

SIDE = 512


def before_after(before: Image.Image, after: Image.Image) -> Image.Image:
    """Left half the input, enlarged; right half the result."""
    size = after.size
    if max(size) > SIDE:
        size = (round(size[0] * SIDE / max(size)), round(size[1] * SIDE / max(size)))
    picture = after.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    left = before.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    middle = size[0] // 2
    picture.paste(left.crop((0, 0, middle, size[1])), (0, 0))
    ImageDraw.Draw(picture).line((middle, 0, middle, size[1]), fill="white", width=2)
    return picture


def main() -> None:
    """Make all thumbnails."""
    example = ROOT / "assets" / "example_lr.png"
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        copy_pack(base)
        (base / "input").mkdir()
        source = Image.open(example)
        source.save(base / "input" / example.name)
        with ComfyServer(Path(os.environ["COMFYUI_PATH"]), base) as server:
            for path in sorted((ROOT / "workflows" / "api").glob("*_api.json")):
                prompt = json.loads(path.read_text(encoding="utf-8"))
                run = server.run(prompt, timeout=900)
                if run.status != "success":
                    raise SystemExit(f"{path.name}: {run.error}")
                node = next(k for k, n in prompt.items() if n["class_type"] == "SaveImage")
                item = run.outputs[node]["images"][0]
                after = Image.open(io.BytesIO(server.picture(item)))
                name = path.stem.removesuffix("_api")
                before_after(source, after).save(ROOT / "workflows" / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
