"""What note-seq makes of MIDI files: the contract that the toolkit's fast paths keep."""

import csv
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np

from toolkit.music.midi import Notes, import_note_seq, sequence_to_notes

note_seq = import_note_seq()
from note_seq import midi_io, performance_encoder_decoder, performance_lib, sequences_lib  # noqa: E402


def read_with_note_seq(path):
    """Read with note-seq alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return midi_io.midi_file_to_note_sequence(str(path))


def note_seq_events(sequence) -> np.ndarray:
    """Encode with note-seq alone."""
    sequence = sequences_lib.apply_sustain_control_changes(sequence)
    quantized = sequences_lib.quantize_note_sequence_absolute(sequence, steps_per_second=100)
    performance = performance_lib.Performance(quantized, num_velocity_bins=32)
    encoding = performance_encoder_decoder.PerformanceOneHotEncoding(num_velocity_bins=32)
    return np.array([encoding.encode_event(event) for event in performance], np.uint16)


def differences(notes: Notes, sequence) -> list[str]:
    """Name the fields in which the notes and a NoteSequence differ, bit by bit and in order."""
    expected = sequence_to_notes(sequence)
    names = [field.name for field in fields(Notes)]
    return [n for n in names if not np.array_equal(getattr(notes, n), getattr(expected, n))]


def maestro_sample(maestro: Path, size: int = 20) -> list[Path]:
    """Choose files evenly from all years and splits."""
    with open(maestro / "maestro-v3.0.0.csv", encoding="utf-8") as table:
        rows = sorted(csv.DictReader(table), key=lambda r: (r["year"], r["split"], r["duration"]))
    return [maestro / rows[i * len(rows) // size]["midi_filename"] for i in range(size)]


def every_nth(paths, size: int) -> list[Path]:
    """Choose files evenly."""
    paths = sorted(paths)
    return [paths[i * len(paths) // size] for i in range(size)]
