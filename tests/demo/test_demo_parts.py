"""Sizes, files, archives and the watched run: what the demo stands on, without a server."""

import io
import os
import stat
import threading
import time
import zipfile
from types import SimpleNamespace

import pytest
import torch

from mmsr_core.errors import InputError
from mmsr_core.image import TargetSize
from mmsr_core.types import PRESETS as OF_THE_LIBRARY
from mmsr_core.types import Progress
from mmsr_demo.files.archive import BatchLimits, collect_batch
from mmsr_demo.files.workspace import Workspace, remove_older, safe_stem
from mmsr_demo.settings import DEFAULT_PRESET, PRESETS, SCALES, SYMPTOMS, DemoSettings, parse_scale
from mmsr_demo.work.jobs import CompareJob, RestoreJob
from mmsr_demo.work.progress_stream import (
    Finished,
    ProgressUpdate,
    StopFlags,
    Stopped,
    watch_run,
)
from mmsr_demo.work.result_cache import ResultCache, job_key
from mmsr_demo.work.sizes import plan_size, suitable_pixels

LIMITS = BatchLimits(files=5, total_bytes=1 << 20, file_bytes=1 << 19)


# -- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (120, 160), (700, 500), (3000, 4000), (9000, 40)])
def test_auto_stays_within_its_budget(size):
    plan = plan_size(size, None, 4_000_000, 64_000_000)
    height, width = plan.result
    assert height * width <= 4_000_000
    assert plan.scale in (2, 4)
    assert plan.is_reduced == (4 * size[0] * size[1] > 4_000_000)
    assert plan.given == size
    if min(size) > 100:
        assert plan.work[0] / plan.work[1] == pytest.approx(size[0] / size[1], rel=0.02)


def test_auto_prefers_the_trained_scale():
    assert plan_size((120, 160), None, 4_000_000, 10**8).scale == 4
    assert plan_size((900, 900), None, 4_000_000, 10**8).scale == 2


def test_auto_aims_higher_with_a_gpu():
    assert suitable_pixels("cpu") < suitable_pixels("mps") == suitable_pixels("cuda")


def test_a_reduced_picture_is_said_to_be_reduced():
    said = plan_size((3000, 4000), None, 4_000_000, 10**8).words("about 20 s")
    assert said.startswith("4000×3000 → ")
    assert "reduced to" in said
    assert "about 20 s" in said
    assert "reduced" not in plan_size((30, 40), None, 4_000_000, 10**8).words("about 20 s")


def test_a_chosen_scale_keeps_every_pixel_or_is_refused():
    assert plan_size((3000, 4000), 1, 4_000_000, 64_000_000).work == (3000, 4000)
    with pytest.raises(InputError, match="smaller scale"):
        plan_size((3000, 4000), 4, 4_000_000, 64_000_000)


def test_scales_are_read():
    assert [parse_scale(t) for t in ("Auto", "auto", "×4", "x2", "16")] == [None, None, 4, 2, 16]
    for text in ("", "0", "17", "-1", "4.5", "four", "²"):
        with pytest.raises(InputError):
            parse_scale(text)


def test_settings_are_closed_by_default():
    assert DemoSettings().is_local
    assert not DemoSettings(host="0.0.0.0").is_local


@pytest.mark.parametrize(
    ("text", "scale", "result"),
    [("4K", 10, (2880, 3840)), ("w300", 1, (225, 300)), ("1.5x", 2, (450, 600)),
     ("0.5MP", 3, (612, 816))],
)  # fmt: skip
def test_a_wanted_size(text, scale, result):
    plan = plan_size((300, 400), None, 10**6, 10**8, TargetSize.parse(text))
    assert (plan.scale, plan.result, plan.is_reduced) == (scale, result, False)
    with pytest.raises(InputError, match="Ask for less"):
        plan_size((300, 400), None, 10**6, 1000, TargetSize.parse(text))


def test_presets_are_those_of_the_library(tmp_path):
    assert list(PRESETS) == ["Faithful", "Balanced", "Crisp"]
    assert list(PRESETS.values()) == list(OF_THE_LIBRARY.values())
    for job, name in ((RestoreJob(tmp_path), DEFAULT_PRESET), (CompareJob(tmp_path), "Faithful")):
        assert (job.steps, job.detail) == (PRESETS[name].steps, PRESETS[name].detail)


def test_every_symptom_sets_what_the_page_offers():
    sets = {name: symptom.controls for name, symptom in SYMPTOMS.items()}
    assert len({symptom.why for symptom in SYMPTOMS.values()}) == len(sets)  # Each has a reason.
    # What is drawn makes heavy compression worse, and draws a face's noise anew.
    assert not [name for name, values in sets.items() if values["preset"] == "Crisp"]
    for name, values in sets.items():
        assert values["preset"] in PRESETS, name
        assert values["scale"] in SCALES, name
        assert (values["steps"], values["detail"]) == (
            PRESETS[values["preset"]].steps, PRESETS[values["preset"]].detail,
        )  # fmt: skip
        assert 0 <= values["denoise"] <= 1
        assert SYMPTOMS[name].words.endswith(".")
    usual = sets["Not sure"]
    assert (usual["preset"], usual["scale"], usual["denoise"]) == (DEFAULT_PRESET, "Auto", 1)


# -- files ----------------------------------------------------------------------------------------


@pytest.fixture
def workspace():
    made = Workspace()
    yield made
    made.close()


def test_only_files_of_the_workspace_are_read(workspace, tmp_path):
    inside = workspace.new_folder() / "a.png"
    inside.write_bytes(b"x")
    assert workspace.uploaded(inside) == inside
    outside = tmp_path / "secret.png"
    outside.write_bytes(b"x")
    climbing = workspace.root / ".." / os.path.relpath(outside, workspace.root.parent)
    bad = [outside, climbing, workspace.root, workspace.root / "missing.png", "", "a\0b"]
    link = workspace.root / "link.png"
    try:
        link.symlink_to(outside)
        bad.append(link)
    except OSError:  # Not permitted on this system.
        pass
    for path in bad:
        with pytest.raises(InputError, match="uploaded"):
            workspace.uploaded(path)


def test_the_workspace_is_private_and_goes_away(workspace):
    if os.name == "posix":
        assert stat.S_IMODE(workspace.root.stat().st_mode) == 0o700
    workspace.new_folder()
    workspace.close()
    assert not workspace.root.exists()


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("photo.JPG", "photo"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win"),
        ("..", "picture"),
        ("", "picture"),
        (None, "picture"),
        ("a<b>|c?.png", "a_b_c_"[:-1]),
        ("Ünïcode 1.png", "Ünïcode 1"),
        ("x" * 300 + ".png", "x" * 60),
    ],
)
def test_names_become_harmless(name, stem):
    assert safe_stem(name) == stem


def test_old_files_are_removed(tmp_path):
    (tmp_path / "sub").mkdir()
    old, new = tmp_path / "sub" / "old", tmp_path / "new"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    os.utime(tmp_path / "sub", (1, 1))
    assert remove_older(tmp_path, 60, time.time()) == 1
    assert new.exists()
    assert not old.exists()


# -- archives -------------------------------------------------------------------------------------


def archive(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as made:
        for member, content in members:
            made.writestr(member, content)
    return ("batch.zip", path)


def collect(tmp_path, *members, limits=LIMITS, **options):
    folder = tmp_path / "out"
    folder.mkdir()
    upload = archive(tmp_path / "batch.zip", members, **options)
    return folder, collect_batch([upload], folder, limits)


@pytest.mark.parametrize(
    "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"]
)
def test_members_that_point_outside_are_refused(tmp_path, name):
    folder, items = collect(tmp_path, (name, b"data"), ("good.png", b"data"))
    assert [item.path is None for item in items] == [True, False]
    assert "outside" in items[0].error
    assert all(p.parent == folder for p in tmp_path.rglob("*.png"))
    assert items[1].path.read_bytes() == b"data"


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    _, items = collect(tmp_path, (link, b"/etc/passwd"))
    assert items[0].path is None
    assert "link" in items[0].error


def test_other_files_are_named_and_rubbish_is_skipped(tmp_path):
    _, items = collect(
        tmp_path,
        ("__MACOSX/._a.png", b""),
        ("run.exe", b"MZ"),
        ("inner.zip", b"PK"),
        ("a.png", b""),
    )
    assert [item.name for item in items] == ["run.exe", "inner.zip", "a.png"]
    assert [bool(item.error) for item in items] == [True, True, False]


def test_bombs_are_refused_before_anything_is_unpacked(tmp_path):
    for index, (size, match) in enumerate([(4 << 20, "MB"), (1 << 20, "times its size")]):
        folder = tmp_path / str(index)
        folder.mkdir()
        limits = LIMITS if index == 0 else BatchLimits(5, 8 << 20, 8 << 20)
        data = bytes(size + 1) if index else bytes(size)
        with pytest.raises(InputError, match=match):
            collect(folder, ("bomb.png", data), limits=limits)
        assert not list((folder / "out").iterdir())


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    path = tmp_path / "batch.zip"
    archive(path, [("lie.png", os.urandom(5000)), ("good.png", b"ok")], zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    real, lie = (5000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    at = raw.rfind(b"PK\x01\x02", 0, raw.rfind(b"PK\x01\x02"))  # The first central entry.
    assert raw[at + 24 : at + 28] == real
    raw[at + 24 : at + 28] = lie
    path.write_bytes(raw)
    folder = tmp_path / "out"
    folder.mkdir()
    items = collect_batch([("batch.zip", path)], folder, LIMITS)
    assert items[0].path is None or items[0].path.stat().st_size <= 100
    assert items[1].path.read_bytes() == b"ok"


def test_limits_of_a_batch(tmp_path):
    with pytest.raises(InputError, match="at most 5"):
        collect(tmp_path, *((f"{i}.png", b"x") for i in range(6)))
    (tmp_path / "two").mkdir()
    _, items = collect(tmp_path / "two", ("big.png", os.urandom((1 << 19) + 1)))
    assert "larger than" in items[0].error
    with pytest.raises(InputError, match="no picture"):
        collect_batch([], tmp_path, LIMITS)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"not a zip")
    with pytest.raises(InputError, match="ZIP"):
        collect_batch([("broken.zip", broken)], tmp_path, LIMITS)


def test_a_cut_archive_is_one_clear_error(tmp_path):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as made:
        made.writestr("a.png", os.urandom(2000))
    data = bytearray(whole.getvalue())
    data[40:200] = bytes(160)  # Inside the member's data: its sum is wrong.
    path = tmp_path / "cut.zip"
    path.write_bytes(data)
    folder = tmp_path / "out"
    folder.mkdir()
    items = collect_batch([("cut.zip", path)], folder, LIMITS)
    assert items[0].path is None
    assert "damaged" in items[0].error


# -- the watched run ------------------------------------------------------------------------------


def test_progress_and_result_arrive_in_order():
    def work(callback):
        for done in range(5):
            callback(Progress("flow", done, 5, lambda: torch.zeros(3, 4, 4)))
            time.sleep(0.05)
        return "result"

    items = list(watch_run(work, threading.Event()))
    assert items[-1] == Finished("result")
    moments = items[:-1]
    assert moments
    assert all(isinstance(m, ProgressUpdate) for m in moments)
    shares = [m.share for m in moments]
    assert shares == sorted(shares)
    assert any(m.preview is not None for m in moments)


def test_a_flag_ends_the_run_at_its_next_report():
    flag, reports = threading.Event(), []

    def work(callback):
        for done in range(10_000):
            callback(Progress("flow", done, 10_000))
            reports.append(done)
            time.sleep(0.005)

    watched = watch_run(work, flag)
    next(watched)
    flag.set()
    with pytest.raises(Stopped):
        list(watched)
    count = len(reports)
    time.sleep(0.05)
    assert len(reports) == count < 10_000


def test_a_flag_that_comes_after_the_last_report_still_counts():
    flag, last = threading.Event(), threading.Event()

    def work(callback):
        callback(Progress("save", 1, 1))
        assert last.wait(60)
        return "result"

    watched = watch_run(work, flag)
    next(watched)
    flag.set()
    last.set()
    with pytest.raises(Stopped):
        list(watched)


def test_closing_the_iterator_ends_the_run():
    ended = threading.Event()

    def work(callback):
        try:
            while True:
                callback(Progress("flow", 0, 1))
                time.sleep(0.005)
        finally:
            ended.set()

    watched = watch_run(work, threading.Event())
    next(watched)
    watched.close()
    assert ended.wait(5)


def test_errors_of_the_run_come_through():
    def work(callback):
        raise InputError("no good")

    with pytest.raises(InputError, match="no good"):
        list(watch_run(work, threading.Event()))


def test_stop_reaches_all_runs_of_a_session_and_no_other():
    flags = StopFlags()
    mine, also_mine, other = flags.new("a"), flags.new("a"), flags.new("b")
    assert flags.stop("a") == 2
    assert mine.is_set()
    assert also_mine.is_set()
    assert not other.is_set()
    assert flags.stop("nobody") == 0
    for _ in range(50):
        flags.new("gone")  # Nobody holds these: they must not pile up.
    assert len(flags._flags) <= 2


# -- kept results ---------------------------------------------------------------------------------


def result(workspace, name, keep=False):
    folder = workspace.new_folder(keep=keep)
    for file in ("after.png", "before.jpg"):
        (folder / file).write_bytes(b"x")
    return SimpleNamespace(name=name, after=folder / "after.png", before=folder / "before.jpg")


def test_what_is_known_makes_another_job(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"x")
    others = (
        {}, {"noise_255": 3.0}, {"jpeg_quality": 60.0}, {"blur_px": 2.0}, {"denoise": 0.0},
        {"sharpening": 0.0}, {"sharpening": 0.2},
    )  # fmt: skip
    keys = {job_key(RestoreJob(picture, **known)) for known in others}
    assert len(keys) == len(others)


def test_examples_stay_while_other_results_come_and_go(workspace):
    kept = ResultCache(3)
    example = result(workspace, "example", keep=True)
    kept.put("example", example, keep=True)
    for number in range(10):
        kept.put(str(number), result(workspace, number))
    assert [name for name in ("example", "6", "7", "8", "9") if kept.get(name)] == [
        "example", "7", "8", "9",
    ]  # fmt: skip
    for path in workspace.root.rglob("*"):
        os.utime(path, (1, 1))
    workspace.discard(example.after.parent)
    workspace.sweep_every(0.01, 60)
    deadline = time.monotonic() + 20
    while kept.get("9") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not kept.get("9")
    assert kept.get("example") is example


def test_a_result_is_discarded_with_its_folder(workspace):
    made = result(workspace, "one")
    workspace.discard(made.after.parent)
    assert not made.after.parent.exists()
    workspace.discard(workspace.root)  # Not the folder of a result.
    assert workspace.root.is_dir()
