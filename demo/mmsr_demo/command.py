"""`mmsr demo`: a page in the browser that restores pictures on this computer."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mmsr_core.cli.arguments import add_common, device_name, whole_number


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="open a page in the browser",
        description="Opens a page on this computer: drop a picture, see what is wrong with it, get "
        'it back sharp. Needs gradio: pip install "mmsr[demo]".',
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen; anything but 127.0.0.1 lets others use it (default 127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=whole_number(0, 65535),
        default=7860,
        metavar="N",
        help="0 takes a free one (default 7860)",
    )
    parser.add_argument(
        "--model", default="small", metavar="NAME", help="weights: small, a folder, or owner/name"
    )
    parser.add_argument(
        "--device",
        type=device_name,
        default="auto",
        metavar="NAME",
        help="auto, cpu, cuda, cuda:N or mps (default auto)",
    )
    parser.add_argument(
        "--clip",
        type=Path,
        metavar="DIR",
        help="a CLIP model on this computer, for reference pictures",
    )
    parser.add_argument(
        "--max-pixels",
        type=whole_number(1024, 10**9),
        default=25_000_000,
        metavar="N",
        help="larger pictures are refused (default 25000000)",
    )
    parser.add_argument(
        "--max-upload-mb",
        type=whole_number(1, 4096),
        default=60,
        metavar="N",
        help="larger files are refused (default 60)",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from . import DemoSettings, run_demo

    model = args.model
    if os.path.isdir(model) and model != "small":
        model = Path(model)
    settings = DemoSettings(
        host=args.host,
        port=args.port,
        model=model,
        device=args.device,
        clip=args.clip,
        max_pixels=args.max_pixels,
        max_upload_mb=args.max_upload_mb,
        open_browser=not args.no_browser,
        debug=args.debug,
    )

    def announce(url: str) -> None:
        if not args.quiet:
            print(f"MMSR is at {url} (Ctrl+C ends it).", flush=True)

    run_demo(settings, announce)
    return 0
