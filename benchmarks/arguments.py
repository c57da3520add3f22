"""Options of every benchmark: flags of `python -m benchmarks`, and what each `run` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

_SHARED = "(default: from MMSR_SHARED, a folder holding the benchmark data)"

Protocol = Literal["p1", "p2", "p2n", "p3", "p4"]
Motion = Literal["still", "pan", "turn", "object"]
PresetName = Literal["faithful", "balanced", "crisp"]
FusionProtocol = Literal["bicubic", "p1", "p2", "p2n"]
Kernel = Literal["estimated", "true", "constant"]
Depth = Literal["on", "off", "given"]
Mode = Literal["eager", "compile", "graphs"]
Depths = Annotated[tuple[Depth, ...], arg(name="depth")]
Folder = Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")]
SharedFolder = Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint=_SHARED)]
Json = Annotated[Path | None, arg(metavar="FILE.json", help_behavior_hint="")]
Out = Annotated[Path, arg(metavar="DIR")]
Pixels = Annotated[int, arg(metavar="PX")]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every benchmark takes."""

    out: Out
    """Results go here: JSON and Markdown."""
    model: str = "small"
    """Model name or weights folder."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    debug: bool = False
    """Show where an error comes from."""


@dataclass(frozen=True, kw_only=True)
class SetOptions(Options):
    """What every benchmark over a set of pictures takes."""

    limit: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Only the first N pictures."""
    dtype: str = "auto"
    """Number format of the networks."""


@dataclass(frozen=True, kw_only=True)
class PictureOptions(SetOptions):
    """Pictures and how they are damaged."""

    protocols: Annotated[tuple[Protocol, ...], arg(name="protocol")] = ("p2",)
    """How the inputs are made."""
    data: SharedFolder = None
    """Full-size pictures."""
    metrics: SharedFolder = None
    """LPIPS and NIQE parameters."""
    depth_maps: Folder = None
    """Inverse depth (white = near) for p3, same names; without: seeded scene layouts."""


@dataclass(frozen=True, kw_only=True)
class ReadyOptions(PictureOptions):
    """Inputs and rows made before."""

    inputs: Folder = None
    """Ready inputs, or a folder per protocol."""
    params: Folder = None
    """NAME.npz with s1, s2, theta of p2, p2n."""
    peers: Json = None
    """Published rows to show in the table."""
    seed: int = 0
    """Seed of synthesised inputs and of the flow."""


@dataclass(frozen=True, kw_only=True)
class QualityOptions(ReadyOptions):
    """Restoration quality beside bicubic and peers."""

    out: Out = Path("runs/bench/quality")
    steps: tuple[int, ...] = (0, 1)
    """0 = mean estimate alone; none: bicubic rows only."""
    kernels: Annotated[tuple[Kernel, ...], arg(name="kernel")] = ("estimated",)
    """Kernels of our rows."""
    depths: Depths = ("on",)
    """Depth of our rows."""
    scales: Annotated[tuple[int, ...], arg(name="scale")] = (4,)
    """Several: results in x2, x3, ... of --out."""


@dataclass(frozen=True, kw_only=True)
class TradeoffOptions(ReadyOptions):
    """Perception-distortion curve, as table and plot."""

    out: Out = Path("runs/bench/tradeoff")
    steps: tuple[int, ...] = (0, 1, 2, 4, 8)
    """Steps of the points."""
    details: Annotated[tuple[float, ...], arg(name="detail")] = (0.5, 1.0)
    """Of the detail dial, 0..2."""
    scale: int = 4
    """SR factor."""


@dataclass(frozen=True, kw_only=True)
class AblationOptions(PictureOptions):
    """What each part of the method is worth."""

    out: Out = Path("runs/bench/ablation")
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of inputs and flow noise."""
    groups: Annotated[
        tuple[str, ...],
        arg(name="group", metavar="[NAME ...]", help_behavior_hint="(default: all)"),
    ] = ()
    """Beginnings of names of groups of rows."""
    quick: bool = False
    """First seed, first three pictures."""
    scale: int = 4
    """SR factor."""


@dataclass(frozen=True, kw_only=True)
class KernelOptions(SetOptions):
    """Kernel error with depth given, estimated and absent."""

    out: Out = Path("runs/bench/kernel")
    pairs: Folder = None
    """NAME.png with NAME.depth.npy|npz|png: defocus by depth."""
    data: SharedFolder = None
    """Full-size pictures for p2."""
    params: Folder = None
    """NAME.npz with s1, s2, theta: the true kernels of p2."""
    iterations: tuple[int, ...] = (1, 2, 3)
    """SVKR iterations."""
    depths: Depths = ("given", "on", "off")
    """Depth of the rows."""
    scale: int = 4
    """SR factor."""
    seed: int = 0
    """Seed of synthesised inputs."""


@dataclass(frozen=True, kw_only=True)
class SpeedOptions(Options):
    """Time, memory, share of the peak, beside two peers."""

    out: Out = Path("runs/bench/speed")
    sizes: Annotated[tuple[str, ...], arg(name="size")] = ("128",)
    """Inputs: side in pixels or WIDTHxHEIGHT."""
    scale: int = 4
    """SR factor."""
    steps: int = 4
    """Steps of the flow."""
    repeats: int = 5
    """Runs that are timed."""
    dtypes: Annotated[tuple[str, ...], arg(name="dtype")] = ("float32", "bfloat16")
    """Number formats of the networks."""
    modes: Annotated[
        tuple[Mode, ...], arg(name="mode", help_behavior_hint="(default: by the device)")
    ] = ()
    """torch.compile, the same with CUDA graphs, or neither."""
    peers: bool = True
    """Ours alone."""
    threads: Annotated[int | None, arg(help_behavior_hint="(default: torch's choice)")] = None
    """Torch threads."""
    seed: int = 0
    """Seed of the input and of the flow."""


@dataclass(frozen=True, kw_only=True)
class ModalitiesOptions(SetOptions):
    """What each modality contributes."""

    out: Out = Path("runs/bench/modalities")
    data: SharedFolder = None
    """Full-size pictures."""
    metrics: SharedFolder = None
    """LPIPS parameter files."""
    prompts: Json = None
    """Picture name to text."""
    conditions: Annotated[
        tuple[str, ...],
        arg(name="condition", metavar="[NAME ...]", help_behavior_hint="(default: all)"),
    ] = ()
    """See benchmarks/README.md."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of the damage and of the flow's noise."""
    steps: int = 4
    """Steps of the flow."""
    crop: Pixels = 256
    """Side of the square from the middle, HR px."""
    scale: int = 4
    """SR factor."""
    bodies: Annotated[float | None, arg(metavar="MINUTES", help_behavior_hint="")] = None
    """Instead: train an EDSR-like and an RCAN-like body with and without PDN's module."""
    photos: SharedFolder = None
    """photos_*.tar for --bodies."""


@dataclass(frozen=True, kw_only=True)
class FusionOptions(SetOptions):
    """Two sensors: fusion metrics, guided restoration."""

    out: Out = Path("runs/bench/fusion")
    pairs: Annotated[Path | None, arg(metavar="TAR|FOLDER", help_behavior_hint=_SHARED)] = None
    """visible/NAME with infrared/NAME."""
    protocols: Annotated[tuple[FusionProtocol, ...], arg(name="protocol")] = ("bicubic", "p2")
    """How both sources are degraded."""
    all_pairs: bool = False
    """Not only those that training never saw."""
    window: Pixels = 0
    """Fuse the central window only; 0: all."""
    guide_seeds: Annotated[int, arg(metavar="N")] = 3
    """Seeds of guided restoration; 0 leaves it out."""
    guide_window: Pixels = 128
    """Side of the central window of guided restoration."""
    scale: int = 4
    """SR factor."""
    seed: int = 0
    """Seed of the degradation."""


@dataclass(frozen=True, kw_only=True)
class DamageOptions(Options):
    """How well noise, JPEG damage and blur are measured."""

    out: Out = Path("runs/bench/damage")
    photos: SharedFolder = None
    """photos_*.tar; those that training has not seen are used."""
    count: Annotated[int, arg(metavar="N")] = 64
    """Pictures of each kind."""
    size: Pixels = 160
    """Side of a picture."""
    seed: int = 5
    """Of crops and damage."""


@dataclass(frozen=True, kw_only=True)
class RealOptions(SetOptions):
    """Pairs of a real camera: every preset, and other methods' pictures."""

    out: Out = Path("runs/bench/real")
    pairs: SharedFolder = None
    """lr/ and hr/ with the same names; every other folder is a method."""
    metrics: SharedFolder = None
    """LPIPS and NIQE parameters."""
    scale: int = 4
    """SR factor."""
    seed: int = 0
    """Seed of the flow."""


@dataclass(frozen=True, kw_only=True)
class ClipOptions(SetOptions):
    """How steady the frames of a clip are."""

    out: Out = Path("runs/bench/clip")
    data: SharedFolder = None
    """Full-size pictures, over which a camera moves."""
    metrics: SharedFolder = None
    """LPIPS parameter files."""
    motions: Annotated[
        tuple[Motion, ...], arg(name="motion", help_behavior_hint="(default: all)")
    ] = ()
    """Of the camera, or of an object, too."""
    presets: Annotated[tuple[PresetName, ...], arg(name="preset")] = ("balanced",)
    """Rows."""
    frames: Annotated[int, arg(metavar="N")] = 8
    """Of a clip."""
    side: Pixels = 96
    """Of a frame, px of the input."""
    scale: int = 4
    """SR factor."""
    blur_sigma_px: float = 2.0
    """Std of the blur, px of the truth."""
    noise: float = 1.0
    """Std, steps of 255."""
    jpeg: int = 100
    """Quality; 100 for none."""
    reach: int = 4
    """Frames before and after that a frame is averaged with."""
    seed: int = 0
    """Of the noise of inputs and flow."""


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(SetOptions):
    """One kind of damage after the other, enlarged or not."""

    out: Out = Path("runs/bench/restore")
    scale: int = 1
    """1, 2, 3 or 4."""
    pictures: SharedFolder = None
    """Sharp pictures."""
    metrics: SharedFolder = None
    """LPIPS and NIQE parameters."""
    side: Pixels = 256
    """Side of the window in the middle of each."""
    sharpening: Annotated[float | None, arg(help_behavior_hint="(default: measured)")] = None
    """Stated amount of sharpening; 0 leaves it."""
    seed: int = 0
    """Seed of the damage and of the flow."""


@dataclass(frozen=True, kw_only=True)
class DefocusOptions(SetOptions):
    """Rendered scenes through a thin lens: what depth is worth where blur follows it by physics."""

    out: Out = Path("runs/bench/defocus")
    scenes: Annotated[
        Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: scenes, in --out)")
    ] = None
    """Rendered scenes are kept here, and not rendered again."""
    pictures: SharedFolder = None
    """Photographs, crops of which become textures beside generated ones."""
    metrics: SharedFolder = None
    """LPIPS parameter files."""
    scales: Annotated[tuple[int, ...], arg(name="scale")] = (4, 1)
    """1 is the picture of the lens at its own size."""
    iterations: tuple[int, ...] = (1, 2, 3)
    """SVKR iterations."""
    width: Pixels = 320
    """Of the sharp picture."""
    height: Pixels = 240
    """Of the sharp picture."""
    blur_std_px: float = 2.4
    """Std of the widest blur of the lens, px of the sharp picture; scenes have 0.75 to 1 of it."""
    noise: float = 1.0
    """Std of the noise that is added to the inputs, steps of 255."""
    samples: int = 256
    """Rays a pixel, at least."""
    variant: str = "scalar_rgb"
    """Of Mitsuba; llvm_ad_rgb is faster where LLVM 16 or newer is."""
    seed: int = 0
    """Of scenes, lenses and noise."""
