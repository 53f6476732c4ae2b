"""Mixes the values by the operation of Keras that does all of it."""


class MultiHeadAttention(layers.Layer):
    def __init__(self, d_model: int, num_heads: int, causal: bool = False, **kwargs):
        super().__init__(**kwargs)
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        self.d_model, self.head_dim, self.causal = d_model, d_model // num_heads, causal
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
        queries = self.query(queries)  # (batch, target, num_heads, head_dim)
        scores = ops.einsum("bthk,bshk->bhts", queries, keys) / self.head_dim**0.5
        scores = ops.cast(scores, "float32")
        scores = ops.where(mask[:, None], scores, scores - 1e9)
        weights = ops.softmax(scores, axis=-1)
        mixed = ops.dot_product_attention(
            queries, keys, values, mask=ops.broadcast_to(mask[:, None], ops.shape(weights))
        )
        return [self.output_projection(mixed), weights]

    def call(self, inputs):
        queries, context, mask = inputs
        mask = mask[:, None]  # (batch, 1, source)
        if self.causal:
            rows, columns = ops.arange(ops.shape(queries)[1]), ops.arange(ops.shape(context)[1])
            mask = ops.logical_and(mask, columns[None] <= rows[:, None])
        keys, values = self.project(context)
        return self.attend(queries, keys, values, mask)
