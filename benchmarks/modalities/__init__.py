"""What each modality contributes, and prompts in other networks."""
