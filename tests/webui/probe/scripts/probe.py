"""For the tests: an address that runs the Extras scripts with the controls of our own.

The host's API hands None to the controls of every script that it does not know.
"""

import base64
import io
from typing import Any

from modules import script_callbacks, scripts, scripts_postprocessing
from PIL import Image


def _text(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def _run(request: dict[str, Any]) -> dict[str, Any]:
    image = Image.open(io.BytesIO(base64.b64decode(request["image"])))
    off = {"upscale_enabled": False, "upscaler_1_name": "None", "upscale_by": 1.0}
    off |= {"upscale_mode": 0, "max_side_length": 0}
    chosen = {"MMSR": request["controls"], "Upscale": off}
    args = scripts.scripts_postproc.create_args_for_run(chosen)
    pp = scripts_postprocessing.PostprocessedImage(image)
    scripts.scripts_postproc.run(pp, args)
    extras = [_text(extra.image) for extra in pp.extra_images]
    return {"image": _text(pp.image), "info": pp.info, "extras": extras}


def _add_address(_: Any, app: Any) -> None:
    app.post("/probe/extras")(_run)


script_callbacks.on_app_started(_add_address)
