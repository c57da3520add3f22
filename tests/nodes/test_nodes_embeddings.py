import importlib
from types import SimpleNamespace

import pytest
import torch


@pytest.fixture(scope="module")
def embeddings(convert):
    return importlib.import_module(convert.__name__.replace("convert", "embeddings"))


def rows(count, seed=0, width=512):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_a_single_prompt_keeps_its_direction(embeddings):
    value = rows(1)
    mixed = embeddings.mix([(value, 0.3)])
    torch.testing.assert_close(mixed, torch.nn.functional.normalize(value, dim=-1))


def test_mixing_weighs_directions_not_lengths(embeddings):
    a, b = rows(1, 1), rows(1, 2)
    mixed = embeddings.mix([(a, 1.0), (b, 1.0)])
    longer = embeddings.mix([(a * 50, 1.0), (b, 1.0)])
    torch.testing.assert_close(mixed, longer)
    towards_a = embeddings.mix([(a, 3.0), (b, 1.0)])
    assert torch.cosine_similarity(towards_a, a) > torch.cosine_similarity(mixed, a)
    torch.testing.assert_close(mixed.norm(dim=-1), torch.ones(1))


def test_a_batch_of_pictures_mixes_with_one_text(embeddings):
    assert embeddings.mix([(rows(3, 1), 1.0), (rows(1, 2), 1.0)]).shape == (3, 512)


def test_clip_vision_output_is_read(embeddings, input_error):
    value = rows(2, 3)
    assert embeddings.vision_embedding(SimpleNamespace(image_embeds=value)) is value
    with pytest.raises(input_error, match=r"clip_vision_output: has 1024 numbers.*ViT-B/32"):
        embeddings.vision_embedding(SimpleNamespace(image_embeds=rows(1, width=1024)))
    with pytest.raises(input_error, match="no image embedding"):
        embeddings.vision_embedding(SimpleNamespace())


def test_conditioning_is_read_and_averaged(embeddings, input_error):
    a, b = rows(1, 1), rows(1, 2)
    tokens = torch.zeros(1, 77, 512)
    conditioning = [[tokens, {"pooled_output": a}], [tokens, {"pooled_output": b}], [tokens, {}]]
    torch.testing.assert_close(embeddings.text_embedding(conditioning), (a + b) / 2)
    with pytest.raises(input_error, match="conditioning: has 768 numbers"):
        embeddings.text_embedding([[tokens, {"pooled_output": rows(1, width=768)}]])
    with pytest.raises(input_error, match="no pooled text embedding"):
        embeddings.text_embedding([[tokens, {"pooled_output": None}]])
    broken = a.clone()
    broken[0, 0] = float("nan")
    with pytest.raises(input_error, match="not numbers"):
        embeddings.text_embedding([[tokens, {"pooled_output": broken}]])


def test_other_widths_go_through_a_projection_for_them(embeddings, convert):
    prompts = importlib.import_module(
        convert.__name__.replace("nodes.convert", "mmsr_core.prompts")
    )
    source, target = rows(64, 5, 24), rows(64, 6)
    projection = prompts.fit_projection(source, target)
    given = SimpleNamespace(image_embeds=rows(2, 7, 24))
    made = embeddings.vision_embedding(given, {24: projection}.get)
    assert made.shape == (2, 512)
    torch.testing.assert_close(made, projection(given.image_embeds))
