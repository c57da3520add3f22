"""Collect trained networks into a weights folder that ships: fp16, scheduler, SHA-256 sums.

`python -m training.tools.export --out weights/small [--depth RUN] [--kernel RUN] [--mean RUN]
[--flow RUN] [--joint RUN]`

RUN is a run folder of a trainer; the EMA weights of its last checkpoint are taken, so an
unfinished run can be exported too. What is not named stays as it is. `training.json` says how far
each run came and which pictures it was trained on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from mmsr_core.models import (
    DamageEstimator,
    Denoiser,
    DepthNet,
    FusionNet,
    KernelEstimator,
    MeanNet,
    PromptTextEncoder,
    SharpeningEstimator,
)
from mmsr_core.models.network import Network, load_network
from mmsr_core.optional import require
from mmsr_core.types import CONFIG_FILE
from mmsr_core.weights import WEIGHTS_FILE, write_sums

from ..command import Parser, run_main
from ..data.record import read_record

STAGES: dict[str, tuple[str, type[Network]]] = {
    "damage": ("damage_estimator", DamageEstimator),
    "sharpening": ("sharpening_estimator", SharpeningEstimator),
    "depth": ("depth_estimator", DepthNet),
    "kernel": ("kernel_estimator", KernelEstimator),
    "mean": ("mean_net", MeanNet),
    "mean_low": ("mean_net_low", MeanNet),
    "flow": ("denoiser", Denoiser),
    "text": ("prompt_encoder", PromptTextEncoder),
    "fusion": ("fusion_net", FusionNet),
}


JOINT = {"kernel": "kernel_estimator", "mean": "mean_net", "flow": "denoiser"}
"""Networks of a joint run by the folders that they are saved in."""


def from_run(
    run: Path, component: str, kind: type[Network], part: str = ""
) -> tuple[Network, dict[str, object]]:
    """The EMA model of a run's last checkpoint, how far it had come, and its data.

    A run that has ended left its configuration; one that has not is taken to have the default.
    Of a joint run, `part` is the network's name in `JOINT`.
    """
    state = torch.load(run / "last.pt", map_location="cpu", weights_only=True)
    ended = (run / component / CONFIG_FILE).is_file()
    model = load_network(run / component, kind) if ended else kind()
    inside = f"{part}." if part else ""
    own = {k.removeprefix(inside): v for k, v in state["model"].items() if k.startswith(inside)}
    model.load_state_dict(own)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(state["ema"][f"module.{inside}{name}"])
    progress: dict[str, object] = {k: state[k] for k in ("step", "seconds")}
    if data := read_record(run):
        progress["data"] = data
    return model.eval(), progress


def save_component(model: Network, folder: Path, half: bool = True) -> None:
    """Write `config.json` and the weights: parameters in fp16, buffers in full precision."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_config(folder)
    parameters = {name for name, _ in model.named_parameters()}
    state = {
        name: (value.half() if half and name in parameters else value).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(state, str(folder / WEIGHTS_FILE), metadata={"format": "pt"})
    (folder / WEIGHTS_FILE).chmod(0o644)


def write_index(folder: Path) -> None:
    """Write `model_index.json`, which `MMSRPipeline.from_pretrained` reads."""
    index: dict[str, object] = {"_class_name": "MMSRPipeline"}
    for component, kind in STAGES.values():
        if not (folder / component).is_dir():
            continue
        index[component] = ["mmsr_core.models.diffusers_models", kind.__name__]
    index["scheduler"] = ["diffusers", "FlowMatchEulerDiscreteScheduler"]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def main() -> None:
    """Command line of the export."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--full", action="store_true", help="keep float32")
    for name in STAGES:
        parser.add_argument(f"--{name}", help=f"run folder of the {name} stage")
    parser.add_argument("--joint", help="run folder of the joint stage: three networks")
    args = parser.parse_args()
    out = Path(args.out)
    notes = out / "training.json"
    record = json.loads(notes.read_text()) if notes.is_file() else {}
    for name, (component, kind) in STAGES.items():
        part = name if args.joint and name in JOINT and not getattr(args, name) else ""
        run = args.joint if part else getattr(args, name)
        if run:
            model, progress = from_run(Path(run), component, kind, part)
            save_component(model, out / component, half=not args.full)
            record[component] = progress
            print(component, progress)
    if not (out / "scheduler").is_dir():
        diffusers = require("diffusers", "diffusers", "Writing the scheduler")
        diffusers.FlowMatchEulerDiscreteScheduler().save_pretrained(str(out / "scheduler"))
    notes.parent.mkdir(parents=True, exist_ok=True)
    notes.write_text(json.dumps(record, indent=2) + "\n")
    write_index(out)
    write_sums(out)


if __name__ == "__main__":
    sys.exit(run_main(main))
