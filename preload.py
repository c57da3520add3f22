"""Loaded by Stable Diffusion WebUI at its start: the extension's command-line arguments."""

from __future__ import annotations

import argparse


def preload(parser: argparse.ArgumentParser) -> None:
    """Adds `--mmsr-models-path`."""
    parser.add_argument(
        "--mmsr-models-path",
        type=str,
        default=None,
        help="folder with MMSR models of your own (default: models/MMSR)",
    )
