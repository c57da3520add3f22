"""Store in a trained prompt encoder which words it has learned; nothing else of it changes.

`python -m training.tools.vocabulary --encoder weights/small/prompt_encoder --nouns FILE
[--wordnet FOLDER] [--captions photos.json]`, with the lists that it was trained on. The sums of a
weights folder are renewed with `training.tools.export`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mmsr_core.models.network import load_network
from mmsr_core.models.text_encoder import PromptTextEncoder
from mmsr_core.models.word_filter import word_filter

from ..command import Parser, run_main
from ..data.nouns import read_nouns, read_wordnet, spread
from ..data.text_batches import learned_words, read_captions
from ..stages.text_encoder import VOCABULARY_BYTES
from .export import save_component


def with_vocabulary(net: PromptTextEncoder, words: set[str], size: int) -> PromptTextEncoder:
    """`net` with the filter of `words`, of `size` bytes."""
    new = PromptTextEncoder(**{**net.config, "vocabulary_bytes": size})
    new.load_state_dict({**net.state_dict(), "vocabulary": word_filter(words, size)})
    return new.eval()


def main() -> None:
    """Command line of the tool."""
    parser = Parser(description=__doc__)
    parser.add_argument("--encoder", required=True, type=Path)
    parser.add_argument("--nouns", required=True, help="npz with names and embeddings")
    parser.add_argument("--wordnet", help="folder with data.noun and index.noun")
    parser.add_argument("--captions", help="photos.json")
    args = parser.parse_args()
    nouns, _ = read_nouns(args.nouns)
    words = spread(nouns, read_wordnet(args.wordnet)) if args.wordnet else {}
    known = learned_words(nouns, words, read_captions(args.captions) if args.captions else [])
    net = load_network(args.encoder, PromptTextEncoder)
    save_component(with_vocabulary(net, known, VOCABULARY_BYTES), args.encoder)
    print(f"{len(known)} words")


if __name__ == "__main__":
    sys.exit(run_main(main))
