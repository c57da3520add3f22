"""Prompts: text and pictures to embeddings in CLIP ViT-B/32's space."""

from .text_encoder import PromptTextEncoder, encode_texts

__all__ = ["PromptTextEncoder", "encode_texts"]
