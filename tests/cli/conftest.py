"""Small files to run the command on."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmsr_core.cli import main
from mmsr_core.degradation import constant_kernel_field, isotropic_gaussian
from tests.helpers import one_thread  # noqa: F401  (a fixture)


@pytest.fixture
def mmsr(capfd):
    """Runs the command in this process: (exit code, stdout, stderr lines)."""

    def run(*words):
        capfd.readouterr()
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return code, out, err.splitlines()

    return run


@pytest.fixture
def refused(mmsr):
    """Runs a command that must be refused: exit code 2 and one clear line, which is returned."""

    def run(*words):
        code, out, err = mmsr(*words)
        assert code == 2, err
        assert out == ""
        assert len(err) == 1, err
        assert err[0].startswith("mmsr: error: ")
        return err[0]

    return run


@pytest.fixture
def picture(tmp_path):
    """A smooth 24x16 picture with some structure."""
    y, x = np.mgrid[:16, :24]
    channels = [128 + 90 * np.sin(x / 3 + k) * np.cos(y / 4 - k) for k in range(3)]
    path = tmp_path / "in" / "picture.png"
    path.parent.mkdir()
    Image.fromarray(np.stack(channels, -1).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def kernel_file(tmp_path):
    """Makes a kernel file of one Gaussian."""

    def make(height, width, scale=4, name="kernel.safetensors", damage=None):
        from safetensors.torch import save_file

        field = constant_kernel_field(isotropic_gaussian(1.6, scale), height, width, scale)
        tensor = field.dense()[0].contiguous()
        if damage == "nan":
            tensor[0, 0, 0] = torch.nan
        elif damage == "shape":
            tensor = tensor[:400].contiguous()
        save_file({"kernel_field": tensor}, str(tmp_path / name), metadata={"scale": str(scale)})
        return tmp_path / name

    return make


@pytest.fixture
def unwritable(tmp_path):
    """A folder that this user cannot write to."""
    import os
    from pathlib import Path

    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    if not os.access(folder, os.W_OK):
        return folder
    for name in ("/proc/self", "/sys"):  # Closed for every user.
        if os.path.isdir(name):
            return Path(name)
    pytest.skip("this user can write everywhere")
