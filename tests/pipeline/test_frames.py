"""Frames of a clip are measured together and steadied, and never mixed up."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.degradation import constant_kernel_field, isotropic_gaussian
from mmsr_core.errors import InputError
from mmsr_core.pipeline import frames as module
from mmsr_core.pipeline.frame_memory import FRAMES, FrameMemory
from mmsr_core.pipeline.frames import agreement, is_cut, restore_frames


def noisy(picture, count: int, std: float, side: int = 40) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    base = picture(side, side)
    return [
        (base + std * torch.randn(base.shape, generator=generator)).clamp(0, 1)
        for _ in range(count)
    ]


def test_one_frame_is_what_a_call_gives(pipe, picture) -> None:
    lr = picture(12, 14)
    options = {"steps": 1, "iterations": 1, "seed": 4}
    (made,) = pipe.restore_frames([lr], **options)
    assert torch.equal(made.images, pipe(lr, **options).images)


def test_a_still_clip_flickers_less_and_keeps_its_order(pipe, picture) -> None:
    frames = noisy(picture, 6, 0.02)
    options = {"steps": 0, "iterations": 1, "scale": 1}
    alone = torch.cat([pipe(frame, **options).images for frame in frames])
    outputs = list(pipe.restore_frames(iter(frames), span=2, **options))
    together = torch.cat([output.images for output in outputs])
    assert together.shape == alone.shape
    assert float(together.std(0).mean()) < 0.7 * float(alone.std(0).mean())
    nearest = torch.cdist(together.flatten(1), alone.flatten(1)).argmin(1)
    assert len(set(nearest.tolist())) >= 4  # each still is most like its own
    assert any("steadied" in note for note in outputs[2].report.notes)


def test_without_neighbours_only_the_measurement_is_shared(pipe, picture) -> None:
    frames = noisy(picture, 4, 0.02)
    options = {"steps": 0, "iterations": 1, "scale": 1}
    memory = FrameMemory()
    expected = [pipe(frame, memory=memory, **options).images for frame in frames]
    made = [output.images for output in pipe.restore_frames(frames, span=0, **options)]
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))
    alone = [pipe(frame, **options).images for frame in frames]
    assert torch.equal(made[0], alone[0])
    assert not torch.equal(made[3], alone[3])


def test_results_come_as_soon_as_their_neighbours_are_there(pipe, picture) -> None:
    asked: list[int] = []

    def frames():
        for index in range(8):
            asked.append(index)
            yield picture(40, 40)

    def restore(lr, memory):
        return pipe(lr, steps=0, iterations=1, scale=1, memory=memory)

    made = restore_frames(restore, frames(), span=2)
    assert asked == []
    next(made)
    assert asked == [0, 1, 2]
    next(made)
    assert asked == [0, 1, 2, 3]
    assert len(list(made)) == 6


def test_nothing_is_carried_over_a_cut(pipe, picture) -> None:
    first, second = 0.2 * picture(40, 40), 0.8 + 0.2 * picture(40, 40, seed=3)
    assert is_cut(first, second)
    assert not is_cut(first, (first + 0.02).clamp(0, 1))
    options = {"steps": 0, "iterations": 1, "scale": 1}
    made = list(pipe.restore_frames([first, second], **options))
    for output, lr in zip(made, (first, second), strict=True):
        assert torch.equal(output.images, pipe(lr, **options).images)


def test_what_does_not_agree_is_left_out() -> None:
    own = torch.full((1, 3, 24, 24), 0.5)
    moved = own.clone()
    moved[..., 12:] = 0.9
    weight = agreement(moved, own)
    assert float(weight[..., :6].min()) > 0.99
    assert float(weight[..., 18:].max()) < 1e-3
    flicker = agreement(own + 2 / 255, own)
    assert float(flicker.min()) > 0.9


def test_frames_have_one_size_and_spans_a_range(pipe, picture) -> None:
    with pytest.raises(InputError, match="Frame 2 has 14x12"):
        list(pipe.restore_frames([picture(12, 12), picture(12, 14)], steps=0, iterations=1))
    for span in (-1, 9, 1.5):
        with pytest.raises(InputError, match="span"):
            pipe.restore_frames([], span=span)
    assert list(pipe.restore_frames([])) == []


def test_a_memory_is_a_mean_first_and_follows_later() -> None:
    memory = FrameMemory()
    made = [float(memory.value("noise", torch.tensor([v]))) for v in (3.0, 5.0, 7.0)]
    assert made == pytest.approx([3.0, 4.0, 5.0])
    for _ in range(60):
        last = float(memory.value("noise", torch.tensor([9.0])))
    assert last == pytest.approx(9.0, abs=1e-3)
    narrow, wide = (constant_kernel_field(isotropic_gaussian(s, 4), 3, 4, 4) for s in (1.0, 3.0))
    widths = [float(memory.kernels(f).moments().blur_sigma_px.mean()) for f in (narrow, wide)]
    assert widths[0] < widths[1] < float(wide.moments().blur_sigma_px.mean())
    other = constant_kernel_field(isotropic_gaussian(2.0, 4), 5, 4, 4)
    assert torch.equal(memory.kernels(other).data, other.data)  # a new size starts anew
    assert FRAMES > 1
    assert module.DEFAULT_SPAN <= module.LARGEST_SPAN
