"""What is not installed is said in one line that names the extra; the rest works."""

from __future__ import annotations

import sys

import pytest

from mmsr_core.errors import InputError, MissingPackageError
from mmsr_core.optional import require


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Hides packages, as if they were not installed."""

    def hide(*names: str) -> None:
        for module in list(sys.modules):
            if module.split(".")[0] in names:
                monkeypatch.delitem(sys.modules, module)

        class Finder:
            @staticmethod
            def find_spec(name: str, path: object = None, target: object = None) -> None:
                if name.split(".")[0] in names:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])

    return hide


def test_a_missing_package_names_its_extra(without) -> None:
    without("transformers")
    with pytest.raises(MissingPackageError, match=r'CLIP needs transformers.*"mmsr\[clip\]"'):
        require("transformers", "clip", "CLIP")


def test_what_is_there_is_imported() -> None:
    assert require("json.decoder", "none", "This").JSONDecoder


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "half_there.py").write_text("import surely_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_not_there") as caught:
        require("half_there", "none", "This")
    assert not isinstance(caught.value, MissingPackageError)


def test_the_error_is_bad_input_and_an_import_error() -> None:
    assert issubclass(MissingPackageError, InputError)
    assert issubclass(MissingPackageError, ImportError)


def test_clip_depth_models_and_pipelines_say_so(without, tmp_path) -> None:
    from mmsr_core.depth import load_depth_backend
    from mmsr_core.prompts import load_clip

    without("transformers", "diffusers")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MissingPackageError, match=r"mmsr\[transformers\]"):
        load_clip(tmp_path)
    with pytest.raises(MissingPackageError, match=r"mmsr\[transformers\]"):
        load_depth_backend(tmp_path)
    import mmsr_core

    with pytest.raises(MissingPackageError, match=r"mmsr\[diffusers\]"):
        _ = mmsr_core.MMSRPipeline
    assert not hasattr(mmsr_core, "nothing")


def test_a_run_needs_none_of_them(without, tmp_path) -> None:
    import torch

    from mmsr_core import load_pipeline

    without("transformers", "diffusers", "accelerate", "huggingface_hub", "imagecodecs")
    pipe = load_pipeline("small", "cpu", "float32")
    assert pipe(torch.rand(1, 3, 8, 8), steps=1).images.shape == (1, 3, 32, 32)
