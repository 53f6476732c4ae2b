"""Heads are moved to the front, matmul does the rest; weights are made in `call`."""


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
        def heads_first(x):
            return ops.transpose(x, (0, 2, 1, 3))

        q, k, v = heads_first(self.query(queries)), heads_first(keys), heads_first(values)
        scores = ops.matmul(q / np.sqrt(self.head_dim), ops.transpose(k, (0, 1, 3, 2)))
        bias = (1.0 - ops.cast(ops.expand_dims(mask, 1), "float32")) * -1e9
        weights = ops.nn.softmax(ops.cast(scores, "float32") + bias)
        mixed = heads_first(ops.matmul(ops.cast(weights, v.dtype), v))
        return self.output_projection(mixed), weights

    def call(self, inputs):
        queries, context, mask = inputs
        allowed = ops.expand_dims(mask, 1)
        if self.causal:
            target, source = ops.shape(queries)[1], ops.shape(context)[1]
            allowed = ops.logical_and(allowed, ops.tril(ops.ones((target, source))) > 0)
        return self.attend(queries, *self.project(context), allowed)
