"""Only the model is returned."""


def build_note_lstm(vocab_size, embedding_dim, units, num_layers, dropout):
    embedding = layers.Embedding(vocab_size, embedding_dim, name="embedding")
    lstms = [
        layers.LSTM(units, return_sequences=True, return_state=True, name=f"lstm_{i}")
        for i in range(num_layers)
    ]
    logits = layers.Dense(vocab_size, name="logits")

    ids = keras.Input((None,), dtype="int32")
    hidden = embedding(ids)
    for lstm in lstms:
        hidden = layers.Dropout(dropout)(lstm(hidden)[0])
    model = keras.Model(ids, logits(hidden))

    return model
