"""One way through both sub-layers, for all positions and for one."""

from keras import layers, ops


class Block(layers.Layer):
    """Look back, then transform each position by itself."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        ff_dim: int,
        norm: str = "layer",
        positions: str = "learned",
        network: str = "gelu",
        biases: bool = True,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model = d_model
        self.norm_1, self.norm_2 = (make_norm(norm, f"{self.name}_norm_{i}") for i in (1, 2))
        self.attention = GroupedAttention(
            d_model,
            num_heads,
            num_kv_heads,
            positions == "rotary",
            biases,
            name=f"{self.name}_attention",
        )
        self.network = FeedForward(d_model, ff_dim, network, biases, name=f"{self.name}_network")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")

    def build(self, input_shape):
        for layer in (self.norm_1, self.attention, self.norm_2, self.network):
            layer.build((None, None, self.d_model))

    def call(self, x):
        return self.read(x)[0]

    def read(self, x):
        return self.both(x, self.attention.read)

    def step(self, x, slot, *cache):
        return self.both(x, lambda normed: self.attention.step(normed, slot, *cache))

    def both(self, x, attend):
        """Add both sub-layers' results; dropout knows whether it trains."""
        heard, *kept = attend(self.norm_1(x))
        stream = ops.add(x, self.dropout(heard))
        added = self.dropout(self.network(self.norm_2(stream)))
        return [ops.add(stream, added), *kept]
