"""Distilling the text encoder: what it is taught, that it learns, and how it is judged."""

from __future__ import annotations

import argparse
import random

import numpy as np
import pytest
import torch

from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts
from training.data.nouns import Noun, plural, read_nouns, read_wordnet, sense_of, singular, spread
from training.data.text_batches import (
    caption_targets,
    in_context,
    learned_words,
    misspell,
    text_batches,
)
from training.stages.text_encoder import distil, hold_out
from training.tools.text_evaluation import figures, ranks
from training.tools.vocabulary import with_vocabulary

NAMES = ["fox", "dog", "cat", "bat (animal)", "monitor/tv", "car (automobile)", "car", "other fish"]


@pytest.fixture
def nouns_file(tmp_path):
    generator = np.random.default_rng(0)
    common = generator.normal(size=512)
    vectors = common + generator.normal(size=(len(NAMES), 512))
    vectors[6] = vectors[5]  # the same noun from another list
    path = tmp_path / "nouns.npz"
    np.savez(path, names=np.array(NAMES), embeddings=(5 * vectors).astype(np.float16))
    return path


def data_line(at: str, file: int, words: list[str], above: list[str], gloss: str) -> str:
    parts = [at, f"{file:02d}", "n", f"{len(words):02x}", *(f"{w} 0" for w in words)]
    parts += [f"{len(above):03d}", *(f"@ {a} n 0000" for a in above), "|", gloss]
    return " ".join(parts)


@pytest.fixture
def wordnet_folder(tmp_path):
    """WordNet's own file format, a handful of synsets; "bat" is a club first, then an animal."""
    lines = [
        "  1 a licence",
        data_line("00000001", 3, ["animal"], [], "a living thing"),
        data_line("00000002", 5, ["canine"], ["00000001"], "a dog or the like"),
        data_line("00000003", 5, ["dog", "domestic_dog"], ["00000002"], "barks"),
        data_line("00000004", 5, ["fox"], ["00000002"], "has a bushy tail"),
        data_line("00000005", 5, ["vixen"], ["00000004"], "a female fox"),
        data_line("00000006", 6, ["bat", "club"], [], "for hitting a ball"),
        data_line("00000007", 5, ["bat", "chiropteran"], ["00000001"], "flies at night"),
        data_line("00000008", 5, ["Rover"], ["00000003"], "a name"),
        data_line("00000009", 15, ["abroad"], [], "not concrete"),
        data_line("00000010", 5, ["jackal"], ["00000002"], "howls"),
    ]
    (tmp_path / "data.noun").write_text("\n".join(lines) + "\n")
    index = ["  1 a licence"]
    for word, found, tagged in (
        ("animal", ["00000001"], 1), ("canine", ["00000002"], 0), ("dog", ["00000003"], 1),
        ("domestic_dog", ["00000003"], 0), ("fox", ["00000004"], 1), ("vixen", ["00000005"], 0),
        ("bat", ["00000006", "00000007"], 2), ("club", ["00000006"], 0),
        ("chiropteran", ["00000007"], 0), ("rover", ["00000008"], 0), ("abroad", ["00000009"], 0),
        ("jackal", ["00000010"], 0),
    ):  # fmt: skip
        count = len(found)
        index.append(f"{word} n {count} 1 @ {count} {tagged} {' '.join(found)}")
    (tmp_path / "index.noun").write_text("\n".join(index) + "\n")
    return tmp_path


def test_nouns_are_read_merged_and_centred(nouns_file) -> None:
    nouns, centre = read_nouns(nouns_file)
    names = [n.names for n in nouns]
    assert names == [["fox"], ["dog"], ["cat"], ["bat"], ["monitor", "tv"], ["car"], ["fish"]]
    assert nouns[3].hints == ["animal"]
    assert float(centre.norm()) > 0.5
    for noun in nouns:
        assert float((noun.deviation + centre).norm()) == pytest.approx(1, abs=1e-4)
    cosines = torch.stack([n.deviation for n in nouns[:5]])
    cosines = torch.nn.functional.normalize(cosines, dim=1)
    apart = (cosines @ cosines.T)[~torch.eye(5, dtype=torch.bool)]
    assert float(apart.max()) < 0.3  # without the centre, random directions


@pytest.mark.parametrize("name", ["dog", "box", "city", "dress", "watch", "key", "dish"])
def test_plurals_are_undone(name: str) -> None:
    assert plural(name) != name
    assert singular(plural(name)) == singular(name)


def test_wordnet_gives_meanings_and_neighbours(nouns_file, wordnet_folder) -> None:
    nouns, _ = read_nouns(nouns_file)
    net = read_wordnet(wordnet_folder)
    assert "abroad" not in net.senses
    assert net.common >= {"dog", "fox"}
    assert "vixen" not in net.common
    bat = next(n for n in nouns if n.names == ["bat"])
    assert "chiropteran" in net.lemmas[sense_of(bat, net)]  # the hint, not the first sense
    assert sense_of(Noun(["cat"], [], bat.deviation), net) is None

    own = {n.names[0]: n.deviation for n in nouns}
    words = spread(nouns, net)
    assert torch.equal(words["domestic dog"], own["dog"])
    assert "dog" not in words  # it has its own
    assert "rover" not in words  # the name of one
    cosine = torch.nn.functional.cosine_similarity
    assert float(cosine(words["vixen"], own["fox"], dim=0)) == pytest.approx(1, abs=1e-4)
    assert float(words["vixen"].norm()) < float(own["fox"].norm())
    canine = words["canine"]
    assert float(cosine(canine, own["fox"], dim=0)) > 0.4
    assert float(cosine(canine, own["dog"], dim=0)) > 0.4
    assert float(cosine(canine, own["fish"], dim=0)) < 0.2
    assert float(cosine(words["jackal"], canine, dim=0)) == pytest.approx(1, abs=1e-4)


def test_hidden_nouns_leave_no_trace_in_the_words(nouns_file, wordnet_folder) -> None:
    nouns, _ = read_nouns(nouns_file)
    net = read_wordnet(wordnet_folder)
    kept = [n for n in nouns if n.names != ["fox"]]
    words = spread(kept, net)
    dog = next(n for n in nouns if n.names == ["dog"]).deviation
    # All that is left of "fox" is what its neighbours say.
    bat = next(n for n in nouns if n.names == ["bat"]).deviation
    basis = torch.linalg.qr(torch.stack((dog, bat), 1))[0]
    assert float((words["fox"] - basis @ (basis.T @ words["fox"])).norm()) < 1e-4


def test_hold_out_is_exact_and_repeatable(nouns_file) -> None:
    nouns, _ = read_nouns(nouns_file)
    kept, hidden = hold_out(nouns, 3, 1)
    assert (len(kept), len(hidden)) == (4, 3)
    assert {id(n) for n in kept} | {id(n) for n in hidden} == {id(n) for n in nouns}
    assert [n.names for n in hold_out(nouns, 3, 1)[1]] == [n.names for n in hidden]


def test_texts_name_the_noun_or_nearly() -> None:
    rng = random.Random(0)
    texts = [in_context("giraffe", rng, typos=0) for _ in range(50)]
    assert all("giraffe" in t for t in texts)
    assert len(set(texts)) > 15
    wrong = {misspell("giraffe", rng) for _ in range(50)}
    assert all(len(w) in (6, 7, 8) and w[0] == "g" for w in wrong)
    assert len(wrong - {"giraffe"}) > 8
    assert misspell("cat", rng) == "cat"


def test_batches_pair_texts_with_targets(nouns_file) -> None:
    nouns, _ = read_nouns(nouns_file)
    words = {"vixen": torch.full((512,), 0.02)}
    batch = next(text_batches(nouns, words, {"vixen"}, ["Two dogs and a cat."], 200, 0))
    assert len(batch.texts) == len(batch.targets) == len(batch.labels) == 200
    for text, target, label in zip(batch.texts, batch.targets, batch.labels.tolist(), strict=True):
        if label >= 0:
            assert torch.equal(target, nouns[label].deviation)
        elif "vixen" in text:
            assert torch.equal(target, words["vixen"])
    sentence = (nouns[1].deviation + nouns[2].deviation) / 2
    (made,) = caption_targets(["Two dogs and a cat.", "nothing known"], nouns)
    torch.testing.assert_close(made[1], sentence)


def test_rank_counts_what_is_nearer() -> None:
    bank = torch.eye(3)
    query = torch.tensor([[0.9, 0.5, 0.1]])
    assert [int(ranks(query, bank, torch.tensor([i]))) for i in range(3)] == [0, 1, 2]


def test_it_learns_its_nouns_and_is_saved(nouns_file, tmp_path) -> None:
    nouns, centre = read_nouns(nouns_file)
    args = argparse.Namespace(
        out=str(tmp_path / "run"), seed=0, batch=32, steps=60, minutes=100.0, lr=3e-3, captions=None
    )
    net = distil(args, nouns, centre, {}, set())
    torch.testing.assert_close(net.centre, centre)
    found = figures(net, nouns, [], {"fox"})
    assert found["trained_top1"] == 1
    assert found["trained_cosine_centred"] > 0.4
    fresh = PromptTextEncoder()
    fresh.centre.copy_(centre)
    untaught = figures(fresh, nouns, [], {"fox"})
    assert untaught["trained_top1"] < 0.8
    assert untaught["trained_cosine_centred"] < 0.2
    assert encode_texts(net, "a fox").shape == (1, 512)
    weights = tmp_path / "run" / "prompt_encoder" / "diffusion_pytorch_model.safetensors"
    assert weights.stat().st_size < 4e6


def test_the_words_that_training_shows_are_stored() -> None:
    nouns = [Noun(["fire engine"], [], torch.ones(512)), Noun(["fox"], [], -torch.ones(512))]
    words = learned_words(nouns, ["den"], ["A fox jumps.", "Nothing of the list is here."])
    assert {"fire", "engine", "engines", "fox", "foxes", "den", "dens", "jumps"} <= words
    assert {"photo", "blurry", "two"} <= words  # of the templates
    assert not words & {"nothing", "list", "here", "fox jumps"}
    net = PromptTextEncoder(buckets=97, width=8, hidden=12, heads=2)
    made = with_vocabulary(net, words, 256)
    assert made.unknown_words("two foxes near a blorf") == ["near", "blorf"]
    text = ["a fox", "fire engines"]
    assert torch.equal(encode_texts(made, text), encode_texts(net.eval(), text))
