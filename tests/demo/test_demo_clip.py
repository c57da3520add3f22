"""`--clip`: words and reference pictures through a tiny real CLIP."""

from __future__ import annotations

import os

import pytest
import torch
from PIL import Image

pytest.importorskip("gradio", reason='the demo needs gradio: pip install -e ".[demo]"')
pytest.importorskip("transformers", reason="CLIP needs transformers: pip install transformers")

from dataclasses import replace

from mmsr_core.cli import main
from mmsr_core.errors import InputError
from mmsr_core.image import load_image
from mmsr_demo import build_demo
from mmsr_demo.work.jobs import RestoreJob
from tests.demo.conftest import own_cache
from tests.tiny_clip import write_clip


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    write_clip(folder)
    return folder


@pytest.fixture(scope="module")
def built(demo_settings, clip_folder):
    """(page, engine) without a server."""
    with own_cache():  # until the session's server may start, not longer
        page, engine = build_demo(replace(demo_settings, clip=clip_folder))
    yield page, engine
    engine.close()


@pytest.fixture
def restore(built, demo_picture):
    def run(**options):
        job = RestoreJob(demo_picture(16, 20, "words.png"), scale=2, steps=1, detail=1.0, **options)
        return load_image(built[1].restore(job).after).rgb

    return run


def labels_shown(page):
    props = [c["props"] for c in page.get_config_file()["components"]]
    return {str(p.get("label")).split(":")[0]: p.get("visible", True) for p in props}


def test_the_page_offers_reference_pictures(built):
    assert labels_shown(built[0])["Reference pictures"] is True
    assert labels_shown(built[0])["What is in the picture"] is True
    assert built[1].abilities.references


def test_words_go_through_clip(built, restore):
    plain, fox, car = restore(), restore(prompt="the fox"), restore(prompt="the car")
    assert not torch.equal(plain, fox)
    assert not torch.equal(fox, car)
    assert built[1].clip.embed_dim == 512


def test_a_reference_picture_changes_the_result(restore, demo_picture, tmp_path):
    plain = restore()
    one = restore(references=(demo_picture(24, 24, "ref.png"),))
    dark = tmp_path / "dark.png"
    Image.new("RGB", (40, 30), (10, 0, 60)).save(dark)
    other = restore(references=(dark,))
    both = restore(references=(dark,), prompt="the fox")
    for made in (one, other, both):
        assert not torch.equal(made, plain)
    assert not torch.equal(one, other)
    assert not torch.equal(both, other)
    assert torch.equal(restore(references=(dark,), strengths={"prompt": 0.0}), plain)


def test_a_reference_that_is_no_picture_is_refused(restore, tmp_path):
    path = tmp_path / "text.png"
    path.write_text("hello")
    with pytest.raises(InputError, match="not a picture") as refused:
        restore(references=(path,))
    assert str(tmp_path) not in str(refused.value)


def test_without_clip_references_are_refused_and_not_offered(demo_server, demo_picture):
    engine = demo_server[1]
    assert not engine.abilities.references
    picture = demo_picture(16, 20)
    with pytest.raises(InputError, match="--clip"):
        engine.restore(RestoreJob(picture, scale=2, steps=1, references=(picture,)))


def test_a_wrong_folder_is_said_at_once(demo_model, tmp_path, capfd):
    before = os.environ.get("GRADIO_TEMP_DIR")
    words = ["--model", str(demo_model), "--device", "cpu", "--clip", str(tmp_path / "none")]
    assert main(["demo", "--no-browser", "--port", "0", *words]) == 2
    said = capfd.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert "CLIP" in said
    assert os.environ.get("GRADIO_TEMP_DIR") == before  # of a server that may be running
