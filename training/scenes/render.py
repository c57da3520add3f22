"""Seeded procedural scenes with exact depth: outdoor views, streets, rooms and close-ups.

Rays are cast against planes, boxes, ellipsoids, upright cylinders and upright cut-outs, all pixels
at once. World axes: x right, y up, z forward; lengths in metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layouts import Layout, random_layout
from .shapes import Rays
from .textures import FloatArray, TextureBank, fractal_noise, random_colour

SKY = np.float32(np.inf)
_default_bank: TextureBank | None = None


@dataclass(frozen=True)
class RenderedScene:
    """A picture and its exact depth."""

    image: FloatArray
    """`(3,H,W)` in 0..1."""
    depth_m: FloatArray
    """`(H,W)` distance along the optical axis in metres; infinite where there is sky."""

    @property
    def inverse_depth(self) -> FloatArray:
        """`(H,W)`, 1/m, 0 for sky."""
        return (1.0 / self.depth_m).astype(np.float32)


def render_scene(
    seed: int,
    height: int = 160,
    width: int = 208,
    bank: TextureBank | None = None,
    kind: str | None = None,
) -> RenderedScene:
    """Render one random scene; the same arguments always give the same picture.

    Args:
        seed: chooses everything in the scene.
        height: of the picture.
        width: of the picture.
        bank: textures; without one, a shared bank of generated textures.
        kind: `outdoor`, `street`, `room` or `closeup`; random without one.
    """
    rng = np.random.default_rng(seed)
    bank = bank or _shared_bank()
    return render_layout(random_layout(rng, bank, kind), height, width, bank, rng)


def render_layout(
    layout: Layout, height: int, width: int, bank: TextureBank, rng: np.random.Generator
) -> RenderedScene:
    """Render a given layout; `rng` draws sky, light and fog."""
    focal = 0.5 * max(height, width) / np.tan(0.5 * layout.fov)
    rays = layout.camera_rays(height, width, focal)
    nearest, winner = trace(layout, rays)
    depth = np.where(winner >= 0, nearest, SKY)

    sun = rng.normal(0, 1, 3)
    sun[1] = abs(sun[1]) + 0.3
    sun = (sun / np.linalg.norm(sun)).astype(np.float32)
    sky = _sky(rng, rays, height, width)
    colour = np.where((winner >= 0)[:, None], 0.0, sky).astype(np.float32)
    lit = _shadow(layout, rays, nearest, winner, sun, height, width, rng)
    ambient = rng.uniform(0.25, 0.7)
    pixel = np.float32(1.0 / focal)

    index = np.zeros(winner.shape, np.int32)
    u, v, footprint, light = (np.zeros(winner.shape, np.float32) for _ in range(4))
    tint = np.ones((winner.size, 3), np.float32)
    for number, shape in enumerate(layout.shapes):
        hit = np.flatnonzero(winner == number)
        if hit.size == 0:
            continue
        part = rays.take(hit)
        points = part.at(nearest[hit])
        surface = shape.surface(points)
        normal = surface.normal
        facing = np.abs(normal[0] * part.dx + normal[1] * part.dy + normal[2] * part.dz)
        slant = np.maximum(facing / part.length(), 0.15)
        index[hit] = shape.texture if surface.texture is None else surface.texture
        u[hit], v[hit] = surface.u, surface.v
        footprint[hit] = nearest[hit] * pixel / shape.texture_size / slant**0.5
        lambert = np.maximum(normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2], 0)
        if layout.indoor:
            lambert = 0.35 + 0.65 * np.abs(
                normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2]
            )
        light[hit] = ambient + (1 - ambient) * lambert * lit[hit]
        tint[hit] = shape.tint
    solid = np.flatnonzero(winner >= 0)
    albedo = bank.sample(index[solid], u[solid], v[solid], footprint[solid])
    colour[solid] = albedo * tint[solid] * light[solid, None]
    if not layout.indoor and rng.random() < 0.6:
        reach = layout.unit * np.exp(rng.uniform(np.log(15), np.log(300)))
        haze = 1 - np.exp(-nearest[solid] / reach)
        fog = sky.reshape(height, width, 3).mean((0, 1)) * rng.uniform(0.8, 1.1)
        colour[solid] += (fog - colour[solid]) * haze[:, None]
    exposure = rng.uniform(0.8, 1.4)
    image = np.clip(colour * exposure, 0, 1) ** rng.uniform(0.75, 1.2)
    planar = np.ascontiguousarray(image.reshape(height, width, 3).transpose(2, 0, 1), np.float32)
    return RenderedScene(planar, depth.reshape(height, width).astype(np.float32))


def trace(layout: Layout, rays: Rays) -> tuple[FloatArray, NDArray[np.int32]]:
    """Distance to the nearest shape along each ray, and its number (-1: nothing hit)."""
    nearest = np.full(rays.dx.shape, 1e9, np.float32)
    winner = np.full(rays.dx.shape, -1, np.int32)
    for number, shape in enumerate(layout.shapes):
        distance = shape.distance(rays)
        closer = distance < nearest
        nearest[closer] = distance[closer]
        winner[closer] = number
    return nearest, winner


def _shadow(
    layout: Layout,
    rays: Rays,
    nearest: FloatArray,
    winner: NDArray[np.int32],
    sun: FloatArray,
    height: int,
    width: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Share of direct light at each pixel, traced on a grid of a third of the size: soft."""
    if rng.random() < (0.7 if layout.indoor else 0.35):
        return np.ones(nearest.shape, np.float32)
    step = 3
    grid = np.arange(height * width).reshape(height, width)[::step, ::step]
    chosen = grid.ravel()
    points = rays.take(chosen).at(np.minimum(nearest[chosen], 1e4) * np.float32(0.998))
    up = np.float32(0.002 * layout.unit)
    towards = Rays(
        points[0],
        points[1] + up,
        points[2],
        np.full_like(points[0], sun[0]),
        np.full_like(points[0], sun[1]),
        np.full_like(points[0], sun[2]),
    )
    blocked = np.zeros(chosen.shape, bool)
    for shape in layout.shapes:
        if shape.casts_shadow:
            blocked |= shape.distance(towards) < 1e8
    blocked &= winner[chosen] >= 0
    coarse = (1 - rng.uniform(0.5, 1.0) * blocked.reshape(grid.shape)).astype(np.float32)
    full = coarse.repeat(step, 0).repeat(step, 1)[:height, :width]
    padded = np.pad(full, 1, mode="edge")
    soft = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] + full) / 5
    return soft.ravel()


def _sky(rng: np.random.Generator, rays: Rays, height: int, width: int) -> FloatArray:
    """Gradient with clouds, `(H*W,3)`."""
    if rng.random() < 0.6:
        top = np.array([0.15, 0.35, 0.8]) + rng.uniform(-0.12, 0.2, 3)
        low = np.array([0.6, 0.75, 0.95]) + rng.uniform(-0.2, 0.1, 3)
    else:
        top, low = random_colour(rng), random_colour(rng)
    elevation = np.clip(rays.dy / rays.length() * rng.uniform(1, 3), 0, 1)[:, None]
    sky = low + (top - low) * elevation
    if rng.random() < 0.6:
        size = 128
        noise = fractal_noise(rng, size, rng.uniform(1.2, 2.2))
        rows = (np.arange(height) * size // max(height, 1)) % size
        columns = (np.arange(width) * size // max(width, 1)) % size
        cloud = np.clip((noise[rows][:, columns] - rng.uniform(0.3, 0.6)) * 3, 0, 1).reshape(-1, 1)
        sky = sky + (rng.uniform(0.75, 1.0) - sky) * cloud * rng.uniform(0.3, 1)
    return np.clip(sky, 0, 1).astype(np.float32)


def _shared_bank() -> TextureBank:
    global _default_bank
    if _default_bank is None:
        _default_bank = TextureBank()
    return _default_bank
