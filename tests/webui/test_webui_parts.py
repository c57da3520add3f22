"""What the WebUI extension does without a host: sizes and pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def extension_on_path(monkeypatch):
    """The host puts the extension's folder on the path."""
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize(
    ("wanted", "whole"), [(1, 1), (1.0000001, 1), (1.05, 2), (2, 2), (4.17, 5), (40, 16), (0.5, 1)]
)
def test_the_next_whole_scale(wanted, whole):
    from mmsr_webui.sizes import whole_scale

    assert whole_scale(wanted) == whole


@pytest.mark.parametrize(
    ("small", "large", "factor"),
    [
        ((64, 48), (256, 192), 4), ((64, 48), (64, 48), 1), ((64, 48), (256, 200), None),
        ((64, 48), (96, 72), None), ((8, 8), (256, 256), None), ((100, 50), (64, 32), None),
    ],
)  # fmt: skip
def test_the_factor_between_sizes(small, large, factor):
    from mmsr_webui.sizes import whole_factor

    assert whole_factor(small, large) == factor


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "LA"])
def test_pictures_of_every_mode(mode):
    from mmsr_webui.pictures import from_pillow, to_pillow

    image = Image.radial_gradient("L").resize((9, 7)).convert(mode)
    rgb, alpha = from_pillow(image)
    assert tuple(rgb.shape) == (1, 3, 7, 9)
    assert alpha is None  # opaque, whatever the mode
    back = to_pillow(rgb)
    assert np.array_equal(np.asarray(back), np.asarray(image.convert("RGB")))


def test_alpha_goes_round_and_fits_any_size():
    from mmsr_webui.pictures import from_pillow, to_pillow

    image = Image.radial_gradient("L").resize((8, 6)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((8, 6)))
    rgb, alpha = from_pillow(image)
    made = to_pillow(rgb.repeat_interleave(2, 2).repeat_interleave(2, 3), alpha)
    assert made.mode == "RGBA"
    assert made.size == (16, 12)
    assert np.array_equal(np.asarray(to_pillow(rgb, alpha))[..., 3], np.asarray(image)[..., 3])


def test_nothing_of_the_host_is_needed_to_look_at_the_parts():
    from mmsr_webui import pictures, settings, sizes

    assert {"modules", "gradio"}.isdisjoint(vars(pictures) | vars(settings) | vars(sizes))
    assert "modules.shared" not in sys.modules


def test_the_host_finds_its_files_at_the_root():
    """Forge and A1111 read `scripts/*.py` and `preload.py`; nothing has to be installed."""
    names = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))
    assert names == ["mmsr_extras.py", "mmsr_hold.py", "mmsr_upscaler.py"]
    assert (ROOT / "preload.py").is_file()
    assert not (ROOT / "install.py").exists()
