"""The cache is written with a one-hot product; lists come back; sums are written apart."""


class DecoderBlock(layers.Layer):
    def __init__(self, d_model, num_heads, ff_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.ff_dim = (d_model, ff_dim)
        self.self_attention = MultiHeadAttention(
            d_model, num_heads, causal=True, name=f"{self.name}_self_attention"
        )
        self.cross_attention = MultiHeadAttention(
            d_model, num_heads, name=f"{self.name}_cross_attention"
        )
        self.norm_1 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_1")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_2")
        self.norm_3 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_3")
        self.expand = layers.Dense(ff_dim, activation="relu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")
        self.supports_masking = True

    def build(self, input_shape):
        shape = None, None, self.d_model
        for attention in (self.self_attention, self.cross_attention):
            attention.build([shape, shape, (None, None)])
        for layer in (self.norm_1, self.norm_2, self.norm_3, self.expand):
            layer.build(shape)
        self.contract.build((None, None, self.ff_dim))

    def call(self, inputs):
        x, memory, mask = inputs
        y = self.norm_1(x)
        nothing_padded = ops.sum(ops.abs(y), axis=-1) >= 0
        y, _ = self.self_attention([y, y, nothing_padded])
        x = self.dropout(y) + x
        y, weights = self.cross_attention([self.norm_2(x), memory, mask])
        x = self.dropout(y) + x
        y = self.dropout(self.contract(self.expand(self.norm_3(x))))
        return y + x, weights

    def step(self, x, position, self_keys, self_values, memory_keys, memory_values, mask):
        length = self_keys.shape[1]
        here = ops.one_hot(position[:, 0], length, dtype=self_keys.dtype)[:, :, None, None]
        y = self.norm_1(x)
        keys, values = self.self_attention.project(y)
        self_keys = self_keys * (1 - here) + keys * here
        self_values = self_values * (1 - here) + values * here
        seen = ops.less(ops.expand_dims(ops.arange(length), 0), position + 1)
        x = x + self.self_attention.attend(y, self_keys, self_values, ops.expand_dims(seen, 1))[0]
        y = self.cross_attention.attend(
            self.norm_2(x), memory_keys, memory_values, ops.expand_dims(mask, 1)
        )[0]
        x = x + y
        return [x + self.contract(self.expand(self.norm_3(x))), self_keys, self_values]
