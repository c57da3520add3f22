"""Pictures as frames of one clip: steady, in order, never mixed over a cut."""

import pytest
import torch

from mmsr_core.errors import InputError
from tests.helpers import smooth_picture

QUICK = {"steps": 1, "iterations": 1}


def noisy(picture, seed, levels=4.0):
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + levels / 255 * noise).clamp(0, 1)


def images(results):
    return torch.cat([result.images for result in results])


def flicker(results):
    return float(images(results).var(0).mean().sqrt())


def test_one_frame_is_the_picture_itself(pipe):
    frame = smooth_picture((12, 16), 1)
    (made,) = pipe.restore_clip([frame], seed=5, **QUICK)
    assert torch.allclose(made.images, pipe(frame, seed=5, **QUICK).images, atol=1e-5)
    assert made.report.seed == [5]


def test_the_same_frame_again_changes_nothing(pipe):
    frame = smooth_picture((20, 24), 2)
    made = images(pipe.restore_clip([frame] * 4, reach=2, **QUICK))
    assert made.shape == (4, 3, 80, 96)
    assert torch.allclose(made, pipe(frame, **QUICK).images.expand_as(made), atol=1e-4)


def test_noise_of_the_frames_flickers_less(pipe):
    scene = smooth_picture((32, 32), 3)
    frames = [noisy(scene, seed) for seed in range(7)]
    alone = [pipe(frame, seed=0, **QUICK) for frame in frames]
    together = list(pipe.restore_clip(frames, **QUICK))
    assert flicker(together) < 0.5 * flicker(alone)
    kept = list(pipe.restore_clip(frames, denoise=0.0, **QUICK))
    assert flicker(kept) > 2 * flicker(together)


def test_the_noise_of_the_flow_moves_with_the_scene(pipe):
    wide = smooth_picture((48, 56), 4, cells=16)
    first, second = wide[..., :48], wide[..., 4:52]  # 16 px of the result, the networks' stride
    one, two = images(pipe.restore_clip([first, second], reach=0, detail=2.0, **QUICK)).split(1)
    alone = [pipe(frame, seed=0, detail=2.0, **QUICK).images for frame in (first, second)]

    def apart(before, after):
        return float((before[..., 32:-32, 48:-32] - after[..., 32:-32, 32:-48]).abs().mean())

    assert apart(one, two) < 0.5 * apart(*alone)


def test_a_cut_starts_anew(pipe):
    shots = [[noisy(smooth_picture((32, 32), s), s + n) for n in range(2)] for s in (10, 20)]
    whole = list(pipe.restore_clip([*shots[0], *shots[1]], **QUICK))
    for number, shot in enumerate(shots):
        alone = images(pipe.restore_clip(shot, **QUICK))
        assert torch.equal(images(whole[2 * number : 2 * number + 2]), alone)


def test_frames_are_read_as_they_are_needed(pipe):
    read = []

    def frames():
        for number in range(12):
            read.append(number)
            yield smooth_picture((8, 8), 5)[0]

    results = pipe.restore_clip(frames(), reach=1, **QUICK)
    assert len(read) == 1
    next(results)
    assert len(read) <= 4
    assert len(list(results)) == 11


def test_a_tensor_is_a_clip_and_any_size_comes_out(pipe):
    frames = smooth_picture((8, 10), 6).expand(3, -1, -1, -1)
    made = list(pipe.restore_clip(frames, scale=2, size=(12, 15), **QUICK))
    assert [tuple(result.images.shape) for result in made] == [(1, 3, 12, 15)] * 3
    assert made[0].report.output_size == (15, 12)


def test_widely_blurred_frames_are_reduced_alike(pipe, monkeypatch):
    from mmsr_core.pipeline import refinement

    chosen = []
    monkeypatch.setattr(refinement, "reduction", lambda *_: chosen.append(1) or 2)
    monkeypatch.setattr(refinement.Refinement, "_bearable", lambda self, factor, whole: factor)
    made = list(pipe.restore_clip([smooth_picture((16, 16), 7)] * 3, scale=1, **QUICK))
    assert len(chosen) == 1
    assert all("reduced by 2" in " ".join(result.report.notes) for result in made)
    assert made[0].images.shape == (1, 3, 16, 16)


def test_known_depth_goes_with_its_frame(pipe):
    frame, depth = smooth_picture((12, 12), 8), torch.rand(1, 1, 12, 12)
    made = list(pipe.restore_clip([frame] * 2, inverse_depths=[depth] * 2, **QUICK))
    found = made[0].estimate.inverse_depth
    assert found is not None
    assert torch.allclose(found, depth, atol=1e-5)
    with pytest.raises(InputError, match="fewer maps"):
        list(pipe.restore_clip([frame] * 2, inverse_depths=[depth], **QUICK))


def test_progress_never_goes_back_and_ends_at_its_end(pipe):
    seen = []
    frames = [smooth_picture((8, 8), 9)] * 3
    list(pipe.restore_clip(frames, progress=lambda e: seen.append((e.done, e.total)), **QUICK))
    done = [d for d, _ in seen]
    assert done == sorted(done)
    assert {total for _, total in seen} == {600}
    assert done[-1] == 600


def test_frames_of_two_sizes_are_refused_by_number(pipe):
    frames = [torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9)]
    with pytest.raises(InputError, match="frame 3 has 9x8 pixels, the first 8x8"):
        list(pipe.restore_clip(frames, **QUICK))


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        ([], {}, "at least one frame"),
        ([torch.rand(2, 3, 8, 8)], {}, "frame 1"),
        ([torch.full((3, 8, 8), float("nan"))], {}, "NaN"),
        ([torch.rand(3, 8, 8)], {"reach": 9}, "reach"),
        ([torch.rand(3, 8, 8)], {"steps": -1}, "steps"),
    ],
)
def test_what_does_not_fit_is_said_at_once(pipe, frames, options, message):
    with pytest.raises(InputError, match=message):
        pipe.restore_clip(frames, **options)
