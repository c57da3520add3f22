"""The loss that compares local spectra."""

import torch

from training.losses.spectrum import dct_filters, local_energies, spectrum_distance


def noise(seed: int, side: int = 96) -> torch.Tensor:
    return torch.rand((2, 3, side, side), generator=torch.Generator().manual_seed(seed))


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(spectrum_distance(a, b, torch.Generator().manual_seed(0)))


def test_the_filters_are_orthonormal_and_blind_to_the_mean():
    rows = dct_filters().flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(63), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.sum(1), torch.zeros(63), atol=1e-5, rtol=0)


def test_a_picture_is_at_no_distance_from_itself():
    assert distance(noise(0), noise(0)) == 0


def test_it_sees_texture_and_not_its_phase():
    # The same texture drawn anew is near, though every pixel differs; a smooth picture is not.
    truth = noise(1)
    smooth = torch.nn.functional.avg_pool2d(truth, 3, 1, 1)
    assert (noise(2) - truth).abs().mean() > (smooth - truth).abs().mean()
    assert 3 * distance(noise(2), truth) < distance(smooth, truth)


def test_a_weave_is_not_grain_of_the_same_strength():
    def standard(pattern: torch.Tensor) -> torch.Tensor:
        return 0.5 + 0.05 * (pattern - pattern.mean()) / pattern.std()

    columns = torch.arange(96) % 4 < 2
    weave = (columns[:, None] ^ columns).float().expand(2, 3, -1, -1)
    grain, other = standard(noise(1)), standard(noise(2))
    assert distance(standard(weave), grain) > 4 * distance(other, grain)


def test_what_is_below_the_floor_is_nothing():
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert distance(flat + 1e-4 * noise(3, 64)[:1], flat) < 1e-3


def test_the_gradient_leads_from_smooth_to_the_energy_of_the_truth():
    truth = noise(4)
    picture = (0.5 + 0.1 * (noise(5) - 0.5)).requires_grad_()
    before = distance(picture.detach(), truth)
    loss = spectrum_distance(picture, truth, torch.Generator().manual_seed(0))
    (step,) = torch.autograd.grad(loss, picture)
    moved = picture.detach() - 0.05 * step / step.abs().amax()
    assert distance(moved, truth) < before
    assert local_energies(moved).mean() > local_energies(picture.detach()).mean()
