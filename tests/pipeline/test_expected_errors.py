"""How far off a number may be is said of measured numbers alone."""

import pytest

from mmsr_core.pipeline import Overrides


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_measured_numbers_have_their_errors(pipe, picture, scale) -> None:
    report = pipe(picture(20, 24), scale=scale, steps=0).report
    assert {"noise_std", "jpeg_quality"} <= set(report.errors)
    assert "give or take" in report.summary()


def test_stated_numbers_have_none(pipe, picture) -> None:
    lr = picture(20, 24)
    told = Overrides(noise_std=0.05, jpeg_quality=60)
    report = pipe(lr, scale=4, steps=0, overrides=told).report
    assert {"noise_std", "jpeg_quality"}.isdisjoint(report.errors)
    assert "noise 12.8 of 255, JPEG quality 60\n" in report.summary() + "\n"
    one = pipe(lr, scale=4, steps=0, overrides=Overrides(noise_std=0.05)).report
    assert "noise_std" not in one.errors
    assert "jpeg_quality" in one.errors


def test_jpeg_hides_noise(pipe, picture) -> None:
    lr = picture(20, 24)

    def error(quality: float) -> float:
        told = Overrides(jpeg_quality=quality)
        return pipe(lr, scale=2, steps=0, overrides=told).report.errors["noise_std"]

    assert error(100) < error(85) < error(50)
    assert error(75) > 2.5 / 255


def test_a_stated_blur_has_none(pipe, picture) -> None:
    lr = picture(20, 24)
    assert "blur" in pipe(lr, scale=2, steps=0).report.errors
    assert "blur" not in pipe(lr, scale=2, steps=0, blur_sigma_px=1.5).report.errors
