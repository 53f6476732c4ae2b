"""h' is g + z ⊙ (h − g); the weights are cut into three first."""


class GRUCell(keras.layers.Layer):
    def __init__(self, units, reset_after=True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.reset_after = reset_after
        self.state_size = units

    def build(self, input_shape):
        width = 3 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        shape = (2, width) if self.reset_after else (width,)
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, inputs, states, training=False):
        (h,) = states
        bias = self.bias[0] if self.reset_after else self.bias
        x = [inputs @ part for part in ops.split(self.kernel, 3, axis=1)]
        x = [one + part for one, part in zip(x, ops.split(bias, 3), strict=True)]
        u_z, u_r, u_g = ops.split(self.recurrent_kernel, 3, axis=1)
        again = ops.split(self.bias[1], 3) if self.reset_after else (0, 0, 0)
        z, r = ops.sigmoid(x[0] + h @ u_z + again[0]), ops.sigmoid(x[1] + h @ u_r + again[1])
        recurrent = r * (h @ u_g + again[2]) if self.reset_after else (r * h) @ u_g
        g = ops.tanh(x[2] + recurrent)
        new_h = g + z * (h - g)
        return new_h, [new_h]
