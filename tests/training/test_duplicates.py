"""Near duplicates: altered copies are found, strangers are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mmsr_core.errors import InputError, MissingPackageError
from training.data import duplicates
from training.data.duplicates import PictureIndex, add_folder, add_shipped, fingerprint
from training.tools import find_duplicates
from training.tools.duplicate_figures import ALTERED

pytest.importorskip("imagehash", reason='needs imagehash: pip install -e ".[train]"')


def scene(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """Blobs of light as a photograph has them: most of the energy in wide waves."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    values = np.zeros((height, width, 3))
    for _ in range(24):
        y, x, size = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(8, 60)
        blob = np.exp(-((rows - y) ** 2 + (cols - x) ** 2) / (2 * size**2))
        values += blob[..., None] * rng.uniform(-1, 1, 3)
    values = (values - values.min()) / np.ptp(values) * 235 + 10
    return Image.fromarray((values + rng.normal(0, 2, values.shape)).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def index() -> PictureIndex:
    found = PictureIndex()
    for seed in range(12):
        found.add(f"scene {seed}", fingerprint(scene(seed)))
    return found


@pytest.mark.parametrize(
    "change", [name for name in ALTERED if "15" not in name and "20" not in name]
)
def test_altered_copies_are_found(index: PictureIndex, change: str) -> None:
    rng = np.random.default_rng(0)
    for seed in range(0, 12, 3):
        match = index.closest(fingerprint(ALTERED[change](scene(seed), rng)))
        assert match is not None, change
        assert match.name == f"scene {seed}"


def test_a_picture_is_found_by_its_crop_and_the_crop_by_the_picture() -> None:
    whole = scene(3)
    crop = whole.crop((0, 0, 216, 162))
    for first, second in ((whole, crop), (crop, whole)):
        one = PictureIndex()
        one.add("first", fingerprint(first))
        assert one.closest(fingerprint(second)) is not None
        assert one.closest(fingerprint(ImageOps.mirror(second))) is not None


def test_strangers_are_not_found(index: PictureIndex) -> None:
    assert all(index.closest(fingerprint(scene(seed))) is None for seed in range(100, 130))
    assert PictureIndex().closest(fingerprint(scene(0))) is None


def test_the_nearest_is_named_when_the_index_has_grown() -> None:
    many = PictureIndex()
    for seed in range(70):  # more than the rows that it starts with
        many.add(str(seed), fingerprint(scene(seed, 64, 64)))
    assert len(many) == 70
    for seed in (0, 63, 64, 69):
        match = many.closest(fingerprint(scene(seed, 64, 64)))
        assert match is not None
        assert match == (str(seed), 0)


def test_a_test_set_that_cannot_be_read_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no pictures"):
        add_folder(PictureIndex(), tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        add_folder(PictureIndex(), tmp_path / "missing")
    scene(0).save(tmp_path / "good.png")
    assert add_folder(PictureIndex(), tmp_path) == 1
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad\.png"):
        add_folder(PictureIndex(), tmp_path)


def test_pictures_of_the_guard_and_the_examples_are_kept_out() -> None:
    shipped = PictureIndex()
    assert add_shipped(shipped) == len(shipped)
    for file in ("benchmarks/guard/scene0.png", "demo/mmsr_demo/examples/shaken.png"):
        with Image.open(duplicates.ROOT / file) as picture:
            stream = io.BytesIO()
            ImageOps.mirror(picture.convert("RGB")).save(stream, "JPEG", quality=50)
        match = shipped.closest(fingerprint(Image.open(stream)))
        assert match is not None
        assert match.name.endswith(file)


def test_without_imagehash_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imagehash", None)
    with pytest.raises(MissingPackageError, match=r"mmsr\[train\]"):
        fingerprint(scene(0))


def test_the_command_names_them_and_fails(tmp_path: Path, capsys, write_shard) -> None:
    data, tests = tmp_path / "data", tmp_path / "tests"
    tests.mkdir()
    copies = [scene(0), scene(1), ImageOps.mirror(scene(1)), scene(2)]
    write_shard(data, {f"{n}.png": copy for n, copy in enumerate(copies)})
    scene(7).save(tests / "seven.png")
    assert find_duplicates.main(["--data", str(data), "--exclude", str(tests)]) == 0
    told = capsys.readouterr().out
    assert "2.png is nearly data/1.png (0 bits)" in told
    assert "0 photographs are nearly a test picture, 1 nearly another" in told
    scene(2).resize((120, 90)).save(tests / "two.jpg", quality=60)
    assert find_duplicates.main(["--data", str(data), "--exclude", str(tests)]) == 1
    assert "3.png is nearly the test picture" in capsys.readouterr().out
