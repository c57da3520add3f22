"""A real server, called as programs call it: every endpoint, hostile input, many at once."""

import gc
import io
import json
import os
import re
import shutil
import struct
import sys
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.demo.conftest import MAX_PIXELS, MAX_UPLOAD_MB, PATIENT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def file(path):
    return handle_file(str(path))


def refusal(client, name, *values, **named):
    """The message of a call that must be refused; it says nothing about the server."""
    with pytest.raises(AppError) as caught:
        client.predict(*values, api_name=name, **named)
    text = str(caught.value)
    assert "Traceback" not in text
    assert "mmsr-demo-" not in text
    assert "/site-packages/" not in text
    return text


def test_the_endpoints_keep_their_names_and_order(client):
    found = client.view_api(return_format="dict")["named_endpoints"]
    names = {
        name: [p["parameter_name"] for p in info["parameters"]] for name, info in found.items()
    }
    assert names == {
        "/restore": [
            "picture", "scale", "steps", "detail", "seed", "prompt", "depth", "guide",
            "guide_mode", "strengths", "references", "noise_255", "jpeg_quality", "blur_px",
            "denoise", "size", "symptom", "preset", "format", "background", "sharpening",
        ],
        "/estimate": ["picture", "scale"],
        "/merge": [
            "picture", "prior", "trust", "scale", "size", "noise_255", "jpeg_quality",
            "sharpening", "format", "background",
        ],
        "/fuse": ["first", "second", "mode", "scale", "strength", "steps", "format", "background"],
        "/compare": [
            "good", "damaged", "scale", "blur_px", "blur_end_px", "noise_255", "jpeg_quality",
            "preset",
        ],
        "/batch": ["files", "preset", "scale", "size", "symptom", "format", "background"],
    }  # fmt: skip
    assert not client.view_api(return_format="dict")["unnamed_endpoints"]


def _default(props):
    """What a number is that is not given: its value, or what its label says of an empty one."""
    value = props.get("value")
    return float(re.search(r"empty: ([\d.]+)", props["label"])[1]) if value is None else value


def test_the_endpoints_take_what_the_page_takes(demo_server):
    """Ranges and defaults: of the page's sliders and of what programs send."""
    found = httpx.get(f"{demo_server[0]}/config", **PATIENT).json()["components"]
    props = [part["props"] for part in found if part["type"] in ("slider", "number")]
    of_page, of_api = (
        [
            (p["label"], p["minimum"], p["maximum"], _default(p))
            for p in props
            if p["visible"] is seen
        ]
        for seen in (True, False)
    )
    pairs = {
        "Steps": "steps", "Detail": "detail", "Seed": "seed", "Blur left": "blur_px (left edge)",
        "Blur right": "blur_end_px (right edge)", "Noise": "noise_255", "JPEG quality":
        "jpeg_quality", "Strength of the second picture": "strength of the second picture",
        "Blur": "blur_px of the result", "Denoise": "denoise", "Sharpening": "sharpening",
        "Trust": "trust",
    }  # fmt: skip
    for label, name in pairs.items():
        mine = {rest for text, *rest_ in of_page if text == label for rest in [tuple(rest_)]}
        theirs = {
            tuple(rest) for text, *rest in of_api if text == name or text.startswith(name + " (")
        }
        assert mine
        assert mine == theirs, label
    presets = [
        (part["props"]["label"], part["props"].get("value"))
        for part in found
        if part["type"] == "radio" and "Faithful" in str(part["props"]["choices"])
    ]
    assert sorted(value for label, value in presets if not label.startswith("preset")) == [
        "Balanced", "Balanced", "Faithful",  # Restore, Batch, Compare.
    ]  # fmt: skip
    assert [value for label, value in presets if label == "preset"] == ["Faithful"]  # /compare
    assert sum(label.startswith("preset (empty: Balanced,") for label, _ in presets) == 1  # /batch
    assert [value for label, value in presets if label.startswith("preset:")] == [None]


def test_a_page_of_elsewhere_cannot_upload_or_start_a_job(demo_server):
    """Its form is sent by the user's own browser, which says where it comes from."""
    address, engine = demo_server
    host = address.removeprefix("http://")
    before = {path for path in engine.workspace.root.rglob("*") if path.is_file()}
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", f"https://evil.{host}"):
        answer = httpx.post(
            f"{address}/gradio_api/upload", files={"files": ("evil.png", b"x")},
            headers={"Origin": origin}, **PATIENT,
        )  # fmt: skip
        assert answer.status_code == 403, origin
        for route in ("call/estimate", "queue/join"):
            body = {"data": [None, "2"], "fn_index": 0, "session_hash": "x"}
            answer = httpx.post(
                f"{address}/gradio_api/{route}", json=body, headers={"Origin": origin}, **PATIENT
            )
            assert answer.status_code == 403, route
    assert {path for path in engine.workspace.root.rglob("*") if path.is_file()} == before
    for own in ({}, {"Origin": address}):
        answer = httpx.post(
            f"{address}/gradio_api/upload", files={"files": ("own.png", b"x")}, headers=own,
            **PATIENT,
        )  # fmt: skip
        assert answer.status_code == 200


def test_restore_gives_a_png_that_carries_its_report(client, demo_picture):
    path, report = client.predict(
        file(demo_picture(20, 24)), scale="2", steps=1, api_name="/restore"
    )
    assert Path(path).name == "holiday_restored.png"
    with Image.open(path) as image:
        assert image.size == (48, 40)
        written = json.loads(image.info["mmsr_report"])
        chosen = json.loads(image.info["mmsr"])
    assert chosen["factor"] == 2
    assert (chosen["steps"], chosen["preset"]) == (1, "balanced")
    assert (report["preset"], report["noise_levels"]) == (
        "balanced",
        pytest.approx(report["measured"]["noise_std_255"], abs=0.01),
    )
    assert {k: report[k] for k in written} == written
    assert report["measured"]["words"]["noise"]
    assert report["consistency_db"]["after"] > 0


def test_a_symptom_stands_in_for_what_is_not_given(client, demo_picture):
    picture = file(demo_picture(20, 24, "symptom.png"))
    path, _ = client.predict(picture, symptom="Out of focus", api_name="/restore")
    with Image.open(path) as image:
        assert image.size == (24, 20)
        chosen = json.loads(image.info["mmsr"])
    assert (chosen["steps"], chosen["detail"], chosen["denoise"]) == (1, 0.3, 1)
    path, _ = client.predict(picture, symptom="Noisy phone photo", api_name="/restore")
    with Image.open(path) as image:
        assert json.loads(image.info["mmsr"])["preset"] == "faithful"
    path, _ = client.predict(
        picture, scale="2", detail=0.7, symptom="Old scan", api_name="/restore"
    )
    with Image.open(path) as image:
        assert image.size == (48, 40)
        chosen = json.loads(image.info["mmsr"])
    assert (chosen["steps"], chosen["detail"], chosen["denoise"]) == (1, 0.7, 0.7)
    path, _ = client.predict(picture, size="w60", symptom="Shaken", api_name="/restore")
    with Image.open(path) as image:
        assert image.size == (60, 50)
    assert refusal(client, "/restore", picture, symptom="Bored")


def test_what_is_given_counts_before_a_symptom_also_where_it_is_usual(client, demo_picture):
    picture = file(demo_picture(20, 24, "given.png"))
    given = {"scale": "Auto", "steps": 1, "detail": 0.3, "denoise": 1}
    for symptom in ("Out of focus", "Old scan", "Noisy phone photo"):
        path, _ = client.predict(picture, symptom=symptom, api_name="/restore", **given)
        with Image.open(path) as image:
            assert image.size == (96, 80)
            chosen = json.loads(image.info["mmsr"])
        assert (chosen["steps"], chosen["detail"], chosen["denoise"]) == (1, 0.3, 1)
    for options, size, preset in (
        ({"symptom": "Out of focus", "preset": "Crisp"}, (24, 20), "crisp"),
        ({"symptom": "Out of focus", "scale": "Auto"}, (96, 80), "balanced"),
        ({"symptom": "Noisy phone photo", "preset": "Balanced"}, (96, 80), "balanced"),
        ({"symptom": "Noisy phone photo"}, (96, 80), "faithful"),
    ):
        archive_path, _ = client.predict([picture], api_name="/batch", **options)
        with (
            zipfile.ZipFile(archive_path) as archive,
            Image.open(io.BytesIO(archive.read("given_restored.png"))) as image,
        ):
            assert image.size == size
            assert json.loads(image.info["mmsr"])["preset"] == preset
    for name, value in (("steps", 17), ("detail", -1), ("denoise", 2)):
        assert name in refusal(client, "/restore", picture, **{name: value})


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("WebP", "webp")])
def test_results_come_in_every_format_with_their_exif_data(client, tmp_path, kind, suffix):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    path = tmp_path / "taken.png"
    picture = Image.new("RGBA", (24, 20), (200, 30, 30, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 12, 20))
    picture.save(path, exif=exif, dpi=(300, 300))
    given = {"scale": "1", "preset": "Faithful", "format": kind}
    archive_path, lines = client.predict([file(path)], api_name="/batch", **given)
    assert [line["result"] for line in lines] == [f"taken_restored.{suffix}"]
    single, report = client.predict(file(path), api_name="/restore", **given)
    assert report["preset"] == "faithful"
    assert Path(single).suffix == f".{suffix}"
    with zipfile.ZipFile(archive_path) as archive:
        assert set(json.loads(archive.read("report.json"))["restored"]) == {lines[0]["result"]}
        content = archive.read(lines[0]["result"])
    with Image.open(single) as one, Image.open(io.BytesIO(content)) as other:
        assert one.tobytes() == other.tobytes()  # The PNG's report has its own times.
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size) == (kind.upper(), (24, 20))
        assert image.getexif()[0x010F] == "Camera"
        if kind != "WebP":  # has no field for it
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        clear = image.convert("RGBA").getpixel((2, 10))
    assert clear[3] == (255 if kind == "JPEG" else 0)
    assert min(clear[:3]) > 250 or kind != "JPEG"


def test_a_result_too_large_for_its_format_is_named_and_the_rest_goes_on(
    demo_server, client, demo_picture
):
    pictures = [file(demo_picture(2, 8192, "wide.png")), file(demo_picture(20, 24, "small.png"))]
    archive_path, lines = client.predict(
        pictures, preset="Faithful", scale="2", format="WebP", api_name="/batch"
    )
    assert [line["result"] for line in lines] == ["", "small_restored.webp"]
    assert "16383" in lines[0]["message"]
    with zipfile.ZipFile(archive_path) as archive:
        assert archive.namelist() == ["small_restored.webp", "report.json"]
    assert not list(demo_server[1].workspace.root.rglob("wide_restored.*"))


def test_transparent_places_of_a_jpeg_have_the_colour_that_is_asked_for(client, demo_picture):
    path = demo_picture(20, 24, "glass.png")
    with Image.open(path) as image:
        image.putalpha(0)
        image.save(path)
    given = {"scale": "1", "format": "JPEG", "background": "#0000ff"}
    single, report = client.predict(file(path), api_name="/restore", **given)
    assert "laid on #0000ff" in " ".join(report["notes"])
    with Image.open(single) as image:
        red, _, blue = image.getpixel((5, 5))
    assert (red < 5, blue > 250) == (True, True)
    _, lines = client.predict([file(path)], api_name="/batch", **given)
    assert "laid on #0000ff" in lines[0]["message"]
    _, report = client.predict(file(path), scale="1", api_name="/restore")
    assert "laid on" not in " ".join(report["notes"])
    for name, picture in (("/batch", [file(path)]), ("/restore", file(path))):
        assert "#rrggbb" in refusal(client, name, picture, **{**given, "background": "blurple"})


def test_an_unknown_format_is_refused(client, demo_picture):
    for name, picture in (("/batch", [file(demo_picture())]), ("/restore", file(demo_picture()))):
        assert refusal(client, name, picture, format="BMP")


def test_a_preset_stands_in_for_steps_and_detail(client, demo_picture):
    picture = file(demo_picture(20, 24, "preset.png"))
    for options, expected in (
        ({"preset": "Faithful"}, (0, 0.3, "faithful")),
        ({"preset": "Crisp", "symptom": "Noisy phone photo"}, (1, 1, "crisp")),
        ({"preset": "Crisp", "detail": 0.5}, (1, 0.5, None)),
    ):
        path, report = client.predict(picture, scale="2", api_name="/restore", **options)
        with Image.open(path) as image:
            chosen = json.loads(image.info["mmsr"])
        assert (chosen["steps"], chosen["detail"], chosen["preset"]) == expected
        assert report["preset"] == expected[2]
    assert refusal(client, "/restore", picture, preset="Wild")


def test_the_readme_s_client_example_runs(demo_server, monkeypatch, capsys):
    root = Path(__file__).resolve().parents[2]
    text = (root / "README.md").read_text(encoding="utf-8")
    code = re.search(r"<!-- demo-client -->\n```python\n(.*?)```", text, re.DOTALL)[1]
    assert "http://127.0.0.1:7860" in code
    monkeypatch.chdir(root)
    code = code.replace("http://127.0.0.1:7860", demo_server[0])
    code = code.replace(demo_server[0] + '")', demo_server[0] + '", **OPTIONS)')
    options = {"httpx_kwargs": dict(PATIENT), "analytics_enabled": False}
    exec(code, {"OPTIONS": options})  # noqa: S102 - the README's own lines.
    assert "Your picture is" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["/restore", "/estimate", "/merge", "/fuse", "/compare", "/batch"])
def test_the_code_to_be_pasted_runs(demo_server, demo_picture, tmp_path, monkeypatch, capsys, name):
    info = httpx.get(f"{demo_server[0]}/gradio_api/info", **PATIENT).json()["named_endpoints"]
    assert len(info) == 6
    code = info[name]["code_snippets"]["python"]
    assert not re.search(r"https?://(?!127\.0\.0\.1)", str(info[name]))
    assert "Hello" not in str(info[name])
    for parameter in info[name]["parameters"]:
        if parameter["component"] in ("Image", "File"):
            assert parameter["python_type"]["description"] == "A file; no links."
    picture = demo_picture(48, 48, "pasted.png")
    for file, path in (
        ("photo.png", picture), ("infrared.png", demo_picture(48, 48, "pasted_2.png", 1.0)),
        ("upscaled.png", demo_picture(96, 96, "pasted_3.png")),
    ):  # fmt: skip
        shutil.copyfile(path, tmp_path / file)
    monkeypatch.chdir(tmp_path)
    options = {"httpx_kwargs": dict(PATIENT), "analytics_enabled": False, "download_files": "got"}
    code = re.sub(r"Client\((.*)\)", r"Client(\1, **OPTIONS)", code)
    if name == "/fuse" and not demo_server[1].abilities.guide:
        with pytest.raises(AppError, match="fusion network"):
            exec(code, {"OPTIONS": options})  # noqa: S102 - as a person pastes it.
        return
    exec(code, {"OPTIONS": options})  # noqa: S102
    said = capsys.readouterr().out.splitlines()[-1]
    assert said[0] in "({"
    assert "got" in said


def test_the_same_call_again_is_answered_from_the_last_results(client, demo_server, demo_picture):
    engine = demo_server[1]
    call = {"scale": "2", "steps": 1, "seed": 77, "api_name": "/restore"}
    first = client.predict(file(demo_picture(16, 16, "again.png")), **call)
    kept = len(engine.results)
    second = client.predict(file(demo_picture(16, 16, "again.png")), **call)
    assert len(engine.results) == kept
    assert first[1] == second[1]  # Times included: nothing was computed again.
    assert Path(first[0]).read_bytes() == Path(second[0]).read_bytes()


def test_transparency_and_16_bits_are_kept(client, tmp_path):
    import numpy as np
    import torch

    from mmsr_core.image import load_image, save_image

    path = tmp_path / "deep.png"
    ramp = torch.linspace(0.2, 0.8, 24).expand(1, 3, 16, 24).contiguous()
    alpha = torch.ones(1, 1, 16, 24)
    alpha[..., :8] = 0
    save_image(path, ramp, alpha, bit_depth=16)
    made, _ = client.predict(file(path), scale="1", steps=0, api_name="/restore")
    result = load_image(made)
    assert result.bit_depth == 16
    assert result.alpha is not None
    assert float(result.alpha[..., :8].max()) == 0
    assert np.isclose(float(result.alpha[..., 8:].min()), 1)


def test_evidence_changes_the_picture_and_strength_0_leaves_it_out(client, demo_picture):
    def made(**options):
        path, _ = client.predict(
            file(demo_picture(16, 20, "evidence.png")), scale="2", steps=1, detail=1,
            api_name="/restore", **options,
        )  # fmt: skip
        with Image.open(path) as image:
            return image.tobytes()

    plain = made()
    assert made(prompt="a brick wall") != plain
    assert made(depth=file(demo_picture(32, 40, "depth.png", 2.0))) != plain
    assert made(prompt="a brick wall", strengths={"prompt": 0}) == plain


def test_the_defaults_are_the_library_s(client):
    from mmsr_core.types import DEFAULT_DETAIL, DEFAULT_STEPS

    found = client.view_api(return_format="dict")["named_endpoints"]["/restore"]["parameters"]
    defaults = {p["parameter_name"]: p["parameter_default"] for p in found}
    measured = {"noise_255": -1, "jpeg_quality": 0, "blur_px": 0, "sharpening": -1}
    assert {name: defaults[name] for name in measured} == measured
    labels = {p["parameter_name"]: p["label"] for p in found}
    for name, value in (("steps", DEFAULT_STEPS), ("detail", DEFAULT_DETAIL), ("denoise", 1)):
        assert defaults[name] is None  # A preset or a symptom may set it.
        assert f"empty: {value}," in labels[name]


def test_what_is_stated_takes_the_place_of_what_is_measured(client, demo_picture):
    def made(**options):
        path, report = client.predict(
            file(demo_picture(16, 20, "known.png")), scale="2", steps=0, api_name="/restore",
            **options,
        )  # fmt: skip
        with Image.open(path) as image:
            return report, json.loads(image.info["mmsr"]), image.tobytes()

    report, chosen, plain = made()
    assert chosen["noise_255"] is chosen["jpeg_quality"] is chosen["blur_px"] is None
    assert set(report["measured"]["give_or_take"]) == {"noise_std_255", "jpeg_quality", "blur_px"}
    report, chosen, stated = made(noise_255=12, jpeg_quality=40, blur_px=1.5)
    assert report["noise_std"] * 255 == pytest.approx(12, abs=0.01)
    assert report["jpeg_quality"] == 40
    assert report["blur_sigma_px"]["mean"] == pytest.approx(1.5, rel=0.05)
    assert chosen["noise_255"] == 12
    assert report["measured"]["give_or_take"] == {}
    assert "take" not in report["measured"]["words"]["noise"]
    assert stated != plain
    assert made(noise_255=12, jpeg_quality=40, blur_px=1.5, denoise=0)[2] != stated


def test_sharpening_is_stated_measured_or_left(client, demo_picture):
    def made(scale, **options):
        path, report = client.predict(
            file(demo_picture(16, 20, "sharp.png")), scale=scale, steps=0, api_name="/restore",
            **options,
        )  # fmt: skip
        with Image.open(path) as image:
            return report, json.loads(image.info["mmsr"])["sharpening"], image.tobytes()

    stated, chosen, picture = made("4", sharpening=0.4)
    assert chosen == stated["sharpening"] == stated["measured"]["sharpening"] == 0.4
    assert "(amount 0.40)" in stated["measured"]["words"]["sharpening"]
    none, chosen, other = made("4", sharpening=0)
    assert chosen == none["sharpening"] == 0
    assert "sharpening" not in none["measured"]["words"]
    assert picture != other
    low, chosen, _ = made("1")  # Not looked for at its own size.
    assert chosen is low["sharpening"] is low["measured"]["sharpening"] is None


def test_a_jpeg_file_s_quality_counts_where_it_is_not_reduced(demo_server, demo_picture, tmp_path):
    import numpy as np

    from mmsr_demo.work.engine import file_quality

    path = tmp_path / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (32, 40, 3), np.uint8)
    Image.fromarray(noise).save(path, quality=95)
    engine = demo_server[1]
    image = engine.load(path)
    plan = engine.plan(image.size, 2)
    assert file_quality(image, plan) == pytest.approx(95, abs=1)
    assert file_quality(image, replace(plan, work=(16, 20))) is None
    assert file_quality(engine.load(demo_picture(32, 40, "plain.png")), plan) is None


def test_colour_under_transparency_is_not_restored(client, tmp_path):
    """What lies hidden there must not shine through its edge."""
    import numpy as np

    results = []
    for hidden in (0, 255):
        pixels = np.full((24, 24, 4), 120, np.uint8)
        pixels[:, :12] = (hidden, hidden, hidden, 0)
        pixels[:, 12:, 3] = 255
        path = tmp_path / "hidden.png"
        Image.fromarray(pixels).save(path)
        made, _ = client.predict(file(path), scale="2", steps=0, api_name="/restore")
        results.append(np.asarray(Image.open(made))[:, 24:])
    assert np.array_equal(*results)


def test_estimate_measures_without_restoring(client, demo_picture):
    numbers, kernel_map, depth = client.predict(
        file(demo_picture()), scale="4", api_name="/estimate"
    )
    assert numbers["scale"] == 4
    assert numbers["blur_px"]["sharpest_region"] <= numbers["blur_px"]["softest_region"]
    assert set(numbers["words"]) >= {"sharpness", "noise", "compression"}
    assert "faithfulness" not in numbers["words"]
    with Image.open(kernel_map) as image:
        assert max(image.size) >= 768
    with Image.open(depth) as image:
        assert image.size == (24, 20)


def upscaled(demo_picture, scale=2, size=(20, 24), shift=0):
    """A picture of `demo_picture`, enlarged as another upscaler would, moved down by px."""
    path = demo_picture(*size, "small.png")
    with Image.open(path) as image:
        large = image.resize((scale * image.width, scale * image.height), Image.Resampling.BICUBIC)
    moved = Image.new("RGB", large.size)
    moved.paste(large, (0, 0))
    moved.paste(large, (0, shift))
    moved.save(path.with_name("upscaled.png"))
    return path, path.with_name("upscaled.png")


def test_merge_takes_another_upscaler_s_picture_in(client, demo_picture):
    pair = [file(path) for path in upscaled(demo_picture)]
    path, report = client.predict(*pair, api_name="/merge")
    assert Path(path).name == "small_merged.png"
    with Image.open(path) as image:
        assert image.size == (48, 40)  # As large as the prior.
        chosen = json.loads(image.info["mmsr"])
        assert json.loads(image.info["mmsr_report"])["trust"] == 0.5
    assert chosen == {
        "factor": 2, "trust": 0.5, "noise_255": None, "jpeg_quality": None, "sharpening": None,
    }  # fmt: skip
    assert 0 < report["prior_weight"]["mean"] < 1
    assert set(report["words"]) >= {"taken", "place", "colour", "agreement", "noise"}
    assert report["summary"].endswith(
        "is the other picture; the rest is yours, restored faithfully."
    )
    none, report = client.predict(*pair, trust=0, api_name="/merge")
    assert report["prior_weight"]["max"] == 0
    assert "taken" not in report["words"]
    assert Path(none).read_bytes() != Path(path).read_bytes()


def test_merge_has_sizes_known_damage_and_formats(client, demo_picture):
    pair = [file(path) for path in upscaled(demo_picture)]
    options = {"noise_255": 9, "jpeg_quality": 40, "sharpening": 0.2, "format": "JPEG"}
    path, report = client.predict(*pair, scale="3", **options, api_name="/merge")
    with Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (72, 60))
    assert report["noise_levels"] == pytest.approx(9, abs=0.01)
    assert (report["jpeg_quality"], report["sharpening"]) == (40, 0.2)
    path, report = client.predict(*pair, size="w90", api_name="/merge")
    with Image.open(path) as image:
        assert image.size == (90, 75)
    assert report["scale"] == 4
    path, _ = client.predict(*pair, trust=1, format="WebP", api_name="/merge")
    with Image.open(path) as image:
        assert image.format == "WEBP"


def test_a_prior_of_another_picture_is_left_out_and_named(client, demo_picture):
    y, x = np.mgrid[:40, :48]
    other = demo_picture(40, 48, "other.png")
    stripes = np.repeat((128 + 100 * np.sign(np.sin(x * y / 9.0)))[..., None], 3, -1)
    Image.fromarray(stripes.clip(0, 255).astype(np.uint8)).save(other)
    own = file(demo_picture(40, 48, "own.png"))
    path, report = client.predict(own, file(other), api_name="/merge")
    assert "another picture" in report["notes"][0]
    assert sum("another picture" in note for note in report["notes"]) == 1
    assert report["prior_weight"]["max"] == 0
    assert report["summary"].startswith("The other picture was left out")
    with Image.open(path) as image:
        assert image.size == (48, 40)


def test_merge_says_why_not(client, demo_picture, tmp_path):
    small, large = (file(path) for path in upscaled(demo_picture))
    assert "Choose the other upscaler's picture" in refusal(client, "/merge", small, None)
    assert "no enlargement" in refusal(
        client, "/merge", small, file(demo_picture(20, 60, "wide.png"))
    )
    assert "the wrong way round" in refusal(client, "/merge", large, small)
    assert "trust must be" in refusal(client, "/merge", small, large, trust=2)
    assert "more than 16 times" in refusal(client, "/merge", small, large, size="4K")
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    assert "not a picture" in refusal(client, "/merge", small, file(bad))


def test_a_prior_may_be_as_large_as_a_result(client, demo_picture):
    """The limit of pixels is for what is restored; another upscaler's picture is a result."""
    small, large = upscaled(demo_picture, scale=8, size=(32, 40))
    with Image.open(large) as image:
        assert image.width * image.height > MAX_PIXELS
    path, _ = client.predict(file(small), file(large), api_name="/merge")
    with Image.open(path) as image:
        assert image.size == (320, 256)


def test_fuse_takes_two_pictures_or_says_why_not(client, demo_server, demo_picture):
    pair = (file(demo_picture(20, 24)), file(demo_picture(40, 48, "thermal.png", 1.0)))
    if not demo_server[1].abilities.guide:
        assert "fusion network" in refusal(client, "/fuse", *pair, scale="2", steps=1)
        return
    path, report = client.predict(*pair, scale="2", steps=1, api_name="/fuse")
    with Image.open(path) as image:
        assert image.size == (48, 40)
    assert report["scale"] == 2


def test_compare_measures_both_pictures(client, demo_picture):
    good = file(demo_picture(64, 72, "good.png"))
    table, restored, bicubic, damaged = client.predict(
        good, scale=2, blur_px=0.8, blur_end_px=1.6, preset="Faithful", api_name="/compare"
    )
    assert [row["name"] for row in table["scores"]] == ["Bicubic", "MMSR"]
    assert all(5 < row["psnr_db"] < 80 for row in table["scores"])
    assert all(-1 <= row["ssim"] <= 1 for row in table["scores"])
    sizes = [Image.open(path).size for path in (restored, bicubic, damaged)]
    assert sizes == [(72, 64), (72, 64), (36, 32)]
    # The bicubic score is what the files say.
    from mmsr_core.image import load_image
    from mmsr_core.metrics import psnr

    truth = load_image(demo_picture(64, 72, "good.png")).rgb
    again = float(psnr(load_image(bicubic).rgb, truth, crop=2))
    assert again == pytest.approx(table["scores"][0]["psnr_db"], abs=1e-6)
    # The same pair given as files has the same scores.
    pair, *_ = client.predict(good, file(damaged), preset="Faithful", api_name="/compare")
    assert pair["scores"][0]["psnr_db"] == pytest.approx(again, abs=1e-6)


def test_compare_says_why_lpips_is_missing(client, demo_picture, monkeypatch):
    monkeypatch.delenv("MMSR_SHARED", raising=False)
    monkeypatch.setenv("MMSR_METRICS", "/nowhere")
    good = file(demo_picture(64, 64, "good64.png"))
    table, *_ = client.predict(good, scale=2, preset="Faithful", api_name="/compare")
    assert all(row["lpips"] is None for row in table["scores"])
    assert "MMSR_METRICS" in table["note"]


def test_compare_refuses_pictures_that_do_not_fit(client, demo_picture):
    text = refusal(
        client,
        "/compare",
        file(demo_picture(64, 72, "good.png")),
        file(demo_picture(20, 30, "b.png")),
    )
    assert "whole number of" in text


def test_batch_goes_on_past_a_bad_file(client, demo_picture, tmp_path):
    bad = tmp_path / "broken.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    inner = tmp_path / "more.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(demo_picture(), "folder/holiday.png")
        archive.writestr("../../evil.png", b"x")
    archive_path, lines = client.predict(
        [file(demo_picture()), file(bad), file(inner)], preset="Faithful", scale="2",
        api_name="/batch",
    )  # fmt: skip
    assert [bool(line["result"]) for line in lines] == [True, False, True, False]
    assert re.search("damaged|not a picture", lines[1]["message"])
    assert "outside" in lines[3]["message"]
    with zipfile.ZipFile(archive_path) as archive:
        names = archive.namelist()
        assert names == ["holiday_restored.png", "holiday_2_restored.png", "report.json"]
        with Image.open(io.BytesIO(archive.read(names[1]))) as image:
            assert image.size == (48, 40)
        assert set(json.loads(archive.read("report.json"))["failed"]) == {
            "broken.png", "../../evil.png",
        }  # fmt: skip


def test_a_batch_takes_a_size_and_a_symptom(client, demo_picture):
    pictures = [file(demo_picture(20, 24, "one.png"))]
    for options, size, denoise in (
        ({"size": "w60", "symptom": "Old scan"}, (60, 50), 0.7),
        ({"symptom": "Out of focus"}, (24, 20), 1),
        ({"scale": "3", "symptom": "Out of focus"}, (72, 60), 1),
    ):
        archive_path, _ = client.predict(pictures, api_name="/batch", **options)
        with (
            zipfile.ZipFile(archive_path) as archive,
            Image.open(io.BytesIO(archive.read("one_restored.png"))) as image,
        ):
            assert image.size == size
            assert json.loads(image.info["mmsr"])["denoise"] == denoise


def test_a_batch_without_a_picture_is_refused(client, tmp_path):
    path = tmp_path / "text.png"
    path.write_text("no picture")
    assert "None of the 1 files" in refusal(client, "/batch", [file(path)])
    assert "Choose pictures" in refusal(client, "/batch", [])


def test_what_is_no_picture_is_refused(client, tmp_path):
    for name, content in {
        "text.png": b"hello",
        "empty.jpg": b"",
        "vector.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "page.html": b"<html></html>",
        "cut.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        text = refusal(client, "/restore", file(path))
        assert re.search(r"not a picture|empty|damaged", text), text


def test_too_many_pixels_are_refused_from_the_header(client, tmp_path):
    path = tmp_path / "huge.png"
    Image.new("L", (20, 20)).save(path)
    raw = bytearray(path.read_bytes())
    raw[16:24] = struct.pack(">II", 20_000, 20_000)  # The header promises 400 megapixels.
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    path.write_bytes(raw)
    assert "400 megapixels" in refusal(client, "/restore", file(path))
    path = tmp_path / "large.png"
    Image.new("RGB", (300, MAX_PIXELS // 300 + 1)).save(path)
    assert "are read" in refusal(client, "/estimate", file(path))


def test_oversized_files_are_refused(demo_server):
    address = demo_server[0]
    content = os.urandom((MAX_UPLOAD_MB << 20) + 1)
    answer = httpx.post(
        f"{address}/gradio_api/upload", files={"files": ("big.png", content)}, **PATIENT
    )
    assert answer.status_code == 413
    assert not list(Path(demo_server[1].workspace.root).rglob("big.png"))


def test_numbers_out_of_range_are_refused(client, demo_picture):
    picture = file(demo_picture())
    for options in (
        {"scale": "40"}, {"scale": "big"}, {"steps": 17}, {"steps": -1}, {"detail": 9},
        {"strengths": {"depth": 7}}, {"strengths": {"taste": 1}}, {"strengths": [1]},
        {"guide_mode": "mix"}, {"noise_255": 101}, {"jpeg_quality": 101}, {"jpeg_quality": 0.5},
        {"blur_px": 9}, {"denoise": -1}, {"denoise": 2}, {"sharpening": 3.5},
    ):  # fmt: skip
        assert refusal(client, "/restore", picture, **options)


def test_a_missing_picture_is_asked_for(client):
    assert "first" in refusal(client, "/restore", None)


def join(address, endpoint, data):
    """Calls an endpoint with raw data, as a hostile page would; returns the stream's last event."""
    with httpx.Client(**PATIENT) as session:
        answer = session.post(f"{address}/gradio_api/call/{endpoint}", json={"data": data})
        if answer.status_code != 200:
            return answer.text
        event = answer.json()["event_id"]
        return session.get(f"{address}/gradio_api/call/{endpoint}/{event}").text


@pytest.mark.parametrize("meta", [{"_type": "gradio.FileData"}, None])
def test_server_paths_are_not_read(demo_server, demo_picture, meta):
    address, engine = demo_server
    outside = demo_picture(name="outside.png")
    climbing = engine.workspace.root / ".." / os.path.relpath(outside, engine.workspace.root.parent)
    kept = len(engine.results)
    for path in (str(outside), str(climbing), "/etc/passwd", f"file://{outside}"):
        given = {"path": path, "orig_name": "a.png"} | ({"meta": meta} if meta else {})
        said = join(address, "estimate", [given, "2"])
        assert "complete" not in said
        assert "root:" not in said
    assert len(engine.results) == kept


def test_links_are_not_fetched(demo_server, demo_picture):
    address = demo_server[0]
    given = {"path": f"{address}/theme.css", "meta": {"_type": "gradio.FileData"}}
    said = join(address, "estimate", [given, "2"])
    assert "complete" not in said
    url = {"path": "x", "url": "data:image/png;base64,AAAA", "meta": {"_type": "gradio.FileData"}}
    assert "complete" not in join(address, "estimate", [url, "2"])


@pytest.mark.parametrize(
    "path",
    [
        "file=/etc/passwd",
        "file=../../../../etc/passwd",
        "file=%2e%2e/%2e%2e/etc/passwd",
        f"file={Path(__file__).resolve()}",
        "file=pyproject.toml",
        "file=https://example.org/a.png",
        "proxy=https://example.org/a.png",
        "vibe-code/",
        "run-history/buckets",
        "deep_link?session_hash=x",
    ],
)
def test_nothing_outside_the_cache_is_served(demo_server, path):
    answer = httpx.get(f"{demo_server[0]}/gradio_api/{path}", **PATIENT)
    assert answer.status_code in (400, 403, 404, 405)
    assert "root:" not in answer.text


def test_other_names_for_this_computer_are_refused(demo_server):
    """A page elsewhere that points its own name at 127.0.0.1 (DNS rebinding)."""
    answer = httpx.get(f"{demo_server[0]}/config", headers={"Host": "evil.example"}, **PATIENT)
    assert answer.status_code == 400
    assert httpx.get(f"{demo_server[0]}/config", **PATIENT).status_code == 200


def test_the_page_names_no_other_host_in_what_it_loads(demo_server):
    text = httpx.get(demo_server[0], **PATIENT).text
    loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(https?://[^"]+)"', text)
    assert loaded == []
    css = httpx.get(f"{demo_server[0]}/theme.css", **PATIENT).text
    assert not re.findall(r"url\(['\"]?https?://", css)


def resident_mb():
    if sys.platform != "linux":
        pytest.skip("resident memory is read from /proc")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_ten_at_once_are_all_answered_and_memory_returns(demo_server, demo_picture):
    address, engine = demo_server

    def ask(number):
        picture = file(demo_picture(24, 24, f"many{number}.png", number))
        one = Client(address, verbose=False, httpx_kwargs=dict(PATIENT), analytics_enabled=False)
        try:
            path, report = one.predict(
                picture, scale="4", steps=1, seed=number, api_name="/restore"
            )
            return Path(path).read_bytes(), report["seed"]
        finally:
            one.close()

    def ten(first):
        with ThreadPoolExecutor(10) as pool:  # Ten people, each with a session.
            return list(pool.map(ask, range(first, first + 10)))

    ten(0)  # What is allocated once: buffers, threads, the kept results.
    gc.collect()
    before = resident_mb()
    answers = ten(10)
    assert [seed for _, seed in answers] == [[n] for n in range(10, 20)]
    assert len({content for content, _ in answers}) == 10
    gc.collect()
    assert resident_mb() - before < 96  # allocators keep arenas of their threads
    assert len(engine.results) <= 8
    assert not engine.is_busy
    assert not engine.has_waiting_jobs


def test_a_client_that_leaves_ends_its_run(demo_server, demo_picture):
    address, engine = demo_server
    leaving = Client(address, verbose=False, httpx_kwargs=dict(PATIENT), analytics_enabled=False)
    job = leaving.submit(
        file(demo_picture(200, 240, "long.png")), scale="8", steps=16, api_name="/restore"
    )
    deadline = time.monotonic() + 200
    while not engine.is_busy and time.monotonic() < deadline:
        time.sleep(0.05)
    assert engine.is_busy
    job.cancel()
    leaving.close()
    while engine.is_busy and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not engine.is_busy


def test_old_results_are_forgotten_when_their_files_are_gone(client, demo_server, demo_picture):
    engine = demo_server[1]
    call = {"scale": "2", "steps": 0, "seed": 5, "api_name": "/restore"}
    client.predict(file(demo_picture(16, 20, "gone.png")), **call)
    for kept in engine.results._results.values():
        kept.after.unlink(missing_ok=True)  # A batch takes its own away.
    path, _ = client.predict(file(demo_picture(16, 20, "gone.png")), **call)
    assert Path(path).is_file()
