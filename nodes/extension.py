"""The list of nodes ComfyUI registers."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .depth import DepthNode
from .estimate import EstimateDegradationNode
from .fusion import ModalityFusionNode
from .kernel import KernelRefineNode
from .load import LoadModelNode, register_model_folders
from .sampler import SRSamplerNode
from .upscale import UpscaleNode

NODES: list[type[io.ComfyNode]] = [
    LoadModelNode,
    UpscaleNode,
    EstimateDegradationNode,
    DepthNode,
    KernelRefineNode,
    ModalityFusionNode,
    SRSamplerNode,
]


class MMSRExtension(ComfyExtension):
    """Everything this pack adds to ComfyUI."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return the node classes."""
        return NODES


async def comfy_entrypoint() -> MMSRExtension:
    """Called once by ComfyUI at start."""
    register_model_folders()
    return MMSRExtension()
