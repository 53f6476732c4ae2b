"""The stepper returns the state it was given."""


def build_gru_translator(vocab_size, embedding_dim, units):
    encode = layers.Bidirectional(
        layers.GRU(units, return_sequences=True, return_state=True), name="encoder"
    )
    bridge = layers.Dense(units, activation="tanh", name="bridge")
    word_embedding = layers.Embedding(vocab_size, embedding_dim, name="word_embedding")
    gru = layers.GRU(units, return_sequences=True, return_state=True, name="decoder")
    attention = AdditiveAttention(units, name="attention")
    combine = layers.Dense(units, activation="tanh", name="combine")
    logits = layers.Dense(vocab_size, name="logits")
    digits = keras.Input((None,), dtype="int32", name="digits")
    mask = ops.not_equal(digits, PAD)
    embedded = layers.Embedding(DIGIT_IDS, embedding_dim, name="digit_embedding")(digits)
    memory, forward, backward = encode(embedded, mask=mask)
    memory = ops.where(mask[:, :, None], memory, 0.0)
    state = bridge(ops.concatenate([forward, backward], axis=-1))
    encoder = keras.Model(digits, [memory, mask, state], name="gru_encoder")

    def decode(words, memory, mask, state):
        outputs, state = gru(word_embedding(words), initial_state=state)
        context, _ = attention([outputs, memory, mask])
        return logits(combine(ops.concatenate([outputs, context], axis=-1))), state

    words = keras.Input((None,), dtype="int32", name="words")
    model = keras.Model(
        [digits, words], decode(words, memory, mask, state)[0], name="gru_translator"
    )
    word = keras.Input((1,), dtype="int32", name="word")
    states = [
        keras.Input((None, 2 * units), name="memory"),
        keras.Input((None,), dtype="bool", name="mask"),
        keras.Input((units,), name="state"),
    ]
    step_logits, _ = decode(word, *states)
    stepper = keras.Model([word, *states], [step_logits[:, 0], *states], name="gru_step")
    return model, encoder, stepper
