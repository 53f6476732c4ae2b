"""Each gate has a product of its own, with columns cut out of the weights."""


class LSTMCell(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]

    def build(self, input_shape):
        width = 4 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(width,), initializer=self.open_forget_gate, name="bias")

    def open_forget_gate(self, shape, dtype=None):
        return ops.repeat(ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0], dtype), self.units)

    def call(self, inputs, states, training=False):
        h, c = states

        def block(k, activation):
            columns = slice(k * self.units, (k + 1) * self.units)
            x = ops.dot(inputs, self.kernel[:, columns])
            return activation(
                x + ops.dot(h, self.recurrent_kernel[:, columns]) + self.bias[columns]
            )

        new_c = block(0, keras.activations.sigmoid) * block(2, keras.activations.tanh)
        new_c = new_c + c * block(1, keras.activations.sigmoid)
        new_h = ops.tanh(new_c) * block(3, keras.activations.sigmoid)
        return new_h, [new_h, new_c]
