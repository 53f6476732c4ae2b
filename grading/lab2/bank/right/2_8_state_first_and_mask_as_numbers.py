"""Embeddings mask by themselves; states come in another order, the mask as floats."""


def build_gru_translator(vocab_size, embedding_dim, units):
    digits = keras.Input((None,), dtype="int64")
    words = keras.Input((None,), dtype="int64")
    read = layers.Embedding(DIGIT_IDS, embedding_dim, mask_zero=True, name="digit_embedding")
    both_ways = layers.Bidirectional(
        layers.GRU(units, return_sequences=True, return_state=True), name="encoder"
    )
    outputs, *last = both_ways(read(digits))
    outputs = layers.Lambda(lambda x: x)(outputs)
    is_digit = ops.cast(digits != PAD, "float32")
    outputs = outputs * is_digit[..., None]
    begin = layers.Dense(units, "tanh", name="bridge")(layers.Concatenate()(last))
    encoder = keras.Model(digits, [begin, is_digit, outputs])

    embed = layers.Embedding(vocab_size, embedding_dim, name="word_embedding")
    gru = layers.GRU(units, return_sequences=True, return_state=True, name="decoder")
    look = AdditiveAttention(units, name="attention")
    dense, output = (
        layers.Dense(units, "tanh", name="combine"),
        layers.Dense(vocab_size, name="logits"),
    )

    def after(hidden, memory, mask):
        context = look([hidden, memory, mask > 0.5])[0]
        return output(dense(layers.Concatenate()([hidden, context])))

    hidden, _ = gru(embed(words), initial_state=begin)
    model = keras.Model([digits, words], after(hidden, outputs, is_digit))

    one = keras.Input((1,), dtype="int64")
    old = keras.Input((units,))
    mask = keras.Input((None,))
    memory = keras.Input((None, 2 * units))
    hidden, new = gru(embed(one), initial_state=old)
    stepper = keras.Model(
        [one, old, mask, memory],
        [layers.Reshape((vocab_size,))(after(hidden, memory, mask)), new, mask, memory],
    )
    return [model, encoder, stepper]
