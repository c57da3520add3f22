"""What was right in the input stays as it was: with the weights that ship."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from mmsr_core import Overrides, load_pipeline
from mmsr_core.errors import InputError
from mmsr_core.image import load_image, smooth
from mmsr_core.pipeline.finishing import is_grey, local_contrast
from mmsr_core.pipeline.refinement import reduction, sharp_field

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def small():
    return load_pipeline("small", "cpu", "float32")


def still_life() -> torch.Tensor:
    """The sharp middle of the example picture, `(1,3,168,208)`."""
    picture = load_image(ROOT / "assets" / "example_hr.png").rgb
    return picture[..., 232:400, 190:398]


def scenery(height: int = 48, width: int = 56, seed: int = 0) -> torch.Tensor:
    """Smooth shapes with sharp edges, 8-bit values."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 6, 7), generator=generator)
    wide = F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = ((y - height / 2) ** 2 + (x - width / 2) ** 2).sqrt() < height / 4
    return torch.where(inside, 1 - wide, wide).mul(255).round().div(255)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (30, 60, 200)])
@pytest.mark.parametrize("scale", [1, 3, 4])
def test_flat_stays_flat(small, colour, scale) -> None:
    lr = torch.tensor(colour).div(255).view(1, 3, 1, 1).expand(1, 3, 20, 24)
    out = small(lr, scale=scale).images
    assert float((out - lr[..., :1, :1]).abs().max()) * 255 < 1


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_grey_stays_grey(small, scale) -> None:
    lr = scenery()[:, :1].expand(-1, 3, -1, -1)
    out = small(lr, scale=scale).images
    assert float((out.amax(1) - out.amin(1)).max()) == 0


def test_a_clean_sharp_picture_comes_back_at_its_own_size(small) -> None:
    lr = scenery(96, 96)
    out = small(lr, scale=1).images
    assert float((out - lr).abs().mean()) * 255 < 1


def test_white_paper_stays_white(small) -> None:
    lr = torch.ones(1, 3, 40, 40)
    lr[..., 16:24, 10:12] = 0
    out = small(lr, scale=4).images
    away = F.max_pool2d((lr < 1).float(), 5, 1, 2).amax(1, keepdim=True) == 0
    away = F.interpolate(away.float(), scale_factor=4, mode="nearest").bool()
    assert float((out.amin(1, keepdim=True) >= 254.5 / 255)[away].float().mean()) > 0.995


def test_a_blurred_picture_is_deblurred_at_its_own_size(small) -> None:
    from mmsr_core.metrics import psnr

    truth = scenery(96, 96)
    taps = torch.exp(-0.5 * (torch.arange(-8, 9) / 2.0) ** 2)
    taps = taps / taps.sum()
    planes = F.pad(truth, (8, 8, 8, 8), mode="reflect").transpose(0, 1)
    planes = F.conv2d(F.conv2d(planes, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    blurred = planes.transpose(0, 1).mul(255).round().div(255)
    made = small(blurred, scale=1, steps=0)
    assert made.images.shape == truth.shape
    assert made.report.input_size == made.report.output_size == (96, 96)
    gain = psnr(made.images, truth, crop=4) - psnr(blurred, truth, crop=4)
    assert float(gain) > 2


@pytest.mark.parametrize(
    ("damage", "least"),
    [("jpeg 20", 0.0), ("jpeg 60", 0.0), ("jpeg 85", -0.05), ("noise 5", 0.0), ("noise 12", 0.5)],
)
def test_a_sharp_damaged_picture_is_not_made_worse_at_its_own_size(small, damage, least) -> None:
    from mmsr_core.degradation import add_gaussian_noise, jpeg
    from mmsr_core.metrics import psnr

    truth = still_life()
    kind, amount = damage.split()
    if kind == "jpeg":
        lr = jpeg(truth, float(amount))
    else:
        noisy = add_gaussian_noise(truth, float(amount) / 255, torch.Generator().manual_seed(0))
        lr = noisy.clamp(0, 1).mul(255).round().div(255)
    made = small(lr, scale=1, steps=0).images
    assert float(psnr(made, truth, crop=4) - psnr(lr, truth, crop=4)) > least


def page() -> torch.Tensor:
    """Small print in black and colours on white and grey, `(1,3,112,176)`."""
    image = Image.new("RGB", (176, 112), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 80, 176, 112), fill=(225, 228, 235))
    lines = ("The quick brown fox jumps", "over the lazy dog: 0123456789", "Total: EUR 1,234.56")
    for row in range(7):
        colour = ("black", (150, 20, 20), (20, 60, 140))[row % 3]
        draw.text((4, 2 + 15 * row), lines[row % 3], fill=colour)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("noise", [6, 12, 20])
def test_small_print_stays_where_its_noise_goes(small, noise) -> None:
    clean = page()
    grains = torch.randn(clean.shape, generator=torch.Generator().manual_seed(noise))
    noisy = (clean * 255 + noise * grains).round().clamp(0, 255) / 255
    out = small(noisy, scale=1, steps=0).images
    letters = (local_contrast(clean, 5) > 0.01).expand_as(clean)
    for places, most in ((letters, 1.35), (~letters, 0.85)):
        before, after = (float((p - clean)[places].square().mean()) for p in (noisy, out))
        assert after < most * before


def test_a_shaken_picture_is_steadied_at_its_own_size(small) -> None:
    from mmsr_core.metrics import psnr
    from tests.degradation.test_motion import moved

    truth = still_life()[..., 10:-10, 10:-10]
    shaken = moved(still_life(), 13, 0)
    made = small(shaken, scale=1, steps=0)
    assert any("Shaken: a motion of 13 px" in note for note in made.report.notes)
    assert float(psnr(made.images, truth, crop=4) - psnr(shaken, truth, crop=4)) > 2
    measured = small.estimate_degradation(shaken, 1)
    assert any("Shaken: a motion of 13 px" in note for note in measured.notes)
    assert not any("Shaken" in note for note in small.estimate_degradation(truth, 1).notes)


@pytest.mark.parametrize("size", [(33, 50), (9, 7)])
def test_a_reduced_picture_of_odd_size_has_the_wanted_size(small, size, monkeypatch) -> None:
    from mmsr_core.pipeline import refinement

    monkeypatch.setattr(refinement, "reduction", lambda blur, scale: 4)
    monkeypatch.setattr(refinement.Refinement, "_bearable", lambda self, factor, whole: factor)
    out = small(scenery(*size), scale=2, steps=1)
    assert out.images.shape[-2:] == (size[0] * 2, size[1] * 2)
    assert any("reduced by 4" in note for note in out.report.notes)


@pytest.mark.parametrize(
    ("blur", "scale", "factor"),
    [(0.5, 1, 1), (1.4, 1, 1), (2.0, 1, 2), (4.0, 1, 4), (1.0, 2, 1), (1.6, 2, 2), (0.7, 4, 1),
     (3.0, 4, 2), (3.0, 8, 1)],
)  # fmt: skip
def test_how_far_a_picture_is_reduced(blur, scale, factor) -> None:
    assert reduction(blur, scale) == factor


def test_grain_is_kept_on_request(small) -> None:
    generator = torch.Generator().manual_seed(0)
    slope = torch.linspace(0.3, 0.7, 96).expand(1, 3, 96, 96)
    lr = (slope + 12 / 255 * torch.randn((1, 1, 96, 96), generator=generator)).clamp(0, 1)

    def grain(denoise: float) -> float:
        picture = small(lr, scale=4, steps=0, denoise=denoise).images
        wide = F.interpolate(slope, scale_factor=4, mode="bicubic")
        return float((picture - wide)[..., 16:-16, 16:-16].std()) * 255

    report = small(lr, scale=4, steps=0).report
    assert any("reduced by" in note for note in report.notes)
    assert report.noise_std * 255 == pytest.approx(12, rel=0.2)  # of the picture as it was given
    assert "agrees with the input" in report.summary()
    assert grain(1.0) < 4
    assert grain(0.0) == pytest.approx(12, rel=0.1)
    assert grain(1.0) < grain(0.5) < grain(0.0)


def test_all_grain_kept_at_scale_1_is_the_picture_as_it_was(small) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 12 / 255 * torch.randn((1, 1, 96, 96), generator=generator)
    lr = (scenery(96, 96) + noise).clamp(0, 1).mul(255).round().div(255)
    made = small(lr, scale=1, steps=0, denoise=0).images
    assert float((made - lr).square().mean().sqrt()) < 1.5 / 255


@pytest.mark.parametrize("scale", [2, 4])
def test_flat_paper_has_no_halo_around_ink(small, scale) -> None:
    lr = torch.full((1, 3, 48, 64), 0.6)
    lr[..., 12:30, 20:22] = lr[..., 12:14, 20:40] = 0.05
    lr[..., 20:36, 46:58] = torch.tensor([0.8, 0.15, 0.15]).view(3, 1, 1)
    near = F.max_pool2d(((lr - 0.6).abs().amax(1, keepdim=True) > 0.01).float(), 3, 1, 1)
    away = F.interpolate(near, scale_factor=scale)[0, 0] == 0
    off = 255 * (small(lr, scale=scale, steps=1).images[0] - 0.6)[:, away]
    assert float(off.square().mean().sqrt()) < 0.4
    assert float(off.abs().max()) < 10


def test_stripes_of_rows_leave_no_seam(monkeypatch) -> None:
    from mmsr_core.pipeline import finishing

    generator = torch.Generator().manual_seed(0)
    given, flatness = torch.rand((2, 4, 23, 9), generator=generator).split((3, 1), 1)
    whole, parts = torch.zeros(2, 3, 69, 27), torch.zeros(2, 3, 69, 27)
    finishing.keep_flat(whole, given, flatness, 3)
    monkeypatch.setattr(finishing, "_STRIPE_ROWS", 5)
    finishing.keep_flat(parts, given, flatness, 3)
    assert float((whole - parts).abs().max()) < 1e-5
    assert float(whole.max()) > 0.5


def test_counts_of_an_infrared_camera_do_not_blow_a_night_out(small) -> None:
    night = 0.05 + 0.35 * still_life()[..., :64, :64]
    warm = night.mean(1, keepdim=True).flip(-1) * 0.2
    made = small(night, scale=2, steps=0, guide=warm, guide_mode="fuse")
    assert float(made.images.quantile(0.99)) < float(night.max()) + 0.1
    assert not any("The first picture is grey" in note for note in made.report.notes)
    white = torch.ones_like(warm)
    lost = small(night, scale=2, steps=0, guide=white, guide_mode="fuse").report.notes
    assert any("Most of the second picture is white" in note for note in lost)
    turned = small(warm.expand(-1, 3, -1, -1), scale=2, steps=0, guide=night, guide_mode="fuse")
    assert any("The first picture is grey" in note for note in turned.report.notes)


@pytest.mark.parametrize("scale", [1, 2])
def test_one_picture_of_two_sensors_keeps_what_only_the_second_sees(small, scale) -> None:
    """Flat and undamaged places of the first picture must not come back as holes."""
    visible, infrared = torch.full((1, 3, 48, 64), 0.2), torch.full((1, 3, 48, 64), 0.3)
    visible[..., 32:] = still_life()[..., :48, :32]
    infrared[..., 10:30, 8:24] = 0.9  # a warm thing in the dark
    made = small(visible, scale=scale, steps=0, guide=infrared, guide_mode="fuse", denoise=0.5)
    warm = made.images[..., 14 * scale : 26 * scale, 12 * scale : 20 * scale]
    assert float(warm.mean()) > 0.75
    assert float(warm.amax() - warm.amin()) < 0.1


def test_known_damage_takes_the_place_of_the_measured_one(small) -> None:
    known = Overrides(noise_std=9 / 255, jpeg_quality=55)
    out = small(scenery(), scale=2, steps=0, overrides=known)
    assert out.report.noise_std == pytest.approx(9 / 255, abs=1e-5)
    assert out.report.jpeg_quality == 55
    estimate = small.estimate_degradation(scenery(), 2, overrides=known)
    assert float(estimate.jpeg_quality) == 55


def test_a_files_own_quality_holds_unless_worse_is_seen() -> None:
    known = Overrides(file_quality=90.0)
    near, worse = known.quality(torch.tensor([85.0, 40.0]), torch.tensor([5.0, 5.0])).tolist()
    assert (near, worse) == (90, 40)


def test_a_known_blur_is_a_kernel(small) -> None:
    out = small(scenery(), scale=2, steps=0, blur_sigma_px=1.5)
    assert out.report.blur_sigma_px["mean"] == pytest.approx(1.5, abs=0.05)
    with pytest.raises(InputError, match="not both"):
        small(scenery(), scale=2, blur_sigma_px=1.5, kernel=out.estimate.kernel_field)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"overrides": Overrides(noise_std=2.0)}, "noise_std"),
        ({"overrides": Overrides(jpeg_quality=0)}, "jpeg_quality"),
        ({"overrides": Overrides(file_quality=101)}, "file_quality"),
        ({"denoise": 1.5}, "denoise"),
        ({"blur_sigma_px": 9.0}, "blur_sigma_px"),
    ],
)
def test_wrong_numbers_are_refused(small, options, name) -> None:
    with pytest.raises(InputError, match=name):
        small(scenery(), scale=2, **options)


def test_a_picture_at_its_own_size_is_not_said_to_be_reduced_or_enlarged(small) -> None:
    clean = small(scenery(96, 96).round(decimals=1), scale=1, steps=0).report
    blank = small(torch.full((1, 3, 48, 48), 0.5), scale=1, steps=0).report
    for report, words in ((clean, ""), (blank, "nothing had to be changed: the result is the")):
        assert words in report.summary()
        assert "reduced" not in report.summary()
        assert "enlarging" not in report.summary()
    assert blank.unchanged
    assert not blank.summary().count("differs from the input")
    noisy = scenery(64, 64) + 0.06 * torch.randn(1, 3, 64, 64)
    assert not small(noisy.clamp(0, 1), scale=1, steps=0).report.unchanged
    far = replace(clean, unchanged=False, consistency_db={"after": 20.0, "before": 30.0})
    assert "blurred again, it differs from the input by 25.5 of 255" in far.summary()
    assert "as it was given: 8.1" in far.summary()
    at_four = replace(far, scale=4)
    assert "blurred and reduced again" in at_four.summary()
    half = small(torch.full((1, 3, 48, 48), 0.5), scale=1, steps=0).resized((24, 24)).report
    assert "as it was given, but brought to its size" in half.summary()


def test_the_report_says_whether_the_result_agrees(small) -> None:
    generator = torch.Generator().manual_seed(1)
    lr = scenery() + 8 / 255 * torch.randn((1, 3, 48, 56), generator=generator)
    report = small(lr.clamp(0, 1), scale=4, steps=0).report
    assert "within the noise" in report.summary()
    assert "give or take" in report.summary()
    assert set(report.errors) == {"noise_std", "jpeg_quality", "blur"}


def test_grey_and_contrast() -> None:
    grey = torch.full((1, 3, 8, 8), 0.4)
    colour = grey.clone()
    colour[:, 0, 2, 3] = 0.5
    assert is_grey(torch.cat((grey, colour))).tolist() == [True, False]
    contrast = local_contrast(colour, 3)
    assert float(contrast[0, 0, 1, 2]) == pytest.approx(0.1)
    assert float(contrast[0, 0, 5, 5]) == 0


def test_grain_that_the_mean_would_keep_is_taken_away(small) -> None:
    from mmsr_core.degradation.noise import correlated

    generator = torch.Generator().manual_seed(3)
    slope = torch.linspace(0.3, 0.7, 96).expand(1, 3, 96, 96)
    grain = correlated(torch.randn((1, 1, 96, 96), generator=generator), torch.tensor([1.0]))
    lr = (slope + 12 / 255 * grain).clamp(0, 1).mul(255).round().div(255)
    picture = small(lr, scale=4, steps=0).images
    wide = F.interpolate(slope, scale_factor=4, mode="bicubic")
    assert float((picture - wide)[..., 32:-32, 32:-32].std()) * 255 < 5


def test_pictures_of_a_batch_do_not_decide_for_each_other(small) -> None:
    from mmsr_core.degradation import jpeg

    clean = scenery()
    coded = jpeg(scenery(seed=1), 20.0)
    flat = torch.full_like(clean, 0.5)
    together = small(torch.cat((clean, coded, flat)), scale=4, steps=0).images
    for index, one in enumerate((clean, coded, flat)):
        alone = small(one, scale=4, steps=0).images
        assert float((together[index : index + 1] - alone).abs().max()) < 1e-4


def test_sharp_pictures_at_scale_2_get_one_narrow_kernel_each(small) -> None:
    sharp = scenery(64, 72, seed=3)
    soft = smooth(scenery(64, 72), 1.2)
    both = small.estimate_degradation(torch.cat((sharp, soft)), 2).kernel_field
    widths = both.moments().blur_sigma_px
    assert float(widths[0].flatten(1).std(1).max()) < 1e-3
    assert 0.6 <= float(widths[0].mean()) <= 1.1
    assert float(widths[1].mean()) > 1.5
    for index, picture in enumerate((sharp, soft)):  # each by itself
        alone = small.estimate_degradation(picture, 2).kernel_field
        torch.testing.assert_close(both.data[index], alone.data[0], atol=2e-3, rtol=0)


def test_sharp_pictures_get_the_narrowest_kernel_and_codes_that_fit(small) -> None:
    made = small.estimate_degradation(scenery(64, 72), 1).kernel_field
    narrow = sharp_field(small.networks.basis, scenery(64, 72))
    assert narrow.block == made.block
    assert narrow.basis is not None
    width = float(narrow.moments().blur_sigma_px.mean())
    assert width == pytest.approx(0.42, abs=0.12)  # sampled at whole pixels
    assert torch.equal(
        narrow.codes(small.networks.basis), narrow.data
    )  # without going over kernels
    wide = narrow.stored_as(narrow.data + 1, narrow.basis)
    assert float(wide.moments().blur_sigma_px.mean()) > width


def test_a_picture_that_is_sharp_here_and_soft_there_is_restored_there(small) -> None:
    sharp = still_life()
    soft = F.avg_pool2d(sharp, 5, 1, 2, count_include_pad=False)
    soft = F.avg_pool2d(soft, 3, 1, 1, count_include_pad=False)
    both = torch.cat((sharp[..., :104], soft[..., 104:]), -1).mul(255).round().div(255)
    made = small(both, scale=1, steps=0).images
    before, after = ((p - sharp)[..., 120:-8].square().mean().sqrt() for p in (both, made))
    assert float(after) < 0.85 * float(before)
    assert float((made - sharp)[..., 8:80].square().mean().sqrt()) * 255 < 1


def test_a_blurred_picture_of_the_batch_does_not_blur_the_damage_of_another(small) -> None:
    from mmsr_core.degradation import jpeg

    sharp = still_life()
    coded = jpeg(sharp, 30.0)
    soft = F.avg_pool2d(F.avg_pool2d(sharp, 5, 1, 2), 5, 1, 2)
    together = small(torch.cat((coded, soft)), scale=1, steps=0).images[:1]
    alone = small(coded, scale=1, steps=0).images
    error = [float((p - sharp).square().mean().sqrt()) * 255 for p in (coded, alone, together)]
    assert error[2] < error[0]
    assert error[2] < error[1] + 0.3


@pytest.mark.parametrize("scale", [1, 2])
def test_empty_channels_stay_empty(small, scale) -> None:
    blue = still_life() * torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1)
    blue = F.avg_pool2d(blue, 3, 1, 1, count_include_pad=False)
    made = small(blue, scale=scale, steps=0).images
    assert float(made[:, :2].abs().max()) == 0
    assert float(made[:, 2].std()) > 0.05


def test_noise_of_a_sharp_picture_is_not_sharpened(small) -> None:
    from mmsr_core.pipeline.refinement import is_sharp

    generator = torch.Generator().manual_seed(0)
    sharp = 0.3 + 0.5 * still_life()
    noisy = (sharp + 10 / 255 * torch.randn(sharp.shape, generator=generator)).clamp(0, 1)
    output = small(noisy, scale=1, steps=0)
    assert output.estimate.damage is not None
    assert bool(is_sharp(output.estimate.damage))
    assert float((output.images - sharp).square().mean().sqrt()) * 255 < 7


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.0, 0.0), (0.5, 0.5), (0.75, 0.25)])
def test_what_is_flat_in_both_sensors_is_flat_in_one_picture_of_both(pipe, first, second, scale):
    one, other = (torch.full((1, 3, 16, 20), value) for value in (first, second))
    made = pipe(one, scale=scale, guide=other, guide_mode="fuse").images
    assert float(made.amax() - made.amin()) < 1e-4
    if first == second:
        assert torch.allclose(made, torch.tensor(first), atol=1e-4)
    else:  # the brighter one counts most
        assert (first + second) / 2 < float(made.mean()) < first


def test_a_flat_first_picture_takes_the_seconds_detail(pipe, picture):
    flat, guide = torch.full((1, 3, 16, 20), 0.5), picture(32, 40)
    made = pipe(flat, scale=2, guide=guide, guide_mode="fuse").images
    assert float(made.std()) > 0.01
