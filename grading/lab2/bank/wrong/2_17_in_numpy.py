def greedy_decode(encoder, stepper, digits, max_length):
    states = encoder(ops.cast(digits, "int32"))
    digits = ops.convert_to_numpy(digits)
    word = np.full((len(digits), 1), START, np.int32)
    done = np.zeros(len(digits), bool)
    written = np.full((len(digits), max_length), PAD, np.int32)
    for step in range(max_length):
        logits, *states = stepper([ops.convert_to_tensor(word), *states])
        likeliest = ops.convert_to_numpy(logits).argmax(axis=-1).astype("int32")
        written[:, step] = np.where(done, PAD, likeliest)
        word = written[:, step : step + 1]
        done |= written[:, step] == END
        if done.all():
            break
    return written
