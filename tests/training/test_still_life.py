"""The still life: every view shows it, through a pinhole and through a lens."""

from __future__ import annotations

import numpy as np
import pytest

from training.scenes.still_life import VIEWS, render_still_life

pytest.importorskip("mitsuba", reason="rendering needs Mitsuba: pip install -e '.[scenes]'")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_near_and_far_things_in_colour(view: str) -> None:
    scene = render_still_life(36, 48, view=view, samples=4)
    assert scene.image.shape == (3, 36, 48)
    assert np.isfinite(scene.image).all()
    assert np.isfinite(scene.depth_m).all()  # a wall stands behind it all
    assert scene.depth_m.max() > 1.4 * scene.depth_m.min()
    assert scene.image.max(0).mean() - scene.image.min(0).mean() > 0.1
    assert len(np.unique(scene.shape_index)) > 5


def test_a_lens_blurs_what_is_out_of_focus_only() -> None:
    sharp, near = (
        render_still_life(72, 96, samples=64, aperture_m=aperture, focus_m=1.02)
        for aperture in (0.0, 0.06)
    )
    difference = np.abs(sharp.image - near.image).mean(0)
    in_focus = np.abs(sharp.depth_m - 1.02) < 0.04
    far_off = sharp.depth_m < 0.8
    assert difference[far_off].mean() > 1.5 * difference[in_focus].mean()
