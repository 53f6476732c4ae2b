"""Divided by the length of the vector."""


class RMSNorm(layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        x = ops.cast(x, "float32")
        x = x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6)
        return ops.cast(x * ops.cast(self.scale, "float32"), self.compute_dtype)
