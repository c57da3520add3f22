"""`mmsr merge`: pairs of files and folders, and what it refuses."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mmsr_core.cli.merge import _prior_of
from mmsr_core.image import load_image


@pytest.fixture
def upscaled(picture, tmp_path):
    """A sharper picture, four times as large, under the same name."""
    path = tmp_path / "other" / picture.name
    path.parent.mkdir()
    Image.open(picture).resize((96, 64), Image.Resampling.LANCZOS).save(path)
    return path


def test_one_pair(mmsr, picture, upscaled, tmp_path):
    out = tmp_path / "out.png"
    code, said, err = mmsr("merge", picture, upscaled, "-o", out, "--maps", tmp_path / "maps")
    assert (code, err) == (0, [])
    assert "the prior counts" in said
    assert "24x16 and a prior of 96x64 -> 96x64 (x4), trust 0.5, " in said
    assert " s on cpu" in said
    assert "noise " in said
    assert load_image(out).size == (64, 96)
    assert (tmp_path / "maps" / "out_prior_weight.png").is_file()


@pytest.mark.parametrize(
    ("option", "value", "made"),
    [("--size", "w30", (20, 30)), ("--size", "1.5x", (24, 36)), ("--scale", "2", (32, 48))],
)
def test_a_wanted_size(mmsr, picture, upscaled, tmp_path, option, value, made):
    out, maps = tmp_path / "out.png", tmp_path / "maps"
    line = ("merge", picture, upscaled, "-o", out, option, value, "--maps", maps)
    assert mmsr(*line)[0] == 0
    again = ("upscale", picture, "--prior", upscaled, "-o", tmp_path / "again.png", option, value)
    assert mmsr(*again)[0] == 0
    assert load_image(tmp_path / "again.png").size == made
    assert load_image(out).size == load_image(maps / "out_prior_weight.png").size == made


def test_trust_changes_the_picture(mmsr, picture, upscaled, tmp_path):
    made = []
    for trust in (0, 1):
        out = tmp_path / f"{trust}.png"
        assert mmsr("merge", picture, upscaled, "-o", out, "--trust", trust)[0] == 0
        made.append(np.asarray(Image.open(out)).astype(int))
    assert np.abs(made[0] - made[1]).max() > 0


def test_folders_pair_by_name(mmsr, picture, upscaled, tmp_path):
    Image.open(upscaled).save(upscaled.with_suffix(".webp"), lossless=True)
    upscaled.unlink()  # the other upscaler wrote another format
    code, _, err = mmsr("merge", picture.parent, upscaled.parent, "-o", tmp_path / "out")
    assert (code, err) == (0, [])
    assert load_image(tmp_path / "out" / "picture.png").size == (64, 96)


def test_a_picture_without_partner_fails_alone(mmsr, refused, picture, upscaled, tmp_path):
    Image.open(picture).save(picture.parent / "alone.png")
    out, report = tmp_path / "out", tmp_path / "report.json"
    run = ("merge", picture.parent, upscaled.parent, "-o", out, "--report", report)
    code, _, err = mmsr(*run)
    assert code == 2
    assert "no other picture for alone.png" in err[0]
    assert "1 of 2 pictures failed" in err[1]
    assert [path.name for path in out.iterdir()] == ["picture.png"]
    assert ["error" in part for part in json.loads(report.read_text(encoding="utf-8"))] == [
        True,
        False,
    ]
    upscaled.rename(upscaled.with_name("other.png"))
    assert "no other picture for" in refused(*run)  # none has a partner: nothing is begun


@pytest.mark.parametrize("name", ["a_4x.png", "a-up.webp", "a (1).png"])
def test_a_partners_name_may_go_on(tmp_path, name):
    source, up = tmp_path / "low" / "a.jpg", tmp_path / "up"
    for folder in (source.parent, up):
        folder.mkdir()
    for path in (source, source.with_name("a_2.jpg"), up / name, up / "a_2_4x.png", up / "ab.png"):
        path.touch()
    assert _prior_of(source, up) == up / name
    assert _prior_of(source.with_name("a_2.jpg"), up) == up / "a_2_4x.png"
    (up / "a~.png").touch()
    assert "not clear which picture" in str(_prior_of(source, up))
    for better in ("A.tif", "a_jpg.webp", "a.jpg"):  # the nearer the name, the better
        (up / better).touch()
        assert _prior_of(source, up) == up / better


def test_a_picture_is_not_its_own_partner(tmp_path):
    for name in ("a.jpg", "a_4x.png", "a_4x.txt", "e\u0301.jpg", "b.jpg", "b.png"):
        (tmp_path / name).touch()
    assert "no other picture for a.jpg" in str(_prior_of(tmp_path / "a.jpg", tmp_path))
    up = tmp_path / "up"
    up.mkdir()
    for name in ("\u00e9_2x.png", "a_4x.png"):
        (up / name).touch()
    assert _prior_of(tmp_path / "e\u0301.jpg", up) == up / "\u00e9_2x.png"
    assert _prior_of(tmp_path / "a_4x.png", up) == up / "a_4x.png"


def test_one_prior_is_not_taken_for_two_pictures(mmsr, picture, upscaled, tmp_path):
    Image.open(picture).save(picture.with_suffix(".webp"), lossless=True)
    code, _, err = mmsr("merge", picture.parent, upscaled.parent, "-o", tmp_path / "out")
    assert code == 2
    assert "not clear" in err[0]  # of picture.webp; picture.png has its own
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["picture_png.png"]


def test_what_does_not_fit_is_refused(refused, picture, upscaled, tmp_path):
    out = tmp_path / "out.png"
    assert "does not exist" in refused("merge", picture, tmp_path / "none.png", "-o", out)
    assert "must be one too" in refused("merge", picture.parent, upscaled, "-o", tmp_path / "o")
    assert "an input" in refused("merge", picture, upscaled, "-o", upscaled)
    Image.new("RGB", (10, 90)).save(tmp_path / "thin.png")
    assert "no enlargement" in refused("merge", picture, tmp_path / "thin.png", "-o", out)
    assert not out.exists()


def test_the_report_has_the_figures(mmsr, picture, upscaled, tmp_path):
    report = tmp_path / "report.json"
    code, _, err = mmsr("merge", picture, upscaled, "-o", tmp_path / "o.png", "--report", report)
    assert (code, err) == (0, [])
    said = json.loads(report.read_text(encoding="utf-8"))
    assert said["prior"] == str(upscaled)
    assert 0 < said["prior_weight"]["mean"] < 1
    assert (said["input_size"], said["prior_size"]) == ([24, 16], [96, 64])
    assert (said["output_size"], said["factor"], said["trust"]) == ([96, 64], 4, 0.5)
    assert said["total_seconds"] > 0
    assert "words" in said["sharpness"]
    assert set(said["consistency_db"]) == {"faithful", "prior", "result"}
    assert said["consistency_db"]["result"] > said["consistency_db"]["prior"]
    assert said["unexplained_levels"] == pytest.approx(255 * said["unexplained_std"], abs=1e-3)
    for name, value in said["difference"].items():
        assert said["difference_levels"][name] == pytest.approx(255 * value, abs=1e-3)


def test_what_cannot_be_written_is_refused_before_the_run(refused, picture, upscaled, tmp_path):
    said = refused("merge", picture, upscaled, "-o", tmp_path / "o.png", "--report", upscaled)
    assert "another file of this run" in said


def test_a_transparent_picture_is_merged_into_a_jpeg(mmsr, picture, upscaled, tmp_path):
    clear = Image.open(picture).convert("RGBA")
    clear.putalpha(0)
    clear.save(picture)
    out, report = tmp_path / "o.jpg", tmp_path / "report.json"
    code, said, _ = mmsr(
        "merge", picture, upscaled, "-o", out, "--background", "black", "--report", report
    )
    assert code == 0
    assert "laid on black" in said
    assert "laid on black" in " ".join(json.loads(report.read_text(encoding="utf-8"))["notes"])
    assert np.asarray(Image.open(out)).max() < 3


@pytest.fixture
def photograph(tmp_path):
    """A picture with something to see everywhere, and the same four times as large."""
    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 255, (30, 40, 3)).astype(np.uint8)
    large = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
    large.resize((80, 60), Image.Resampling.BOX).save(tmp_path / "low.png")
    return tmp_path / "low.png", large


def test_a_wrong_prior_is_named_before_the_run(mmsr, photograph, tmp_path, monkeypatch):
    low, large = photograph
    up = tmp_path / "up.png"
    report = tmp_path / "report.json"
    line = ("merge", low, up, "-o", tmp_path / "o.png", "--report", report)
    large.save(up)
    assert mmsr(*line)[2] == []
    large.crop((32, 24, 288, 216)).resize((320, 240)).save(up)
    _, said, err = mmsr(*line)
    assert "cropped" not in said  # once is enough
    assert "warning" in err[0]
    assert "seems to be cropped: it shows 80% of the input's width and 80% of its height" in err[0]
    assert "seems to be cropped" in json.loads(report.read_text(encoding="utf-8"))["notes"][0]
    large.rotate(180).save(up)

    def refuse(*_):
        raise RuntimeError("the model is loaded after the warning")

    monkeypatch.setattr("mmsr_core.cli.merge.load_model", refuse)
    err = mmsr(*line)[2]
    assert "another picture than the input" in err[0]
    assert "after the warning" in err[1]


def test_one_prior_is_named(refused, picture, upscaled, tmp_path):
    out, model = tmp_path / "o.png", tmp_path / "model.pth"
    assert "either an upscaled picture or" in refused("merge", picture, "-o", out)
    assert "either an upscaled picture or" in refused(
        "merge", picture, upscaled, "--prior-model", model, "-o", out
    )


def test_upscale_with_a_prior_is_a_merge(mmsr, refused, picture, upscaled, tmp_path):
    merged, made = tmp_path / "merged.png", tmp_path / "made.png"
    assert mmsr("merge", picture, upscaled, "-o", merged, "--trust", 0.7)[0] == 0
    code, said, err = mmsr("upscale", picture, "--prior", upscaled, "-o", made, "--trust", 0.7)
    assert (code, err) == (0, [])
    assert "the prior counts" in said
    assert np.array_equal(np.asarray(Image.open(merged)), np.asarray(Image.open(made)))
    both = ("upscale", picture, "--prior", upscaled, "-o", tmp_path / "no.png")
    assert "--steps and a prior" in refused(*both, "--steps", 1)
    assert "--preset and a prior" in refused(*both, "--preset", "crisp")
    for option, value in (("--denoise", 0.5), ("--consistency", "cg")):
        assert f"{option} and a prior" in refused(*both, option, value)
    assert "one picture or one folder" in refused("upscale", picture, picture, *both[2:])
    assert "needs --prior" in refused("upscale", picture, "-o", tmp_path / "x.png", "--trust", 1)


def test_priors_lie_at_the_same_places_below_their_folder(
    mmsr, refused, picture, upscaled, tmp_path
):
    for place, source in (("low/a/x.png", picture), ("low/b/x.png", picture)):
        (tmp_path / place).parent.mkdir(parents=True)
        shutil.copy(source, tmp_path / place)
    for place in ("up/a/x.jpg", "up/b/x.png"):
        (tmp_path / place).parent.mkdir(parents=True)
        Image.open(upscaled).save(tmp_path / place)
    run = ("merge", tmp_path / "low", tmp_path / "up", "--recursive", "-o", tmp_path / "out")
    run = (*run, "--maps", tmp_path / "maps")
    code, said, err = mmsr(*run)
    assert (code, err) == (0, [])
    assert (tmp_path / "out" / "a" / "x.png").is_file()
    assert (tmp_path / "out" / "b" / "x.png").is_file()
    for place in ("a", "b"):
        assert (tmp_path / "maps" / place / "x_prior_weight.png").is_file()
    assert f"{tmp_path / 'up' / 'a' / 'x.jpg'} ->" in said
    (tmp_path / "up" / "b" / "x.png").unlink()
    code, _, err = mmsr(*run)
    assert code == 2
    assert "no other picture for x.png" in err[0]
