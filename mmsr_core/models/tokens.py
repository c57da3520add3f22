"""Text to hashed sub-words: words and word pairs, each with its character n-grams.

Hashed n-grams as in fastText (Bojanowski et al. 2017), every feature in two buckets, so that two
features that share one seldom share both. Nothing is learned or stored here, and any script of any
language gives features.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import InputError

MAX_WORDS = 64
"""Words of a text that are read; the rest is left out (CLIP stops at 77 tokens)."""
MAX_LETTERS = 32
"""Letters of a word that are read."""
GRAMS = (3, 4, 5)
"""Lengths of the character n-grams, counted with the marks at both ends of a word."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class TokenBatch:
    """The tokens of several texts, flat: a token is a word or a pair of neighbouring words.

    A token that occurs several times is listed once.
    """

    features: Tensor
    """`(F,)` int64 bucket of every feature of every token."""
    owner: Tensor
    """`(F,)` int64, which token a feature belongs to."""
    counts: Tensor
    """`(T,)` int64, features of each token."""
    which: Tensor
    """`(S,)` int64, the token of each occurrence."""
    slots: Tensor
    """`(S,)` int64, place of each occurrence in a `(texts, width)` table, row by row."""
    texts: int
    """Number of texts."""
    width: int
    """Tokens of the longest text."""

    def to(self, device: torch.device) -> TokenBatch:
        """The same on another device."""
        return replace(
            self,
            features=self.features.to(device),
            owner=self.owner.to(device),
            counts=self.counts.to(device),
            which=self.which.to(device),
            slots=self.slots.to(device),
        )


def words_of(text: str) -> list[str]:
    """Words without case, spacing and punctuation; symbols count as words if there is nothing else.

    Raises:
        InputError: the text is blank.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = _WORD.findall(plain) or [c for c in plain if not c.isspace() and c.isprintable()]
    if not words:
        raise InputError("The prompt is blank. Leave the prompt out (None) to run without one.")
    return [w[:MAX_LETTERS] for w in words[:MAX_WORDS]]


def tokenise(texts: Sequence[str], buckets: int) -> TokenBatch:
    """Tokens of `texts`, hashed to 0..buckets-1.

    Args:
        texts: at least one, none of them blank.
        buckets: rows of the embedding table.

    Raises:
        InputError: no text, or a blank one.
    """
    if not texts:
        raise InputError("There is no text to encode: give at least one prompt.")
    rows = []
    for text in texts:
        words = words_of(text)
        rows.append([*words, *(f"{a} {b}" for a, b in pairwise(words))])
    places = {token: i for i, token in enumerate(dict.fromkeys(t for row in rows for t in row))}
    features = [_features(token, buckets) for token in places]
    counts = torch.tensor([len(own) for own in features])
    width = max(map(len, rows))
    return TokenBatch(
        features=torch.tensor([f for own in features for f in own]),
        owner=torch.repeat_interleave(torch.arange(len(places)), counts),
        counts=counts,
        which=torch.tensor([places[token] for row in rows for token in row]),
        slots=torch.tensor([i * width + j for i, row in enumerate(rows) for j in range(len(row))]),
        texts=len(rows),
        width=width,
    )


@lru_cache(maxsize=65536)
def _features(token: str, buckets: int) -> tuple[int, ...]:
    """Buckets of a token: the whole of it and, of a single word, its n-grams."""
    marked = f"<{token}>"
    parts = [f"={token}"]
    if " " not in token:
        grams = (marked[i : i + n] for n in GRAMS for i in range(len(marked) - n + 1))
        parts += dict.fromkeys(grams)
    return tuple(fnv1a(part, seed) % buckets for part in parts for seed in (0x811C9DC5, 0x9747B28C))


def fnv1a(text: str, seed: int) -> int:
    """32-bit FNV-1a: the same on every machine, unlike `hash`."""
    value = seed
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value ^ (value >> 15)
