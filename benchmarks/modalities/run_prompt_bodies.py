"""`python -m benchmarks modalities --bodies`: PDN's module in other networks."""

from __future__ import annotations

import logging
from dataclasses import asdict

from mmsr_core.errors import InputError

from ..arguments import ModalitiesOptions
from ..inputs import sources
from ..inputs.captioned import load_captioned
from ..report.environment import begin_report, provenance, write_report
from ..report.failures import finish
from .prompt_bodies import compare_prompt_bodies, prompt_bodies_table

_LOG = logging.getLogger(__name__)


def run_prompt_bodies(options: ModalitiesOptions, minutes: float) -> int:
    """Train and compare the bodies; write `prompt_bodies.json` and `prompt_bodies.md`.

    Args:
        options: of them `out`, `photos`, `seeds`, and the weights whose text encoder reads the
            captions.
        minutes: for the training of all bodies together.

    Returns:
        0.

    Raises:
        InputError: no minutes, no photographs, or weights without a text encoder.
    """
    from mmsr_core.models.network import load_network
    from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts
    from mmsr_core.weights import find_weights, verify_folder

    if not minutes > 0:
        raise InputError(f"--bodies must be a number of minutes above 0, not {minutes:g}.")
    folder = options.photos or sources.shared_path("data")
    photos = sources.need_folder(folder, "captioned photographs", "--photos")
    shown = {name: getattr(options, name) for name in ("bodies", "photos", "seeds", "model")}
    result = begin_report("prompt bodies", options.out, shown)
    weights = find_weights(options.model)
    verify_folder(weights)
    if not (weights / "prompt_encoder").is_dir():
        raise InputError(f"The weights {options.model!r} have no text encoder.")
    encoder = load_network(weights / "prompt_encoder", PromptTextEncoder)
    training, held_out = load_captioned(photos, lambda texts: encode_texts(encoder, texts))
    rows = compare_prompt_bodies(
        training, held_out, seeds=options.seeds, steps=100_000, seconds=60 * minutes
    )
    result["pictures"] = {"training": len(training), "held out": len(held_out)}
    result["rows"] = [asdict(row) for row in rows]
    text = (
        f"# PDN's module in other networks\n\n{provenance(result['environment'])}; "
        f"{minutes:g} minutes of training in all, {len(training)} pictures, "
        f"{len(held_out)} held out.\n\n"
        f"{prompt_bodies_table(rows)}\n"
    )
    write_report(options.out, result, text)
    _LOG.info(text)
    return finish(options.out)
