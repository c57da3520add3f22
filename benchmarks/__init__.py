"""Benchmarks that need more than the library: see README.md."""
