import json

import pytest
import torch
from transformers import (
    AutoImageProcessor,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    Dinov2Model,
)

from mmsr_core.depth import (
    BuiltinDepth,
    DepthBackend,
    TransformersDepth,
    load_depth_backend,
    normalise_depth,
)
from mmsr_core.depth.preprocess import ProcessorAdapter, SettingsPreprocessor, read_preprocessor
from mmsr_core.errors import ShapeError, WeightsError
from mmsr_core.models.depth_net import DepthNet
from tests.helpers import write_model_with_code

SETTINGS = {
    "image_processor_type": "DPTImageProcessor",
    "do_resize": True,
    "size": {"height": 56, "width": 56},
    "keep_aspect_ratio": True,
    "ensure_multiple_of": 14,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def backbone_config():
    return Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )


def save_depth_anything(folder, kind="relative"):
    torch.manual_seed(0)
    config = DepthAnythingConfig(
        backbone_config=backbone_config(),
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 6, 8, 10],
        fusion_hidden_size=8,
        head_hidden_size=4,
        patch_size=14,
        depth_estimation_type=kind,
        max_depth=20,
    )
    model = DepthAnythingForDepthEstimation(config).eval()
    with torch.no_grad():
        # A fresh head may give zero everywhere after its ReLU, and hardly any contrast.
        model.head.conv3.bias.fill_(1.0 if kind == "relative" else 0.0)
        model.head.conv3.weight.mul_(50)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    return model


def picture(height, width, batch=1):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("depth_anything")
    save_depth_anything(path)
    return path


@pytest.fixture(scope="module")
def backend(folder):
    return load_depth_backend(folder)


def test_depth_anything_is_loaded_and_agrees_with_the_model_itself(folder, backend):
    assert isinstance(backend, TransformersDepth)
    assert isinstance(backend, DepthBackend)
    assert not backend.metric
    model = DepthAnythingForDepthEstimation.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder)
    image = (picture(56, 84) * 255).round() / 255
    inputs = processor(
        images=[(image[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()],
        return_tensors="pt",
    )
    with torch.no_grad():
        expected = normalise_depth(model(**inputs).predicted_depth[:, None])
    depth = backend(image)
    assert depth.shape == expected.shape == (1, 1, 56, 84)
    assert depth.std() > 0.05
    torch.testing.assert_close(depth, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (3, 200)])
def test_any_picture_size(backend, size):
    depth = backend(picture(*size, batch=2))
    assert depth.shape == (2, 1, *size)
    assert depth.min() >= 0
    assert depth.max() <= 1


def test_metric_depth_is_inverted(tmp_path, folder):
    save_depth_anything(tmp_path, "metric")
    metric = load_depth_backend(tmp_path)
    assert isinstance(metric, TransformersDepth)
    assert metric.metric
    image = picture(56, 56)
    distance = metric.model(pixel_values=metric.preprocessor(image)).predicted_depth.detach()
    nearness = metric(image)[0].flatten()
    order = distance.flatten().argsort()
    assert (nearness[order].diff() <= 0).all()
    assert nearness.std() > 0.05
    forced = load_depth_backend(folder, metric=True)
    assert isinstance(forced, TransformersDepth)
    assert forced.metric


def test_without_a_usable_processor_the_settings_are_followed(tmp_path, folder, backend):
    save_depth_anything(tmp_path)
    unknown = {**SETTINGS, "image_processor_type": "NoSuchImageProcessor"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(unknown))
    config = backend.model.config
    assert isinstance(read_preprocessor(str(folder), config), ProcessorAdapter)
    plain = SettingsPreprocessor.from_settings(unknown, patch=14, side=56)
    image = (picture(70, 112) * 255).round() / 255
    theirs = backend.preprocessor(image)
    ours = plain(image)
    assert ours.shape == theirs.shape
    smooth = torch.nn.functional.interpolate(picture(5, 8), size=(70, 112), mode="bicubic").clamp(
        0, 1
    )
    torch.testing.assert_close(plain(smooth), backend.preprocessor(smooth), atol=0.15, rtol=0)


def test_without_settings_the_size_of_the_model_is_used(tmp_path):
    save_depth_anything(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    backend = load_depth_backend(tmp_path)
    assert isinstance(backend, TransformersDepth)
    assert backend.preprocessor == SettingsPreprocessor(size=(56, 56), multiple=14)
    assert backend(picture(40, 61)).shape == (1, 1, 40, 61)


def test_the_built_in_network_is_a_backend_too(tmp_path):
    torch.manual_seed(0)
    net = DepthNet(stem=4, widths=(6, 8), blocks=(1, 1)).eval()
    net.save_pretrained(tmp_path)
    loaded = load_depth_backend(str(tmp_path))
    assert isinstance(loaded, BuiltinDepth)
    image = picture(30, 40)
    torch.testing.assert_close(loaded(image), BuiltinDepth(net)(image), atol=1e-5, rtol=1e-4)


def test_folders_without_a_depth_model_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        load_depth_backend(tmp_path)
    with pytest.raises(WeightsError, match=r"config\.json is missing"):
        load_depth_backend(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("not json")
    with pytest.raises(WeightsError, match="JSON"):
        load_depth_backend(tmp_path)
    with pytest.raises(WeightsError, match="No depth model found"):
        load_depth_backend("no/such-model-anywhere", local_files_only=True)


def test_models_of_another_kind_are_refused(tmp_path):
    Dinov2Model(backbone_config()).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="dinov2"):
        load_depth_backend(tmp_path)


def test_incomplete_and_damaged_weights_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_depth_anything(tmp_path)
    weights = tmp_path / "model.safetensors"
    stored = load_file(weights)
    stored.pop("head.conv3.weight")
    save_file(stored, weights, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"head\.conv3\.weight"):
        load_depth_backend(tmp_path)
    weights.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_depth_backend(tmp_path)


def test_damaged_built_in_weights_are_refused(tmp_path):
    DepthNet(stem=4, widths=(6, 8), blocks=(1, 1)).save_pretrained(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        load_depth_backend(tmp_path)


def test_wrong_shape_is_refused(backend):
    with pytest.raises(ShapeError):
        backend(torch.zeros(3, 8, 8))


def test_code_that_comes_with_a_model_is_never_run(tmp_path, monkeypatch):
    """Not even asked for: whoever sits at a server's console must not be able to say yes."""
    trace = write_model_with_code(tmp_path, monkeypatch)
    with pytest.raises(WeightsError):
        load_depth_backend(tmp_path)
    assert not trace.exists()
