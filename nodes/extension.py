"""The list of nodes ComfyUI registers."""

from __future__ import annotations

from .as_upscale_model import AsUpscaleModelNode
from .degrade import DegradeNode
from .depth import DepthNode
from .edit import EditKernelFieldNode
from .estimate import EstimateDegradationNode
from .examples import serve_examples
from .faithfulness import FaithfulnessCheckNode
from .fusion import ModalityFusionNode
from .guide import GuideModelNode
from .host_api import ComfyExtension, io
from .kernel import KernelRefineNode
from .kernel_files import LoadKernelFieldNode, SaveKernelFieldNode
from .load import LoadModelNode, register_model_folders
from .merge import MergeUpscaleNode
from .prompt import PromptNode
from .sampler import SRSamplerNode
from .sensors import FuseSensorsNode
from .upscale import UpscaleNode
from .weight_map import WeightMapNode

NODES: list[type[io.ComfyNode]] = [
    LoadModelNode,
    UpscaleNode,
    EstimateDegradationNode,
    DepthNode,
    KernelRefineNode,
    ModalityFusionNode,
    SRSamplerNode,
    EditKernelFieldNode,
    SaveKernelFieldNode,
    LoadKernelFieldNode,
    PromptNode,
    FuseSensorsNode,
    WeightMapNode,
    DegradeNode,
    FaithfulnessCheckNode,
    MergeUpscaleNode,
    GuideModelNode,
    AsUpscaleModelNode,
]


class MMSRExtension(ComfyExtension):
    """Everything this pack adds to ComfyUI."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return the node classes."""
        return NODES


async def comfy_entrypoint() -> MMSRExtension:
    """Called once by ComfyUI at start."""
    register_model_folders()
    serve_examples()
    return MMSRExtension()
