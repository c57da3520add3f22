"""Strange, damaged and hostile input against a real server: refused in words, or restored."""

from __future__ import annotations

import io
import json
import re
import zipfile

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')

from gradio_client import handle_file
from gradio_client.exceptions import AppError

from tests.demo.conftest import PATIENT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def restored(client, path, **options):
    """Size of the result at x2, one step (with previews)."""
    made, report = client.predict(
        handle_file(str(path)), **({"scale": "2", "steps": 1} | options), api_name="/restore"
    )
    with Image.open(made) as image:
        image.load()
        return image.size, image.mode, report


def grey(dtype, top):
    return (np.indices((20, 24)).sum(0) * (top / 42)).astype(dtype)


PLAIN = Image.fromarray(grey(np.uint8, 255)).convert("RGB")


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3000, 1), (3, 2)])
def test_any_shape_is_restored(client, tmp_path, size):
    path = tmp_path / "shape.png"
    PLAIN.resize(size).save(path)
    assert restored(client, path)[0] == (2 * size[0], 2 * size[1])


def test_unusual_files_are_restored(client, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # The camera was held on its side.
    others = [PLAIN.rotate(90).convert("P")] * 3
    files = {
        "cmyk.jpg": (PLAIN.convert("CMYK"), {}, (48, 40), "RGB"),
        "deep.png": (Image.fromarray(grey(np.uint16, 65535)), {}, (48, 40), "RGB"),
        "bit.png": (PLAIN.convert("1"), {}, (48, 40), "RGB"),
        "alpha.png": (PLAIN.convert("LA"), {}, (48, 40), "RGBA"),
        "animated.gif": (
            PLAIN.convert("P"), {"save_all": True, "append_images": others}, (48, 40), "RGB",
        ),
        "turned.jpg": (PLAIN, {"exif": turned}, (40, 48), "RGB"),
        "float.tif": (Image.fromarray(grey(np.float32, 1)), {}, (48, 40), "RGB"),
    }  # fmt: skip
    for name, (image, options, size, mode) in files.items():
        image.save(tmp_path / name, **options)
        assert restored(client, tmp_path / name)[:2] == (size, mode), name


def test_what_cannot_be_read_is_said(client, tmp_path):
    broken = grey(np.float32, 1)
    broken[3, 3] = np.nan
    Image.fromarray(broken).save(tmp_path / "nan.tif")
    PLAIN.save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:-100])
    PLAIN.save(tmp_path / "icon.ico")
    words = {"nan.tif": "not finite", "cut.jpg": "damaged", "icon.ico": "known format"}
    for name, word in words.items():
        with pytest.raises(AppError, match=word) as refused:
            restored(client, tmp_path / name)
        assert "mmsr-demo" not in str(refused.value)


def test_html_in_names_and_words_stays_text(client, demo_server, tmp_path):
    attack = "<img src=x onerror=alert(1)>"
    path = tmp_path / f"{attack}.png"
    PLAIN.save(path)
    made, _ = client.predict(
        handle_file(str(path)), scale="2", steps=1, prompt=attack, api_name="/restore"
    )
    assert not re.search(r"[<>]", made)
    (tmp_path / "text.png").write_text("no picture")
    bad = tmp_path / f"{attack}2.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(AppError) as refused:
        client.predict([handle_file(str(bad))], api_name="/batch")
    assert "<img" not in str(refused.value)


def test_too_many_words_are_refused(client, tmp_path):
    PLAIN.save(tmp_path / "a.png")
    with pytest.raises(AppError, match="300 characters"):
        restored(client, tmp_path / "a.png", prompt="x" * 301)


def raw(demo_server, endpoint, body):
    """What an endpoint answers to a body that no client would send."""
    base = f"{demo_server[0]}/gradio_api"
    with httpx.Client(**PATIENT) as session:
        answer = session.post(
            f"{base}/call/{endpoint}", content=body, headers={"content-type": "application/json"}
        )
        if answer.status_code != 200:
            return answer.text
        return session.get(f"{base}/call/{endpoint}/{answer.json()['event_id']}").text


@pytest.mark.parametrize(
    ("steps", "detail", "strengths"),
    [("null", "1e400", "{}"), ('"x"', "1", "{}"), ("1", "NaN", "{}"), ("1", "[1]", "{}"),
     ("true", "1", "{}"), ("1", "1", '{"depth": NaN}'), ("1", "1", '{"depth": null}')],
)  # fmt: skip
def test_numbers_that_are_none_are_refused(demo_server, demo_picture, steps, detail, strengths):
    with demo_picture().open("rb") as file:
        paths = httpx.post(
            f"{demo_server[0]}/gradio_api/upload", files={"files": file}, **PATIENT
        ).json()
    picture = json.dumps({"path": paths[0], "meta": {"_type": "gradio.FileData"}})
    body = (
        f'{{"data": [{picture}, "2", {steps}, {detail}, 0, "", null, null, "guide", {strengths}]}}'
    )
    said = raw(demo_server, "restore", body)
    assert "complete" not in said
    assert "Traceback" not in said
    assert not demo_server[1].is_busy


def test_an_empty_number_means_its_default(client, demo_picture):
    made, report = client.predict(
        handle_file(str(demo_picture())), scale="2", steps=1, detail=None, seed=None,
        api_name="/restore",
    )  # fmt: skip
    assert made
    assert report["seed"] == [0]


def test_a_zip_with_folders_and_strange_names(client, tmp_path):
    buffer = io.BytesIO()
    PLAIN.save(buffer, "PNG")
    names = ["a/b/same.png", "c/same.PNG", "Straße 1.png", "CON.png", "a/b/", "dot./x.png"]
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"" if name.endswith("/") else buffer.getvalue())
    made, lines = client.predict(
        [handle_file(str(tmp_path / "nested.zip"))], preset="Faithful", scale="1",
        api_name="/batch",
    )  # fmt: skip
    assert [line["name"] for line in lines] == [n for n in names if not n.endswith("/")]
    assert all(line["result"] for line in lines)
    with zipfile.ZipFile(made) as archive:
        inside = archive.namelist()
    assert len(set(map(str.lower, inside))) == len(inside) == 6
    assert not any("/" in name or "\\" in name for name in inside)


def test_a_bomb_is_refused_through_the_page_s_own_door(client, demo_server, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(300 << 20))
    with pytest.raises(AppError, match="unpacks to"):
        client.predict([handle_file(str(tmp_path / "bomb.zip"))], api_name="/batch")
    left = [p for p in demo_server[1].workspace.root.rglob("*") if p.is_file()]
    assert max(p.stat().st_size for p in left) < 2 << 20
