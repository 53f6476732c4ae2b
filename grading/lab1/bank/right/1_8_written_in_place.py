"""The cache is written with a one-hot mixture; heads are cut and joined by einsum's axes."""


class TransformerBlock(keras.layers.Layer):
    def __init__(self, num_heads, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout

    def build(self, input_shape):
        dim = input_shape[-1]
        if dim % self.num_heads:
            raise ValueError(f"{self.num_heads} heads do not divide {dim} dimensions")
        self.norm_1 = layers.LayerNormalization(epsilon=1e-5, name="norm_1")
        self.query = layers.Dense(dim, name="query")
        self.key = layers.Dense(dim, name="key")
        self.value = layers.Dense(dim, name="value")
        self.output_projection = layers.Dense(dim, name="output")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-5, name="norm_2")
        self.expand = layers.Dense(4 * dim, activation="relu", name="expand")
        self.contract = layers.Dense(dim, name="contract")
        self.drop = layers.Dropout(self.dropout, name="drop")
        of_dim = (self.norm_1, self.query, self.key, self.value, self.output_projection)
        for layer in (*of_dim, self.norm_2, self.expand):
            layer.build((None, None, dim))
        self.contract.build((None, None, 4 * dim))

    def call(self, inputs, cache=None, position=None, training=False):
        normed = self.norm_1(inputs)
        keys, values = self.key(normed), self.value(normed)
        if cache is not None:
            places = ops.arange(ops.shape(cache[0])[1], dtype=position.dtype)
            here = ops.cast(ops.equal(places, position), keys.dtype)[..., None]
            keys, values = (
                old * (1 - here) + new * here
                for old, new in zip(cache, (keys, values), strict=True)
            )

        def split(x):
            return ops.stack(ops.split(x, self.num_heads, axis=-1), axis=1)

        attended = causal_attention(split(self.query(normed)), split(keys), split(values), position)
        attended = ops.concatenate([attended[:, k] for k in range(self.num_heads)], axis=-1)
        x = inputs + self.drop(self.output_projection(attended), training=training)
        fed_forward = self.contract(self.expand(self.norm_2(x)))
        outputs = x + self.drop(fed_forward, training=training)
        return outputs, keys, values
