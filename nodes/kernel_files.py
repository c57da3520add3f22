"""Save kernel fields to files, and load them."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths
import torch
from torch import Tensor

from ..mmsr_core.errors import InputError
from . import checks, inputs
from .convert import split_image
from .edit import degradation_result
from .host_api import io
from .payloads import DegradationBatch
from .sockets import DegradationSocket

SUBFOLDER = "mmsr_kernels"
SUFFIX = ".safetensors"


def available_fields() -> dict[str, Path]:
    """Kernel files in `mmsr_kernels` of the host's input, output and models folders."""
    roots = {
        "input": folder_paths.get_input_directory(),
        "output": folder_paths.get_output_directory(),
        "models": folder_paths.models_dir,
    }
    found: dict[str, Path] = {}
    for label, root in roots.items():
        folder = Path(root) / SUBFOLDER
        for path in sorted(folder.rglob(f"*{SUFFIX}")) if folder.is_dir() else ():
            found[f"{label}/{path.relative_to(folder).as_posix()}"] = path
    return found


class SaveKernelFieldNode(io.ComfyNode):
    """Write the kernels of each picture to a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        return io.Schema(
            node_id="MMSR_SaveKernelField",
            display_name="Save Measured Blur (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("blur", "kernel", "file"),
            description=(
                "Writes the blur of each picture, and its sharpening, to a file in the output "
                "folder. Load Measured Blur and the command line read it."
            ),
            inputs=[
                inputs.degradation_input(
                    optional=False, tooltip="The measurement whose blur is to be saved."
                ),
                io.String.Input(
                    "filename_prefix",
                    display_name="file name prefix",
                    default=f"{SUBFOLDER}/kernels",
                    tooltip=(
                        "Beginning of the file's name, below the output folder. Keep the folder "
                        "mmsr_kernels to find it again in Load Measured Blur."
                    ),
                ),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, degradation: DegradationBatch, filename_prefix: str) -> io.NodeOutput:
        """Write one file per picture."""
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        files = []
        for index, estimate in enumerate(degradation.items):
            path = Path(folder) / f"{name}_{counter + index:05}_{SUFFIX}"
            estimate.kernel_field.save(path, estimate.sharpening)
            files.append(os.path.join(subfolder, path.name))
        return io.NodeOutput(ui={"text": [f"saved: {file}" for file in files]})


class LoadKernelFieldNode(io.ComfyNode):
    """Read kernels from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the host shows."""
        names = list(available_fields())
        return io.Schema(
            node_id="MMSR_LoadKernelField",
            display_name="Load Measured Blur (MMSR)",
            category=inputs.ADVANCED,
            **inputs.aliases("blur", "kernel", "file"),
            description=(
                "Reads a blur from a file: one saved before, measured by the command line, or "
                "calibrated. It fits pictures of exactly its own size."
            ),
            inputs=[
                io.Combo.Input(
                    "file",
                    options=names,
                    tooltip=(
                        "Kernel files in the folder mmsr_kernels below ComfyUI's input, output or "
                        "models folder."
                    ),
                ),
                inputs.noise_input(
                    "noise",
                    0.0,
                    "Noise of the picture: standard deviation in steps of 255. The file holds "
                    "blur and sharpening only.",
                ),
                inputs.jpeg_input(
                    100,
                    "JPEG quality of the picture; 100 is none. The file holds blur and sharpening "
                    "only.",
                ),
                inputs.degradation_input(
                    optional=True,
                    tooltip=(
                        "A measurement to take noise, JPEG quality and depth from, instead of the "
                        "numbers above."
                    ),
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The picture, to see the blur over it. Only for show.",
                ),
            ],
            is_output_node=True,
            outputs=[
                DegradationSocket.Output(
                    "degradation_out",
                    display_name="degradation",
                    tooltip="The blur of the file, and its sharpening.",
                ),
                io.Image.Output(
                    "kernel_map", display_name="kernel map", tooltip="The blur, drawn."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        """Check the choice."""
        return checks.check_choice(file, list(available_fields()))

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: object) -> str:
        """Load again when the file has changed."""
        path = available_fields().get(file)
        status = path.stat() if path else None
        return repr((file, status and (status.st_size, status.st_mtime_ns)))

    @classmethod
    def execute(
        cls,
        file: str,
        noise: float,
        jpeg_quality: int,
        degradation: DegradationBatch | None = None,
        image: Tensor | None = None,
    ) -> io.NodeOutput:
        """Read and check the file."""
        from ..mmsr_core.degradation import KernelField, read_sharpening
        from ..mmsr_core.pipeline import DegradationEstimate

        path = available_fields().get(file)
        if path is None:
            raise InputError(
                f"file: there is no kernel file {file!r} in the mmsr_kernels folders. Save one "
                "with Save Measured Blur first."
            )
        field, sharpening = KernelField.load(path), read_sharpening(path)
        if degradation is None:
            noise_std, quality = torch.tensor([noise / 255]), torch.tensor([float(jpeg_quality)])
            batch = DegradationBatch((DegradationEstimate(field, None, noise_std, quality),))
        else:
            batch = degradation.with_field(field)
        if sharpening is not None:  # belongs to the blur, whatever was measured elsewhere
            items = tuple(one.with_sharpening(sharpening) for one in batch.items)
            batch = DegradationBatch(items)
        picture = None if image is None else split_image(image)
        return degradation_result(batch, picture)
