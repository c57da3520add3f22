"""Maps of brightness: what they leave alone, what they undo, and that contrast drops out."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.image.brightness import MOST_GAIN, USUAL_GAIN, full_range


def pictures(count: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, 3, 40, 50), generator=generator)


def test_a_picture_from_black_to_white_is_left_exactly_as_it_is() -> None:
    picture = (pictures() > 0.5).float()
    seen = full_range(picture)
    assert torch.equal(seen(picture), picture)
    assert torch.equal(seen.undo(picture), picture)


@pytest.mark.parametrize("contrast", [0.9, 0.6, 0.3])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_faded_picture_is_seen_as_if_it_were_not(contrast: float, level: float) -> None:
    picture = 0.03 + 0.9 * pictures()
    faded = picture * contrast + level * (1 - contrast)
    torch.testing.assert_close(
        full_range(faded)(faded), full_range(picture)(picture), atol=1e-4, rtol=0
    )


def test_undo_is_the_reverse_and_pictures_do_not_decide_for_each_other() -> None:
    batch = pictures() * torch.tensor([1.0, 0.5, 0.1]).view(3, 1, 1, 1) + 0.05
    seen = full_range(batch)
    torch.testing.assert_close(seen.undo(seen(batch)), batch, atol=1e-6, rtol=0)
    for index, one in enumerate(batch.split(1)):
        assert torch.equal(full_range(one).gain, seen.gain[index : index + 1])


def test_a_few_stray_pixels_do_not_count() -> None:
    picture = 0.4 + 0.2 * pictures(1)
    dead = picture.clone()
    dead[..., 3, 4], dead[..., 20, 30] = 0, 1
    assert float(full_range(dead).gain) == pytest.approx(float(full_range(picture).gain), rel=0.02)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_a_flat_picture_stays_finite(level: float) -> None:
    flat = torch.full((1, 3, 8, 8), level)
    seen = full_range(flat)
    assert float(seen.gain) == MOST_GAIN
    torch.testing.assert_close(seen(flat), torch.full_like(flat, 0.5))
    torch.testing.assert_close(seen.undo(seen(flat)), flat)


def test_gains_can_be_held_down() -> None:
    picture = 0.4 + 0.25 * pictures()
    full = full_range(picture)
    held = full.at_most(torch.tensor([2.0, 0.5, 100.0]))
    assert held.gain.flatten().tolist() == [2.0, 1.0, float(full.gain[2])]
    assert float(held.offset[1]) == 0  # left as it is
    assert torch.equal(held.offset[2], full.offset[2])
    middle = full.undo(torch.full((3, 1, 1, 1), 0.5))
    torch.testing.assert_close(held(middle)[0], torch.full((1, 1, 1), 0.5))


def test_large_pictures_are_looked_at_in_part() -> None:
    picture = pictures(1).repeat(1, 1, 30, 30) * 0.5
    assert float(full_range(picture).gain) == pytest.approx(2 / USUAL_GAIN, rel=0.02)
