"""Training of the fusion net on made-up pairs: the pool, the windows, the losses."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from benchmarks.inputs.sensor_pairs import held_out_pairs
from mmsr_core.image import luminance
from mmsr_core.models.fusion_net import FusionNet
from tests.helpers import tiny_models
from training.data.pairs import (
    Restorer,
    crop_pair,
    load_pairs,
    restore_pool,
    split_pairs,
    stack_pool,
)
from training.losses.fusion import (
    FusionWeights,
    fusion_loss,
    fusion_target,
    gradients,
    guide_loss,
    ssim_map,
)
from training.stages.fusion import GUIDES, evaluate, make_guides, net_losses, windows

WEIGHTS = FusionWeights(6.0, 4.0, 0.3)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.tar"
    with tarfile.open(path, "w") as tar:
        for i in range(36):
            for kind, mode in (("visible", "RGB"), ("infrared", "L")):
                coarse = rand(1, 3, 10, 12, seed=i + 100 * (mode == "L"))
                fine = F.interpolate(coarse, (64, 80), mode="bicubic").clamp(0, 1)[0]
                array = fine.mul(255).byte().permute(1, 2, 0).numpy()
                stream = io.BytesIO()
                Image.fromarray(array).convert(mode).save(stream, format="PNG")
                info = tarfile.TarInfo(f"roadscene/{kind}/P_{i:03}.png")
                info.size = stream.tell()
                stream.seek(0)
                tar.addfile(info, stream)
    return path


@pytest.fixture(scope="module")
def pool(archive):
    models = tiny_models()
    restore = Restorer(models["kernel_estimator"], models["mean_net"])
    training, _ = split_pairs(load_pairs(archive))
    return stack_pool(list(restore_pool(training, restore, 8, 64, seed=1)))


def test_held_out_pairs_are_neither_trained_nor_validated_on(archive) -> None:
    pairs = load_pairs(archive)
    assert len(pairs) == 36
    held = held_out_pairs([p.name for p in pairs])
    assert held == [f"roadscene/P_{i:03}" for i in range(25, 30)]
    training, validation = split_pairs(pairs, 2)
    names = [p.name for p in training], [p.name for p in validation]
    assert not set(held) & set(names[0] + names[1])
    assert not set(names[0]) & set(names[1])
    assert len(names[0]) + len(names[1]) + len(held) == 36
    assert len(names[1]) == 2
    assert len(held_out_pairs([f"{i:04}" for i in range(181)])) == 30


def test_the_pool_holds_both_sources_at_one_place(pool) -> None:
    assert pool["visible"].shape == (8, 3, 64, 64)
    assert pool["guide"].shape == (8, 1, 64, 64)
    assert pool["clarity"].shape == (8, 2, 16, 16)
    assert 0 < float(pool["clarity"].min()) <= float(pool["clarity"].max()) <= 1
    for restored, hr in (("visible", "hr_visible"), ("guide", "hr_guide")):
        error = (pool[restored].float() - pool[hr].float() / 255).abs().mean()
        assert float(error) < 0.2  # random networks, but the same window
    # Each source has a degradation of its own.
    assert float((pool["clarity"][:, 0] - pool["clarity"][:, 1]).abs().amax()) > 0.01


def test_windows_turn_everything_alike(pool) -> None:
    truth = dict(pool)
    truth["visible"] = (pool["hr_visible"].float() / 255).half()
    truth["guide"] = (pool["hr_guide"].float() / 255).half()
    # Clarity that says where it is: the mean of the picture's cell.
    cells = [F.avg_pool2d(luminance(truth[k].float()), 4) for k in ("visible", "guide")]
    truth["clarity"] = torch.cat(cells, 1).half()
    source = windows(truth, 4, 32, np.random.default_rng(0))
    for _ in range(5):
        batch = next(source)
        assert batch["visible"].shape == (4, 3, 32, 32)
        torch.testing.assert_close(batch["visible"], batch["hr_visible"], atol=1e-3, rtol=0)
        mean = F.avg_pool2d(luminance(batch["visible"]), 4)[:, 0]
        torch.testing.assert_close(batch["clarity"][:, 0], mean, atol=2e-3, rtol=0)
        for i in torch.nonzero(batch["fusable"])[:, 0]:
            torch.testing.assert_close(batch["guide"][i], batch["hr_guide"][i], atol=1e-3, rtol=0)


def test_every_kind_of_guide() -> None:
    own, sharp, moved = rand(6, 1, 8, 8), rand(6, 1, 8, 8, seed=1), rand(6, 1, 8, 8, seed=2)
    levels = rand(6, 1, 1, 1, seed=3)
    made = make_guides(np.arange(6), own, sharp, moved, levels)
    assert len(GUIDES) == 6
    assert torch.equal(made[0], own[0])
    assert torch.equal(made[1], sharp[1])
    assert torch.equal(made[2], moved[2])
    assert torch.equal(made[3], own[2])  # another picture's
    assert float(made[4].abs().max()) == 0
    assert float(made[5].std()) == 0
    assert float(made[5].mean()) > 0


def test_the_fusion_loss_wants_the_stronger_source() -> None:
    visible, guide = rand(2, 3, 32, 32), rand(2, 1, 32, 32, seed=1) * 0.2
    visible[..., :16] *= 0.1  # the guide is stronger on the left, the visible on the right
    guide[..., :16] *= 5
    everywhere = torch.ones(2, dtype=torch.bool)

    target = fusion_target(visible, guide, 3)

    def loss(fused: torch.Tensor) -> float:
        return float(fusion_loss(fused, target, everywhere, WEIGHTS)["fuse"])

    own = luminance(visible)
    best = torch.where(torch.arange(32) < 16, guide, own)
    assert loss(target) < 1e-3
    assert loss(best) < min(loss(own), loss(guide), loss((own + guide) / 2))
    assert loss(best) < loss(F.avg_pool2d(best, 3, 1, 1))


def test_the_target_is_what_an_untrained_net_makes_of_whole_pictures(archive) -> None:
    visible, guide = rand(1, 3, 64, 96), rand(1, 1, 64, 96, seed=1)
    fresh = FusionNet(8, blocks=1, heads=2, window=4, levels=3).eval()
    with torch.no_grad():
        fused = fresh(visible, guide, rand(1, 2, 16, 24), 4, "fuse")
    target = fusion_target(visible, guide, 3)
    inside = (luminance(fused) > 0.01) & (luminance(fused) < 0.99)
    torch.testing.assert_close(luminance(fused)[inside], target[inside], atol=1e-4, rtol=0)
    assert float(target.min()) >= 0
    assert float(target.max()) <= 1
    pair = load_pairs(archive)[0]
    seen, infrared, cut = crop_pair(pair, 32, 3, np.random.default_rng(0))
    alone = fusion_target(seen[None], infrared[None], 3)[0]
    assert cut.shape == alone.shape == (1, 32, 32)
    assert float((cut - alone).abs().max()) > 1e-3  # cut from the whole's target
    torch.testing.assert_close(cut[:, 15:17, 15:17], alone[:, 15:17, 15:17], atol=0.02, rtol=0)


def test_pairs_that_do_not_belong_together_do_not_count() -> None:
    target, fused = rand(2, 1, 32, 32, seed=1), rand(2, 1, 32, 32)
    first = torch.tensor([True, False])
    alone = fusion_loss(fused[:1], target[:1], torch.tensor([True]), WEIGHTS)
    both = fusion_loss(fused, target, first, WEIGHTS)
    torch.testing.assert_close(alone["fuse"], both["fuse"])
    none = fusion_loss(fused, target, torch.tensor([False, False]), WEIGHTS)
    assert bool(torch.isfinite(none["fuse"]))


def test_parts_of_the_losses() -> None:
    a = rand(1, 1, 32, 32)
    torch.testing.assert_close(ssim_map(a, a), torch.ones(1, 1, 26, 26))
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    across, down = gradients(ramp)[0]
    torch.testing.assert_close(across, torch.ones(30, 30))
    assert float(down.abs().max()) == 0
    hr, visible = rand(2, 3, 16, 16), rand(2, 3, 16, 16, seed=1)
    assert float(guide_loss(visible, hr, visible)["relative_mse"]) == pytest.approx(1)
    assert float(guide_loss(hr, hr, visible)["guide"]) == 0


def test_both_losses_fall_together(pool) -> None:
    torch.manual_seed(0)
    net = FusionNet(8, blocks=1, condition_channels=4, prompt_channels=4, heads=2, state=4)
    source = windows(pool, 4, 32, np.random.default_rng(0))
    batch = next(source)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    history = []
    for _ in range(25):
        guide_part, fuse_part = net_losses(net, batch, WEIGHTS)
        history.append((float(guide_part["guide"].detach()), float(fuse_part["fuse"].detach())))
        (guide_part["guide"] + fuse_part["fuse"]).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert history[-1][0] < 0.9 * history[0][0]
    assert history[-1][1] < 0.9 * history[0][1]
    numbers = evaluate(net.eval(), pool)
    assert {f"gain_{n}" for n in ("right", "sharp", "shifted", "foreign", "black")} < set(numbers)
