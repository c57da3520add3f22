"""Mixing prompts, and embeddings of other widths."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from mmsr_core.errors import InputError, ShapeError, WeightsError
from mmsr_core.prompts import (
    PromptProjection,
    fit_projection,
    load_projection,
    mix_prompts,
    project_prompt,
)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def test_one_prompt_is_itself_at_unit_length() -> None:
    e = randn(1, 512)
    torch.testing.assert_close(mix_prompts(7 * e), unit(e))
    torch.testing.assert_close(mix_prompts([e[0]], [0.2]), unit(e))


def test_the_length_of_an_embedding_is_not_a_weight() -> None:
    a, b = randn(2, 512).unbind()
    mixed = mix_prompts([10 * a, b[None]])
    torch.testing.assert_close(mixed, unit(unit(a) + unit(b))[None])
    torch.testing.assert_close(mix_prompts(torch.stack((a, b))), mixed)


def test_weights_shift_the_mixture_and_only_proportions_matter() -> None:
    e = randn(2, 512)
    near = [float(mix_prompts(e, [1 - w, w]) @ unit(e[1])) for w in (0, 0.25, 0.5, 0.75, 1)]
    assert near == sorted(near)
    assert near[-1] == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(mix_prompts(e, [0, 3]), unit(e[1:]))
    torch.testing.assert_close(mix_prompts(e, [1, 3]), mix_prompts(e, [0.5, 1.5]))


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [0, 0], [1, -0.1], [1, float("nan")]])
def test_unusable_weights_are_refused(weights) -> None:
    with pytest.raises(InputError, match="weights"):
        mix_prompts(randn(2, 512), weights)


def test_unusable_embeddings_are_refused() -> None:
    with pytest.raises(InputError, match="no prompt"):
        mix_prompts([])
    with pytest.raises(ShapeError):
        mix_prompts([randn(512), randn(511)])
    with pytest.raises(ShapeError):
        mix_prompts(randn(1, 77, 512))
    with pytest.raises(InputError, match="zero"):
        mix_prompts(torch.zeros(2, 512))
    with pytest.raises(InputError, match="finite"):
        mix_prompts(torch.full((1, 512), float("inf")))
    e = randn(1, 512)
    with pytest.raises(InputError, match="cancel"):
        mix_prompts([e, -e])


def test_the_right_width_is_used_as_it_is() -> None:
    e = randn(3, 512)
    torch.testing.assert_close(project_prompt(5 * e), unit(e))
    assert project_prompt(e[0].half()).shape == (1, 512)
    assert project_prompt(e[0].half()).dtype == torch.float32


def test_another_width_needs_a_projection() -> None:
    with pytest.raises(InputError, match=r"width 768.*projection file"):
        project_prompt(randn(1, 768))
    with pytest.raises(ShapeError, match="pooled"):
        project_prompt(randn(1, 77, 512))
    narrow = PromptProjection(randn(512, 640), torch.zeros(512))
    with pytest.raises(InputError, match=r"640.*768"):
        project_prompt(randn(1, 768), narrow)


def test_a_projection_is_learned_from_pairs_saved_and_loaded(tmp_path) -> None:
    target = unit(randn(400, 512)[:, :] * torch.linspace(2, 0.01, 512))
    turn = torch.linalg.qr(randn(768, 512, seed=1))[0]
    source = target @ turn.T + 0.3 * randn(768, seed=2)  # another basis and a common offset
    learned = fit_projection(source[:300], target[:300])
    made = project_prompt(source[300:], learned)
    nearest = (made @ target.T).argmax(1)
    assert float((nearest == torch.arange(300, 400)).float().mean()) > 0.9
    learned.save(tmp_path / "p.safetensors")
    again = load_projection(tmp_path / "p.safetensors")
    assert torch.equal(project_prompt(source, again), project_prompt(source, learned))
    with pytest.raises(ShapeError):
        fit_projection(source[:3], target[:4])


def test_unusable_projection_files_are_refused(tmp_path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        load_projection(tmp_path / "nowhere.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_projection(tmp_path / "bad.safetensors")
    for state in (
        {"other": torch.zeros(3)},
        {"weight": torch.zeros(768, 512)},
        {"weight": torch.zeros(512, 768), "bias": torch.zeros(3)},
    ):
        save_file(state, str(tmp_path / "odd.safetensors"))
        with pytest.raises(WeightsError, match=r"weight \(512,D\)"):
            load_projection(tmp_path / "odd.safetensors")
    save_file({"weight": torch.ones(512, 9)}, str(tmp_path / "plain.safetensors"))
    assert not load_projection(tmp_path / "plain.safetensors").bias.any()
