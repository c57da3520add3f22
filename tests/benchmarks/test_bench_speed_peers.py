"""The networks that speed is compared with have their published sizes and shapes."""

from __future__ import annotations

import pytest
import torch

from benchmarks.speed import run as speed
from benchmarks.speed.peers import CompactBody, make_autoencoder, make_unet
from mmsr_core.errors import InputError


def millions(module):
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_compact_body():
    body = CompactBody()
    assert millions(body) == pytest.approx(1.21, abs=0.02)  # realesr-general-x4v3 has 1.21 M
    assert CompactBody(8, 2, 3)(torch.rand(1, 3, 5, 7)).shape == (1, 3, 15, 21)


def test_published_sizes():
    with torch.device("meta"):
        unet, coder = make_unet(), make_autoencoder()
    assert millions(unet) == pytest.approx(118.6, rel=0.03)
    assert millions(coder) == pytest.approx(55.3, rel=0.01)
    with torch.device("meta"):
        assert unet(torch.rand(1, 6, 32, 32), 3).sample.shape == (1, 3, 32, 32)
        latent = coder.encode(torch.rand(1, 3, 64, 32)).latents
        assert latent.shape == (1, 3, 16, 8)
        assert coder.decode(latent, force_not_quantize=True).sample.shape == (1, 3, 64, 32)


def test_sizes():
    assert speed.parse_size("128") == (128, 128)
    assert speed.parse_size("1500x1000") == (1000, 1500)
    for text in ("", "0", "12x", "-3", "1.5"):
        with pytest.raises(InputError, match="--size"):
            speed.parse_size(text)


def test_ratios_are_printed():
    def seconds(value):
        return {"median": value, "iqr": 0.0}

    run = {
        "load_seconds": 1.0,
        "stage_seconds": {"flow": seconds(0.4)},
        "total_seconds": seconds(0.5),
        "peak_memory_mb": 100.0,
        "peak_gpu_memory_mb": None,
        "torch_threads": 2,
        "operations": 10**9,
        "matrix_peak_flops": 10**10,
        "peak_share": 0.2,
    }
    part = {"seconds": seconds(0.25), "parameters_m": 1.0}
    names = ("compact", "unet_step", "vq_encode", "vq_decode")
    result = {
        "environment": {
            "commit": None, "time_utc": "", "hardware": {"cpu": "c", "cores": 1, "gpu": None},
            "versions": {"torch": "2"},
        },
        "options": {"scale": 4, "steps": 4, "model": "small", "repeats": 3},
        "runs": {"128 float32": run},
        "peers": {"128 float32 peers": dict.fromkeys(names, part) | {"diffusion_seconds": 5.0}},
        "failures": {"128 float32 graphs": "no compiler"},
    }  # fmt: skip
    text = speed.speed_markdown(result)
    assert "ours / (a) = 2.00" in text
    assert "(b) / ours = 10.00" in text
    assert "no compiler" in text
