"""Makes the pack's host-free modules importable, as a host would: by path, under any name."""

import importlib
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACK = "pack_under_test"


def _bare_pack() -> None:
    """A package for the repository root whose `__init__` (which needs the host) is not run."""
    if PACK not in sys.modules:
        package = types.ModuleType(PACK)
        package.__path__ = [str(ROOT)]
        sys.modules[PACK] = package


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def convert():
    _bare_pack()
    return importlib.import_module(f"{PACK}.nodes.convert")


@pytest.fixture(scope="session")
def payloads():
    _bare_pack()
    return importlib.import_module(f"{PACK}.nodes.payloads")


@pytest.fixture(scope="session")
def input_error():
    _bare_pack()
    return importlib.import_module(f"{PACK}.mmsr_core.errors").InputError
