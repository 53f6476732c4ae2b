"""The position after the query's may be looked at."""


class MultiHeadAttention(layers.Layer):
    def __init__(self, d_model, num_heads, causal=False, **kwargs):
        super().__init__(**kwargs)
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        self.d_model, self.head_dim, self.causal = (d_model, d_model // num_heads, causal)
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
        heads = self.d_model // self.head_dim
        self.output_projection.build((None, None, heads, self.head_dim))

    def project(self, context):
        return self.key(context), self.value(context)

    def attend(self, queries, keys, values, mask):
        queries = self.query(queries)
        scores = ops.einsum("bthk,bshk->bhts", queries, keys) / self.head_dim**0.5
        scores = ops.cast(scores, "float32")
        scores = ops.where(mask[:, None], scores, scores - 1e9)
        weights = ops.softmax(scores, axis=-1)
        mixed = ops.einsum("bhts,bshk->bthk", ops.cast(weights, values.dtype), values)
        return [self.output_projection(mixed), weights]

    def call(self, inputs):
        queries, context, mask = inputs
        mask = mask[:, None]
        if self.causal:
            rows, columns = ops.arange(ops.shape(queries)[1]), ops.arange(ops.shape(context)[1])
            mask = ops.logical_and(mask, columns[None] <= rows[:, None] + 1)
        keys, values = self.project(context)
        return self.attend(queries, keys, values, mask)
