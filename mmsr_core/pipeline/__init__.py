"""The pipeline and what it hands out."""

from .outputs import Conditioning, DegradationEstimate, RestorationOutput
from .pipeline import MMSRPipeline
from .report import RestorationReport

from .loading import load_pipeline  # isort: skip  (needs the pipeline)

__all__ = [
    "Conditioning",
    "DegradationEstimate",
    "MMSRPipeline",
    "RestorationOutput",
    "RestorationReport",
    "load_pipeline",
]
