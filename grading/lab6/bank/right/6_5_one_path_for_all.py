"""Call, read and step are one walk through the layers, with another question to each block."""

import keras
import numpy as np
from keras import layers, ops


class LanguageModel(keras.Model):
    """Score what may come next, after each token."""

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        ff_dim: int,
        num_layers: int,
        context_length: int,
        norm: str = "layer",
        positions: str = "learned",
        network: str = "gelu",
        biases: bool = True,
        tied: bool = True,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model, self.context_length = d_model, context_length
        self.window = context_length  # what Lab 4's `generate` calls it
        self.embedding = layers.ReversibleEmbedding(
            vocab_size, d_model, tie_weights=tied, reverse_dtype="float32", name="embedding"
        )
        self.positions = None
        if positions == "learned":
            self.positions = layers.Embedding(context_length, d_model, name="positions")
        self.dropout = layers.Dropout(dropout, name="dropout")
        sizes = (d_model, num_heads, num_kv_heads, ff_dim)
        self.blocks = [
            Block(*sizes, norm, positions, network, biases, dropout, name=f"block_{i}")
            for i in range(num_layers)
        ]
        self.norm = make_norm(norm, "norm")

    def build(self, input_shape):
        self.embedding.build(input_shape)
        if self.positions is not None:
            self.positions.build(input_shape)
        for layer in (*self.blocks, self.norm):
            layer.build((None, None, self.d_model))

    def demand_room(self, length: int) -> None:
        """Demand that so many positions fit."""
        if length > self.context_length:
            raise ValueError(
                f"{length} positions, but context_length is {self.context_length}: give fewer "
                "tokens, or make the model longer"
            )

    def call(self, ids, training=None):
        self.demand_room(ids.shape[1])
        return self.walk(ids, np.arange(ids.shape[1]), lambda block, i, x: (block(x),))[0]

    def read(self, ids):
        self.demand_room(ids.shape[1])
        places = np.arange(ids.shape[1])
        return self.walk(ids, places, lambda block, i, x: block.read(x))[1]

    def step(self, ids, slot, old, new):
        size = old[0].shape[2]
        self.demand_room(size + new[0].shape[2])

        def one(block, i, x):
            return block.step(x, slot, old[2 * i], old[2 * i + 1], new[2 * i], new[2 * i + 1])

        logits, written = self.walk(ids, size + slot + ops.arange(1), one)
        return ops.squeeze(logits, axis=1), written

    def walk(self, ids, places, do):
        """Go through all layers; `do` says what a block is asked."""
        x, kept = self.embedding(ids), []
        if self.positions is not None:
            x = x + self.positions(places)[None]
        x = self.dropout(x)
        for i, block in enumerate(self.blocks):
            x, *parts = do(block, i, x)
            kept += parts
        return ops.cast(self.embedding(self.norm(x), reverse=True), "float32"), kept
