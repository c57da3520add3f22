"""Seeded scenes with exact depth, rendered by Mitsuba 3: light, shadow, thin-lens defocus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmsr_core.errors import InputError
from mmsr_core.optional import require

from .layouts import Layout, random_layout
from .textures import FloatArray, TextureBank

VARIANT = "scalar_rgb"
"""The variant of Mitsuba that needs neither a GPU nor LLVM."""
SKY = np.float32(np.inf)
_BOUNCES = 5
_BLOCK_PX = 32
_NEAR_M = 1e-3


@dataclass(frozen=True)
class RenderedScene:
    """A picture and its exact depth: of each pixel's centre, through a pinhole."""

    image: FloatArray
    """`(3,H,W)` float32, sRGB in 0..1."""
    depth_m: FloatArray
    """`(H,W)` float32 distance along the optical axis in metres; infinite where there is sky."""
    shape_index: NDArray[np.int32]
    """`(H,W)` which shape of the layout is seen; -1 for the sky."""

    @property
    def inverse_depth(self) -> FloatArray:
        """`(H,W)`, 1/m, 0 for sky."""
        return (1.0 / self.depth_m).astype(np.float32)


def load_mitsuba(variant: str | None = None) -> Any:
    """Mitsuba with a variant set.

    Args:
        variant: Mitsuba's name of it; without one, that of an earlier call, at first `VARIANT`.
            `llvm_ad_rgb` is several times faster and needs LLVM 16 or newer; with it pictures have
            other noise, and the order of shapes is not known, so `shape_index` is not to be used.

    Raises:
        MissingPackageError: it is not installed.
        InputError: it has no such variant, or that variant does not run here.
    """
    mitsuba = require("mitsuba", "scenes", "Rendering scenes")
    wanted = variant or mitsuba.variant() or VARIANT
    if mitsuba.variant() != wanted:
        try:
            mitsuba.set_variant(wanted)
        except ImportError as error:
            known = ", ".join(mitsuba.variants())
            raise InputError(
                f"Mitsuba cannot use the variant {wanted!r} here ({error}). Take {VARIANT}, which "
                f"needs nothing, or another of {known}."
            ) from error
    return mitsuba


def render_scene(
    seed: int,
    height: int = 160,
    width: int = 208,
    bank: TextureBank | None = None,
    kind: str | None = None,
    *,
    aperture_m: float = 0.0,
    focus_m: float | None = None,
    samples: int = 32,
) -> RenderedScene:
    """Render one random scene; the same arguments always give the same picture.

    Args:
        seed: chooses everything in the scene.
        height: of the picture.
        width: of the picture.
        bank: textures; without one, a shared bank of generated textures.
        kind: see `layouts.KINDS`; random without one.
        aperture_m: radius of the lens in metres; 0 is a pinhole, sharp everywhere.
        focus_m: distance in focus; the median depth when None.
        samples: rays a pixel.

    Raises:
        ValueError: a number is out of range.
        MissingPackageError: Mitsuba is not installed.
    """
    mitsuba, rng = load_mitsuba(), np.random.default_rng(seed)
    layout = random_layout(mitsuba, rng, bank or _shared_bank(), kind)
    return render_layout(
        layout, height, width, aperture_m=aperture_m, focus_m=focus_m, samples=samples, seed=seed
    )


def render_layout(
    layout: Layout,
    height: int,
    width: int,
    *,
    aperture_m: float = 0.0,
    focus_m: float | None = None,
    samples: int = 32,
    seed: int = 0,
    bounces: int = _BOUNCES,
) -> RenderedScene:
    """Render a given layout; arguments as of `render_scene`, and how often light may bounce."""
    if not 0 <= aperture_m < np.inf or samples < 1:
        raise ValueError(
            "aperture_m must be a number of 0 or more and samples at least 1, but they are "
            f"{aperture_m!r} and {samples!r}."
        )
    if focus_m is not None and not 0 < focus_m < np.inf:
        raise ValueError(f"focus_m must be a number above 0, in metres, but is {focus_m!r}.")
    depth, index = layout_depth(layout, height, width, seed)
    if aperture_m > 0 and focus_m is None:
        solid = depth[np.isfinite(depth)]
        focus_m = float(np.median(solid)) if solid.size else 10.0
    linear = layout_light(
        layout,
        height,
        width,
        aperture_m=aperture_m,
        focus_m=focus_m,
        samples=samples,
        seed=seed,
        bounces=bounces,
    )
    return RenderedScene(developed(linear, exposure_of(linear)), depth, index)


def layout_depth(
    layout: Layout, height: int, width: int, seed: int = 0
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Depth and shapes of a layout: `depth_m` and `shape_index` of a `RenderedScene`."""
    mitsuba = load_mitsuba()
    parts = _parts(layout)
    # One ray through the centre of each pixel.
    centres = {"type": "stratified", "sample_count": 1, "jitter": False}
    aov = {"type": "aov", "aovs": "depth:depth,shape:shape_index", "block_size": _BLOCK_PX}
    sensor = {"type": "perspective", **_camera(mitsuba, layout, height, width), "sampler": centres}
    scene = _load(mitsuba, {**parts, "integrator": aov}, sensor)
    seen = _render(mitsuba, scene, 1, seed)
    distance, shape = seen[..., -2], seen[..., -1]
    # Rays start on the near plane.
    depth = _NEAR_M + distance * _axis_share(layout.fov_deg, height, width)
    depth = np.where(distance > 0, depth, SKY).astype(np.float32)
    # Mitsuba counts shapes from 1, in an order of its own.
    order = np.array([-1, *(list(parts).index(s.id()) for s in scene.shapes())], np.int32)
    return depth, np.where(distance > 0, order[np.rint(shape).astype(np.int32)], -1)


def layout_light(
    layout: Layout,
    height: int,
    width: int,
    *,
    aperture_m: float = 0.0,
    focus_m: float | None = None,
    samples: int = 32,
    seed: int = 0,
    bounces: int = _BOUNCES,
    sampler: str = "independent",
) -> FloatArray:
    """What falls onto the pixels, linear and not clipped: `(3,H,W)` float32, 0 or more.

    Args:
        layout: what is seen.
        height: of the picture.
        width: of the picture.
        aperture_m: radius of the lens in metres; 0 is a pinhole.
        focus_m: distance in focus, along the optical axis, in metres; a lens needs it.
        samples: rays a pixel.
        seed: of the rays.
        bounces: how often light may bounce.
        sampler: Mitsuba's name of how rays are spread; `multijitter` is less noisy.

    Raises:
        ValueError: a lens without `focus_m`.
    """
    mitsuba = load_mitsuba()
    lights = {f"light{i}": light for i, light in enumerate(layout.lights)}
    sensor = {"type": "perspective", **_camera(mitsuba, layout, height, width)}
    if aperture_m > 0:
        if focus_m is None:
            raise ValueError("A lens needs focus_m, the distance in focus, in metres.")
        sensor |= {"type": "thinlens", "aperture_radius": aperture_m, "focus_distance": focus_m}
    light = {"type": "path", "max_depth": bounces, "block_size": _BLOCK_PX}
    sensor["sampler"] = {"type": sampler, "sample_count": samples}
    lit = _load(mitsuba, {**_parts(layout), **lights, "integrator": light}, sensor)
    linear = _render(mitsuba, lit, samples, seed)
    return np.ascontiguousarray(linear[..., :3].transpose(2, 0, 1))


def _parts(layout: Layout) -> dict[str, Any]:
    return {f"shape{i:03d}": shape for i, shape in enumerate(layout.shapes)}


def _camera(mitsuba: Any, layout: Layout, height: int, width: int) -> dict[str, Any]:
    axis = mitsuba.ScalarTransform4f().look_at(
        origin=list(layout.origin), target=list(layout.target), up=[0, 1, 0]
    )
    # With a box filter pixels do not overlap, so threads add them up in no other order.
    film = {"type": "hdrfilm", "height": height, "width": width, "pixel_format": "rgb"}
    film["rfilter"] = {"type": "box"}
    camera = {"fov": layout.fov_deg, "fov_axis": "larger", "to_world": axis, "near_clip": _NEAR_M}
    return {**camera, "film": film}


def _load(mitsuba: Any, scene: dict[str, Any], sensor: dict[str, Any]) -> Any:
    return mitsuba.load_dict({"type": "scene", **scene, "sensor": sensor})


def _render(mitsuba: Any, scene: Any, samples: int, seed: int) -> FloatArray:
    return np.array(mitsuba.render(scene, spp=samples, seed=seed % 2**31), np.float32)


def _axis_share(fov_deg: float, height: int, width: int) -> FloatArray:
    """Cosine between each pixel's ray and the optical axis, `(H,W)`."""
    reach = 2 * np.tan(np.radians(fov_deg) / 2) / max(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = (x + 0.5 - width / 2) * reach, (y + 0.5 - height / 2) * reach
    return 1 / np.sqrt(1 + x * x + y * y)


def exposure_of(linear: FloatArray) -> float:
    """The factor that brings the bright parts of linear light just below white."""
    return 0.75 / max(float(np.percentile(linear, 92)), 1e-6)


def developed(linear: FloatArray, exposure: float) -> FloatArray:
    """Linear light of any shape, times `exposure`, clipped: float32 sRGB in 0..1."""
    value = np.clip(linear * exposure, 0, 1)
    coded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return coded.astype(np.float32)


@lru_cache(maxsize=1)
def _shared_bank() -> TextureBank:
    return TextureBank()
