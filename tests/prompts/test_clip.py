"""A tiny real CLIP with its tokenizer, loaded as a user's would be."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import (
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
)

from mmsr_core.errors import InputError, ShapeError, WeightsError
from mmsr_core.prompts import load_clip, mix_prompts
from mmsr_core.prompts.clip import PictureSettings
from tests.helpers import write_model_with_code
from tests.tiny_clip import write_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip")
    write_clip(path)
    return path


@pytest.fixture(scope="module")
def clip(folder):
    return load_clip(folder)


def picture(height: int, width: int, batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height))


def test_texts_agree_with_the_model_itself(folder, clip) -> None:
    model = CLIPTextModelWithProjection.from_pretrained(folder).eval()
    ids = clip.tokenizer("the fox", return_tensors="pt").input_ids
    vocabulary = json.loads((folder / "vocab.json").read_text())
    words = [vocabulary[t] for t in ("<|startoftext|>", "the</w>", "fox</w>", "<|endoftext|>")]
    assert ids[0].tolist() == words
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model(input_ids=ids).text_embeds, dim=-1)
    made = clip.encode_texts("the fox")
    assert made.shape == (1, 512) == (1, clip.embed_dim)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-4)


def test_padding_of_a_batch_changes_nothing(clip) -> None:
    texts = ["fox", "the photo the dog the car", "car"]
    together = clip.encode_texts(texts)
    alone = torch.cat([clip.encode_texts(t) for t in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert float((together[0] - together[2]).norm()) > 1e-3


def test_long_texts_are_cut_and_blank_ones_refused(clip) -> None:
    made = clip.encode_texts("fox dog car " * 200)
    assert float(made.norm()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="blank"):
        clip.encode_texts(["fox", "  "])
    with pytest.raises(InputError, match="at least one"):
        clip.encode_texts([])


def test_pictures_agree_with_the_model_itself(folder, clip) -> None:
    model = CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    image = picture(32, 32, batch=2)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    with torch.no_grad():
        expected = model(pixel_values=(image - mean) / std).image_embeds
    expected = torch.nn.functional.normalize(expected, dim=-1)
    torch.testing.assert_close(clip.encode_images(image), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (3, 200), (300, 40)])
def test_any_picture_size(clip, size) -> None:
    made = clip.encode_images(picture(*size))
    assert made.shape == (1, 512)
    assert float(made.norm()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ShapeError):
        clip.encode_images(picture(4, 4)[0])


def test_the_middle_of_a_picture_is_seen() -> None:
    settings = PictureSettings(shortest=8, crop=8, mean=(0.0,) * 3, std=(1.0,) * 3)
    image = torch.zeros(1, 3, 8, 24)
    image[..., 8:16] = 1
    torch.testing.assert_close(settings(image), torch.ones(1, 3, 8, 8))
    padded = PictureSettings(shortest=4, crop=8, mean=(0.0,) * 3, std=(1.0,) * 3)
    assert padded(torch.ones(1, 3, 4, 4)).sum() == 3 * 16  # too small a square: black around it


def test_texts_and_pictures_mix(clip) -> None:
    parts = [clip.encode_texts("fox"), clip.encode_images(picture(40, 40))]
    mixed = mix_prompts(parts, [3, 1])
    assert float(mixed @ parts[0].T) > float(mixed @ parts[1].T)


def test_without_settings_the_models_own_size_is_used(tmp_path) -> None:
    write_clip(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    assert load_clip(str(tmp_path)).pictures == PictureSettings(32, 32)
    (tmp_path / "preprocessor_config.json").write_text("not json")
    with pytest.raises(WeightsError, match="preprocessor_config"):
        load_clip(tmp_path)


def test_folders_without_clip_are_refused(tmp_path) -> None:
    for missing in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WeightsError, match=r"config\.json is missing"):
            load_clip(missing)
    with pytest.raises(WeightsError, match="No CLIP model found"):
        load_clip("no/such-model-anywhere", local_files_only=True)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match="'bert' model"):
        load_clip(tmp_path)


def test_damaged_and_incomplete_models_are_refused(tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    write_clip(tmp_path)
    weights = tmp_path / "model.safetensors"
    stored = load_file(weights)
    stored.pop("text_projection.weight")
    save_file(stored, weights, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"text_projection\.weight"):
        load_clip(tmp_path)
    weights.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_clip(tmp_path)


def test_a_missing_tokenizer_is_refused(tmp_path) -> None:
    write_clip(tmp_path)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).unlink()
    with pytest.raises(WeightsError, match="no usable tokenizer"):
        load_clip(tmp_path)


def test_code_that_comes_with_a_model_is_never_run(tmp_path, monkeypatch):
    """Not even asked for: whoever sits at a server's console must not be able to say yes."""
    trace = write_model_with_code(tmp_path, monkeypatch)
    with pytest.raises(WeightsError):
        load_clip(tmp_path)
    assert not trace.exists()


def test_a_very_long_picture_is_not_enlarged_as_a_whole(clip, monkeypatch) -> None:
    largest = 0
    whole = torch.nn.functional.interpolate

    def watched(x, size, **options):
        nonlocal largest
        largest = max(largest, size[0] * size[1])
        return whole(x, size=size, **options)

    monkeypatch.setattr("mmsr_core.prompts.clip.F.interpolate", watched)
    strip = picture(1, 100_000)
    made = clip.encode_images(strip)
    assert largest <= 8 * 32 * 32
    # Its middle is what counts.
    changed = strip.clone()
    changed[..., :40_000] = 0
    assert torch.equal(clip.encode_images(changed), made)
