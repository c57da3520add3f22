"""PDN's module with and without a prompt in an EDSR-like and an RCAN-like body.

`python -m benchmarks.compare_prompt_bodies --data FOLDER --minutes 8`
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from mmsr_core.bench.captioned import load_captioned
from mmsr_core.bench.prompt_bodies import compare_prompt_bodies, prompt_bodies_table
from mmsr_core.network import load_network
from mmsr_core.prompts import PromptTextEncoder, encode_texts


def main() -> None:
    """Command line of the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with photos_*.tar and photos.json")
    parser.add_argument("--encoder", default="weights/small/prompt_encoder")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all runs together")
    parser.add_argument("--steps", type=int, default=100_000, help="of each run, at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    net = load_network(Path(args.encoder), PromptTextEncoder)
    training, held_out = load_captioned(Path(args.data), lambda texts: encode_texts(net, texts))
    rows = compare_prompt_bodies(
        training,
        held_out,
        seeds=range(args.seeds),
        steps=args.steps,
        seconds=60 * args.minutes,
        log=lambda line: print(line, file=sys.stderr, flush=True),
    )
    sys.stdout.write(f"{len(training)} pictures, {len(held_out)} held out\n")
    sys.stdout.write(prompt_bodies_table(rows) + "\n")


if __name__ == "__main__":
    main()
