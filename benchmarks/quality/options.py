"""Arguments of `python -m benchmarks quality` and where their defaults come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mmsr_core.errors import InputError

from ..inputs import sources
from ..inputs.protocols import PROTOCOLS


@dataclass(frozen=True)
class QualityOptions:
    """Arguments of the quality benchmark; None means the default from the benchmark data."""

    protocols: list[str]
    out: Path
    data: Path | None = None
    inputs: Path | None = None
    params: Path | None = None
    metrics: Path | None = None
    peers: Path | None = None
    depth_maps: Path | None = None
    steps: list[int] = field(default_factory=lambda: [0, 4])
    kernels: list[str] = field(default_factory=lambda: ["estimated"])
    depths: list[str] = field(default_factory=lambda: ["on"])
    limit: int | None = None
    scale: int = 4
    model: str = "small"
    device: str = "auto"
    dtype: str = "auto"
    seed: int = 0

    def resolved(self) -> QualityOptions:
        """With defaults filled in from the benchmark data, and checked."""
        for protocol in self.protocols:
            if protocol not in PROTOCOLS:
                raise InputError(
                    f"--protocol must be one of {', '.join(PROTOCOLS)}, but is {protocol!r}."
                )
        default_data = sources.shared_path("data", "kodak24")
        data = sources.need_folder(self.data or default_data, "full-size pictures", "--data")
        ready = default_data is not None and data.resolve() == default_data.resolve()
        ready = ready and self.scale == 4
        values = dict(vars(self)) | {
            "data": data,
            "metrics": self.metrics or sources.shared_path("metrics"),
        }
        if ready:
            values["inputs"] = self.inputs or sources.shared_path("peers", "kodak24")
            values["params"] = self.params or sources.shared_path("peers", "kodak24", "p2_params")
            values["peers"] = self.peers or sources.shared_path("peers", "kodak24.json")
        for key, option in (("inputs", "--inputs"), ("params", "--params"),
                            ("metrics", "--metrics"), ("depth_maps", "--depth-maps")):  # fmt: skip
            if values[key] is not None:
                values[key] = sources.need_folder(values[key], key, option)
        return QualityOptions(**values)

    def inputs_folder(self, protocol: str) -> Path | None:
        """Folder of ready inputs of a protocol, None to make them."""
        if self.inputs is None:
            return None
        below = self.inputs / protocol
        if below.is_dir():
            return below
        return self.inputs if len(self.protocols) == 1 and _holds_pictures(self.inputs) else None


def _holds_pictures(folder: Path) -> bool:
    try:
        return bool(sources.list_pictures(folder, 1))
    except InputError:
        return False
