"""Attends by Keras's operation, not by the heads' own attention."""


class TransformerBlock(keras.layers.Layer):
    def __init__(self, num_heads: int, dropout: float = 0.0, **kwargs):
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
            here = (places[None] == position)[..., None]  # (batch, max_length, 1)
            keys = ops.where(here, keys, ops.cast(cache[0], keys.dtype))
            values = ops.where(here, values, ops.cast(cache[1], values.dtype))

        def split(x):
            batch, length, dim = ops.shape(x)
            heads = ops.reshape(x, (batch, length, self.num_heads, dim // self.num_heads))
            return ops.transpose(heads, (0, 2, 1, 3))  # (batch, heads, length, head_dim)

        q, k, v = split(self.query(normed)), split(keys), split(values)
        if position is None:
            position = ops.arange(ops.shape(q)[2])[None]
        mask = ops.arange(ops.shape(k)[2], dtype=position.dtype) <= position[:, None, :, None]
        q, k, v = (ops.transpose(x, (0, 2, 1, 3)) for x in (q, k, v))
        attended = ops.dot_product_attention(
            q,
            k,
            v,
            mask=ops.broadcast_to(
                mask, (*ops.shape(q)[:1], self.num_heads, ops.shape(q)[1], ops.shape(k)[1])
            ),
        )
        attended = ops.transpose(attended, (0, 2, 1, 3))
        attended = ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), ops.shape(inputs))
        x = inputs + self.drop(self.output_projection(attended), training=training)
        fed_forward = self.contract(self.expand(self.norm_2(x)))
        outputs = x + self.drop(fed_forward, training=training)
        return outputs, keys, values
