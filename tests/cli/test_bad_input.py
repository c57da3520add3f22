"""Bad input of `upscale` and `estimate`: refused in one line before any model is loaded."""

import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from mmsr_core.cli.arguments import UsageError


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    """Fails a test in which the model would be loaded all the same."""
    from mmsr_core.cli import estimate, upscale

    def load(args):
        raise AssertionError("the model must not be loaded for bad input")

    monkeypatch.setattr(upscale, "load_model", load)
    monkeypatch.setattr(estimate, "load_model", load)


def bomb():
    def chunk(kind, body):
        tail = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + tail

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def make_bad(folder, kind):
    path = folder / f"{kind}.png"
    if kind == "text":
        path.write_text("not a picture at all")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "bomb":
        path.write_bytes(bomb())
    elif kind == "truncated":
        path = folder / "truncated.jpg"
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:80])
    elif kind == "nan":
        path = folder / "nan.tif"
        Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(path)
    return path


BAD = {
    "text": "not a picture",
    "empty": "empty",
    "bomb": "900 megapixels",
    "truncated": "damaged",
    "nan": "not finite",
    "missing": "does not exist",
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["upscale", "estimate"])
def test_bad_pictures(tmp_path, refused, kind, command):
    path = make_bad(tmp_path, kind)
    out = tmp_path / ("out.png" if command == "upscale" else "out")
    line = refused(command, path, "-o", out)
    assert BAD[kind] in line
    assert path.name in line
    assert not out.exists()


def test_a_bad_depth_picture(tmp_path, refused, picture):
    line = refused(
        "upscale", picture, "-o", tmp_path / "o.png", "--depth", make_bad(tmp_path, "text")
    )
    assert "text.png is not a picture" in line


def test_a_batch_of_bad_pictures_names_each_and_counts_them(tmp_path, mmsr):
    folder = tmp_path / "in"
    folder.mkdir()
    for kind in ("text", "empty"):
        make_bad(folder, kind)
    report = tmp_path / "report.json"
    code, out, err = mmsr("upscale", folder, "-o", tmp_path / "out", "--report", report)
    assert code == 2
    assert out == ""
    assert len(err) == 3
    assert "empty.png is empty" in err[0]
    assert "text.png is not a picture" in err[1]
    assert "2 of 2 pictures failed" in err[2]
    assert not (tmp_path / "out").exists()
    assert '"error"' in report.read_text()


def test_kernel_files(tmp_path, refused, picture, kernel_file):
    cases = {
        "24x16": kernel_file(4, 6, name="size.safetensors"),
        "for scale 2": kernel_file(16, 24, scale=2, name="scale.safetensors"),
        "NaN": kernel_file(16, 24, name="nan.safetensors", damage="nan"),
        "(441,h,w)": kernel_file(16, 24, name="shape.safetensors", damage="shape"),
        "does not exist": tmp_path / "missing.safetensors",
        "not a readable kernel file": make_bad(tmp_path, "text"),
    }
    for word, file in cases.items():
        line = refused("upscale", picture, "-o", tmp_path / "out.png", "--kernel", file)
        assert word in line
        assert file.name in line


def test_places_that_cannot_be_written(tmp_path, refused, picture, unwritable):
    (tmp_path / "file").write_text("x")
    for out in (
        unwritable / "out.png",
        tmp_path / "none" / "out.png",
        tmp_path / "file" / "out.png",
    ):
        assert str(out.parent) in refused("upscale", picture, "-o", f"{out}")
    for words in (
        ["upscale", picture, "-o", f"{unwritable}/new/"],
        ["upscale", picture, "-o", f"{tmp_path}/file/folder/"],
        ["upscale", picture, picture.parent, "-o", tmp_path / "file"],
        ["estimate", picture, "-o", unwritable / "new"],
        ["estimate", picture, "-o", tmp_path / "file"],
        ["upscale", picture, "-o", tmp_path / "o.png", "--report", unwritable / "r.json"],
        ["upscale", picture, "-o", tmp_path / "o.png", "--report", tmp_path],
        ["upscale", picture, "-o", tmp_path / "o.png", "--maps", tmp_path / "file"],
    ):
        refused(*words)
    assert not (tmp_path / "o.png").exists()


def test_outputs_that_would_replace_something(tmp_path, refused, picture):
    before = picture.read_bytes()
    Image.open(picture).save(picture.with_suffix(".jpg"))
    assert "is the input itself" in refused("upscale", picture, "-o", picture)
    other = picture.parent / ".." / picture.parent.name / picture.name
    assert "is the input itself" in refused("upscale", picture, "-o", other)
    assert "is the input itself" in refused("upscale", picture, "-o", picture.parent)
    (tmp_path / "twin").mkdir()
    twin = tmp_path / "twin" / picture.name
    twin.write_bytes(before)
    line = refused("upscale", picture, twin, "-o", tmp_path / "out")
    assert "would both be written" in line
    line = refused("upscale", picture, twin, "-o", tmp_path / "o.png")
    assert "looks like a picture file" in line
    out = tmp_path / "o.png"
    assert "another file" in refused("upscale", picture, "-o", out, "--report", picture)
    assert "another file" in refused("upscale", picture, "-o", out, "--report", out)
    line = refused("upscale", picture, "-o", out, "--depth", out)
    assert "is an input of this run" in line
    assert picture.read_bytes() == before


def test_maps_that_would_replace_something(tmp_path, refused, picture):
    from PIL import Image

    maps = tmp_path / "maps"
    maps.mkdir()
    depth = maps / "picture_depth.png"
    Image.new("L", (24, 16), 9).save(depth)
    before = depth.read_bytes()
    words = ["upscale", picture, "-o", tmp_path / "o.png", "--maps", maps]
    assert "picture_depth.png" in refused(*words, "--depth", depth)
    assert depth.read_bytes() == before
    for name, more in (("kernel_map", []), ("weight_guide_step2", ["--steps", 3])):
        out = maps / f"picture_{name}.png"
        assert out.name in refused("upscale", picture, "-o", out, "--maps", maps, *more)
    other = picture.with_name("picture_weight.png")
    other.write_bytes(picture.read_bytes())
    words = ["upscale", picture, other, "-o", tmp_path / "out", "--maps", maps]
    assert "picture_weight_depth.png" in refused(*words)


def test_names_formats_and_sizes(tmp_path, refused, picture):
    assert "'.xyz'" in refused("upscale", picture, "-o", tmp_path / "o.xyz")
    assert "no ending" in refused("upscale", picture, "-o", tmp_path / "o")
    for colour in ("blurple", "#12", "#00000080"):
        said = refused("upscale", picture, "-o", tmp_path / "o.jpg", "--background", colour)
        assert "expected a name such as white" in said
    long = tmp_path / "long.png"
    Image.new("L", (5000, 1)).save(long)
    assert "WEBP allows" in refused("upscale", long, "-o", tmp_path / "o.webp")
    large = tmp_path / "large.png"
    Image.new("1", (8000, 8000)).save(large)
    assert "limit" in refused("upscale", large, "-o", tmp_path / "o.png")


def test_folders(tmp_path, refused, picture):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no picture files" in refused("upscale", empty, "-o", tmp_path / "o")
    assert "does not exist" in refused("upscale", tmp_path / "missing", "-o", tmp_path / "o")
    assert "several inputs" in refused(
        "upscale", picture, picture.parent / "b.png", "-o", tmp_path / "o", "--depth", picture
    )


def test_an_unexpected_failure_is_one_line_and_exit_code_1(tmp_path, mmsr, picture):
    # `no_model` is itself the unexpected failure here.
    code, out, err = mmsr("upscale", picture, "-o", tmp_path / "o.png")
    assert (code, out) == (1, "")
    assert len(err) == 1
    assert "unexpected AssertionError" in err[0]
    code, _, err = mmsr("upscale", picture, "-o", tmp_path / "o.png", "--debug")
    assert code == 1
    assert any("Traceback" in line for line in err)
    assert sys.exc_info() == (None, None, None)


def test_pictures_that_share_a_stem_keep_their_suffix(tmp_path):
    from mmsr_core.cli.files import plan_outputs

    inputs = [tmp_path / "a.png", tmp_path / "a.jpg", tmp_path / "b.png"]
    outputs = plan_outputs(inputs, tmp_path / "out", batch=True, ends_open=False)
    assert [p.name for p in outputs] == ["a_png.png", "a_jpg.png", "b.png"]


def test_names_that_differ_in_case_only_are_one_on_many_disks(tmp_path):
    from mmsr_core.cli.files import plan_outputs

    inputs = [tmp_path / "A.png", tmp_path / "a.jpg"]
    outputs = plan_outputs(inputs, tmp_path / "out", batch=True, ends_open=False)
    assert [p.name for p in outputs] == ["A_png.png", "a_jpg.png"]
    with pytest.raises(UsageError, match="would both be written"):
        plan_outputs([tmp_path / "1" / "A.png", tmp_path / "2" / "a.png"], tmp_path, True, False)


def test_hidden_files_of_a_folder_are_left_out(tmp_path):
    from mmsr_core.cli.files import collect_inputs

    for name in ("a.jpg", "._a.jpg"):
        (tmp_path / name).write_bytes(b"x")
    found = collect_inputs([tmp_path])
    assert (found.inputs, found.batch) == ([tmp_path / "a.jpg"], True)
    found = collect_inputs([tmp_path / "._a.jpg"])
    assert (found.inputs, found.batch) == ([tmp_path / "._a.jpg"], False)
