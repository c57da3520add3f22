"""The pack's own socket types. Each is declared here once; the names are never changed."""

from __future__ import annotations

from .host_api import io

ModelSocket = io.Custom("MMSR_MODEL")
"""Carries `payloads.ModelHandle`."""

DegradationSocket = io.Custom("MMSR_DEGRADATION")
"""Carries `payloads.DegradationBatch`."""

ConditioningSocket = io.Custom("MMSR_CONDITIONING")
"""Carries `payloads.ConditioningBatch`."""

PromptSocket = io.Custom("MMSR_PROMPT")
"""Carries `payloads.PromptBatch`."""

WeightsSocket = io.Custom("MMSR_WEIGHTS")
"""Carries `payloads.WeightsBatch`."""
