"""The comparison of bodies with and without a prompt, at a size that takes seconds."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.command import main
from benchmarks.inputs.captioned import CaptionedPicture, load_captioned
from benchmarks.modalities.prompt_bodies import compare_prompt_bodies, prompt_bodies_table
from benchmarks.modalities.residual_bodies import EdsrBody, RcanBody
from mmsr_core.errors import InputError
from tests.helpers import smooth_picture


def pictures(count: int, first: int = 0) -> list[CaptionedPicture]:
    made = []
    for i in range(first, first + count):
        said = torch.randn(512, generator=torch.Generator().manual_seed(i))
        prompt = torch.nn.functional.normalize(said, dim=0)
        made.append(CaptionedPicture(f"p{i}", smooth_picture((48, 52), i)[0], prompt))
    return made


def test_rows_are_complete_and_repeatable() -> None:
    bodies = {"a": lambda: EdsrBody(6, 2), "b": lambda: RcanBody(6, 1, 2)}
    options = {"seeds": (0, 1), "steps": 6, "batch": 2, "patch": 32, "bodies": bodies}
    rows = compare_prompt_bodies(pictures(3), pictures(2, 10), **options)
    again = compare_prompt_bodies(pictures(3), pictures(2, 10), **options)
    assert rows == again
    assert [r.body for r in rows] == ["a", "b"]
    for row in rows:
        assert row.parameters[1] > row.parameters[0]
        for values in (row.without, row.right, row.wrong, row.none):
            assert len(values) == 2
            assert values[0] != values[1]  # seeds differ
        assert row.right != row.wrong  # the prompt has reached the picture
        assert row.right != row.none
    table = prompt_bodies_table(rows).splitlines()
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1


def test_training_helps() -> None:
    bodies = {"a": lambda: EdsrBody(8, 2)}
    few, many = (
        compare_prompt_bodies(
            pictures(3), pictures(2, 10), seeds=(0,), steps=s, batch=4, patch=32, bodies=bodies
        )[0]
        for s in (1, 60)
    )
    assert many.without[0] > few.without[0] + 0.1
    assert many.right[0] > few.right[0] + 0.1


def test_a_limit_on_time_cuts_the_steps(caplog) -> None:
    caplog.set_level("INFO", "benchmarks")
    bodies = {"a": lambda: EdsrBody(6, 2)}
    compare_prompt_bodies(
        pictures(2), pictures(2, 10), seeds=(0,), steps=10_000, seconds=0.5, batch=2, patch=32,
        bodies=bodies,
    )  # fmt: skip
    steps = [int(line.split(": ")[1].split()[0]) for line in caplog.messages]
    assert len(set(steps)) == 1  # both arms alike
    assert 10 <= steps[0] < 1000


def test_unusable_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="two held-out"):
        compare_prompt_bodies(pictures(2), pictures(1, 10))
    with pytest.raises(InputError, match="do not fit"):
        compare_prompt_bodies(pictures(2), pictures(2, 10), patch=96)


def write_photos(folder: Path, sizes: list[tuple[int, int]], captions: list[list[str]]) -> None:
    """Grey pictures `0.png`, `1.png`, ..., each lighter than the one before, and their captions."""
    with tarfile.open(folder / "photos_0.tar", "w") as tar:
        for i, size in enumerate(sizes):
            buffer = io.BytesIO()
            Image.fromarray(np.full((*size, 3), 30 * i % 256, np.uint8)).save(buffer, "PNG")
            info = tarfile.TarInfo(f"photos/{i}.png")
            info.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(info, buffer)
    listed = [{"name": f"{i}.png", "captions": said} for i, said in enumerate(captions)]
    (folder / "photos.json").write_text(json.dumps(listed))


def test_captioned_pictures_are_loaded_and_split(tmp_path) -> None:
    captions = [[f"a {i}", "x"] for i in range(6)] + [[]]
    write_photos(tmp_path, [(4, 6)] * 7, captions)
    asked: list[list[str]] = []

    def encode(texts: list[str]) -> torch.Tensor:
        asked.append(texts)
        return torch.eye(512)[: len(texts)]

    kept, held_out = load_captioned(tmp_path, encode, 3)
    assert [p.name for p in held_out] == ["0.png", "3.png"]
    assert [p.name for p in kept] == ["1.png", "2.png", "4.png", "5.png"]
    assert asked[0] == ["a 0", "x"]
    assert kept[0].hr.shape == (3, 4, 6)
    assert float(kept[0].hr.mean()) == pytest.approx(30 / 255)
    torch.testing.assert_close(kept[0].prompt[:2], torch.full((2,), 0.5**0.5))
    (tmp_path / "photos.json").write_text("[1]")
    with pytest.raises(InputError, match="cannot be used"):
        load_captioned(tmp_path, encode)


def test_the_command_compares_both_bodies(tmp_path, model, capsys) -> None:
    write_photos(tmp_path, [(96, 80)] * 10, [[f"a {word}"] for word in "abcdefghij"])
    words = ["--bodies", "0.05", "--photos", str(tmp_path), "--model", str(model)]
    out = tmp_path / "out"
    assert main(["modalities", *words, "--seeds", "0", "--out", str(out)]) == 0
    found = json.loads((out / "prompt_bodies.json").read_text())
    assert [row["body"] for row in found["rows"]] == ["EDSR-like", "RCAN-like"]
    assert found["pictures"] == {"training": 8, "held out": 2}
    table = (out / "prompt_bodies.md").read_text()
    assert "EDSR-like" in table
    assert table in capsys.readouterr().out


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_bodies_need_some_minutes(minutes, tmp_path, capsys) -> None:
    words = ["--bodies", minutes, "--photos", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["modalities", *words]) == 2
    assert "above 0" in capsys.readouterr().err
