"""What a sub-layer finds replaces x."""


class EncoderBlock(layers.Layer):
    def __init__(self, d_model, num_heads, ff_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.d_model, self.ff_dim = (d_model, ff_dim)
        self.attention = MultiHeadAttention(d_model, num_heads, name=f"{self.name}_attention")
        self.norm_1 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_1")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-6, name=f"{self.name}_norm_2")
        self.expand = layers.Dense(ff_dim, activation="relu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")
        self.supports_masking = True

    def build(self, input_shape):
        shape = None, None, self.d_model
        self.attention.build([shape, shape, (None, None)])
        for layer in (self.norm_1, self.norm_2, self.expand):
            layer.build(shape)
        self.contract.build((None, None, self.ff_dim))

    def call(self, inputs):
        x, mask = inputs
        normed = self.norm_1(x)
        x = self.dropout(self.attention([normed, normed, mask])[0])
        return x + self.dropout(self.contract(self.expand(self.norm_2(x))))
