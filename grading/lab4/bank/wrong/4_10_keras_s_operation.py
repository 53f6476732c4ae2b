"""Leaves scores, softmax and sum to Keras's operation; the distances are its bias."""


class RelativeAttention(layers.Layer):
    CHUNK = 512

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

        def attend(queries, keys, values, vectors, lowered):
            bias = skew(ops.einsum("bthk,sk->bhts", queries, vectors))
            bias = ops.cast(bias, "float32") + lowered
            return ops.dot_product_attention(
                queries, keys, values, bias=ops.cast(bias, queries.dtype), scale=1.0
            )

        if length > self.CHUNK:
            attend = keras.remat(attend)
        for begin in range(0, length, self.CHUNK):
            end = min(begin + self.CHUNK, length)
            first = max(0, begin - self.window + 1)
            by_distance = np.minimum(np.arange(end - first)[::-1], self.max_distance)
            vectors = ops.cast(ops.take(self.distances, by_distance, axis=0), x.dtype)
            distances = np.arange(begin, end)[:, None] - np.arange(first, end)
            unseen = (distances < 0) | (distances >= self.window)
            lowered = ops.convert_to_tensor(np.where(unseen, -1e9, 0.0), "float32")
            if mask is not None:
                padding = ops.where(mask[:, None, None, first:end], 0.0, -1e9)
                lowered = ops.minimum(padding, lowered)
            seen = keys[:, first:end], values[:, first:end]
            mixed.append(attend(queries[:, begin:end], *seen, vectors, lowered))
        return self.output_projection(ops.concatenate(mixed, axis=1)), *kept

    def step(self, x, slot, old_keys, old_values, new_keys, new_values):

        def project(layer, row):
            """Apply a projection to rows (batch, features): one product, faster than its einsum."""
            kernel = ops.reshape(layer.kernel, (row.shape[-1], -1))
            bias = ops.reshape(layer.bias, (-1,))
            return ops.matmul(row, ops.cast(kernel, x.dtype)) + ops.cast(bias, x.dtype)

        cache, heads = KeyValueCache(self.window), (-1, 1, self.num_heads, self.head_dim)
        row = ops.reshape(x, (-1, self.d_model))
        query, key, value = (
            ops.reshape(project(layer, row), heads) for layer in (self.query, self.key, self.value)
        )
        new_keys = cache.write(new_keys, key, slot)
        new_values = cache.write(new_values, value, slot)
        query = ops.transpose(query, (0, 2, 1, 3)) * ops.cast(self.head_dim**-0.5, x.dtype)
        old, new = ops.shape(old_keys)[2], ops.shape(new_keys)[2]
        distances = cache.distances(old, new, slot)
        vectors = ops.take(self.distances, ops.clip(distances, 0, self.max_distance), axis=0)
        parts = [ops.einsum("bhtk,bhsk->bhts", query, keys) for keys in (old_keys, new_keys)]
        by_distance = ops.matmul(
            ops.reshape(query, (-1, self.head_dim)), ops.transpose(ops.cast(vectors, x.dtype))
        )
        scores = ops.concatenate(parts, axis=-1)
        scores = scores + ops.reshape(by_distance, (-1, self.num_heads, 1, old + new))
        scores = ops.cast(scores, "float32")
        allowed = ops.logical_and(distances >= 0, distances < self.window)
        weights = ops.softmax(ops.where(allowed, scores, scores - 1e9), axis=-1)
        weights = ops.cast(weights, x.dtype)
        mixed = ops.matmul(weights[..., :old], old_values)
        mixed = mixed + ops.matmul(weights[..., old:], new_values)
        mixed = project(self.output_projection, ops.reshape(mixed, (-1, self.d_model)))
        return mixed[:, None], new_keys, new_values
