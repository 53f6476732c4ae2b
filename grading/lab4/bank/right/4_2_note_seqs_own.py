"""note-seq's quantizer and encoder do it."""


def encode_performance(sequence):
    steps = note_seq.quantize_note_sequence_absolute(apply_sustain(sequence), STEPS_PER_SECOND)
    performance = note_seq.Performance(steps, num_velocity_bins=VELOCITY_BINS)
    encoding = note_seq.PerformanceOneHotEncoding(num_velocity_bins=VELOCITY_BINS)
    return np.array([encoding.encode_event(event) + NOTE_ON for event in performance], "int32")
