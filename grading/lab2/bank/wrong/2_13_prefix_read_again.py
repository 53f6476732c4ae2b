def build_transformer(vocab_size, d_model, num_heads, ff_dim, num_layers, dropout, max_length):
    table = sinusoidal_positions(max_length, d_model)
    digit_embedding = layers.Embedding(DIGIT_IDS, d_model, name="digit_embedding")
    word_embedding = layers.Embedding(vocab_size, d_model, name="word_embedding")
    drop = layers.Dropout(dropout, name="embedding_dropout")
    sizes = d_model, num_heads, ff_dim, dropout
    encoder_blocks = [EncoderBlock(*sizes, name=f"encoder_{i}") for i in range(num_layers)]
    decoder_blocks = [DecoderBlock(*sizes, name=f"decoder_{i}") for i in range(num_layers)]
    decoder_norm = layers.LayerNormalization(epsilon=1e-6, name="decoder_norm")
    logits = layers.Dense(vocab_size, name="logits")

    def embed(embedding, ids, positions):
        return drop(embedding(ids) * d_model**0.5 + ops.take(table, positions, axis=0))

    def count(ids):
        return ops.cumsum(ops.ones_like(ids), axis=1) - 1

    digits = keras.Input((None,), dtype="int32", name="digits")
    mask = ops.not_equal(digits, PAD)
    memory = embed(digit_embedding, digits, count(digits))
    for block in encoder_blocks:
        memory = block([memory, mask])
    memory = layers.LayerNormalization(epsilon=1e-6, name="encoder_norm")(memory)
    words = keras.Input((None,), dtype="int32", name="words")
    hidden = embed(word_embedding, words, count(words))
    for block in decoder_blocks:
        hidden, _ = block([hidden, memory, mask])
    model = keras.Model([digits, words], logits(decoder_norm(hidden)), name="transformer")
    memory_model = keras.Model(digits, memory)
    encoder = keras.Model(
        digits,
        [
            digits,
            ops.zeros_like(digits[:, :1]),
            ops.tile(ops.zeros_like(digits[:, :1]), (1, max_length)),
        ],
    )
    word = keras.Input((1,), dtype="int32")
    given = keras.Input((None,), dtype="int32")
    position = keras.Input((1,), dtype="int32")
    so_far = keras.Input((max_length,), dtype="int32")
    here = ops.equal(ops.arange(max_length)[None], position)
    written = ops.where(here, word, so_far)
    hidden = embed(word_embedding, written, count(written))
    for block in decoder_blocks:
        hidden, _ = block([hidden, memory_model(given), ops.not_equal(given, PAD)])
    all_logits = logits(decoder_norm(hidden))
    here = ops.cast(here, "float32")[:, :, None]
    stepper = keras.Model(
        [word, given, position, so_far],
        [ops.sum(all_logits * here, axis=1), given, position + 1, written],
    )
    return model, encoder, stepper
