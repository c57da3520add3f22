"""A small fixed benchmark that a change must not lose."""
