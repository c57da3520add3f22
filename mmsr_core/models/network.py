"""The networks' base class: a torch module that carries its configuration and saves itself.

A saved network is a diffusers folder (`config.json`, `diffusion_pytorch_model.safetensors`), but
reading and writing it needs no diffusers, whose import costs more time than a small picture takes.
`mmsr_core.models.diffusers_models` has the same networks as diffusers models.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from ..errors import WeightsError
from ..types import CONFIG_FILE, WEIGHTS_FILE
from .renamed_parameters import present_names

Module = TypeVar("Module", bound=nn.Module)
Self = TypeVar("Self", bound="Network")
Init = TypeVar("Init", bound=Callable[..., None])


class NetworkConfig(Mapping[str, Any]):
    """The arguments a network was made with; read as items or as attributes, never written."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Args: name to value."""
        self.__dict__["_values"] = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name == "_values":  # while being copied or unpickled, before there are any
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"The configuration has no {name!r}.") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("A network's configuration cannot be changed; make a new network.")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"NetworkConfig({self._values!r})"


def records_config(init: Init) -> Init:
    """Decorate a network's `__init__` so that its arguments, defaults included, become `config`."""
    signature = inspect.signature(init)

    @wraps(init)
    def recorded(self: Network, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        values = {k: v for k, v in bound.arguments.items() if k != "self"}
        self.__dict__["_recorded_config"] = NetworkConfig(values)
        init(self, *args, **kwargs)

    return recorded  # type: ignore[return-value]


class Network(nn.Module):
    """A network with a configuration; see `records_config`."""

    @property
    def config(self) -> NetworkConfig:
        """What the network was made with."""
        return self.__dict__["_recorded_config"]

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the first parameter."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Device of the first parameter."""
        return next(self.parameters()).device

    def save_config(self, save_directory: str | Path) -> None:
        """Write `config.json` into a folder, which is made if it is missing."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        values = {"_class_name": type(self).__name__, **self.config}
        text = json.dumps(values, indent=2, sort_keys=True)
        (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write `config.json` and the weights, as they are, into a folder."""
        from safetensors.torch import save_file

        self.save_config(save_directory)
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, str(Path(save_directory) / WEIGHTS_FILE), metadata={"format": "pt"})

    @classmethod
    def from_pretrained(cls: type[Self], folder: str | Path) -> Self:
        """Load a saved network strictly, in float32, in eval mode.

        Raises:
            WeightsError: see `load_network`.
        """
        return load_network(Path(folder), cls)


def load_network(folder: Path, kind: type[Module]) -> Module:
    """Load one network strictly, in float32, in eval mode; weights of version 0.1 too.

    Args:
        folder: holds `config.json` and `diffusion_pytorch_model.safetensors`.
        kind: its class.

    Raises:
        WeightsError: unreadable file, unknown setting, missing or extra keys, wrong shapes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS_FILE
    module: Any
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise TypeError(f"it must hold an object, but is a {type(config).__name__}")
        known = {k: v for k, v in config.items() if not k.startswith("_")}
        known = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        module = kind(**known)
        state = load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read: {error}.") from None
    except (TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{folder / CONFIG_FILE} does not fit {kind.__name__}: {error}."
        ) from None
    wanted = module.state_dict()
    if state.keys() != wanted.keys():
        state = present_names(state)
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or extra:
        raise WeightsError(
            f"{path} does not fit {kind.__name__}: missing keys {_few(missing)}, extra keys "
            f"{_few(extra)}."
        )
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            shapes = f"{tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
            raise WeightsError(f"{path}: {name} has shape {shapes}.")
    module.load_state_dict({k: v.to(wanted[k].dtype) for k, v in state.items()}, strict=True)
    return module.eval()


def _few(names: list[str], most: int = 4) -> str:
    if not names:
        return "none"
    tail = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + tail
