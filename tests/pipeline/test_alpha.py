"""Transparency is enlarged with smooth edges, and what is opaque stays so."""

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.errors import ShapeError
from mmsr_core.image import resize_alpha
from mmsr_core.pipeline import enlarge_alpha, load_pipeline, share_progress


def disc(side: int, radius: float) -> torch.Tensor:
    """1 inside a circle, 0 outside, by the pixel's centre: `(1,1,side,side)`."""
    at = torch.arange(side) - (side - 1) / 2
    return (torch.hypot(at[:, None], at) < radius).float()[None, None]


def test_what_needs_no_network_is_resized(pipe) -> None:
    alpha = disc(20, 7)
    assert enlarge_alpha(pipe, None, 4) is None
    assert torch.equal(enlarge_alpha(pipe, alpha, 1, (30, 30)), resize_alpha(alpha, (30, 30)))
    opaque = torch.ones(2, 1, 12, 10)
    assert torch.equal(enlarge_alpha(pipe, opaque, 4), torch.ones(2, 1, 48, 40))
    assert enlarge_alpha(pipe, alpha, 4, (20, 20)) is not None
    with pytest.raises(ShapeError):
        enlarge_alpha(pipe, alpha[0], 4)


@pytest.mark.parametrize("size", [None, (50, 70)])
def test_sizes_and_range(pipe, size) -> None:
    alpha = torch.cat((disc(20, 7), disc(20, 5)))
    made = enlarge_alpha(pipe, alpha, 4, size)
    assert made.shape == (2, 1, *(size or (80, 80)))
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1


@pytest.mark.parametrize("scale", [2, 3, 5, 8, 16])
def test_every_scale(pipe, scale) -> None:
    made = enlarge_alpha(pipe, disc(12, 4), scale)
    assert made.shape == (1, 1, 12 * scale, 12 * scale)
    assert float(made[..., :scale, :].max()) == 0


def test_a_batch_is_as_each_alone(pipe) -> None:
    batch = torch.cat((disc(20, 7), torch.full((1, 1, 20, 20), 0.5), 0.9 * disc(20, 5)))
    made = enlarge_alpha(pipe, batch, 4)
    for index, one in enumerate(batch.split(1)):
        torch.testing.assert_close(made[index : index + 1], enlarge_alpha(pipe, one, 4))
    assert torch.equal(made[1], torch.full_like(made[1], 0.5))


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0.5), (0.2, 0.9), (0, 100 / 65535), (253 / 255, 254 / 255)]
)
def test_no_value_leaves_the_range_of_its_neighbours(pipe, low, high) -> None:
    alpha = low + (high - low) * disc(40, 12)
    made = enlarge_alpha(pipe, alpha, 2)
    assert float(made.min()) == pytest.approx(low, abs=1e-7)
    assert float(made.max()) == pytest.approx(high, abs=1e-7)


def test_it_can_be_stopped(pipe) -> None:
    def stop(event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        enlarge_alpha(pipe, disc(20, 7), 4, progress=stop)


def test_edges_are_lines_and_no_stairs() -> None:
    pipe = load_pipeline("small")
    small, scale = disc(32, 11.3), 4
    truth = F.avg_pool2d(disc(32 * scale * 4, 11.3 * scale * 4), 4)
    made = enlarge_alpha(pipe, small, scale)

    def error(alpha: torch.Tensor) -> float:
        return float((alpha - truth).abs().mean())

    assert error(made) < 0.75 * error(resize_alpha(small, (128, 128)))
    assert float(made[..., 40:88, 40:88].min()) == 1  # opaque inside
    assert float(made[..., :12, :].max()) == 0
    soft = F.avg_pool2d(F.pad(small, (4, 4, 4, 4), mode="replicate"), 9, 1)
    plain = resize_alpha(soft, (128, 128))
    assert float((enlarge_alpha(pipe, soft, scale) - plain).abs().max()) < 0.06, "soft stays soft"


def test_a_picture_and_its_alpha_are_one_run(pipe) -> None:
    for alpha, both in ((disc(20, 7), True), (torch.ones(1, 1, 20, 20), False), (None, False)):
        events = []
        first, second = share_progress(events.append, alpha, 4)
        pipe(torch.rand(1, 3, 20, 20), scale=4, steps=0, progress=first)
        picture = len(events)
        enlarge_alpha(pipe, alpha, 4, progress=second)
        shares = [event.done / event.total for event in events]
        assert shares == sorted(shares)
        assert shares[-1] == 1
        assert (shares[picture - 1] < 1) == both
        assert (len(events) > picture) == both


def test_several_alphas_are_one_run(pipe) -> None:
    events = []
    alpha = torch.cat((disc(20, 7), disc(20, 5)))
    enlarge_alpha(pipe, alpha, 4, progress=events.append)
    shares = [event.done / event.total for event in events]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_without_progress_nothing_is_told(pipe) -> None:
    assert share_progress(None, disc(20, 7), 4) == (None, None)
