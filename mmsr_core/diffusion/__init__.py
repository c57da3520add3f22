"""Sampling of the flow. Everything here sees tensors, never networks."""

from .flow import RectifiedFlow, flow_times, seeded_noise

__all__ = ["RectifiedFlow", "flow_times", "seeded_noise"]
