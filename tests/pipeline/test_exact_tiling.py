"""Tiles, batches and devices must not change the picture."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.pipeline import load_pipeline
from mmsr_core.weights import available_weights

WHOLE = 4096
TOLERANCE = 1e-5


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


# Long and narrow: many tiles whose halo does not cover the picture, at little cost.
@pytest.mark.parametrize("size", [(13, 107), (101, 14)])
def test_tiled_equals_untiled(pipe, picture, size: tuple[int, int]) -> None:
    lr = picture(*size)
    options = {"scale": 4, "steps": 2, "iterations": 2, "seed": 3}
    whole = pipe(lr, tile=WHOLE, **options)
    for tile in (16, 24, 40):
        tiled = pipe(lr, tile=tile, **options)
        assert largest(tiled.images, whole.images) < TOLERANCE
        codes = tiled.estimate.kernel_field.data, whole.estimate.kernel_field.data
        assert largest(*codes) < 1e-3  # in units of each component's spread
        for name, weights in whole.weight_maps.items():
            assert largest(tiled.weight_maps[name], weights) < 2e-3  # kept in fp16
    assert float(whole.images.std()) > 0.02


@pytest.mark.parametrize(("scale", "size"), [(3, (11, 131)), (2, (203, 9)), (1, (13, 333))])
def test_tiled_equals_untiled_at_other_scales(pipe, picture, scale: int, size) -> None:
    lr = picture(*size)
    options = {"scale": scale, "steps": 1, "iterations": 1}
    whole = pipe(lr, tile=WHOLE, **options)
    assert largest(pipe(lr, tile=16, **options).images, whole.images) < TOLERANCE


@pytest.mark.parametrize("consistency", ["cg", "off"])
def test_tiled_equals_untiled_with_masks(pipe, picture, consistency: str) -> None:
    lr = picture(14, 101)
    masks = {"kernel": picture(14, 101)[:, :1], "depth": (picture(14, 101)[:, 1:2] > 0.5).float()}
    options = {"steps": 1, "iterations": 1, "masks": masks, "consistency": consistency}
    whole = pipe(lr, tile=WHOLE, **options)
    assert largest(pipe(lr, tile=16, **options).images, whole.images) < TOLERANCE


def test_shipped_weights_tile_exactly(picture) -> None:
    if "small" not in available_weights():
        pytest.skip("the small weights are not complete")
    shipped = load_pipeline("small", "cpu", "float32")
    lr = picture(17, 109)
    whole = shipped(lr, steps=1, iterations=1, tile=WHOLE)
    for tile in (16, 32):
        tiled = shipped(lr, steps=1, iterations=1, tile=tile)
        assert largest(tiled.images, whole.images) < TOLERANCE


def test_a_batch_equals_its_pictures_alone(pipe, picture) -> None:
    lr = picture(14, 11, batch=2)
    mask = torch.ones(2, 1, 14, 11)
    mask[0] = 0
    options = {"steps": 2, "iterations": 2}
    both = pipe(lr, seed=[5, 9], masks={"depth": mask}, **options)
    for i, seed in enumerate((5, 9)):
        one = pipe(lr[i : i + 1], seed=seed, masks={"depth": mask[i : i + 1]}, **options)
        assert largest(both.images[i : i + 1], one.images) < TOLERANCE
        assert largest(both.estimate.noise_std[i], one.estimate.noise_std[0]) < 1e-6
    counted = pipe(lr, seed=5, **options).images
    assert largest(counted[1:], pipe(lr[1:], seed=6, **options).images) < TOLERANCE


def test_memory_running_out_halves_the_tile_and_keeps_the_picture(pipe, picture) -> None:
    lr = picture(20, 90)
    whole = pipe(lr, steps=1, iterations=1, tile=64)
    limit = 20 * 50

    def refuse(module, args) -> None:
        if args[0].shape[-1] * args[0].shape[-2] > limit * 16:
            raise RuntimeError("CUDA out of memory.")

    handle = pipe.mean_net.register_forward_pre_hook(refuse)
    try:
        small = pipe(lr, steps=1, iterations=1, tile=64)
    finally:
        handle.remove()
    assert small.report.tile < 64
    assert any("halved" in note for note in small.report.notes)
    assert largest(small.images, whole.images) < TOLERANCE
