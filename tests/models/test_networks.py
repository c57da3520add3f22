"""Properties that every network must have: what tiling, training and loading rely on."""

from __future__ import annotations

import pytest
import torch

from mmsr_core.errors import InputError, ShapeError
from mmsr_core.models import Denoiser, KernelEstimator, MeanNet, condition_globals
from mmsr_core.types import MODALITIES
from tests.helpers import tiny_models
from training.tools.extend import extend_estimator

CODES = 6


@pytest.fixture(scope="module")
def nets():
    return tiny_models()


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def conditions(batch: int) -> torch.Tensor:
    return condition_globals(4, torch.full((batch,), 0.01), torch.full((batch,), 80.0))


def inputs(name: str, height: int, width: int, batch: int = 1, seed: int = 0) -> list:
    """Positional inputs of a network; `height` and `width` in cells of the grid it works on."""
    if name == "kernel_estimator":
        depth = rand(batch, 1, height, width, seed=seed + 1)
        return [rand(batch, 3, height, width, seed=seed), 4, depth]
    pictures = [rand(batch, 3, 4 * height, 4 * width, seed=seed + i) for i in range(3)]
    codes = rand(batch, CODES, height, width, seed=seed + 3) - 0.5
    depth = rand(batch, 1, height, width, seed=seed + 4)
    if name == "mean_net":
        prompt = rand(batch, 512, seed=seed + 6) - 0.5
        return [*pictures[:2], codes, conditions(batch), depth, None, prompt]
    guide = rand(batch, 3, 4 * height, 4 * width, seed=seed + 5)
    prompt = rand(batch, 512, seed=seed + 6) - 0.5
    given = {"lr": pictures[2], "kernel": codes, "depth": depth, "prompt": prompt, "guide": guide}
    amounts = {m: torch.ones(batch, 1, 1, 1) for m in given}
    return [*pictures[:2], torch.full((batch,), 0.5), given, amounts, conditions(batch)]


def outputs(name: str, result) -> torch.Tensor:
    """Everything a network says, on its grid: `(B,C,h,w)`."""
    if name == "kernel_estimator":
        # Kernels sum to 1 and have no gradient in total; logarithms have.
        return torch.cat((result.kernels.log(), result.log_noise, result.jpeg_damage), 1)
    picture = result if name == "mean_net" else result.sample
    return torch.nn.functional.pixel_unshuffle(picture, 4)


def maps(values: list) -> list[torch.Tensor]:
    """The spatial tensors among a network's inputs."""
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, dict):
            found += maps(list(value.values()))
        elif isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[-1] > 1:
            found.append(value)
    return found


def crop(values: list, cells: int, low: int, high: int) -> list:
    """The columns `low .. high` (cells of `cells` in all) of every spatial input."""

    def cut(value):
        if isinstance(value, dict):
            return {k: cut(v) for k, v in value.items()}
        if isinstance(value, torch.Tensor) and value.ndim == 4 and value.shape[-1] > 1:
            factor = value.shape[-1] // cells
            return value[..., low * factor : high * factor]
        return value

    return [cut(v) for v in values]


NAMES = ("kernel_estimator", "mean_net", "denoiser")


@pytest.mark.parametrize("name", NAMES)
def test_receptive_radius_is_enough_and_not_wasteful(nets, name: str) -> None:
    net = nets[name]
    radius, cells = net.receptive_radius, 120
    values = inputs(name, 8, cells)
    for tensor in maps(values):
        tensor.requires_grad_()
    reach = 0
    for at in range(56, 60):  # every phase of the strides
        out = outputs(name, net(*values))
        weights = rand(*out.shape[:3], seed=at) - 0.5
        gradients = torch.autograd.grad((out[..., at] * weights).sum(), maps(values))
        for gradient in gradients:
            columns = gradient.abs().amax((0, 1, 2)).reshape(cells, -1).amax(1).nonzero()[:, 0]
            reach = max(reach, at - int(columns.min()), int(columns.max()) - at)
    assert reach <= radius
    assert reach >= 0.75 * radius


@pytest.mark.parametrize("name", NAMES)
def test_a_window_on_a_multiple_of_the_stride_equals_the_whole(nets, name: str) -> None:
    net = nets[name]
    stride = net.total_stride
    halo = -(-net.receptive_radius // stride) * stride
    cells = 3 * halo + 16
    values = inputs(name, 8, cells)
    low = 2 * stride
    with torch.no_grad():
        whole = outputs(name, net(*values))
        part = outputs(name, net(*crop(values, cells, low, low + 2 * halo + 8)))
    core = part[..., halo : halo + 8]
    torch.testing.assert_close(core, whole[..., low + halo : low + halo + 8], atol=2e-5, rtol=1e-5)
    if stride > 1:  # off the grid the strided layers see another phase
        with torch.no_grad():
            off = outputs(name, net(*crop(values, cells, low + 2, low + 2 + 2 * halo + 8)))
        shifted = whole[..., low + 2 + halo : low + 2 + halo + 8]
        assert float((off[..., halo : halo + 8] - shifted).abs().max()) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_batch_items_do_not_mix(nets, name: str) -> None:
    net = nets[name]
    both = inputs(name, 8, 8, batch=2)

    def item(value, i):
        if isinstance(value, dict):
            return {k: item(v, i) for k, v in value.items()}
        return value[i : i + 1] if isinstance(value, torch.Tensor) else value

    with torch.no_grad():
        together = outputs(name, net(*both))
        alone = torch.cat([outputs(name, net(*[item(v, i) for v in both])) for i in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert float((together[0] - together[1]).abs().max()) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_used(nets, name: str) -> None:
    net = nets[name]
    net.zero_grad(set_to_none=True)
    for seed in range(4):  # a ReLU may sleep through one picture
        values = inputs(name, 8, 12, seed=10 * seed)
        runs = [values]
        if name == "kernel_estimator":  # scale 1 has a body of its own
            lr, _, depth = inputs(name, 32, 48, seed=10 * seed)
            runs.append([lr, 1, depth])
        for run in runs:
            out = outputs(name, net(*run))
            (out * (rand(*out.shape, seed=9) - 0.5)).sum().backward()
    idle = [k for k, p in net.named_parameters() if p.grad is None or not bool(p.grad.any())]
    net.zero_grad(set_to_none=True)
    assert idle == []


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_stays_close(nets, name: str) -> None:
    net = nets[name]
    values = inputs(name, 8, 8)
    with torch.no_grad():
        full = net(*values)
        with torch.autocast("cpu", torch.bfloat16):
            half = net(*values)
    if name == "kernel_estimator":
        full, half = full.kernels, half.kernels
        assert half.dtype == torch.float32
        assert float((full - half).abs().sum(1).max()) < 0.1
    else:
        full = full if name == "mean_net" else full.sample
        half = half if name == "mean_net" else half.sample
        assert half.dtype == torch.float32
        assert float((full - half).abs().max()) < 0.02
    assert not torch.equal(full, half)


@pytest.mark.parametrize("name", [*NAMES, "depth_estimator"])
def test_save_and_load(nets, name: str, tmp_path) -> None:
    net = nets[name]
    net.save_pretrained(str(tmp_path))
    again = type(net).from_pretrained(str(tmp_path)).eval()
    assert again.state_dict().keys() == net.state_dict().keys()
    for key, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    values = [rand(1, 3, 32, 32)] if name == "depth_estimator" else inputs(name, 8, 8)
    with torch.no_grad():
        first, second = net(*values), again(*values)
    if name in NAMES:
        first, second = outputs(name, first), outputs(name, second)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)


def test_kernels_are_kernels(nets) -> None:
    with torch.no_grad():
        out = nets["kernel_estimator"](rand(2, 3, 12, 8), 3, rand(2, 1, 12, 8))
    assert out.kernels.shape == (2, 441, 12, 8)
    assert float(out.kernels.min()) >= 0
    torch.testing.assert_close(out.kernels.sum(1), torch.ones(2, 12, 8))
    assert float(out.kernels.std((2, 3)).max()) > 1e-5  # not one kernel for the whole picture


def test_scale_and_depth_reach_the_kernel_estimator(nets) -> None:
    net, lr = nets["kernel_estimator"], rand(1, 3, 8, 8)
    with torch.no_grad():
        plain, other_scale = net(lr, 4).kernels, net(lr, 2).kernels
        near = net(lr, 4, torch.ones(1, 1, 8, 8)).kernels
        far = net(lr, 4, torch.zeros(1, 1, 8, 8)).kernels
    for a, b in ((plain, other_scale), (plain, near), (near, far)):
        assert float((a - b).abs().max()) > 1e-6


def test_mean_net_without_depth_is_depth_of_amount_zero(nets) -> None:
    net = nets["mean_net"]
    *values, depth = inputs("mean_net", 8, 8)
    with torch.no_grad():
        without = net(*values)
        nothing = net(*values, depth, torch.zeros(1, 1, 1, 1))
        all_of_it = net(*values, depth, torch.ones(1, 1, 1, 1))
        assert torch.equal(without, nothing)
        assert torch.equal(all_of_it, net(*values, depth))
        assert float((without - all_of_it).abs().max()) > 1e-5


@pytest.mark.parametrize("name", MODALITIES)
def test_denoiser_amount_zero_is_leaving_out(nets, name: str) -> None:
    net = nets["denoiser"]
    noisy, mean, t, given, amounts, scene = inputs("denoiser", 8, 8)
    fewer = {k: v for k, v in given.items() if k != name}
    with torch.no_grad():
        off = net(noisy, mean, t, given, {**amounts, name: torch.zeros(1, 1, 1, 1)}, scene)
        out = net(noisy, mean, t, fewer, {k: amounts[k] for k in fewer}, scene)
        on = net(noisy, mean, t, given, amounts, scene)
    torch.testing.assert_close(off.sample, out.sample, atol=1e-6, rtol=0)
    torch.testing.assert_close(off.weights, out.weights, atol=1e-6, rtol=0)
    assert float(off.weights[:, MODALITIES.index(name)].abs().max()) == 0
    assert float((on.sample - off.sample).abs().max()) > 1e-5


def test_denoiser_works_without_any_modality(nets) -> None:
    noisy, mean, t, _, _, scene = inputs("denoiser", 4, 8)
    with torch.no_grad():
        out = nets["denoiser"](noisy, mean, t, {}, {}, scene)
    assert torch.isfinite(out.sample).all()
    assert float(out.weights.abs().max()) == 0


def test_untrained_modulation_starts_as_nothing() -> None:
    torch.manual_seed(0)
    net = Denoiser(widths=(8, 8, 8), blocks=(1, 1, 1), expert_width=4, kernel_codes=CODES).eval()
    noisy, mean, t, given, amounts, scene = inputs("denoiser", 4, 8)
    with torch.no_grad():
        full = net(noisy, mean, t, given, amounts, scene)
        bare = net(noisy, mean, t, {}, {}, scene)
    assert torch.equal(full.sample, bare.sample)
    torch.testing.assert_close(full.weights, torch.full_like(full.weights, 1 / len(MODALITIES)))


def test_sizes_off_the_stride_are_refused(nets) -> None:
    with pytest.raises(ShapeError, match="lr"):
        nets["kernel_estimator"](rand(1, 3, 6, 8), 4)
    with pytest.raises(ShapeError, match="base"):
        nets["mean_net"](rand(1, 3, 6, 8), rand(1, 3, 6, 8), rand(1, 6, 2, 2), conditions(1))
    picture = rand(1, 3, 24, 16)
    with pytest.raises(ShapeError, match="noisy"):
        nets["denoiser"](picture, picture, torch.ones(1), {}, {}, conditions(1))
    with pytest.raises(InputError, match="infrared"):
        Denoiser(modalities=("lr", "infrared"))
    noisy, mean, t, _, _, scene = inputs("denoiser", 4, 4)
    with pytest.raises(InputError, match="radar"):
        nets["denoiser"](noisy, mean, t, {"radar": mean}, {"radar": t}, scene)


def test_small_networks_stay_small() -> None:
    def count(net: torch.nn.Module) -> float:
        return sum(p.numel() for p in net.parameters()) / 1e6

    with torch.device("meta"):
        mean, denoiser = MeanNet(), Denoiser()
    assert count(KernelEstimator()) < 0.6
    assert count(mean) < 1.5
    assert count(denoiser) < 3.2


def test_an_extended_estimator_says_the_same() -> None:
    old = KernelEstimator(widths=(8, 8, 8), depth_widths=(4, 4, 4), head_width=8, basis_rank=4)
    new = extend_estimator(old, (3, 7)).eval()
    assert new.receptive_radius > old.receptive_radius
    assert extend_estimator(new) is new
    values = inputs("kernel_estimator", 16, 20)
    with torch.no_grad():
        before, after = (outputs("kernel_estimator", net.eval()(*values)) for net in (old, new))
    assert torch.equal(before, after)
