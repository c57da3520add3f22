"""Random objects for scenes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .shapes import Box, CutOut, Cylinder, Ellipsoid, Shape
from .textures import TextureBank


class Builder:
    """Draws random paint and objects for one layout."""

    def __init__(self, rng: np.random.Generator, bank: TextureBank) -> None:
        self.rng = rng
        self.bank = bank

    def texture(self) -> int:
        """A random texture."""
        if self.bank.count > self.bank.procedural and self.rng.random() < 0.6:
            return int(self.rng.integers(self.bank.procedural, self.bank.count))
        return int(self.rng.integers(0, self.bank.procedural)) if self.bank.procedural else 0

    def paint(self, size: float) -> dict:
        """Random texture, texture size and tint, as keyword arguments of a shape."""
        tint = np.clip(self.rng.normal(1, 0.12, 3) * self.rng.uniform(0.6, 1.2), 0.2, 1.5)
        return {
            "texture": self.texture(),
            "texture_size": float(size * self.rng.uniform(0.5, 2.0)),
            "tint": tint.astype(np.float32),
        }

    def log(self, low: float, high: float) -> float:
        """A log-uniform number."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    @staticmethod
    def triple(draw: Callable[[], float]) -> tuple[float, float, float]:
        """Three draws."""
        return draw(), draw(), draw()

    def box(self, x: float, base: float, z: float, size: float) -> Box:
        """A turned box standing on `base`."""
        half = self.triple(lambda: size * self.log(0.3, 1.3) * 0.5)
        return Box(
            centre=(x, base + half[1], z),
            half=half,
            yaw=self.rng.uniform(0, np.pi),
            **self.paint(size),
        )

    def ball(self, x: float, base: float, z: float, size: float) -> Ellipsoid:
        """An ellipsoid standing on `base`."""
        flat = self.rng.random() < 0.5
        half = self.triple(lambda: size * (self.log(0.3, 1.0) if flat else 0.5))
        return Ellipsoid(centre=(x, base + half[1] * 0.97, z), half=half, **self.paint(size))

    def tree(self, x: float, z: float, size: float) -> list[Shape]:
        """A trunk with a crown."""
        width = size * self.rng.uniform(0.2, 0.5)
        crown = size * self.rng.uniform(0.25, 0.45)
        paint = self.paint(size * 0.5)
        trunk = Cylinder(
            x=x,
            z=z,
            radius=size * self.rng.uniform(0.02, 0.07),
            top=size * 0.6,
            **self.paint(size * 0.2),
        )
        if self.rng.random() < 0.6:
            mask = self.bank.masks[self.rng.integers(len(self.bank.masks))]
            return [
                trunk,
                CutOut(centre=(x, size - crown, z), half=(width, crown), mask=mask, **paint),
            ]
        return [trunk, Ellipsoid(centre=(x, size - crown, z), half=(width, crown, width), **paint)]

    def figure(self, x: float, z: float, size: float) -> list[Shape]:
        """An upright figure: legs, body, head."""
        wide = size * self.rng.uniform(0.1, 0.2)
        body = Ellipsoid(
            centre=(x, size * 0.58, z),
            half=(wide, size * 0.28, wide * 0.7),
            **self.paint(size * 0.3),
        )
        head = Ellipsoid(
            centre=(x, size * 0.92, z),
            half=(size * 0.07, size * 0.09, size * 0.08),
            **self.paint(size * 0.1),
        )
        paint = self.paint(size * 0.2)
        legs = [
            Cylinder(x=x + k * wide * 0.5, z=z, radius=wide * 0.35, top=size * 0.5, **paint)
            for k in (-1, 1)
        ]
        return [body, head, *legs]

    def animal(self, x: float, z: float, size: float) -> list[Shape]:
        """A four-legged figure."""
        long, high = size * 0.5, size * self.rng.uniform(0.2, 0.35)
        side = self.rng.choice([-1, 1])
        paint = self.paint(size * 0.5)
        body = Ellipsoid(centre=(x, size * 0.65, z), half=(long, high, high), **paint)
        head = Ellipsoid(
            centre=(x + side * long * 1.05, size * 0.9, z),
            half=(size * 0.2, size * 0.15, size * 0.13),
            **paint,
        )
        legs = [
            Cylinder(x=x + k * long * 0.7, z=z, radius=size * 0.07, top=size * 0.6, **paint)
            for k in (-1, 1)
        ]
        return [body, head, *legs]

    def thing(self, x: float, z: float, size: float) -> list[Shape]:
        """A random object standing on the ground."""
        pick = self.rng.random()
        if pick < 0.25:
            return [self.box(x, 0, z, size)]
        if pick < 0.45:
            return [self.ball(x, 0, z, size)]
        if pick < 0.65:
            return self.tree(x, z, size * self.rng.uniform(1, 4))
        if pick < 0.8:
            return self.figure(x, z, size * self.rng.uniform(0.8, 1.3))
        if pick < 0.92:
            return self.animal(x, z, size)
        top = size * self.rng.uniform(1, 3)
        return [Cylinder(x=x, z=z, radius=size * self.log(0.04, 0.3), top=top, **self.paint(size))]
