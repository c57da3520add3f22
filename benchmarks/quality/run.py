"""`python -m benchmarks quality`: the restoration protocols, bicubic, ours, and published rows."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from tqdm import tqdm

from mmsr_core.degradation import KernelField, constant_kernel_field
from mmsr_core.errors import InputError
from mmsr_core.metrics import (
    best_constant_kernel,
    kernel_l1,
    kernel_psnr,
    lr_consistency,
    round_to_uint8,
)

from ..arguments import QualityOptions
from ..inputs import sources
from ..inputs.protocols import Sample
from ..inputs.samples import Inputs
from ..report.environment import begin_report, write_report
from ..report.failures import FAILURES, finish, leave_out
from .bicubic import bicubic_results
from .measure import Figures, Measurer, mean_figures
from .options import find_places
from .quality_report import protocol_markdown, quality_markdown
from .runner import Method, describe_model, estimate_figures, expand_methods, restore

if TYPE_CHECKING:
    from mmsr_core.pipeline import MMSREngine

_LOG = logging.getLogger(__name__)


def run(options: QualityOptions) -> int:
    """Write `quality.json` and `quality.md`, of several scales into a folder each.

    Returns:
        How many pictures failed.
    """
    several = len(options.scales) > 1
    return sum(
        _run_scale(options, scale, options.out / f"x{scale}" if several else options.out)
        for scale in options.scales
    )


def _run_scale(options: QualityOptions, scale: int, out: Path) -> int:
    places = find_places(options, scale)
    pictures = sources.list_pictures(places.data, options.limit)
    shown = asdict(options) | asdict(places) | {"scale": scale}
    result = begin_report("quality", out, shown, "protocols")
    measurer = Measurer.from_folder(places.metrics, scale)
    if places.metrics is None:
        _LOG.warning(
            "LPIPS and NIQE are left out: give --metrics FOLDER with their parameter files."
        )
    methods = expand_methods(options.steps, options.kernels, options.depths)
    pipe = _load(options) if methods else None
    peers = sources.read_peers(places.peers) if places.peers else {}
    if pipe is not None:
        result["model"] = describe_model(options.model, pipe)
    for protocol in options.protocols:
        inputs = Inputs(protocol, places, scale, options.seed)
        bench = _Protocol(inputs, options, measurer, pipe, methods)
        try:
            bench.run(pictures)
        except KeyboardInterrupt:
            bench.note("Interrupted: pictures are missing.")
            raise
        finally:
            result["protocols"][protocol] = bench.result(peers.get(protocol, {}))
            write_report(out, result, quality_markdown(result))
        _LOG.info(protocol_markdown(protocol, result["protocols"][protocol]))
    return finish(out, result["protocols"].values())


class _Protocol:
    """One protocol over all pictures."""

    def __init__(
        self,
        inputs: Inputs,
        options: QualityOptions,
        measurer: Measurer,
        pipe: MMSREngine | None,
        methods: list[Method],
    ) -> None:
        self.inputs = inputs
        self.options = options
        self.measurer = measurer
        self.pipe = pipe
        self.methods = methods
        self.rows: dict[str, dict[str, Figures]] = {}
        self.constant_psnr: dict[str, float] = {}
        self.failures: dict[str, str] = {}

    def run(self, pictures: list[Path]) -> None:
        for path in tqdm(pictures, desc=self.inputs.protocol, unit="picture"):
            try:
                figures = self.picture(path)
            except FAILURES as error:
                leave_out(self.failures, self.inputs.protocol, path.name, error)
                continue
            for method, row in figures.items():
                self.rows.setdefault(method, {})[path.stem] = row

    def picture(self, path: Path) -> dict[str, Figures]:
        """Rows of one picture: method -> figures. All or none, so that means stay comparable."""
        options = self.options
        hr = sources.read_hr(path, self.inputs.scale)
        sample = self.inputs.sample(hr, path.stem)
        figures = {
            name: self.figures(up, hr, sample)
            for name, up in bicubic_results(sample.lr, self.inputs.scale).items()
        }
        constant: KernelField | None = None
        if sample.true_field is not None:
            kernel = best_constant_kernel(sample.true_field).float()
            field = sample.true_field
            constant = constant_kernel_field(kernel, field.height, field.width, field.scale)
        kernels = {"estimated": None, "true": sample.true_field, "constant": constant}
        for method in self.methods:
            if method.kernel != "estimated" and kernels[method.kernel] is None:
                self.note(
                    f"The true kernels are not known: no rows for the {method.kernel} kernel."
                )
                continue
            if method.depth == "given" and sample.inverse_depth is None:
                self.note("This protocol has no depth maps: no rows for given depth.")
                continue
            row = self.ours(method, hr, sample, kernels[method.kernel])
            figures[method.label(options.model)] = row
        if constant is not None and sample.true_field is not None:
            self.constant_psnr[path.stem] = kernel_psnr(constant, sample.true_field).item()
        return figures

    def ours(
        self, method: Method, hr: Tensor, sample: Sample, kernel: KernelField | None
    ) -> Figures:
        if self.pipe is None:
            raise InputError("No model is loaded.")
        run = restore(
            self.pipe,
            sample.lr,
            method,
            scale=self.inputs.scale,
            seed=self.options.seed,
            kernel=kernel,
            inverse_depth=sample.inverse_depth,
        )
        picture = round_to_uint8(run.output.images.float().cpu())
        row = self.figures(picture, hr, sample)
        estimate = run.output.estimate
        used = estimate.kernel_field.to("cpu")
        if (used.height, used.width) == tuple(sample.lr.shape[-2:]):
            row["lr_db_used"] = lr_consistency(picture, sample.lr, used, estimate.sharpening).item()
        else:  # worked on a reduction: its kernels do not fit the input
            row["lr_db_used"] = run.output.report.consistency_db["after"]
        if sample.true_field is not None and method.kernel != "true":
            row["kernel_psnr"] = kernel_psnr(used, sample.true_field).item()
            row["kernel_l1"] = kernel_l1(used, sample.true_field).item()
        return row | {"seconds": run.seconds} | estimate_figures(run)

    def figures(self, sr: Tensor, hr: Tensor, sample: Sample) -> Figures:
        row = self.measurer(sr, hr)
        if sample.true_field is not None:
            row["lr_db_true"] = lr_consistency(
                round_to_uint8(sr), sample.lr, sample.true_field
            ).item()
        return row

    def note(self, text: str) -> None:
        self.inputs.note(text)

    def result(self, peers: dict[str, dict[str, float]]) -> dict[str, Any]:
        count = len(next(iter(self.rows.values()), {}))
        if peers and (self.options.limit or self.failures):
            self.note(
                "Published rows are means over the whole set, the others over fewer pictures."
            )
        mean = mean_figures([{"psnr": value} for value in self.constant_psnr.values()]).get("psnr")
        return {
            "pictures": count,
            "methods": {
                method: {"mean": mean_figures(list(rows.values())), "images": rows}
                for method, rows in self.rows.items()
            },
            "best_constant_kernel_psnr": {"mean": mean, "images": self.constant_psnr},
            "published": {k: v for k, v in peers.items() if k not in ("bicubic", "bicubic_pil")},
            "notes": self.inputs.notes,
            "failures": self.failures,
        }


def _load(options: QualityOptions) -> MMSREngine:
    from mmsr_core.pipeline import load_pipeline

    return load_pipeline(options.model, device=options.device, torch_dtype=options.dtype)
