"""Write a tiny, untrained Stable Diffusion 1.5 checkpoint with ComfyUI's own classes.

`python make_checkpoint.py COMFYUI_PATH FILE`, with the Python that runs ComfyUI. The text encoder
is of full size, because the host builds no other; the U-Net has one level and random weights: what
it draws is noise, but it loads, samples and can be guided. The autoencoder is TAESD's, with weights
that keep the mean colour of every 8x8 pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

UNET = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 320,
    "num_res_blocks": [1], "channel_mult": [1], "transformer_depth": [1],
    "transformer_depth_output": [1, 1], "transformer_depth_middle": 1, "context_dim": 768,
    "num_heads": 8, "num_head_channels": -1, "use_spatial_transformer": True, "legacy": False,
    "use_linear_in_transformer": False, "adm_in_channels": None, "use_temporal_attention": False,
}  # fmt: skip

LATENT_FACTOR = 0.18215
"""What Stable Diffusion 1.5 multiplies latents by."""


def fill(module: Any, prefix: str) -> dict[str, Any]:
    """The state of a module with small random weights, as float16, every name prefixed.

    The host's layers leave their weights uninitialised, so all of them are set.
    """
    import torch

    state = {}
    for name, value in module.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.ndim > 1:
            drawn = torch.randn(value.shape) * (1.5 / value[0].numel()) ** 0.5
        elif name.endswith("weight"):  # a norm's
            drawn = torch.ones(value.shape)
        elif value.ndim == 0:  # TAESD's scale and shift
            drawn = value.float()
        else:
            drawn = torch.zeros(value.shape)
        state[prefix + name] = drawn.half().contiguous()
    return state


def keep_mean_colours(autoencoder: Any) -> None:
    """Set TAESD's weights: three channels pass through, and halving a side averages 2x2 pixels."""
    import torch

    with torch.no_grad():
        for value in autoencoder.parameters():
            value.zero_()
        for name, layer in autoencoder.named_modules():
            # The layers inside a block stay 0: its own shortcut passes what comes in.
            if not isinstance(layer, torch.nn.Conv2d) or ".conv." in name:
                continue
            halving = layer.stride[0] == 2
            for channel in range(3):
                taps = layer.weight[channel, channel]
                if halving:
                    taps[1:, 1:] = 0.25
                else:
                    taps[1, 1] = 1
        # Latents of about unit size after Stable Diffusion's own factor: -1..1.
        autoencoder.vae_scale.fill_(LATENT_FACTOR / 2)
        autoencoder.vae_shift.fill_(-1 / LATENT_FACTOR)


def main() -> None:
    """Build the three parts and save them as one checkpoint."""
    comfy_path, target = sys.argv[1:]
    sys.path.insert(0, comfy_path)
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    import comfy.ops
    import torch
    from comfy.clip_model import CLIPTextModel
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.sd1_clip import SDClipModel
    from comfy.taesd.taesd import TAESD
    from safetensors.torch import save_file

    torch.manual_seed(0)
    layers = comfy.ops.disable_weight_init
    text = SDClipModel(device="cpu", model_class=CLIPTextModel)
    parts = {
        "model.diffusion_model.": UNetModel(**UNET, operations=layers),
        "first_stage_model.": TAESD(),
        "cond_stage_model.transformer.": text.transformer,
    }
    autoencoder = parts["first_stage_model."]
    keep_mean_colours(autoencoder)
    state: dict[str, Any] = {}
    for prefix, module in parts.items():
        state |= fill(module, prefix)
    for name, value in autoencoder.state_dict().items():
        state["first_stage_model." + name] = value.half().contiguous()
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    save_file(state, target)


if __name__ == "__main__":
    main()
