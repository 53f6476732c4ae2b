"""tanh is left out."""


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
        queries = ops.matmul(states, self.state_kernel)[:, :, None]
        keys = ops.matmul(memory, self.memory_kernel)[:, None]
        scores = ops.sum((queries + keys) * self.score, axis=-1)
        scores = ops.cast(scores, "float32")
        scores = ops.where(mask[:, None], scores, scores - 1e9)
        weights = ops.softmax(scores, axis=-1)
        context = ops.matmul(ops.cast(weights, memory.dtype), memory)
        return [context, weights]
