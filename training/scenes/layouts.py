"""Random layouts: where the camera and the shapes stand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .objects import Builder
from .shapes import Box, CutOut, Ellipsoid, Ground, Rays, Shape
from .textures import TextureBank

KINDS = ("outdoor", "street", "room", "closeup")


@dataclass
class Layout:
    """A camera and the shapes in front of it."""

    shapes: list[Shape] = field(default_factory=list)
    position: tuple[float, float, float] = (0.0, 1.6, 0.0)
    pitch: float = 0.0
    """Upwards, radians."""
    yaw: float = 0.0
    roll: float = 0.0
    fov: float = 1.0
    """Of the longer side, radians."""
    unit: float = 1.0
    """Typical length (1: human scale)."""
    indoor: bool = False

    def camera_rays(self, height: int, width: int, focal: float) -> Rays:
        """One ray per pixel; directions advance one unit along the optical axis."""
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        x = ((x.ravel() + 0.5) - width / 2) / np.float32(focal)
        y = (height / 2 - (y.ravel() + 0.5)) / np.float32(focal)
        c, s = np.cos(self.roll), np.sin(self.roll)
        x, y = np.float32(c) * x - np.float32(s) * y, np.float32(s) * x + np.float32(c) * y
        c, s = np.float32(np.cos(self.pitch)), np.float32(np.sin(self.pitch))
        dy, dz = c * y + s, c - s * y
        c, s = np.float32(np.cos(self.yaw)), np.float32(np.sin(self.yaw))
        origin = (np.float32(p) for p in self.position)
        return Rays(*origin, c * x + s * dz, dy, c * dz - s * x)  # type: ignore[arg-type]


def random_layout(rng: np.random.Generator, bank: TextureBank, kind: str | None = None) -> Layout:
    """A random layout of the given kind (see `KINDS`), or of a random one."""
    kind = kind or str(rng.choice(KINDS, p=[0.36, 0.12, 0.28, 0.24]))
    builder = Builder(rng, bank)
    make = {"outdoor": _outdoor, "street": _street, "room": _room, "closeup": _closeup}
    if kind not in make:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}.")
    return make[kind](builder)


def _ground(b: Builder, unit: float) -> Ground:
    paint = b.paint(unit * b.log(0.5, 4))
    if b.rng.random() < 0.35:
        return Ground(
            road_texture=b.texture(),
            road_centre=b.rng.normal(0, 2) * unit,
            road_width=unit * b.log(0.7, 4),
            road_bend=b.rng.normal(0, 0.25),
            **paint,
        )
    return Ground(**paint)


def _hills(b: Builder, unit: float) -> list[Shape]:
    hills: list[Shape] = []
    for _ in range(int(b.rng.integers(1, 5))):
        z = unit * b.log(40, 300)
        half = (z * b.log(0.2, 0.9), z * b.log(0.04, 0.25), z * 0.3)
        hills.append(
            Ellipsoid(
                centre=(z * b.rng.uniform(-0.7, 0.7), 0, z),
                half=half,
                casts_shadow=False,
                **b.paint(z * 0.2),
            )
        )
    return hills


def _outdoor(b: Builder) -> Layout:
    rng = b.rng
    unit = b.log(0.3, 4) if rng.random() < 0.4 else 1.0
    high = rng.random() < 0.12
    camera = unit * (b.log(5, 30) if high else b.log(0.6, 2.5))
    pitch = rng.uniform(-0.6, -0.1) if high else rng.normal(-0.05, 0.16)
    layout = Layout(
        position=(0.0, camera, 0.0),
        pitch=float(np.clip(pitch, -0.75, 0.35)),
        roll=rng.normal(0, 0.02),
        fov=rng.uniform(0.5, 1.4),
        unit=unit,
    )
    layout.shapes.append(_ground(b, unit))
    if rng.random() < 0.5:
        layout.shapes += _hills(b, unit)
    spread = np.tan(layout.fov / 2)
    for _ in range(int(rng.integers(0, 8))):
        z = camera * b.log(1.5, 30)
        layout.shapes += b.thing(z * spread * rng.uniform(-1.1, 1.1), z, unit * b.log(0.4, 2.5))
    if rng.random() < 0.35:
        z = unit * b.log(8, 60)
        half = (z * b.log(0.1, 0.8), z * b.log(0.05, 0.4), z * 0.2)
        layout.shapes.append(
            Box(
                centre=(z * rng.uniform(-0.8, 0.8), half[1], z + half[2]),
                half=half,
                yaw=rng.normal(0, 0.4),
                **b.paint(half[1]),
            )
        )
    if rng.random() < 0.3:
        z = unit * b.log(10, 60)
        for k in range(int(rng.integers(2, 6))):
            mask = b.bank.masks[rng.integers(len(b.bank.masks))]
            size = z * b.log(0.08, 0.35)
            x = z * spread * rng.uniform(-1.1, 1.1)
            layout.shapes.append(
                CutOut(
                    centre=(x, size * 0.8, z * (1 + 0.1 * k)),
                    half=(size * b.log(0.6, 2), size),
                    mask=mask,
                    **b.paint(size),
                )
            )
    return layout


def _street(b: Builder) -> Layout:
    rng = b.rng
    layout = Layout(
        position=(0.0, b.log(1, 4), 0.0),
        pitch=rng.normal(0.02, 0.12),
        roll=rng.normal(0, 0.015),
        yaw=rng.normal(0, 0.25),
        fov=rng.uniform(0.6, 1.4),
    )
    layout.shapes.append(_ground(b, 1.0))
    for side in (-1, 1):
        if rng.random() < 0.15:
            continue
        gap, z = b.log(2, 10), rng.uniform(-3, 6)
        for _ in range(int(rng.integers(1, 4))):
            long, deep, high = b.log(4, 25), 4.0, b.log(2.5, 15)
            layout.shapes.append(
                Box(
                    centre=(side * (gap + deep), high, z + long),
                    half=(deep, high, long),
                    **b.paint(b.log(2, 8)),
                )
            )
            z += 2 * long + rng.uniform(0, 5)
    if rng.random() < 0.3:
        z = b.log(15, 60)
        layout.shapes.append(Box(centre=(0, 6, z + 3), half=(30, b.log(3, 12), 3), **b.paint(5)))
    for _ in range(int(rng.integers(0, 6))):
        z = b.log(3, 25)
        layout.shapes += b.thing(rng.uniform(-0.5, 0.5) * z, z, b.log(0.6, 2.2))
    return layout


def _room(b: Builder) -> Layout:
    rng = b.rng
    half = (b.log(1.2, 4.5), rng.uniform(1.1, 1.9), b.log(1.2, 6))
    camera = (
        half[0] * rng.uniform(-0.7, 0.7),
        half[1] * rng.uniform(0.6, 1.5),
        -half[2] * rng.uniform(0, 0.9),
    )
    layout = Layout(
        position=camera,
        pitch=rng.normal(-0.25, 0.25),
        roll=rng.normal(0, 0.06),
        yaw=rng.normal(0, 0.6),
        fov=rng.uniform(0.8, 1.4),
        indoor=True,
    )
    layout.shapes.append(
        Box(
            centre=(0, half[1], 0),
            half=half,
            inside=True,
            casts_shadow=False,
            floor_texture=b.texture(),
            ceiling_texture=b.texture(),
            **b.paint(2.0),
        )
    )
    for _ in range(int(rng.integers(2, 9))):
        z = camera[2] + b.log(0.7, 1.8 * half[2] + 0.8)
        x = rng.uniform(-1, 1) * half[0]
        pick = rng.random()
        size = b.log(0.3, 1.5)
        if pick < 0.55:
            table = b.box(x, 0, z, size)
            layout.shapes.append(table)
            for _ in range(int(rng.integers(0, 4))):
                small, top = b.log(0.06, 0.4), 2 * table.half[1]
                spot = (
                    x + rng.uniform(-0.3, 0.3) * size,
                    top,
                    z + rng.uniform(-0.3, 0.3) * size,
                    small,
                )
                layout.shapes.append(b.box(*spot) if rng.random() < 0.7 else b.ball(*spot))
        elif pick < 0.75:
            base = rng.uniform(0.3, 1.8)
            layout.shapes.append(b.box(np.sign(x) * half[0], base, z, size))
        elif pick < 0.9:
            layout.shapes.append(b.ball(x, 0, z, size))
        else:
            layout.shapes += b.figure(x, z, rng.uniform(1.2, 1.9))
    return layout


def _closeup(b: Builder) -> Layout:
    """A large subject in front of something further away."""
    rng = b.rng
    unit = b.log(0.1, 2)
    fov = rng.uniform(0.35, 1.0)
    z = unit * b.log(2, 5)
    camera = unit * rng.uniform(0.4, 1.4)
    layout = Layout(
        position=(0.0, camera, 0.0),
        pitch=float(np.arctan2(unit * rng.uniform(0.2, 0.9) - camera, z)),
        roll=rng.normal(0, 0.04),
        fov=fov,
        unit=unit,
    )
    layout.shapes.append(_ground(b, unit))
    x = z * np.tan(fov / 2) * rng.normal(0, 0.3)
    size = z * np.tan(fov / 2) * rng.uniform(0.6, 1.6)
    layout.shapes += b.thing(x, z, size)
    for _ in range(int(rng.integers(0, 5))):
        spread = np.tan(fov / 2)
        far = z * b.log(0.7, 6)
        layout.shapes += b.thing(far * spread * rng.uniform(-1, 1), far, size * b.log(0.3, 1.5))
    if rng.random() < 0.65:
        far = z * b.log(1.5, 12)
        half = (far * 3, far * b.log(0.2, 2), unit)
        layout.shapes.append(
            Box(
                centre=(0, half[1], far + unit),
                half=half,
                yaw=rng.normal(0, 0.2),
                casts_shadow=False,
                **b.paint(far * 0.6),
            )
        )
    return layout
