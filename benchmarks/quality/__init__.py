"""Restoration quality beside bicubic and peers."""
