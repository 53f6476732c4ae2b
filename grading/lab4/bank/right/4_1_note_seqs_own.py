"""note-seq's function does it."""


def apply_sustain(sequence):
    return note_seq.apply_sustain_control_changes(sequence)
