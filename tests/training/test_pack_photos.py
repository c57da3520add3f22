"""Folders of pictures become data folders: what is taken, how, and what is said of the rest."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mmsr_core.errors import InputError
from training.data import duplicates
from training.data.drawings import KINDS
from training.data.duplicates import PictureIndex
from training.data.folders import PictureRules, find_pictures, read_training_picture
from training.data.photos import load_photos, shards_of
from training.tools import draw_pictures, pack_photos
from training.tools.pack_photos import Shards, free_name

pytest.importorskip("imagehash", reason='needs imagehash: pip install -e ".[train]"')
pytestmark = pytest.mark.usefixtures("few_shipped")
SMALL = PictureRules(min_side=32, short_side=64)


@pytest.fixture
def few_shipped(monkeypatch) -> None:
    """Hashing all pictures of the repository takes a second each time."""
    monkeypatch.setattr(duplicates, "SHIPPED", ("benchmarks/guard",))


def noise(seed: int, height: int = 80, width: int = 96) -> np.ndarray:
    """Coarse noise `(H,W,3)` uint8, which no two seeds have alike."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (12, 14, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def run(folder: Path, out: Path, *more: str) -> list[dict]:
    pack_photos.main(
        ["--photos", str(folder), "--out", str(out), "--source", "own", "--licence", "CC0-1.0",
         "--min-side", "32", *more]
    )  # fmt: skip
    return json.loads((out / "photos.json").read_text())


def test_every_kind_of_file_becomes_rgb_in_8_bits(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 40 * 50).reshape(40, 50).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    Image.new("L", (50, 40), 77).save(tmp_path / "grey.png")
    half = Image.new("RGBA", (50, 40), (200, 10, 20, 255))
    half.paste((0, 0, 0, 0), (25, 0, 50, 40))
    half.save(tmp_path / "alpha.png")
    sideways = Image.fromarray(noise(0, 40, 50))
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    taken = {p.stem: read_training_picture(p, SMALL) for p in find_pictures(tmp_path)}
    assert all(picture.mode == "RGB" for picture in taken.values())
    deep = np.asarray(taken["deep"])
    assert np.abs(deep - (grey / 257)[..., None]).max() < 1
    assert taken["grey"].getpixel((3, 3)) == (77, 77, 77)
    assert taken["alpha"].getpixel((40, 20)) == (200, 10, 20)  # not the black that nobody sees
    assert taken["turned"].size == (40, 50)


def test_large_pictures_are_reduced_and_long_ones_cut(tmp_path: Path) -> None:
    columns = np.tile(np.linspace(0, 255, 1000), (160, 1))[..., None].repeat(3, 2).astype(np.uint8)
    Image.fromarray(columns).save(tmp_path / "long.png")
    picture = read_training_picture(tmp_path / "long.png", SMALL)
    assert picture.size == (128, 64)
    level = np.asarray(picture).mean((0, 2))
    assert abs(level.mean() - 127.5) < 1  # the middle
    assert np.ptp(level) == pytest.approx(255 * 128 / 400, abs=2)


def test_coarse_jpegs_are_halved(tmp_path: Path) -> None:
    for name, quality in (("coarse", 50), ("fine", 95)):
        Image.fromarray(noise(1)).save(tmp_path / f"{name}.jpg", quality=quality)
    rules = PictureRules(min_side=32)
    assert read_training_picture(tmp_path / "fine.jpg", rules).size == (96, 80)
    assert read_training_picture(tmp_path / "coarse.jpg", rules).size == (48, 40)
    with pytest.raises(InputError, match="48x40 after halving"):
        read_training_picture(tmp_path / "coarse.jpg", PictureRules(min_side=64))


def test_what_is_unfit_is_named_and_the_rest_is_packed(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    Image.fromarray(noise(0)).save(folder / "one.png")
    Image.fromarray(noise(1)).save(folder / "deeper" / "two ä.png")
    Image.fromarray(noise(2)).save(folder / ".hidden" / "three.png")
    Image.fromarray(noise(3, 20, 90)).save(folder / "tiny.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    Image.fromarray(noise(4)).save(folder / "cut.jpg", quality=95)
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no picture")
    rows = run(folder, tmp_path / "out")
    told = capsys.readouterr()
    for name in ("tiny.png has 90x20 px", "broken.jpg", "cut.jpg ends too soon"):
        assert name in told.out + told.err
    assert "3 unfit" in told.out
    assert "2 packed" in told.out
    assert [row["name"] for row in rows] == ["own_deeper_two.webp", "own_one.webp"]
    assert {row["licence"] for row in rows} == {"CC0-1.0"}
    assert [(row["width"], row["height"]) for row in rows] == [(96, 80)] * 2
    photos = load_photos(tmp_path / "out")
    assert np.array_equal(photos[1].pixels, noise(0))  # without loss


def test_duplicates_of_a_test_set_and_of_one_another_are_left_out(tmp_path: Path, capsys) -> None:
    folder, tests = tmp_path / "in", tmp_path / "tests"
    folder.mkdir()
    tests.mkdir()
    for n in range(4):
        Image.fromarray(noise(n)).save(folder / f"{n}.png")
    ImageOps.mirror(Image.fromarray(noise(1))).save(folder / "again.png")
    Image.fromarray(noise(2)).convert("L").resize((48, 40)).save(tests / "test.jpg", quality=60)
    rows = run(folder, tmp_path / "out", "--exclude", str(tests))
    assert [row["file"] for row in rows] == ["0.png", "1.png", "3.png"]
    told = capsys.readouterr()
    assert "2.png: nearly " in told.out + told.err
    assert "again.png: nearly own_1.webp" in told.out + told.err
    assert "2 duplicates" in told.out


def test_the_same_command_goes_on_and_another_source_is_added(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(noise(0)).save(folder / "a.png")
    run(folder, out)
    before = (out / "photos_0.tar").read_bytes()
    Image.fromarray(noise(1)).save(folder / "b.png")
    assert [row["name"] for row in run(folder, out)] == ["own_a.webp", "own_b.webp"]
    assert (out / "photos_0.tar").read_bytes() == before
    rows = run(folder, out, "--source", "other")  # the same pictures
    assert len(rows) == 2
    Image.fromarray(noise(2)).save(folder / "a.png")
    assert run(folder, out, "--source", "other")[2]["name"] == "other_a.webp"
    assert [shard.name for shard in shards_of(out)] == [f"photos_{n}.tar" for n in range(3)]
    assert len(load_photos(out)) == 3


def test_shards_are_closed_when_they_are_full(tmp_path: Path) -> None:
    shards = Shards(tmp_path, shard_bytes=1)
    for n in range(2):
        shards.add({"name": f"{n}.webp"}, Image.fromarray(noise(n)))
    shards.close()
    for n, path in enumerate(shards_of(tmp_path)):
        with tarfile.open(path) as tar:
            assert tar.getnames() == [f"{n}.webp"]
    assert [row["shard"] for row in json.loads((tmp_path / "photos.json").read_text())] == [0, 1]


def test_names_are_plain_and_differ() -> None:
    assert free_name("s", "a b/c.d.jpg", set()) == "s_a_b_c.d.webp"
    assert free_name("s", "a.png", {"s_a.webp", "s_a_2.webp"}) == "s_a_3.webp"
    assert free_name("s", "äö.png", set()) == "s_picture.webp"


def test_a_folder_of_plain_pictures_is_told_how_to_be_packed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected a folder made by"):
        load_photos(tmp_path)
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"1 picture files must be packed.*tools\.pack_photos"):
        load_photos(tmp_path)


def test_an_empty_index_leaves_nothing_out(tmp_path: Path) -> None:
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    shards = Shards(tmp_path / "out")
    counts = pack_photos.pack(tmp_path, shards, PictureIndex(), SMALL, "own", "mine")
    assert counts == {"packed": 1}


def test_drawings_can_be_packed_and_are_the_same_again(tmp_path: Path) -> None:
    draw_pictures.main(["--out", str(tmp_path / "in"), "--count", "8", "--side", "64"])
    files = sorted((tmp_path / "in").iterdir())
    assert len({path.name.rsplit("_", 1)[0] for path in files}) == len(KINDS)
    before = [path.read_bytes() for path in files]
    files[0].unlink()
    draw_pictures.main(["--out", str(tmp_path / "in"), "--count", "8", "--side", "64"])
    assert [path.read_bytes() for path in files] == before
    assert {row["source"] for row in run(tmp_path / "in", tmp_path / "out")} == {"own"}
    with pytest.raises(InputError, match="--side 8"):
        draw_pictures.main(["--out", str(tmp_path), "--side", "8"])


def test_what_was_packed_before_an_interruption_stays(tmp_path: Path, monkeypatch) -> None:
    for n in range(3):
        Image.fromarray(noise(n)).save(tmp_path / f"{n}.png")
    read = pack_photos.read_training_picture

    def interrupted(path: Path, rules: PictureRules) -> Image.Image:
        if path.name == "1.png":
            raise KeyboardInterrupt
        return read(path, rules)

    monkeypatch.setattr(pack_photos, "read_training_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tmp_path / "out")
    assert [photo.name for photo in load_photos(tmp_path / "out")] == ["own_0.webp"]
    monkeypatch.undo()
    assert len(run(tmp_path, tmp_path / "out")) == 3


def test_pictures_of_another_data_folder_are_kept_out(tmp_path: Path) -> None:
    for folder, seeds in (("first", (0, 1)), ("second", (1, 2))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            Image.fromarray(noise(seed)).save(tmp_path / folder / f"{seed}.png")
    run(tmp_path / "first", tmp_path / "a")
    rows = run(tmp_path / "second", tmp_path / "b", "--exclude", str(tmp_path / "a"))
    assert [row["file"] for row in rows] == ["2.png"]
