"""What the tests of the benchmarks share: a tiny model, and nothing from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import one_thread, tiny_pipeline_folder  # noqa: F401  (a fixture)


@pytest.fixture
def without_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no benchmark data are."""
    monkeypatch.delenv("MMSR_SHARED", raising=False)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of tiny random networks, only to be read."""
    return tiny_pipeline_folder(tmp_path_factory.mktemp("weights") / "model")
