"""The fast MIDI reader returns what note-seq returns, or one clear sentence."""

import os
import random
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import (
    differences,
    every_nth,
    maestro_sample,
    midi_io,
    note_seq,
    read_with_note_seq,
)

from toolkit.errors import EtudeError
from toolkit.music.midi import (
    read_midi,
    read_notes,
    sequence_to_notes,
    write_midi,
)
from toolkit.paths import ROOT

END = (0, b"\xff\x2f\x00")


def variable_int(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(0x80 | value & 0x7F)
    return bytes(reversed(digits))


def midi_bytes(*tracks, form: int = 1, division: int = 480) -> bytes:
    """Spell a MIDI file; a track is a list of (ticks since the last event, event's bytes)."""
    data = b"MThd" + struct.pack(">LHHh", 6, form, len(tracks), division)
    for track in tracks:
        body = b"".join(variable_int(delta) + event for delta, event in track)
        data += b"MTrk" + struct.pack(">L", len(body)) + body
    return data


def on(pitch, velocity=80, channel=0):
    return bytes([0x90 | channel, pitch, velocity])


def off(pitch, channel=0):
    return bytes([0x80 | channel, pitch, 64])


def control(number, value, channel=0):
    return bytes([0xB0 | channel, number, value])


def program(number, channel=0):
    return bytes([0xC0 | channel, number])


def tempo(microseconds):
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def note(pitch, ticks=480, **kwargs):
    return [(0, on(pitch, **kwargs)), (ticks, off(pitch, kwargs.get("channel", 0)))]


HARD = {
    "overlapping notes of one pitch": midi_bytes(
        [(0, on(60, 50)), (100, on(60, 90)), (100, off(60)), (100, off(60)), END]
    ),
    "an unclosed note-on before the same pitch again": midi_bytes(
        [(0, on(60, 50)), (480, on(60, 90)), (480, off(60)), (0, on(62)), END]
    ),
    "duplicates": midi_bytes([(0, on(60, 50)), (0, on(60, 70)), (100, off(60)), (0, off(60)), END]),
    "off and on at one tick": midi_bytes(
        [(0, on(60, 50)), (99, on(60, 51)), (0, off(60)), (50, off(60)), END]
    ),
    "a zero-length note": midi_bytes([(0, on(60)), (0, off(60)), (9, off(60)), *note(61), END]),
    "note-on with velocity 0": midi_bytes([(0, on(60)), (77, on(60, 0)), END]),
    "running status": midi_bytes(
        [(0, on(60)), (30, b"\x3e\x50"), (30, b"\x3c\x00"), (0, b"\x3e\x00"), END]
    ),
    "running status after a meta event": midi_bytes(
        [(0, on(60)), (5, b"\xff\x01\x02hi"), (30, b"\x3c\x00"), END]
    ),
    "format 0": midi_bytes([(0, tempo(400_000)), *note(60), *note(62, channel=3), END], form=0),
    "format 2": midi_bytes([*note(60), END], [*note(62), END], form=2),
    "several tempi": midi_bytes(
        [
            (0, tempo(500_000)),
            (333, tempo(300_001)),
            (0, tempo(412_345)),
            (501, tempo(412_345)),
            END,
        ],
        [*note(60, 100), *note(61, 400), *note(62, 1001), END],
        division=384,
    ),
    "tempo at the start twice": midi_bytes(
        [(0, tempo(500_000)), (0, tempo(777_777)), *note(60), END]
    ),
    "tempo outside track 0": midi_bytes([END], [(10, tempo(250_000)), *note(60), END]),
    "many instruments": midi_bytes(
        *(
            [(0, program(7 * t % 128, t % 16)), *note(40 + t, channel=t % 16), END]
            for t in range(40)
        )
    ),
    "one pitch on two channels": midi_bytes(
        [(0, on(60)), (9, on(60, channel=1)), (9, off(60)), (9, off(60, 1)), END]
    ),
    "drums": midi_bytes([*note(38, 10, channel=9), *note(60), *note(42, 5, channel=9), END]),
    "program change between on and off": midi_bytes(
        [(0, on(60)), (9, program(40)), (9, off(60)), *note(62), (0, program(0)), *note(64), END]
    ),
    "pedal before the first note, then two programs": midi_bytes(
        [
            (0, control(64, 127)),
            (1, control(7, 99)),
            *note(60),
            (0, program(5)),
            (9, control(64, 0)),
            *note(62),
            (9, control(64, 70)),
            (0, program(0)),
            (9, control(64, 1)),
            END,
        ]
    ),
    "pedal between two programs' notes": midi_bytes(
        [*note(60), (0, program(5)), (9, control(64, 80)), *note(62), (9, control(64, 0)), END]
    ),
    "pedal of a channel without notes": midi_bytes([(0, control(64, 99, 4)), *note(60), END]),
    "a pitch bend before the first note": midi_bytes(
        [(0, b"\xe0\x00\x50"), *note(60), (3, control(64, 64)), END]
    ),
    "system exclusive and escapes": midi_bytes(
        [
            (5, b"\xf0\x05\x7e\x7f\x09\x01\xf7"),
            (5, b"\xf7\x02\x01\x02"),
            (5, b"\xf0\x00"),
            *note(60),
            END,
        ]
    ),
    "system common and real time": midi_bytes(
        [(1, b"\xf1\x05"), (1, b"\xf2\x01\x02"), (1, b"\xf3\x09"), (1, b"\xf8"), *note(60), END]
    ),
    "a meta event that mido does not know loses its time": midi_bytes(
        [(100, b"\xff\x60\x01\x05"), *note(60), END]
    ),
    "every meta event": midi_bytes(
        [
            (3, b"\xff\x00\x02\x00\x01"),
            *((3, bytes([0xFF, kind, 3]) + b"abc") for kind in (1, 2, 3, 4, 5, 6, 7, 9, 0x7F)),
            (3, b"\xff\x20\x01\x05"),
            (3, b"\xff\x21\x01\x00"),
            (3, b"\xff\x54\x05\x20\x01\x02\x03\x04"),
            (3, b"\xff\x58\x04\x06\x03\x18\x08"),
            (3, b"\xff\x59\x02\xfd\x01"),
            *note(60),
            END,
        ]
    ),
    "an odd time signature": midi_bytes([(0, b"\xff\x58\x04\x05\x09\x18\x08"), *note(60), END]),
    "events after the end of track": midi_bytes([*note(60), END, *note(62), END]),
    "aftertouch": midi_bytes([(0, b"\xa0\x3c\x10"), (0, b"\xd0\x10"), *note(60), END]),
    "long deltas": midi_bytes([(1_000_000, on(60)), (2_000_000, off(60)), END], division=32767),
    "a longer header": b"MThd\0\0\0\x08\0\1\0\1\1\xe0??" + midi_bytes([*note(60), END])[14:],
}

BAD = {
    "empty": (b"", "empty"),
    "not MIDI": (b"<html>no music here</html>", "not a MIDI file"),
    "a header alone": (b"MThd\0\0\0\6\0\1", "truncated"),
    "truncated": (HARD["several tempi"][:-9], "truncated"),
    "without its tracks": (HARD["several tempi"][:14], "truncated"),
    "no track": (midi_bytes(), "header"),
    "something else than a track": (HARD["duplicates"].replace(b"MTrk", b"Mtrk"), "no track"),
    "an empty track": (midi_bytes([*note(60), END], []), "empty track"),
    "no notes": (midi_bytes([(0, tempo(500_000)), (9, control(64, 127)), END]), "no notes"),
    "only spurious note-offs": (midi_bytes([(9, off(60)), END]), "no notes"),
    "SMPTE division": (midi_bytes([*note(60), END], division=-25 * 256 + 40), "SMPTE"),
    "division 0": (midi_bytes([*note(60), END], division=0), "SMPTE"),
    "running status without status": (midi_bytes([(0, b"\x3c\x50"), END]), "malformed"),
    "a data byte above 127": (midi_bytes([(0, b"\x90\x3c\xf0"), END]), "malformed"),
    "an undefined status": (midi_bytes([(0, b"\xf4"), *note(60), END]), "malformed"),
    "an event beyond its track": (midi_bytes([(0, b"\xff\x01\x7fhi")]), "malformed"),
    "tempo 0": (midi_bytes([(0, tempo(0)), *note(60), END]), "note-seq"),
    "a key with nine flats": (midi_bytes([(0, b"\xff\x59\x02\xf7\0"), *note(60), END]), "note-seq"),
    "an offset of 77 minutes": (
        midi_bytes([(0, b"\xff\x54\x05\x20\x4d\x02\x03\x04"), *note(60), END]),
        "note-seq",
    ),
    "a sequence number of one byte": (midi_bytes([(0, b"\xff\0\1\1"), *note(60), END]), "note-seq"),
    "an empty channel prefix": (midi_bytes([(0, b"\xff\x20\0"), *note(60), END]), "note-seq"),
    "no beats in a bar": (
        midi_bytes([(0, b"\xff\x58\x04\0\x02\x18\x08"), *note(60), END]),
        "note-seq",
    ),
    "more ticks than memory": (
        midi_bytes([(0, on(60)), (2**34, off(60)), END]),
        "too long",
    ),
}


def file(folder: Path, data: bytes) -> Path:
    path = folder / "piece.mid"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", HARD)
def test_hard_files_read_as_note_seq_reads_them(name, tmp_path):
    path = file(tmp_path, HARD[name])
    sequence = read_with_note_seq(path)
    assert len(sequence.notes)
    assert differences(read_notes(path), sequence) == []
    assert read_midi(path) == sequence


def test_real_files_read_as_note_seq_reads_them(shared_data):
    paths = [
        *maestro_sample(shared_data / "maestro-v3.0.0"),
        *every_nth((shared_data / "groove").rglob("*.mid"), 20),
        *every_nth((shared_data / "pop1k7" / "midi_analyzed").rglob("*.mid"), 10),
    ]
    wrong = {str(path): differences(read_notes(path), read_with_note_seq(path)) for path in paths}
    assert {path: fields for path, fields in wrong.items() if fields} == {}


channels = st.sampled_from([0, 0, 0, 1, 9])
pitches = st.sampled_from([60, 60, 60, 61, 127])
sevens = st.sampled_from([0, 1, 63, 64, 127])
events = st.one_of(
    st.builds(on, pitches, sevens, channels),
    st.builds(on, pitches, st.integers(1, 127), channels),
    st.builds(off, pitches, channels),
    st.builds(control, st.sampled_from([64, 64, 7]), sevens, channels),
    st.builds(program, sevens, channels),
    st.builds(tempo, st.sampled_from([1, 300_000, 500_000, 500_001, 2**24 - 1])),
    st.sampled_from(
        [
            b"\x3c\x40",  # running status, whatever ran before
            b"\xe0\x00\x40",
            b"\xf0\x02\x01\xf7",
            b"\xff\x01\x01x",
            b"\xff\x60\x00",
            b"\xff\x58\x04\x03\x02\x18\x08",
            END[1],
        ]
    ),
)
deltas = st.sampled_from([0, 0, 0, 1, 7, 120, 4801])
track_lists = st.lists(
    st.lists(st.tuples(deltas, events), min_size=1, max_size=40), min_size=1, max_size=4
)


@settings(max_examples=1000)
@given(tracks=track_lists, division=st.sampled_from([1, 96, 384, 480, 32767]))
def test_random_files_read_as_note_seq_reads_them_or_not_at_all(tmp_path_factory, tracks, division):
    path = file(tmp_path_factory.getbasetemp(), midi_bytes(*tracks, division=division))
    assert_same_verdict(path)


def assert_same_verdict(path: Path) -> bool:
    """Assert that `read_notes` and note-seq agree; tell whether they read anything."""
    try:
        notes = read_notes(path)
    except EtudeError as error:
        reason = str(error)
    else:
        assert differences(notes, read_with_note_seq(path)) == []
        return True
    # note-seq would try these two, and run out of memory or turn time around
    if "too long" not in reason and "SMPTE" not in reason:
        with suppress(midi_io.MIDIConversionError):
            assert not read_with_note_seq(path).notes, f"note-seq reads it: {reason}"
    return False


@pytest.mark.parametrize("reader", [read_midi, read_notes])
@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_sentence(reader, name, tmp_path):
    data, reason = BAD[name]
    with pytest.raises(EtudeError, match=reason) as caught:
        reader(file(tmp_path, data))
    assert "piece.mid" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", [read_midi, read_notes])
def test_a_missing_file_is_refused_in_one_sentence(reader, tmp_path):
    with pytest.raises(EtudeError, match=r"none\.mid.*No such file"):
        reader(tmp_path / "none.mid")


def mutants(count: int, seed: int = 0):
    """Yield damaged files: bytes changed, cut out, doubled, cut off, or nothing but noise."""
    choice = random.Random(seed)
    originals = list(HARD.values())
    for _ in range(count):
        data = bytearray(choice.choice(originals))
        for _ in range(choice.randint(1, 3)):
            at = choice.randrange(14, len(data))
            damage = choice.choice([0, 0, 1, 1, 1, 2, 3, 4])
            if damage == 0:
                data[at] = choice.randrange(256)
            elif damage == 1:
                data[at] ^= 1 << choice.randrange(8)
            elif damage == 2:
                del data[max(at, 15) : at + choice.randint(1, 4)]
            elif damage == 3:
                data[at:at] = data[at : at + choice.randint(1, 12)]
            else:
                data[at : at + 4] = choice.randbytes(4)
        yield bytes(data)
    for _ in range(count // 4):
        noise = choice.randbytes(choice.randrange(200))
        yield midi_bytes([END])[:14] + b"MTrk" + struct.pack(">L", len(noise)) + noise


def test_damaged_files_read_as_note_seq_reads_them_or_not_at_all(tmp_path):
    read = [assert_same_verdict(file(tmp_path, data)) for data in mutants(3000)]
    assert 300 < sum(read) < len(read)


@pytest.mark.verify
def test_compiled_code_never_leaves_its_arrays(tmp_path):
    """The same damage with numba's bounds checks on, which turn a stray index into an error."""
    environment = os.environ | {
        "NUMBA_BOUNDSCHECK": "1",
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}",
    }
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, test_midi; test_midi.read_damaged(sys.argv[1])",
            tmp_path,
        ],
        env=environment,
        check=True,
    )


def read_damaged(folder: str) -> None:
    from toolkit.music.performance import encode_performance

    for data in mutants(20_000, seed=1):
        with suppress(EtudeError):
            encode_performance(read_notes(file(Path(folder), data)))


def test_writing_and_reading_keep_the_notes(tmp_path):
    sequence = note_seq.NoteSequence(ticks_per_quarter=480)
    for i, (instrument, number, is_drum) in enumerate(
        [(0, 0, False), (1, 40, False), (2, 0, True)]
    ):
        sequence.notes.add(
            pitch=60 + i,
            velocity=70 + i,
            start_time=i / 2,
            end_time=i / 2 + 1,
            instrument=instrument,
            program=number,
            is_drum=is_drum,
        )
    path = tmp_path / "piece.mid"
    write_midi(sequence, path)
    assert differences(read_notes(path), sequence) == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["piece.mid"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pitch", 128),
        ("pitch", -1),
        ("velocity", 0),
        ("velocity", 200),
        ("program", 128),
        ("instrument", 70_000),
        ("start_time", -0.5),
        ("start_time", 3.0),
        ("end_time", float("inf")),
        ("end_time", float("nan")),
    ],
)
def test_a_sequence_with_an_impossible_note_is_refused(field, value):
    sequence = note_seq.NoteSequence()
    sequence.notes.add(pitch=60, velocity=80, start_time=0, end_time=1)
    setattr(sequence.notes[0], field, value)
    with pytest.raises(EtudeError):
        sequence_to_notes(sequence)


def test_times_are_those_of_the_tempo_map(tmp_path):
    # half a second up to tick 480, a quarter up to 960, and a second for the last 480
    tempi = [(0, tempo(500_000)), (480, tempo(250_000)), (480, tempo(1_000_000)), END]
    notes = read_notes(file(tmp_path, midi_bytes(tempi, [*note(60), *note(61), *note(62), END])))
    np.testing.assert_allclose(notes.start, [0, 0.5, 0.75], rtol=1e-12)
    np.testing.assert_allclose(notes.end, [0.5, 0.75, 1.75], rtol=1e-12)
