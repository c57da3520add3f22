import numpy as np
import pytest
import torch

from training.data.depth_frames import DepthSet, batches, normalised_target, soften
from training.losses.depth import (
    aligned,
    aligned_figures,
    depth_loss,
    gradient_loss,
    scale_shift_invariant_loss,
)
from training.scenes.layouts import KINDS, Layout
from training.scenes.render import render_layout, render_scene
from training.scenes.shapes import Box, CutOut, Cylinder, Ellipsoid, Ground
from training.scenes.textures import LEVELS, SIZE, TextureBank


@pytest.fixture(scope="module")
def bank():
    return TextureBank(procedural=4, seed=3)


def depth_of(shapes, bank, height=40, width=40, **camera):
    layout = Layout(shapes=shapes, **camera)
    return render_layout(layout, height, width, bank, np.random.default_rng(0)).depth_m


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene(bank, kind):
    first = render_scene(11, 24, 32, bank, kind)
    second = render_scene(11, 24, 32, bank, kind)
    other = render_scene(12, 24, 32, bank, kind)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.depth_m, second.depth_m)
    assert not np.array_equal(first.image, other.image)
    assert first.image.shape == (3, 24, 32)
    assert first.depth_m.shape == (24, 32)


def test_scenes_are_usable(bank):
    for seed in range(40):
        scene = render_scene(seed, 24, 32, bank)
        assert np.isfinite(scene.image).all()
        assert scene.image.min() >= 0
        assert scene.image.max() <= 1
        assert (scene.depth_m > 0).all()
        assert np.isfinite(scene.inverse_depth).all()


def test_unknown_kind_is_refused(bank):
    with pytest.raises(ValueError, match="kind"):
        render_scene(0, 8, 8, bank, "underwater")


def test_ground_gets_nearer_downwards_and_has_the_exact_depth(bank):
    height, fov = 40, 1.0
    depth = depth_of([Ground()], bank, height, position=(0.0, 2.0, 0.0), fov=fov)
    assert np.isinf(depth[:20]).all()
    assert (np.diff(depth[20:, 0]) < 0).all()
    focal = 0.5 * height / np.tan(fov / 2)
    rows = np.arange(20, 40) + 0.5 - 20
    np.testing.assert_allclose(depth[20:, 7], 2.0 * focal / rows, rtol=1e-4)


def test_a_wall_facing_the_camera_has_one_depth(bank):
    wall = Box(centre=(0, 0, 11), half=(50, 50, 1))
    np.testing.assert_allclose(depth_of([wall], bank, position=(0.0, 0.0, 0.0)), 10, rtol=1e-4)


@pytest.mark.parametrize("order", [1, -1])
def test_the_nearer_shape_hides_the_farther(bank, order):
    near = Ellipsoid(centre=(0, 0, 5), half=(1, 1, 1))
    far = Box(centre=(0, 0, 21), half=(50, 50, 1))
    depth = depth_of([near, far][::order], bank, position=(0.0, 0.0, 0.0))
    assert depth[20, 20] == pytest.approx(4, abs=0.05)
    assert depth[0, 0] == pytest.approx(20, rel=1e-3)
    assert depth[20, 20] == depth.min()


@pytest.mark.parametrize(
    "shape",
    [
        Ellipsoid(centre=(0, 0, 6), half=(1, 2, 1)),
        Box(centre=(0, 0, 6), half=(1, 1, 1), yaw=0.6),
        Cylinder(x=0, z=6, radius=1, bottom=-1, top=1),
        CutOut(centre=(0, 0, 6), half=(1, 1)),
    ],
)
def test_hits_lie_on_the_shape_and_normals_have_unit_length(bank, shape):
    layout = Layout(position=(0.0, 0.0, 0.0), fov=0.8)
    rays = layout.camera_rays(16, 16, 20.0)
    distance = shape.distance(rays)
    hit = np.flatnonzero(distance < 1e8)
    assert 0 < hit.size < distance.size
    points = rays.take(hit).at(distance[hit])
    assert (points[2] > 4.5).all()
    assert (points[2] <= 6.0 + 1e-4).all()
    assert max(np.abs(points[0]).max(), np.abs(points[1]).max()) < 2.1
    normal = shape.surface(points).normal
    np.testing.assert_allclose(np.sqrt(sum(n * n for n in normal)), 1, atol=0.01)


def test_inside_of_a_room_has_no_sky(bank):
    for seed in range(5):
        assert np.isfinite(render_scene(seed, 16, 24, bank, "room").depth_m).all()


def test_textures_of_photographs_keep_their_colour():
    red = np.zeros((30, 50, 3), np.uint8)
    red[..., 0] = 200
    bank = TextureBank([red], procedural=0)
    samples = np.linspace(-3, 3, 50, dtype=np.float32)
    for footprint in (1 / SIZE, 0.1, 10.0):
        colour = bank.sample(
            np.zeros(50, np.int32), samples, samples, np.full(50, footprint, np.float32)
        )
        np.testing.assert_allclose(colour, np.tile([200 / 255, 0, 0], (50, 1)), atol=1e-3)
    assert LEVELS > 3


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


def tiny_sets(bank):
    scenes = [render_scene(k, 48, 64, bank) for k in range(4)]
    images = np.stack([(s.image.transpose(1, 2, 0) * 255).astype(np.uint8) for s in scenes])
    inverse = np.stack([s.inverse_depth for s in scenes])
    broken = inverse.copy()
    broken[:, :8] = np.nan
    return DepthSet(images, broken), DepthSet(images, inverse)


def test_batches_are_repeatable_and_respect_unknown_depth(bank):
    real, rendered = tiny_sets(bank)
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


def test_softening_changes_pictures_but_not_their_size(bank):
    _, rendered = tiny_sets(bank)
    images, inverse, _ = rendered.batch(np.arange(4))
    soft = soften(images.clone(), inverse, np.random.default_rng(1))
    assert soft.shape == images.shape
    assert (soft - images).abs().mean() > 1e-3
