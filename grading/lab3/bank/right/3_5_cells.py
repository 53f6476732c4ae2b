"""The layers are RNN over LSTMCell; the stepper calls the cells, which share the weights."""


def build_note_lstm(vocab_size, embedding_dim, units, num_layers, dropout):
    embed = layers.Embedding(vocab_size, embedding_dim, name="embedding")
    cells = [layers.LSTMCell(units, name=f"cell_{i}") for i in range(num_layers)]
    rnns = [
        layers.RNN(cell, return_sequences=True, name=f"lstm_{i}") for i, cell in enumerate(cells)
    ]
    output = layers.Dense(vocab_size, name="logits")

    ids = keras.Input((None,), dtype="int64")
    x = embed(ids)
    for rnn in rnns:
        x = layers.SpatialDropout1D(0.0)(layers.Dropout(dropout)(rnn(x)))
    model = keras.Model(ids, output(x))

    one = keras.Input((1,), dtype="int64")
    old = [keras.Input((units,)) for _ in range(2 * num_layers)]
    new = []
    x = layers.Flatten()(embed(one))
    for i, cell in enumerate(cells):
        x, state = cell(x, old[2 * i : 2 * i + 2])
        new += state
    return model, keras.Model([one, *old], [output(x), *new])
