"""Entry for hosting the demo: `python demo/app.py`, or a Space whose app file this is.

Host and port come from the environment (`GRADIO_SERVER_NAME`, `GRADIO_SERVER_PORT`), as hosting
services set them; without them only this computer can reach the page.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A host starts this file as it is: the package lies beside its folder, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmsr_core.demo import DemoSettings, run_demo


def settings() -> DemoSettings:
    """What the environment asks for."""
    return DemoSettings(
        host=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        model=os.environ.get("MMSR_MODEL", "small"),
        open_browser=False,
    )


if __name__ == "__main__":
    run_demo(settings())
