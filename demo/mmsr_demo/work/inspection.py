"""What is kept of a run so that a person can look around in it: small, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from mmsr_core.degradation import KernelField
from mmsr_core.image import read_size, resize_bicubic, save_image
from mmsr_core.models.damage_estimator import BLUR_FLOOR_PX, NOISE_FLOOR
from mmsr_core.pipeline.results import expected_errors, mean_sharpening, sharpness_of
from mmsr_core.pipeline.sharpness import Sharpness
from mmsr_core.visualize import depth_map, heat, kernel_map

from ..ui import messages as words

if TYPE_CHECKING:
    from mmsr_core.pipeline import DegradationEstimate

MAX_LR_PIXELS = 128 * 128
"""Kernels kept of a picture: 30 codes in float16 each, 1 MB."""
_MAP_SIDE = 256
_THUMBNAIL_SIDE = 384


@dataclass(frozen=True)
class Inspection:
    """What was wrong with one picture, and what the restoration made of the evidence."""

    field: KernelField
    """Every n-th kernel of the picture, or of the reduction of it that was worked on."""
    width_px: Tensor
    """`(h',w')` width of the kernels, px of the result."""
    sharpness: Sharpness
    """How sharp it is, as it was measured."""
    thumbnail: Tensor
    """`(1,3,h'',w'')` float16 in 0..1: the picture, small, to be seen under the map."""
    folder: Path
    """Where its pictures are."""
    depth_file: Path | None
    scale: int
    """From the picture to the result. `field` has a larger one where a reduction was worked on."""
    noise_std: float
    jpeg_quality: float
    errors: dict[str, float]
    """Expected errors of `noise_std` and `jpeg_quality`, and of the blur's width as a share of it
    (`blur`), by these names, where they were measured with them."""
    noise_255: Tensor | None
    """`(h'',w'')` noise at every place, of 255; None where it was not measured by place."""
    blur_px: Tensor | None
    """`(h'',w'')` blur likewise, std in px of the result."""
    weights: tuple[dict[str, Tensor], ...]
    """Of every step and modality, `(h'',w'')` in 0..1; empty without a flow."""
    consistency_db: dict[str, float]
    """`before` and `after`; empty when nothing was restored."""
    unexplained_std: float = 0.0
    """What noise and JPEG may leave between the picture and the result damaged again, 0..1."""
    sharpening: float | None = None
    """Amount of unsharp masking that was taken back first; 0 for none, None where it was not looked
    for."""
    prompt_mask: Tensor | None = None
    """`(h'',w'')` where the prompt acted, 0..1."""
    shows_two: bool = False
    """Whether the result shows a second picture as well, and so cannot give the first one back."""
    notes: tuple[str, ...] = ()
    """What else is to be known: of the files, and of the run."""

    @property
    def own_folder(self) -> Path:
        """The folder that a measurement alone made; see `jobs.Made`."""
        return self.folder

    @property
    def blur_of_picture_px(self) -> Tensor | None:
        """`blur_px` in px of the picture."""
        return None if self.blur_px is None else self.blur_px / self.scale

    def draw_map(self) -> Path:
        """The kernel map with ellipses and colour bar, drawn when first asked for (about 1 s)."""
        target = self.folder / "kernel_map.png"
        if not target.is_file():
            self.folder.mkdir(exist_ok=True)
            save_image(target, kernel_map(self.field, self.thumbnail)[None])
        return target

    def map_size(self) -> tuple[int, int]:
        """Height and width of the drawn map without its bar."""
        height, _ = read_size(self.draw_map())
        return height, round(self.field.width * height / self.field.height)

    def summary_place(self) -> str:
        """Where the picture is softest; empty when the blur is even."""
        return self.sharpness.place

    def headline(self) -> str:
        """One sentence about the whole picture."""
        return words.headline(self.sharpness.fault, self.noise_std, self.jpeg_quality)

    def sentences(self) -> list[tuple[str, str]]:
        """(subject, finding) in words, most important first."""
        moments = self.field.moments()
        smear = words.smear_words(moments.blur_sigma_px[0].cpu(), moments.angle_rad[0].cpu())
        found = [("Sharpness", self.sharpness.words())]
        if smear and self.sharpness.fault:  # the kernels of a sharp picture need not be round
            found.append(("Movement", smear))
        found.append(("Noise", words.noise_words(self.noise_std, self.errors.get("noise_std"))))
        quality_error = self.errors.get("jpeg_quality")
        found.append(("Compression", words.jpeg_words(self.jpeg_quality, quality_error)))
        if self.sharpening:
            found.append(("Sharpening", words.sharpening_sentence(self.sharpening)))
        if self.shows_two:
            found.append(("Faithfulness", "Not measured: the result shows both pictures."))
        elif self.consistency_db:
            left = (self.unexplained_std, self.jpeg_quality)
            said = words.consistency_words(self.consistency_db["after"], *left)
            found.append(("Faithfulness", said))
        return found

    def numbers(self) -> dict[str, Any]:
        """The same as plain numbers and strings."""
        blur, doubt = self.sharpness, self.sharpness.doubt_px
        off = {name: self.errors.get(name) for name in ("noise_std", "jpeg_quality")}
        off["blur"] = None if doubt is None else doubt * self.scale
        return {
            "summary": self.headline(),
            "words": {subject.lower(): text for subject, text in self.sentences()},
            "notes": list(self.notes),
            "scale": self.scale,
            "blur_px": {
                "mean": round(blur.mean_px * self.scale, 3),
                "softest_region": round(blur.widest_px * self.scale, 3),
                "sharpest_region": round(blur.narrowest_px * self.scale, 3),
            },
            "noise_std_255": round(self.noise_std * 255, 2),
            "jpeg_quality": round(self.jpeg_quality, 1),
            "sharpening": self.sharpening,
            "give_or_take": {
                name: round(off_by * unit, 2)
                for name, error, unit in (
                    ("noise_std_255", "noise_std", 255),
                    ("jpeg_quality", "jpeg_quality", 1),
                    ("blur_px", "blur", 1),
                )
                for off_by in [off[error]]
                if off_by is not None
            },
        }  # fmt: skip

    def lr_pixel_at(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) of the kept kernel at a place of the map, x and y in 0..1."""
        rows, columns = self.field.height, self.field.width
        row = min(rows - 1, max(0, int(y * rows)))
        return row, min(columns - 1, max(0, int(x * columns)))

    def kernel_at(self, x: float, y: float, zoom: int = 15) -> tuple[Tensor, str]:
        """The kernel at a place of the map, enlarged, and its shape in words.

        Args:
            x: 0 (left) to 1.
            y: 0 (top) to 1.
            zoom: side of a drawn pixel.

        Returns:
            `(3,21*zoom,21*zoom)` float32 in 0..1, and a sentence.
        """
        row, column = self.lr_pixel_at(x, y)
        lr_pixel = KernelField(
            self.field.data[..., row : row + 1, column : column + 1],
            self.field.scale,
            self.field.basis,
            checked=True,
        )
        kernel = lr_pixel.dense()[0].reshape(21, 21)
        picture = heat(kernel, 0.0, max(float(kernel.max()), 1e-6))
        picture = picture.repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
        moments = lr_pixel.moments()
        major, minor = (float(v) for v in moments.blur_sigma_px.flatten())
        return picture, words.shape_words(major, minor, float(moments.angle_rad))


def inspect_run(
    lr: Tensor,
    estimate: DegradationEstimate,
    folder: Path,
    scale: int | None = None,
    *,
    weight_steps: Sequence[Mapping[str, Tensor]] = (),
    consistency_db: Mapping[str, float] | None = None,
    unexplained_std: float = 0.0,
    prompt_mask: Tensor | None = None,
    shows_two: bool = False,
) -> Inspection:
    """Keep what matters of a run on one picture; its pictures are written to `folder`.

    Args:
        lr: `(1,3,h,w)`, 0..1.
        estimate: what was measured on it.
        folder: for its pictures.
        scale: from the picture to the result; that of the kernels when None.
        weight_steps: router weights `(1,1,H/4,W/4)` of every step.
        consistency_db: `before` and `after`, dB.
        unexplained_std: what noise and JPEG may leave, 0..1 units.
        prompt_mask: `(1,1,H/4,W/4)` in 0..1.
        shows_two: whether a second picture was fused into the result.
    """
    whole = estimate.kernel_field
    stride = 1
    while -(-whole.height // stride) * -(-whole.width // stride) > MAX_LR_PIXELS:
        stride += 1
    data = whole.data[:1, :, ::stride, ::stride].float().half().clone()
    if whole.basis is None:
        field = KernelField(data, whole.scale, None, checked=True)
    else:
        field = KernelField(data, whole.scale, whole.basis.to("cpu"), checked=True)
    noise = blur = None
    if estimate.damage is not None:  # px of the picture that was worked on, to px of the result
        noise = _pooled((estimate.damage.log_noise.exp() - NOISE_FLOOR).clamp(0, 1) * 255)
        blur = _pooled((estimate.damage.log_blur.exp() - BLUR_FLOOR_PX).clamp_min(0)) * whole.scale
    depth_file = None
    if estimate.inverse_depth is not None:
        depth_file = folder / "depth.png"
        save_image(depth_file, depth_map(estimate.inverse_depth[:1])[None])
    shrink = min(1.0, _THUMBNAIL_SIDE / max(lr.shape[-2:]))
    size = (max(1, round(lr.shape[-2] * shrink)), max(1, round(lr.shape[-1] * shrink)))
    return Inspection(
        field=field,
        width_px=words.blur_width(field.moments().blur_sigma_px)[0],
        sharpness=sharpness_of(estimate, scale or whole.scale),
        thumbnail=resize_bicubic(lr[:1].detach().float().cpu(), size).half(),
        folder=folder,
        depth_file=depth_file,
        scale=scale or whole.scale,
        noise_std=float(estimate.given_noise_std[0]),
        jpeg_quality=float(estimate.jpeg_quality[0]),
        errors=expected_errors(estimate),
        sharpening=mean_sharpening(estimate),
        noise_255=noise,
        blur_px=blur,
        weights=tuple({name: _small(v) for name, v in step.items()} for step in weight_steps),
        consistency_db=dict(consistency_db or {}),
        unexplained_std=unexplained_std,
        prompt_mask=None if prompt_mask is None else _small(prompt_mask),
        shows_two=shows_two,
    )


def _small(weights: Tensor) -> Tensor:
    """`(1,1,H,W)` in 0..1 to `(h,w)`, at most `_MAP_SIDE` a side."""
    return _pooled(weights).clamp(0, 1)


def _pooled(values: Tensor) -> Tensor:
    factor = max(1, -(-max(values.shape[-2:]) // _MAP_SIDE))
    maps = values[:1].detach().float().cpu()
    if factor > 1:
        maps = functional.avg_pool2d(maps, factor, ceil_mode=True)
    return torch.nan_to_num(maps[0, 0])
