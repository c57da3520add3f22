"""`python -m benchmarks defocus`: what depth is worth where blur follows it by physics."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from mmsr_core.degradation import (
    KernelField,
    check_scale,
    constant_kernel_field,
    degrade,
)
from mmsr_core.errors import InputError
from mmsr_core.metrics import Lpips, best_constant_kernel, rgb_to_y, round_to_uint8
from mmsr_core.pipeline import load_pipeline

from .arguments import DefocusOptions
from .inputs import sources
from .inputs.lens_scenes import (
    IN_FOCUS,
    OUT_OF_FOCUS,
    LensScene,
    SceneSettings,
    lens_scene,
    scene_names,
    texture_bank,
)
from .inputs.thin_lens import (
    LARGEST_RADIUS_PX,
    at_lr,
    blur_std_px,
    disc_field,
    fitted_radius_px,
    gaussian_field,
)
from .quality.bicubic import bicubic_results
from .quality.measure import Figures, Measurer, mean_figures
from .quality.runner import describe_model
from .report.environment import begin_report, provenance, write_report
from .report.failures import FAILURES, finish, leave_out
from .report.table import format_figure, markdown_table

if TYPE_CHECKING:
    from mmsr_core.pipeline import DegradationEstimate, MMSREngine

_LOG = logging.getLogger(__name__)
COUNT = 15
"""Scenes, of which three are views of the still life."""
NO_DEPTH = "no depth"
FITTED = "a lens fitted to the widths without depth"
ASKED = "DKENet in any case"
"""Rows of scale 1: there, kernels are not estimated for a picture that is sharp on the whole."""
_COLUMNS = (
    ("psnr_y", "PSNR-Y", 2),
    ("lpips", "LPIPS", 4),
    ("psnr_in", "in focus", 2),
    ("psnr_out", "out of focus", 2),
    ("psnr_edge", "depth edges", 2),
    ("width_error", "width error, px", 3),
    ("width_r", "width r", 2),
    ("explains", "explains, dB", 2),
    ("depth_r", "depth r", 2),
)
_EDGE_STD_PX = 0.15
"""Where the std of the blur jumps by more from a pixel to the next, depth has an edge."""
_EDGE_REACH_PX = 8
"""So far from an edge of depth a place is near it, px of the sharp picture."""
_BORDER_PX = 4
_LEAST_SHARE = 0.02
"""Regions that are smaller than this share of the picture are not measured."""


@dataclass(frozen=True)
class Case:
    """One input and what is known about it."""

    lr: Tensor
    truth: Tensor
    depth: Tensor
    """`(1,1,h,w)` exact, 0..1."""
    discs: KernelField
    """Of physics."""
    gaussians: KernelField
    width_px: Tensor
    """`(h,w)`: std of the blur by physics, with the area of the pixel, px of the truth."""
    regions: Mapping[str, Tensor]
    """`(H,W)` bool: `in`, `out`, `edge`."""
    away: Tensor
    """`(h,w)` bool: LR pixels away from edges of depth."""


def run(options: DefocusOptions) -> int:
    """Write `defocus.json` and `defocus.md` into the output folder.

    Returns:
        How many scenes failed.
    """
    _check(options)
    sources.check_limit(options.limit)
    result = begin_report("defocus", options.out, asdict(options), "sets")
    scenes = make_scenes(options)
    result["scenes"] = {
        scene.name: {**asdict(scene.lens), "noise": [255 * std for std in scene.noise]}
        for scene in scenes
    }
    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    result["model"] = describe_model(options.model, pipe)
    metrics = options.metrics or sources.shared_path("metrics")
    lpips = None if metrics is None else Lpips.from_folder(metrics).eval()
    measurer = Measurer(lpips, None, _BORDER_PX)
    for scale in options.scales:
        result["sets"][f"x{scale}"] = _run_set(scale, scenes, options, pipe, measurer)
        write_report(options.out, result, defocus_markdown(result))
    _LOG.info(defocus_markdown(result))
    return finish(options.out, result["sets"].values())


def _check(options: DefocusOptions) -> None:
    for scale in options.scales:
        check_scale(scale)
        for name, side in (("--width", options.width), ("--height", options.height)):
            if side < 32 or side % scale or side % 4:
                raise InputError(
                    f"{name} must be a multiple of 4 and of the scale {scale}, and at least 32, "
                    f"but is {side}."
                )
    if options.samples < 2:
        raise InputError(f"--samples must be at least 2, but is {options.samples}.")
    if not 0 < options.blur_std_px <= LARGEST_RADIUS_PX / 2:
        raise InputError(
            f"--blur-std-px must be above 0 and at most {LARGEST_RADIUS_PX / 2}, the widest disc "
            f"that a kernel holds, but is {options.blur_std_px}."
        )
    if not 0 <= options.noise <= 100:
        raise InputError(f"--noise must be between 0 and 100, but is {options.noise}.")


def make_scenes(options: DefocusOptions) -> list[LensScene]:
    """All scenes, or the first `limit`: kept ones, others are rendered."""
    folder = options.pictures or sources.shared_path("data", "kodak24")
    bank = texture_bank([] if folder is None else sources.list_pictures(folder), options.seed)
    settings = SceneSettings(
        height=options.height,
        width=options.width,
        samples=options.samples,
        blur_std_px=options.blur_std_px,
        seed=options.seed,
    )
    kept = options.scenes or options.out / "scenes"
    return [
        lens_scene(name, bank, settings, kept, options.variant)
        for name in tqdm(scene_names(COUNT)[: options.limit], desc="rendering", unit="scene")
    ]


def _run_set(
    scale: int,
    scenes: list[LensScene],
    options: DefocusOptions,
    pipe: MMSREngine,
    measurer: Measurer,
) -> dict[str, Any]:
    rows: dict[str, dict[str, Figures]] = {}
    failures: dict[str, str] = {}
    for scene in tqdm(scenes, desc=f"x{scale}", unit="scene"):
        try:
            case = make_case(scene, scale, options)
            figures = dict(_answers(case, scale, options, pipe, measurer))
        except FAILURES as error:
            leave_out(failures, f"x{scale}", scene.name, error)
            continue
        for method, row in figures.items():
            rows.setdefault(method, {})[scene.name] = row
    methods = {m: {"mean": mean_figures(list(r.values())), "images": r} for m, r in rows.items()}
    return {"pictures": len(scenes) - len(failures), "methods": methods, "failures": failures}


def make_case(scene: LensScene, scale: int, options: DefocusOptions) -> Case:
    """The input of a scene at a scale, and what is known about it."""
    radius = scene.radius_px()
    own = at_lr(radius, scale)
    std = radius[0, 0] / 2
    edge = depth_edges(std)
    border = torch.zeros_like(edge)
    border[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = True
    regions = {
        "in": (std <= IN_FOCUS * options.blur_std_px) & border,
        "out": (std >= OUT_OF_FOCUS * options.blur_std_px) & border,
        "edge": edge & border,
    }
    near = F.max_pool2d(edge[None, None].float(), scale)[0, 0] > 0
    return Case(
        scene.lr(scale, options.noise / 255, options.seed),
        scene.truth(),
        scene.depth(scale),
        disc_field(own, scale),
        gaussian_field(own, scale),
        blur_std_px(own.clamp(0, LARGEST_RADIUS_PX), scale)[0, 0],
        regions,
        ~near,
    )


def depth_edges(std_px: Tensor) -> Tensor:
    """Places near a jump of the blur's std `(H,W)`, px: `(H,W)` bool."""
    jump = torch.zeros_like(std_px)
    down, across = std_px.diff(dim=0).abs(), std_px.diff(dim=1).abs()
    jump[1:] = torch.maximum(jump[1:], down)
    jump[:, 1:] = torch.maximum(jump[:, 1:], across)
    found = (jump > _EDGE_STD_PX).float()[None, None]
    side = 2 * _EDGE_REACH_PX + 1
    return F.max_pool2d(found, side, stride=1, padding=_EDGE_REACH_PX)[0, 0] > 0


def _answers(
    case: Case, scale: int, options: DefocusOptions, pipe: MMSREngine, measurer: Measurer
) -> Iterator[tuple[str, Figures]]:
    """Method -> figures for one input."""
    picture = case.lr if scale == 1 else bicubic_results(case.lr, scale)["bicubic"]
    name = "input" if scale == 1 else "bicubic"
    yield name, _picture_figures(case, picture, measurer)
    for method, estimate in estimates(case, scale, options, pipe):
        conditioning = pipe.fuse_modalities(case.lr, estimate)
        restored = pipe.sample(conditioning, steps=0, seed=options.seed).images.cpu()
        own = _picture_figures(case, restored, measurer)
        yield method, own | _kernel_figures(case, estimate)


def estimates(
    case: Case, scale: int, options: DefocusOptions, pipe: MMSREngine
) -> Iterator[tuple[str, DegradationEstimate]]:
    """Method -> what is taken for the damage of one input, and the depth that restoring sees."""
    lr, kernel = case.lr, best_constant_kernel(case.discs).float()
    without = pipe.estimate_degradation(lr, scale, use_depth=False)
    exact = pipe.estimate_degradation(lr, scale, case.depth)
    yield NO_DEPTH, without
    for iterations in options.iterations:
        found = pipe.refine_kernel(lr, scale, iterations=iterations)
        yield f"built-in depth, SVKR t={iterations}", found
    yield "exact depth", exact
    yield "exact depth, upside down", pipe.estimate_degradation(lr, scale, case.depth.flip(-2))

    seen = without
    if scale == 1:  # a picture that is sharp on the whole is not shown to DKENet there
        for name, depth in ((f"{NO_DEPTH}, {ASKED}", None), (f"exact depth, {ASKED}", case.depth)):
            asked = pipe.refine_kernel(
                lr, scale, depth, initial=without, iterations=1, gamma=1.0, fixed_depth=True
            )
            seen = asked if depth is None else seen
            yield name, asked

    def given(estimate: DegradationEstimate, field_: KernelField) -> DegradationEstimate:
        return replace(estimate, kernel_field=field_, kernels_given=True)

    built_in = pipe.estimate_depth(lr).cpu()
    for name, depth in (
        (f"{FITTED}, built-in depth", built_in),
        (f"{FITTED}, exact depth", case.depth),
    ):
        radius = fitted_radius_px(widths(seen.kernel_field), depth, scale)
        yield name, given(without, disc_field(radius, scale))
    constant = constant_kernel_field(kernel, lr.shape[-2], lr.shape[-1], scale)
    yield "one kernel, the mean of physics", given(without, constant)
    yield "kernels of physics, discs", given(without, case.discs)
    yield "kernels of physics, Gaussians", given(without, case.gaussians)
    yield "kernels of physics, discs, exact depth", given(exact, case.discs)


def _picture_figures(case: Case, picture: Tensor, measurer: Measurer) -> Figures:
    measured = measurer(picture, case.truth)
    figures: Figures = {"psnr_y": measured["psnr_y"], "lpips": measured["lpips"]}
    pair = (rgb_to_y(round_to_uint8(p).double())[0, 0] for p in (picture, case.truth))
    error = torch.sub(*pair).square()
    for name, region in case.regions.items():
        large = float(region.float().mean()) >= _LEAST_SHARE
        figures[f"psnr_{name}"] = float(-10 * error[region].mean().log10()) if large else None
    return figures


def _kernel_figures(case: Case, estimate: DegradationEstimate) -> Figures:
    """Width against physics, away from depth edges; how well the kernels explain the input."""
    field_ = estimate.kernel_field.to("cpu")
    width = widths(field_)
    found, true = width[case.away], case.width_px[case.away]
    blurred = degrade(case.truth, field_.dense(), field_.scale)
    error = float((blurred - case.lr).double().square().mean())
    figures: Figures = {
        "width_error": float((found - true).abs().mean()),
        "width_r": correlation(found, true),
        "explains": -10 * float(np.log10(error)),
    }
    if estimate.inverse_depth is not None:
        figures["depth_r"] = correlation(estimate.inverse_depth.cpu(), case.depth)
    return figures


def widths(field_: KernelField) -> Tensor:
    """Width of the blur `(h,w)`: the geometric mean of the std along both axes, HR px."""
    return field_.to("cpu").moments().blur_sigma_px[0].prod(0).sqrt()


def correlation(first: Tensor, second: Tensor) -> float | None:
    """Pearson's correlation of two tensors of one size; None where one of them is constant."""
    pair = torch.stack((first.flatten(), second.flatten())).double()
    std = pair.std(1)
    if pair.shape[1] < 2 or float(std.min()) < 1e-6:
        return None
    return float(torch.corrcoef(pair)[0, 1])


def defocus_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    options = result["options"]
    noise = np.mean([scene["noise"] for scene in result["scenes"].values()], axis=0)
    low, high = (share * options["blur_std_px"] for share in (IN_FOCUS, OUT_OF_FOCUS))
    head = (
        "# Defocus by a thin lens\n\n"
        f"{provenance(result['environment'])}; model {options['model']}, steps 0, seed "
        f"{options['seed']}, {options['width']}x{options['height']} px, at least "
        f"{options['samples']} rays a pixel, variant {options['variant']}.\n\n"
        "Scenes rendered through a pinhole (the truth) and through a thin lens (the input: mean "
        f"of linear light over the pixels of the scale, noise of {options['noise']:g} of 255, 8 "
        f"bits). The std of the blur runs from 0 to {options['blur_std_px']:g} px of the truth. "
        f"Noise of rendering: {noise[0]:.2f} of 255 in the truth, {noise[1]:.2f} in means over 4x4 "
        "pixels.\n\n"
        f"In focus, out of focus: PSNR-Y where the lens blurs by less than {low:g} px, by more "
        f"than {high:g} px. Depth edges: within {_EDGE_REACH_PX} px of a jump of the blur. Width "
        "error: mean absolute error of the blur's std (with the area of the pixel) against the "
        "thin lens's, px of the truth, away from depth edges; width r: its correlation, over the "
        "scenes in which the measured width varies. Explains: PSNR of the truth, degraded with "
        "these kernels, against the input. Depth r: correlation of the depth in use with the exact "
        "one. Physics: circles of confusion from the exact depth over the area of the pixel; "
        "occlusion is ignored, and kernels act on sRGB, a lens on linear light. "
        "A lens fitted: discs whose radius is b |d - a| of the depth d, with the one a and b of a "
        "picture that are closest to the widths that DKENet finds without depth. "
        f"{ASKED}: at scale 1 kernels are otherwise not estimated for pictures "
        "that are sharp on the whole.\n"
    )
    return "\n".join([head, *(_set_markdown(name, item) for name, item in result["sets"].items())])


def _set_markdown(name: str, item: dict[str, Any]) -> str:
    methods = item["methods"]
    body = [
        [method, *(format_figure(entry["mean"].get(key), digits) for key, _, digits in _COLUMNS)]
        for method, entry in methods.items()
    ]
    lines = [f"## {name}, {item['pictures']} scenes\n"]
    lines += [markdown_table(["", *(heading for _, heading, _ in _COLUMNS)], body), ""]
    if NO_DEPTH in methods:
        lines.append(
            "Against no depth, scene by scene: mean difference, its standard error, and in how "
            "many scenes it is better.\n"
        )
        lines += [markdown_table(["", "PSNR-Y", "better", "LPIPS", "better"], _against(item)), ""]
    lines += [f"Left out: {file}: {reason}\n" for file, reason in item["failures"].items()]
    return "\n".join(lines)


def _against(item: dict[str, Any]) -> list[list[str]]:
    methods, body = item["methods"], []
    base = methods[NO_DEPTH]["images"]
    for method, entry in methods.items():
        if method == NO_DEPTH:
            continue
        row = [method]
        for key, digits, sign in (("psnr_y", 3, 1), ("lpips", 4, -1)):
            apart = paired(entry["images"], base, key)
            if apart.size:
                error = apart.std(ddof=1) / np.sqrt(apart.size) if apart.size > 1 else np.nan
                better = f"{int((sign * apart > 0).sum())} of {apart.size}"
                row += [f"{apart.mean():+.{digits}f} ± {error:.{digits}f}", better]
            else:
                row += ["–", "–"]
        body.append(row)
    return body


def paired(
    own: Mapping[str, Figures], other: Mapping[str, Figures], key: str
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Differences `own - other` of a figure over the pictures that have it in both, `(N,)`."""
    pairs = ((row.get(key), other[name].get(key)) for name, row in own.items() if name in other)
    return np.array([a - b for a, b in pairs if a is not None and b is not None], np.float64)
