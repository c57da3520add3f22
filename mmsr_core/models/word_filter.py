"""Which words an encoder has learned, in little memory: a Bloom filter (Bloom 1970).

A word that was put in is always found. One that was not is found by mistake in less than one case
in a hundred, where there are 12 bits or more for each word.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from .tokens import fnv1a

_HASHES = 5


def word_filter(words: Iterable[str], size: int) -> Tensor:
    """The filter of `words`: `(size,)` uint8.

    Args:
        words: as `tokens.words_of` gives them.
        size: bytes, above 0.
    """
    bits = torch.zeros(8 * size, dtype=torch.uint8)
    bits[[place for word in words for place in _places(word, 8 * size)]] = 1
    shifts = torch.arange(8, dtype=torch.uint8)
    return (bits.view(size, 8) << shifts).sum(1).to(torch.uint8)


def holds(made: Tensor, word: str) -> bool:
    """Whether `word` was put into the filter `made`."""
    filled = made.cpu()
    return all(int(filled[place // 8]) >> place % 8 & 1 for place in _places(word, 8 * len(filled)))


def _places(word: str, bits: int) -> list[int]:
    """Bits of a word: two hashes give all others (Kirsch and Mitzenmacher 2006)."""
    first, second = (fnv1a(word, seed) for seed in (0x811C9DC5, 0x9747B28C))
    return [(first + i * (second | 1)) % bits for i in range(_HASHES)]
