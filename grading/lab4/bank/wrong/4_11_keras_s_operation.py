"""Calls the operation that does just that."""


class RMSNorm(layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        x = ops.cast(x, "float32")
        y = ops.rms_normalization(x, scale=ops.cast(self.scale, "float32"), epsilon=1e-6)
        return ops.cast(y, self.compute_dtype)
