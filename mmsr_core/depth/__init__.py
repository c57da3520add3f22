"""Inverse depth: from one picture, from a model of transformers, or from a depth picture."""

from .backends import BuiltinDepth, DepthBackend, TransformersDepth, load_depth_backend
from .builtin import estimate_depth_builtin
from .normalise import depth_from_picture, normalise_depth

__all__ = [
    "BuiltinDepth",
    "DepthBackend",
    "TransformersDepth",
    "depth_from_picture",
    "estimate_depth_builtin",
    "load_depth_backend",
    "normalise_depth",
]
