"""CLIP's text and image encoders, from a local folder or the hub, through transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, ShapeError, WeightsError
from ..models.tokens import words_of
from ..optional import require

DEFAULT_CLIP = "openai/clip-vit-base-patch32"
"""The encoder whose space the built-in one was distilled from; embeddings of width 512."""
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
_LONGEST = 8
"""Of a picture that is longer than this many times its shorter side, the middle is taken."""


@dataclass(frozen=True)
class PictureSettings:
    """How pictures are brought to the model, as `preprocessor_config.json` says."""

    shortest: int = 224
    """The shorter side after resizing, px."""
    crop: int = 224
    """Side of the central square that is kept, px."""
    mean: tuple[float, ...] = _MEAN
    std: tuple[float, ...] = _STD

    def __call__(self, image: Tensor) -> Tensor:
        """`(B,3,H,W)` in 0..1 to `pixel_values (B,3,crop,crop)`."""
        # Nothing but the middle is kept: a very long picture is not enlarged as a whole.
        longest = _LONGEST * min(image.shape[-2:])
        top, left = (max(0, side - longest) // 2 for side in image.shape[-2:])
        image = image[..., top : top + longest, left : left + longest]
        height, width = image.shape[-2:]
        factor = self.shortest / min(height, width)
        size = [max(self.shortest, int(side * factor)) for side in (height, width)]
        x = F.interpolate(image, size=size, mode="bicubic", antialias=True).clamp(0, 1)
        short = [max(0, self.crop - side) for side in size]
        x = F.pad(x, (short[1] // 2, -(-short[1] // 2), short[0] // 2, -(-short[0] // 2)))
        top, left = ((side - self.crop) // 2 for side in x.shape[-2:])
        x = x[..., top : top + self.crop, left : left + self.crop]
        mean, std = (x.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return (x - mean) / std


class ClipPromptEncoder:
    """Texts and pictures to embeddings in one space."""

    def __init__(self, model: Any, tokenizer: Any, pictures: PictureSettings) -> None:
        """Args: a `CLIPModel` of transformers, its tokenizer, how pictures are prepared."""
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.pictures = pictures

    @property
    def embed_dim(self) -> int:
        """Width of the embeddings: 512 for ViT-B/32."""
        return int(self.model.config.projection_dim)

    @torch.no_grad()
    def encode_texts(self, texts: str | Sequence[str]) -> Tensor:
        """Prompts to `(N,D)` of unit length, float32; a long prompt is cut as CLIP does.

        Raises:
            InputError: no text, or a blank one.
        """
        given = [texts] if isinstance(texts, str) else list(texts)
        if not given:
            raise InputError("There is no text to encode: give at least one prompt.")
        for text in given:
            words_of(text)
        limit = int(self.model.config.text_config.max_position_embeddings)
        tokens = self.tokenizer(
            given, padding=True, truncation=True, max_length=limit, return_tensors="pt"
        ).to(self.model.device)
        made = self.model.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return F.normalize(self.model.text_projection(made.pooler_output).float(), dim=-1)

    @torch.no_grad()
    def encode_images(self, image: Tensor) -> Tensor:
        """Pictures `(B,3,H,W)` in 0..1, of any size, to `(B,D)` of unit length, float32."""
        if image.ndim != 4 or image.shape[1] != 3 or image.numel() == 0:
            raise ShapeError("prompt image", "(B,3,H,W)", tuple(image.shape))
        weight = self.model.visual_projection.weight
        pixels = self.pictures(image.detach().float().clamp(0, 1))
        made = self.model.vision_model(pixel_values=pixels.to(weight.device, weight.dtype))
        return F.normalize(self.model.visual_projection(made.pooler_output).float(), dim=-1)

    def to(self, device: str | torch.device) -> ClipPromptEncoder:
        """Move the model."""
        self.model.to(device)
        return self


def load_clip(
    name_or_folder: str | Path = DEFAULT_CLIP,
    device: str | torch.device = "cpu",
    *,
    local_files_only: bool = False,
) -> ClipPromptEncoder:
    """Load CLIP.

    Args:
        name_or_folder: a folder written by `save_pretrained` (model and tokenizer), or a name on
            the hub. Weights must be safetensors; code that comes with a model is never run.
        device: where it runs.
        local_files_only: never use the network.

    Raises:
        WeightsError: there is no CLIP model there, or a part of it is missing.
        MissingPackageError: transformers is not installed.
    """
    transformers = require("transformers", "transformers", "CLIP")
    source = str(name_or_folder)
    if isinstance(name_or_folder, Path) or Path(source).exists():
        if not (Path(source) / "config.json").is_file():
            raise WeightsError(
                f"{source} has no CLIP model: config.json is missing. Give a folder written by "
                "save_pretrained, or the name of a model on the hub."
            )
        local_files_only = True
    try:
        config: Any = transformers.AutoConfig.from_pretrained(
            source, local_files_only=local_files_only, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"No CLIP model found at {source!r}: {_line(error)} Expected a folder or the name of a "
            f"model on the hub such as {DEFAULT_CLIP!r}."
        ) from error
    if config.model_type != "clip":
        raise WeightsError(
            f"{source!r} is a {config.model_type!r} model; prompts need a CLIP model with text and "
            f"image encoders, such as {DEFAULT_CLIP!r}."
        )
    model = _load_model(source, local_files_only)
    settings = _read_settings(source, int(config.vision_config.image_size), local_files_only)
    tokenizer = _load_tokenizer(source, int(config.text_config.vocab_size), local_files_only)
    return ClipPromptEncoder(model, tokenizer, settings).to(device)


def _load_model(source: str, local: bool) -> Any:
    from safetensors import SafetensorError
    from transformers import CLIPModel

    try:
        loaded: Any = CLIPModel.from_pretrained(
            source, use_safetensors=True, output_loading_info=True, local_files_only=local
        )
        model, info = loaded
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsError(f"The CLIP model {source!r} cannot be loaded: {_line(error)}") from error
    if info["missing_keys"]:
        raise WeightsError(
            f"The weights of {source!r} lack {len(info['missing_keys'])} tensors, "
            f"{sorted(info['missing_keys'])[0]!r} among them; download the model again."
        )
    return model.requires_grad_(False)


def _load_tokenizer(source: str, vocabulary: int, local: bool) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            source, local_files_only=local, trust_remote_code=False
        )
        size = len(tokenizer)
        # Without its files, transformers 5 makes an empty tokenizer and says nothing.
        if not vocabulary // 2 < size <= vocabulary:
            raise ValueError(f"it has {size} tokens, the model {vocabulary}.")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"The CLIP model {source!r} has no usable tokenizer: {_line(error)} Expected "
            "tokenizer.json, or vocab.json and merges.txt, beside the weights."
        ) from error
    return tokenizer


def _read_settings(source: str, side: int, local: bool) -> PictureSettings:
    """From `preprocessor_config.json`; without one, CLIP's own at the model's picture size."""
    from transformers.utils.hub import cached_file

    try:
        path = cached_file(
            source,
            "preprocessor_config.json",
            local_files_only=local,
            _raise_exceptions_for_missing_entries=False,
        )
        found: Any = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"preprocessor_config.json of {source!r} is unusable: {_line(error)}"
        ) from error
    size, crop = found.get("size", side), found.get("crop_size", side)
    shortest = (
        size.get("shortest_edge", size.get("height", side)) if isinstance(size, dict) else size
    )
    square = crop.get("height", side) if isinstance(crop, dict) else crop
    plain = not found.get("do_normalize", True)
    return PictureSettings(
        shortest=int(shortest),
        crop=int(square),
        mean=(0.0,) * 3 if plain else tuple(found.get("image_mean") or _MEAN),
        std=(1.0,) * 3 if plain else tuple(found.get("image_std") or _STD),
    )


def _line(error: BaseException) -> str:
    """The first line of an error, ending in a full stop."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0].strip()
    return text if text.endswith(".") else text + "."
