"""Sizes, formats, folders: what is written where."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from mmsr_core.image import load_image, save_image


@pytest.fixture
def folder(picture, tmp_path):
    """Two pictures, one of them in a subfolder, and one that cannot be read."""
    inside = picture.parent / "more"
    inside.mkdir()
    shutil.copy(picture, inside / "other.png")
    (picture.parent / "phone.cr2").write_bytes(b"x")
    return picture.parent


def run(mmsr, *words):
    return mmsr("upscale", *words, "--steps", 0)


@pytest.mark.parametrize(
    ("option", "size"),
    [(("--scale", 1.5), (24, 36)), (("--size", "48"), (32, 48)), (("--size", "h20"), (20, 30)),
     (("--size", "0.001MP"), (26, 39)), (("--size", "12"), (8, 12))],
)  # fmt: skip
def test_any_size(mmsr, picture, tmp_path, option, size):
    code, _, err = run(mmsr, picture, "-o", tmp_path / "out.png", *option)
    assert (code, err) == (0, [])
    assert load_image(tmp_path / "out.png").size == size


def test_impossible_sizes_are_refused(refused, picture, tmp_path):
    out = ("upscale", picture, "-o", tmp_path / "out.png")
    assert "A size is one of" in refused(*out, "--size", "huge")
    assert "more than 16 times" in refused(*out, "--size", "8K")
    assert "not allowed with" in refused(*out, "--size", "4K", "--scale", 2)


def test_a_folder_with_its_structure(mmsr, folder, tmp_path):
    out = tmp_path / "out"
    options = ("--recursive", "--format", "jpg", "--quality", 80, "--suffix", "_x2", "--scale", 2)
    code, said, err = run(mmsr, folder, "-o", out, *options)
    assert (code, err) == (0, [])
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
    assert made == ["more/other_x2.jpg", "picture_x2.jpg"]
    assert "2 done" in said
    assert "not read, as their format is not known here: phone.cr2" in said


def test_a_folder_with_nothing_to_read_says_what_would_help(mmsr, refused, folder, tmp_path):
    out = ("-o", tmp_path / "out")
    (folder / "picture.png").unlink()
    said = refused("upscale", folder, *out)
    assert "phone.cr2" in said
    assert "--recursive" in said
    (folder / "phone.cr2").unlink()
    assert "no picture files in it; its subfolders have: add --recursive." in refused(
        "upscale", folder, *out
    )
    (folder / "more" / "other.png").rename(folder / "more" / "._other.png")
    assert "--recursive" not in refused("upscale", folder, *out)
    assert "has no picture files in it." in refused("upscale", folder, *out, "--recursive")


def test_what_is_there_is_skipped(mmsr, folder, tmp_path):
    out = tmp_path / "out"
    assert run(mmsr, folder, "-o", out, "--scale", 1)[0] == 0
    (out / "picture.png").write_bytes(b"mine")
    code, said, _ = run(mmsr, folder, "-o", out, "--scale", 1, "--skip-existing", "--recursive")
    assert code == 0
    assert "1 done, 1 had a result already" in said
    assert (out / "picture.png").read_bytes() == b"mine"
    code, said, _ = run(mmsr, folder, "-o", out, "--skip-existing", "--recursive")
    assert code == 0
    assert "0 done, 2 had a result already" in said


def test_a_report_keeps_what_an_earlier_run_said(mmsr, folder, tmp_path):
    out, file = tmp_path / "out", tmp_path / "report.json"
    options = ("-o", out, "--scale", 1, "--recursive", "--report", file)
    (folder / "more" / "other.png").rename(tmp_path / "later.png")
    assert run(mmsr, folder, *options)[0] == 0
    (first,) = json.loads(file.read_text())
    (tmp_path / "later.png").rename(folder / "more" / "other.png")
    assert run(mmsr, folder, *options, "--skip-existing")[0] == 0
    both = json.loads(file.read_text())
    assert both[0] == first
    assert [Path(entry["input"]).name for entry in both] == ["picture.png", "other.png"]
    assert "noise_std" in both[1]
    assert run(mmsr, folder, *options, "--skip-existing")[0] == 0
    assert json.loads(file.read_text()) == both[::-1]  # in the order of the pictures
    file.write_text(file.read_text(), encoding="utf-8-sig")
    relative = os.path.relpath(out)
    elsewhere = ("-o", relative, *options[2:])
    assert run(mmsr, folder, *elsewhere, "--skip-existing")[0] == 0
    assert json.loads(file.read_text()) == both[::-1]
    file.unlink()
    assert run(mmsr, folder, *options, "--skip-existing")[0] == 0
    assert all(entry["skipped"] for entry in json.loads(file.read_text()))


def test_a_folder_never_eats_its_own_results(mmsr, refused, folder):
    into = ("upscale", folder, "-o", folder, "--scale", 1, "--steps", 0)
    assert "give another folder, or --suffix" in refused(*into)
    for _ in range(2):
        assert mmsr(*into, "--suffix", "_new")[0] == 0
    assert sorted(p.name for p in folder.glob("*.png")) == ["picture.png", "picture_new.png"]
    (folder / "picture_new.png").unlink()
    for _ in range(2):
        inside = ("upscale", folder, "-o", folder / "out", "--scale", 1, "--steps", 0)
        assert mmsr(*inside, "--recursive")[0] == 0
    made = sorted(str(p.relative_to(folder)) for p in (folder / "out").rglob("*.png"))
    assert made == ["out/more/other.png", "out/picture.png"]


def test_privacy(mmsr, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    Image.new("RGB", (16, 16), (90, 90, 90)).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    for name, options in (("kept", ()), ("gone", ("--strip",))):
        out = tmp_path / f"{name}.png"
        assert run(mmsr, tmp_path / "a.jpg", "-o", out, "--scale", 1, *options)[0] == 0
        with Image.open(out) as image:
            image.load()
            assert (0x010F in image.getexif()) == (name == "kept")
            assert ("mmsr" in image.info) == (name == "kept")


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_texts_of_a_png_go_into_a_png(mmsr, tmp_path, mode):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a house, Seed: 7")
    texts.add_itxt("Title", "Übersicht")
    texts.add_text("XML:com.adobe.xmp", "<x/>")
    Image.new(mode, (16, 16), 90 if mode == "I;16" else (90, 90, 90)).save(
        tmp_path / "a.png", pnginfo=texts
    )
    for name, options in (("kept", ()), ("gone", ("--strip",))):
        out = tmp_path / f"{name}.png"
        assert run(mmsr, tmp_path / "a.png", "-o", out, "--scale", 1, *options)[0] == 0
        with Image.open(out) as image:
            image.load()
            found = {k: image.text.get(k) for k in ("parameters", "Title", "XML:com.adobe.xmp")}
        kept = {"parameters": "a house, Seed: 7", "Title": "Übersicht", "XML:com.adobe.xmp": None}
        assert found == (kept if name == "kept" else dict.fromkeys(kept))
    assert run(mmsr, tmp_path / "a.png", "-o", tmp_path / "a.jpg", "--scale", 1)[0] == 0


def test_other_frames_are_named(mmsr, tmp_path):
    frames = [Image.new("RGB", (16, 16), (k * 80, 0, 0)) for k in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    said = run(mmsr, tmp_path / "a.gif", "-o", tmp_path / "a.png", "--scale", 1)[1]
    assert "The first of the 3 pictures in the file" in said


def test_two_folders_keep_their_structures(mmsr, folder, tmp_path):
    second = tmp_path / "second" / "deep"
    second.mkdir(parents=True)
    shutil.copy(folder / "picture.png", second / "third.png")
    out = tmp_path / "out"
    both = ("upscale", folder, second.parent, "-o", out, "--recursive", "--scale", 1)
    assert mmsr(*both, "--steps", 0)[0] == 0
    made = sorted(str(p.relative_to(out)) for p in out.rglob("*.png"))
    assert made == ["deep/third.png", "more/other.png", "picture.png"]


def test_names_with_dots_and_odd_suffixes(mmsr, refused, picture, folder):
    picture.rename(picture.with_name("a.b.png"))
    into = ("upscale", folder, "-o", folder, "--scale", 1, "--steps", 0, "--suffix", ".new")
    for _ in range(2):
        assert mmsr(*into)[0] == 0
    assert sorted(p.name for p in folder.glob("*.png")) == ["a.b.new.png", "a.b.png"]
    assert "part of a file name" in refused(*into[:-1], "../x")
    one = ("upscale", folder / "a.b.png", "-o", folder / "c.png")
    assert "are for folders" in refused(*one, "--format", "jpg")


def test_one_picture_that_is_there_already(mmsr, picture, tmp_path):
    out, report = tmp_path / "out.png", tmp_path / "report.json"
    line = (picture, "-o", out, "--scale", 1, "--skip-existing", "--report", report)
    assert run(mmsr, *line)[0] == 0
    code, said, err = run(mmsr, *line)
    assert (code, err) == (0, [])
    assert "0 done, 1 had a result already" in said
    code, said, err = mmsr("merge", picture, picture, *line[1:3], *line[5:])
    assert (code, err) == (0, [])
    assert "0 done, 1 had a result already" in said


def test_a_merge_of_folders_says_what_it_did(mmsr, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "up")
    code, said, _ = mmsr("merge", folder, tmp_path / "up", "-o", tmp_path / "out", "--trust", 0)
    assert code == 0
    assert "1 done" in said
    assert "not read, as their format is not known here: phone.cr2" in said


def test_a_format_that_needs_a_plugin_is_named_with_its_remedy(mmsr, folder, tmp_path, monkeypatch):
    from mmsr_core import image
    from mmsr_core.image.plugins import HEIC

    plain = image.INPUT_SUFFIXES - {".heic", ".heif", ".jxl"}
    monkeypatch.setattr(image, "INPUT_SUFFIXES", plain)
    (folder / "phone.heic").write_bytes(b"x")
    code, said, err = run(mmsr, folder, "-o", tmp_path / "out", "--scale", 1)
    assert (code, err) == (0, [])
    assert "phone.heic" in said
    assert HEIC.remedy in said


def test_a_jpeg_that_ends_too_soon_is_read_and_it_is_said(mmsr, picture, tmp_path):
    Image.effect_noise((160, 120), 60).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 3 // 4])
    code, said, err = run(mmsr, tmp_path / "a.jpg", "-o", tmp_path / "a.png", "--scale", 1)
    assert (code, err) == (0, [])
    assert "The file ends too soon" in said


def test_every_command_says_what_a_file_holds_besides(mmsr, tmp_path):
    frames = [Image.new("RGB", (16, 16), (k * 80, 0, 0)) for k in range(3)]
    gif, report = tmp_path / "a.gif", tmp_path / "report.json"
    frames[0].save(gif, save_all=True, append_images=frames[1:])
    note = "The first of the 3 pictures in the file."
    out = tmp_path / "out.png"
    for words in (
        ("upscale", gif, "-o", out, "--scale", 1, "--steps", 0, "--report", report),
        ("merge", gif, gif, "-o", out, "--report", report),
    ):
        code, said, _ = mmsr(*words)
        assert code == 0
        assert note in said
        assert note in json.loads(report.read_text(encoding="utf-8"))["notes"]
    assert note in mmsr("estimate", gif, "-o", tmp_path / "measured")[1]
    assert note in json.loads((tmp_path / "measured" / "estimate.json").read_text())["notes"]
    assert note in mmsr("degrade", gif, "-o", out)[1]
    plain = tmp_path / "plain.png"
    frames[0].save(plain)
    for option in ("--guide", "--depth"):
        words = ("upscale", plain, "-o", out, "--scale", 1, "--steps", 0, option, gif)
        assert f"a.gif: {note}" in mmsr(*words)[1]
    words = ("estimate", plain, "-o", tmp_path / "measured", "--depth", gif)
    assert f"a.gif: {note}" in mmsr(*words)[1]


@pytest.mark.parametrize(
    ("text", "name"), [("jpeg", "jpg"), ("JPG", "jpg"), (".tif", "tiff"), ("png", "png")]
)
def test_formats_go_by_their_usual_names(text, name) -> None:
    from mmsr_core.cli.files import FORMATS, _format_name

    assert _format_name(text) == name
    assert name in FORMATS


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
@pytest.mark.parametrize("command", ["upscale", "merge", "degrade"])
def test_a_grey_picture_stays_a_grey_file(mmsr, tmp_path, mode, command) -> None:
    deep = np.linspace(0, 65535, 24 * 16).astype(np.uint16).reshape(16, 24)
    grey = Image.fromarray((deep >> 8).astype(np.uint8))
    made = Image.fromarray(deep) if mode == "I;16" else grey.convert(mode)
    source, out = tmp_path / "a.png", tmp_path / "out.png"
    made.save(source)
    words = {"upscale": ("--scale", 2, "--steps", 0), "merge": (), "degrade": ("--scale", 2)}
    other = (source,) if command == "merge" else ()
    code, _, err = mmsr(command, source, *other, "-o", out, *words[command])
    assert (code, err) == (0, [])
    assert load_image(out).grey
    with Image.open(out) as image:
        assert image.mode == mode


def test_sixteen_bits_stay_and_less_is_said(mmsr, tmp_path) -> None:
    pytest.importorskip("imagecodecs")
    source = tmp_path / "a.png"
    save_image(source, torch.rand(1, 3, 16, 16), bit_depth=16)
    for name, bits in (("b.tif", 16), ("b.png", 16), ("b.jpg", 8)):
        code, said, _ = run(mmsr, source, "-o", tmp_path / name, "--scale", 1)
        assert code == 0
        assert load_image(tmp_path / name).bit_depth == bits
        assert ("Written with 8 bits per channel, as .jpg holds no more" in said) == (bits == 8)


@pytest.mark.parametrize("command", ["upscale", "merge"])
def test_folders_are_made_when_something_is_saved_in_them(mmsr, folder, tmp_path, command) -> None:
    for path in (folder / "picture.png", folder / "more" / "other.png"):
        path.write_bytes(b"no picture")
    other = (folder,) if command == "merge" else ()
    if command == "merge":
        other = (tmp_path / "up",)
        shutil.copytree(folder, tmp_path / "up")
    out, maps = tmp_path / "out", tmp_path / "maps"
    words = (command, folder, *other, "-o", out, "--maps", maps, "--recursive")
    assert mmsr(*words)[0] == 2
    assert not out.exists()
    assert not maps.exists()
    assert mmsr(*words, "--report", out / "report.json")[0] == 2  # says why nothing is there
    assert [path.name for path in out.iterdir()] == ["report.json"]


def test_a_report_needs_a_folder_of_the_run_or_one_that_is_there(refused, picture, tmp_path):
    words = ("upscale", picture, "-o", f"{tmp_path}/out/", "--report")
    assert "create it first" in refused(*words, tmp_path / "none" / "report.json")
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_a_folder_is_named(refused, picture, tmp_path):
    (tmp_path / "out").write_bytes(b"x")
    assert "out is a file, but a folder is needed" in refused(
        "upscale", picture.parent, "-o", tmp_path / "out" / "deep"
    )


def test_one_sentence_says_what_became_of_a_folder(mmsr, folder, tmp_path) -> None:
    (folder / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    words = (folder, "-o", out, "--scale", 1, "--skip-existing")
    code, said, err = run(mmsr, *words)
    assert code == 2
    assert "1 of 2 pictures failed, 1 done, in" in err[-1]
    assert f"failed: {folder / 'bad.png'}; not read" in err[-1]
    assert " done" not in said
    code, said, err = run(mmsr, *words)
    assert (code, said) == (2, "")
    assert "1 of 2 pictures failed, 0 done, 1 had a result already, in" in err[-1]


@pytest.mark.parametrize("command", ["upscale", "merge"])
def test_a_name_that_is_not_as_usual_is_explained(mmsr, folder, tmp_path, command) -> None:
    with Image.open(folder / "picture.png") as image:
        image.save(folder / "picture.webp", lossless=True)
    other = (folder / "picture.png",)
    out, report = tmp_path / "out", tmp_path / "report.json"
    if command == "merge":
        other = (tmp_path / "up",)
        shutil.copytree(folder, other[0])
        words = ("merge", folder, *other)
    else:
        words = ("upscale", folder, "--steps", 0)
    code, said, _ = mmsr(*words, "-o", out, "--scale", 1, "--report", report)
    assert code == 0
    note = "Named picture_webp.png: picture.png could be that of picture.png as well."
    assert note in said
    assert note in str(json.loads(report.read_text(encoding="utf-8")))
    with Image.open(folder / "picture.png") as image:
        (folder / "picture.webp").unlink()
    assert "Named" not in mmsr(*words, "-o", tmp_path / "b", "--scale", 1)[1]


@pytest.mark.parametrize("ending", ["exr", "tga", "pdf", "PEF", "srw", "dds", "heics", "svgz"])
def test_pictures_that_are_not_read_are_named(mmsr, folder, tmp_path, ending) -> None:
    (folder / f"a.{ending}").write_bytes(b"x")
    code, said, _ = run(mmsr, folder, "-o", tmp_path / "out", "--scale", 1)
    assert code == 0
    assert f"not read, as their format is not known here: a.{ending}, phone.cr2" in said


def test_other_endings_of_jpeg_are_read(mmsr, folder, tmp_path) -> None:
    with Image.open(folder / "picture.png") as image:
        for name in ("b.jpe", "c.jfif", "d.j2k"):
            image.save(folder / name, "JPEG2000" if name == "d.j2k" else "JPEG")
    assert run(mmsr, folder, "-o", tmp_path / "out", "--scale", 1)[0] == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["b.png", "c.png", "d.png", "picture.png"]


def test_the_bar_tells_the_whole_folder(mmsr, folder, tmp_path, monkeypatch) -> None:
    import tqdm

    seen = []

    class Watched(tqdm.tqdm):
        def update(self, n=1):
            done = super().update(n)
            seen.append((self.n / self.total, self.desc))
            return done

    monkeypatch.setattr(tqdm, "tqdm", Watched)
    words = (folder, "-o", tmp_path / "out", "--scale", 2, "--recursive", "--progress")
    assert run(mmsr, *words)[0] == 0
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert max(share for share, title in seen if "(1/2)" in title) == pytest.approx(0.5)
    assert min(share for share, title in seen if "(2/2)" in title) == pytest.approx(0.5)


def test_the_bar_tells_the_transparency_as_well(mmsr, tmp_path, monkeypatch) -> None:
    import tqdm

    seen = []

    class Watched(tqdm.tqdm):
        def update(self, n=1):
            done = super().update(n)
            seen.append(self.n / self.total)
            return done

    monkeypatch.setattr(tqdm, "tqdm", Watched)
    image = Image.radial_gradient("L").resize((32, 32))
    image.putalpha(image.point(lambda v: 255 * (v > 90)))
    image.save(tmp_path / "a.png")
    for words in (
        ("upscale", tmp_path / "a.png", "--steps", 0),
        ("merge", *[tmp_path / "a.png"] * 2),
    ):
        seen.clear()
        assert mmsr(*words, "-o", tmp_path / "b.png", "--scale", 2, "--progress")[0] == 0
        assert seen == sorted(seen)
        assert seen[-1] == 1
        assert sum(0.6 < share < 0.99 for share in seen) > 3


@pytest.mark.parametrize("certain", [True, False])
def test_a_second_picture_off_its_place_is_moved_or_warned_of(
    mmsr, tmp_path, monkeypatch, certain
) -> None:
    from mmsr_core.image import SensorShift
    from mmsr_core.pipeline import second_sensor

    monkeypatch.setattr(second_sensor, "sensor_shift", lambda *_: SensorShift(2, -1, certain))
    source, guide, report = (tmp_path / name for name in ("a.png", "b.png", "r.json"))
    save_image(source, torch.rand(1, 3, 24, 24))
    save_image(guide, torch.rand(1, 3, 24, 24))
    words = (source, "-o", tmp_path / "o.png", "--scale", 1, "--guide", guide, "--report", report)
    code, said, err = run(mmsr, *words)
    assert code == 0
    place = "2 px below and 1 px to the left of the first one"
    assert (f"The second picture lay {place}, and was moved by that onto it." in said) == certain
    assert ("seems to lie" in said) is False
    assert len(err) == (0 if certain else 1)
    if not certain:
        assert f"mmsr: warning: {guide}: The second picture seems to lie {place}" in err[0]
    assert place in str(json.loads(report.read_text(encoding="utf-8"))["notes"])
