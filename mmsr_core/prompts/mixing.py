"""Several prompts as one embedding, and embeddings of other encoders in the width used here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InputError, ShapeError, WeightsError
from ..types import PROMPT_DIM


def mix_prompts(
    embeddings: Tensor | Sequence[Tensor], weights: Sequence[float] | None = None
) -> Tensor:
    """One embedding from several texts and pictures.

    Each is brought to unit length first, so that a weight means the same for all of them.

    Args:
        embeddings: `(N,D)`, or N of `(D,)` or `(1,D)`; texts and pictures alike.
        weights: one number for each, 0 or more, not all 0; None weighs them equally. Only their
            proportions matter. Negative weights are refused: "not a dog" has no meaning here.

    Returns:
        `(1,D)` float32 of unit length.

    Raises:
        InputError: nothing to mix, unusable weights, or embeddings that cancel out.
        ShapeError: embeddings of different shapes.
    """
    given = embeddings if isinstance(embeddings, Tensor) else [e.reshape(1, -1) for e in embeddings]
    if not len(given):
        raise InputError("There is no prompt to mix: give at least one embedding.")
    if not isinstance(given, Tensor):
        if odd := [e for e in given if e.shape != given[0].shape]:
            raise ShapeError("embedding", str(tuple(given[0].shape)), tuple(odd[0].shape))
        given = torch.cat([e.to(given[0].device, torch.float32) for e in given])
    if given.ndim != 2:
        raise ShapeError("embeddings", "(N,D)", tuple(given.shape))
    vectors = _unit(given)
    shares = _checked_weights(weights, len(vectors)).to(vectors.device)
    mixed = shares @ vectors
    if float(mixed.norm()) < 1e-4:
        raise InputError("The prompts cancel each other out; change their weights.")
    return F.normalize(mixed, dim=0)[None]


def _checked_weights(weights: Sequence[float] | None, count: int) -> Tensor:
    if weights is None:
        return torch.full((count,), 1 / count)
    own = torch.tensor([float(w) for w in weights])
    if len(own) != count:
        raise InputError(f"{count} prompts need {count} weights, but there are {len(own)}.")
    if not bool(torch.isfinite(own).all()) or bool((own < 0).any()) or not bool(own.any()):
        raise InputError(
            f"The weights of prompts must be 0 or more and not all 0, but are {list(weights)}."
        )
    return own / own.sum()


def _unit(embeddings: Tensor) -> Tensor:
    values = embeddings.detach().float()
    if not bool(torch.isfinite(values).all()):
        raise InputError("A prompt embedding holds values that are not finite.")
    if bool((values.norm(dim=-1) < 1e-8).any()):
        raise InputError("A prompt embedding is zero. Leave the prompt out (None) instead.")
    return F.normalize(values, dim=-1)


@dataclass(frozen=True)
class PromptProjection:
    """A linear map from another encoder's embeddings to the width used here."""

    weight: Tensor
    """`(512,D)`."""
    bias: Tensor
    """`(512,)`."""

    def __call__(self, embedding: Tensor) -> Tensor:
        """Unit embeddings `(B,D)` to `(B,512)`."""
        return F.linear(embedding, self.weight.to(embedding.device), self.bias.to(embedding.device))

    def save(self, path: str | Path) -> None:
        """Write a safetensors file that `load_projection` reads."""
        from safetensors.torch import save_file

        state = {"weight": self.weight.contiguous(), "bias": self.bias.contiguous()}
        save_file(state, str(path), metadata={"format": "pt"})


def load_projection(path: str | Path, embed_dim: int = PROMPT_DIM) -> PromptProjection:
    """Read a projection: safetensors with `weight (512,D)` and, if there is one, `bias (512,)`.

    Raises:
        WeightsError: not such a file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"The prompt projection {path} cannot be read: {error}.") from None
    weight = state.get("weight")
    bias = state.get("bias", torch.zeros(embed_dim))
    fits = weight is not None and weight.ndim == 2 and len(weight) == embed_dim
    if weight is None or not fits or tuple(bias.shape) != (embed_dim,):
        found = {name: tuple(value.shape) for name, value in state.items()}
        raise WeightsError(
            f"The prompt projection {path} must hold weight ({embed_dim},D) and may hold bias "
            f"({embed_dim},), but holds {found}."
        )
    return PromptProjection(weight.float(), bias.float())


def fit_projection(source: Tensor, target: Tensor, ridge: float = 1e-2) -> PromptProjection:
    """Learn a projection from pairs by ridge regression on unit embeddings.

    Args:
        source: `(N,D)`, what the other encoder gives for N texts.
        target: `(N,512)`, CLIP ViT-B/32's embeddings of the same texts.
        ridge: weight of the penalty, relative to the mean variance of the source.

    Raises:
        ShapeError: the two do not pair.
    """
    if source.ndim != 2 or target.ndim != 2 or len(source) != len(target) or len(source) < 2:
        raise ShapeError(
            "source and target", "(N,D) and (N,512), N at least 2", tuple(source.shape)
        )
    x, y = _unit(source).cpu().double(), _unit(target).cpu().double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    centred = x - x_mean
    gram = centred.T @ centred
    gram.diagonal().add_(ridge * float(gram.diagonal().mean()) + 1e-12)
    weight = torch.linalg.solve(gram, centred.T @ (y - y_mean)).T
    return PromptProjection(weight.float(), (y_mean - weight @ x_mean).float())


def project_prompt(
    embedding: Tensor, projection: PromptProjection | None = None, embed_dim: int = PROMPT_DIM
) -> Tensor:
    """An embedding of any encoder as a prompt.

    Args:
        embedding: `(D,)` or `(B,D)`: one vector a text or picture, as `CLIP_VISION` gives in
            `image_embeds` and text conditioning in `pooled_output`, not one a token.
        projection: for encoders of another width or space, see `load_projection`.
        embed_dim: the width the networks expect.

    Returns:
        `(B,512)` float32 of unit length.

    Raises:
        ShapeError: one vector a token, or another shape.
        InputError: the width does not fit and there is no projection for it.
    """
    vectors = embedding[None] if embedding.ndim == 1 else embedding
    if vectors.ndim != 2:
        raise ShapeError(
            "prompt embedding", f"(B,{embed_dim}) (of conditioning, the pooled output)",
            tuple(embedding.shape),
        )  # fmt: skip
    width = vectors.shape[1]
    if projection is not None:
        if projection.weight.shape[1] != width:
            raise InputError(
                f"The prompt projection takes embeddings of width {projection.weight.shape[1]}, "
                f"but this one has width {width}. Give the projection made for this encoder."
            )
        return _unit(projection(_unit(vectors)))
    if width != embed_dim:
        raise InputError(
            f"The prompt embedding has width {width}, but {embed_dim} is expected, as CLIP "
            "ViT-B/32 gives (SD 1.5's text encoder gives 768). Use a ViT-B/32 encoder, type the "
            "prompt as text, or give a projection file for this encoder."
        )
    return _unit(vectors)
