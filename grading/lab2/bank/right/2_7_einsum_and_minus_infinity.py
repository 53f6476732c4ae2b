"""Einsums; padding gets a score of −1e9 instead of its own less that."""


class AdditiveAttention(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        states, memory, _ = input_shape
        self.state_kernel = self.add_weight((states[-1], self.units), name="state_kernel")
        self.memory_kernel = self.add_weight((memory[-1], self.units), name="memory_kernel")
        self.score = self.add_weight((self.units,), name="score", initializer="random_normal")

    def call(self, inputs):
        states, memory, mask = inputs
        queries = ops.einsum("btd,du->btu", states, self.state_kernel)
        keys = ops.einsum("bsd,du->bsu", memory, self.memory_kernel)
        both = ops.tanh(ops.expand_dims(queries, 2) + ops.expand_dims(keys, 1))
        scores = ops.cast(ops.einsum("btsu,u->bts", both, self.score), "float32")
        scores = ops.where(ops.expand_dims(mask, 1), scores, -1e9)
        powers = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        weights = powers / ops.sum(powers, axis=-1, keepdims=True)
        context = ops.einsum("bts,bsd->btd", ops.cast(weights, memory.dtype), memory)
        return context, weights
