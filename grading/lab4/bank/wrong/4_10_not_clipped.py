"""Distances beyond the largest are taken modulo its number of rows."""


class RelativeAttention(layers.Layer):
    CHUNK = 256

    def __init__(self, d_model: int, num_heads: int, max_distance: int, window: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        self.d_model, self.num_heads, self.head_dim = d_model, num_heads, d_model // num_heads
        self.max_distance, self.window = max_distance, window
        self.query, self.key, self.value = (
            layers.EinsumDense(
                "btd,dhk->bthk",
                (None, num_heads, self.head_dim),
                bias_axes="hk",
                name=f"{self.name}_{part}",
            )
            for part in ("query", "key", "value")
        )
        self.output_projection = layers.EinsumDense(
            "bthk,hkd->btd", (None, d_model), bias_axes="d", name=f"{self.name}_output_projection"
        )

    def build(self, input_shape):
        for projection in (self.query, self.key, self.value):
            projection.build((None, None, self.d_model))
        self.output_projection.build((None, None, self.num_heads, self.head_dim))
        self.distances = self.add_weight(
            shape=(self.max_distance + 1, self.head_dim),
            initializer=keras.initializers.RandomNormal(stddev=self.head_dim**-0.5),
            name="distances",
        )

    def call(self, x, mask=None):
        return self.read(x, mask)[0]

    def read(self, x, mask=None):
        queries, keys, values = self.query(x), self.key(x), self.value(x)
        kept = [ops.transpose(part, (0, 2, 1, 3)) for part in (keys, values)]
        queries = queries * ops.cast(self.head_dim**-0.5, queries.dtype)
        length, mixed = x.shape[1], []
        for begin in range(0, length, self.CHUNK):
            end = min(begin + self.CHUNK, length)
            first = max(0, begin - self.window + 1)
            chunk, heard, sources = queries[:, begin:end], keys[:, first:end], end - first
            by_distance = np.arange(sources)[::-1] % (self.max_distance + 1)
            vectors = ops.cast(ops.take(self.distances, by_distance, axis=0), x.dtype)
            scores = ops.einsum("bthk,bshk->bhts", chunk, heard)
            scores = scores + skew(ops.einsum("bthk,sk->bhts", chunk, vectors))
            distances = np.arange(begin, end)[:, None] - np.arange(first, end)
            allowed = ((distances >= 0) & (distances < self.window))[None, None]
            if mask is not None:
                allowed = ops.logical_and(allowed, mask[:, None, None, first:end])
            scores = ops.cast(scores, "float32")
            weights = ops.softmax(ops.where(allowed, scores, scores - 1e9), axis=-1)
            weights = ops.cast(weights, x.dtype)
            mixed.append(ops.einsum("bhts,bshk->bthk", weights, values[:, first:end]))
        return self.output_projection(ops.concatenate(mixed, axis=1)), *kept

    def step(self, x, slot, old_keys, old_values, new_keys, new_values):
        cache = KeyValueCache(self.window)
        new_keys = cache.write(new_keys, self.key(x), slot)
        new_values = cache.write(new_values, self.value(x), slot)
        query = ops.transpose(self.query(x), (0, 2, 1, 3))  # (batch, heads, 1, head_dim)
        query = query * ops.cast(self.head_dim**-0.5, x.dtype)
        old, new = ops.shape(old_keys)[2], ops.shape(new_keys)[2]
        distances = cache.distances(old, new, slot)
        by_distance = ops.einsum("bhtk,dk->bhtd", query, ops.cast(self.distances, x.dtype))
        parts = [ops.einsum("bhtk,bhsk->bhts", query, keys) for keys in (old_keys, new_keys)]
        scores = ops.concatenate(parts, axis=-1)
        scores = scores + ops.take(
            by_distance, ops.maximum(distances, 0) % (self.max_distance + 1), axis=-1
        )
        scores = ops.cast(scores, "float32")
        allowed = ops.logical_and(distances >= 0, distances < self.window)
        weights = ops.softmax(ops.where(allowed, scores, scores - 1e9), axis=-1)
        weights = ops.cast(weights, x.dtype)
        mixed = ops.einsum("bhts,bhsk->bthk", weights[..., :old], old_values)
        mixed = mixed + ops.einsum("bhts,bhsk->bthk", weights[..., old:], new_values)
        return self.output_projection(mixed), new_keys, new_values
