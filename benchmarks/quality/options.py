"""Where the pictures of a run and what belongs to them lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmsr_core.errors import InputError

from ..arguments import PictureOptions, ReadyOptions
from ..inputs import sources


@dataclass(frozen=True)
class Places:
    """Folders and files of a run, checked; None where there is none."""

    protocols: tuple[str, ...]
    data: Path
    metrics: Path | None
    depth_maps: Path | None
    inputs: Path | None = None
    params: Path | None = None
    peers: Path | None = None

    def inputs_folder(self, protocol: str) -> Path | None:
        """Folder of ready inputs of a protocol, None to make them."""
        if self.inputs is None:
            return None
        below = self.inputs / protocol
        if below.is_dir():
            return below
        return self.inputs if len(self.protocols) == 1 and _holds_pictures(self.inputs) else None


def find_places(options: PictureOptions, scale: int) -> Places:
    """What the options name, with defaults from the benchmark data."""
    shared = sources.shared_path
    default_data = shared("data", "kodak24")
    data = sources.need_folder(options.data or default_data, "full-size pictures", "--data")
    found = {"metrics": options.metrics or shared("metrics"), "depth_maps": options.depth_maps}
    peers = None
    if isinstance(options, ReadyOptions):
        found |= {"inputs": options.inputs, "params": options.params}
        peers = options.peers
        if scale == 4 and default_data is not None and data.resolve() == default_data.resolve():
            found["inputs"] = options.inputs or shared("peers", "kodak24")
            found["params"] = options.params or shared("peers", "kodak24", "p2_params")
            peers = options.peers or shared("peers", "kodak24.json")
    checked = {
        key: sources.need_folder(path, key, f"--{key.replace('_', '-')}") if path else None
        for key, path in found.items()
    }
    return Places(options.protocols, data, peers=peers, **checked)


def _holds_pictures(folder: Path) -> bool:
    try:
        return bool(sources.list_pictures(folder, 1))
    except InputError:
        return False
