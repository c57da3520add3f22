"""Pairs of registered pictures for the fusion benchmark: from a tar archive or a folder."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmsr_core.errors import InputError
from mmsr_core.image import INPUT_SUFFIXES
from training.data.pairs import held_out_pairs

_KINDS = {"visible": "visible", "vi": "visible", "infrared": "infrared", "ir": "infrared"}


@dataclass(frozen=True)
class SensorPair:
    """One scene at full size."""

    name: str
    visible: Tensor
    """`(1,3,H,W)` in 0..1."""
    infrared: Tensor
    """`(1,1,H,W)` in 0..1."""

    def centre(self, side: int, scale: int) -> SensorPair:
        """The central window of at most `side` px, cut to multiples of `scale`."""
        height, width = (min(side, v) // scale * scale for v in self.visible.shape[-2:])
        top, left = (
            (v - size) // 2
            for v, size in zip(self.visible.shape[-2:], (height, width), strict=True)
        )
        window = (..., slice(top, top + height), slice(left, left + width))
        return SensorPair(self.name, self.visible[window], self.infrared[window])


def read_pairs(source: Path, scale: int, everything: bool = False) -> list[SensorPair]:
    """The pairs to measure, sides cut to multiples of `scale`.

    Args:
        source: a tar archive or a folder with `visible/NAME` and `infrared/NAME` (or `vi`, `ir`)
            below one folder each; in an archive with several sets, `roadscene` is taken.
        scale: SR factor.
        everything: take all pairs, not only `held_out_pairs`; for sets that nothing was trained on.

    Raises:
        InputError: no such file, no pairs, or pictures of a pair that differ in size.
    """
    if source.is_dir():
        members = {
            path.relative_to(source).as_posix(): path.read_bytes()
            for path in sorted(source.rglob("*"))
            if path.suffix.lower() in INPUT_SUFFIXES
        }
    elif source.is_file():
        members = _read_tar(source)
    else:
        raise InputError(f"--pairs: {source} is neither a tar archive nor a folder.")
    found: dict[str, dict[str, bytes]] = {}
    for name, data in members.items():
        parts = Path(name).parts
        if len(parts) >= 2 and parts[-2] in _KINDS:
            group = parts[-3] if len(parts) > 2 else ""
            found.setdefault(f"{group}/{Path(name).stem}", {})[_KINDS[parts[-2]]] = data
    names = sorted(name for name, kinds in found.items() if len(kinds) == 2)
    road = [name for name in names if name.startswith("roadscene/")]
    names = (road or names) if everything else held_out_pairs(road or names)
    if not names:
        raise InputError(
            f"--pairs: {source} holds no pairs to measure: expected visible/NAME and "
            "infrared/NAME; one block of five in six is measured unless --all-pairs is given."
        )
    return [_decode(name, found[name], scale) for name in names]


def _read_tar(path: Path) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                handle = tar.extractfile(member) if member.isfile() else None
                if handle is not None and Path(member.name).suffix.lower() in INPUT_SUFFIXES:
                    members[member.name] = handle.read()
    except (OSError, tarfile.TarError) as error:
        raise InputError(f"--pairs: {path} cannot be read as a tar archive ({error}).") from None
    return members


def _decode(name: str, kinds: dict[str, bytes], scale: int) -> SensorPair:
    planes: dict[str, Tensor] = {}
    for kind, mode in (("visible", "RGB"), ("infrared", "L")):
        try:
            with Image.open(io.BytesIO(kinds[kind])) as picture:
                array = np.array(picture.convert(mode), dtype=np.float32) / 255
        except OSError as error:
            raise InputError(f"--pairs: {name} ({kind}) cannot be decoded ({error}).") from None
        plane = torch.from_numpy(array).reshape(*array.shape[:2], -1).permute(2, 0, 1)[None]
        height, width = (side - side % scale for side in plane.shape[-2:])
        planes[kind] = plane[..., :height, :width].contiguous()
    if planes["visible"].shape[-2:] != planes["infrared"].shape[-2:]:
        raise InputError(f"--pairs: the two pictures of {name} differ in size.")
    return SensorPair(name.split("/")[-1], planes["visible"], planes["infrared"])
