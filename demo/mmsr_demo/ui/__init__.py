"""The page: its frame, its texts, its panels, and how a run is shown and stopped."""
