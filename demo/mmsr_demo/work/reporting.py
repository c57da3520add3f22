"""What the terminal says of an error that nobody foresaw: one line, or where it came from."""

from __future__ import annotations

import logging

_log = logging.getLogger("mmsr_demo")


def show_origins(wanted: bool) -> None:
    """Whether an unexpected error is reported with its traceback."""
    _log.setLevel(logging.DEBUG if wanted else logging.NOTSET)


def report_unexpected(where: str, error: BaseException) -> None:
    """Reports an error in one plain line; with its traceback if `show_origins` says so.

    Args:
        where: what was being done, such as "in a batch".
        error: the error.
    """
    wanted = _log.level == logging.DEBUG
    text = " ".join(str(error).split())
    hint = "" if wanted else " (--debug shows where)"
    _log.error(
        "mmsr: unexpected %s %s: %s%s", type(error).__name__, where, text, hint,
        exc_info=error if wanted else None,
    )  # fmt: skip
