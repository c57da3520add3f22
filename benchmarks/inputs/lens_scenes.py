"""Scenes through a thin lens and through a pinhole, with exact depth, rendered once and kept.

A scene is drawn (`training.scenes`, seeds that training never renders; and the still life), then a
distance in focus, then an aperture so wide that the blur reaches a given std. Scenes of which too
little is in focus, or too little out of it, are passed over before anything is rendered.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmsr_core.depth import normalise_depth
from mmsr_core.image import atomic_path, load_image, make_folder
from mmsr_core.metrics import round_to_uint8
from training.scenes.layouts import KINDS, Layout, random_layout
from training.scenes.render import (
    developed,
    exposure_of,
    layout_depth,
    layout_light,
    load_mitsuba,
)
from training.scenes.still_life import VIEWS, still_life
from training.scenes.textures import TextureBank

from .protocols import seeded
from .thin_lens import ThinLens

FIRST_SEED = 9_700_000
"""Of the layouts; training never renders these."""
IN_FOCUS, OUT_OF_FOCUS = 0.25, 0.5
"""Up to this share of the widest blur a place is in focus, from this on it is out of it."""
_LEAST_SHARES = (0.12, 0.2)
"""Of a picture: in focus, out of focus."""
_WIDEST_QUANTILE = 0.98
"""Of the blur of a picture: this one is the widest; things next to the lens are left out."""
_DRAWS = 12
_PASS = 32
"""Rays a pixel that are rendered at a time: what fits into memory with every variant of Mitsuba."""
_MIDDLE_GREY = (0.2, 0.8)
"""sRGB between which the median of a picture has to be."""
_BOUNCES = 4
_RULES = 1
"""Raised when scenes are drawn or rendered in another way: kept ones are then rendered anew."""

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """What a rendered scene depends on, besides its name and the textures."""

    height: int
    """Of the sharp picture, px."""
    width: int
    """Of the sharp picture, px."""
    samples: int
    """Rays a pixel; kept scenes may have more."""
    blur_std_px: float
    """Std along an axis of the widest blur, px of the sharp picture."""
    seed: int
    """Of everything that is drawn."""


@dataclass(frozen=True)
class LensScene:
    """One view, sharp and through a lens."""

    name: str
    sharp: Array
    """`(3,H,W)` linear light through a pinhole."""
    seen: Array
    """`(3,H,W)` linear light through the lens."""
    inverse_depth: Array
    """`(H,W)` exact, of pixel centres through the pinhole, 1/m, 0 for the sky."""
    lens: ThinLens
    noise: tuple[float, float]
    """Std of the noise of rendering in the sharp picture, and in the means over 4x4 pixels of the
    lens's, sRGB in 0..1."""

    def truth(self) -> Tensor:
        """The sharp picture `(1,3,H,W)`, sRGB in 8-bit values."""
        return round_to_uint8(self._developed(self.sharp))

    def lr(self, scale: int, noise_std: float, seed: int) -> Tensor:
        """The picture of the lens on a sensor with pixels of `scale` times the size.

        A pixel adds up linear light; what is too bright is cut after that.

        Args:
            scale: SR factor; 1 keeps the size.
            noise_std: of Gaussian noise that is added, sRGB in 0..1.
            seed: of the noise, with the name.

        Returns:
            `(1,3,h,w)`, sRGB in 8-bit values.
        """
        reduced = F.avg_pool2d(torch.from_numpy(self.seen)[None], scale)[0].numpy()
        lr = self._developed(reduced)
        g = seeded(seed, "lens noise", self.name)
        return round_to_uint8(lr + noise_std * torch.randn(lr.shape, generator=g))

    def radius_px(self) -> Tensor:
        """`(1,1,H,W)`: radius of the circle of confusion, px of the sharp picture."""
        return self.lens.radius_px(torch.from_numpy(self.inverse_depth)[None, None])

    def depth(self, scale: int) -> Tensor:
        """`(1,1,h,w)`: the exact inverse depth at LR size, 0..1, near = 1."""
        exact = torch.from_numpy(self.inverse_depth)[None, None]
        return normalise_depth(F.avg_pool2d(exact, scale))

    def _developed(self, linear: Array) -> Tensor:
        """SRGB `(1,3,...)`; both pictures are exposed like the sharp one."""
        return torch.from_numpy(developed(linear, exposure_of(self.sharp)))[None]


def texture_bank(photos: list[Path], seed: int) -> TextureBank:
    """24 generated textures, and a crop of each photograph."""
    pictures = [
        (load_image(path).rgb[0].permute(1, 2, 0) * 255).round().byte().numpy() for path in photos
    ]
    return TextureBank(pictures, procedural=24, seed=FIRST_SEED + seed)


def scene_names(count: int) -> list[str]:
    """Names of `count` scenes: every fifth is a view of the still life, while there are any."""
    views, names = [f"still life {view}" for view in VIEWS], []
    for i in range(count):
        still = i % 5 == 4 and views
        names.append(views.pop(0) if still else f"{KINDS[i % len(KINDS)]} {i:02d}")
    return names


def lens_scene(
    name: str,
    bank: TextureBank,
    settings: SceneSettings,
    folder: Path,
    variant: str | None = None,
) -> LensScene:
    """A scene from `folder`, where it is rendered into when it is not there with enough rays.

    Args:
        name: of `scene_names`; with the settings it fixes the scene.
        bank: textures; scenes made with others are rendered anew.
        settings: sizes, rays, blur, seed.
        folder: for the files.
        variant: of Mitsuba, see `load_mitsuba`. With another one the noise of rendering differs.

    Raises:
        MissingPackageError: Mitsuba is not installed, and the scene has to be rendered.
    """
    key = _key(name, bank, settings)
    path = folder / f"{name.replace(' ', '_')}.npz"
    return _read(path, name, key) or _render(name, bank, settings, path, key, variant)


def _key(name: str, bank: TextureBank, settings: SceneSettings) -> str:
    textures = hashlib.sha256(b"".join(t.tobytes() for t in bank.textures)).hexdigest()[:16]
    return json.dumps({"name": name, "textures": textures, "rules": _RULES, **asdict(settings)})


def _read(path: Path, name: str, key: str) -> LensScene | None:
    """The kept scene; None where there is none, or one of other settings."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if not _serves(json.loads(str(kept["key"])), json.loads(key)):
                return None
            aperture, focus, fov, longer = kept["lens"].tolist()
            return LensScene(
                name,
                kept["sharp"],
                kept["seen"],
                kept["inverse_depth"],
                ThinLens(aperture, focus, fov, int(longer)),
                (float(kept["noise"][0]), float(kept["noise"][1])),
            )
    except (OSError, ValueError, KeyError, EOFError):
        return None


def _serves(kept: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a kept scene is the wanted one, with at least as many rays."""
    enough = kept.get("samples", 0) >= wanted["samples"]
    return enough and kept | {"samples": wanted["samples"]} == wanted


def _render(
    name: str,
    bank: TextureBank,
    settings: SceneSettings,
    path: Path,
    key: str,
    variant: str | None,
) -> LensScene:
    mitsuba = load_mitsuba(variant)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)  # it warns of rounding in turned spheres
    with _drawn(mitsuba, name, bank, settings) as (layout, inverse, lens):
        light = partial(_light, layout, settings)
        sharp = light(2 * settings.seed)
        seen = light(2 * settings.seed + 1, aperture_m=lens.aperture_m, focus_m=lens.focus_m)
    exposure = exposure_of(sharp.mean(0))
    reduced = F.avg_pool2d(torch.from_numpy(seen), 4).numpy()
    noise = (_noise(sharp, exposure), _noise(reduced, exposure))
    made = LensScene(name, sharp.mean(0), seen.mean(0), inverse, lens, noise)
    make_folder(path.parent)
    with atomic_path(path) as partial_path, Path(partial_path).open("wb") as handle:
        np.savez_compressed(
            handle,
            key=np.array(key),
            sharp=made.sharp,
            seen=made.seen,
            inverse_depth=inverse,
            lens=np.array([lens.aperture_m, lens.focus_m, lens.fov_deg, lens.longer_px]),
            noise=np.array(noise),
        )
    return made


def _light(layout: Layout, settings: SceneSettings, seed: int, **lens: float) -> Array:
    """Two renders with rays of their own, whose difference tells the noise: `(2,3,H,W)`."""
    passes = max(1, round(settings.samples / (2 * _PASS)))
    samples = max(1, settings.samples // (2 * passes))
    total = np.zeros((2, 3, settings.height, settings.width), np.float64)
    for index in range(2 * passes):
        total[index % 2] += layout_light(
            layout,
            settings.height,
            settings.width,
            samples=samples,
            seed=10_000 * seed + index,
            bounces=_BOUNCES,
            sampler="multijitter",
            **lens,
        )
    return (total / passes).astype(np.float32)


def _noise(parts: Array, exposure: float) -> float:
    """Std of the noise in the mean of two equal renders, sRGB in 0..1."""
    first, second = (developed(part, exposure) for part in parts)
    return float(np.sqrt(np.square(first - second).mean())) / 2


@contextmanager
def _drawn(
    mitsuba: Any, name: str, bank: TextureBank, settings: SceneSettings
) -> Iterator[tuple[Layout, Array, ThinLens]]:
    """A layout, its inverse depth and a lens. The layout is good as long as the context is open."""
    kind, _, word = name.rpartition(" ")
    digest = hashlib.sha256(f"{settings.seed} {name}".encode()).digest()
    rng = np.random.default_rng(FIRST_SEED + int.from_bytes(digest[:3], "big"))
    with tempfile.TemporaryDirectory() as folder:
        still: Layout | None = None
        if kind == "still life":
            still = still_life(mitsuba, Path(folder))
            still.origin, still.target, still.fov_deg = VIEWS[word]
        while True:
            layout = still or random_layout(mitsuba, rng, bank, kind)
            depth, _ = layout_depth(layout, settings.height, settings.width)
            inverse = (1 / depth).astype(np.float32)
            lens = _lens(rng, inverse, layout.fov_deg, settings)
            if lens is not None and _well_lit(layout, settings):
                yield layout, inverse, lens
                return


def _well_lit(layout: Layout, settings: SceneSettings) -> bool:
    height, width = max(settings.height // 8, 1), max(settings.width // 8, 1)
    linear = layout_light(layout, height, width, samples=16, bounces=_BOUNCES)
    low, high = _MIDDLE_GREY
    return low < float(np.median(developed(linear, exposure_of(linear)))) < high


def _lens(
    rng: np.random.Generator, inverse: Array, fov_deg: float, settings: SceneSettings
) -> ThinLens | None:
    """A lens that shows a part of the scene sharp and a part blurred; None if none was found."""
    solid = inverse[inverse > 0]
    if solid.size < inverse.size / 2:
        return None
    wanted = settings.blur_std_px * rng.uniform(0.75, 1)
    for _ in range(_DRAWS):
        focus = float(np.quantile(solid, rng.uniform(0.02, 0.98)))
        apart = np.abs(inverse - focus)
        widest = float(np.quantile(apart, _WIDEST_QUANTILE))
        shares = (apart <= IN_FOCUS * widest).mean(), (apart >= OUT_OF_FOCUS * widest).mean()
        if widest > 0 and all(s >= least for s, least in zip(shares, _LEAST_SHARES, strict=True)):
            longer = max(settings.height, settings.width)
            unit = ThinLens(1.0, 1 / focus, fov_deg, longer)
            aperture = 2 * wanted / (widest * unit.radius_px_by_inverse_m)
            return ThinLens(aperture, 1 / focus, fov_deg, longer)
    return None
