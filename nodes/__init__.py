"""ComfyUI nodes: thin adapters from the host's types to `mmsr_core.pipeline`."""
