"""Memory and segment go through the layers apart; a step looks at one joined line."""


class XLLayer(layers.Layer):
    def __init__(
        self,
        d_model: int,
        num_heads: int,
        ff_dim: int,
        dropout: float = 0.0,
        same_length: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        self.d_model, self.num_heads, self.head_dim = d_model, num_heads, d_model // num_heads
        self.ff_dim, self.same_length = ff_dim, same_length
        self.query, self.key, self.value, self.position = (
            layers.EinsumDense(
                "btd,dhk->bhtk", (num_heads, None, self.head_dim), name=f"{self.name}_{part}"
            )
            for part in ("query", "key", "value", "position")
        )
        self.output_projection = layers.EinsumDense(
            "bhtk,hkd->btd", (None, d_model), name=f"{self.name}_output_projection"
        )
        self.norm_1 = layers.LayerNormalization(epsilon=1e-5, name=f"{self.name}_norm_1")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-5, name=f"{self.name}_norm_2")
        self.expand = layers.Dense(ff_dim, activation="relu", name=f"{self.name}_expand")
        self.contract = layers.Dense(d_model, name=f"{self.name}_contract")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value, self.position, self.norm_1, self.norm_2):
            layer.build((None, None, self.d_model))
        self.output_projection.build((None, self.num_heads, None, self.head_dim))
        self.expand.build((None, None, self.d_model))
        self.contract.build((None, None, self.ff_dim))

    def call(self, x, memory, known, biases, training=None):
        past, present = self.norm_1(ops.stop_gradient(memory)), self.norm_1(x)
        M, T = memory.shape[1], x.shape[1]
        keys = ops.concatenate([self.key(past), self.key(present)], axis=2)
        values = ops.concatenate([self.value(past), self.value(present)], axis=2)
        r = self.place(np.arange(M + T - 1, -1, -1))
        query = self.query(present) / ops.cast(self.head_dim**0.5, x.dtype)
        scaled = biases / ops.cast(self.head_dim**0.5, biases.dtype)
        scores = relative_scores(query, keys, r, scaled[0], scaled[1])
        seen = np.tri(T, M + T, M, dtype=bool)
        if self.same_length:
            seen &= ~np.tri(T, M + T, -1, dtype=bool)
        present_known = ops.ones((1, T), "bool")
        present_known = ops.logical_or(present_known, x[:, :, 0] > 0)
        mask = ops.concatenate([known, present_known], axis=1)[:, None, None] & seen
        lowered = ops.where(mask, 0.0, -1e9)
        shares = ops.softmax(ops.cast(scores, "float32") + lowered)
        heard = ops.matmul(ops.cast(shares, x.dtype), values)
        x = x + self.dropout(self.output_projection(heard), training=training)
        y = self.contract(self.expand(self.norm_2(x)))
        return x + self.dropout(y, training=training)

    def place(self, distances):
        waves = ops.cast(sinusoids(distances, self.d_model), self.compute_dtype)
        return self.position(waves[None])[0]

    def recall(self, memory):
        normed = self.norm_1(memory)
        return self.key(normed), self.value(normed)

    def step(self, x, slot, known, biases, old_keys, old_values, positions, new_keys, new_values):
        normed, M, slots = self.norm_1(x), old_keys.shape[2], new_keys.shape[2]
        here = ops.equal(ops.arange(slots), slot)[:, None]
        new_keys = ops.where(here, self.key(normed), new_keys)
        new_values = ops.where(here, self.value(normed), new_values)
        keys = ops.concatenate([old_keys, new_keys], axis=2)
        values = ops.concatenate([old_values, new_values], axis=2)
        query = self.query(normed)
        places = ops.arange(M + slots)
        distances = M + slot - places
        r = ops.take(positions, ops.clip(places - slot, 0, M), axis=1)
        scores = ops.einsum("bhtk,bhsk->bhts", query + biases[0][:, None], keys)
        scores = scores + ops.einsum("bhtk,hsk->bhts", query + biases[1][:, None], r)
        written = ops.ones_like(new_keys[:, 0, :, 0], dtype="bool")
        seen = ops.concatenate([known, written], axis=1) & (distances >= 0) & (distances <= M)
        scores = ops.cast(scores, "float32") / self.head_dim**0.5
        shares = ops.softmax(ops.where(seen[:, None, None], scores, -1e9))
        x = x + self.output_projection(ops.matmul(ops.cast(shares, x.dtype), values))
        return x + self.contract(self.expand(self.norm_2(x))), new_keys, new_values
