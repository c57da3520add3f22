"""Nodes for the tests: a checkpoint that samples a second stream along with its picture.

Newer hosts pack pictures and sound of one model into one latent. No model of the kind is small
enough for a test; this one leaves its sound as it is. A host without such latents gets no nodes.
"""

from __future__ import annotations

from typing import Any

try:
    from comfy.nested_tensor import NestedTensor
except ImportError:
    NestedTensor = None

SOUND = (5, 7)
"""(channels, length) of the second stream."""


class WithSound:
    """A model and a latent of one stream, to those of two."""

    CATEGORY, FUNCTION = "tests", "add"
    RETURN_TYPES = ("MODEL", "LATENT")

    @classmethod
    def INPUT_TYPES(cls) -> dict:  # noqa: N802 - the host's name
        return {"required": {"model": ("MODEL",), "samples": ("LATENT",)}}

    def add(self, model: Any, samples: dict) -> tuple:
        import comfy.conds
        import torch

        made = model.clone()
        inner = model.model
        conditions, forward = inner.extra_conds, inner.diffusion_model.forward

        def extra_conds(**given: Any) -> dict:
            shapes = comfy.conds.CONDConstant(given["latent_shapes"])
            return conditions(**given) | {"latent_shapes": shapes}

        def both(x: list, *args: Any, **given: Any) -> list:
            return [forward(x[0], *args, **given), x[1]]

        made.add_object_patch("extra_conds", extra_conds)
        made.add_object_patch("diffusion_model.forward", both)
        picture = samples["samples"]
        sound = torch.zeros(picture.shape[0], *SOUND)
        return made, samples | {"samples": NestedTensor([picture, sound])}


class WithoutSound:
    """A latent of two streams to that of the picture, and the sound in words."""

    CATEGORY, FUNCTION = "tests", "take"
    RETURN_TYPES = ("LATENT", "STRING")

    @classmethod
    def INPUT_TYPES(cls) -> dict:  # noqa: N802 - the host's name
        return {"required": {"samples": ("LATENT",)}}

    def take(self, samples: dict) -> tuple:
        picture, sound = samples["samples"].unbind()
        return samples | {"samples": picture}, str(sound.flatten().tolist())


NODE_CLASS_MAPPINGS = (
    {} if NestedTensor is None else {"TestWithSound": WithSound, "TestWithoutSound": WithoutSound}
)
