"""A loop over blocks that serves call and read; the reverse embedding as a product."""


class MusicTransformer(keras.Model):
    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        num_layers: int,
        max_distance: int,
        window: int,
        dropout: float = 0.0,
        tied: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model, self.window = d_model, window
        self.embedding = layers.ReversibleEmbedding(
            vocab_size, d_model, tie_weights=tied, reverse_dtype="float32", name="embedding"
        )
        self.dropout = layers.Dropout(dropout, name="dropout")
        self.blocks = [
            TransformerBlock(
                d_model, num_heads, ff_dim, max_distance, window, dropout, name=f"block_{i}"
            )
            for i in range(num_layers)
        ]
        self.norm = RMSNorm(name="norm")

    def build(self, input_shape):
        self.embedding.build(input_shape)
        for layer in (*self.blocks, self.norm):
            layer.build((None, None, self.d_model))

    def embed(self, ids):
        return ops.multiply(self.embedding(ids), np.sqrt(self.d_model).astype("float32"))

    def logits(self, hidden):
        return ops.cast(self.embedding(self.norm(hidden), reverse=True), "float32")

    def through(self, hidden):
        kept = []
        for block in self.blocks:
            hidden, *own = block.read(hidden)
            kept.extend(own)
        return hidden, kept

    def call(self, ids, training=None):
        hidden = self.dropout(self.embed(ids), training=training)
        for block in self.blocks:
            hidden = block(hidden, training=training)
        return self.logits(hidden)

    def read(self, ids):
        return tuple(self.through(self.embed(ids))[1])

    def step(self, ids, slot, old, new):
        hidden, new = self.embed(ids), list(new)
        for i, block in enumerate(self.blocks):
            parts = (old[2 * i], old[2 * i + 1], new[2 * i], new[2 * i + 1])
            hidden, new[2 * i], new[2 * i + 1] = block.step(hidden, slot, *parts)
        return ops.squeeze(self.logits(hidden), axis=1), new
