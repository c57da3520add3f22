"""`python -m benchmarks frames`: how much a restored clip flickers, where its motion is known.

Clips are cut from pictures: the window moves, turns and grows as a hand-held camera would make it
("handheld"), or stays ("static"); in "object" a part of another picture moves across it. Frames
are blurred, reduced, and get noise and JPEG damage of their own.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm import tqdm

from mmsr_core.degradation import add_gaussian_noise, degrade, isotropic_gaussian, jpeg
from mmsr_core.errors import InputError
from mmsr_core.image import luminance
from mmsr_core.image.optical_flow import inside, warp
from mmsr_core.pipeline import load_pipeline

from .arguments import FramesOptions
from .inputs import sources
from .inputs.protocols import seeded
from .quality.bicubic import bicubic_results
from .quality.measure import Figures, Measurer, mean_figures
from .report.environment import begin_report, provenance, write_report
from .report.failures import finish
from .report.table import format_figure, markdown_table

if TYPE_CHECKING:
    from mmsr_core.pipeline import MMSREngine

_LOG = logging.getLogger(__name__)
MOTIONS = ("static", "handheld", "object")
BLUR_SIGMA_PX, NOISE_STD, JPEG_QUALITY = 1.6, 3 / 255, 90
_COLUMNS = (
    ("flicker", "flicker", 2),
    ("psnr_y", "PSNR-Y", 2),
    ("lpips", "LPIPS", 4),
    ("seconds", "s a frame", 2),
)


@dataclass(frozen=True)
class Clip:
    """Frames, the truth, and how to see each of them from the first one."""

    hr: list[Tensor]
    """`(1,3,H,W)` each."""
    lr: list[Tensor]
    """`(1,3,h,w)` each."""
    flows: list[Tensor]
    """`(1,2,H,W)` each: where the points of the first frame's background lie in this one."""
    background: Tensor
    """`(1,1,H,W)` bool: what nothing else ever covers."""


@dataclass(frozen=True)
class _Camera:
    """The scene at `matrix @ (place in the window - its middle) + offset`, px, (x, y)."""

    matrix: Tensor
    offset: Tensor


def _camera(index: float) -> _Camera:
    """A hand-held camera at a frame: it drifts, trembles, turns and comes nearer."""
    angle, size = math.radians(0.25 * index), 1 - 0.003 * index
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    offset = torch.tensor([1.7 * index + 1.3 * math.sin(2.1 * index), 0.9 * index])
    return _Camera(size * turn, offset)


def _grid(height: int, width: int) -> Tensor:
    """`(height,width,2)`: places (x, y) from the middle."""
    rows, cols = (torch.arange(side) - (side - 1) / 2 for side in (height, width))
    return torch.stack(torch.meshgrid(cols, rows, indexing="xy"), -1)


def _as_flow(places: Tensor) -> Tensor:
    """Moves `(side,side,2)` as `(1,2,side,side)`."""
    return places.permute(2, 0, 1)[None].float()


def _seen(picture: Tensor, camera: _Camera, side: int) -> Tensor:
    """The window of a camera, `(1,3,side,side)`."""
    height, width = picture.shape[-2:]
    grid = _grid(height, width)
    moved = warp(picture, _as_flow(grid @ camera.matrix.T + camera.offset - grid))
    top, left = (height - side) // 2, (width - side) // 2
    return moved[..., top : top + side, left : left + side].clamp(0, 1)


def _from_first(camera: _Camera, first: _Camera, side: int) -> Tensor:
    """Where the points of the first frame's window lie in this camera's, as a flow."""
    grid = _grid(side, side)
    scene = grid @ first.matrix.T + first.offset
    return _as_flow((scene - camera.offset) @ torch.linalg.inv(camera.matrix).T - grid)


def make_clip(
    picture: Tensor, other: Tensor, motion: str, options: FramesOptions, name: str
) -> Clip:
    """A clip of a window in the middle of `picture`.

    Args:
        picture: `(1,3,H,W)`, larger than the window.
        other: `(1,3,H,W)`, of which a part moves across in "object".
        motion: one of `MOTIONS`.
        options: sizes and the seed.
        name: seeds the noise.
    """
    side, scale = options.side, options.scale
    if min(picture.shape[-2:]) < side + 32:
        raise InputError(f"{name} is too small for a window of {side} px that moves.")
    generator = seeded(options.seed, name, motion)
    kernel = isotropic_gaussian(BLUR_SIGMA_PX, scale).view(1, -1, 1, 1)
    kernels = kernel.expand(1, -1, side // scale, side // scale)
    hr, lr, flows = [], [], []
    background = torch.ones(1, 1, side, side, dtype=torch.bool)
    first = _camera(0)
    for index in range(options.frames):
        camera = first if motion == "static" else _camera(index)
        frame = _seen(picture, camera, side)
        flow = _from_first(camera, first, side)
        if motion == "object":
            size, top, left = side // 4, side // 3, round(4.5 * index) + side // 8
            frame[..., top : top + size, left : left + size] = other[..., :size, :size]
            background[..., top - 12 : top + size + 12, : left + size + 12] = False
        low = add_gaussian_noise(degrade(frame, kernels, scale), NOISE_STD, generator)
        hr.append(frame)
        lr.append(jpeg(low.clamp(0, 1), JPEG_QUALITY))
        flows.append(flow)
        background &= inside(flow)
    return Clip(hr, lr, flows, background)


def flicker(frames: list[Tensor], clip: Clip) -> float:
    """Std over time of the luma at the points of the first frame's background, of 255."""
    planes = [luminance(warp(f, flow)) for f, flow in zip(frames, clip.flows, strict=True)]
    spread = torch.cat(planes).std(0, correction=0, keepdim=True)
    return 255 * float(spread[clip.background].mean())


def run(options: FramesOptions) -> int:
    """Write `frames.json` and `frames.md` into the output folder.

    Returns:
        How many pictures failed: none, or the run ends.
    """
    folder = options.pictures or sources.shared_path("data", "kodak24")
    if folder is None:
        raise InputError("Where are the pictures? Give --pictures FOLDER.")
    paths = sources.list_pictures(folder, options.limit)
    result = begin_report("frames", options.out, asdict(options), "sets")
    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    metrics = options.metrics or sources.shared_path("metrics")
    measurer = Measurer.from_folder(metrics, crop=options.scale)
    for motion in MOTIONS:
        rows: dict[str, list[Figures]] = {}
        for index, path in enumerate(tqdm(paths, desc=motion, unit="clip")):
            picture = sources.read_hr(path, options.scale)
            other = sources.read_hr(paths[index - 1], options.scale)
            clip = make_clip(picture, other, motion, options, path.stem)
            for name, (frames, seconds) in _answers(pipe, clip, options).items():
                pairs = zip(frames, clip.hr, strict=True)
                own = mean_figures([measurer(frame, hr) for frame, hr in pairs])
                own |= {"flicker": flicker(frames, clip), "seconds": seconds}
                rows.setdefault(name, []).append(own)
            rows.setdefault("the truth", []).append({"flicker": flicker(clip.hr, clip)})
        methods = {name: {"mean": mean_figures(own)} for name, own in rows.items()}
        result["sets"][motion] = {"pictures": len(paths), "methods": methods, "failures": {}}
    write_report(options.out, result, frames_markdown(result))
    _LOG.info(frames_markdown(result))
    return finish(options.out, result["sets"].values())


def _answers(
    pipe: MMSREngine, clip: Clip, options: FramesOptions
) -> dict[str, tuple[list[Tensor], float]]:
    """Method -> its frames, and the seconds it took for each."""
    count = len(clip.lr)
    made = {"bicubic": ([bicubic_results(f, options.scale)["bicubic"] for f in clip.lr], 0.0)}
    started = time.perf_counter()
    alone = [pipe(frame, scale=options.scale, seed=options.seed).images.cpu() for frame in clip.lr]
    made["each frame alone"] = (alone, (time.perf_counter() - started) / count)
    started = time.perf_counter()
    outputs = pipe.restore_frames(clip.lr, scale=options.scale, seed=options.seed)
    frames = [output.images.cpu() for output in outputs]
    made["as frames of one clip"] = (frames, (time.perf_counter() - started) / count)
    return made


def frames_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    parts = [
        "# Frames of a clip\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, x{options['scale']}, "
        f"{options['frames']} frames of {options['side']} px, the default preset. Blur of std "
        f"{BLUR_SIGMA_PX} px, noise of std {NOISE_STD * 255:.0f}/255, JPEG {JPEG_QUALITY}.\n\n"
        "Flicker: std over time of the luma at points of the scene, of 255. The truth has some, "
        "for its frames were resampled.\n"
    ]
    for motion, item in result["sets"].items():
        body = [
            [name, *(format_figure(entry["mean"].get(key), digits) for key, _, digits in _COLUMNS)]
            for name, entry in item["methods"].items()
        ]
        headings = ["method", *(heading for _, heading, _ in _COLUMNS)]
        parts.append(f"## {motion}, {item['pictures']} clips\n\n{markdown_table(headings, body)}")
    return "\n".join(parts)
