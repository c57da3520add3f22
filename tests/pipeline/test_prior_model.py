"""Upscale models of others: tiles, files, and what is refused."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmsr_core.errors import InputError, MissingPackageError, WeightsError
from mmsr_core.pipeline import PriorModel, load_prior_model
from mmsr_core.pipeline.prior_model import TILE_PX


class SmallUpscaler(nn.Module):
    """A real convolutional upscaler of random weights, which sees 4 px to each side."""

    scale = 2

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 12, 5, padding=2)
        )

    def forward(self, image: Tensor) -> Tensor:
        big = F.interpolate(image, scale_factor=2, mode="nearest")
        return (big + 0.1 * F.pixel_shuffle(self.layers(image), 2)).clamp(0, 1)


@pytest.mark.parametrize("size", [(5, 7), (70, 33), (64, 64), (131, 96)])
def test_tiles_give_what_the_whole_picture_gives(picture, size) -> None:
    model, lr = SmallUpscaler(), picture(*size)
    tiled = PriorModel(model, tile_px=48)(lr)
    whole = PriorModel(model, tile_px=None)(lr)
    assert tiled.shape == (1, 3, 2 * size[0], 2 * size[1])
    assert torch.allclose(tiled, whole, atol=1e-6)


def test_every_tile_can_end_the_run(picture) -> None:
    calls = []
    PriorModel(SmallUpscaler(), tile_px=20)(picture(40, 60), lambda: calls.append(1))
    assert len(calls) == 6


def test_wrong_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="lr"):
        PriorModel(SmallUpscaler())(torch.rand(1, 1, 8, 8))


def test_spandrel_is_asked_for_by_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spandrel", None)
    with pytest.raises(WeightsError, match="There is no file"):  # the nearer cause
        load_prior_model(tmp_path / "x.pth")
    (tmp_path / "x.pth").write_bytes(b"x")
    with pytest.raises(MissingPackageError, match="priors"):
        load_prior_model(tmp_path / "x.pth")


@pytest.fixture
def spandrel():
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # torchvision may not fit this torch
        pytest.skip(f"spandrel is not there: {error}")
    return spandrel


def test_a_model_file_is_loaded_and_run(spandrel, tmp_path, picture) -> None:
    """A tiny real ESRGAN of random weights."""
    from safetensors.torch import save_file
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    net = ESRGAN(num_filters=8, num_blocks=1, scale=2)
    path = tmp_path / "tiny.safetensors"
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, path)
    model = load_prior_model(path)
    lr = picture(20, 30)
    assert model.scale == 2
    with torch.no_grad():
        expected = net.eval()(lr).clamp(0, 1)
    assert torch.allclose(model(lr), expected, atol=1e-5)
    assert TILE_PX > 64


def test_other_files_are_refused(spandrel, tmp_path) -> None:
    with pytest.raises(WeightsError, match="no file"):
        load_prior_model(tmp_path / "none.pth")
    other = tmp_path / "other.safetensors"
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, other)
    with pytest.raises(WeightsError, match="no upscale model"):
        load_prior_model(other)
