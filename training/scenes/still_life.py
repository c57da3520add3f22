"""One scene that is made by hand, for example pictures: fruit, cloth, wood, glaze and lettering.

Turned bodies (apples, a bowl, a vase, a bottle) are profiles on a lathe; the cloth is a height
field. Lengths in metres: x to the right, y up, z towards the viewer.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .layouts import Layout, Shape
from .render import RenderedScene, load_mitsuba, render_layout
from .textures import FloatArray, fractal_noise

SIZE = 1024
"""Of the textures, px a side."""
VIEWS = {
    "table": ((0.05, 0.36, 1.02), (0.0, 0.115, -0.05), 41.0),
    "fruit": ((-0.02, 0.34, 0.62), (-0.06, 0.065, 0.04), 32.0),
    "books": ((0.34, 0.26, 0.66), (0.2, 0.1, -0.08), 36.0),
}
"""Camera's place, what it looks at, and the field of view of the longer side in degrees."""
Profile = list[tuple[float, float]]
"""(radius, height) from the bottom upwards."""


def render_still_life(
    height: int,
    width: int,
    *,
    view: str = "table",
    samples: int = 128,
    aperture_m: float = 0.0,
    focus_m: float = 1.0,
) -> RenderedScene:
    """Render the still life; arguments as of `render_scene`, and a name of `VIEWS`."""
    with tempfile.TemporaryDirectory() as folder:
        layout = still_life(load_mitsuba(), Path(folder))
        layout.origin, layout.target, layout.fov_deg = VIEWS[view]
        return render_layout(
            layout,
            height,
            width,
            aperture_m=aperture_m,
            focus_m=focus_m,
            samples=samples,
            bounces=9,
        )


def still_life(mitsuba: Any, folder: Path) -> Layout:
    """What stands on the table, and the light from a window at the left.

    Args:
        mitsuba: the module with its variant set.
        folder: where meshes are written; the layout needs them until it is loaded.
    """
    rng = np.random.default_rng(12)
    studio = _Studio(mitsuba, folder)
    move, paint = studio.move, studio.paint
    wood, wall = _wood(rng), _plaster(rng)
    shapes: list[Shape] = [
        studio.slab(move([0, -0.02, -0.1]).scale([0.9, 0.02, 0.5]), paint(wood, 0.12)),
        studio.slab(move([0, 0.4, -0.62]).scale([1.6, 0.9, 0.02]), paint(wall)),
        studio.cloth(paint(_checked_cloth(rng), repeat=4)),
        studio.turned("bowl", _BOWL, move([-0.13, 0.012, 0.02]), paint(_glaze(rng), 0.06)),
        studio.turned("vase", _VASE, move([0.2, 0, -0.2]), paint(_deep_blue(rng), 0.08)),
        studio.turned("bottle", _BOTTLE, move([-0.33, 0, -0.19]), studio.green_glass),
    ]
    apples = (
        (-0.18, 0.088, 0.04),
        (-0.088, 0.086, 0.042),
        (-0.13, 0.09, -0.04),
        (-0.14, 0.15, 0.015),
    )
    for index, place in enumerate(apples):
        turn = move(list(place)).rotate([0.4, 1, 0.3], 70 * index).scale(0.042)
        shapes.append(studio.turned(f"apple{index}", _APPLE, turn, paint(_apple(rng), 0.12)))
        stalk = move(list(place)).rotate([0.4, 1, 0.3], 70 * index).scale(0.042)
        shapes.append(studio.turned(f"stalk{index}", _STALK, stalk, paint(_plain(60, 42, 25))))
    for index, (x, z, radius) in enumerate(((0.065, 0.13, 0.036), (0.14, 0.085, 0.038))):
        turn = move([x, radius + 0.016, z]).rotate([1, 0, 0], 60 + 80 * index).scale(radius)
        ball = {"type": "sphere", "to_world": turn, "bsdf": paint(_orange(rng), 0.18)}
        shapes.append(ball)
    shapes += studio.books(rng)
    shapes += studio.twigs(rng)
    window = (
        move([-1.3, 1.0, 0.9]).rotate([0, 1, 0], 125).rotate([1, 0, 0], 22).scale([0.6, 0.5, 1])
    )
    lights: list[Shape] = [
        {"type": "rectangle", "to_world": window,
         "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [17, 15.5, 13]}}},
        {"type": "constant", "radiance": {"type": "rgb", "value": [0.20, 0.23, 0.28]}},
    ]  # fmt: skip
    return Layout(shapes=shapes, lights=lights)


_BOWL: Profile = [
    (0.0, 0.0), (0.055, 0.0), (0.06, 0.008), (0.1, 0.03), (0.128, 0.06), (0.137, 0.085),
    (0.132, 0.086), (0.122, 0.062), (0.095, 0.036), (0.055, 0.016), (0.0, 0.013),
]  # fmt: skip
_VASE: Profile = [
    (0.0, 0.0), (0.05, 0.0), (0.066, 0.02), (0.07, 0.07), (0.055, 0.13), (0.036, 0.18),
    (0.034, 0.21), (0.046, 0.25),
]  # fmt: skip
_BOTTLE: Profile = [
    (0.0, 0.0), (0.046, 0.0), (0.05, 0.006), (0.05, 0.2), (0.045, 0.235), (0.02, 0.275),
    (0.0175, 0.3), (0.0175, 0.345), (0.021, 0.347), (0.021, 0.362), (0.0, 0.362),
]  # fmt: skip
_APPLE: Profile = [
    (0.0, -0.78), (0.18, -0.86), (0.45, -0.88), (0.75, -0.7), (0.95, -0.3), (1.02, 0.1),
    (0.95, 0.5), (0.7, 0.8), (0.4, 0.88), (0.15, 0.78), (0.0, 0.62),
]  # fmt: skip
_STALK: Profile = [(0.0, 0.6), (0.045, 0.6), (0.05, 1.12), (0.07, 1.22), (0.0, 1.24)]


class _Studio:
    """Shapes and materials."""

    def __init__(self, mitsuba: Any, folder: Path) -> None:
        self._mi = mitsuba
        self._folder = folder
        self.green_glass: Shape = {
            "type": "roughplastic", "alpha": 0.03, "int_ior": 1.55,
            "diffuse_reflectance": {"type": "rgb", "value": [0.025, 0.075, 0.03]},
        }  # fmt: skip

    def move(self, by: list[float]) -> Any:
        """A transform that begins with a shift."""
        return self._mi.ScalarTransform4f().translate(by)

    def paint(
        self, texture: NDArray[np.uint8], gloss: float | None = None, repeat: float = 1.0
    ) -> Shape:
        """A matt material, or one that shines; the smaller `gloss`, the sharper."""
        to_uv = self._mi.ScalarTransform4f().scale([repeat, repeat, 1])
        colour = {"type": "bitmap", "bitmap": self._mi.Bitmap(np.array(texture)), "to_uv": to_uv}
        if gloss is None:
            return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": colour}}
        shine = {"type": "roughplastic", "diffuse_reflectance": colour, "alpha": gloss}
        return {"type": "twosided", "bsdf": shine}

    def slab(self, placed: Any, paint: Shape) -> Shape:
        """A box."""
        return {"type": "cube", "to_world": placed, "bsdf": paint}

    def turned(self, name: str, profile: Profile, placed: Any, paint: Shape) -> Shape:
        """A body on a lathe: the profile, rounded, around the y axis."""
        line = _rounded(np.array(profile))
        angle = np.linspace(0, 2 * np.pi, 97)
        radius, up = line[:, :1], np.broadcast_to(line[:, 1:], (len(line), len(angle)))
        points = np.stack((radius * np.cos(angle), up, radius * np.sin(angle)), -1)
        along = np.linspace(0, 1, len(line))[:, None]
        uv = np.stack(np.broadcast_arrays(angle / (2 * np.pi), along), -1)
        return self._mesh(name, points, uv, placed, paint)

    def cloth(self, paint: Shape) -> Shape:
        """A cloth with folds, which lies on the table and hangs over its edge."""
        u, v = np.meshgrid(np.linspace(0, 1, 160), np.linspace(0, 1, 160))
        x, along = -0.34 + 0.66 * u, 0.56 * v
        folds = 0.006 * np.sin(9 * u + 5 * v) + 0.004 * np.sin(23 * u - 9 * v + 1)
        ridge = 0.02 * np.exp(-(((u - 0.72 - 0.15 * v) / 0.035) ** 2))
        flat = np.clip(along, 0, 0.42)
        drop = np.clip(along - 0.42, 0, None)
        y = 0.013 + folds + ridge - drop
        z = -0.02 + flat + 0.25 * folds * (drop > 0)
        turn = self.move([0, 0, 0]).rotate([0, 1, 0], 7)
        return self._mesh("cloth", np.stack((x, y, z), -1), np.stack((u, v), -1), turn, paint)

    def books(self, rng: np.random.Generator) -> list[Shape]:
        """Two books with lettering on their spines, one on the other."""
        made = []
        titles = (("OPTICS", (120, 28, 30)), ("The Art of Seeing", (24, 60, 92)))
        for index, (title, colour) in enumerate(titles):
            half = [0.125 - 0.012 * index, 0.019, 0.085]
            up = 0.019 + 0.038 * index
            placed = self.move([0.31 - 0.012 * index, up, -0.05]).rotate(
                [0, 1, 0], -16 + 10 * index
            )
            made.append(self.slab(placed.scale(half), self.paint(_linen(rng, colour), 0.3)))
            front = placed.translate([0, 0, half[2] + 0.0006]).scale([half[0], half[1], 1])
            spine = self.paint(_spine(rng, title, colour), 0.25)
            made.append({"type": "rectangle", "to_world": front, "bsdf": spine})
        return made

    def twigs(self, rng: np.random.Generator) -> list[Shape]:
        """Thin twigs in the vase, with round leaves."""
        made: list[Shape] = []
        bark, leaf = self.paint(_plain(74, 52, 32)), self.paint(_leaf(rng), 0.3)
        for _ in range(5):
            start = np.array([0.2, 0.01, -0.2])
            reach = rng.uniform((-0.16, 0.36, -0.1), (0.14, 0.48, 0.08))
            end = start + reach
            made.append({"type": "cylinder", "p0": start.tolist(), "p1": end.tolist(),
                         "radius": 0.0022, "bsdf": bark})  # fmt: skip
            for share in np.linspace(0.6, 1, 6):
                place = start + share * (end - start) + rng.normal(0, 0.012, 3)
                turn = self.move(place.tolist()).rotate(
                    rng.normal(size=3).tolist(), rng.uniform(0, 360)
                )
                turn = turn.scale([0.024, 0.013, 1])
                made.append({"type": "disk", "to_world": turn, "bsdf": leaf})
        return made

    def _mesh(
        self, name: str, points: FloatArray, uv: FloatArray, placed: Any, paint: Shape
    ) -> Shape:
        path = self._folder / f"{name}.ply"
        _write_grid(path, points, uv)
        return {"type": "ply", "filename": str(path), "to_world": placed, "bsdf": paint}


def _rounded(profile: FloatArray, times: int = 3) -> FloatArray:
    """Chaikin's corner cutting; the ends stay."""
    for _ in range(times):
        near = 0.75 * profile[:-1] + 0.25 * profile[1:]
        far = 0.25 * profile[:-1] + 0.75 * profile[1:]
        inner = np.stack((near, far), 1).reshape(-1, 2)
        profile = np.concatenate((profile[:1], inner, profile[-1:]))
    return profile


def _write_grid(path: Path, points: FloatArray, uv: FloatArray) -> None:
    """A grid `(n,m,3)` of points as a binary PLY with normals."""
    n, m, _ = points.shape
    down, across = np.gradient(points, axis=0), np.gradient(points, axis=1)
    normal = np.cross(down, across)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    rows = np.concatenate((points, normal, uv), -1).reshape(n * m, 8).astype("<f4")
    at = np.arange(n * m).reshape(n, m)
    corners = (at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:])
    a, b, c, d = (corner.reshape(-1) for corner in corners)
    faces = np.concatenate((np.stack((a, b, c), 1), np.stack((a, c, d), 1)))
    packed = np.zeros(len(faces), dtype=[("count", "u1"), ("at", "<i4", 3)])
    packed["count"], packed["at"] = 3, faces
    names = ("x", "y", "z", "nx", "ny", "nz", "u", "v")
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {n * m}"]
    head += [f"property float {name}" for name in names]
    head += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    path.write_bytes(("\n".join(head) + "\n").encode() + rows.tobytes() + packed.tobytes())


def _bytes(picture: FloatArray) -> NDArray[np.uint8]:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _mixed(first: tuple[int, ...], second: tuple[int, ...], share: FloatArray) -> FloatArray:
    a, b = np.array(first) / 255, np.array(second) / 255
    return a + (b - a) * share[..., None]


def _plain(red: int, green: int, blue: int) -> NDArray[np.uint8]:
    return np.full((4, 4, 3), (red, green, blue), np.uint8)


def _grain(rng: np.random.Generator, beta: float, strength: float) -> FloatArray:
    return strength * (fractal_noise(rng, SIZE, beta)[..., None] - 0.5)


def _wood(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Boards with growth rings, fibres along x, and gaps."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    board = np.floor(y * 5)
    bend = 0.06 * fractal_noise(rng, SIZE, 1.8)
    rings = 0.5 + 0.5 * np.sin(
        2 * np.pi * (26 * (y + bend) + 1.7 * board + 2 * bend * np.sin(3 * x))
    )
    fibre = np.repeat(fractal_noise(rng, SIZE, 0.4)[:, ::16], 16, 1)
    tone = rng.uniform(0.75, 1.1, 5)[board.astype(int) % 5]
    gap = ((y * 5) % 1 > 0.985)[..., None]
    wood = _mixed((92, 56, 30), (166, 112, 66), 0.65 * rings + 0.35 * fibre) * tone[..., None]
    return _bytes(np.where(gap, 0.25 * wood, wood))


def _plaster(rng: np.random.Generator) -> NDArray[np.uint8]:
    return _bytes(_mixed((110, 122, 118), (150, 160, 150), fractal_noise(rng, SIZE, 1.1)))


def _checked_cloth(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Woven checks, red and white, with single threads."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    share = 0.5 * ((x * 4) % 1 < 0.5) + 0.5 * ((y * 4) % 1 < 0.5)
    thread = 0.06 * (np.sin(2 * np.pi * 170 * x) + np.sin(2 * np.pi * 170 * y))[..., None]
    return _bytes(_mixed((232, 226, 212), (158, 36, 40), share) + thread + _grain(rng, 0.5, 0.08))


def _glaze(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cream with two blue bands, as on a painted bowl."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    wave = 0.012 * np.sin(2 * np.pi * 24 * x)
    band = (
        (np.abs(y - 0.4 + wave) < 0.012) | (np.abs(y - 0.46) < 0.006) | (np.abs(y - 0.33) < 0.006)
    )
    return _bytes(_mixed((226, 216, 196), (40, 66, 128), band * 0.9) + _grain(rng, 0.8, 0.05))


def _deep_blue(rng: np.random.Generator) -> NDArray[np.uint8]:
    return _bytes(_mixed((20, 40, 78), (44, 86, 120), fractal_noise(rng, SIZE, 1.4)))


def _apple(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Red over yellow, with streaks from the stalk and pale dots."""
    streaks = np.repeat(fractal_noise(rng, SIZE, 0.7)[:1], SIZE, 0)
    red = np.clip(1.5 * fractal_noise(rng, SIZE, 1.6) - 0.1 + 0.5 * (streaks - 0.5), 0, 1)
    skin = _mixed((214, 176, 66), (150, 22, 26), red)
    dots = _dots(rng, 900, 2.2)[..., None]
    return _bytes(skin + (np.array([0.9, 0.8, 0.6]) - skin) * 0.5 * dots)


def _orange(rng: np.random.Generator) -> NDArray[np.uint8]:
    pores = _dots(rng, 5200, 3.0)[..., None]
    skin = _mixed((232, 128, 28), (240, 150, 48), fractal_noise(rng, SIZE, 1.2))
    return _bytes(skin * (1 - 0.22 * pores))


def _dots(rng: np.random.Generator, count: int, radius: float) -> FloatArray:
    canvas = Image.new("L", (SIZE, SIZE))
    draw = ImageDraw.Draw(canvas)
    for x, y in rng.uniform(0, SIZE, (count, 2)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(canvas, np.float32) / 255


def _leaf(rng: np.random.Generator) -> NDArray[np.uint8]:
    return _bytes(_mixed((38, 66, 30), (98, 124, 52), fractal_noise(rng, SIZE, 1.3)))


def _linen(rng: np.random.Generator, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    weave = 0.05 * (np.sin(x * 0.9) * np.sin(y * 0.9))[..., None]
    return _bytes(np.array(colour) / 255 + weave + _grain(rng, 0.6, 0.1))


def _spine(rng: np.random.Generator, title: str, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Linen with a title in gold between two lines."""
    width, height = 1024, 156
    linen = Image.fromarray(_linen(rng, colour)).crop((0, 0, width, height))
    draw = ImageDraw.Draw(linen)
    gold = (214, 178, 96)
    font = ImageFont.load_default(96)  # Pillow's own: the system's would differ
    draw.text((width / 2, height / 2), title, gold, font, anchor="mm")
    for x in (60, 84, width - 60, width - 84):
        draw.line((x, 0, x, height), gold, 6)
    return np.asarray(linen.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
