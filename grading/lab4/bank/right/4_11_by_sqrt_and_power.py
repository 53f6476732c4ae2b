"""Divided by the root, with the scale in between."""


class RMSNorm(layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        x = ops.cast(x, "float32")
        size = ops.sum(x**2, axis=-1, keepdims=True) / x.shape[-1]
        y = ops.cast(self.scale, "float32") / ops.sqrt(1e-6 + size) * x
        return ops.cast(y, self.compute_dtype)
