"""The built-in text encoder: what it must not depend on, and what the shipped one knows."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import InputError
from mmsr_core.models.network import load_network
from mmsr_core.models.text_encoder import PromptTextEncoder, encode_texts
from mmsr_core.models.tokens import MAX_WORDS, tokenise, words_of
from mmsr_core.models.word_filter import word_filter
from mmsr_core.pipeline import load_pipeline
from mmsr_core.weights import available_weights, weights_roots


@pytest.fixture(scope="module")
def net() -> PromptTextEncoder:
    torch.manual_seed(0)
    made = PromptTextEncoder(buckets=997, width=8, hidden=12, heads=2).eval()
    made.centre.normal_(generator=torch.Generator().manual_seed(0)).mul_(0.02)
    return made


@pytest.fixture(scope="module")
def shipped() -> PromptTextEncoder:
    folders = [root / "small" / "prompt_encoder" for root in weights_roots()]
    found = [folder for folder in folders if (folder / "config.json").is_file()]
    if not found:
        pytest.skip("no trained prompt encoder")
    return load_network(found[0], PromptTextEncoder)


def test_unit_vectors_that_differ_between_texts(net) -> None:
    made = encode_texts(net, ["a fox", "a car", "fire truck", "truck fire"])
    assert made.shape == (4, 512)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.norm(dim=1), torch.ones(4))
    distances = torch.cdist(made, made) + torch.eye(4)
    assert float(distances.min()) > 1e-3  # word order tells "fire truck" from "truck fire"
    assert torch.equal(encode_texts(net, "a fox"), made[:1]) or torch.allclose(
        encode_texts(net, "a fox"), made[:1], atol=1e-6
    )


@pytest.mark.parametrize("text", ["A FOX", "  a\tfox\n", "a fox!", '"A" Fox.', "ａ ｆｏｘ"])
def test_case_spacing_and_punctuation_do_not_matter(net, text: str) -> None:
    assert torch.equal(encode_texts(net, text), encode_texts(net, "a fox"))


def test_texts_of_a_batch_do_not_mix(net) -> None:
    texts = ["fox", "a photo of two dogs on a very long green sofa " * 3, "狐", "car"]
    together = encode_texts(net, texts)
    alone = torch.cat([encode_texts(net, t) for t in texts])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    again = encode_texts(net, texts)
    assert torch.equal(together, again)


@pytest.mark.parametrize(
    "text", ["лиса", "狐", "ثعلب", "🦊", "é", "x" * 5000, "1984", "a" + "́" * 50]
)
def test_any_script_and_length_gives_an_embedding(net, text: str) -> None:
    made = encode_texts(net, text)
    assert bool(torch.isfinite(made).all())
    assert float(made.norm()) == pytest.approx(1, abs=1e-5)


def test_a_long_text_is_read_as_far_as_documented(net) -> None:
    words = [f"word{i}" for i in range(2000)]
    whole = encode_texts(net, " ".join(words))
    assert torch.equal(whole, encode_texts(net, " ".join(words[:MAX_WORDS])))
    assert not torch.equal(whole, encode_texts(net, " ".join(words[: MAX_WORDS - 1])))


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\x00\x01"])
def test_a_blank_prompt_is_refused(net, text: str) -> None:
    with pytest.raises(InputError, match="blank"):
        encode_texts(net, ["fox", text])


def test_no_texts_and_other_types_are_refused(net) -> None:
    with pytest.raises(InputError, match="at least one"):
        encode_texts(net, [])
    with pytest.raises(InputError, match="must be text, but is a int"):
        encode_texts(net, ["fox", 3])  # type: ignore[list-item]


def test_tokens_are_the_same_on_every_machine() -> None:
    assert words_of("The Grey-Fox's den, 2nd") == ["the", "grey", "fox", "s", "den", "2nd"]
    batch = tokenise(["ox ox"], 1000)
    assert len(batch.counts) == 2  # "ox" once, and the pair
    assert batch.which.tolist() == [0, 0, 1]
    # FNV-1a of "=ox" with both seeds, worked out by hand from its definition.
    value = 0x811C9DC5
    for byte in b"=ox":
        value = (value ^ byte) * 0x01000193 % 2**32
    assert int(batch.features[0]) == (value ^ (value >> 15)) % 1000


def test_every_parameter_is_used(net) -> None:
    net.zero_grad(set_to_none=True)
    out = net(tokenise(["a red fox", "two cars"], 997))
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    idle = [k for k, p in net.named_parameters() if p.grad is None or not bool(p.grad.any())]
    net.zero_grad(set_to_none=True)
    # A softmax does not see what is added to all of its scores: that gradient is rounding, or 0.
    assert set(idle) <= {"scores.bias"}


def test_save_and_load(net, tmp_path) -> None:
    net.save_pretrained(str(tmp_path))
    again = load_network(tmp_path, PromptTextEncoder)
    assert torch.equal(encode_texts(again, "a fox"), encode_texts(net, "a fox"))


def test_the_shipped_encoder_is_small(shipped) -> None:
    assert sum(p.numel() for p in shipped.parameters()) <= 1.5e6


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("a fox", "wolf", "car"),
        ("a photo of a dog", "puppy", "teapot"),
        ("an automobile", "car", "sheep"),
        ("TWO CATS", "kitten", "guitar"),
        ("a picture of a banana", "pineapple", "helicopter"),
    ],
)
def test_the_shipped_encoder_knows_what_is_alike(shipped, text: str, near: str, far: str) -> None:
    own = encode_texts(shipped, [text, f"a {near}", f"a {far}"]) - shipped.centre
    cosines = torch.nn.functional.cosine_similarity(own[:1], own[1:])
    assert float(cosines[0]) > float(cosines[1]) + 0.15


def test_the_shipped_encoder_lies_in_clips_space(shipped) -> None:
    # CLIP's embeddings of two things share a cosine of about 0.75.
    made = encode_texts(shipped, ["a dog", "a car", "a guitar", "a banana"])
    cosines = (made @ made.T)[~torch.eye(4, dtype=torch.bool)]
    assert float(cosines.min()) > 0.5
    assert float(cosines.max()) < 0.95


def test_words_that_were_not_learned_are_named() -> None:
    net = PromptTextEncoder(buckets=97, width=8, hidden=12, heads=2, vocabulary_bytes=64)
    net.vocabulary.copy_(word_filter(["a", "red", "fox"], 64))
    assert net.unknown_words("A red FOX, and 2 blorfs; blorfs!") == ["and", "blorfs"]
    assert net.unknown_words("a fox") == []
    without = PromptTextEncoder(buckets=97, width=8, hidden=12, heads=2)
    assert without.unknown_words("blorfs") == []
    with pytest.raises(InputError, match="blank"):
        net.unknown_words("  ")


def test_the_report_names_unknown_words() -> None:
    if "small" not in available_weights():
        pytest.skip("the small weights are not complete")
    pipe = load_pipeline("small", "cpu", "float32")
    assert pipe.unknown_words(["a photo of two foxes", "", "a blorf and a Blorf on a zzyx"]) == [
        "blorf",
        "zzyx",
    ]
    lr = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    notes = pipe(lr, prompt="a blorf", steps=0).report.notes
    assert any("blorf" in note for note in notes)
    assert not any("guesses" in note for note in pipe(lr, prompt="a fox", steps=0).report.notes)
