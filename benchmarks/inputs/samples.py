"""The inputs of one protocol: ready ones where there are any, otherwise made as it states."""

from __future__ import annotations

from torch import Tensor

from ..quality.options import QualityOptions
from . import sources
from .protocols import Sample, make_sample, p2_field


class Inputs:
    """The inputs of one protocol, and remarks about where they came from."""

    def __init__(self, protocol: str, options: QualityOptions) -> None:
        """Args: name of the protocol, resolved options."""
        self.protocol = protocol
        self.options = options
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep a remark for the report, once."""
        if text not in self.notes:
            self.notes.append(text)

    def sample(self, hr: Tensor, name: str, seed: int | None = None) -> Sample:
        """The input made of `hr (1,3,H,W)`.

        Args:
            hr: the full-size picture.
            name: its name, without the suffix.
            seed: of what is random in it; None is the options' seed.
        """
        options, scale = self.options, self.options.scale
        seed = options.seed if seed is None else seed
        size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
        parameters = depth = None
        if self.protocol in ("p2", "p2n") and options.params is not None:
            file = options.params / f"{name}.npz"
            parameters = sources.read_kernel_parameters(file, size)
        if self.protocol == "p3" and options.depth_maps is not None:
            path = sources.find_depth_map(options.depth_maps, name)
            depth = sources.read_inverse_depth(path, size)
        folder = options.inputs_folder(self.protocol)
        if folder is None:
            if self.protocol == "p3" and depth is None:
                self.note("No --depth-maps: seeded scene layouts drive the defocus.")
            return make_sample(
                self.protocol, hr, name, scale, seed, inverse_depth=depth, parameters=parameters
            )
        field = None if parameters is None else p2_field(parameters, scale)
        return Sample(sources.read_lr(folder, name, size), field, depth)
