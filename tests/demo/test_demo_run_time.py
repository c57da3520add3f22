"""How long a run takes, how far it is and what it does: on recorded times, and on real runs."""

from itertools import groupby

import pytest
import torch
from PIL import Image

from mmsr_core.types import Progress
from mmsr_demo.work import progress_stream
from mmsr_demo.work.batch import restore_batch
from mmsr_demo.work.engine import Engine
from mmsr_demo.work.jobs import MergeJob, RestoreJob
from mmsr_demo.work.merging import merge
from mmsr_demo.work.progress_stream import Finished, StopFlags, watch_run
from mmsr_demo.work.run_time import (
    RunClock,
    RunTimeEstimate,
    TimedProgress,
    guess_left,
    measuring,
    merging,
    restoring,
)
from mmsr_demo.work.sizes import SizePlan

X4, X2, X1 = (
    SizePlan((side, side), (side, side), scale) for side, scale in ((160, 4), (320, 2), (480, 1))
)
_STEP = [("flow", 0.55), ("consistency", 0.1)]
RECORDED = {
    "x4": (restoring(X4, 0), [
        ("damage", 0.02), ("depth", 0.02), ("kernel", 0.22), ("mean", 0.95), ("damage", 0.0),
        ("kernel", 0.0), ("mean", 0.0), ("consistency", 0.21), ("finish", 0.13),
    ]),
    "x4, sharpened": (restoring(X4, 0), [
        ("damage", 0.02), ("depth", 0.02), ("kernel", 0.14), ("mean", 0.58), ("damage", 0.02),
        ("kernel", 0.15), ("mean", 0.53), ("consistency", 0.06), ("finish", 0.01),
    ]),
    "x4, 4 steps": (restoring(X4, 4), [
        ("damage", 0.02), ("depth", 0.01), ("kernel", 0.22), ("mean", 0.98), ("damage", 0.0),
        ("kernel", 0.0), ("mean", 0.0), *_STEP * 3, ("flow", 0.48), ("consistency", 0.2),
        ("finish", 0.12),
    ]),
    "x2": (restoring(X2, 0), [
        ("damage", 0.08), ("depth", 0.08), ("kernel", 1.02), ("mean", 0.82), ("consistency", 0.26),
        ("finish", 0.02),
    ]),
    "x1, 1 step": (restoring(X1, 1), [
        ("damage", 0.19), ("depth", 0.04), ("kernel", 0.32), ("mean", 0.39), ("flow", 0.15),
        ("consistency", 0.14), ("finish", 0.43),
    ]),
    "merge": (merging(X4), [
        ("damage", 0.02), ("depth", 0.01), ("kernel", 0.11), ("mean", 0.55), ("damage", 0.02),
        ("kernel", 0.13), ("mean", 0.51), ("consistency", 0.07), ("finish", 0.01), ("merge", 1.06),
    ]),
}  # fmt: skip
"""Runs of one core: their plan, and seconds of every stage."""
LONGER = 6
"""A picture of 4 megapixels takes that many times longer."""


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def played(plan, stages, expected, tempo=1.0):
    """(seconds since the beginning, event) of a run with stages of these lengths."""
    clock, heard = Clock(), []
    run = RunClock(lambda event: heard.append((clock.now, event)), plan, expected, clock)
    told = [stage for stage in stages if stage[0] != "merge"]
    for index, (name, seconds) in enumerate(told):
        for tile in range(5):
            run(Progress(name, 100 * index + 25 * tile, 100 * len(told)))
            clock.now += tempo * seconds / 4 if tile < 4 else 0
    return heard, tempo * sum(seconds for _, seconds in stages)


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("tempo", [0.6, 1.0, 2.5], ids=["fast", "as guessed", "slow"])
def test_the_time_left_is_right_within_a_factor(name, tempo):
    plan, stages = RECORDED[name]
    whole = LONGER * sum(seconds for _, seconds in stages)
    heard, end = played(plan, stages, whole + 1, LONGER * tempo)
    least = float("inf")
    for now, event in heard:
        assert 0 <= event.seconds_after <= event.seconds_left + 1e-9
        least = min(least, event.seconds_left)
        left = end - now + 1  # It is saved, too.
        allowed = 1.5 * max(tempo, 1 / tempo)
        assert left / allowed - 0.5 <= least <= left * allowed + 0.5, (now, event)
    # Halfway it knows better than the guess that it began with.
    half = next(event for now, event in heard if now >= end / 2)
    assert half.seconds_left == pytest.approx(1 + end / 2, rel=0.5)


@pytest.mark.parametrize("name", RECORDED)
def test_the_bar_goes_with_the_time(name):
    plan, stages = RECORDED[name]
    heard, end = played(plan, stages, 5.0)
    shares = [event.done / event.total for _, event in heard]
    assert shares == sorted(shares)
    assert max(abs(share - now / end) for share, (now, _) in zip(shares, heard, strict=True)) < 0.22


@pytest.mark.parametrize(("plan", "share"), [(X4, 0.35), (X2, 0.2), (X1, 0.16)])
def test_a_step_takes_its_share_of_a_run_by_scale(plan, share):
    none, one, four = (restoring(plan, steps).cost for steps in (0, 1, 4))
    assert none < one < four
    assert (four - none) / 4 / none == pytest.approx(share, abs=0.08)


def test_the_guess_before_a_run_is_right_within_a_factor():
    for plan, stages in RECORDED.values():
        seconds = RunTimeEstimate().seconds_for(plan, "cpu") - 1
        assert 0.5 < seconds / sum(taken for _, taken in stages) < 2.2
    assert merging(X4).cost > 2 * restoring(X4, 0).cost
    assert measuring(X4).cost < restoring(X4, 0).cost < restoring(X4, 0, transparent=True).cost


def test_a_guess_is_learnt():
    guess, plan = RunTimeEstimate(), restoring(X4, 4)
    guess.learn(plan, 40.0)
    assert guess.seconds_for(plan, "cpu") == pytest.approx(41.0)
    assert guess.seconds_for(restoring(X4, 0), "cpu") == pytest.approx(
        1 + 40 * restoring(X4, 0).cost / plan.cost
    )
    small = SizePlan((20, 20), (20, 20), 4)
    guess.learn(restoring(small, 4), 40.0)  # Too small to tell.
    assert guess.seconds_for(plan, "cpu") == pytest.approx(41.0)


def test_a_guess_becomes_the_run_s_own_pace():
    assert guess_left(0.0, 0.0, 10.0) == 10.0
    assert guess_left(0.5, 5.0, 10.0) == pytest.approx(5.0)
    assert 8.0 < guess_left(0.5, 10.0, 10.0) < 10.0
    assert guess_left(1.0, 30.0, 10.0) == 0.0


def test_the_time_left_never_rises_and_goes_on_in_a_long_phase(monkeypatch):
    now = Clock()
    monkeypatch.setattr(progress_stream.time, "monotonic", now)
    watch = progress_stream._Watch(StopFlags().new("a"))

    def tell(seconds, left, after):
        now.now = seconds
        watch(TimedProgress("mean", 1, 10, None, left, after))
        return watch.take().seconds_left

    assert [tell(1, 9.0, 4.0), tell(2, 12.0, 4.0), tell(3, 6.0, 4.0)] == [9.0, 9.0, 6.0]
    assert watch.take() is None  # Nothing new within a second.
    now.now = 4.5
    assert watch.take().seconds_left == pytest.approx(4.5)
    now.now = 9.0  # Longer than the phase was to take: what comes after it is still to come.
    assert watch.take().seconds_left == 4.0
    assert tell(9.5, 5.0, 4.0) == 4.0
    now.now = 10.0
    watch(Progress("save", 1, 1))
    assert watch.take().seconds_left is None


@pytest.fixture(scope="module")
def engine(demo_settings):
    made = Engine(demo_settings)
    yield made
    made.close()


@pytest.fixture(scope="module")
def transparent(tmp_path_factory):
    path = tmp_path_factory.mktemp("alpha") / "ring.png"
    y, x = torch.meshgrid(torch.arange(24), torch.arange(20), indexing="ij")
    ring = (((y - 12) ** 2 + (x - 10) ** 2) < 64).byte() * 255
    shades = torch.stack((x * 9, y * 8, x + y, ring), -1).byte()
    Image.fromarray(shades.numpy(), "RGBA").save(path)
    return path


def heard_of(work):
    """Stages in the order in which they were named, and all events."""
    events = []
    work(events.append)
    return [name for name, _ in groupby(event.stage for event in events)], events


WORKED = ["damage", "depth", "kernel", "mean"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scale": 4, "steps": 0}, [*WORKED, "consistency", "finish"]),
        ({"scale": 4, "steps": 3}, [*WORKED, "flow", "consistency", "finish"]),
        ({"scale": 2, "steps": 0}, [*WORKED, "consistency", "finish"]),
        ({"scale": 1, "steps": 1}, [*WORKED, "flow", "consistency", "finish"]),
        ({"scale": 4, "steps": 1, "detail": 0.0}, [*WORKED, "consistency", "finish"]),
    ],
)  # fmt: skip
def test_what_is_done_is_named_once_and_no_bar_falls(engine, demo_picture, changes, expected):
    job = RestoreJob(demo_picture(24, 28, "phases.png"), **changes)
    named, events = heard_of(lambda callback: engine.restore(job, callback))
    assert named == ["load", *expected, "save"]
    shares = [event.done / event.total for event in events]
    assert shares == sorted(shares)
    timed = [event for event in events if isinstance(event, TimedProgress)]
    assert all(event.seconds_left > 0 for event in timed)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_transparent_picture_has_one_bar(engine, transparent, scale):
    job = RestoreJob(transparent, scale=scale, steps=0)
    named, events = heard_of(lambda callback: engine.restore(job, callback))
    assert named[-4:] == ["consistency", "finish", "alpha", "save"]
    shares = [event.done / event.total for event in events]
    assert shares == sorted(shares)
    of_alpha = [event.done / event.total for event in events if event.stage == "alpha"]
    assert of_alpha[0] < 0.85
    assert of_alpha[-1] == 1


def test_a_merge_names_the_merging_before_it_ends(engine, demo_picture, transparent):
    prior = demo_picture(96, 80, "other.png")
    named, events = heard_of(lambda callback: merge(engine, MergeJob(transparent, prior), callback))
    assert named == [
        "load", "damage", "depth", "kernel", "sharpening", "mean", "consistency", "finish",
        "merge", "alpha", "save",
    ]  # fmt: skip
    shares = [event.done / event.total for event in events]
    assert shares == sorted(shares)


def test_a_measurement_and_a_fusion_name_what_they_do(engine, demo_picture):
    picture = demo_picture(24, 28, "phases.png")
    named, _ = heard_of(lambda callback: engine.estimate(picture, 4, callback))
    assert named == ["load", "damage", "depth", "kernel", "sharpening", "save"]
    job = RestoreJob(picture, scale=2, steps=0, guide=demo_picture(24, 28, "g.png", 1.0))
    named, _ = heard_of(lambda callback: engine.restore(job, callback))
    first = ["load", "damage", "depth", "kernel", "second", "mean", "fusion"]
    assert named == [*first, "consistency", "finish", "save"]


def test_a_batch_counts_the_pictures_that_wait(engine, demo_picture):
    paths = [demo_picture(20 + i, 24, f"waits{i}.png") for i in range(3)]
    flag = StopFlags().new("batch")
    uploads = [(path.name, path) for path in paths]
    job = RestoreJob(paths[0], scale=2, steps=0)
    of_first, of_last = [], []

    def work(callback):
        def told(event):
            if isinstance(event, TimedProgress):
                (of_first if event.stage.startswith("1 of") else of_last).append(event.seconds_left)
            callback(event)

        return restore_batch(engine, uploads, job, told)

    *_, end = watch_run(work, flag)
    assert isinstance(end, Finished)
    assert of_first[0] > 2 + of_last[-1]  # Each waiting picture is saved, too.
