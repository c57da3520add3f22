"""Defocus by a thin lens: the renders agree with the formula, the kernels with both."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.command import main
from benchmarks.defocus import ASKED, correlation, defocus_markdown, depth_edges, paired
from benchmarks.figures.defocus import coloured, most_varied
from benchmarks.inputs import lens_scenes
from benchmarks.inputs.lens_scenes import LensScene, SceneSettings, lens_scene, scene_names
from benchmarks.inputs.thin_lens import (
    LARGEST_RADIUS_PX,
    ThinLens,
    at_lr,
    blur_std_px,
    disc_field,
    fitted_radius_px,
    gaussian_field,
)
from mmsr_core.degradation import degrade
from mmsr_core.errors import InputError
from training.scenes.layouts import Layout
from training.scenes.render import layout_light, load_mitsuba
from training.scenes.textures import TextureBank

FOV_DEG, SIDE = 30.0, 64


@pytest.fixture(scope="module")
def mitsuba():
    pytest.importorskip("mitsuba", reason='scenes need Mitsuba: pip install -e ".[scenes]"')
    return load_mitsuba()


def edge_std_px(mitsuba, lens: ThinLens, depth_m: float) -> float:
    """Std of the blur of a bright half plane's edge, as rendered, px: from its line spread."""
    reach = 4 * depth_m
    at = mitsuba.ScalarTransform4f().translate([reach, 0, depth_m]).rotate([0, 1, 0], 180)
    glow = {"type": "area", "radiance": {"type": "rgb", "value": [1.0, 1.0, 1.0]}}
    half_plane = {"type": "rectangle", "to_world": at.scale(reach), "emitter": glow}
    layout = Layout((0, 0, 0), (0, 0, 1), FOV_DEG, [half_plane], [])
    light = layout_light(
        layout, 16, SIDE, aperture_m=lens.aperture_m, focus_m=lens.focus_m, samples=256
    )
    profile = light.mean((0, 1))
    spread = np.abs(np.diff(profile))
    spread = spread / spread.sum()
    place = np.arange(len(spread))
    return float(np.sqrt((spread * (place - (spread * place).sum()) ** 2).sum()))


@pytest.mark.parametrize("depth_m", [1.3, 2.0, 3.5, 9.0])
def test_the_rendered_blur_of_an_edge_is_that_of_the_formula(mitsuba, depth_m):
    lens = ThinLens(0.15, 2.0, FOV_DEG, SIDE)
    radius = float(lens.radius_px(torch.tensor(1 / depth_m)))
    expected = np.sqrt(radius**2 / 4 + 1 / 12)  # the disc, and the area of a pixel
    measured = edge_std_px(mitsuba, lens, depth_m)
    if depth_m == lens.focus_m:
        assert radius == 0
        assert measured < 0.55  # an edge between two pixels is all in one difference, or in two
    else:
        assert expected > 1.5
        assert measured == pytest.approx(expected, rel=0.03)
        wider = dataclasses.replace(lens, aperture_m=0.18)
        assert edge_std_px(mitsuba, wider, depth_m) > 1.1 * measured


def test_the_formula_itself():
    lens = ThinLens(0.01, 2.0, 90.0, 400)  # 200 px for a slope of 1
    inverse = torch.tensor([0.5, 1.0, 0.0])
    torch.testing.assert_close(lens.radius_px(inverse), torch.tensor([0.0, 1.0, 1.0]))
    # The blur circle of a point at 1 m: 0.01 * |1 - 2| / 1 m in the plane in focus, 2 m away.
    assert float(lens.radius_px(inverse)[1]) == pytest.approx(0.01 * 1 / 1 * 200 / 2)


@pytest.mark.parametrize("wrong", [{"focus_m": 0.0}, {"aperture_m": -1.0}, {"fov_deg": 180.0}])
def test_impossible_lenses_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        dataclasses.replace(ThinLens(0.1, 1.0, 40.0, 64), **wrong)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_kernels_have_the_width_of_the_disc_over_the_pixel(scale):
    radius = torch.linspace(0, LARGEST_RADIUS_PX, 32).view(1, 1, 4, 8)
    moments = disc_field(radius, scale).moments()
    wanted = blur_std_px(radius, scale)[0, 0]
    for axis in moments.blur_sigma_px[0]:
        assert (axis - wanted).abs().max() < 0.03
    assert moments.centre_px.abs().max() < 1e-4
    some = radius.clamp(1, 5)
    width = gaussian_field(some, scale).moments().blur_sigma_px[0].mean(0)
    assert (width - blur_std_px(some, scale)[0, 0]).abs().max() < 0.25
    assert (
        disc_field(some, scale).dense() - gaussian_field(some, scale).dense()
    ).abs().max() > 0.01


def test_in_focus_the_kernel_is_the_mean_over_the_pixel():
    picture = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    field = disc_field(torch.zeros(1, 1, 12, 16), 4)
    torch.testing.assert_close(degrade(picture, field.dense(), 4), F.avg_pool2d(picture, 4))


def test_a_lens_is_fitted_to_widths_that_are_partly_wrong():
    g = torch.Generator().manual_seed(0)
    depth = torch.rand(1, 1, 24, 32, generator=g)
    radius = 6 * (depth - 0.3).abs()
    width = blur_std_px(radius, 4)[0, 0]
    width = width + 0.2 * torch.randn(width.shape, generator=g)
    found = fitted_radius_px(width, depth, 4)
    assert (found - radius).abs().mean() < 0.1
    flat = fitted_radius_px(torch.full((24, 32), 1.118), depth, 4)
    assert flat.max() < 0.3


def test_radii_are_averaged_by_their_squares():
    radius = torch.tensor([[3.0, 1.0], [1.0, 1.0]])[None, None]
    assert float(at_lr(radius, 2)) == pytest.approx(np.sqrt(3))


def toy_scene(name: str = "closeup 03") -> LensScene:
    rng = np.random.default_rng(0)
    sharp = rng.random((3, 48, 64)).astype(np.float32)
    inverse = np.full((48, 64), 0.5, np.float32)
    inverse[:, 32:] = 1.0
    lens = ThinLens(0.1, 2.0, 40.0, 64)
    seen = F.avg_pool2d(torch.from_numpy(sharp)[None], 5, 1, 2)[0].numpy()
    return LensScene(name, sharp, seen, inverse, lens, (0.001, 0.0005))


def test_the_input_adds_up_linear_light_and_is_exposed_as_the_truth():
    scene = dataclasses.replace(toy_scene(), seen=toy_scene().sharp)
    assert torch.equal(scene.lr(1, 0, 0), scene.truth())
    dark, bright = 0.1, 0.6
    striped = np.full((3, 4, 4), dark, np.float32)
    striped[:, :, 2:] = bright
    flat = np.full((3, 4, 4), (dark + bright) / 2, np.float32)
    scenes = [dataclasses.replace(scene, seen=s).lr(4, 0, 0) for s in (striped, flat)]
    assert torch.equal(*scenes)
    assert not torch.equal(scene.lr(4, 1 / 255, 0), scene.lr(4, 1 / 255, 1))
    assert torch.equal(scene.lr(4, 1 / 255, 1), scene.lr(4, 1 / 255, 1))


def test_depth_is_near_1_and_blur_follows_it():
    scene = toy_scene()
    depth, radius = scene.depth(4), scene.radius_px()
    assert depth.shape == (1, 1, 12, 16)
    assert depth[..., :8].max() == 0
    assert depth[..., 8:].min() == 1
    assert radius[..., :32].max() == 0
    assert radius[..., 32:].min() > 1


def test_depth_edges_are_found_with_what_lies_near():
    std = torch.zeros(40, 60)
    std[:, 30:] = 1.0
    edge = depth_edges(std)
    assert edge[:, 24:36].all()
    assert not edge[:, :20].any()
    assert not edge[:, 40:].any()
    assert not depth_edges(torch.linspace(0, 2, 60).expand(40, 60)).any()  # a slope has no edge


def test_names_are_stable_and_different():
    names = scene_names(15)
    assert len(set(names)) == 15
    assert names[:12] == scene_names(12)
    assert sum(name.startswith("still life") for name in names) == 3


SETTINGS = SceneSettings(height=32, width=32, samples=2, blur_std_px=1.0, seed=3)


def test_a_scene_is_rendered_once_and_is_the_same_again(mitsuba, tmp_path, monkeypatch):
    bank = TextureBank(procedural=3, seed=1)
    first = lens_scene("closeup 00", bank, SETTINGS, tmp_path / "a")
    other = lens_scene("closeup 00", bank, SETTINGS, tmp_path / "b")
    assert np.array_equal(first.seen, other.seen)
    assert not np.array_equal(first.seen, first.sharp)
    assert first.lens == other.lens
    widest = float(torch.quantile(first.radius_px() / 2, 0.98))
    assert 0.7 < widest < 1.05
    more = dataclasses.replace(SETTINGS, samples=4)
    again = lens_scene("closeup 00", bank, more, tmp_path / "b")
    assert not np.array_equal(again.seen, first.seen)

    def refuse(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(lens_scenes, "_render", refuse)
    kept = lens_scene("closeup 00", bank, SETTINGS, tmp_path / "a")
    assert np.array_equal(kept.seen, first.seen)
    assert kept.noise == first.noise
    with pytest.raises(AssertionError, match="again"):
        lens_scene("closeup 00", bank, more, tmp_path / "a")
    fine = lens_scene("closeup 00", bank, SETTINGS, tmp_path / "b")  # more rays than asked for
    assert np.array_equal(fine.seen, again.seen)
    elsewhere = dataclasses.replace(SETTINGS, seed=4)
    with pytest.raises(AssertionError, match="again"):
        lens_scene("closeup 00", bank, elsewhere, tmp_path / "a")


def test_a_broken_file_is_rendered_anew(tmp_path, monkeypatch):
    (tmp_path / "closeup_00.npz").write_bytes(b"PK broken")
    monkeypatch.setattr(lens_scenes, "_render", lambda *_: toy_scene())
    bank = TextureBank(procedural=1)
    assert lens_scene("closeup 00", bank, SETTINGS, tmp_path).name == "closeup 03"


def test_correlation_and_paired_differences():
    line = torch.arange(10.0)
    assert correlation(line, 3 - 2 * line) == pytest.approx(-1)
    assert correlation(line, torch.ones(10)) is None
    own = {"a": {"lpips": 0.5}, "b": {"lpips": None}, "c": {"lpips": 0.1}}
    other = {"a": {"lpips": 0.2}, "b": {"lpips": 0.1}}
    np.testing.assert_allclose(paired(own, other, "lpips"), [0.3])


@pytest.mark.usefixtures("without_shared")
def test_the_command(model, tmp_path, monkeypatch):
    monkeypatch.setattr(lens_scenes, "_render", lambda name, *_: toy_scene(name))
    out = tmp_path / "out"
    words = ["--model", model, "--out", out, "--limit", 2, "--device", "cpu", "--iterations", 1, 2]
    size = ["--width", 64, "--height", 48, "--blur-std-px", 1]
    assert main([str(word) for word in ["defocus", *words, *size]]) == 0
    found = json.loads((out / "defocus.json").read_text())
    assert list(found["sets"]) == ["x4", "x1"]
    rows = found["sets"]["x4"]["methods"]
    assert list(rows)[:4] == [
        "bicubic", "no depth", "built-in depth, SVKR t=1", "built-in depth, SVKR t=2"
    ]  # fmt: skip
    physics = rows["kernels of physics, discs"]["mean"]
    assert physics["width_error"] < 0.03
    assert rows["one kernel, the mean of physics"]["mean"]["width_error"] > 0.1
    assert rows["exact depth"]["mean"]["depth_r"] == pytest.approx(1)
    assert rows["exact depth, upside down"]["mean"]["psnr_y"] > 0
    assert f"no depth, {ASKED}" in found["sets"]["x1"]["methods"]
    assert f"no depth, {ASKED}" not in rows
    page = (out / "defocus.md").read_text()
    assert page.rstrip("\n") == defocus_markdown(found).rstrip("\n")
    assert "| kernels of physics, discs" in page
    assert "## x1, 2 scenes" in page


def test_the_figure_shows_where_the_blur_varies():
    truth = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    radius = torch.zeros(1, 1, 48, 64)
    radius[..., 20:, 50:] = 3.0
    top, left = most_varied(truth, radius, 16, 4)
    assert 8 <= top <= 32
    assert 36 <= left <= 48
    assert top % 4 == left % 4 == 0
    pipe_colours = coloured(disc_field(radius[..., ::4, ::4].contiguous(), 4))
    assert pipe_colours.shape == (1, 3, 48, 64)
    assert not torch.equal(pipe_colours[..., 0, 0], pipe_colours[..., -1, -1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--width", "66"], "--width"),
        (["--blur-std-px", "9"], "--blur-std-px"),
        (["--samples", "1"], "--samples"),
        (["--noise", "-1"], "--noise"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_wrong_options_are_named_before_anything_is_rendered(words, said, tmp_path, capsys):
    assert main(["defocus", "--out", str(tmp_path), *words]) == 2
    assert said in capsys.readouterr().err
