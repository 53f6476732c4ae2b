def beam_search(encoder, stepper, digits, max_length, beam_width):
    if beam_width < 1:
        raise ValueError(f"beam_width {beam_width}: must be 1 or more")
    digits = np.asarray(digits, np.int32)
    states = [np.repeat(s, beam_width, axis=0) for s in encoder.predict_on_batch(digits)]
    scores = np.full((len(digits), beam_width), -np.inf)
    scores[:, 0] = 0
    beams = [[[] for _ in range(beam_width)] for _ in digits]
    words = np.full((len(digits), beam_width), START, np.int32)
    for _ in range(max_length):
        logits, *states = stepper.predict_on_batch([words.reshape(-1, 1), *states])
        logits = logits.astype(np.float64)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        steps = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        steps = steps.reshape(*scores.shape, -1)
        finished = words == END
        steps[finished] = -np.inf
        steps[finished, END] = 0
        totals = (scores[..., None] + steps).reshape(len(digits), -1)
        best = np.argsort(-totals, axis=-1, kind="stable")[:, :beam_width]
        origins, words = best // logits.shape[-1], (best % logits.shape[-1]).astype(np.int32)
        scores = np.take_along_axis(totals, best, axis=-1)
        was_finished = np.take_along_axis(finished, origins, axis=-1)
        beams = [
            [
                beams[row][origins[row, k]] + ([] if was_finished[row, k] else [int(words[row, k])])
                for k in range(beam_width)
            ]
            for row in range(len(digits))
        ]
        rows = (np.arange(len(digits))[:, None] * beam_width + origins).reshape(-1)
        states = [state[rows] for state in states]
        if (words[:, 0] == END).all():
            break
    return [
        [(ids, float(score)) for ids, score in zip(*row, strict=True) if np.isfinite(score)]
        for row in zip(beams, scores, strict=True)
    ]
