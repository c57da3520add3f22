"""Uploads, results and archives on disk."""
