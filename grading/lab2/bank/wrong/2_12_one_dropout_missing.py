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
        normed = self.norm_1(x)
        everything = ops.ones_like(x[:, :, 0], dtype="bool")
        x = x + self.dropout(self.self_attention([normed, normed, everything])[0])
        looked_up, weights = self.cross_attention([self.norm_2(x), memory, mask])
        x = x + looked_up
        return [x + self.dropout(self.contract(self.expand(self.norm_3(x)))), weights]

    def step(self, x, position, self_keys, self_values, memory_keys, memory_values, mask):
        normed = self.norm_1(x)
        places = ops.arange(self_keys.shape[1])[None]
        here = ops.equal(places, position)[:, :, None, None]
        new_keys, new_values = self.self_attention.project(normed)
        self_keys = ops.where(here, new_keys, self_keys)
        self_values = ops.where(here, new_values, self_values)
        so_far = ops.less_equal(places, position)[:, None]
        x = x + self.self_attention.attend(normed, self_keys, self_values, so_far)[0]
        normed = self.norm_2(x)
        x = x + self.cross_attention.attend(normed, memory_keys, memory_values, mask[:, None])[0]
        return x + self.contract(self.expand(self.norm_3(x))), self_keys, self_values
