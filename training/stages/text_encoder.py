"""Distil CLIP's embeddings of nouns into the built-in text encoder.

`python -m training.stages.text_encoder --nouns clip_vitb32_nouns.npz --out runs/text --minutes 4
[--wordnet FOLDER] [--captions photos.json] [--hold-out 200]`

prints its figures at the end; with `--evaluate FOLDER` it only prints those of saved weights. What
is held out follows from `--hold-out` and `--seed`, so both must be given again to evaluate. The
WordNet folder (3.0 or 3.1: `data.noun`, `index.noun`; free for any purpose under Princeton's
licence, packaged by most systems) is used in training only.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsr_core.models.network import load_network
from mmsr_core.models.text_encoder import PromptTextEncoder
from mmsr_core.models.tokens import tokenise
from mmsr_core.models.word_filter import word_filter

from ..command import ABOVE_0, COUNT, COUNT_OR_0, SEED, Parser, run_main
from ..data.nouns import Noun, read_nouns, read_wordnet, spread
from ..data.text_batches import (
    TextBatch,
    distillation_loss,
    learned_words,
    read_captions,
    text_batches,
)
from ..loop.loop import LoopConfig, Numbers, train
from ..tools.export import save_component
from ..tools.text_evaluation import figures

VOCABULARY_BYTES = 1 << 17
"""Of the filter of learned words: 13 bits for each of 80,000."""


def hold_out(nouns: list[Noun], count: int, seed: int) -> tuple[list[Noun], list[Noun]]:
    """Training nouns and held-out ones."""
    chosen = set(random.Random(seed).sample(range(len(nouns)), count))
    kept = [n for i, n in enumerate(nouns) if i not in chosen]
    return kept, [n for i, n in enumerate(nouns) if i in chosen]


def main() -> None:
    """Command line of the text encoder."""
    parser = Parser(description=__doc__)
    parser.add_argument("--nouns", required=True, help="npz with names and embeddings")
    parser.add_argument("--out", help="run folder; an unfinished run is resumed")
    parser.add_argument("--evaluate", help="folder of saved weights: print figures, train nothing")
    parser.add_argument("--wordnet", help="folder with data.noun and index.noun")
    parser.add_argument("--captions", help="photos.json")
    parser.add_argument("--hold-out", type=COUNT_OR_0, default=0, help="nouns never trained on")
    parser.add_argument("--minutes", type=ABOVE_0, default=4.0)
    parser.add_argument("--steps", type=COUNT_OR_0, default=1_000_000)
    parser.add_argument("--batch", type=COUNT, default=256)
    parser.add_argument("--lr", type=ABOVE_0, default=3e-3)
    parser.add_argument("--seed", type=SEED, default=0)
    args = parser.parse_args()

    nouns, centre = read_nouns(args.nouns)
    kept, hidden = hold_out(nouns, args.hold_out, args.seed)
    database = read_wordnet(args.wordnet) if args.wordnet else None
    words = spread(kept, database) if database else {}
    if args.evaluate:
        net = load_network(Path(args.evaluate), PromptTextEncoder)
    else:
        if not args.out:
            parser.error("give --out or --evaluate")
        net = distil(args, kept, centre, words, database.common if database else set())
    known = {name for noun in kept for name in noun.names} | set(words)
    print(json.dumps({"words": len(words), **figures(net, nouns, hidden, known)}, indent=2))


def distil(
    args: argparse.Namespace,
    nouns: list[Noun],
    centre: Tensor,
    words: dict[str, Tensor],
    common: set[str],
) -> PromptTextEncoder:
    """Train on the CPU and save `<out>/prompt_encoder` in float16."""
    torch.manual_seed(args.seed)
    net = PromptTextEncoder(vocabulary_bytes=VOCABULARY_BYTES)
    net.centre.copy_(centre)
    buckets = net.table.num_embeddings
    bank = F.normalize(torch.stack([n.deviation for n in nouns]), dim=-1)
    captions = read_captions(args.captions) if args.captions else []
    net.vocabulary.copy_(word_filter(learned_words(nouns, words, captions), VOCABULARY_BYTES))
    batches = text_batches(nouns, words, common, captions, args.batch, args.seed)

    def loss_fn(model: nn.Module, batch: object, share: float) -> tuple[Tensor, Numbers]:
        if not isinstance(batch, TextBatch):
            raise TypeError(f"expected a TextBatch, got {type(batch).__name__}")
        return distillation_loss(model.deviation(tokenise(batch.texts, buckets)), batch, bank)  # type: ignore[operator]

    config = LoopConfig(
        out=args.out,
        minutes=args.minutes,
        steps=args.steps,
        lr=args.lr,
        weight_decay=1e-3,
        muon=False,  # a shallow net on a table: 60 steps of AdamW get further
        ema_decay=0.99,
        mixed_precision="no",
        seed=args.seed,
        log_every=50,
    )
    trained = train(net, batches, loss_fn, config)
    folder = Path(args.out) / "prompt_encoder"
    save_component(trained, folder)
    return load_network(folder, PromptTextEncoder)


if __name__ == "__main__":
    sys.exit(run_main(main))
