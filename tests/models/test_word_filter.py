"""The filter of learned words forgets none, and makes few up."""

from __future__ import annotations

import torch

from mmsr_core.models.word_filter import holds, word_filter


def test_what_was_put_in_is_found_and_little_else() -> None:
    words = [f"word{i}" for i in range(2000)]
    made = word_filter(words, 3000)  # 12 bits a word
    assert made.shape == (3000,)
    assert made.dtype == torch.uint8
    assert all(holds(made, word) for word in words)
    mistaken = sum(holds(made, f"other{i}") for i in range(2000))
    assert mistaken < 20


def test_an_empty_filter_holds_nothing() -> None:
    made = word_filter([], 16)
    assert not made.any()
    assert not holds(made, "fox")


def test_words_that_differ_by_one_letter_are_told_apart() -> None:
    made = word_filter(["fox", "füchse", "狐"], 64)
    assert all(holds(made, word) for word in ("fox", "füchse", "狐"))
    assert not any(holds(made, word) for word in ("foy", "fuchse", "狸"))
