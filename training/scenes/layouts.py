"""Random layouts as Mitsuba scene dictionaries: what stands where, how it is painted and lit.

Axes: x to the left, y up, z into the picture; lengths in metres. The camera is near the origin and
looks along z.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .textures import TextureBank, random_colour

KINDS = ("outdoor", "street", "room", "closeup")
Shape = dict[str, Any]


@dataclass
class Layout:
    """A camera, shapes and lights."""

    origin: tuple[float, float, float] = (0.0, 1.6, 0.0)
    target: tuple[float, float, float] = (0.0, 1.4, 6.0)
    fov_deg: float = 55.0
    """Field of view of the longer side, degrees."""
    shapes: list[Shape] = field(default_factory=list)
    lights: list[Shape] = field(default_factory=list)


class Builder:
    """Makes shapes of random size and paint."""

    def __init__(self, mitsuba: Any, rng: np.random.Generator, bank: TextureBank) -> None:
        """Args: the mitsuba module with a variant set, randomness, textures."""
        self.mi = mitsuba
        self.rng = rng
        self.bank = bank
        self.transform = mitsuba.ScalarTransform4f

    def log(self, low: float, high: float) -> float:
        """A number between the two, evenly spread on a logarithmic scale."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def paint(self, repeat: float = 1.0) -> Shape:
        """A material: a texture, matt or slightly glossy; `repeat` times over the surface."""
        texture = self.bank.textures[self.rng.integers(len(self.bank.textures))]
        reflectance = {
            "type": "bitmap",
            "bitmap": self.mi.Bitmap(np.ascontiguousarray(texture)),
            "wrap_mode": "mirror",
            "to_uv": self.transform().scale([repeat, repeat, 1]),
        }
        if self.rng.random() < 0.2:
            roughness = self.rng.uniform(0.1, 0.4)
            return {"type": "roughplastic", "diffuse_reflectance": reflectance, "alpha": roughness}
        return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": reflectance}}

    def box(self, x: float, base: float, z: float, half: tuple[float, float, float]) -> Shape:
        """A box standing on `base`, turned at random."""
        placed = self.transform().translate([x, base + half[1], z])
        turned = placed.rotate([0, 1, 0], self.rng.uniform(0, 90)).scale(list(half))
        return {"type": "cube", "to_world": turned, "bsdf": self.paint(self.log(0.5, 3))}

    def ball(self, x: float, base: float, z: float, radius: float) -> Shape:
        """A ball standing on `base`, turned at random."""
        placed = self.transform().translate([x, base + radius, z]).scale(float(radius))
        turned = placed.rotate([0, 1, 0], self.rng.uniform(0, 360))
        return {"type": "sphere", "to_world": turned, "bsdf": self.paint(self.log(0.5, 3))}

    def pillar(self, x: float, base: float, z: float, radius: float, height: float) -> list[Shape]:
        """An upright cylinder with a lid."""
        paint = self.paint(self.log(0.5, 2))
        tube = {"type": "cylinder", "p0": [x, base, z], "p1": [x, base + height, z],
                "radius": radius, "bsdf": paint}  # fmt: skip
        top = self.transform().translate([x, base + height, z]).rotate([1, 0, 0], -90)
        top = top.scale(float(radius))
        return [tube, {"type": "disk", "to_world": top, "bsdf": paint}]

    def crown(self, x: float, base: float, z: float, half: tuple[float, float]) -> list[Shape]:
        """Leaves: round discs of one paint, turned at random, with gaps to see through."""
        rng, paint = self.rng, self.paint()
        leaves = []
        for _ in range(int(rng.integers(20, 45))):
            turn, out = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
            place = [x + half[0] * out * np.cos(turn), base + half[1] * (1 + out * np.sin(turn)),
                     z + 0.3 * half[0] * rng.normal()]  # fmt: skip
            at = self.transform().translate(place).rotate([0, 1, 0], 180 + rng.normal(0, 35))
            at = at.rotate([1, 0, 0], rng.normal(0, 35)).scale(float(half[0] * self.log(0.08, 0.3)))
            leaves.append({"type": "disk", "to_world": at, "bsdf": paint})
        return leaves

    def thing(self, x: float, z: float, size: float, base: float = 0.0) -> list[Shape]:
        """Something about `size` high: a box, a ball, a pillar, a figure, a tree or a pile."""
        rng, low = self.rng, size / 2
        pick = rng.random()
        if pick < 0.3:
            return [self.box(x, base, z, (low * self.log(0.4, 1.5), low, low * self.log(0.4, 1.5)))]
        if pick < 0.5:
            return [self.ball(x, base, z, low)]
        if pick < 0.65:
            return self.pillar(x, base, z, size * self.log(0.1, 0.4), size)
        if pick < 0.8:  # a figure: body and head
            body = self.pillar(x, base, z, 0.16 * size, 0.75 * size)
            return [*body, self.ball(x, base + 0.74 * size, z, 0.13 * size)]
        if pick < 0.9:  # a tree: trunk and crowns
            trunk = self.pillar(x, base, z, 0.06 * size, 0.6 * size)
            wide = size * self.log(0.3, 0.6)
            left = x + wide * rng.normal(0, 0.3)
            return [*trunk, *self.crown(left, base + 0.4 * size, z, (wide, 0.4 * size))]
        lower = self.box(x, base, z, (low, low * 0.5, low))
        return [lower, *self.thing(x, z, size * 0.6, base + low)]

    def ground(self, unit: float) -> Shape:
        """The plane y = 0, as far as one sees."""
        reach = 400 * unit
        flat = self.transform().rotate([1, 0, 0], -90).scale(float(reach))
        return {"type": "rectangle", "to_world": flat, "bsdf": self.paint(reach / unit / 2)}

    def daylight(self) -> list[Shape]:
        """Sky and, mostly, sun."""
        rng = self.rng
        sky = np.array([0.55, 0.7, 0.95]) if rng.random() < 0.7 else random_colour(rng)
        lights = [{"type": "constant", "radiance": _rgb(sky * rng.uniform(0.6, 1.0))}]
        if rng.random() < 0.75:
            down = [rng.normal(0, 0.7), -self.log(0.3, 1.5), rng.normal(0.3, 0.7)]
            sun = np.array([1.0, 0.93, 0.8]) * self.log(1.0, 4.0)
            lights.append({"type": "directional", "direction": down, "irradiance": _rgb(sun)})
        return lights


def _rgb(colour: np.ndarray) -> Shape:
    return {"type": "rgb", "value": [float(v) for v in colour]}


def random_layout(
    mitsuba: Any, rng: np.random.Generator, bank: TextureBank, kind: str | None = None
) -> Layout:
    """A random layout of the given kind (see `KINDS`), or of a random one.

    Raises:
        ValueError: unknown kind.
    """
    make = {"outdoor": _outdoor, "street": _street, "room": _room, "closeup": _closeup}
    kind = kind or str(rng.choice(KINDS, p=[0.36, 0.14, 0.26, 0.24]))
    if kind not in make:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}.")
    return make[kind](Builder(mitsuba, rng, bank))


def _outdoor(b: Builder) -> Layout:
    rng, height = b.rng, b.log(0.6, 3)
    shapes = [b.ground(1.0)]
    for _ in range(int(rng.integers(1, 5))):
        z = b.log(50, 300)
        radius = z * b.log(0.3, 1.5)  # a hill: the top of a large ball
        top = z * b.log(0.02, 0.2)
        shapes.append(b.ball(z * rng.uniform(-0.7, 0.7), top - 2 * radius, z + radius, radius))
    for _ in range(int(rng.integers(5, 15))):
        z = max(height * b.log(3, 25), 3.0)
        shapes += b.thing(z * 0.5 * rng.uniform(-1, 1), z, b.log(0.4, 2.5))
    look = (0.0, height + rng.normal(-0.06, 0.08) * 6, 6.0)
    return Layout((0, height, 0), look, rng.uniform(35, 75), shapes, b.daylight())


def _street(b: Builder) -> Layout:
    rng, height = b.rng, b.log(1.2, 4)
    shapes = [b.ground(1.0)]
    for side in (-1, 1):
        gap, z = b.log(2.5, 8), rng.uniform(-3, 4)
        for _ in range(int(rng.integers(2, 6))):
            long, tall = b.log(3, 10), b.log(2, 9)
            wall = b.box(0, 0, 0, (3.0, tall, long))
            placed = b.transform().translate([side * (gap + 3), tall, z + long])
            shapes.append(wall | {"to_world": placed.scale([3.0, tall, long])})
            z += 2 * long + rng.uniform(0, 4)
    for _ in range(int(rng.integers(2, 8))):
        z = b.log(3, 25)
        shapes += b.thing(rng.uniform(-0.35, 0.35) * z, z, b.log(0.7, 2.2))
    look = (rng.normal(0, 1.0), height + rng.normal(0, 0.4), 6.0)
    return Layout((0, height, 0), look, rng.uniform(45, 80), shapes, b.daylight())


def _room(b: Builder) -> Layout:
    rng = b.rng
    wide, high, deep = b.log(1.5, 4), rng.uniform(2.3, 3.4), b.log(3, 8)
    shapes = []
    for place, turn, half in (
        ([0, 0, deep / 2], ([1, 0, 0], -90), (wide, deep)),
        ([0, high, deep / 2], ([1, 0, 0], 90), (wide, deep)),
        ([0, high / 2, deep], ([0, 1, 0], 180), (wide, high / 2)),
        ([0, high / 2, -deep / 2], ([0, 1, 0], 0), (wide, high / 2)),
        ([-wide, high / 2, deep / 2], ([0, 1, 0], 90), (deep, high / 2)),
        ([wide, high / 2, deep / 2], ([0, 1, 0], -90), (deep, high / 2)),
    ):
        wall = b.transform().translate(place).rotate(*turn).scale([*half, 1])
        shapes.append({"type": "rectangle", "to_world": wall, "bsdf": b.paint(b.log(1, 4))})
    for _ in range(int(rng.integers(5, 12))):
        x, z = rng.uniform(-0.8, 0.8) * wide, b.log(1.4, 0.95 * deep)
        half = (b.log(0.15, 0.6), b.log(0.15, 0.5), b.log(0.15, 0.6))
        shapes.append(b.box(x, 0, z, half))
        for _ in range(int(rng.integers(0, 3))):
            spot = (x + rng.uniform(-0.6, 0.6) * half[0], z + rng.uniform(-0.6, 0.6) * half[2])
            shapes += b.thing(*spot, b.log(0.08, 0.4), 2 * half[1])
    lamp = b.transform().translate([rng.uniform(-0.5, 0.5) * wide, high - 0.02, deep * 0.4])
    lamp = lamp.rotate([1, 0, 0], 90).scale([b.log(0.3, 1), b.log(0.3, 1), 1])
    glow = {"type": "area", "radiance": _rgb(np.array([1.0, 0.92, 0.8]) * 12)}
    fill = {"type": "constant", "radiance": _rgb(np.full(3, 0.1))}
    shapes.append({"type": "rectangle", "to_world": lamp, "emitter": glow})
    eye = (rng.uniform(-0.5, 0.5) * wide, rng.uniform(1.0, 0.75 * high), 0.1)
    look = (eye[0] + rng.normal(0, 1.2), rng.uniform(0.4, 1.4), 4.0)
    return Layout(eye, look, rng.uniform(50, 80), shapes, [fill])


def _closeup(b: Builder) -> Layout:
    """A large subject in front of something further away."""
    rng, unit = b.rng, b.log(0.1, 1.5)
    fov = rng.uniform(25, 50)
    z = unit * b.log(2.5, 5)
    half_view = z * np.tan(np.radians(fov) / 2)
    height = unit * rng.uniform(0.5, 1.4)
    shapes = [b.ground(unit)]
    size = half_view * rng.uniform(0.7, 1.5)
    shapes += b.thing(half_view * rng.normal(0, 0.3), z, size)
    for _ in range(int(rng.integers(2, 8))):
        far = z * b.log(0.8, 6)
        x = far * np.tan(np.radians(fov) / 2) * rng.uniform(-1, 1)
        shapes += b.thing(x, far, size * b.log(0.3, 1.5))
    if rng.random() < 0.6:
        far = z * b.log(2, 10)
        wall = b.transform().translate([0, far, far]).rotate([0, 1, 0], 180).scale(float(3 * far))
        shapes.append({"type": "rectangle", "to_world": wall, "bsdf": b.paint(b.log(2, 8))})
    return Layout((0, height, 0), (0, size * 0.4, z), fov, shapes, b.daylight())
