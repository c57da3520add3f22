"""`mmsr degrade` does what the library does, and says what it cannot do."""

import numpy as np
import torch
from PIL import Image

from mmsr_core.degradation import (
    Sharpening,
    constant_kernel_field,
    degrade,
    isotropic_gaussian,
    sharpen,
)
from mmsr_core.image import load_image


def test_blur_equals_the_operator(mmsr, picture, tmp_path):
    code, out, err = mmsr("degrade", picture, "-o", tmp_path / "lr.png", "--blur-sigma-px", 1.6)
    assert (code, err) == (0, [])
    assert "6x4" in out
    assert "cropped" not in out
    field = constant_kernel_field(isotropic_gaussian(1.6, 4), 4, 6, 4)
    expected = degrade(load_image(picture).rgb, field.dense(), 4)
    assert (load_image(tmp_path / "lr.png").rgb - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_a_kernel_file_of_the_same_blur_gives_the_same(mmsr, picture, tmp_path, kernel_file):
    mmsr("degrade", picture, "-o", tmp_path / "a.png", "--blur-sigma-px", 1.6)
    mmsr("degrade", picture, "-o", tmp_path / "b.png", "--kernel", kernel_file(4, 6))
    first, second = (load_image(tmp_path / name).rgb for name in ("a.png", "b.png"))
    assert (first - second).abs().max() <= 1 / 255 + 1e-6


def test_sharpening_is_stated_or_comes_with_the_kernels(mmsr, picture, tmp_path):
    field = constant_kernel_field(isotropic_gaussian(1.6, 4), 4, 6, 4)
    field.save(tmp_path / "sharpened.safetensors", Sharpening.of(0.3, 1.5))
    low = degrade(load_image(picture).rgb, field.dense(), 4)
    kernel, stated = ("--kernel", tmp_path / "sharpened.safetensors"), ("--sharpening", 0.7)
    for name, words, numbers in (
        ("stated", ("--blur-sigma-px", 1.6, *stated), (0.7, 2.5)),
        ("wide", ("--blur-sigma-px", 1.6, *stated, "--sharpening-radius", 0.8), (0.7, 0.8)),
        ("file", kernel, (0.3, 1.5)),
        ("other", (*kernel, "--sharpening", 0), (0, 2.5)),
    ):
        out = tmp_path / f"{name}.png"
        assert mmsr("degrade", picture, "-o", out, *words)[0] == 0
        expected = sharpen(low, Sharpening.of(*numbers)).clamp(0, 1)
        assert (load_image(out).rgb - expected).abs().max() <= 1 / 255
    code, _, error = mmsr("degrade", picture, "-o", out, "--sharpening-radius", 1)
    assert code == 2
    assert "give both" in error[0]


def test_a_field_larger_than_one_window_is_put_together_exactly(mmsr, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    mmsr(
        "degrade", tmp_path / "wide.png", "-o", tmp_path / "lr.png",
        "--scale", 2, "--blur-sigma-px", 1.2,
    )  # fmt: skip
    field = constant_kernel_field(isotropic_gaussian(1.2, 2), 10, 150, 2)
    expected = degrade(load_image(tmp_path / "wide.png").rgb, field.dense(), 2)
    assert (load_image(tmp_path / "lr.png").rgb - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_crop_is_said_and_alpha_is_kept(mmsr, tmp_path):
    Image.new("RGBA", (23, 17), (10, 200, 30, 128)).save(tmp_path / "a.png")
    code, out, _ = mmsr("degrade", tmp_path / "a.png", "-o", tmp_path / "lr.png")
    assert code == 0
    assert "cropped to 20x16" in out
    image = load_image(tmp_path / "lr.png")
    assert image.size == (4, 5)
    assert (image.alpha * 255).round().unique().tolist() == [128]
    assert (image.rgb[0, :, 0, 0] * 255).round().tolist() == [10, 200, 30]


def test_noise_has_8_bit_units_and_a_seed(mmsr, tmp_path):
    Image.new("RGB", (200, 200), (128, 128, 128)).save(tmp_path / "grey.png")
    results = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.png"
        mmsr(
            "degrade", tmp_path / "grey.png", "-o", out,
            "--scale", 1, "--noise-std", 5, "--seed", seed,
        )  # fmt: skip
        results.append(load_image(out).rgb)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert abs(float(results[0].std()) * 255 - 5) < 0.2


def test_lower_jpeg_quality_does_more_damage(mmsr, picture, tmp_path):
    errors = []
    clean = tmp_path / "clean.png"
    mmsr("degrade", picture, "-o", clean, "--scale", 1)
    for quality in (95, 50, 5):
        out = tmp_path / f"{quality}.png"
        assert mmsr("degrade", picture, "-o", out, "--scale", 1, "--jpeg", quality)[0] == 0
        errors.append(float((load_image(out).rgb - load_image(clean).rgb).square().mean()))
    assert errors[0] < errors[1] < errors[2]


def test_quiet(mmsr, picture, tmp_path):
    assert mmsr("degrade", picture, "-o", tmp_path / "a.png", "--quiet") == (0, "", [])


def test_bad_input(refused, picture, tmp_path, kernel_file, unwritable):
    out = tmp_path / "lr.png"
    assert "6x4" in refused("degrade", picture, "-o", out, "--kernel", kernel_file(4, 5))
    for damage, word in (("nan", "NaN"), ("shape", "(441,h,w)")):
        file = kernel_file(4, 6, damage=damage)
        assert word in refused("degrade", picture, "-o", out, "--kernel", file)
    assert "scale 2" in refused("degrade", picture, "-o", out, "--kernel", kernel_file(8, 12, 2))
    assert "does not exist" in refused("degrade", picture, "-o", out, "--kernel", tmp_path / "no")
    Image.new("RGB", (9, 3)).save(tmp_path / "flat.png")
    assert "too few" in refused("degrade", tmp_path / "flat.png", "-o", out)
    assert "does not exist" in refused("degrade", tmp_path / "no.png", "-o", out)
    assert "input" in refused("degrade", picture, "-o", picture)
    assert "no ending" in refused("degrade", picture, "-o", tmp_path / "lr")
    assert "Cannot write" in refused("degrade", picture, "-o", unwritable / "lr.png")
    assert not out.exists()


def test_a_transparent_picture_into_a_jpeg(mmsr, picture, tmp_path):
    Image.new("RGBA", (24, 16), (9, 9, 9, 0)).save(picture)
    out = tmp_path / "o.jpg"
    code, said, _ = mmsr("degrade", picture, "-o", out, "--background", "black")
    assert code == 0
    assert "laid on black" in said
    assert np.asarray(Image.open(out)).max() < 3
