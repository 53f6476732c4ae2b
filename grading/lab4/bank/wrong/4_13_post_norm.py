class TransformerBlock(layers.Layer):
    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        max_distance: int,
        window: int,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.d_model, self.ff_dim = d_model, ff_dim
        self.attention = RelativeAttention(
            d_model, num_heads, max_distance, window, name=f"{self.name}_attention"
        )
        self.norm_1 = RMSNorm(name=f"{self.name}_norm_1")
        self.norm_2 = RMSNorm(name=f"{self.name}_norm_2")
        self.expand = layers.Dense(ff_dim, activation="gelu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")

    def build(self, input_shape):
        shape = (None, None, self.d_model)
        for layer in (self.attention, self.norm_1, self.norm_2, self.expand):
            layer.build(shape)
        self.contract.build((None, None, self.ff_dim))

    def call(self, x, mask=None):
        return self.read(x, mask)[0]

    def read(self, x, mask=None):
        heard, keys, values = self.attention.read(x, mask)
        x = self.norm_1(x + self.dropout(heard))
        return self.norm_2(x + self.dropout(self.contract(self.expand(x)))), keys, values

    def step(self, x, slot, *cache):
        heard, keys, values = self.attention.step(x, slot, *cache)
        x = self.norm_1(x + heard)
        return self.norm_2(x + self.contract(self.expand(x))), keys, values
