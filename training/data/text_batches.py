"""Training texts: nouns and words in small contexts, with plurals and typing errors."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.models.tokens import words_of

from .nouns import Noun, plural, singular

TEMPLATES = (
    "{}", "a {}", "the {}", "one {}", "a photo of a {}", "a photo of the {}", "a picture of a {}",
    "an image of a {}", "a close-up of a {}", "a close-up photo of the {}", "a small {}",
    "a large {}", "an old {}", "a new {}", "a bad photo of a {}", "a good photo of a {}",
    "a blurry {}", "a sharp photo of a {}", "a cropped photo of the {}", "there is a {}",
    "this is a {}", "my {}", "a red {}", "a white {}", "a black {}", "photograph of a {}, detailed",
    "a {} in the background", "a {} in front", "a nice {} outside", "{} close up",
    "high quality {}",
)  # fmt: skip
PLURALS = ("{}", "the {}", "two {}", "some {}", "a photo of many {}", "a group of {}", "three {}")


@dataclass
class TextBatch:
    """Texts and what they should give."""

    texts: list[str]
    targets: Tensor
    """`(N,512)` deviations."""
    labels: Tensor
    """`(N,)` index of the noun, -1 where the text names none or several."""


def misspell(word: str, rng: random.Random) -> str:
    """One letter left out, doubled, or changed places with the next; short words stay."""
    if len(word) < 5:
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def in_context(name: str, rng: random.Random, typos: float = 0.08) -> str:
    """A name as people write it."""
    if rng.random() < typos:
        name = misspell(name, rng)
    if rng.random() < 0.12:
        return rng.choice(PLURALS).format(plural(name))
    return (
        rng.choice(TEMPLATES).format(name)
        if rng.random() < 0.6
        else rng.choice(("{}", "a {}")).format(name)
    )


def read_captions(path: str | Path) -> list[str]:
    """Sentences that people wrote about photographs (the ones with a verb: not "a photo of")."""
    photos = json.loads(Path(path).read_text(encoding="utf-8"))
    found = [c for photo in photos for c in photo["captions"]]
    return [c for c in found if not c.startswith("a photo of")]


def caption_targets(captions: list[str], nouns: list[Noun]) -> list[tuple[str, Tensor]]:
    """Captions with the mean deviation of the listed nouns they name; others are left out."""
    index = {name: i for i, noun in enumerate(nouns) for name in noun.names}
    made = []
    for caption in captions:
        words = [w if w in index else singular(w) for w in re.findall(r"\w+", caption.lower())]
        pairs = [f"{a} {b}" for a, b in pairwise(words)]
        hits = {index[w] for w in (*words, *pairs) if w in index}
        if hits:
            made.append((caption, torch.stack([nouns[i].deviation for i in hits]).mean(0)))
    return made


def learned_words(nouns: list[Noun], words: Iterable[str], captions: list[str]) -> set[str]:
    """Every single word that training shows, with its plural; typing errors are left out.

    Args:
        nouns: the list that is trained on.
        words: the other words.
        captions: the sentences.
    """
    shown = {name for noun in nouns for name in noun.names} | set(words)
    shown |= {plural(name) for name in shown}
    sentences = [caption for caption, _ in caption_targets(captions, nouns)]
    return {word for text in (*shown, *sentences, *TEMPLATES, *PLURALS) for word in _words(text)}


def _words(text: str) -> list[str]:
    plain = text.replace("{}", "").strip()
    return words_of(plain) if plain else []


def text_batches(
    nouns: list[Noun],
    words: dict[str, Tensor],
    common: set[str],
    captions: list[str],
    batch: int,
    seed: int,
) -> Iterator[TextBatch]:
    """Endless batches: half of them nouns, then WordNet's words, pairs of nouns, captions.

    Args:
        nouns: the list that is trained on.
        words: other words and their deviations (may be empty).
        common: those of the words that are drawn five times as often.
        captions: sentences for context.
        batch: texts in a batch.
        seed: of everything random.
    """
    rng = random.Random(seed)
    bank = torch.stack([n.deviation for n in nouns])
    vocabulary = list(words)
    weights = [float(words[w].norm()) ** 2 * (5 if w in common else 1) for w in vocabulary]
    sentences = caption_targets(captions, nouns)
    shares = {"noun": 0.5, "word": 0.35 if words else 0.0, "pair": 0.1, "caption": 0.05}
    while True:
        texts, targets, labels = [], [], []
        kinds = rng.choices(list(shares), list(shares.values()), k=batch)
        picked = iter(rng.choices(vocabulary, weights, k=batch) if words else ())
        for kind in kinds:
            first = rng.randrange(len(nouns))
            label, target = -1, bank[first]
            text = in_context(rng.choice(nouns[first].names), rng)
            if kind == "word":
                word = next(picked)
                text, target = in_context(word, rng, 0.03), words[word]
            elif kind == "pair":
                second = rng.randrange(len(nouns))
                joint = rng.choice((" and a ", " with a ", " on a ", ", ", " next to the "))
                text += joint + rng.choice(nouns[second].names)
                target = (target + bank[second]) / 2
            elif kind == "caption" and sentences:
                text, target = rng.choice(sentences)
            else:
                label = first
            texts.append(text)
            targets.append(target)
            labels.append(label)
        yield TextBatch(texts, torch.stack(targets), torch.tensor(labels))


def distillation_loss(
    made: Tensor, batch: TextBatch, bank: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cosine, length, InfoNCE over all nouns, and the cosines between the texts of a batch.

    Args:
        made: `(N,512)` deviations from the net.
        batch: the texts' targets.
        bank: `(M,512)` unit deviations of the nouns trained on.
    """
    ours, theirs = F.normalize(made, dim=-1), F.normalize(batch.targets, dim=-1)
    cosine = 1 - (ours * theirs).sum(-1).mean()
    length = (made - batch.targets).square().sum(-1).mean()
    named = batch.labels >= 0
    contrast = F.cross_entropy(ours[named] @ bank.T / 0.07, batch.labels[named])
    relation = (ours @ ours.T - theirs @ theirs.T).square().mean()
    loss = cosine + length + 0.2 * contrast + 2 * relation
    return loss, {"cosine": 1 - cosine.detach(), "contrast": contrast.detach()}
