"""The host side of a run: devices, model management, progress with previews, interruption.

Apart from `host_api.py`, of which the node classes are made, `examples.py`, which adds a route, and
the folders of files, this is the only file that talks to ComfyUI.
Names that some releases lack are looked up with `getattr`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import comfy.model_management as host
import comfy.model_patcher
import comfy.model_sampling
import comfy.utils
import torch
from PIL import Image
from torch import Tensor, nn

from ..mmsr_core.errors import InputError, ShapeError
from .payloads import ModelHandle

if TYPE_CHECKING:
    import comfy.sd
    from comfy.model_patcher import ModelPatcher

    from ..mmsr_core.pipeline import HostAutoencoder, MMSREngine
    from ..mmsr_core.types import Progress

PREVIEW_SIDE = 256
PREVIEW_INTERVAL_SECONDS = 0.3
TILE_BYTES = 1 << 29
"""Room for the activations of one tile of the automatic size."""
CANVASES = 6
"""Float32 pictures of the result's size that a run holds at a time, at most."""

DEVICES = ("auto", "cpu")
DTYPES = ("auto", "float32", "bfloat16", "float16")

_HOST_NAMES = {"lr": "image", "inverse_depth": "depth", "kernel": "degradation", "hr": "image"}


class _Networks(nn.Module):
    """Networks as one module, which is what the host's memory manager moves.

    ModelPatcher writes attributes such as `device` on its module; diffusers' models refuse that.
    """

    def __init__(self, networks: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, network in networks.items():
            self.add_module(name, network)


class HostNetworks:
    """Networks, now on the CPU, under the host's memory management.

    The host keeps only a weak reference: they stay in its care as long as this object lives.
    """

    def __init__(self, networks: dict[str, nn.Module], device: torch.device) -> None:
        self.device = device
        self._module = _Networks(networks).eval()
        self._patcher = comfy.model_patcher.ModelPatcher(
            self._module,
            load_device=device,
            offload_device=device if device.type == "cpu" else host.unet_offload_device(),
        )

    @property
    def module(self) -> nn.Module:
        """All networks as one module."""
        return self._module

    @property
    def patcher(self) -> comfy.model_patcher.ModelPatcher:
        """What the host moves."""
        return self._patcher

    def bring(self, room_bytes: int) -> None:
        """Have the host make room beside the weights, and bring those to the compute device."""
        # The host runs nodes in inference mode; weights moved there could not be used outside it.
        with torch.inference_mode(False):
            host.load_models_gpu([self._patcher], memory_required=room_bytes)
            # With the host's dynamic memory, modules that are not built from its own layers may
            # have been left where they were.
            self._module.to(self.device)


def host_autoencoder(vae: comfy.sd.VAE, model: Any, patcher: ModelPatcher) -> HostAutoencoder:
    """The host's VAE in the latents of `model`, the one inside the sampler, which `patcher` holds.

    A sampler of a video model has latents of frames.
    """
    from ..mmsr_core.pipeline import HostAutoencoder

    return HostAutoencoder(
        vae,
        model.process_latent_out,
        model.process_latent_in,
        model.diffusion_model,
        lambda: host.load_models_gpu([patcher]),
    )


def noise_over_signal(model: Any, sigma: Tensor) -> Tensor:
    """The host's sigma as noise over signal."""
    from ..mmsr_core.pipeline import flow_noise_over_signal

    if isinstance(model.model_sampling, comfy.model_sampling.CONST):
        return flow_noise_over_signal(sigma)
    return sigma


def packed_shapes(args: dict[str, Any]) -> Sequence[Sequence[int]]:
    """Shapes of the latents that the host samples as one, such as a film's pictures and sound.

    Args:
        args: what a post-CFG function gets. Newer hosts note the shapes on the model, those before
            them only in the conditions, and the oldest have no such latents: then there is none.
    """
    shapes = getattr(args["model"], "latent_shapes", None)
    for condition in args.get("cond") or ():
        noted = condition.get("model_conds", {}).get("latent_shapes")
        shapes = shapes or getattr(noted, "cond", None)
    return shapes or ()


def choose_device(choice: str) -> torch.device:
    """The device to compute on: the host's, unless the user asked for the CPU."""
    if choice not in DEVICES:
        raise InputError(f"device: {choice!r} is not one of: {', '.join(DEVICES)}.")
    return torch.device("cpu") if choice == "cpu" else host.get_torch_device()


def choose_dtype(choice: str) -> str:
    """The number format to hand to the pipeline; the host's --force-fp32 turns auto to float32."""
    if choice not in DTYPES:
        raise InputError(f"dtype: {choice!r} is not one of: {', '.join(DTYPES)}.")
    if choice == "auto" and getattr(host, "FORCE_FP32", False):
        return "float32"
    return choice


def manage_pipeline(name: str, pipeline: MMSREngine, device: torch.device) -> ModelHandle:
    """Put all networks of a pipeline under the host's memory management."""
    networks = {
        key: part for key, part in pipeline.components.items() if isinstance(part, nn.Module)
    }
    return ModelHandle(name, pipeline, HostNetworks(networks, device))


def room_for(size: tuple[int, int], scale: int = 1) -> int:
    """Bytes a run takes beside the weights, for an input of `size` (height, width).

    Tiles bound the activations; the canvases of the result are what grows. An estimate for the
    host's memory manager: where it is too low, the tile halves.
    """
    return TILE_BYTES + CANVASES * 3 * 4 * size[0] * size[1] * scale * scale


def acquire(model: ModelHandle, size: tuple[int, int] = (1, 1), scale: int = 1) -> MMSREngine:
    """The pipeline, ready to run on its device on a picture of `size` (height, width)."""
    model.networks.bring(room_for(size, scale))
    return model.pipeline


def run_upscale_model(model: Any, picture: Tensor) -> Tensor:
    """What an UPSCALE_MODEL of the host makes of `picture (B,3,h,w)`, on its device."""
    from ..mmsr_core.pipeline import PriorModel

    device = host.get_torch_device()
    patcher = getattr(model, "patcher", None)
    if patcher is not None:  # newer hosts move it themselves
        host.load_models_gpu([patcher])
    else:
        host.free_memory(host.module_size(model.model), device)
        model.to(device)
    try:
        return PriorModel(model)(picture.to(device), check_interrupted).to(picture.device)
    finally:
        if patcher is None:
            model.to("cpu")


def _to_pil(picture: Tensor) -> Image.Image:
    values = picture.detach().to(device="cpu", dtype=torch.float32).clamp(0.0, 1.0)
    array = values.mul(255.0).round().to(torch.uint8).movedim(0, -1).contiguous().numpy()
    return Image.fromarray(array)


class HostProgress:
    """Hands progress of a batch to the host, with previews, and stops the run when it asks.

    The bar is as long as `items`: pictures, and what is to be made after them.
    """

    def __init__(self, items: int = 1) -> None:
        self._items = max(items, 1)
        self._bar: comfy.utils.ProgressBar | None = None
        self._last_preview = float("-inf")

    @property
    def items(self) -> int:
        """How long the bar is."""
        return self._items

    def item(self, index: int, span: int = 1) -> Callable[[Progress], None]:
        """The callback for item `index`, or for `span` items from there on that are one run."""

        def report(event: Progress) -> None:
            self._report(index, span, event)

        check_interrupted()
        return report

    def _report(self, index: int, span: int, event: Progress) -> None:
        check_interrupted()
        total = max(event.total, 1)
        if self._bar is None:
            self._bar = comfy.utils.ProgressBar(total * self._items)
        preview = None
        now = time.monotonic()
        if event.preview is not None and now - self._last_preview >= PREVIEW_INTERVAL_SECONDS:
            self._last_preview = now
            preview = ("JPEG", _to_pil(event.preview()), PREVIEW_SIDE)
        done = index * total + span * min(event.done, total)
        self._bar.update_absolute(done, total * self._items, preview)


class StepProgress:
    """Progress of a plain loop over pictures."""

    def __init__(self, items: int) -> None:
        check_interrupted()
        self._bar = comfy.utils.ProgressBar(items)

    def done(self, count: int) -> None:
        """Report `count` finished pictures."""
        check_interrupted()
        self._bar.update_absolute(count)


def check_interrupted() -> None:
    """Raise the host's interruption when the user has pressed cancel."""
    host.throw_exception_if_processing_interrupted()


@contextmanager
def host_names() -> Iterator[None]:
    """Let shape errors speak of the node's inputs (`image`) and not of the core's (`lr`)."""
    try:
        yield
    except ShapeError as error:
        name = _HOST_NAMES.get(error.name)
        if name is None:
            raise
        raise InputError(
            f"{name}: must have shape {error.expected}, but has {error.actual}."
        ) from error
