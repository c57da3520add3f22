"""Training of every network that ships: see training/README.md."""
