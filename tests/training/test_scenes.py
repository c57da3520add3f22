import sys

import numpy as np
import pytest
import torch
from PIL import Image

from mmsr_core.errors import InputError
from training.data.depth_frames import (
    DepthSet,
    batches,
    normalised_target,
    read_photos,
    soften,
)
from training.losses.depth import (
    aligned,
    aligned_figures,
    depth_loss,
    gradient_loss,
    scale_shift_invariant_loss,
)
from training.scenes.layouts import KINDS, Builder, Layout
from training.scenes.render import load_mitsuba, render_layout, render_scene
from training.scenes.textures import SIZE, TextureBank


@pytest.fixture(scope="module")
def bank():
    return TextureBank(procedural=4, seed=3)


@pytest.fixture(scope="module")
def mitsuba():
    pytest.importorskip("mitsuba", reason='scenes need Mitsuba: pip install -e ".[scenes]"')
    return load_mitsuba()


def seen(mitsuba, shapes, height=40, width=40, **options):
    """A layout seen from the origin along z, with an even sky."""
    sky = {"type": "constant", "radiance": {"type": "rgb", "value": [1.0, 1.0, 1.0]}}
    layout = Layout((0, 0, 0), (0, 0, 1), 60.0, shapes, [sky])
    return render_layout(layout, height, width, **options)


def wall(mitsuba, z, half=100.0, texture=None):
    at = mitsuba.ScalarTransform4f().translate([0, 0, z]).rotate([0, 1, 0], 180).scale(half)
    bsdf = {"type": "diffuse", "reflectance": texture or {"type": "rgb", "value": [0.5] * 3}}
    return {"type": "rectangle", "to_world": at, "bsdf": {"type": "twosided", "bsdf": bsdf}}


def ball(mitsuba, z, radius):
    return {"type": "sphere", "center": [0, 0, z], "radius": radius}


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene(mitsuba, bank, kind):
    first, second, other = (
        render_scene(seed, 24, 32, bank, kind, samples=4) for seed in (11, 11, 12)
    )
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.depth_m, second.depth_m)
    assert not np.array_equal(first.image, other.image)
    assert first.image.shape == (3, 24, 32)
    assert first.depth_m.shape == first.shape_index.shape == (24, 32)


def test_scenes_are_usable(mitsuba, bank):
    for seed in range(12):
        scene = render_scene(seed, 24, 32, bank, samples=4)
        assert np.isfinite(scene.image).all()
        assert scene.image.min() >= 0
        assert scene.image.max() <= 1
        assert scene.image.std() > 0.02
        assert (scene.depth_m > 0).all()
        assert np.isfinite(scene.inverse_depth).all()
        assert ((scene.shape_index < 0) == np.isinf(scene.depth_m)).all()


def test_unknown_kind_is_refused(mitsuba, bank):
    with pytest.raises(ValueError, match="kind"):
        render_scene(0, 8, 8, bank, "underwater")


def test_without_mitsuba_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    with pytest.raises(ImportError):
        render_scene(0, 8, 8)


def test_a_wall_facing_the_camera_has_one_depth(mitsuba):
    scene = seen(mitsuba, [wall(mitsuba, 10)], samples=1)
    np.testing.assert_allclose(scene.depth_m, 10, rtol=1e-4)
    assert (scene.shape_index == 0).all()


def test_the_depth_of_the_ground_is_exact_row_by_row(mitsuba):
    flat = mitsuba.ScalarTransform4f().translate([0, -1.5, 0]).rotate([1, 0, 0], -90).scale(500)
    depth = seen(mitsuba, [{"type": "rectangle", "to_world": flat}], 48, 48, samples=1).depth_m
    down = (np.arange(48) + 0.5 - 24) * 2 * np.tan(np.radians(30)) / 48
    for row in range(26, 48):
        np.testing.assert_allclose(depth[row], 1.5 / down[row], rtol=1e-3)
    assert np.isinf(depth[:24]).all()


def test_between_leaves_the_depth_is_that_of_what_is_behind(mitsuba, bank):
    leaves = Builder(mitsuba, np.random.default_rng(1), bank).crown(0, -1.0, 5, (1.0, 1.0))
    scene = seen(mitsuba, [*leaves, wall(mitsuba, 20)], 64, 64, samples=1)
    last = len(leaves)
    behind = scene.shape_index == last
    np.testing.assert_allclose(scene.depth_m[behind], 20, rtol=1e-3)
    assert (scene.depth_m[~behind] < 8).all()
    inside = behind[24:40, 24:40].mean()
    assert 0 < inside < 1


@pytest.mark.parametrize(
    "wrong", [{"aperture_m": -0.1}, {"aperture_m": 0.1, "focus_m": 0.0}, {"samples": 0}]
)
def test_impossible_cameras_are_refused(mitsuba, wrong):
    with pytest.raises(ValueError, match=next(reversed(wrong))):
        seen(mitsuba, [wall(mitsuba, 5)], **wrong)


def test_shapes_are_numbered_as_in_the_layout(mitsuba):
    small = mitsuba.ScalarTransform4f().translate([-1, 0, 4]).rotate([0, 1, 0], 180).scale(0.4)
    disc = {"type": "disk", "to_world": small}
    shapes = [wall(mitsuba, 20), ball(mitsuba, 5, 0.5), disc]
    index = seen(mitsuba, shapes, samples=1).shape_index
    assert index[20, 20] == 1
    assert set(np.unique(index)) == {0, 1, 2}


@pytest.mark.parametrize("order", [1, -1])
def test_the_nearer_shape_hides_the_farther(mitsuba, order):
    shapes = [ball(mitsuba, 5, 1), wall(mitsuba, 20)][::order]
    depth = seen(mitsuba, shapes, samples=1).depth_m
    assert depth[20, 20] == pytest.approx(4, abs=0.05)
    assert depth[0, 0] == pytest.approx(20, rel=0.02)
    assert depth[19:21, 19:21].max() < depth[0, 0]


def test_a_lens_is_sharp_where_it_is_focused_and_soft_elsewhere(mitsuba):
    stripes = np.tile(np.repeat(np.array([0, 255], np.uint8), 4), 8)
    picture = np.ascontiguousarray(np.broadcast_to(stripes[None, :, None], (64, 64, 3)))
    texture = {"type": "bitmap", "bitmap": mitsuba.Bitmap(picture)}
    shapes = [wall(mitsuba, 5, 4.0, texture)]

    def contrast(**lens):
        return float(seen(mitsuba, shapes, 64, 64, samples=64, **lens).image.std())

    sharp, focused = contrast(), contrast(aperture_m=0.4, focus_m=5.0)
    beside = contrast(aperture_m=0.4, focus_m=2.5)
    assert focused > 0.85 * sharp
    assert beside < 0.5 * sharp


def test_inside_of_a_room_has_no_sky(mitsuba, bank):
    for seed in range(5):
        scene = render_scene(seed, 16, 24, bank, "room", samples=1)
        assert np.isfinite(scene.depth_m).all()


def test_textures_of_photographs_keep_their_colour():
    red = np.zeros((30, 50, 3), np.uint8)
    red[..., 0] = 200
    (texture,) = TextureBank([red], procedural=0).textures
    assert texture.shape == (SIZE, SIZE, 3)
    assert (texture == [200, 0, 0]).all()


def test_a_photograph_can_be_painted_on_a_wall(mitsuba):
    green = np.zeros((30, 50, 3), np.uint8)
    green[..., 1] = 200
    bank = TextureBank([green], procedural=0)
    paint = Builder(mitsuba, np.random.default_rng(0), bank).paint()
    shape = wall(mitsuba, 5) | {"bsdf": paint}
    image = seen(mitsuba, [shape], 8, 8, samples=4).image
    assert image[1].min() > 3 * max(image[0].max(), image[2].max())


def loss_inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.rand(2, 1, 20, 24, generator=generator)
    target = torch.rand(2, 1, 20, 24, generator=generator)
    valid = torch.rand(2, 1, 20, 24, generator=generator) > 0.2
    return prediction, target, valid


@pytest.mark.parametrize("loss", [scale_shift_invariant_loss, gradient_loss])
def test_losses_ignore_scale_shift_and_invalid_pixels(loss):
    noise, target, valid = loss_inputs()
    prediction = noise + 0.5 * target
    value = loss(prediction, target, valid)
    assert value > 0.02
    torch.testing.assert_close(loss(5 * prediction - 2, target, valid), value, atol=1e-5, rtol=1e-4)
    spoiled_target = torch.where(valid, target, torch.nan)
    spoiled = torch.where(valid, prediction, 1e3)
    torch.testing.assert_close(loss(spoiled, spoiled_target, valid), value, atol=1e-5, rtol=1e-4)
    assert loss(3 * target + 1, target, valid) < 1e-4


def test_alignment_never_turns_depth_around():
    _, target, valid = loss_inputs()
    result = aligned(-target, target, valid)
    assert result.std((2, 3)).max() < 1e-5
    assert scale_shift_invariant_loss(-target, target, valid) > 0.1


def test_training_loss_is_finite_without_any_valid_pixel_and_on_constants():
    prediction, target, valid = loss_inputs()
    prediction.requires_grad_()
    for p, v in ((prediction, torch.zeros_like(valid)), (prediction * 0 + 0.5, valid)):
        loss, _ = depth_loss(p, target, v)
        assert torch.isfinite(loss)
        (gradient,) = torch.autograd.grad(loss, prediction)
        assert torch.isfinite(gradient).all()


def test_figures_are_perfect_for_an_affine_prediction_and_poor_for_none():
    inverse = torch.rand(20, 20, generator=torch.Generator().manual_seed(0)) + 0.2
    valid = torch.ones(20, 20, dtype=torch.bool)
    good = aligned_figures(4 * inverse - 1, inverse, valid, 80)
    assert good["absrel"] < 1e-3
    assert good["delta1"] == 1
    assert aligned_figures(torch.zeros(20, 20), inverse, valid, 80)["absrel"] > 0.2


def tiny_sets():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (4, 48, 64, 3), np.uint8)
    inverse = rng.uniform(0.1, 2, (4, 48, 64)).astype(np.float32)
    broken = inverse.copy()
    broken[:, :8] = np.nan
    return DepthSet(images, broken), DepthSet(images, inverse)


def test_batches_are_repeatable_and_respect_unknown_depth():
    real, rendered = tiny_sets()
    first = next(batches(real, rendered, 4, 0.5, [(32, 40)], seed=5))
    second = next(batches(real, rendered, 4, 0.5, [(32, 40)], seed=5))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)
    image, target, valid = first
    assert image.shape == (4, 3, 32, 40)
    assert target.shape == valid.shape == (4, 1, 32, 40)
    assert valid[2:].all()
    assert torch.isfinite(target).all()
    assert image.min() >= 0
    assert image.max() <= 1


def test_target_is_zero_far_and_one_near():
    inverse = torch.linspace(0.1, 2, 400).view(1, 1, 20, 20)
    target = normalised_target(inverse, torch.ones_like(inverse, dtype=torch.bool))
    assert target[0, 0, 0, 0] <= 0
    assert target[0, 0, -1, -1] >= 1
    assert (target.flatten().diff() >= 0).all()


def test_softening_changes_pictures_but_not_their_size():
    _, rendered = tiny_sets()
    images, inverse, _ = rendered.batch(np.arange(4))
    soft = soften(images.clone(), inverse, np.random.default_rng(1))
    assert soft.shape == images.shape
    assert (soft - images).abs().mean() > 1e-3


def test_textures_are_taken_from_the_named_photographs(tmp_path, write_shard):
    levels = {"free_1.png": 40, "bound_1.png": 90, "free_2.png": 140}
    pictures = {name: Image.new("RGB", (800, 400), (v, v, v)) for name, v in levels.items()}
    write_shard(tmp_path, pictures)
    shard = tmp_path / "photos_0.tar"
    assert [int(p[0, 0, 0]) for p in read_photos(shard)] == [40, 90, 140]
    assert [int(p[0, 0, 0]) for p in read_photos(shard, 1, ["free_2*", "bound_*"])] == [90]
    assert read_photos(shard, only=["free_*"])[1].shape == (320, 640, 3)
    with pytest.raises(InputError, match="no picture called other"):
        read_photos(shard, only=["other"])


def test_without_real_frames_every_picture_is_rendered():
    real, rendered = (
        DepthSet(np.full((2, 96, 128, 3), level, np.uint8), np.ones((2, 96, 128), np.float32))
        for level in (0, 255)
    )
    images, _, _ = next(batches(real, rendered, 4, 0.0, [(96, 128)], 0))
    assert float(images.mean((1, 2, 3)).min()) > 0.5
