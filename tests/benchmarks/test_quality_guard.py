"""The shipped weights restore a small fixed set as well as when `guard.json` was recorded."""

from __future__ import annotations

import torch

from benchmarks.guard.measure import TOLERANCE, detail_error, losses, measure, read_record


def test_quality_is_not_lost():
    assert losses(measure(), read_record()) == []


def test_a_loss_is_noticed():
    record = read_record()
    assert losses(record, record) == []
    for case, row in record.items():
        for name in row:
            kind = name.split()[0]
            sign = 1 if kind == "detail" else -1
            worse = {c: dict(r) for c, r in record.items()}
            worse[case][name] += sign * 1.1 * TOLERANCE[kind]
            assert len(losses(worse, record)) == 1
            worse[case][name] = float("nan")
            assert len(losses(worse, record)) == 1


def test_record_is_of_the_shipped_weights():
    import json

    from benchmarks.guard.measure import RECORD
    from mmsr_core.weights import COMPONENTS, WEIGHTS_FILE, file_sha256, find_weights

    folder = find_weights("small")
    recorded = json.loads(RECORD.read_text())["model"]["sha256"]
    # The guard gives neither a prompt nor a guide, so what else is recorded does not matter.
    recorded = {part: recorded.get(part) for part in COMPONENTS}
    own = {part: file_sha256(folder / part / WEIGHTS_FILE) for part in COMPONENTS}
    assert recorded == own, "weights changed: python -m benchmarks.guard.record"


def test_detail_error_grows_both_ways():
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert detail_error(noise, noise) == 0
    assert detail_error(0.5 * noise, noise) > 0.6
    assert detail_error(2 * noise, noise) > 0.6
