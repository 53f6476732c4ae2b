"""A table of runs for each training piece, whole rows at a time."""

import numpy as np


def copied_lengths(notes, training, transposed=False):
    """Find, for each note, the longest run of notes up to it that stands in a training piece."""

    def parts(piece):
        piece = np.reshape(np.asarray(piece), (-1, 3)).astype(int)
        return np.diff(16 * piece[:, 0] + piece[:, 1]), piece[:, 2]

    waits, pitches = parts(notes)
    lengths, pieces = np.zeros(len(pitches), int), np.full(len(pitches), -1)
    for number, piece in enumerate(training):
        others, tones = parts(piece)
        if not len(tones):
            continue
        row = np.zeros(len(tones), int)
        for i in range(len(pitches)):
            fits = np.ones(len(tones), bool) if transposed else tones == pitches[i]
            goes_on = np.zeros(len(tones), int)
            if i and len(tones) > 1:
                same = others == waits[i - 1]
                if transposed:
                    same &= np.diff(tones) == pitches[i] - pitches[i - 1]
                goes_on[1:] = row[:-1] * same
            row = fits * (goes_on + 1)
            if row.max() > lengths[i]:
                lengths[i], pieces[i] = row.max(), number
    return lengths, pieces
