"""Performance events are note-seq's, event by event."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import (
    differences,
    every_nth,
    maestro_sample,
    note_seq,
    note_seq_events,
    read_with_note_seq,
)

from toolkit.data.parallel import map_items
from toolkit.errors import EtudeError
from toolkit.music.midi import read_notes, sequence_to_notes
from toolkit.music.performance import encode_file, encode_performance
from toolkit.paths import ROOT


def compare_with_note_seq(path: Path) -> tuple[list[str], bool]:
    """Read and encode a file both ways: fields that differ, and whether the events agree."""
    sequence = read_with_note_seq(path)
    notes = read_notes(path)
    same = np.array_equal(encode_performance(notes), note_seq_events(sequence))
    return differences(notes, sequence), same


def test_real_files_encode_as_note_seq_encodes_them(shared_data):
    paths = [
        *maestro_sample(shared_data / "maestro-v3.0.0"),
        *every_nth((shared_data / "groove").rglob("*.mid"), 20),
        *every_nth((shared_data / "pop1k7" / "midi_analyzed").rglob("*.mid"), 10),
    ]
    assert [path for path in paths if compare_with_note_seq(path) != ([], True)] == []


@pytest.mark.verify
def test_every_maestro_and_groove_file_encodes_as_note_seq_encodes_it(shared_data):
    maestro = sorted((shared_data / "maestro-v3.0.0").rglob("*.midi"))
    groove = sorted((shared_data / "groove").rglob("*.mid"))
    assert (len(maestro), len(groove)) == (1276, 1150)
    paths = maestro + groove
    results, failures = map_items(compare_with_note_seq, paths, "compare with note-seq")
    assert failures == {}
    wrong = [path for path, result in zip(paths, results, strict=True) if result != ([], True)]
    assert wrong == []


# few times and pitches, so that starts, ends and pedals coincide; some off the 10 ms grid by half
times = st.sampled_from([0.0, 0.005, 0.01, 0.1, 0.1, 0.105, 0.5, 0.5, 1.0, 2.0, 3.505])
lengths = st.sampled_from([0.0, 0.004, 0.005, 0.1, 0.4, 0.5, 1.0, 2.505])
note_tuples = st.tuples(
    st.sampled_from([60, 60, 60, 61, 0, 127]),
    st.sampled_from([1, 4, 5, 64, 64, 127]),
    times,
    lengths,
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([False, False, False, True]),
)
pedal_tuples = st.tuples(times, st.sampled_from([0, 63, 64, 127]), st.sampled_from([0, 0, 1, 2]))


def sequence_of(notes, pedals):
    sequence = note_seq.NoteSequence()
    for pitch, velocity, start, length, instrument, is_drum in notes:
        sequence.notes.add(
            pitch=pitch,
            velocity=velocity,
            start_time=start,
            end_time=start + length,
            instrument=instrument,
            is_drum=is_drum,
        )
    for time, value, instrument in pedals:
        sequence.control_changes.add(
            time=time, control_number=64, control_value=value, instrument=instrument
        )
    return sequence


@settings(max_examples=2000)
@given(
    notes=st.lists(note_tuples, max_size=25),
    pedals=st.lists(pedal_tuples, max_size=10),
)
def test_random_notes_encode_as_note_seq_encodes_them(notes, pedals):
    sequence = sequence_of(notes, pedals)
    try:
        expected = note_seq_events(sequence)
    except ValueError:  # note-seq loses track of equal zero-length notes under the pedal
        assume(False)
    events = encode_performance(sequence_to_notes(sequence))
    assert events.tolist() == expected.tolist()


def test_events_are_the_numbers_of_the_one_hot_encoding():
    notes = sequence_to_notes(sequence_of([(60, 127, 0.5, 2.0, 0, False)], []))
    events = encode_performance(notes)
    assert events.dtype == np.uint16
    # wait 0.5 s, velocity bin 32, middle C on, wait 2 s in two full shifts, off
    assert events.tolist() == [256 + 49, 356 + 31, 60, 256 + 99, 256 + 99, 128 + 60]


def test_the_pedal_prolongs_notes():
    notes = sequence_to_notes(
        sequence_of([(60, 64, 0.0, 0.1, 0, False)], [(0.0, 127, 0), (1.0, 0, 0)])
    )
    assert encode_performance(notes).tolist()[-2:] == [256 + 99, 128 + 60]


def test_no_notes_give_no_events():
    assert encode_performance(sequence_to_notes(sequence_of([], [(0.0, 127, 0)]))).tolist() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("start", np.nan), ("start", -1), ("end", 0.0), ("end", 1e9), ("pedal_time", np.nan)],
)
def test_impossible_times_are_refused(field, value):
    notes = sequence_to_notes(sequence_of([(60, 64, 0.5, 0.1, 0, False)], [(0.0, 127, 0)]))
    with pytest.raises(EtudeError, match="time"):
        encode_performance(replace(notes, **{field: np.array([value], np.float64)}))


def test_many_files_encode_in_parallel_and_a_broken_one_costs_itself_only(shared_data, tmp_path):
    whole = every_nth((shared_data / "groove").rglob("*.mid"), 3)
    broken = tmp_path / "broken.mid"
    broken.write_bytes(whole[0].read_bytes()[:-5])
    results, failures = map_items(encode_file, [whole[0], broken, *whole[1:]], "performances", 2)
    assert results.pop(1) is None
    for path, events in zip(whole, results, strict=True):
        np.testing.assert_array_equal(events, encode_file(path))
    assert list(failures) == [broken]
    assert "truncated" in failures[broken]


def test_child_processes_need_not_load_keras_or_note_seq():
    script = (
        "import sys, toolkit.music.performance\n"
        "print({'keras', 'tensorflow', 'note_seq'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"
