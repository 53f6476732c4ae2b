class RNNCell(keras.layers.SimpleRNNCell):
    pass
