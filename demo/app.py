"""Entry for hosting the demo: `python demo/app.py`, or a Space whose app file this is.

Host and port come from the environment (`GRADIO_SERVER_NAME`, `GRADIO_SERVER_PORT`), as hosting
services set them; without them only this computer can reach the page. `MMSR_MODEL` names other
weights, `MMSR_CLIP` the folder of a CLIP model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

# A host starts this file as it is: the package lies beside its folder, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmsr_core.errors import InputError, MMSRError
from mmsr_demo import DemoSettings, run_demo

_MAX_PORT = 65535


def read_settings(environment: Mapping[str, str]) -> DemoSettings:
    """What the environment asks for.

    Raises:
        InputError: The port is no port.
    """
    port = environment.get("GRADIO_SERVER_PORT", "7860")
    if not port.isdecimal() or int(port) > _MAX_PORT:
        raise InputError(f"GRADIO_SERVER_PORT must be from 0 to {_MAX_PORT}, not {port!r}.")
    return DemoSettings(
        host=environment.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        port=int(port),
        model=environment.get("MMSR_MODEL", "small"),
        clip=environment.get("MMSR_CLIP") or None,
        open_browser=False,
    )


def main() -> int:
    """Serves until it is ended; returns the exit code."""
    try:
        run_demo(read_settings(os.environ), lambda url: _say(sys.stdout, f"MMSR is at {url}"))
    except MMSRError as error:
        _say(sys.stderr, f"mmsr: error: {error}")
        return 2
    return 0


def _say(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    raise SystemExit(main())
