"""The blueprints that ship: subgraphs which the host offers as nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CATEGORY = "MMSR"
"""Where the frontend lists them, below its own *Subgraph Blueprints*."""


@dataclass(frozen=True)
class Outside:
    """An input of a node that is an input of the blueprint: of the same name in several, one."""

    name: str
    value: Any = None
    """What its widget says at first; None: what the node has."""
    label: str = ""
    """What the frontend shows in place of the name."""


@dataclass(frozen=True)
class Blueprint:
    """A subgraph: its ends in order, and nodes as in `workflow_list.py`."""

    description: str
    aliases: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: dict[str, tuple[str, int]]
    nodes: dict[str, tuple]


_IMAGE = Outside("image")
_PANEL = (380, 560)

BLUEPRINTS: dict[str, Blueprint] = {
    "Restore an Old Photo (MMSR)": Blueprint(
        "Measures blur, noise and JPEG damage of a picture, lets you correct the measured blur, "
        "restores and enlarges, and proves the result: the report and the difference picture say "
        "how well it agrees with the original.",
        ("upscale", "restore", "deblur", "old photo", "super resolution", "faithful"),
        (
            "image", "scale", "blur_scale", "noise", "jpeg_quality", "steps", "detail", "denoise",
            "seed",
        ),
        {"image": ("5", 0), "report": ("5", 1), "difference": ("6", 0), "blur": ("3", 1)},
        {
            "1": ("MMSR_LoadModel", (0, 120), (300, 130), {}),
            "2": (
                "MMSR_EstimateDegradation", (0, 320), _PANEL,
                {
                    "model": ("1", 0), "image": _IMAGE, "scale": Outside("scale", 2),
                    "noise": Outside("noise", label="noise (-1 = measured)"),
                    "jpeg_quality": Outside("jpeg_quality", label="JPEG quality (0 = measured)"),
                },
            ),
            "3": (
                "MMSR_EditKernelField", (440, 120), _PANEL,
                {
                    "degradation": ("2", 0), "image": _IMAGE,
                    "blur_scale": Outside("blur_scale"),
                },
            ),
            "4": (
                "MMSR_ModalityFusionNode", (880, 120), (320, 400),
                {"model": ("1", 0), "image": _IMAGE, "degradation": ("3", 0)},
            ),
            "5": (
                "MMSR_SRSamplerNode", (1260, 120), (440, 700),
                {
                    "model": ("1", 0), "conditioning": ("4", 0), "seed": Outside("seed"),
                    "steps": Outside("steps"), "detail": Outside("detail"),
                    "denoise": Outside("denoise"),
                },
            ),
            "6": (
                "MMSR_FaithfulnessCheck", (1760, 120), (440, 560),
                {"image": ("5", 0), "original": _IMAGE, "degradation": ("2", 0)},
            ),
        },
    ),
    "Upscale Faithfully with a Checkpoint (MMSR)": Blueprint(
        "MMSR restores and enlarges, a checkpoint of your own (SD 1.5, SDXL) repaints, and Merge "
        "Upscale takes in what the checkpoint drew, less the more it contradicts the original. "
        "trust is the dial.",
        ("upscale", "img2img", "hires fix", "sd upscale", "merge", "faithful"),
        (
            "image", "ckpt_name", "prompt", "negative_prompt", "scale", "denoise", "steps", "cfg",
            "seed", "trust",
        ),
        {"image": ("8", 0), "report": ("8", 2), "weights": ("8", 1)},
        {
            "1": (
                "CheckpointLoaderSimple", (0, 120), (320, 100),
                {"ckpt_name": Outside("ckpt_name", "v1-5-pruned-emaonly-fp16.safetensors")},
            ),
            "2": (
                "MMSR_Upscale", (0, 290), (440, 760),
                {"image": _IMAGE, "scale": Outside("scale", 2), "preset": "balanced"},
            ),
            "3": ("VAEEncode", (500, 120), (240, 60), {"pixels": ("2", 0), "vae": ("1", 2)}),
            "4": (
                "CLIPTextEncode", (500, 250), (320, 120),
                {"clip": ("1", 1), "text": Outside("prompt", "a detailed photograph")},
                "Positive",
            ),
            "5": (
                "CLIPTextEncode", (500, 440), (320, 120),
                {"clip": ("1", 1), "text": Outside("negative_prompt", "blurry, jpeg artefacts")},
                "Negative",
            ),
            "6": (
                "KSampler", (880, 120), (300, 480),
                {
                    "model": ("1", 0), "positive": ("4", 0), "negative": ("5", 0),
                    "latent_image": ("3", 0), "seed": Outside("seed"),
                    "steps": Outside("steps", 20), "cfg": Outside("cfg", 5.0),
                    "sampler_name": "dpmpp_2m", "scheduler": "karras",
                    "denoise": Outside("denoise", 0.35),
                },
            ),
            "7": ("VAEDecode", (880, 660), (240, 60), {"samples": ("6", 0), "vae": ("1", 2)}),
            "8": (
                "MMSR_MergeUpscale", (1240, 120), (440, 700),
                {"image": _IMAGE, "upscaled": ("7", 0), "trust": Outside("trust")},
            ),
        },
    ),
    "Upscale a Video (MMSR)": Blueprint(
        "Restores and enlarges the frames of a video together, so that nothing flickers, and puts "
        "the sound back.",
        ("video upscale", "restore video", "super resolution", "frames", "flicker"),
        ("video", "scale", "size", "preset", "denoise", "seed"),
        {"video": ("3", 0), "report": ("2", 1)},
        {
            "1": ("GetVideoComponents", (0, 120), (240, 80), {"video": Outside("video")}),
            "2": (
                "MMSR_Upscale", (300, 120), (440, 760),
                {
                    "image": ("1", 0), "frames": True, "scale": Outside("scale", 2),
                    "size": Outside("size"), "preset": Outside("preset", "balanced"),
                    "denoise": Outside("denoise"), "seed": Outside("seed"),
                },
            ),
            "3": (
                "CreateVideo", (800, 120), (260, 80),
                {"images": ("2", 0), "audio": ("1", 1), "fps": ("1", 2)},
            ),
        },
    ),
}  # fmt: skip
