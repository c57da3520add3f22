from __future__ import annotations

import json
import math

import pytest

from benchmarks.quality.measure import mean_figures
from benchmarks.quality.runner import Method, expand_methods
from benchmarks.report.environment import describe_environment, write_json
from benchmarks.report.table import format_figure, markdown_table, quality_table
from benchmarks.speed.run import median_and_iqr


def test_means_skip_what_is_missing():
    rows = [{"a": 1.0, "b": None}, {"a": 3.0, "b": None, "c": 5.0}]
    assert mean_figures(rows) == {"a": 2.0, "b": None, "c": 5.0}


def test_table_leaves_empty_columns_out():
    table = quality_table({"x": {"psnr_y": 27.12345, "lpips": None}, "long name": {"psnr_y": None}})
    lines = table.splitlines()
    assert "LPIPS" not in table
    assert "27.123" in lines[2]
    assert lines[3].split("|")[2].strip() == "–"
    assert len({len(line) for line in lines}) == 1


def test_figures():
    assert format_figure(1.23456, 2) == "1.23"
    assert format_figure(None, 2) == "–"
    assert format_figure(math.inf, 2) == "inf"
    assert markdown_table(["a"], []).count("\n") == 1


def test_median_and_iqr():
    assert median_and_iqr([5, 1, 3, 2, 4]) == {"median": 3, "iqr": 2}
    assert median_and_iqr([7]) == {"median": 7, "iqr": 0}


def test_json_is_strict_and_replaces_as_a_whole(tmp_path):
    path = tmp_path / "new" / "x.json"
    write_json(path, {"a": math.inf, "b": math.nan, "c": [path]})
    assert json.loads(path.read_text()) == {"a": "inf", "b": None, "c": [str(path)]}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text())["a"] == "inf"
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


def test_environment_is_complete():
    environment = describe_environment()
    json.dumps(environment)
    assert environment["hardware"]["cores"] >= 1
    assert environment["versions"]["torch"]


def test_methods():
    methods = expand_methods([0, 4], ["estimated", "true"], ["on"])
    assert methods[0] == Method(0, "estimated", "on")
    assert len(methods) == 4
    assert len({m.label("small") for m in expand_methods([0, 4, 0], ["true"], ["on", "off"])}) == 4
