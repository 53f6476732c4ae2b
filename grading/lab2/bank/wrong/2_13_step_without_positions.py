"""The stepper adds the first position to every word."""


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
    first = [ops.zeros_like(digits[:, :1]), mask]
    word = keras.Input((1,), dtype="int32", name="word")
    position = keras.Input((1,), dtype="int32", name="position")
    digit_mask = keras.Input((None,), dtype="bool", name="mask")
    old, new = [position, digit_mask], [position + 1, digit_mask]
    hidden = embed(word_embedding, word, 0 * position)
    for i, block in enumerate(decoder_blocks):
        keys, values = block.cross_attention.project(memory)
        empty = ops.tile(ops.zeros_like(keys[:, :1]), (1, max_length, 1, 1))
        first += [empty, empty, keys, values]
        heads = keys.shape[2:]
        names = "self_keys", "self_values", "memory_keys", "memory_values"
        lengths = max_length, max_length, None, None
        cache = [
            keras.Input((length, *heads), name=f"{name}_{i}")
            for name, length in zip(names, lengths, strict=True)
        ]
        hidden, *written = block.step(hidden, position, *cache, digit_mask)
        old += cache
        new += [*written, *cache[2:]]
    encoder = keras.Model(digits, first, name="transformer_encoder")
    step_logits = logits(decoder_norm(hidden))[:, 0]
    stepper = keras.Model([word, *old], [step_logits, *new], name="transformer_step")
    return model, encoder, stepper
