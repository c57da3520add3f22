"""Shapes that rays can be cast against. All work on whole arrays of rays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .textures import MASK_SIZE, FloatArray

MISS = np.float32(1e9)
NEAR = np.float32(1e-3)
Triple = tuple[FloatArray, FloatArray, FloatArray]


class Rays(NamedTuple):
    """Origins and directions as six arrays; origins may be scalars."""

    ox: FloatArray
    oy: FloatArray
    oz: FloatArray
    dx: FloatArray
    dy: FloatArray
    dz: FloatArray

    def take(self, index: NDArray) -> Rays:
        """The rays at `index`."""
        parts = [part if np.ndim(part) == 0 else part[index] for part in self]
        return Rays(*parts)

    def at(self, distance: FloatArray) -> Triple:
        """Points at `distance` (in units of the direction vectors)."""
        return (
            self.ox + distance * self.dx,
            self.oy + distance * self.dy,
            self.oz + distance * self.dz,
        )

    def length(self) -> FloatArray:
        """Lengths of the direction vectors."""
        return np.sqrt(self.dx * self.dx + self.dy * self.dy + self.dz * self.dz)


class Surface(NamedTuple):
    """What shading needs to know about points on a shape."""

    normal: Triple
    u: FloatArray
    v: FloatArray
    texture: NDArray[np.int32] | None = None


class Shape(Protocol):
    """Anything that a ray can hit."""

    texture: int
    texture_size: float
    tint: FloatArray
    casts_shadow: bool

    def distance(self, rays: Rays) -> FloatArray:
        """Distance along each ray, `MISS` where it passes by."""
        ...

    def surface(self, points: Triple) -> Surface:
        """Normals and texture coordinates at points on the shape."""
        ...


def _white() -> FloatArray:
    return np.ones(3, np.float32)


@dataclass
class Paint:
    """Fields common to all shapes."""

    texture: int = 0
    texture_size: float = 1.0
    """Metres covered by one texture."""
    tint: FloatArray = field(default_factory=_white)
    casts_shadow: bool = True


@dataclass
class Ground(Paint):
    """The plane y = 0, with an optional road of another texture along z."""

    road_texture: int = -1
    road_centre: float = 0.0
    road_width: float = 0.0
    road_bend: float = 0.0
    casts_shadow: bool = False

    def distance(self, rays: Rays) -> FloatArray:
        """See `Shape`."""
        down = np.minimum(rays.dy, -1e-6)
        t = -rays.oy / down
        return np.where((rays.dy < -1e-5) & (t > NEAR), t, MISS)

    def surface(self, points: Triple) -> Surface:
        """See `Shape`."""
        x, _, z = points
        zero = np.zeros_like(x)
        texture = None
        if self.road_texture >= 0:
            centre = self.road_centre + self.road_bend * z
            on_road = np.abs(x - centre) < self.road_width
            texture = np.where(on_road, self.road_texture, self.texture).astype(np.int32)
        return Surface(
            (zero, zero + 1, zero), x / self.texture_size, z / self.texture_size, texture
        )


@dataclass
class Box(Paint):
    """A box with its sides turned about the vertical; `inside=True` makes it a room."""

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    half: tuple[float, float, float] = (1.0, 1.0, 1.0)
    yaw: float = 0.0
    inside: bool = False
    floor_texture: int = -1
    ceiling_texture: int = -1

    def _local(self, x: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        c, s = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        return c * x - s * z, s * x + c * z

    def distance(self, rays: Rays) -> FloatArray:
        """See `Shape`."""
        ox, oz = self._local(rays.ox - self.centre[0], rays.oz - self.centre[2])
        dx, dz = self._local(rays.dx, rays.dz)
        oy = rays.oy - self.centre[1]
        entry = leave = None
        for origin, direction, half in (
            (ox, dx, self.half[0]),
            (oy, rays.dy, self.half[1]),
            (oz, dz, self.half[2]),
        ):
            inverse = 1.0 / np.where(np.abs(direction) < 1e-7, np.float32(1e-7), direction)
            middle = -origin * inverse
            reach = np.abs(half * inverse)
            first, last = middle - reach, middle + reach
            entry = first if entry is None else np.maximum(entry, first)
            leave = last if leave is None else np.minimum(leave, last)
        if self.inside:
            return np.where((entry < leave) & (leave > NEAR), leave, MISS)
        return np.where((entry < leave) & (entry > NEAR), entry, MISS)

    def surface(self, points: Triple) -> Surface:
        """See `Shape`."""
        x, z = self._local(points[0] - self.centre[0], points[2] - self.centre[2])
        y = points[1] - self.centre[1]
        scaled = np.stack(
            [np.abs(x) / self.half[0], np.abs(y) / self.half[1], np.abs(z) / self.half[2]]
        )
        axis = scaled.argmax(0)
        sign = np.float32(-1.0 if self.inside else 1.0)
        nx = np.where(axis == 0, np.sign(x), 0) * sign
        ny = np.where(axis == 1, np.sign(y), 0) * sign
        nz = np.where(axis == 2, np.sign(z), 0) * sign
        c, s = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        u = np.where(axis == 0, z, x) / self.texture_size
        v = np.where(axis == 1, z, -y) / self.texture_size
        texture = None
        if self.floor_texture >= 0:
            texture = np.full(x.shape, self.texture, np.int32)
            texture[(axis == 1) & (y < 0)] = self.floor_texture
            texture[(axis == 1) & (y > 0)] = self.ceiling_texture
        return Surface((c * nx + s * nz, ny, -s * nx + c * nz), u, v, texture)


@dataclass
class Ellipsoid(Paint):
    """An ellipsoid with axes along x, y and z."""

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    half: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def distance(self, rays: Rays) -> FloatArray:
        """See `Shape`."""
        ix, iy, iz = (np.float32(1.0 / h) for h in self.half)
        ox, oy, oz = (
            (rays.ox - self.centre[0]) * ix,
            (rays.oy - self.centre[1]) * iy,
            (rays.oz - self.centre[2]) * iz,
        )
        dx, dy, dz = rays.dx * ix, rays.dy * iy, rays.dz * iz
        a = dx * dx + dy * dy + dz * dz
        b = ox * dx + oy * dy + oz * dz
        c = ox * ox + oy * oy + oz * oz - 1
        root = b * b - a * c
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        return np.where((root > 0) & (t > NEAR), t, MISS)

    def surface(self, points: Triple) -> Surface:
        """See `Shape`."""
        x, y, z = ((p - c) / h for p, c, h in zip(points, self.centre, self.half, strict=True))
        nx, ny, nz = x / self.half[0], y / self.half[1], z / self.half[2]
        length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
        reach = max(self.half)
        u = np.arctan2(x, -z) * reach / self.texture_size
        v = -y * self.half[1] / self.texture_size
        return Surface((nx / length, ny / length, nz / length), u, v)


@dataclass
class Cylinder(Paint):
    """An upright cylinder, open at both ends (its top is closed by whatever stands there)."""

    x: float = 0.0
    z: float = 5.0
    radius: float = 0.3
    bottom: float = 0.0
    top: float = 3.0

    def distance(self, rays: Rays) -> FloatArray:
        """See `Shape`."""
        ox, oz = rays.ox - self.x, rays.oz - self.z
        a = np.maximum(rays.dx * rays.dx + rays.dz * rays.dz, 1e-9)
        b = ox * rays.dx + oz * rays.dz
        root = b * b - a * (ox * ox + oz * oz - self.radius**2)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        y = rays.oy + t * rays.dy
        return np.where((root > 0) & (t > NEAR) & (y > self.bottom) & (y < self.top), t, MISS)

    def surface(self, points: Triple) -> Surface:
        """See `Shape`."""
        nx, nz = (points[0] - self.x) / self.radius, (points[2] - self.z) / self.radius
        u = np.arctan2(nx, -nz) * self.radius / self.texture_size
        return Surface((nx, np.zeros_like(nx), nz), u, -points[1] / self.texture_size)


@dataclass
class CutOut(Paint):
    """An upright picture facing the camera's z axis, with an outline (foliage, far figures)."""

    centre: tuple[float, float, float] = (0.0, 1.0, 5.0)
    half: tuple[float, float] = (1.0, 1.0)
    mask: NDArray[np.bool_] = field(default_factory=lambda: np.ones((MASK_SIZE, MASK_SIZE), bool))

    def distance(self, rays: Rays) -> FloatArray:
        """See `Shape`."""
        forward = np.where(np.abs(rays.dz) < 1e-6, np.float32(1e-6), rays.dz)
        t = (self.centre[2] - rays.oz) / forward
        column = ((rays.ox + t * rays.dx - self.centre[0]) / self.half[0] + 1) * (MASK_SIZE / 2)
        row = (1 - (rays.oy + t * rays.dy - self.centre[1]) / self.half[1]) * (MASK_SIZE / 2)
        inside = (t > NEAR) & (column >= 0) & (column < MASK_SIZE) & (row >= 0) & (row < MASK_SIZE)
        chosen = np.flatnonzero(inside)
        distance = np.full(t.shape, MISS, np.float32)
        kept = chosen[self.mask[row[chosen].astype(np.int32), column[chosen].astype(np.int32)]]
        distance[kept] = t[kept]
        return distance

    def surface(self, points: Triple) -> Surface:
        """See `Shape`."""
        zero = np.zeros_like(points[0])
        # Light as if the outline were a rounded crown.
        x = np.clip((points[0] - self.centre[0]) / self.half[0], -1, 1) * 0.6
        y = np.clip((points[1] - self.centre[1]) / self.half[1], -1, 1) * 0.6
        z = -np.sqrt(1 - np.minimum(x * x + y * y, 0.9))
        return Surface(
            (x, y, z + zero), points[0] / self.texture_size, -points[1] / self.texture_size
        )
