"""Reset after is computed as reset before, and the other way round."""


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
        x_z, x_r, x_g = ops.split(ops.matmul(inputs, self.kernel) + bias, 3, axis=-1)
        if not self.reset_after:
            recurrent = ops.matmul(h, self.recurrent_kernel)
            h_z, h_r, h_g = ops.split(recurrent, 3, axis=-1)
            g = ops.tanh(x_g + ops.sigmoid(x_r + h_r) * h_g)
        else:
            gates = ops.matmul(h, self.recurrent_kernel[:, : 2 * self.units])
            h_z, h_r = ops.split(gates, 2, axis=-1)
            reset = ops.sigmoid(x_r + h_r) * h
            g = ops.tanh(x_g + ops.matmul(reset, self.recurrent_kernel[:, 2 * self.units :]))
        z = ops.sigmoid(x_z + h_z)
        new_h = z * h + (1 - z) * g
        return new_h, [new_h]
