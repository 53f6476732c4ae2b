"""tanh is written out by a sigmoid, the states are a tuple, weights have short names."""


class RNNCell(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.u = self.add_weight((self.units, self.units), name="recurrent_kernel")
        self.b = self.add_weight((self.units,), name="bias", initializer="zeros")

    def call(self, inputs, states, training=False):
        sums = self.b + states[0] @ self.u + inputs @ self.w
        return (out := 2 * ops.sigmoid(2 * sums) - 1), (out,)
