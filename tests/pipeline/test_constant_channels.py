"""Channels that hold one value, as under red light: the others are restored as grey is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.image import load_image
from mmsr_core.pipeline import load_pipeline
from mmsr_core.pipeline.scene import Scene, constant_channels

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small():
    return load_pipeline("small", "cpu", "float32")


def grey_scene(noise: float = 0.0) -> torch.Tensor:
    """A soft grey picture `(1,3,48,56)`."""
    picture = load_image(ROOT / "assets" / "example_hr.png").rgb[..., 260:356, 220:332]
    generator = torch.Generator().manual_seed(0)
    soft = F.avg_pool2d(picture.mean(1, keepdim=True), 2)
    soft = soft + noise / 255 * torch.randn(soft.shape, generator=generator)
    return soft.clamp(0, 1).mul(255).round().div(255).expand(-1, 3, -1, -1)


def lit(grey: torch.Tensor, values: dict[int, float]) -> torch.Tensor:
    made = grey.clone()
    for channel, value in values.items():
        made[:, channel] = value
    return made


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("values", [{1: 0.0, 2: 0.0}, {0: 1.0, 1: 0.5}, {2: 0.0}])
@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_what_is_there_is_restored_as_in_grey(small, scale, values, noise) -> None:
    grey = grey_scene(noise)
    plain = small(grey, scale=scale, steps=1)
    made = small(lit(grey, values), scale=scale, steps=1)
    for channel in range(3):
        if channel in values:
            assert float((made.images[:, channel] - values[channel]).abs().max()) < 1e-6
        else:
            torch.testing.assert_close(
                made.images[:, channel], plain.images[:, channel], atol=1e-4, rtol=0
            )
    assert made.report.noise_std == pytest.approx(plain.report.noise_std, abs=1e-4)
    assert made.report.blur_sigma_px["mean"] == pytest.approx(
        plain.report.blur_sigma_px["mean"], abs=1e-3
    )


def test_agreement_counts_the_channels_as_they_were_given(small) -> None:
    """Two of three channels agree exactly: 4.8 dB."""
    plain = small(grey_scene(), scale=2, steps=0).report.consistency_db
    made = small(lit(grey_scene(), {1: 0.0, 2: 1.0}), scale=2, steps=0).report.consistency_db
    for name in ("before", "after"):
        assert made[name] == pytest.approx(plain[name] + 4.77, abs=0.1)


def test_previews_and_callbacks_see_the_colours(small) -> None:
    lr, seen, previews = lit(grey_scene(), {1: 0.0, 2: 0.0}), [], []

    def on_step(_, step, t, values):
        seen.append(values["images"].clone())
        return {"images": values["images"] * 0.5}

    def progress(event):
        if event.preview is not None:
            previews.append(event.preview())

    made = small(lr, scale=2, steps=1, callback_on_step_end=on_step, progress=progress)
    assert float(seen[0][:, 1:].abs().max()) == 0
    assert float(made.images[:, 1:].abs().max()) == 0
    changed = (made.images[:, :1] - 0.5 * seen[0][:, :1]).abs().mean()
    assert float(changed) < 0.02
    assert len(previews) > 1


def test_pictures_of_a_batch_stand_alone(pipe, picture) -> None:
    plain = picture(24, 28)
    batch = torch.cat((plain, lit(plain, {2: 0.25}), torch.full_like(plain, 0.5)))
    scene = Scene(batch, 2, pipe.networks.basis)
    assert torch.equal(scene.lr[0], plain[0])
    torch.testing.assert_close(scene.lr[1, 2], plain[0, :2].mean(0))
    torch.testing.assert_close(scene.lr[2], batch[2])
    torch.testing.assert_close(scene.put_back(scene.lr), batch)


def test_ordinary_pictures_are_not_touched(pipe, picture) -> None:
    lr = picture(24, 28)
    assert constant_channels(lr) is None
    scene = Scene(lr, 2, pipe.networks.basis)
    assert scene.lr is lr
    assert scene.put_back(lr) is lr


def test_one_picture_of_two_sensors_keeps_its_channels(pipe, picture) -> None:
    lr = lit(picture(24, 28), {2: 0.0})
    fused = Scene(lr, 2, pipe.networks.basis, guide=picture(24, 28), guide_mode="fuse")
    assert fused.lr is lr
