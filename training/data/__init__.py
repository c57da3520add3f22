"""Photographs, frames, words and pairs, and the batches made of them."""
