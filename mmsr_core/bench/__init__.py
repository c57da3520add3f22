"""Benchmarks behind `mmsr bench`: picture quality, kernel error, speed."""
