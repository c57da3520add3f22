from __future__ import annotations

import pytest

from mmsr_core.metrics import Lpips
from tests.helpers import write_narrow_lpips


@pytest.fixture(scope="session")
def lpips_folder(tmp_path_factory):
    """A narrow LPIPS in the two files Lpips reads."""
    folder = tmp_path_factory.mktemp("lpips")
    write_narrow_lpips(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_lpips(lpips_folder):
    return Lpips.from_folder(lpips_folder)
