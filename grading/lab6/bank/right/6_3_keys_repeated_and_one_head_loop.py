"""One head after another, keys and values beside each other, the slot chosen by a mask."""

from keras import layers, ops


class GroupedAttention(layers.Layer):
    """Causal self-attention whose query heads share keys and values in groups."""

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        rotary: bool = False,
        biases: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for number, of, whole in (
            (num_heads, "d_model", d_model),
            (num_kv_heads, "num_heads", num_heads),
        ):
            if number < 1 or whole % number:
                raise ValueError(f"{whole} ({of}) cannot be divided into {number} heads")
        self.d_model, self.num_heads, self.num_kv_heads = d_model, num_heads, num_kv_heads
        self.head_dim, self.rotary = d_model // num_heads, rotary
        shared = num_kv_heads * self.head_dim
        self.query, self.key, self.value, self.output_projection = (
            layers.Dense(size, use_bias=biases, name=f"{self.name}_{part}")
            for part, size in (
                ("query", d_model),
                ("key", shared),
                ("value", shared),
                ("output_projection", d_model),
            )
        )

    def build(self, input_shape):
        for projection in (self.query, self.key, self.value, self.output_projection):
            projection.build((None, None, self.d_model))

    def call(self, x):
        return self.read(x)[0]

    def read(self, x):
        length = x.shape[1]

        def split(projected, heads):
            return ops.transpose(
                ops.reshape(projected, (-1, length, heads, self.head_dim)), (0, 2, 1, 3)
            )

        queries = split(self.query(x), self.num_heads)
        keys = split(self.key(x), self.num_kv_heads)
        values = split(self.value(x), self.num_kv_heads)
        if self.rotary:
            queries = ops.transpose(rotate(ops.transpose(queries, (0, 2, 1, 3))), (0, 2, 1, 3))
            keys = ops.transpose(rotate(ops.transpose(keys, (0, 2, 1, 3))), (0, 2, 1, 3))
        return self.mix(queries, keys, values, length), keys, values

    def step(self, x, slot, old_keys, old_values, new_keys, new_values):
        position = old_keys.shape[2] + slot
        query = ops.reshape(self.query(x), (-1, 1, self.num_heads, self.head_dim))
        key = ops.reshape(self.key(x), (-1, 1, self.num_kv_heads, self.head_dim))
        value = ops.reshape(self.value(x), (-1, 1, self.num_kv_heads, self.head_dim))
        if self.rotary:
            query, key = rotate(query, position), rotate(key, position)
        here = ops.equal(ops.arange(new_keys.shape[2]), slot)[:, None]
        new_keys = ops.where(here, ops.transpose(key, (0, 2, 1, 3)), new_keys)
        new_values = ops.where(here, ops.transpose(value, (0, 2, 1, 3)), new_values)
        keys = ops.concatenate([old_keys, new_keys], axis=2)
        values = ops.concatenate([old_values, new_values], axis=2)
        output = self.mix(ops.transpose(query, (0, 2, 1, 3)), keys, values, position + 1)
        return output, new_keys, new_values

    def mix(self, queries, keys, values, length):
        """Mix values for queries at the last of `length` positions, head by head."""
        group, mixed = self.num_heads // self.num_kv_heads, []
        at = length - queries.shape[2] + ops.arange(queries.shape[2])
        seen = ops.arange(keys.shape[2])[None] <= at[:, None]
        for head in range(self.num_heads):
            scores = ops.matmul(queries[:, head], ops.transpose(keys[:, head // group], (0, 2, 1)))
            scores = ops.cast(scores, "float32") / self.head_dim**0.5
            weights = ops.softmax(ops.where(seen, scores, -1e9))
            mixed.append(ops.matmul(ops.cast(weights, values.dtype), values[:, head // group]))
        return self.output_projection(ops.concatenate(mixed, axis=-1))
