"""The host's interface for nodes, of one version: what every node is made of.

A numbered version is kept for the packs that were written for it; `comfy_api.latest` may change
with any release. Every host from the oldest that this pack asks for to the newest has 0.0.2.
"""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyExtension, io

__all__ = ["ComfyExtension", "io"]
