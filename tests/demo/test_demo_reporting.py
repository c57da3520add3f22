"""An error that nobody foresaw: one plain line in the terminal, or its traceback with --debug."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')

from gradio_client import handle_file
from gradio_client.exceptions import AppError

from mmsr_demo.work.reporting import report_unexpected, show_origins
from tests.demo.browsing import DESK, upload

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def debug():
    yield show_origins
    show_origins(False)


def failed():
    try:
        raise KeyError("a\nb")
    except KeyError as error:
        return error


def test_one_line_or_the_traceback(debug, caplog):
    report_unexpected("on the page", failed())
    said = caplog.records[-1]
    assert said.getMessage() == (
        "mmsr: unexpected KeyError on the page: 'a\\nb' (--debug shows where)"
    )
    assert said.exc_info is None
    debug(True)
    report_unexpected("on the page", failed())
    assert caplog.records[-1].exc_info[0] is KeyError
    assert "--debug" not in caplog.records[-1].getMessage()


@pytest.mark.parametrize("wanted", [False, True], ids=["plain", "debug"])
def test_a_run_that_fails_says_so_once(
    client, demo_server, demo_picture, monkeypatch, debug, caplog, capfd, wanted
):
    def fail(*given, **options):
        raise ZeroDivisionError("by nought")

    debug(wanted)
    monkeypatch.setattr(demo_server[1], "_run", fail)
    picture = handle_file(str(demo_picture(20, 24, "failing.png")))
    with pytest.raises(AppError, match="unexpected"):
        client.predict(picture, scale="3", api_name="/restore")
    with pytest.raises(AppError, match="None of the 1 files"):
        client.predict([picture], scale="3", api_name="/batch")
    said = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert [r.getMessage().split(": ")[1] for r in said] == [
        "unexpected ZeroDivisionError on the page", "unexpected ZeroDivisionError in a batch",
    ]  # fmt: skip
    assert all(bool(r.exc_info) == wanted for r in said)
    assert "Traceback" not in capfd.readouterr().err


def test_a_result_that_was_swept_is_said_without_a_trace(
    open_page, demo_server, demo_picture, capfd
):
    page = open_page(DESK)
    upload(page, demo_picture(20, 24, "swept.png"))
    page.click("#restore-start")
    page.wait_for_selector("#restore-download")
    page.wait_for_selector("#restore-history button")
    for path in demo_server[1].workspace.root.glob("results/*/swept_restored.png"):
        path.unlink()
    capfd.readouterr()
    page.click("#restore-format input")
    page.get_by_role("option", name="JPEG").click()
    page.get_by_text("The file of this result was cleared.").wait_for()
    page.locator("#restore-history button").first.click()
    page.get_by_text("The files of this result were cleared.").wait_for()
    page.click("#restore-again")
    page.wait_for_timeout(500)
    assert "Traceback" not in capfd.readouterr().err
    assert page.faults == []
