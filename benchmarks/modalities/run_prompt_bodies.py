"""`python -m benchmarks modalities --bodies`: PDN's module in other networks."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmsr_core.errors import InputError
from mmsr_core.image import make_folder

from ..inputs import sources
from ..inputs.captioned import load_captioned
from ..report.environment import describe_environment, provenance, write_json, write_text
from .prompt_bodies import compare_prompt_bodies, prompt_bodies_table

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PromptBodiesOptions:
    """Arguments of `python -m benchmarks modalities --bodies`."""

    out: Path
    minutes: float
    """For the training of all bodies together."""
    photos: Path | None = None
    """Folder with `photos_*.tar` and their captions, `photos.json`."""
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    model: str = "small"
    """Weights whose text encoder reads the captions."""


def run_prompt_bodies(options: PromptBodiesOptions) -> dict[str, Any]:
    """Train and compare the bodies; write `prompt_bodies.json` and `prompt_bodies.md`.

    Returns:
        What the JSON file holds.

    Raises:
        InputError: no minutes, no photographs, or weights without a text encoder.
    """
    from mmsr_core.models.network import load_network
    from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts
    from mmsr_core.weights import find_weights, verify_folder

    if not options.minutes > 0:
        raise InputError(f"--bodies must be a number of minutes above 0, not {options.minutes:g}.")
    folder = options.photos or sources.shared_path("data")
    photos = sources.need_folder(folder, "captioned photographs", "--photos")
    make_folder(options.out)
    weights = find_weights(options.model)
    verify_folder(weights)
    if not (weights / "prompt_encoder").is_dir():
        raise InputError(f"The weights {options.model!r} have no text encoder.")
    encoder = load_network(weights / "prompt_encoder", PromptTextEncoder)
    training, held_out = load_captioned(photos, lambda texts: encode_texts(encoder, texts))
    rows = compare_prompt_bodies(
        training, held_out, seeds=options.seeds, steps=100_000, seconds=60 * options.minutes
    )
    environment = describe_environment()
    result: dict[str, Any] = {
        "benchmark": "prompt bodies",
        "environment": environment,
        "options": sources.display_options(asdict(options)),
        "pictures": {"training": len(training), "held out": len(held_out)},
        "rows": [asdict(row) for row in rows],
    }
    text = (
        f"# PDN's module in other networks\n\n{provenance(environment)}; "
        f"{options.minutes:g} minutes of training in all, {len(training)} pictures, "
        f"{len(held_out)} held out.\n\n"
        f"{prompt_bodies_table(rows)}\n"
    )
    write_json(options.out / "prompt_bodies.json", result)
    write_text(options.out / "prompt_bodies.md", text)
    _LOG.info(text)
    return result
