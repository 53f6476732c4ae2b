def beam_search(encoder, stepper, digits, max_length, beam_width):
    if beam_width < 1:
        raise ValueError("beam_width must be 1 or more")
    results = []
    for number in np.asarray(digits, np.int32):
        beams = [([], 0.0, encoder.predict_on_batch(number[None]))]
        for _ in range(max_length):
            candidates = [beam for beam in beams if END in beam[0]]
            if len(candidates) == len(beams):
                break
            for ids, score, states in beams:
                if END in ids:
                    continue
                word = np.array([[ids[-1] if ids else START]], np.int32)
                logits, *new = stepper.predict_on_batch([word, *states])
                logits = logits[0].astype("float64") - logits[0].max()
                steps = logits - np.log(np.exp(logits).sum())
                candidates += [([*ids, i], score + float(s), new) for i, s in enumerate(steps)]
            beams = sorted(candidates, key=lambda beam: -beam[1])[:beam_width]
        results.append([(ids, score) for ids, score, _ in beams])
    return results
