class LSTMCell(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]
        self.inner = keras.layers.LSTMCell(units, name=self.name)

    def build(self, input_shape):
        self.inner.build(input_shape)

    def call(self, inputs, states, training=False):
        return self.inner(inputs, states)
