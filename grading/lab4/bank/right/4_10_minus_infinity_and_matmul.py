"""All at once with matrix products and minus infinity; the step has one row for all."""


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

    def scores(self, q, k, distances, allowed):
        """q, k (batch, heads, …, head_dim); distances, allowed (…, T, S)."""
        table = ops.convert_to_tensor(self.distances)
        nearest = np.clip if isinstance(distances, np.ndarray) else ops.clip
        by_distance = ops.matmul(q, ops.transpose(ops.cast(table, q.dtype)))
        clipped = ops.cast(nearest(distances, 0, self.max_distance), "int32")
        picks = ops.one_hot(clipped, self.max_distance + 1, dtype=q.dtype)
        relative = ops.einsum("bhtd,tsd->bhts", by_distance, picks)
        total = ops.cast(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) + relative, "float32")
        total = total / np.sqrt(np.float32(self.head_dim))
        return ops.softmax(ops.where(allowed, total, -np.inf))

    def mix(self, weights, v, dtype):
        mixed = ops.matmul(ops.cast(weights, v.dtype), v)
        return self.output_projection(ops.transpose(mixed, (0, 2, 1, 3)))

    def read(self, x, mask=None):
        q, k, v = (
            ops.transpose(part(x), (0, 2, 1, 3)) for part in (self.query, self.key, self.value)
        )
        places = np.arange(x.shape[1])
        distances = places[:, None] - places
        allowed = ((distances >= 0) & (distances < self.window))[None, None]
        if mask is not None:
            allowed = ops.logical_and(allowed, ops.cast(mask, "bool")[:, None, None, :])
        return self.mix(self.scores(q, k, distances, allowed), v, x.dtype), k, v

    def step(self, x, slot, old_keys, old_values, new_keys, new_values):
        cache = KeyValueCache(self.window)
        new_keys = cache.write(new_keys, self.key(x), slot)
        new_values = cache.write(new_values, self.value(x), slot)
        k = ops.concatenate([old_keys, new_keys], axis=2)
        v = ops.concatenate([old_values, new_values], axis=2)
        q = ops.transpose(self.query(x), (0, 2, 1, 3))
        distances = cache.distances(old_keys.shape[2], new_keys.shape[2], slot)[None]
        allowed = ops.logical_and(distances >= 0, distances < self.window)
        return self.mix(self.scores(q, k, distances, allowed), v, x.dtype), new_keys, new_values
