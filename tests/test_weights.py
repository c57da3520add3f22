"""Weights folders: found, verified, loaded strictly; what is wrong is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmsr_core.errors import WeightsError
from mmsr_core.models import MeanNet
from mmsr_core.models.network import load_network
from mmsr_core.pipeline import load_pipeline
from mmsr_core.weights import (
    COMPONENTS,
    WEIGHTS_FILE,
    available_weights,
    file_sha256,
    find_weights,
    missing_parts,
    verify_folder,
    write_sums,
)
from tests.helpers import tiny_pipeline_folder


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return tiny_pipeline_folder(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def change(folder: Path, part: str, edit) -> Path:
    """Edit the state of one network and list its new hash."""
    path = folder / part / WEIGHTS_FILE
    state = load_file(str(path))
    edit(state)
    save_file(state, str(path))
    write_sums(folder)
    return path


def refused(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_pipeline(folder, "cpu", "float32")
    return str(caught.value)


def test_intact_folder_loads(folder: Path) -> None:
    assert verify_folder(folder)
    pipe = load_pipeline(folder, "cpu", "float32")
    assert not any(getattr(pipe, part).training for part in COMPONENTS)
    (folder / "checksums.json").unlink()
    assert not verify_folder(folder)  # a user's own weights
    load_pipeline(folder, "cpu", "float32")


def test_missing_key(folder: Path) -> None:
    path = change(folder, "mean_net", lambda s: s.pop("conv_out.bias"))
    message = refused(folder)
    assert str(path) in message
    assert "missing keys conv_out.bias" in message


def test_extra_key(folder: Path) -> None:
    path = change(folder, "denoiser", lambda s: s.update(ghost=torch.zeros(1)))
    message = refused(folder)
    assert str(path) in message
    assert "extra keys ghost" in message


def test_wrong_shape(folder: Path) -> None:
    edit = {"conv_in.bias": torch.zeros(5)}
    path = change(folder, "kernel_estimator", lambda s: s.update(edit))
    message = refused(folder)
    assert str(path) in message
    assert "conv_in.bias has shape (5,) instead of (8,)" in message


def test_altered_file(folder: Path) -> None:
    path = folder / "mean_net" / WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    message = refused(folder)
    assert str(path) in message
    assert file_sha256(path)[:12] in message


def test_truncated_file_without_a_list_of_hashes(folder: Path) -> None:
    (folder / "checksums.json").unlink()
    path = folder / "denoiser" / WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:-100])
    assert str(path) in refused(folder)


def test_listed_file_that_is_gone(folder: Path) -> None:
    sums = folder / "checksums.json"
    listed = {**json.loads(sums.read_text()), "extra.safetensors": "0" * 64}
    sums.write_text(json.dumps(listed))
    assert "extra.safetensors" in refused(folder)


def test_optional_network_that_is_not_listed(folder: Path) -> None:
    sums = folder / "checksums.json"
    listed = json.loads(sums.read_text())
    sums.write_text(json.dumps({k: v for k, v in listed.items() if "fusion_net" not in k}))
    assert "fusion_net/config.json" in refused(folder)


def test_a_sum_that_is_no_text(folder: Path) -> None:
    sums = folder / "checksums.json"
    sums.write_text(json.dumps({**json.loads(sums.read_text()), "mean_net/config.json": 5}))
    assert "mean_net/config.json" in refused(folder)


@pytest.mark.parametrize("content", ["{", "[1]", "{}"])
def test_malformed_list_of_hashes(folder: Path, content: str) -> None:
    (folder / "checksums.json").write_text(content)
    assert "checksums.json" in refused(folder)


@pytest.mark.parametrize(
    ("edit", "word"),
    [({"colour": 3}, "colour"), ({"channels": -1}, "MeanNet"), ({"blocks": "many"}, "MeanNet")],
)
def test_config_that_does_not_fit(folder: Path, edit: dict, word: str) -> None:
    path = folder / "mean_net" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **edit}))
    write_sums(folder)
    message = refused(folder)
    assert str(path) in message
    assert word in message


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_malformed_config(folder: Path, content: str) -> None:
    path = folder / "mean_net" / "config.json"
    path.write_text(content)
    write_sums(folder)
    assert str(path) in refused(folder)


def test_malformed_scheduler(folder: Path) -> None:
    (folder / "scheduler" / "scheduler_config.json").write_text("{")
    assert str(folder / "scheduler") in refused(folder)


def test_incomplete_folder_names_what_it_lacks(folder: Path) -> None:
    (folder / "denoiser" / "config.json").unlink()
    assert missing_parts(folder) == ["denoiser/config.json"]
    assert "denoiser/config.json" in refused(folder)


def test_missing_folder_and_name(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in refused(tmp_path / "none")
    assert "no_such_weights" in refused(Path("no_such_weights"))


def test_named_weights_are_searched_for(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("MMSR_WEIGHTS", str(folder.parent))
    assert available_weights()["tiny"] == folder
    assert find_weights("tiny") == folder


def test_half_precision_files_load_as_float32(folder: Path) -> None:
    path = folder / "mean_net" / WEIGHTS_FILE
    # Copies: the file is mapped into memory while it is overwritten.
    before = {k: v.clone() for k, v in load_file(str(path)).items()}
    save_file({k: v.half() for k, v in before.items()}, str(path))
    state = load_network(folder / "mean_net", MeanNet).state_dict()
    for name, value in before.items():
        assert state[name].dtype == torch.float32
        assert torch.equal(state[name], value.half().float())


def test_a_repository_on_the_hub_is_a_folder_of_weights(tmp_path, monkeypatch) -> None:
    import huggingface_hub

    asked = []

    def snapshot_download(repository: str, allow_patterns: tuple[str, ...]) -> str:
        asked.append((repository, allow_patterns))
        return str(tiny_pipeline_folder(tmp_path / "snapshot"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    engine = load_pipeline("someone/their-weights", "cpu", "float32")
    assert engine.model_label == "someone/their-weights"
    assert asked == [("someone/their-weights", ("*.safetensors", "*.json", "*.md"))]


def test_a_repository_that_is_not_there_is_one_clear_error(monkeypatch) -> None:
    import huggingface_hub

    def refuse(*args: object, **kwargs: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no such file,\nand offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(WeightsError, match="hub says: no such file, and offline"):
        find_weights("someone/nothing")
    with pytest.raises(WeightsError, match="owner/name"):
        find_weights("nothing-of-this-name")


@pytest.mark.parametrize("name", ["../nothing", "./nothing", ".hidden/nothing"])
def test_a_relative_path_is_never_asked_of_the_hub(name, monkeypatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: pytest.fail("asked"))
    with pytest.raises(WeightsError, match="nor a folder"):
        find_weights(name)
