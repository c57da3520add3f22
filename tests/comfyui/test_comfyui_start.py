"""What the pack adds to ComfyUI's start, by the host's own log."""

import re

import pytest
from comfy_server import PACK_NAME, ComfyServer, copy_pack

pytestmark = pytest.mark.comfy

LIMIT_SECONDS = 0.3
STARTS = 3


def import_seconds(log: str) -> float:
    """The host's line for the pack, such as `   0.2 seconds: /.../custom_nodes/NAME`."""
    found = re.findall(rf"([\d.]+) seconds(.*): \S*{re.escape(PACK_NAME)}", log)
    assert len(found) == 1, log[-3000:]
    seconds, message = found[0]
    assert message == "", f"the import failed: {message}"
    return float(seconds)


def cpu_share(server: ComfyServer) -> float:
    """How much of one core the host got while it started, at most 1; 1 where nobody says."""
    if server.start_cpu_seconds is None:
        return 1.0
    return min(1.0, server.start_cpu_seconds / server.start_seconds)


def test_the_import_takes_less_than_the_limit(comfy_path, tmp_path_factory, record_property):
    """The least of a few starts: other work on the machine adds to it, nothing takes away.

    On a machine that is busy all the time, the host's seconds are weighed with the share of a core
    that it got.
    """
    base = tmp_path_factory.mktemp("start")
    copy_pack(base)
    measured, weighed = [], []
    while len(measured) < STARTS and min(measured, default=1.0) >= LIMIT_SECONDS:
        with ComfyServer(comfy_path, base) as server:
            measured.append(import_seconds(server.log))
            weighed.append(round(measured[-1] * cpu_share(server), 2))
            if weighed[-1] < LIMIT_SECONDS:
                break
    assert list((base / "input").iterdir()) == [], "pictures come with a template, not at start"
    text = f"import of the pack: {measured} s by the host's log, {weighed} s of CPU time"
    record_property("seconds_to_import_the_pack", text)
    print(text)  # noqa: T201
    assert min(measured + weighed) < LIMIT_SECONDS, text
