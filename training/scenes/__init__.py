"""Rendered scenes with exact depth."""
