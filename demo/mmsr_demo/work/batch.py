"""Batch: many pictures in, one ZIP out; a picture that fails does not end it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmsr_core.errors import InputError, MMSRError
from mmsr_core.image.transparency import WHITE, parse_colour
from mmsr_core.types import Progress, ProgressCallback

from ..files.archive import BatchItem, BatchLimits, collect_batch
from ..files.workspace import safe_stem
from .jobs import BatchLine, BatchResult, Restoration, RestoreJob
from .progress_stream import Stopped
from .reporting import report_unexpected
from .run_time import TimedProgress, restoring
from .saving import PLAIN_KIND, check_kind, converted, converted_notes

if TYPE_CHECKING:
    from .engine import Engine


def batch_limits(engine: Engine) -> BatchLimits:
    """The limits that the starter chose."""
    chosen = engine.settings
    return BatchLimits(
        chosen.max_batch_files, chosen.max_batch_mb << 20, chosen.max_upload_mb << 20
    )


def restore_batch(
    engine: Engine,
    uploads: Sequence[tuple[str, Path]],
    settings: RestoreJob,
    progress: ProgressCallback,
    on_line: Callable[[BatchLine], None] = lambda line: None,
    kind: str = PLAIN_KIND,
    background: str | None = None,
) -> BatchResult:
    """Restores every picture of a batch into one ZIP, with a report for each.

    Args:
        engine: runs the pictures one by one.
        uploads: name and place of every uploaded file; ZIP archives are unpacked.
        settings: what to do with each; its `picture` and `name` are not used.
        progress: called with the share of the whole batch.
        on_line: called when a picture is done.
        kind: of the results, one of `KINDS`; see `converted`.
        background: see `converted`.

    Raises:
        InputError: The batch as a whole cannot be used, no picture in it can, or there is no such
            kind or colour.
    """
    check_kind(kind)
    parse_colour(background or WHITE)
    files = ResultFiles(kind, background)
    with engine.workspace.result_folder() as folder:
        unpacked = folder / "in"
        unpacked.mkdir()
        items = collect_batch(uploads, unpacked, batch_limits(engine))
        target = folder / "restored.zip"
        lines = _restore_all(engine, items, settings, files, target, progress, on_line)
        if not any(line.result for line in lines):
            reasons = "; ".join(f"{line.name}: {line.message}" for line in lines[:3])
            raise InputError(f"None of the {len(lines)} files could be restored. {reasons}")
        shutil.rmtree(unpacked, ignore_errors=True)
    return BatchResult(target, tuple(lines))


@dataclass(frozen=True)
class ResultFiles:
    """What kind of file every result becomes; see `converted`."""

    kind: str
    background: str | None

    def of(self, made: Restoration) -> Path:
        """The file of one result."""
        return converted(made, self.kind, self.background)

    def notes(self, made: Restoration) -> list[str]:
        """What is to be known of that file."""
        return converted_notes(made, self.kind, self.background)


def _restore_all(
    engine: Engine,
    items: Sequence[BatchItem],
    settings: RestoreJob,
    files: ResultFiles,
    target: Path,
    progress: ProgressCallback,
    on_line: Callable[[BatchLine], None],
) -> list[BatchLine]:
    lines: list[BatchLine] = []
    reports: dict[str, object] = {}
    taken: set[str] = set()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # Files are packed already.
        for index, item in enumerate(items):
            waiting = sum(_seconds_for(engine, other, settings) for other in items[index + 1 :])

            def callback(event: Progress, done: int = index, after: float = waiting) -> None:
                share = done + event.done / max(1, event.total)
                stage = f"{done + 1} of {len(items)}: {event.stage}"
                whole = replace(
                    event, stage=stage, done=round(1000 * share), total=1000 * len(items)
                )
                progress(whole.before(after) if isinstance(whole, TimedProgress) else whole)

            line, made = _restore_one(engine, item, settings, files, taken, callback)
            if made is not None:
                try:
                    archive.write(files.of(made), line.result)
                finally:
                    engine.workspace.discard(made.own_folder)  # A batch may be large.
                reports[line.result] = made.report
            lines.append(line)
            on_line(line)
        failed = {line.name: line.message for line in lines if not line.result}
        archive.writestr(
            "report.json", json.dumps({"restored": reports, "failed": failed}, indent=2)
        )
    return lines


def _seconds_for(engine: Engine, item: BatchItem, settings: RestoreJob) -> float:
    """About how long one picture takes; none where it cannot be restored."""
    try:
        if item.path is None:
            return 0.0
        plan = engine.plan(engine.size_of(item.path), settings.scale, settings.size)
        return engine.seconds_for(restoring(plan, settings.steps if settings.detail else 0))
    except MMSRError:
        return 0.0


def _restore_one(
    engine: Engine,
    item: BatchItem,
    settings: RestoreJob,
    files: ResultFiles,
    taken: set[str],
    callback: ProgressCallback,
) -> tuple[BatchLine, Restoration | None]:
    if item.path is None:
        return BatchLine(item.name, "", item.error), None
    job = replace(settings, picture=item.path, name=item.name)
    try:
        made = engine.restore(job, callback)
        try:
            suffix = files.of(made).suffix
        except BaseException:
            engine.workspace.discard(made.own_folder)
            raise
    except Stopped:
        raise
    except MMSRError as error:
        return BatchLine(item.name, "", str(error)), None
    except Exception as error:  # noqa: BLE001 - one picture must not end the batch.
        report_unexpected("in a batch", error)
        return BatchLine(item.name, "", "unexpected error, see the terminal"), None
    stem, number = safe_stem(item.name), 1
    name = f"{stem}_restored{suffix}"
    while name.lower() in taken:
        number += 1
        name = f"{stem}_{number}_restored{suffix}"
    taken.add(name.lower())
    height, width = made.plan.result
    notes = (*made.inspection.notes, *files.notes(made))
    said = ". ".join([f"{width}×{height}", *(n.rstrip(".") for n in notes)])
    return BatchLine(item.name, name, said), made
