"""Two sensors: fusion metrics and guided restoration."""
