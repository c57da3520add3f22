"""The workflows that ship: `name: (note, {id: (type, position, size, inputs, title)})`.

The names are for tests and for the API form. ComfyUI shows a template by its file's name and by
nothing else: `TITLES`.
"""

from __future__ import annotations

from dataclasses import dataclass

_COPY = (
    "Opening this template puts its example pictures into ComfyUI's `input` folder. Choose your "
    "own in **Load Image**."
)
_SMALL, _PICTURE = (300, 130), (300, 330)
_PANEL = (380, 560)


def _load(at: tuple[int, int], image: str, title: str | None = None) -> tuple:
    return ("LoadImage", at, _PICTURE, {"image": image}, title)


_MODEL = ("MMSR_LoadModel", (40, 120), _SMALL, {})


@dataclass(frozen=True)
class Control:
    """A widget that the frontend's app mode shows."""

    node: str
    input: str
    label: str
    description: str = ""
    """One short line: the frontend cuts off what is longer."""


@dataclass(frozen=True)
class App:
    """A workflow that opens in app mode: what is asked, and the nodes whose results are shown."""

    controls: tuple[Control, ...]
    results: tuple[str, ...]


APPS: dict[str, App] = {
    "mmsr_app": App(
        (
            Control("1", "image", "Picture"),
            Control("2", "preset", "Style", "faithful invents least, crisp most"),
            Control("2", "scale", "Enlarge", "times wider and higher; 1 repairs"),
            Control("2", "size", "Or a target size", "4K, 12MP, 3000, 1.5x; or empty"),
            Control("2", "denoise", "Noise to remove", "1 removes all, 0 keeps the grain"),
        ),
        ("3",),
    ),
}  # fmt: skip
"""The workflows that are apps."""

TITLES = {
    "mmsr_app": "Restore and Upscale App (MMSR)",
    "mmsr_upscale": "Restore and Upscale a Picture (MMSR)",
    "mmsr_clean": "Clean a Noisy Photo or Scan (MMSR)",
    "mmsr_ssr_full": "Restore Step by Step (MMSR)",
    "mmsr_prompt": "Restore by a Text Prompt (MMSR)",
    "mmsr_fuse_sensors": "Fuse Infrared and Visible (MMSR)",
    "mmsr_faithfulness": "Check How Faithful It Is (MMSR)",
    "mmsr_video_frames": "Upscale Frames of a Video (MMSR)",
    "mmsr_sd_refine": "Restore, Then Repaint (MMSR)",
    "mmsr_merge_upscale": "Make Any Upscaler Faithful (MMSR)",
    "mmsr_guided_img2img": "Faithful Image to Image (MMSR)",
    "mmsr_guided_text2img": "Text to Image from a Sketch (MMSR)",
}
"""Name of a workflow -> what its file is called, and the template browser with it."""

WORKFLOWS: dict[str, tuple[str, dict[str, tuple]]] = {
    "mmsr_app": (
        "# MMSR: restore and enlarge, as an app\n\n"
        "Opens as an app in a frontend of 1.41.13 or newer: choose a picture, press *Run*. Behind "
        "it stands one **Restore & Upscale** node; *Graph* in the menu shows it.\n\n" + _COPY,
        {
            "1": _load((40, 120), "example_lr.png"),
            "2": (
                "MMSR_Upscale", (400, 120), (440, 760),
                {"image": ("1", 0), "preset": "balanced"},
            ),
            "3": (
                "SaveImage", (900, 120), (480, 420),
                {"images": ("2", 0), "filename_prefix": "mmsr/app"},
            ),
        },
    ),
    "mmsr_upscale": (
        "# MMSR: upscale in one node\n\n"
        "**Restore & Upscale** measures blur, noise and JPEG damage, restores and enlarges. Drag "
        "the line on the node to compare; the tabs show what steered the result and how well it "
        "agrees with the input.\n\n`preset` *faithful* invents nothing, *crisp* draws most. `size` "
        "takes 4K or 12MP in place of a factor. Noise, JPEG quality and blur width at -1, 0 and 0 "
        "are measured.\n\n" + _COPY,
        {
            "2": _load((40, 310), "example_lr.png"),
            "3": (
                "MMSR_Upscale", (400, 120), (440, 700),
                {"image": ("2", 0), "preset": "balanced"},
            ),
            "4": (
                "SaveImage", (900, 120), (480, 420),
                {"images": ("3", 0), "filename_prefix": "mmsr/upscaled"},
            ),
            "5": ("PreviewAny", (900, 600), (480, 160), {"source": ("3", 1)}),
        },
    ),
    "mmsr_clean": (
        "# MMSR: take away noise, grain and JPEG damage\n\n"
        "For noisy photos, old scans and over-compressed pictures. `scale` 1 keeps the size; the "
        "noise is measured at every place. `denoise` below 1 keeps a part of the grain.\n\n"
        "Where fine lines get lost, lower `denoise` or state a lower `noise`. The report says what "
        "was measured.\n\n" + _COPY,
        {
            "1": _load((40, 120), "example_lr.png", "Noisy photo or scan"),
            "2": (
                "MMSR_Upscale", (400, 120), (440, 760),
                {"image": ("1", 0), "scale": 1, "preset": "balanced"},
            ),
            "3": (
                "SaveImage", (900, 120), (480, 420),
                {"images": ("2", 0), "filename_prefix": "mmsr/clean"},
            ),
            "4": ("PreviewAny", (900, 600), (480, 160), {"source": ("2", 1)}),
        },
    ),
    "mmsr_ssr_full": (
        "# MMSR: every stage of the restoration\n\n"
        "1. **Depth** estimates what is near and what is far. Any other depth node will do.\n"
        "2. **Measure Blur, Noise & JPEG** measures blur, noise and JPEG damage, and shows the "
        "blur. Click a place to see its kernel. You can stop here and look.\n"
        "3. **Refine Blur Measurement** measures the blur again on sharper and sharper pictures.\n"
        "4. **Combine Evidence** sets how much each source of evidence steers, and where (masks).\n"
        "5. **Restore from Evidence** draws the result and reports how well it agrees with the "
        "input. `steps` 0 is the most faithful, 1 adds natural detail.\n\n" + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_lr.png"),
            "3": ("MMSR_DepthNode", (400, 120), (300, 100), {"image": ("2", 0), "model": ("1", 0)}),
            "4": ("PreviewImage", (400, 310), (300, 330), {"images": ("3", 0)}),
            "5": (
                "MMSR_EstimateDegradation", (760, 120), _PANEL,
                {"model": ("1", 0), "image": ("2", 0), "depth": ("3", 0)},
            ),
            "6": ("PreviewAny", (760, 740), (380, 160), {"source": ("5", 2)}),
            "7": (
                "MMSR_KernelRefineNode", (1200, 120), _PANEL,
                {"model": ("1", 0), "image": ("2", 0), "degradation": ("5", 0), "depth": ("3", 0)},
            ),
            "8": ("PreviewImage", (1200, 740), (380, 330), {"images": ("7", 1)}),
            "9": (
                "MMSR_ModalityFusionNode", (1640, 120), (320, 400),
                {"model": ("1", 0), "image": ("2", 0), "degradation": ("7", 0), "depth": ("3", 0)},
            ),
            "10": (
                "MMSR_SRSamplerNode", (2020, 120), (440, 700),
                {"model": ("1", 0), "conditioning": ("9", 0)},
            ),
            "11": (
                "SaveImage", (2520, 120), (480, 420),
                {"images": ("10", 0), "filename_prefix": "mmsr/restored"},
            ),
            "12": ("PreviewAny", (2520, 600), (480, 160), {"source": ("10", 1)}),
        },
    ),
    "mmsr_prompt": (
        "# MMSR: guided by words\n\n"
        "**Prompt** says what is in the picture, a thing per line. **Combine Evidence** sets how "
        "much it steers (`prompt_strength`) and, with a mask, where. The tab *Weights* of the "
        "sampler shows what it did.\n\n"
        "Needs a model with a prompt encoder. A prompt from a picture: connect CLIP Vision Encode "
        "with a CLIP ViT-B/32 model.\n\n" + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_lr.png"),
            "3": (
                "MMSR_Prompt", (400, 120), (340, 220),
                {"model": ("1", 0), "text": "a street\na building"},
            ),
            "4": (
                "MMSR_EstimateDegradation", (400, 400), _PANEL,
                {"model": ("1", 0), "image": ("2", 0)},
            ),
            "5": (
                "MMSR_ModalityFusionNode", (840, 120), (320, 400),
                {
                    "model": ("1", 0), "image": ("2", 0), "degradation": ("4", 0),
                    "prompt": ("3", 0),
                },
            ),
            "6": (
                "MMSR_SRSamplerNode", (1220, 120), (440, 700),
                {"model": ("1", 0), "conditioning": ("5", 0)},
            ),
            "7": (
                "SaveImage", (1720, 120), (480, 420),
                {"images": ("6", 0), "filename_prefix": "mmsr/prompted"},
            ),
        },
    ),
    "mmsr_fuse_sensors": (
        "# MMSR: infrared and visible in one picture\n\n"
        "**Fuse Two Sensors** joins a visible picture and an infrared one of the same scene into "
        "one larger picture. The two must lie exactly over each other; they may differ in "
        "size.\n\nNeeds a model with a fusion network. The pair is rendered.\n\n" + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_visible.png", "Visible"),
            "3": _load((40, 700), "example_infrared.png", "Infrared"),
            "4": (
                "MMSR_FuseSensors", (400, 120), (440, 760),
                {"model": ("1", 0), "image": ("2", 0), "guide": ("3", 0)},
            ),
            "5": (
                "SaveImage", (900, 120), (480, 420),
                {"images": ("4", 0), "filename_prefix": "mmsr/fused"},
            ),
        },
    ),
    "mmsr_faithfulness": (
        "# MMSR: does the result say what the input said?\n\n"
        "**Degrade** damages a sharp picture in a known way. **Upscale** restores it without being "
        "told how. **Faithfulness Check** degrades the result again with the true blur, compares "
        "it with the input, and with the ground truth.\n\nPut any other upscaler between *Degrade* "
        "and *Faithfulness Check* to compare.\n\n" + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_hr.png", "Sharp picture"),
            "3": ("MMSR_Degrade", (400, 120), (380, 760), {"image": ("2", 0)}),
            "4": (
                "MMSR_Upscale", (840, 120), (440, 700),
                {"model": ("1", 0), "image": ("3", 0), "preset": "balanced"},
            ),
            "5": (
                "MMSR_FaithfulnessCheck", (1340, 120), (440, 560),
                {
                    "image": ("4", 0), "original": ("3", 0), "degradation": ("3", 1),
                    "ground_truth": ("3", 3),
                },
            ),
            "6": (
                "SaveImage", (1840, 120), (480, 420),
                {"images": ("5", 0), "filename_prefix": "mmsr/difference"}, "Save difference",
            ),
            "7": ("PreviewAny", (1840, 600), (480, 160), {"source": ("5", 2)}),
            "8": (
                "SaveImage", (1340, 760), (440, 420),
                {"images": ("4", 0), "filename_prefix": "mmsr/study"}, "Save result",
            ),
        },
    ),
    "mmsr_video_frames": (
        "# MMSR: frames of a video\n\n"
        "A batch of frames goes through one **Upscale** node with *frames of one clip* on: they "
        "are measured together, the noise moves with the scene, and each result is averaged with "
        "its neighbours' along the motion, so that nothing flickers. Cancel works between "
        "tiles, not only between frames.\n\nFor a real video use *Load Video* and *Get Video "
        "Components* instead of the three pictures.\n\n" + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_frame_1.png", "Frame 1"),
            "3": _load((40, 700), "example_frame_2.png", "Frame 2"),
            "4": _load((40, 1090), "example_frame_3.png", "Frame 3"),
            "5": ("ImageBatch", (400, 310), (220, 60), {"image1": ("2", 0), "image2": ("3", 0)}),
            "6": ("ImageBatch", (400, 430), (220, 60), {"image1": ("5", 0), "image2": ("4", 0)}),
            "7": (
                "MMSR_Upscale", (680, 120), (440, 700),
                {
                    "model": ("1", 0), "image": ("6", 0), "preset": "balanced",
                    "frames": True,
                },
            ),
            "8": ("CreateVideo", (1180, 120), (260, 80), {"images": ("7", 0), "fps": 8.0}),
            "9": (
                "SaveVideo", (1180, 280), (440, 420),
                {"video": ("8", 0), "filename_prefix": "mmsr/video"},
            ),
            "10": (
                "SaveImage", (1680, 120), (480, 420),
                {"images": ("7", 0), "filename_prefix": "mmsr/frames"},
            ),
        },
    ),
    "mmsr_sd_refine": (
        "# MMSR, then a Stable Diffusion pass where the evidence is weak\n\n"
        "MMSR restores first. **Weight Map** turns its trust in the measured blur into a mask: "
        "white where it was used least. There, and only there, a checkpoint of your own repaints "
        "lightly (`denoise` 0.3), with core nodes only. **Faithfulness Check** says what that "
        "cost in agreement with the input.\n\n"
        "Choose a checkpoint in *Load Checkpoint* (SD 1.5 suits this size). The sides of the "
        "result must be multiples of 8: a VAE crops what is left over. " + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_lr.png"),
            "3": (
                "MMSR_EstimateDegradation", (400, 120), _PANEL,
                {"model": ("1", 0), "image": ("2", 0)},
            ),
            "4": (
                "MMSR_ModalityFusionNode", (840, 120), (320, 400),
                {"model": ("1", 0), "image": ("2", 0), "degradation": ("3", 0)},
            ),
            "5": (
                "MMSR_SRSamplerNode", (1220, 120), (440, 700),
                {"model": ("1", 0), "conditioning": ("4", 0)},
            ),
            "6": (
                "MMSR_WeightMap", (1720, 120), (300, 130),
                {"weights": ("5", 2), "modality": "kernel", "invert": True},
            ),
            "7": ("PreviewImage", (1720, 310), (300, 300), {"images": ("6", 1)}),
            "8": (
                "CheckpointLoaderSimple", (1720, 680), (320, 100),
                {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},
            ),
            "9": (
                "CLIPTextEncode", (2080, 120), (320, 120),
                {"clip": ("8", 1), "text": "a detailed photograph of a street"}, "Positive",
            ),
            "10": (
                "CLIPTextEncode", (2080, 290), (320, 120),
                {"clip": ("8", 1), "text": "blurry, jpeg artefacts"}, "Negative",
            ),
            "11": ("VAEEncode", (2080, 460), (240, 60), {"pixels": ("5", 0), "vae": ("8", 2)}),
            "12": (
                "SetLatentNoiseMask", (2080, 570), (240, 60),
                {"samples": ("11", 0), "mask": ("6", 0)},
            ),
            "13": (
                "KSampler", (2440, 120), (300, 480),
                {
                    "model": ("8", 0), "positive": ("9", 0), "negative": ("10", 0),
                    "latent_image": ("12", 0), "steps": 20, "cfg": 5.0,
                    "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 0.3,
                },
            ),
            "14": ("VAEDecode", (2440, 660), (240, 60), {"samples": ("13", 0), "vae": ("8", 2)}),
            "15": (
                "SaveImage", (2800, 120), (480, 420),
                {"images": ("14", 0), "filename_prefix": "mmsr/refined"},
            ),
            "16": (
                "MMSR_FaithfulnessCheck", (2800, 600), (440, 560),
                {"image": ("14", 0), "original": ("2", 0), "degradation": ("3", 0)},
            ),
            "17": ("PreviewAny", (3300, 600), (380, 160), {"source": ("16", 2)}),
        },
    ),
    "mmsr_merge_upscale": (
        "# MMSR: make any other upscaler faithful\n\n"
        "A checkpoint of your own enlarges and repaints the picture (the nodes in the middle: put "
        "SeedVR2, SUPIR, Ultimate SD Upscale or an ESRGAN in their place). **Merge Upscale** takes "
        "its picture in: moved into place, without its colour cast, less the more it contradicts "
        "the original. `trust` is the dial.\n\n"
        "Choose a checkpoint in *Load Checkpoint* (SD 1.5 suits this size). " + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_lr.png"),
            "3": (
                "CheckpointLoaderSimple", (400, 120), (320, 100),
                {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},
            ),
            "4": (
                "ImageScaleBy", (400, 310), (320, 90),
                {"image": ("2", 0), "upscale_method": "lanczos", "scale_by": 4.0},
            ),
            "5": ("VAEEncode", (400, 460), (240, 60), {"pixels": ("4", 0), "vae": ("3", 2)}),
            "6": (
                "CLIPTextEncode", (760, 120), (320, 120),
                {"clip": ("3", 1), "text": "a detailed photograph of a street"}, "Positive",
            ),
            "7": (
                "CLIPTextEncode", (760, 290), (320, 120),
                {"clip": ("3", 1), "text": "blurry, jpeg artefacts"}, "Negative",
            ),
            "8": (
                "KSampler", (1120, 120), (300, 480),
                {
                    "model": ("3", 0), "positive": ("6", 0), "negative": ("7", 0),
                    "latent_image": ("5", 0), "steps": 20, "cfg": 5.0,
                    "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 0.35,
                },
            ),
            "9": ("VAEDecode", (1120, 660), (240, 60), {"samples": ("8", 0), "vae": ("3", 2)}),
            "10": (
                "MMSR_MergeUpscale", (1460, 120), (440, 700),
                {"model": ("1", 0), "image": ("2", 0), "upscaled": ("9", 0)},
            ),
            "11": (
                "SaveImage", (1940, 120), (480, 420),
                {"images": ("10", 0), "filename_prefix": "mmsr/merged"},
            ),
            "12": ("PreviewAny", (1940, 600), (480, 160), {"source": ("10", 2)}),
        },
    ),
    "mmsr_guided_img2img": (
        "# MMSR: image to image that keeps to the picture\n\n"
        "MMSR restores first. A checkpoint of your own then repaints half of it, and **Guide "
        "Model** holds each of its steps to the original: what it draws, blurred and shrunk as "
        "measured, has to give the original back. **Faithfulness Check** says how well it does; "
        "set `strength` to 0 to compare.\n\n"
        "Choose a checkpoint in *Load Checkpoint* (SD 1.5 suits this size). Sides of the result "
        "must be multiples of 8. " + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_lr.png"),
            "3": (
                "MMSR_EstimateDegradation", (400, 120), _PANEL,
                {"model": ("1", 0), "image": ("2", 0)},
            ),
            "4": (
                "MMSR_Upscale", (840, 120), (440, 700),
                {"model": ("1", 0), "image": ("2", 0), "preset": "balanced"},
            ),
            "5": (
                "CheckpointLoaderSimple", (400, 740), (320, 100),
                {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},
            ),
            "6": (
                "MMSR_GuideModel", (1320, 120), (320, 360),
                {
                    "model": ("5", 0), "vae": ("5", 2), "mmsr_model": ("1", 0),
                    "image": ("2", 0), "degradation": ("3", 0),
                },
            ),
            "7": ("VAEEncode", (1320, 520), (240, 60), {"pixels": ("4", 0), "vae": ("5", 2)}),
            "8": (
                "CLIPTextEncode", (1320, 640), (320, 120),
                {"clip": ("5", 1), "text": "a detailed photograph of a street"}, "Positive",
            ),
            "9": (
                "CLIPTextEncode", (1320, 810), (320, 120),
                {"clip": ("5", 1), "text": "blurry, jpeg artefacts"}, "Negative",
            ),
            "10": (
                "KSampler", (1680, 120), (300, 480),
                {
                    "model": ("6", 0), "positive": ("8", 0), "negative": ("9", 0),
                    "latent_image": ("7", 0), "steps": 20, "cfg": 5.0,
                    "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 0.5,
                },
            ),
            "11": ("VAEDecode", (1680, 660), (240, 60), {"samples": ("10", 0), "vae": ("5", 2)}),
            "12": (
                "SaveImage", (2040, 120), (480, 420),
                {"images": ("11", 0), "filename_prefix": "mmsr/guided"},
            ),
            "13": (
                "MMSR_FaithfulnessCheck", (2040, 600), (440, 560),
                {"image": ("11", 0), "original": ("2", 0), "degradation": ("3", 0)},
            ),
        },
    ),
    "mmsr_guided_text2img": (
        "# MMSR: text to image from a low-resolution sketch\n\n"
        "The latent starts as pure noise, the words say what to draw, and **Guide Model** keeps "
        "what is drawn to a small picture: its colours and its coarse forms. With `end` 0.6 the "
        "last steps are free to draw what a sketch leaves open.\n\n"
        "Choose a checkpoint in *Load Checkpoint* (SD 1.5 suits this size). The empty latent must "
        "be *scale* times the sketch. " + _COPY,
        {
            "1": _MODEL,
            "2": _load((40, 310), "example_lr.png", "Sketch"),
            "3": (
                "CheckpointLoaderSimple", (400, 120), (320, 100),
                {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"},
            ),
            "4": (
                "MMSR_GuideModel", (780, 120), (320, 360),
                {
                    "model": ("3", 0), "vae": ("3", 2), "mmsr_model": ("1", 0),
                    "image": ("2", 0), "end": 0.6,
                },
            ),
            "5": (
                "EmptyLatentImage", (780, 520), (320, 110),
                {"width": 640, "height": 480, "batch_size": 1},
            ),
            "6": (
                "CLIPTextEncode", (400, 290), (320, 120),
                {"clip": ("3", 1), "text": "a street at dusk, oil painting"}, "Positive",
            ),
            "7": (
                "CLIPTextEncode", (400, 460), (320, 120),
                {"clip": ("3", 1), "text": "blurry"}, "Negative",
            ),
            "8": (
                "KSampler", (1140, 120), (300, 480),
                {
                    "model": ("4", 0), "positive": ("6", 0), "negative": ("7", 0),
                    "latent_image": ("5", 0), "steps": 25, "cfg": 7.0,
                    "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
                },
            ),
            "9": ("VAEDecode", (1140, 660), (240, 60), {"samples": ("8", 0), "vae": ("3", 2)}),
            "10": (
                "SaveImage", (1480, 120), (480, 420),
                {"images": ("9", 0), "filename_prefix": "mmsr/from_sketch"},
            ),
        },
    ),
}  # fmt: skip
