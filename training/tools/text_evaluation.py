"""How well the text encoder finds nouns: held out, in contexts, and by other words for them."""

from __future__ import annotations

import random

import torch
from torch import Tensor
from torch.nn import functional as F

from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts

from ..data.nouns import Noun
from ..data.text_batches import TEMPLATES, misspell

SYNONYMS = (
    ("automobile", "car"), ("feline", "cat"), ("canine", "dog"), ("hound", "dog"), ("kitty", "cat"),
    ("doggy", "dog"), ("bunny", "rabbit"), ("hare", "rabbit"), ("pony", "horse"),
    ("stallion", "horse"), ("swine", "pig"), ("piglet", "pig"), ("rooster", "chicken"),
    ("hen", "chicken"), ("serpent", "snake"), ("cobra", "snake"), ("tortoise", "turtle"),
    ("ape", "monkey"), ("chimpanzee", "monkey"), ("jaguar", "tiger"), ("panther", "tiger"),
    ("fox", "wolf"), ("ewe", "sheep"), ("ram", "sheep"), ("calculating machine", "calculator"),
    ("aeroplane", "airplane"), ("bike", "bicycle"), ("motorbike", "motorcycle"),
    ("lorry", "truck"), ("sedan", "car"), ("settee", "sofa"), ("spectacles", "glasses"),
    ("cap", "hat"), ("footwear", "shoe"), ("sneaker", "sneakers"), ("timepiece", "clock"),
    ("mug", "cup"), ("ship", "boat"), ("canoe", "boat"), ("soda can", "can"),
    ("television", "television set"), ("cellphone", "cell phone"), ("notebook computer", "laptop"),
    ("fiddle", "violin"), ("blossom", "flower"), ("maize", "corn"), ("woman", "person"),
    ("man", "person"), ("fridge", "refrigerator"), ("pullover", "sweater"),
    ("trainers", "sneakers"),
    ("parasol", "umbrella"), ("firearm", "gun"), ("pistol", "gun"), ("sparrow", "bird"),
    ("robin", "bird"), ("trout", "fish"), ("salmon", "fish"), ("pail", "bucket"),
    ("rug", "carpet"),
)  # fmt: skip
"""Hand-written: a word, and the noun that should be among the ten nearest."""


def centred(net: PromptTextEncoder, texts: list[str]) -> Tensor:
    """Unit deviations of texts, `(N,512)`."""
    return F.normalize(encode_texts(net, texts) - net.centre, dim=-1)


def ranks(queries: Tensor, bank: Tensor, wanted: Tensor) -> Tensor:
    """Place of the wanted row of `bank` for each query, 0 is the nearest."""
    scores = queries @ bank.T
    own = scores.gather(1, wanted[:, None])
    return (scores > own).sum(1)


def figures(
    net: PromptTextEncoder, nouns: list[Noun], held_out: list[Noun], known: set[str], seed: int = 5
) -> dict[str, float]:
    """All figures; everything is compared after the common centre is taken away.

    Args:
        net: the encoder.
        nouns: all nouns of the list; each query must find its own among these.
        held_out: those the net never saw an embedding of (may be empty).
        known: every word it saw in training, for splitting the synonyms.
        seed: of templates and typing errors.
    """
    rng = random.Random(seed)
    bank = F.normalize(torch.stack([n.deviation for n in nouns]), dim=-1)
    place = {id(n): i for i, n in enumerate(nouns)}
    hidden = {id(n) for n in held_out}
    result: dict[str, float] = {"nouns": len(nouns)}

    def score(label: str, group: list[Noun], texts: list[str]) -> None:
        if not group:
            return
        wanted = torch.tensor([place[id(n)] for n in group])
        made = encode_texts(net, texts)
        own = F.normalize(made - net.centre, dim=-1)
        rank = ranks(own, bank, wanted)
        truth = F.normalize(net.centre + torch.stack([n.deviation for n in group]), dim=-1)
        result[f"{label}_count"] = len(group)
        result[f"{label}_cosine"] = float((made * truth).sum(-1).mean())
        result[f"{label}_cosine_of_centre_alone"] = float(
            (F.normalize(net.centre, dim=0) * truth).sum(-1).mean()
        )
        result[f"{label}_cosine_centred"] = float((own * bank[wanted]).sum(-1).mean())
        for k in (1, 5, 10):
            result[f"{label}_top{k}"] = float((rank < k).float().mean())

    trained = [n for n in nouns if id(n) not in hidden]
    score("held_out", held_out, [f"a {n.names[0]}" for n in held_out])
    score("trained", trained, [f"a {n.names[0]}" for n in trained])
    score("trained_templates", trained, [rng.choice(TEMPLATES).format(n.names[0]) for n in trained])
    long = [n for n in trained if len(n.names[0]) >= 5]
    score("trained_misspelt", long, [f"a {misspell(n.names[0], rng)}" for n in long])
    index = {name: i for i, n in enumerate(nouns) for name in n.names}
    usable = [(word, index[noun]) for word, noun in SYNONYMS if noun in index and word not in index]
    for label, pairs in (
        ("synonyms", usable),
        ("synonyms_unseen", [p for p in usable if p[0] not in known]),
    ):
        if pairs:
            own = centred(net, [f"a {word}" for word, _ in pairs])
            rank = ranks(own, bank, torch.tensor([at for _, at in pairs]))
            result[f"{label}_count"] = len(pairs)
            result[f"{label}_top1"] = float((rank < 1).float().mean())
            result[f"{label}_top10"] = float((rank < 10).float().mean())
    return result
