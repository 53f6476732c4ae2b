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

    def call(self, ids):
        hidden = self.dropout(self.embedding(ids) * self.d_model**0.5)
        for block in self.blocks:
            hidden = block(hidden)
        return ops.cast(self.embedding(self.norm(hidden), reverse=True), "float32")

    def read(self, ids):
        hidden, kept = self.embedding(ids) * self.d_model**0.5, []
        for block in self.blocks:
            hidden, keys, values = block.read(hidden)
            kept += [keys, values]
        return kept

    def step(self, ids, slot, old, new):
        hidden, written = self.embedding(ids) * self.d_model**0.5, []
        own = slice(0, 2)
        for block in self.blocks:
            hidden, keys, values = block.step(hidden, slot, *old[own], *new[own])
            written += [keys, values]
        logits = self.embedding(self.norm(hidden), reverse=True)[:, 0]
        return ops.cast(logits, "float32"), written
