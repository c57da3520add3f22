"""The training loop: optimiser, averaged weights, checkpoints, several processes."""
