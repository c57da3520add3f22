"""What is stopped, or fails while it is being saved, leaves no file behind."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

import mmsr_core.image
import mmsr_demo.work.inspection
from mmsr_core.errors import InputError
from mmsr_core.types import Progress
from mmsr_demo.files.workspace import Workspace
from mmsr_demo.work.batch import restore_batch
from mmsr_demo.work.compare import compare
from mmsr_demo.work.engine import Engine
from mmsr_demo.work.jobs import CompareJob, MergeJob, RestoreJob
from mmsr_demo.work.merging import merge
from mmsr_demo.work.progress_stream import Finished, Stopped, watch_run
from mmsr_demo.work.result_cache import job_key


@pytest.fixture(scope="module")
def engine(demo_settings):
    made = Engine(demo_settings)
    yield made
    made.close()


@pytest.fixture
def folders(engine):
    """The folders of results now; none were there before."""

    def now():
        root = engine.workspace.root
        return [*root.glob("results/*"), *root.glob("kept/*")]

    engine.results.clear()
    engine.merges.clear()
    for folder in now():
        for path in folder.rglob("*"):
            path.unlink()
        folder.rmdir()
    return now


@pytest.fixture
def work(engine, demo_picture):
    """Every kind of work that writes a result, by name; each takes a progress callback."""
    picture = demo_picture(16, 20, "stopped.png")
    job = RestoreJob(picture, scale=2, steps=0)
    fused = replace(job, guide=demo_picture(16, 20, "second.png", 1.0), guide_mode="fuse")
    uploads = [("stopped.png", picture), ("second.png", fused.guide)]
    compared = CompareJob(picture, scale=2, steps=0)
    merged = MergeJob(picture, demo_picture(32, 40, "prior.png"))
    return {
        "restore": lambda callback: engine.restore(job, callback),
        "keep": lambda callback: engine.restore(job, callback, keep=True),
        "part": lambda callback: engine.restore(replace(job, place=(0.5, 0.5)), callback),
        "fuse": lambda callback: engine.restore(fused, callback),
        "estimate": lambda callback: engine.estimate(picture, 2, callback),
        "merge": lambda callback: merge(engine, merged, callback),
        "compare": lambda callback: compare(engine, compared, callback),
        "batch": lambda callback: restore_batch(
            engine, uploads, RestoreJob(picture, scale=2), callback
        ),
    }


WORK = ("restore", "keep", "part", "fuse", "estimate", "merge", "compare", "batch")


def on_save(monkeypatch, then):
    """Pictures are saved, and then `then` is called."""
    save = mmsr_core.image.save_image

    def saving(*given, **options):
        save(*given, **options)
        then()

    for module in (mmsr_core.image, mmsr_demo.work.inspection):
        monkeypatch.setattr(module, "save_image", saving)


def silent(progress):
    del progress


@pytest.mark.parametrize("name", WORK)
def test_a_result_has_a_folder(work, folders, name):
    work[name](silent)
    assert len(folders()) == 1


@pytest.mark.parametrize("name", WORK)
def test_a_failure_in_the_saving_leaves_nothing(work, folders, monkeypatch, name):
    def full():
        raise OSError("no space left")

    on_save(monkeypatch, full)
    with pytest.raises(InputError if name == "batch" else OSError):
        work[name](silent)
    assert folders() == []


@pytest.mark.parametrize("name", WORK)
def test_stop_in_the_saving_leaves_nothing(work, folders, monkeypatch, name):
    flag = threading.Event()

    def callback(progress):
        if flag.is_set():
            raise Stopped

    on_save(monkeypatch, flag.set)
    with pytest.raises(Stopped):
        work[name](callback)
    assert folders() == []


@pytest.fixture
def session(engine):
    pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')
    from mmsr_demo.ui.session import PageSession

    return PageSession(engine)


@pytest.mark.parametrize("name", ["restore", "fuse", "estimate", "merge", "compare", "batch"])
def test_stop_after_the_last_report_leaves_nothing(session, work, folders, name):
    request = SimpleNamespace(session_hash="a")

    def late(callback):
        made = work[name](callback)
        assert made.own_folder in folders()
        session.stop(request)
        return made

    with pytest.raises(Stopped):
        list(session.show_run(late, request))
    assert folders() == []


@pytest.mark.parametrize("name", ["restore", "fuse", "estimate", "merge", "compare", "batch"])
def test_a_result_that_cannot_be_shown_leaves_nothing(session, work, folders, name):
    from mmsr_demo.ui.run_events import RunParts, Task, _answer

    parts = RunParts(*(f"part {i}" for i in range(4)))

    def show(made):
        assert made.own_folder in folders()
        raise OSError("no space left")

    updates = list(
        _answer(session, parts, Task(work[name]), SimpleNamespace(session_hash="a"), show)
    )
    assert "Stopped" not in str(updates[-1])
    assert folders() == []


@pytest.mark.parametrize("how", ["stopped", "cannot be presented", "left"])
@pytest.mark.parametrize("name", ["restore", "estimate", "merge", "batch"])
def test_a_call_of_the_api_that_is_not_answered_leaves_nothing(session, work, folders, name, how):
    from mmsr_demo.endpoints import _answering

    request = SimpleNamespace(session_hash="a")

    def late(callback):
        made = work[name](callback)
        if how == "stopped":
            session.stop(request)
        return made

    def present(made):
        if how == "cannot be presented":
            raise OSError("no space left")
        return (str(made.own_folder),)

    answer = _answering(session, late, present)(request=request, progress=lambda *a, **k: None)
    if how == "left":
        next(answer)
        assert len(folders()) == 1
        answer.close()
    else:
        with pytest.raises(Exception, match="Stopped" if how == "stopped" else None):
            list(answer)
    assert folders() == []


def test_an_answer_of_the_api_keeps_its_files(session, work, folders):
    from mmsr_demo.endpoints import _answering

    answer = _answering(
        session, lambda callback: work["restore"](callback), lambda made: (made.own_folder,)
    )
    ((folder,),) = list(answer(request=None, progress=lambda *a, **k: None))
    assert folders() == [folder]


def test_a_stopped_result_is_not_the_answer_to_the_same_job(session, demo_picture, folders):
    job = RestoreJob(demo_picture(16, 20, "again.png"), scale=2, steps=0)
    request = SimpleNamespace(session_hash="a")

    def late(callback):
        made = session.engine.restore(job, callback)
        session.stop(request)
        return made

    with pytest.raises(Stopped):
        list(session.show_run(late, request))
    assert session.engine.results.get(job_key(job)) is None
    made = session.engine.restore(job)
    with pytest.raises(Stopped):
        list(session.show_run(late, request))
    assert made.after.is_file()  # Of an earlier run: it stays.
    *_, end = session.show_run(lambda callback: session.engine.restore(job, callback), request)
    assert end.value.after == made.after
    assert len(folders()) == 1


def test_a_batch_leaves_an_earlier_result_where_it_is(engine, demo_picture):
    picture = demo_picture(16, 20, "shown.png")
    settings = RestoreJob(picture, scale=2, steps=0)
    shown = engine.restore(replace(settings, name="shown.png"))
    done = restore_batch(engine, [("shown.png", picture)], settings, silent)
    assert done.lines[0].result
    assert shown.after.is_file()


def test_a_result_that_nobody_waits_for_is_discarded():
    go_on, discarded = threading.Event(), []

    def work(callback):
        callback(Progress("save", 1, 1))
        assert go_on.wait(60)
        return "result"

    watched = watch_run(work, threading.Event(), discarded.append)
    next(watched)
    watched.close()  # The page was left.
    assert discarded == []
    go_on.set()
    deadline = time.monotonic() + 20
    while not discarded and time.monotonic() < deadline:
        time.sleep(0.01)
    assert discarded == ["result"]


def test_a_result_that_is_given_is_not_discarded():
    discarded = []
    items = list(watch_run(lambda callback: "result", threading.Event(), discarded.append))
    assert items == [Finished("result")]
    assert discarded == []


@pytest.mark.parametrize("keep", [False, True])
def test_a_result_folder_goes_with_whatever_interrupts_it(keep):
    workspace, made = Workspace(), []

    def write(interrupted):
        with workspace.result_folder(keep) as folder:
            made.append(folder)
            (folder / "a.png").write_bytes(b"x")
            if interrupted:
                raise KeyboardInterrupt

    try:
        write(False)
        with pytest.raises(KeyboardInterrupt):
            write(True)
        assert [folder.exists() for folder in made] == [True, False]
    finally:
        workspace.close()
