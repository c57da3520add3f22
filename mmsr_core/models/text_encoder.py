"""The built-in text encoder: hashed sub-words in, a vector in CLIP ViT-B/32's text space out.

It is distilled from CLIP's embeddings of about 1500 nouns (see `training/stages/text_encoder.py`)
so that a prompt works with no download. It knows words, not the world: a word that neither it nor
its training lists contain is guessed from its letters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from ..precision import full_precision
from .network import Network, records_config
from .tokens import TokenBatch, tokenise, words_of
from .word_filter import holds


class PromptTextEncoder(Network):
    """Embedding bag of hashed n-grams, attention over the tokens of a text, an MLP.

    CLIP's text embeddings share a large mean (two nouns have a cosine of 0.75 to each other on
    average). The net predicts the deviation from that mean, which is kept as the buffer `centre`
    and added back: what comes out lies in CLIP's own space.
    """

    centre: Tensor
    vocabulary: Tensor

    @records_config
    def __init__(
        self,
        buckets: int = 20480,
        width: int = 64,
        hidden: int = 192,
        heads: int = 4,
        embed_dim: int = 512,
        vocabulary_bytes: int = 0,
    ) -> None:
        """Build the net.

        Args:
            buckets: rows of the table.
            width: its columns.
            hidden: hidden units.
            heads: attention heads.
            embed_dim: width of an embedding.
            vocabulary_bytes: size of the filter of learned words (`word_filter`); 0: none.
        """
        super().__init__()
        self.table = nn.Embedding(buckets, width)
        nn.init.normal_(self.table.weight, std=0.3)
        self.scores = nn.Linear(width, heads)
        self.mix = nn.Linear(heads * width, hidden)
        self.head = nn.Linear(hidden, embed_dim)
        self.register_buffer("centre", torch.zeros(embed_dim))
        if vocabulary_bytes:
            self.register_buffer("vocabulary", torch.zeros(vocabulary_bytes, dtype=torch.uint8))

    def deviation(self, tokens: TokenBatch) -> Tensor:
        """`(N,embed_dim)`: the embedding less the common centre, not normalised."""
        rows = self.table(tokens.features)
        sums = rows.new_zeros((len(tokens.counts), rows.shape[1]))
        sums = sums.index_add(0, tokens.owner, rows)
        vectors = sums / tokens.counts.to(rows.dtype).sqrt()[:, None]
        heads = self.scores.out_features
        cells = tokens.texts * tokens.width
        scores = rows.new_full((cells, heads), float("-inf"))
        scores = scores.index_copy(0, tokens.slots, self.scores(vectors)[tokens.which])
        shares = scores.view(tokens.texts, tokens.width, heads).softmax(1)
        padded = rows.new_zeros((cells, vectors.shape[1])).index_copy(
            0, tokens.slots, vectors[tokens.which]
        )
        padded = padded.view(tokens.texts, tokens.width, -1)
        pooled = torch.einsum("nth,ntd->nhd", shares, padded).flatten(1)
        return self.head(F.gelu(self.mix(pooled)))

    def forward(self, tokens: TokenBatch) -> Tensor:
        """`(N,embed_dim)` embeddings of unit length."""
        return F.normalize(self.centre + self.deviation(tokens), dim=-1)

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that were not learned: they are guessed from their letters.

        Numbers count as known. Empty where the weights do not say what was learned.

        Raises:
            InputError: the text is blank.
        """
        words = dict.fromkeys(word for word in words_of(text) if not word.isnumeric())
        if not self.config.vocabulary_bytes:
            return []
        return [word for word in words if not holds(self.vocabulary, word)]


@torch.no_grad()
def encode_texts(net: PromptTextEncoder, texts: str | Sequence[str]) -> Tensor:
    """Embeddings of texts.

    Args:
        net: the encoder, in eval mode; runs where its weights are, in float32.
        texts: one or more prompts. Case, spacing and punctuation do not matter; of a long text the
            first 64 words are read.

    Returns:
        `(N,512)` of unit length, float32, in CLIP ViT-B/32's text space.

    Raises:
        InputError: no text, or a blank one.
    """
    given = [texts] if isinstance(texts, str) else list(texts)
    if bad := [t for t in given if not isinstance(t, str)]:
        raise InputError(f"A prompt must be text, but is a {type(bad[0]).__name__}.")
    buckets = net.table.num_embeddings
    device = net.table.weight.device
    with full_precision(device):
        return net(tokenise(given, buckets).to(device)).float()
