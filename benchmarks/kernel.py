"""`python -m benchmarks kernel`: error of the kernels, with depth given, estimated and absent."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from mmsr_core.degradation import KernelField, constant_kernel_field
from mmsr_core.errors import InputError
from mmsr_core.metrics import best_constant_kernel, kernel_l1, kernel_psnr

from .arguments import KernelOptions
from .inputs import sources
from .inputs.protocols import Sample, make_sample
from .quality.measure import Figures, mean_figures
from .quality.runner import describe_model, estimate_kernel
from .report.environment import begin_report, provenance, write_report
from .report.failures import FAILURES, finish, leave_out
from .report.table import format_figure, markdown_table

if TYPE_CHECKING:
    from mmsr_core.pipeline import MMSREngine

_LOG = logging.getLogger(__name__)
_CONSTANT = "best constant kernel"
_COLUMNS = (("kernel_l1", "kernel L1", 4), ("kernel_psnr", "kernel PSNR", 2))


def run(options: KernelOptions) -> int:
    """Write `kernel.json` and `kernel.md` into the output folder.

    Returns:
        How many pictures failed.
    """
    tasks = _tasks(options)
    result = begin_report("kernel", options.out, asdict(options), "sets")
    from mmsr_core.pipeline import load_pipeline

    pipe = load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
    result["model"] = describe_model(options.model, pipe)
    for name, (folder, pictures) in tasks.items():
        depths = [d for d in options.depths if d != "given" or name == "defocus"]
        result["sets"][name] = _run_set(name, folder, pictures, depths, options, pipe)
        write_report(options.out, result, kernel_markdown(result))
        _LOG.info(_set_markdown(name, result["sets"][name]))
    return finish(options.out, result["sets"].values())


def _tasks(options: KernelOptions) -> dict[str, tuple[Path, list[Path]]]:
    """The sets to run: `defocus` where pairs are given, `p2` where pictures are."""
    tasks: dict[str, tuple[Path, list[Path]]] = {}
    if options.pairs is not None:
        folder = sources.need_folder(options.pairs, "pictures with depth maps", "--pairs")
        tasks["defocus"] = (folder, sources.list_pictures(folder, options.limit))
    data = options.data or sources.shared_path("data", "kodak24")
    if data is not None:
        folder = sources.need_folder(data, "full-size pictures", "--data")
        tasks["p2"] = (folder, sources.list_pictures(folder, options.limit))
    if not tasks:
        raise InputError("Nothing to run: give --pairs FOLDER, --data FOLDER, or both.")
    return tasks


def _run_set(
    name: str,
    folder: Path,
    pictures: list[Path],
    depths: Sequence[str],
    options: KernelOptions,
    pipe: MMSREngine,
) -> dict[str, Any]:
    rows: dict[str, dict[str, Figures]] = {}
    failures: dict[str, str] = {}
    for path in tqdm(pictures, desc=name, unit="picture"):
        try:
            sample = _sample(name, path, folder, options)
            figures = dict(_estimates(sample, depths, options, pipe))
        except FAILURES as error:
            leave_out(failures, name, path.name, error)
            continue
        for method, row in figures.items():
            rows.setdefault(method, {})[path.stem] = row
    methods = {m: {"mean": mean_figures(list(r.values())), "images": r} for m, r in rows.items()}
    count = len(next(iter(rows.values()), {}))
    return {"pictures": count, "methods": methods, "failures": failures}


def _sample(name: str, path: Path, folder: Path, options: KernelOptions) -> Sample:
    hr = sources.read_hr(path, options.scale)
    size = (hr.shape[-2] // options.scale, hr.shape[-1] // options.scale)
    if name == "defocus":
        depth = sources.read_inverse_depth(sources.find_depth_map(folder, path.stem), size)
        return make_sample(
            "defocus", hr, path.stem, options.scale, options.seed, inverse_depth=depth
        )
    params = options.params
    shared = sources.shared_path("data", "kodak24")
    if params is None and shared is not None and folder.resolve() == shared.resolve():
        params = (
            sources.shared_path("peers", "kodak24", "p2_params") if options.scale == 4 else None
        )
    maps = None
    if params is not None:
        maps = sources.read_kernel_parameters(params / f"{path.stem}.npz", size)
    return make_sample("p2", hr, path.stem, options.scale, options.seed, parameters=maps)


def _estimates(
    sample: Sample, depths: Sequence[str], options: KernelOptions, pipe: MMSREngine
) -> Iterator[tuple[str, Figures]]:
    """Method -> figures for one input."""
    true = sample.true_field
    if true is None:
        raise InputError("This input has no true kernels.")
    kernel = best_constant_kernel(true).float()
    yield (
        _CONSTANT,
        _errors(constant_kernel_field(kernel, true.height, true.width, true.scale), true),
    )
    for depth in depths:
        for iterations in options.iterations if depth == "on" else [1]:
            field_ = estimate_kernel(
                pipe,
                sample.lr,
                scale=options.scale,
                iterations=iterations,
                depth=depth,
                inverse_depth=sample.inverse_depth,
            )
            suffix = f", SVKR t={iterations}" if depth == "on" else ""
            yield f"depth {depth}{suffix}", _errors(field_, true)


def _errors(estimated: KernelField, true: KernelField) -> Figures:
    with torch.no_grad():
        return {
            "kernel_l1": kernel_l1(estimated, true).item(),
            "kernel_psnr": kernel_psnr(estimated, true).item(),
        }


def kernel_markdown(result: dict[str, Any]) -> str:
    """The whole result as a Markdown page."""
    environment, options = result["environment"], result["options"]
    head = (
        "# Kernel error\n\n"
        f"{provenance(environment)}; model {options['model']}, "
        f"seed {options['seed']}, scale {options['scale']}.\n\n"
        "L1 is summed over the taps (0 equal, 2 disjoint), mean over LR pixels; the peak of the "
        "kernel PSNR is the largest value of the picture's true field. Depth: given = the true "
        "map, on = the built-in estimate, off = none; SVKR's iterations matter for on alone. "
        "The best constant kernel is the mean of the true field, optimal in L2.\n"
    )
    return "\n".join([head, *(_set_markdown(name, item) for name, item in result["sets"].items())])


def _set_markdown(name: str, item: dict[str, Any]) -> str:
    body = [
        [method, *(format_figure(entry["mean"].get(key), digits) for key, _, digits in _COLUMNS)]
        for method, entry in item["methods"].items()
    ]
    table = markdown_table(["method", *(heading for _, heading, _ in _COLUMNS)], body)
    lines = [f"## {name}, {item['pictures']} pictures\n", table, ""]
    lines += [f"Left out: {file}: {reason}\n" for file, reason in item["failures"].items()]
    return "\n".join(lines)
