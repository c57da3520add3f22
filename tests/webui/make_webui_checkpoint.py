"""Write a small, untrained Stable Diffusion 1.5 checkpoint with Forge's own classes.

`python make_webui_checkpoint.py FORGE_PATH FILE`, with the Python that runs Forge. Text encoder and
autoencoder are of full size, because the host builds no other; the U-Net has two small levels.
Weights are random: what it draws is noise, but it loads, encodes, samples and decodes.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

UNET = {
    "in_channels": 4, "model_channels": 320, "out_channels": 4, "num_res_blocks": [1, 1],
    "channel_mult": (1, 1), "num_heads": 8, "use_spatial_transformer": True,
    "transformer_depth": [1, 1], "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1, "context_dim": 768,
}  # fmt: skip


def main() -> None:
    """Build the three parts and save them as one checkpoint."""
    forge, target = sys.argv[1:]
    os.chdir(forge)
    sys.path[:0] = [forge, os.path.join(forge, "packages_3rdparty")]
    sys.argv = [sys.argv[0], "--always-cpu"]
    import torch
    from backend.nn.unet import IntegratedUNet2DConditionModel
    from backend.nn.vae import IntegratedAutoencoderKL
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    configs = Path("backend/huggingface/runwayml/stable-diffusion-v1-5")
    vae = json.loads((configs / "vae" / "config.json").read_text())
    names = ("block_out_channels", "layers_per_block", "latent_channels")
    text = CLIPTextConfig.from_pretrained(str(configs / "text_encoder"))
    parts: dict[str, Any] = {
        "model.diffusion_model.": IntegratedUNet2DConditionModel(**UNET),
        "first_stage_model.": IntegratedAutoencoderKL(**{name: vae[name] for name in names}),
        "cond_stage_model.transformer.": CLIPTextModel(text),
    }
    state = {}
    for prefix, module in parts.items():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                state[prefix + name] = value.half().contiguous()
    save_file(state, target)


if __name__ == "__main__":
    main()
