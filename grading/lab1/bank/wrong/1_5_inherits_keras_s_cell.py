class LSTMCell(keras.layers.LSTMCell):
    pass
