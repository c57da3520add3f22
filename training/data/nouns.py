"""What the text encoder learns from: CLIP's nouns, and WordNet's relations between words."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

CONCRETE = {3, 5, 6, 8, 13, 17, 18, 19, 20, 27}
"""Lexicographer files: tops, animal, artifact, body, food, object, person, phenomenon, plant,
substance."""
THINGS = {3, 5, 6, 13, 20}
"""Where the listed nouns are looked for first: a "printer" of the list is no person."""
_HINT = re.compile(r"\(([^)]*)\)")


@dataclass
class Noun:
    """One meaning of the list: the names it goes by, and its deviation from the centre."""

    names: list[str]
    hints: list[str]
    deviation: Tensor
    """`(512,)`: the unit embedding less the centre."""


def read_nouns(path: str | Path) -> tuple[list[Noun], Tensor]:
    """The nouns, those of one name merged, and the centre `(512,)` of their unit embeddings.

    A name's parentheses are a hint ("bat (animal)"); a slash separates names ("monitor/tv").
    """
    with np.load(path) as archive:
        raw = [str(n) for n in archive["names"]]
        vectors = F.normalize(torch.from_numpy(archive["embeddings"].astype(np.float32)), dim=-1)
    centre = vectors.mean(0)
    groups: dict[str, int] = {}
    members: list[list[int]] = []
    names: list[list[str]] = []
    hints: list[list[str]] = []
    for row, name in enumerate(raw):
        parts = [p.strip().lower() for p in _HINT.sub("", name).split("/")]
        parts = [re.sub(r"^other ", "", p) for p in parts if p]
        known = {groups[singular(p)] for p in parts if singular(p) in groups}
        at = min(known) if known else len(members)
        if not known:
            members.append([])
            names.append([])
            hints.append([])
        members[at].append(row)
        hints[at] += [h.lower() for h in _HINT.findall(name)]
        for part in parts:
            groups.setdefault(singular(part), at)
            if part not in names[at]:
                names[at].append(part)
    found = [
        Noun(n, h, F.normalize(vectors[m].mean(0), dim=-1) - centre)
        for n, h, m in zip(names, hints, members, strict=True)
    ]
    return found, centre


def singular(name: str) -> str:
    """A rough singular, for recognising one noun in two lists."""
    for end, instead in (
        ("ies", "y"),
        ("sses", "ss"),
        ("shes", "sh"),
        ("ches", "ch"),
        ("xes", "x"),
    ):
        if name.endswith(end) and len(name) > 4:
            return name[: -len(end)] + instead
    return name[:-1] if name.endswith("s") and not name.endswith("ss") and len(name) > 3 else name


def plural(name: str) -> str:
    """A rough plural, for augmentation."""
    if name.endswith(("s", "x", "sh", "ch")):
        return name + "es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


@dataclass
class WordNet:
    """Concrete nouns of a WordNet 3.x database."""

    lemmas: list[list[str]] = field(default_factory=list)
    """Lower-case words of each synset, spaces for underscores; names of individuals left out."""
    glosses: list[str] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    parents: list[list[int]] = field(default_factory=list)
    senses: dict[str, list[int]] = field(default_factory=dict)
    """Word to its concrete synsets, the most frequent first."""
    common: set[str] = field(default_factory=set)
    """Words that WordNet's tagged texts contain."""


def read_wordnet(folder: str | Path) -> WordNet:
    """Read `data.noun` and `index.noun` of a WordNet database folder."""
    net = WordNet()
    index: dict[str, int] = {}
    links: list[list[str]] = []
    for line in (Path(folder) / "data.noun").read_text(encoding="latin-1").splitlines():
        if line.startswith(" "):
            continue
        head, _, gloss = line.partition("|")
        parts = head.split()
        if int(parts[1]) not in CONCRETE:
            continue
        count = int(parts[3], 16)
        words = parts[4 : 4 + 2 * count : 2]
        rest = parts[5 + 2 * count :]
        pointers = [rest[i : i + 4] for i in range(0, len(rest) - 3, 4)]
        if any(p[0] == "@i" for p in pointers):
            continue
        index[parts[0]] = len(net.lemmas)
        net.lemmas.append([w.replace("_", " ") for w in words if w.islower()])
        net.glosses.append(gloss.lower())
        net.files.append(int(parts[1]))
        links.append([p[1] for p in pointers if p[0] == "@" and p[2] == "n"])
    net.parents = [[index[p] for p in own if p in index] for own in links]
    for line in (Path(folder) / "index.noun").read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            parts = line.split()
            found = [index[p] for p in parts[6 + int(parts[3]) :] if p in index]
            word = parts[0].replace("_", " ")
            if found:
                net.senses[word] = found
            if int(parts[5 + int(parts[3])]):
                net.common.add(word)
    return net


def sense_of(noun: Noun, net: WordNet) -> int | None:
    """The synset of a noun: the one its hint speaks for, else the most frequent thing."""
    for name in (*noun.names, *(singular(n) for n in noun.names)):
        if senses := net.senses.get(name):
            hinted = [s for s in senses if any(_above(net, s, h) for h in noun.hints)]
            things = [s for s in senses if net.files[s] in THINGS]
            if hinted or things:
                return (hinted or things)[0]
    return None


def _above(net: WordNet, synset: int, hint: str) -> bool:
    """Whether a word of `hint` is in the gloss of the synset or names something above it."""
    words = set(re.findall(r"\w+", hint)) - {"for", "of", "a", "the", "type"}
    seen, queue = set(), [synset]
    while queue:
        at = queue.pop()
        if at not in seen:
            seen.add(at)
            own = {w for lemma in net.lemmas[at] for w in lemma.split()}
            if words & own:
                return True
            queue += net.parents[at]
    return bool(words & set(re.findall(r"\w+", net.glosses[synset])))


def spread(nouns: list[Noun], net: WordNet, rounds: int = 200) -> dict[str, Tensor]:
    """Deviations for WordNet's words: a harmonic function on the graph of hypernyms.

    The synset of a noun keeps the noun's deviation. A synset above nouns is the mean of what is
    next to it, which is solved by repeated averaging. Any other one has what is above it, a little
    less for each step. A word shares its first concrete synset; words that end up far from every
    noun (a short vector) are left out.

    Returns:
        word -> `(512,)`, for words that are not names of a noun.
    """
    fixed: dict[int, list[Tensor]] = defaultdict(list)
    for noun in nouns:
        at = sense_of(noun, net)
        if at is not None:
            fixed[at].append(noun.deviation)
    core: set[int] = set()
    queue = list(fixed)
    while queue:
        at = queue.pop()
        if at not in core:
            core.add(at)
            queue += net.parents[at]
    place = {synset: i for i, synset in enumerate(sorted(core))}
    links = torch.tensor([(place[c], place[p]) for c in core for p in net.parents[c]])
    near = torch.zeros(len(core), len(core))
    near[links[:, 0], links[:, 1]] = 1
    near = near + near.T
    # A little weight on "nothing known": what is far from every noun fades out.
    near = near / (near.sum(1, keepdim=True) + 0.05)
    held = torch.tensor([place[s] for s in fixed])
    values = torch.stack([torch.stack(v).mean(0) for v in fixed.values()])
    state = torch.zeros(len(core), values.shape[1])
    for _ in range(rounds):
        state[held] = values
        state = near @ state
    state[held] = values
    known = {s: state[i] for s, i in place.items()}

    def value(synset: int) -> Tensor:
        if synset not in known:
            above = [value(p) for p in net.parents[synset]]
            known[synset] = 0.9 * (
                torch.stack(above).mean(0) if above else torch.zeros_like(values[0])
            )
        return known[synset]

    taken = {name for noun in nouns for name in noun.names}
    found: dict[str, Tensor] = {}
    for word, senses in net.senses.items():
        if word not in taken and word in net.lemmas[senses[0]] and len(word.split()) <= 3:
            own = value(senses[0])
            if float(own.norm()) > 0.15:
                found[word] = own
    return found
