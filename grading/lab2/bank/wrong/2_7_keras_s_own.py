class AdditiveAttention(layers.Layer):
    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        states, memory, _ = input_shape
        self.state_kernel = self.add_weight((states[-1], self.units), name="state_kernel")
        self.memory_kernel = self.add_weight((memory[-1], self.units), name="memory_kernel")
        self.score = self.add_weight((self.units,), name="score", initializer="random_normal")
        self.inner = layers.AdditiveAttention(use_scale=False)
        self.inner.build([(None, None, self.units)] * 2)
        self.inner.use_scale = True
        object.__setattr__(self.inner, "scale", self.score)

    def call(self, inputs):
        states, memory, mask = inputs
        queries = ops.matmul(states, self.state_kernel)
        keys = ops.matmul(memory, self.memory_kernel)
        given = [queries, memory, keys]
        context, weights = self.inner(given, mask=[None, mask], return_attention_scores=True)
        weights = ops.cast(weights, "float32")
        return [context, weights]
