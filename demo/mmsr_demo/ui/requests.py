"""Between gradio and the demo: uploads are taken unread, and errors become helpful messages."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import gradio as gr

from mmsr_core.errors import InputError, MMSRError, OutOfMemoryError

from ..files.workspace import Workspace
from ..work.progress_stream import Stopped
from ..work.reporting import report_unexpected

Result = TypeVar("Result")


class Upload(NamedTuple):
    """An uploaded file."""

    name: str
    """As the user knows it."""
    path: str


def take_unread(component: Any) -> Any:
    """Makes an image or file input hand over what was uploaded as `Upload`, without opening it.

    gradio's own image input decodes at once: before any limit, losing 16 bits, and answering with
    a Python error what is no picture. Links are refused: the server fetches nothing.

    The component must only ever be given values, never new properties: gradio would make a new
    one. (`as_upload` understands what that would hand over, too.)
    """

    def preprocess(payload: Any) -> Upload | list[Upload] | None:
        if payload is None:
            return None
        files = payload.root if hasattr(payload, "root") else payload
        if isinstance(files, (list, tuple)):
            return [_upload(file) for file in files]
        return _upload(files)

    move = component.async_move_resource_to_block_cache

    async def move_file(url_or_file_path: Any) -> str | None:
        if "://" in str(url_or_file_path or ""):
            raise _error("Links are not fetched. Save the picture and upload the file.")
        return await move(url_or_file_path)

    described = component.api_info() | {"additional_description": "A file; no links."}
    component.preprocess = preprocess
    component.async_move_resource_to_block_cache = move_file
    component.api_info = lambda: described
    return component


def take_number(component: Any) -> Any:
    """Makes a slider or number field say what it expects; left empty, it means its default.

    Without a default it is None then.
    """
    plain, name, default = component.preprocess, str(component.label), component.value
    low, high = component.minimum, component.maximum

    def preprocess(payload: Any) -> float | int | None:
        value = default if payload is None else payload
        if value is None:
            return None
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not fits or not math.isfinite(value) or value < low or (high and value > high):
            wanted = f"from {low:g} to {high:g}" if high else f"{low:g} or more"
            raise _error(f"{name} must be a number, {wanted}.")
        return plain(value)

    component.preprocess = preprocess
    return component


def _upload(file: Any) -> Upload:
    if not getattr(file, "path", None) or str(getattr(file, "url", "") or "").startswith("data:"):
        raise _error("Upload the picture as a file.")
    return Upload(str(file.orig_name or Path(file.path).name), str(file.path))


def as_upload(value: Any, workspace: Workspace) -> Upload | None:
    """What an input handed over, checked to lie in the workspace.

    Raises:
        InputError: It lies elsewhere.
    """
    if value is None or value == "":
        return None
    upload = value if isinstance(value, Upload) else Upload(Path(str(value)).name, str(value))
    return Upload(upload.name, str(workspace.uploaded(upload.path)))


def as_path(value: Any, workspace: Workspace) -> Path | None:
    """The path alone of `as_upload`."""
    upload = as_upload(value, workspace)
    return None if upload is None else Path(upload.path)


def as_paths(values: Any, workspace: Workspace) -> tuple[Path, ...]:
    """`as_path` of several files, or of none."""
    given = values if isinstance(values, list) else [values]
    return tuple(path for value in given if (path := as_path(value, workspace)) is not None)


def needed(value: Any, workspace: Workspace, what: str = "a picture") -> Upload:
    """As `as_upload`, but something must be there.

    Raises:
        InputError: Nothing is there.
    """
    upload = as_upload(value, workspace)
    if upload is None:
        raise InputError(f"Choose {what} first: drop it on the page, paste it or take it.")
    return upload


def explain(error: BaseException) -> str:
    """An error in words for people, without paths or code."""
    if isinstance(error, OutOfMemoryError):
        return f"{error} Close other programs, or choose a smaller scale."
    if isinstance(error, (MMSRError, gr.Error)):
        return str(error)
    if isinstance(error, MemoryError):
        return "This computer ran out of memory. Choose a smaller scale or a smaller picture."
    report_unexpected("on the page", error)
    return "Something unexpected went wrong. The terminal in which the demo runs shows what."


def _error(message: str) -> gr.Error:
    return gr.Error(
        html.escape(message, quote=False),
        duration=12,
        title="That did not work",
        print_exception=False,
    )


@contextmanager
def clear_errors() -> Iterator[None]:
    """Whatever goes wrong inside reaches the page as one clear message, never as a trace."""
    try:
        yield
    except gr.Error:
        raise
    except Stopped:
        raise _error("Stopped.") from None
    except Exception as error:  # noqa: BLE001 - the last stop before the user.
        raise _error(explain(error)) from None


def worded(fn: Callable[..., Result]) -> Callable[..., Result]:
    """A handler of which whatever goes wrong reaches the page as one clear message."""

    @wraps(fn)
    def run(*values: Any, **named: Any) -> Result:
        with clear_errors():
            return fn(*values, **named)

    return run
