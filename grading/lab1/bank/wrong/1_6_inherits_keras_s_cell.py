class GRUCell(keras.layers.GRUCell):
    pass
