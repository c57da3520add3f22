"""The inputs of one protocol: ready ones where there are any, otherwise made as it states."""

from __future__ import annotations

from torch import Tensor

from ..quality.options import Places
from . import sources
from .protocols import Sample, make_sample, p2_field


class Inputs:
    """The inputs of one protocol, and remarks about where they came from."""

    def __init__(self, protocol: str, places: Places, scale: int, seed: int = 0) -> None:
        """Args: name of the protocol, where things lie, SR factor, seed of what is random."""
        self.protocol = protocol
        self.places = places
        self.scale = scale
        self.seed = seed
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
            seed: of what is random in it; None is the one given at first.
        """
        places, scale = self.places, self.scale
        seed = self.seed if seed is None else seed
        size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
        parameters = depth = None
        if self.protocol in ("p2", "p2n") and places.params is not None:
            file = places.params / f"{name}.npz"
            parameters = sources.read_kernel_parameters(file, size)
        if self.protocol == "p3" and places.depth_maps is not None:
            path = sources.find_depth_map(places.depth_maps, name)
            depth = sources.read_inverse_depth(path, size)
        folder = places.inputs_folder(self.protocol)
        if folder is None:
            if self.protocol == "p3" and depth is None:
                self.note("No --depth-maps: seeded scene layouts drive the defocus.")
            return make_sample(
                self.protocol, hr, name, scale, seed, inverse_depth=depth, parameters=parameters
            )
        field = None if parameters is None else p2_field(parameters, scale)
        return Sample(sources.read_lr(folder, name, size), field, depth)
