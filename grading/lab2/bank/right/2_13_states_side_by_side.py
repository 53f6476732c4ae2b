"""All blocks' caches are one state, all keys and values of the memory another."""


def build_transformer(vocab_size, d_model, num_heads, ff_dim, num_layers, dropout, max_length):
    heads, head_dim = num_heads, d_model // num_heads
    sides = {}
    for side, block in (("encoder", EncoderBlock), ("decoder", DecoderBlock)):
        sides[side] = [
            block(d_model, num_heads, ff_dim, dropout=dropout, name=f"{side}_{i}")
            for i in range(num_layers)
        ]
    norms = {side: layers.LayerNormalization(epsilon=1e-6, name=f"{side}_norm") for side in sides}
    read = layers.Embedding(DIGIT_IDS, d_model, name="digit_embedding")
    write = layers.Embedding(vocab_size, d_model, name="word_embedding")
    output = layers.Dense(vocab_size, name="logits")
    table = ops.convert_to_tensor(sinusoidal_positions(max_length, d_model))
    drop = layers.Dropout(dropout)

    digits = keras.Input((None,), dtype="int32")
    words = keras.Input((None,), dtype="int32")
    mask = digits > 0
    memory = drop(
        read(digits) * np.sqrt(d_model)
        + ops.take(table, ops.cumsum(ops.ones_like(digits), axis=1) - 1, axis=0)
    )
    for block in sides["encoder"]:
        memory = block([memory, mask])
    memory = norms["encoder"](memory)
    x = drop(
        write(words) * np.sqrt(d_model)
        + ops.take(table, ops.cumsum(ops.ones_like(words), axis=1) - 1, axis=0)
    )
    for block in sides["decoder"]:
        x = block([x, memory, mask])[0]
    model = keras.Model([digits, words], output(norms["decoder"](x)))

    projected = [part for b in sides["decoder"] for part in b.cross_attention.project(memory)]
    looked_at = ops.stack(projected, axis=1)  # (batch, 2 · layers, source, heads, head_dim)
    shape = 1, 2 * num_layers, max_length, heads, head_dim
    nothing = ops.tile(ops.zeros_like(memory[:, :1, :1])[..., None, None], shape)
    encoder = keras.Model(digits, [nothing, looked_at, mask, ops.zeros_like(digits[:, :1])])

    word = keras.Input((1,), dtype="int32")
    cache = keras.Input(shape[1:])
    fixed = keras.Input((2 * num_layers, None, heads, head_dim))
    is_digit = keras.Input((None,), dtype="bool")
    place = keras.Input((1,), dtype="int32")
    x = write(word) * np.sqrt(d_model) + ops.take(table, place, axis=0)
    written = []
    for i, block in enumerate(sides["decoder"]):
        k, v = 2 * i, 2 * i + 1
        x, *new = block.step(x, place, cache[:, k], cache[:, v], fixed[:, k], fixed[:, v], is_digit)
        written += new
    stepper = keras.Model(
        [word, cache, fixed, is_digit, place],
        [
            layers.Reshape((vocab_size,))(output(norms["decoder"](x))),
            ops.stack(written, axis=1),
            fixed,
            is_digit,
            place + 1,
        ],
    )
    return model, encoder, stepper
