"""Networks of published sizes beside ours in the speed benchmark; random weights, own code.

(a) a compact body as the paper of realesr-general describes it (SRVGG: 64 channels, 32 convolutions
with PReLU, pixel shuffle, on top of a nearest-neighbour enlargement);
(b) a U-Net of ResShift's size (118.6 M parameters published) on a latent of a quarter of the
result's sides, and a VQ-f4 autoencoder, both from diffusers. The U-Net has the published widths
(160 times 1, 2, 2, 4, two residual blocks a level); where ResShift has windowed attention at every
level, this has plain attention at the two lowest, which makes it 2 % smaller and not slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

UNET_STEPS = 4


class CompactBody(nn.Module):
    """`(B,3,h,w)` to `(B,3,s*h,s*w)`: convolutions with PReLU at the input's size."""

    def __init__(self, channels: int = 64, convolutions: int = 32, scale: int = 4) -> None:
        """Args: width, convolutions of the body, SR factor."""
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1), nn.PReLU(channels)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers, nn.Conv2d(channels, 3 * scale * scale, 3, padding=1))
        self.scale = scale

    def forward(self, lr: Tensor) -> Tensor:
        """Enlarge."""
        plain = F.interpolate(lr, scale_factor=float(self.scale), mode="nearest")
        return F.pixel_shuffle(self.body(lr), self.scale) + plain


def make_unet() -> nn.Module:
    """A U-Net about the size of ResShift's: latent and picture in (6 channels), latent out."""
    from diffusers.models.unets.unet_2d import UNet2DModel

    return UNet2DModel(
        in_channels=6,
        out_channels=3,
        layers_per_block=2,
        block_out_channels=(160, 320, 320, 640),
        down_block_types=("DownBlock2D",) * 2 + ("AttnDownBlock2D",) * 2,
        up_block_types=("AttnUpBlock2D",) * 2 + ("UpBlock2D",) * 2,
        attention_head_dim=32,
    )


def make_autoencoder() -> nn.Module:
    """A VQ-f4 autoencoder of the published size: 128 channels times 1, 2, 4, two blocks, z = 3."""
    from diffusers.models.autoencoders.vq_model import VQModel

    return VQModel(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(128, 256, 512),
        layers_per_block=2,
        latent_channels=3,
        num_vq_embeddings=8192,
        vq_embed_dim=3,
    )


@torch.no_grad()
def measure_peers(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds and parameters of both peers for one input size; see `speed_worker.measure`."""
    from .run import median_and_iqr

    if job["threads"] is not None:
        torch.set_num_threads(job["threads"])
    device = torch.device(resolve_device(job["device"]))
    dtype = getattr(torch, job["dtype"])
    height, width = job["size"]
    scale = job["scale"]
    lr = torch.rand(1, 3, height, width)
    hr = torch.rand(1, 3, height * scale, width * scale)
    latent = torch.rand(1, 6, height * scale // 4, width * scale // 4)

    def timed(make: Callable[[], nn.Module], picture: Tensor, run: Callable[..., Any]) -> Any:
        """Seconds of `run(module, picture)` and the module's parameters in millions."""
        module = make().to(device, dtype).eval()
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        given = picture.to(device, dtype).contiguous(memory_format=torch.channels_last)
        seconds = []
        for repeat in range(job["repeats"] + 1):
            start = time.perf_counter()
            run(module, given)
            if device.type == "cuda":
                torch.cuda.synchronize()
            if repeat:
                seconds.append(time.perf_counter() - start)
        count = sum(p.numel() for p in module.parameters()) / 1e6
        return median_and_iqr(seconds), round(count, 3)

    compact, compact_size = timed(lambda: CompactBody(scale=scale), lr, lambda m, x: m(x))
    step, unet_size = timed(make_unet, latent, lambda m, x: m(x, 500))
    encode, coder_size = timed(make_autoencoder, hr, lambda m, x: m.encode(x))
    decode, _ = timed(
        make_autoencoder, latent[:, :3], lambda m, x: m.decode(x, force_not_quantize=True)
    )
    whole = UNET_STEPS * step["median"] + encode["median"] + decode["median"]
    return {
        "compact": {"seconds": compact, "parameters_m": compact_size},
        "unet_step": {"seconds": step, "parameters_m": unet_size},
        "vq_encode": {"seconds": encode, "parameters_m": coder_size},
        "vq_decode": {"seconds": decode, "parameters_m": coder_size},
        "diffusion_seconds": whole,
    }


def resolve_device(name: str) -> str:
    """`auto` as the pipeline resolves it."""
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
