"""Sampling of the flow. Everything here sees callables, never networks."""

from .flow import flow_times, sample_flow, seeded_noise

__all__ = ["flow_times", "sample_flow", "seeded_noise"]
