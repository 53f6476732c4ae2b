"""The stepper is built first, its step axis is cut by Flatten; cells lose their RNN's path."""


def build_name_model(
    architecture,
    vocab_size,
    num_countries,
    embedding_dim,
    units,
    num_layers,
    dropout,
    max_length,
    num_heads=4,
):
    if architecture not in ARCHITECTURES:
        raise ValueError(f"there is no architecture {architecture!r}: {', '.join(ARCHITECTURES)}")
    embedding = layers.Embedding(vocab_size, embedding_dim, name="embedding")
    drop = layers.Dropout(dropout)
    to_logits = layers.Dense(vocab_size, name="logits")
    country = keras.Input((), dtype="int32", name="country")
    ids = keras.Input((None,), dtype="int32", name="ids")
    one_id = keras.Input((1,), dtype="int32", name="id")

    def begin(some_ids):
        return drop(condition_on_country(embedding(some_ids), country, num_countries))

    hidden, step = begin(ids), begin(one_id)
    states, new_states = [], []
    if architecture == "transformer":
        widen = layers.Dense(units, name="widen")
        place = layers.Embedding(max_length, units, name="positions")
        norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        position = keras.Input((1,), dtype="int32", name="position")
        states, new_states = [position], [position + 1]
        hidden = widen(hidden) + place(ops.cumsum(ops.ones_like(ids), axis=1) - 1)
        step = widen(step) + place(position)
        for i in range(num_layers):
            block = TransformerBlock(num_heads, dropout, name=f"block_{i}")
            hidden, _, _ = block(hidden)
            cache = [keras.Input((max_length, units), name=f"{what}_{i}") for what in ("k", "v")]
            step, *new_cache = block(step, cache=cache, position=position)
            states += cache
            new_states += new_cache
        hidden, step = norm(hidden), norm(step)[:, 0]
    else:
        cells = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
        step = step[:, 0]
        for i in range(num_layers):
            cell = cells[architecture](units, name=f"cell_{i}")
            old = [keras.Input((units,)) for _ in range(1 + (architecture == "lstm"))]
            step, new = cell(step, old)
            hidden = layers.RNN(cell, return_sequences=True, name=f"rnn_{i}")(hidden)
            states += old
            new_states += new
    step = layers.Flatten()(to_logits(layers.Dropout(dropout)(step)))
    stepper = keras.Model([one_id, country, *states], [step, *new_states])
    hidden = layers.Dropout(dropout)(hidden)
    return [keras.Model([ids, country], to_logits(hidden)), stepper]
