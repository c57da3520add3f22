from __future__ import annotations

import numpy as np
import pytest
import torch

from mmsr_core.errors import InputError, ShapeError, WeightsError
from mmsr_core.metrics import Lpips


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(2, 3, 48, 64, generator=generator)
    return a, (a + 0.2 * torch.randn(a.shape, generator=generator)).clamp(0, 1)


def test_zero_for_equal_and_symmetric(tiny_lpips, pair):
    a, b = pair
    assert tiny_lpips(a, a).tolist() == [0, 0]
    assert (tiny_lpips(a, b) > 0).all()
    torch.testing.assert_close(tiny_lpips(a, b), tiny_lpips(b, a))


def test_items_are_independent(tiny_lpips, pair):
    a, b = pair
    singles = torch.cat([tiny_lpips(a[i : i + 1], b[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(tiny_lpips(a, b), singles)


def test_gradient_reaches_the_picture_and_descends(tiny_lpips, pair):
    a, b = pair
    a = a.clone().requires_grad_()
    before = tiny_lpips(a, b).sum()
    before.backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()
    assert (a.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    after = tiny_lpips(a.detach() - 0.05 * a.grad / a.grad.norm(), b).sum()
    assert after < before


def test_gradient_is_finite_for_equal_and_flat_pictures(tiny_lpips):
    a = torch.zeros(1, 3, 32, 32, requires_grad=True)
    tiny_lpips(a, torch.zeros(1, 3, 32, 32)).sum().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_nothing_to_train_but_everything_saved(tiny_lpips):
    assert list(tiny_lpips.parameters()) == []
    assert len(tiny_lpips.state_dict()) == 17


def test_autocast_and_channels_last_agree(lpips_folder, pair):
    a, b = pair
    module = Lpips.from_folder(lpips_folder)
    plain = module(a, b)
    module = module.to(memory_format=torch.channels_last)
    a = a.contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        low = module(a, b)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, plain, rtol=0.05, atol=0)
    low.sum().backward()
    assert torch.isfinite(a.grad).all()


def test_bad_arguments(tiny_lpips, pair, tmp_path):
    a, b = pair
    with pytest.raises(ShapeError):
        tiny_lpips(a, b[:1])
    with pytest.raises(InputError, match="at least 31"):
        tiny_lpips(a[..., :30, :], b[..., :30, :])
    with pytest.raises(WeightsError, match="does not exist"):
        Lpips.from_folder(tmp_path)
    np.savez(tmp_path / "alexnet_features.npz", w1=np.zeros(1))
    with pytest.raises(WeightsError, match="cannot be used"):
        Lpips.from_folder(tmp_path)
