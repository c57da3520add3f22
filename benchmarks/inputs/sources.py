"""Where a benchmark's pictures, ready inputs, kernel parameters and depth maps come from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmsr_core.errors import ImageFileError, InputError, KernelFileError
from mmsr_core.image import INPUT_SUFFIXES, load_image

ENVIRONMENT_VARIABLE = "MMSR_SHARED"
"""Names a folder holding the benchmark data; it supplies defaults, see benchmarks/README.md."""


def shared_path(*parts: str) -> Path | None:
    """A file or folder below the benchmark data, None when there is no such thing."""
    root = os.environ.get(ENVIRONMENT_VARIABLE)
    if not root:
        return None
    path = Path(root).joinpath(*parts)
    return path if path.exists() else None


def display_options(options: dict[str, Any]) -> dict[str, Any]:
    """Options for a record: paths below the benchmark data relative to it, no output folder."""
    root = shared_path()
    shown = {key: value for key, value in options.items() if key not in ("out", "debug")}
    for key, value in list(shown.items()):
        if isinstance(value, Path):
            inside = root is not None and value.resolve().is_relative_to(root.resolve())
            relative = value.resolve().relative_to(root.resolve()) if inside and root else value
            shown[key] = f"${ENVIRONMENT_VARIABLE}/{relative.as_posix()}" if inside else str(value)
    return shown


def need_folder(value: str | Path | None, what: str, option: str) -> Path:
    """The folder as a path, or an error that names the option to give."""
    if value is None:
        raise InputError(
            f"No {what}: give {option} FOLDER, or set {ENVIRONMENT_VARIABLE} to a folder holding "
            "the benchmark data."
        )
    path = Path(value)
    if not path.is_dir():
        raise InputError(f"{option}: {path} is not a folder ({what}).")
    return path


def check_limit(limit: int | None) -> None:
    """`--limit`: how many pictures, at least one; None is all.

    Raises:
        InputError: less than one.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1, but is {limit}.")


def list_pictures(folder: Path, limit: int | None = None) -> list[Path]:
    """Picture files of a folder (not of its subfolders) sorted by name; depth maps left out."""
    check_limit(limit)
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in INPUT_SUFFIXES
        and not path.name.startswith(".")
        and not path.stem.endswith(".depth")
    )
    if not found:
        raise InputError(f"{folder} holds no picture files.")
    return found[:limit]


def read_hr(path: Path, scale: int) -> Tensor:
    """`(1,3,H,W)` in 0..1, cut at the right and bottom to a multiple of `scale`."""
    picture = load_image(path).rgb
    height, width = (side - side % scale for side in picture.shape[-2:])
    if height == 0 or width == 0:
        raise ImageFileError(f"{path} is smaller than one pixel at 1/{scale} of its size.")
    return picture[..., :height, :width]


def read_lr(folder: Path, name: str, size: tuple[int, int]) -> Tensor:
    """The ready input `name` (by stem) of `folder`, which must have `size` (rows, columns)."""
    picture = load_image(find_by_stem(folder, name)).rgb
    if tuple(picture.shape[-2:]) != size:
        raise ImageFileError(
            f"Input {name} in {folder} is {picture.shape[-1]}x{picture.shape[-2]}, expected "
            f"{size[1]}x{size[0]} from the full-size picture and the scale."
        )
    return picture


def find_by_stem(folder: Path, stem: str) -> Path:
    """The picture file of that stem in `folder`."""
    for path in sorted(folder.glob(f"{glob_escape(stem)}.*")):
        if path.suffix.lower() in INPUT_SUFFIXES and path.stem == stem:
            return path
    raise ImageFileError(f"{folder} holds no picture named {stem}.")


def glob_escape(text: str) -> str:
    """`text` with the characters escaped that mean something in a glob pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def read_kernel_parameters(path: Path, size: tuple[int, int]) -> dict[str, Tensor]:
    """`s1`, `s2` (std, HR px) and `theta` (rad), each `(1,h,w)` float32, from one npz file."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            maps = {n: torch.from_numpy(arrays[n]).float()[None] for n in ("s1", "s2", "theta")}
    except (OSError, ValueError, KeyError) as error:
        raise KernelFileError(
            f"{path} cannot be used ({error}). Expected an npz file with s1, s2 and theta."
        ) from error
    for name, value in maps.items():
        if tuple(value.shape) != (1, *size) or not torch.isfinite(value).all():
            raise KernelFileError(
                f"{path}: {name} must be finite and have shape {size}, but has "
                f"{tuple(value.shape[1:])}."
            )
    return maps


def read_inverse_depth(path: Path, size: tuple[int, int]) -> Tensor:
    """Inverse depth `(1,1,h,w)` in 0..1 (near = 1), averaged down or enlarged to `size`.

    A picture is read as grey, white = near. An npy file, or the first array of an npz file, holds
    any finite values that grow with nearness (1/m, disparity). Values are stretched to 0..1.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        try:
            loaded = np.load(path, allow_pickle=False)
            array = loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
            depth = torch.from_numpy(np.asarray(array, dtype=np.float32)).squeeze()
        except (OSError, ValueError, IndexError) as error:
            raise ImageFileError(f"{path} cannot be used as a depth map ({error}).") from error
    else:
        depth = load_image(path, float_range="stretch").rgb.mean(dim=1)[0]
    if depth.ndim != 2 or not torch.isfinite(depth).all():
        raise ImageFileError(f"{path}: a depth map must be one plane of finite values.")
    low, high = depth.min(), depth.max()
    depth = (depth - low) / (high - low).clamp_min(1e-12)
    shrinks = size[0] < depth.shape[0]
    mode = "area" if shrinks else "bilinear"
    align = None if shrinks else False
    return F.interpolate(depth[None, None], size=size, mode=mode, align_corners=align)


def find_depth_map(folder: Path, stem: str) -> Path:
    """`STEM.depth.npy|npz|png|...` or, in a folder of maps only, `STEM.npy|npz|png|...`."""
    suffixes = (".npy", ".npz", *sorted(INPUT_SUFFIXES))
    for infix in (".depth", ""):
        for suffix in suffixes:
            path = folder / f"{stem}{infix}{suffix}"
            if path.is_file():
                return path
    raise ImageFileError(f"{folder} holds no depth map for {stem}.")


def read_peers(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Published rows: protocol -> method -> `psnr_y`, `psnr_rgb`, `ssim_y`, `lpips`."""
    try:
        rows: Any = json.loads(path.read_text(encoding="utf-8"))
        return {
            protocol: {m: {k: float(v) for k, v in row.items()} for m, row in methods.items()}
            for protocol, methods in rows.items()
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(f"--peers: {path} cannot be used ({error}).") from error
