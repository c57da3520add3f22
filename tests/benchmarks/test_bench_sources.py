from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.arguments import AblationOptions, QualityOptions
from benchmarks.inputs import sources
from benchmarks.quality.options import find_places
from mmsr_core.errors import ImageFileError, InputError, KernelFileError


def _png(path, height=12, width=10):
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)


def test_pictures_are_listed_without_depth_maps(tmp_path):
    for name in ("b.png", "a.jpg", "a.depth.png", ".hidden.png"):
        _png(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "sub").mkdir()
    assert [p.name for p in sources.list_pictures(tmp_path)] == ["a.jpg", "b.png"]
    assert [p.name for p in sources.list_pictures(tmp_path, 1)] == ["a.jpg"]
    with pytest.raises(InputError, match="--limit"):
        sources.list_pictures(tmp_path, 0)
    with pytest.raises(InputError, match="no picture"):
        sources.list_pictures(tmp_path / "sub")


def test_full_size_pictures_are_cut_to_the_scale(tmp_path):
    _png(tmp_path / "a.png", 13, 11)
    assert sources.read_hr(tmp_path / "a.png", 4).shape == (1, 3, 12, 8)
    with pytest.raises(ImageFileError, match="smaller"):
        sources.read_hr(tmp_path / "a.png", 16)


def test_ready_inputs_are_found_by_stem_and_checked(tmp_path):
    _png(tmp_path / "a[1].png", 3, 2)
    assert sources.read_lr(tmp_path, "a[1]", (3, 2)).shape == (1, 3, 3, 2)
    with pytest.raises(ImageFileError, match="expected"):
        sources.read_lr(tmp_path, "a[1]", (4, 2))
    with pytest.raises(ImageFileError, match="no picture named b"):
        sources.read_lr(tmp_path, "b", (3, 2))


def test_kernel_parameters(tmp_path):
    maps = {n: np.full((3, 2), 1.5, np.float32) for n in ("s1", "s2", "theta")}
    np.savez(tmp_path / "a.npz", **maps)
    assert sources.read_kernel_parameters(tmp_path / "a.npz", (3, 2))["s1"].shape == (1, 3, 2)
    with pytest.raises(KernelFileError, match="shape"):
        sources.read_kernel_parameters(tmp_path / "a.npz", (2, 3))
    np.savez(tmp_path / "b.npz", s1=maps["s1"])
    with pytest.raises(KernelFileError, match="s1, s2 and theta"):
        sources.read_kernel_parameters(tmp_path / "b.npz", (3, 2))


def test_depth_maps_of_every_kind_agree(tmp_path):
    depth = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    np.save(tmp_path / "a.depth.npy", 3 * depth + 1)
    np.savez(tmp_path / "b.npz", inverse_depth=depth)
    Image.fromarray((depth * 65535).round().astype(np.uint16)).save(tmp_path / "c.png")
    Image.fromarray((depth * 255).round().astype(np.uint8)).save(tmp_path / "d.depth.png")
    for name in "abcd":
        found = sources.find_depth_map(tmp_path, name)
        read = sources.read_inverse_depth(found, (6, 8))
        assert read.shape == (1, 1, 6, 8)
        torch.testing.assert_close(read[0, 0], torch.from_numpy(depth), atol=0.003, rtol=0)
        small = sources.read_inverse_depth(found, (3, 4))
        assert small.shape == (1, 1, 3, 4)
    with pytest.raises(ImageFileError, match="no depth map"):
        sources.find_depth_map(tmp_path, "e")


def test_peers_file_is_checked(tmp_path):
    path = tmp_path / "peers.json"
    path.write_text('{"p2": {"X": {"psnr_y": 27}}}')
    assert sources.read_peers(path) == {"p2": {"X": {"psnr_y": 27.0}}}
    path.write_text("[1]")
    with pytest.raises(InputError, match="--peers"):
        sources.read_peers(path)


def test_shared_folder_is_optional(monkeypatch, tmp_path):
    monkeypatch.delenv(sources.ENVIRONMENT_VARIABLE, raising=False)
    assert sources.shared_path("data") is None
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, str(tmp_path))
    assert sources.shared_path("data") is None
    assert sources.shared_path() == tmp_path
    with pytest.raises(InputError, match="--data FOLDER"):
        sources.need_folder(None, "pictures", "--data")


def test_places_come_from_the_benchmark_data(monkeypatch, tmp_path):
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, str(tmp_path))
    data, peers = tmp_path / "data" / "kodak24", tmp_path / "peers"
    for folder in (data, peers / "kodak24" / "p2", peers / "kodak24" / "p2_params"):
        folder.mkdir(parents=True)
    (peers / "kodak24.json").write_text("{}")
    found = find_places(QualityOptions(protocols=("p1", "p2")), 4)
    assert found.data == data
    assert found.metrics is None
    assert found.inputs_folder("p2") == peers / "kodak24" / "p2"
    assert found.inputs_folder("p1") is None
    assert found.params == peers / "kodak24" / "p2_params"
    assert found.peers == peers / "kodak24.json"
    for other in (find_places(QualityOptions(), 2), find_places(AblationOptions(), 4)):
        assert (other.data, other.inputs, other.params, other.peers) == (data, None, None, None)
    with pytest.raises(InputError, match="--depth-maps"):
        find_places(QualityOptions(depth_maps=tmp_path / "nothing"), 4)


def test_records_show_no_absolute_path_of_the_benchmark_data(monkeypatch, tmp_path):
    monkeypatch.setenv(sources.ENVIRONMENT_VARIABLE, str(tmp_path))
    inside, outside = tmp_path / "data" / "x", tmp_path.parent / "other"
    shown = sources.display_options({"data": inside, "inputs": outside, "out": inside, "seed": 1})
    assert shown == {"data": "$MMSR_SHARED/data/x", "inputs": str(outside), "seed": 1}
