"""Python lists of beginnings; only unfinished ones are fed, all rows' together."""


def beam_search(encoder, stepper, digits, max_length, beam_width):
    if beam_width <= 0:
        raise ValueError("at least one beam")
    digits = np.asarray(digits)
    states = [np.asarray(state) for state in encoder.predict_on_batch(digits.astype("int32"))]
    beams = [[((), 0.0, row)] for row in range(len(digits))]  # ids, score, place of its states
    for _ in range(max_length):
        alive = [beam for row in beams for beam in row if beam[0][-1:] != (END,)]
        if not alive:
            break
        fed = np.array([[ids[-1] if ids else START] for ids, _, _ in alive], "int32")
        places = [place for _, _, place in alive]
        logits, *states = stepper.predict_on_batch([fed, *[state[places] for state in states]])
        log_p = np.asarray(ops.log_softmax(ops.convert_to_tensor(logits), axis=-1))
        number = {id(beam): i for i, beam in enumerate(alive)}
        for row, kept in enumerate(beams):
            candidates = []
            for beam in kept:
                if id(beam) not in number:
                    candidates.append(beam)
                    continue
                place = number[id(beam)]
                candidates += [
                    ((*beam[0], word), beam[1] + float(step), place)
                    for word, step in enumerate(log_p[place])
                ]
            candidates.sort(key=lambda beam: beam[1], reverse=True)
            beams[row] = candidates[:beam_width]
    return [[(list(ids), score) for ids, score, _ in row] for row in beams]
