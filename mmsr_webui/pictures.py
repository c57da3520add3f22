"""The host's pictures (Pillow) and the core's (tensors)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


def from_pillow(image: Image.Image) -> tuple[Tensor, Tensor | None]:
    """Colour `(1,3,h,w)`, 0..1, and alpha `(1,1,h,w)` where anything is transparent.

    The visible colour is spread under transparent pixels.
    """
    import numpy as np
    import torch

    from mmsr_core.image import spread_colour

    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    array = np.array(image.convert("RGBA" if has_alpha else "RGB"))
    planes = torch.from_numpy(array).movedim(-1, 0)[None].float() / 255
    if not has_alpha or bool((planes[:, 3:] == 1).all()):
        return planes[:, :3].contiguous(), None
    alpha = planes[:, 3:].contiguous()
    return spread_colour(planes[:, :3].contiguous(), alpha), alpha


def to_pillow(rgb: Tensor, alpha: Tensor | None = None) -> Image.Image:
    """A picture `(1 or 3,H,W)` or `(1,3,H,W)`, 0..1, with an alpha of any size."""
    import torch
    from PIL import Image

    from mmsr_core.image import resize_alpha

    planes = rgb.detach().float().cpu().clamp(0, 1)
    planes = planes[0] if planes.ndim == 4 else planes
    planes = planes.expand(3, -1, -1)
    if alpha is not None:
        fitted = resize_alpha(alpha, (planes.shape[-2], planes.shape[-1]))
        planes = torch.cat((planes, fitted[0].to(planes)))
    array = planes.mul(255).round().byte().movedim(0, -1).contiguous().numpy()
    return Image.fromarray(array)
