"""`python -m benchmarks restore`: one kind of damage after the other, enlarged or not."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from mmsr_core.degradation import Sharpening, add_gaussian_noise, jpeg, sharpen
from mmsr_core.errors import InputError
from mmsr_core.image import resize_bicubic, smooth
from mmsr_core.pipeline import Overrides, load_pipeline
from mmsr_core.types import PRESETS

from .arguments import RestoreOptions
from .inputs import sources
from .inputs.protocols import make_sample, seeded
from .quality.measure import Figures, Measurer, mean_figures
from .report.environment import begin_report, provenance, write_report
from .report.failures import FAILURES, finish, leave_out
from .report.table import format_figure, markdown_table

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Damage:
    """What is done to a picture, in this order."""

    blur_px: float = 0
    """Std, px of the input."""
    noise: float = 0
    """Std, of 255."""
    sharpening: tuple[float, float] = (0, 1)
    """Amount and radius (std, px of the input) of unsharp masking."""
    quality: int = 100
    """Of JPEG; 100: none."""


DAMAGES: dict[str, Damage] = {
    "none": Damage(),
    "blur 0.8 px": Damage(0.8),
    "blur 1.2 px": Damage(1.2),
    "JPEG 20": Damage(quality=20),
    "JPEG 50": Damage(quality=50),
    "JPEG 80": Damage(quality=80),
    "noise 5": Damage(noise=5),
    "noise 12": Damage(noise=12),
    "blur 1 px, noise 4": Damage(1, 4),
    "blur 1 px, noise 4, JPEG 70": Damage(1, 4, quality=70),
    "sharpened 0.6": Damage(sharpening=(0.6, 1.2)),
    "sharpened 0.6, JPEG 85": Damage(sharpening=(0.6, 1.2), quality=85),
    "sharpened 1, wide": Damage(sharpening=(1, 2)),
    "noise 3, sharpened 1, JPEG 90": Damage(noise=3, sharpening=(1, 1), quality=90),
}
_GREY_NOISE = "grey noise 12"
_VARYING = "varying blur (p2)"


def damaged(hr: Tensor, kind: str, name: str, seed: int, scale: int = 1) -> Tensor:
    """A picture `(1,3,H,W)` with one kind of damage, `(1,3,H/scale,W/scale)`; 8-bit values.

    Args:
        hr: 0..1; sides are multiples of `scale`.
        kind: one of `DAMAGES`, or the same noise in all channels, or the blur of p2.
        name: of the picture.
        seed: of the damage.
        scale: by how much the picture is reduced (antialiased) between blur and noise.
    """
    if kind == _VARYING:
        return make_sample("p2", hr, name, scale, seed).lr
    damage = DAMAGES.get(kind, Damage(noise=12))
    made = smooth(hr, damage.blur_px * scale) if damage.blur_px else hr
    if scale > 1:
        made = F.interpolate(made, scale_factor=1 / scale, mode="bicubic", antialias=True)
    generator = seeded(seed, name, kind)
    if kind == _GREY_NOISE:
        grey = add_gaussian_noise(made.new_zeros(made[:, :1].shape), damage.noise / 255, generator)
        made = made + grey
    else:
        made = add_gaussian_noise(made, damage.noise / 255, generator)
    made = sharpen(made, Sharpening.of(*damage.sharpening))
    made = made.clamp(0, 1).mul(255).round().div(255)
    return made if damage.quality == 100 else jpeg(made, damage.quality)


def run(options: RestoreOptions) -> int:
    """Write `restore.json` and `restore.md` into the output folder.

    Returns:
        How many pictures failed.
    """
    default = sources.shared_path("data", "kodak24")
    folder = sources.need_folder(options.pictures or default, "sharp pictures", "--pictures")
    scale = options.scale
    if scale not in (1, 2, 3, 4):
        raise InputError(f"--scale must be 1, 2, 3 or 4, but is {scale}.")
    paths = sources.list_pictures(folder, options.limit)
    result = begin_report("restore", options.out, asdict(options), "sets")
    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    metrics = options.metrics or sources.shared_path("metrics")
    measurer = Measurer.from_folder(metrics, crop=4)
    for kind in (*DAMAGES, _GREY_NOISE, _VARYING):
        rows: dict[str, list[Figures]] = {}
        failures: dict[str, str] = {}
        for path in tqdm(paths, desc=kind, unit="picture"):
            try:
                hr = _middle(sources.read_hr(path, 4), options.side // scale * scale)
                lr = damaged(hr, kind, path.stem, options.seed, scale)
                answers = {"input": resize_bicubic(lr, (hr.shape[-2], hr.shape[-1])).clamp(0, 1)}
                for name in ("faithful", "balanced"):
                    preset = PRESETS[name]
                    answers[name] = pipe(
                        lr,
                        scale=scale,
                        steps=preset.steps,
                        detail=preset.detail,
                        seed=options.seed,
                        overrides=Overrides(sharpening=options.sharpening),
                    ).images.cpu()
                for name, answer in answers.items():
                    rows.setdefault(name, []).append(_finite(measurer(answer, hr)))
            except FAILURES as error:
                leave_out(failures, kind, path.name, error)
        methods = {name: {"mean": mean_figures(own)} for name, own in rows.items()}
        result["sets"][kind] = {
            "pictures": len(paths) - len(failures), "methods": methods, "failures": failures,
        }  # fmt: skip
    write_report(options.out, result, restore_markdown(result))
    _LOG.info(restore_markdown(result))
    return finish(options.out, result["sets"].values())


def _middle(picture: Tensor, side: int) -> Tensor:
    height, width = picture.shape[-2:]
    top, left = max(0, height - side) // 2, max(0, width - side) // 2
    return picture[..., top : top + side, left : left + side]


def _finite(figures: Figures) -> Figures:
    """Equal pictures have an infinite PSNR, which no mean survives: 100 dB stands for it."""
    value = figures["psnr_y"]
    return figures | {"psnr_y": None if value is None else float(min(value, 100.0))}


def _stated(sharpening: float | None) -> str:
    return "" if sharpening is None else f", sharpening stated as {sharpening:g}"


def restore_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    head = (
        f"# One kind of damage after the other, x{options['scale']}\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, the middle "
        f"{options['side']} px of each picture, seed {options['seed']}"
        f"{_stated(options['sharpening'])}. PSNR-Y in dB (100 "
        "where nothing differs) and LPIPS. Above scale 1 the input is enlarged (bicubic).\n"
    )
    body = []
    for kind, item in result["sets"].items():
        row = [kind]
        for name in ("input", "faithful", "balanced"):
            mean = item["methods"].get(name, {"mean": {}})["mean"]
            row += [format_figure(mean.get("psnr_y"), 2), format_figure(mean.get("lpips"), 3)]
        body.append(row)
    headings = ["damage", "input", "LPIPS", "faithful", "LPIPS", "balanced", "LPIPS"]
    return "\n".join([head, markdown_table(headings, body)])
