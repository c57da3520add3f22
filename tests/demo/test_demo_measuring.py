"""What the Compare and What-was-wrong tabs compute: damage, places of a map, kept kernels."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFilter

from mmsr_core.degradation import (
    KernelField,
    Sharpening,
    constant_kernel_field,
    degrade,
    gaussian_kernels,
    isotropic_gaussian,
)
from mmsr_core.models import DamageMaps
from mmsr_core.pipeline import DegradationEstimate
from mmsr_demo.settings import DemoSettings
from mmsr_demo.work.batch import restore_batch
from mmsr_demo.work.compare import compare, damage_picture, load_lpips, metrics_folder
from mmsr_demo.work.engine import Engine
from mmsr_demo.work.inspection import MAX_LR_PIXELS, inspect_run
from mmsr_demo.work.jobs import CompareJob, RestoreJob

EXAMPLES = Path(__file__).parents[2] / "demo" / "mmsr_demo" / "examples"


def picture(h, w, seed=0):
    return torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(seed))


def test_even_damage_is_the_degradation_of_the_library():
    good = picture(64, 600)  # Wider than one strip: strips must not show.
    made = damage_picture(good, 4, 1.4, 1.4, 0, 100, 0)
    field = constant_kernel_field(isotropic_gaussian(1.4, 4), 16, 150, 4)
    expected = (degrade(good, field.dense(), 4).clamp(0, 1) * 255).round() / 255
    assert float((made - expected).abs().max()) <= 1 / 255 + 1e-6
    assert float((made - expected).abs().mean()) < 1e-4


def test_growing_damage_grows_to_the_right():
    good = picture(64, 256)
    made = damage_picture(good, 2, 0.3, 4.0, 0, 100, 0)
    left, right = made[..., :32].var(), made[..., -32:].var()
    assert float(left) > 4 * float(right)
    mirrored = damage_picture(good.flip(-1), 2, 4.0, 0.3, 0, 100, 0).flip(-1)
    assert torch.allclose(made, mirrored, atol=1.5 / 255)


def test_noise_is_seeded_and_jpeg_changes_the_picture():
    good = picture(32, 32)
    one, same, other = (damage_picture(good, 2, 1, 1, 5, 100, s) for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, damage_picture(good, 2, 1, 1, 5, 40, 1))


def estimate(field, depth=None):
    return DegradationEstimate(field, depth, torch.tensor([0.01]), torch.tensor([80.0]))


def two_sided(h, w, scale=4):
    """Sharp on the left, wide and lying on the right."""
    sigma = torch.ones(1, h, w)
    sigma[..., w // 2 :] = 3.0
    kernels = gaussian_kernels(sigma, torch.ones(1, h, w), torch.zeros(1, h, w), scale)
    return KernelField.from_dense(kernels, scale)


def test_a_place_of_the_map_has_its_own_kernel(tmp_path):
    seen = inspect_run(picture(20, 30), estimate(two_sided(20, 30)), tmp_path)
    _, left = seen.kernel_at(0.1, 0.5)
    _, right = seen.kernel_at(0.9, 0.5)
    assert left.startswith("Round: 1.0 px")
    assert right.startswith("Smeared left to right")
    image, _ = seen.kernel_at(0.9, 0.5, zoom=3)
    assert image.shape == (3, 63, 63)
    assert seen.summary_place() == "towards the right edge"
    # Every place of the map, edges included, names a kernel that is kept.
    for x in (-0.1, 0.0, 0.999, 1.0, 2.0):
        row, column = seen.lr_pixel_at(x, x)
        assert 0 <= row < 20
        assert 0 <= column < 30


def test_the_map_without_its_bar_has_the_picture_s_shape(tmp_path):
    seen = inspect_run(picture(20, 30), estimate(two_sided(20, 30)), tmp_path)
    height, width = seen.map_size()
    assert width / height == pytest.approx(30 / 20, rel=0.01)
    with Image.open(seen.draw_map()) as image:
        assert image.height == height
        assert image.width > width  # The colour bar.


def test_large_fields_are_thinned_and_keep_their_words(tmp_path):
    small = inspect_run(picture(40, 60), estimate(two_sided(40, 60)), tmp_path)
    large = inspect_run(picture(160, 240), estimate(two_sided(160, 240)), tmp_path)
    assert large.field.height * large.field.width <= MAX_LR_PIXELS
    assert large.sentences() == small.sentences()


def damage(h, w):
    """Noise of 5 of 255 on the left and 10 on the right, blur of 1 px, JPEG quality 70."""
    noise = torch.full((1, 1, h // 4, w // 4), 5 / 255)
    noise[..., w // 8 :] = 10 / 255
    error = torch.full_like(noise, 0.1)
    blur = torch.ones_like(noise)
    quality = torch.full_like(noise, 0.3)
    logs = (noise + 0.5 / 255).log(), (blur + 0.3).log()
    return DamageMaps(logs[0], error, quality, 0.1 * error, logs[1], error)


def test_noise_and_blur_are_kept_by_place_with_their_errors(tmp_path):
    maps = damage(40, 64)
    whole = maps.whole()
    given = replace(
        estimate(two_sided(40, 64)), damage=maps, noise_std=whole.noise_std,
        jpeg_quality=whole.jpeg_quality,
    )  # fmt: skip
    seen = inspect_run(picture(40, 64), given, tmp_path)
    assert float(seen.noise_255[5, 2]) == pytest.approx(5, rel=0.01)
    assert float(seen.noise_255[5, 12]) == pytest.approx(10, rel=0.01)
    assert float(seen.blur_px.mean()) == pytest.approx(4, rel=0.01)  # px of the result
    said = dict(seen.sentences())
    assert "give or take" in said["Noise"]
    assert said["Compression"].endswith("like JPEG quality 70, give or take 1.")
    assert set(seen.numbers()["give_or_take"]) == {"noise_std_255", "jpeg_quality", "blur_px"}
    # Stated by the user or the file: no doubt is claimed.
    stated = replace(given, jpeg_quality=torch.tensor([90.0]))
    assert set(inspect_run(picture(40, 64), stated, tmp_path).errors) == {"noise_std", "blur"}


def test_sharpening_is_said_where_there_was_any(tmp_path):
    plain = estimate(two_sided(20, 30))
    seen = inspect_run(picture(20, 30), plain, tmp_path)
    assert seen.numbers()["sharpening"] is None
    known = replace(plain, noise_std=torch.tensor([0.02]), sharpening=Sharpening.of(0.0))
    seen = inspect_run(picture(20, 30), known, tmp_path)
    assert seen.numbers()["sharpening"] == 0
    assert "Sharpening" not in dict(seen.sentences())
    known = replace(known, sharpening=Sharpening.of(0.2))
    seen = inspect_run(picture(20, 30), known, tmp_path)
    assert seen.numbers()["sharpening"] == pytest.approx(0.2)
    said = dict(seen.sentences())["Sharpening"]
    assert said.startswith("Sharpened by a camera or an editor (amount 0.20)")
    assert seen.noise_std > 0.022  # of the picture as it is: without it there is less


def test_without_a_damage_estimator_no_doubt_is_claimed(tmp_path):
    seen = inspect_run(picture(20, 30), estimate(two_sided(20, 30)), tmp_path)
    assert seen.errors == {}
    assert seen.noise_255 is None
    assert seen.blur_px is None
    assert "take" not in dict(seen.sentences())["Noise"]
    assert seen.numbers()["give_or_take"] == {}


@pytest.mark.parametrize("size", [(144, 144), (145, 142)])
def test_a_picture_that_is_worked_on_in_small_is_inspected(tmp_path, size):
    """Blurred too widely for its scale: the kernels are of a reduction of it."""
    with Image.open(EXAMPLES / "out_of_focus.png") as example:
        sharp = example.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    sharp.filter(ImageFilter.GaussianBlur(3)).save(tmp_path / "wide.png")
    engine = Engine(DemoSettings(device="cpu", dtype="float32", warm_up=False))
    try:
        made = engine.restore(RestoreJob(tmp_path / "wide.png", scale=1))
        with Image.open(made.after) as after, Image.open(made.before) as before:
            assert after.size == before.size == size
        seen = made.inspection
        assert any("reduced by" in note for note in made.report["notes"])
        assert seen.field.height < size[1] // 2 + 1
        assert seen.field.scale > seen.scale == 1
        assert seen.numbers()["blur_px"]["mean"] == pytest.approx(3, abs=1)
        assert seen.summary_place() == ""
        assert float(seen.blur_px.median()) == pytest.approx(3, rel=0.4)
        height, width = seen.map_size()
        assert width / height == pytest.approx(size[0] / size[1], rel=0.06)
        with Image.open(seen.draw_map()) as drawn:
            assert drawn.height == height
        assert seen.depth_file is not None
        assert seen.kernel_at(1.0, 1.0)[0].shape == (3, 315, 315)
        assert seen.weights
    finally:
        engine.close()


def test_lpips_is_found_where_it_is_said_to_be(monkeypatch, tmp_path):
    monkeypatch.delenv("MMSR_SHARED", raising=False)
    monkeypatch.delenv("MMSR_METRICS", raising=False)
    assert metrics_folder() is None
    assert load_lpips() is None
    monkeypatch.setenv("MMSR_METRICS", str(tmp_path))
    assert metrics_folder() == tmp_path
    assert load_lpips() is None  # The folder is empty.


FRAMES = "The first of the 3 pictures in the file."


@pytest.fixture
def animation(tmp_path):
    frames = [Image.new("RGB", (20, 16), (40 * n, 90, 60)) for n in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    return tmp_path / "a.gif"


def test_what_is_to_be_known_of_the_file_is_in_the_report(demo_server, animation):
    _, engine = demo_server
    made = engine.restore(RestoreJob(animation, scale=1, steps=0))
    assert FRAMES in made.report["notes"]
    assert list(made.inspection.notes) == made.report["notes"]


def test_every_kind_of_work_says_what_is_to_be_known_of_its_files(
    demo_server, demo_picture, animation
):
    _, engine = demo_server
    plain = demo_picture(16, 20, "plain.png")
    job = RestoreJob(plain, scale=1, steps=0)
    second = engine.restore(replace(job, guide=animation, guide_mode="fuse"))
    assert f"The second picture: {FRAMES}" in second.report["notes"]
    depth = engine.restore(replace(job, depth=animation))
    assert f"The depth: {FRAMES}" in depth.report["notes"]
    tried = engine.restore(replace(job, picture=animation, place=(0.5, 0.5)))
    assert FRAMES in tried.report["notes"]
    measured = engine.estimate(animation, 1)
    assert FRAMES in measured.numbers()["notes"]
    compared = compare(engine, CompareJob(animation, scale=2), lambda progress: None)
    assert f"The good picture: {FRAMES}" in compared.note
    compared = compare(engine, CompareJob(plain, damaged=animation), lambda progress: None)
    assert f"The damaged picture: {FRAMES}" in compared.note
    done = restore_batch(
        engine, [("a.gif", animation), ("b.png", plain)], job, lambda progress: None
    )
    assert [line.message.split(". ", 1) for line in done.lines] == [
        ["20×16", FRAMES.rstrip(".")], ["20×16"],
    ]  # fmt: skip
