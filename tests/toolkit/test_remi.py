"""Pieces as read from MIDI files, and the closed vocabularies of REMI and compound words."""

import mido
import numpy as np
import pytest

from toolkit.errors import EtudeError
from toolkit.music.piece import CHORDS, read_piece
from toolkit.music.remi import AUTHORS, COMPOUND, SCORE, SPELLINGS, TALK


def midi_file(path, first=(), ticks=480, notes=((0, 60), (480, 62))):
    """A file of two tracks: what is given, then notes of a beat."""
    file = mido.MidiFile(ticks_per_beat=ticks)
    file.tracks.append(mido.MidiTrack(first))
    track = mido.MidiTrack()
    for _, pitch in notes:
        track.append(mido.Message("note_on", note=pitch, velocity=80))
        track.append(mido.Message("note_off", note=pitch, time=ticks))
    file.tracks.append(track)
    file.save(path)
    return path


def test_a_file_is_read_in_ticks_of_480_a_beat(tmp_path):
    first = [
        mido.MetaMessage("set_tempo", tempo=400_000),
        mido.MetaMessage("marker", text="global_bpm_150"),
        mido.MetaMessage("marker", text="A_M7_C#", time=96),
        mido.MetaMessage("marker", text="N_N_N", time=96),
    ]
    piece = read_piece(midi_file(tmp_path / "one.mid", first, ticks=96))
    assert piece.notes.tolist() == [[0, 480, 60, 80], [480, 960, 62, 80]]
    assert piece.tempi.tolist() == [[0, 150]]
    assert piece.chords == ((480, "A_M7"), (960, "N_N"))


def test_of_two_notes_of_one_pitch_the_first_ends_first(tmp_path):
    track = mido.MidiTrack(
        [
            mido.Message("note_on", note=60, velocity=10),
            mido.Message("note_on", note=60, velocity=20, time=100),
            mido.Message("note_off", note=60, time=100),
            mido.Message("note_on", note=60, velocity=0, time=100),
            mido.Message("note_on", note=40, velocity=90, channel=9, time=1),
            mido.Message("note_off", note=40, channel=9, time=1),
        ]
    )
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(tmp_path / "two.mid")
    assert read_piece(tmp_path / "two.mid").notes.tolist() == [[0, 200, 60, 10], [100, 300, 60, 20]]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ([mido.MetaMessage("time_signature", numerator=3, denominator=4)], "3/4"),
        ([mido.MetaMessage("set_tempo", tempo=0)], "tempo of 0"),
        ([mido.MetaMessage("marker", text="H_M7_H")], "'H_M7_H' names no chord"),
        ([mido.MetaMessage("marker", text="verse")], "'verse' names no chord"),
    ],
)
def test_what_cannot_be_encoded_is_told_in_a_sentence(tmp_path, first, said):
    with pytest.raises(EtudeError, match=said):
        read_piece(midi_file(tmp_path / "bad.mid", first))


def test_files_without_beats_notes_or_sense_are_told_in_a_sentence(tmp_path):
    with pytest.raises(EtudeError, match="no notes"):
        read_piece(midi_file(tmp_path / "empty.mid", notes=()))
    path = midi_file(tmp_path / "smpte.mid")
    data = bytearray(path.read_bytes())
    data[12:14] = b"\xe7\x28"  # 25 frames a second, 40 ticks a frame
    path.write_bytes(data)
    with pytest.raises(EtudeError, match="no beats"):
        read_piece(path)
    path.write_bytes(data[:30])
    with pytest.raises(EtudeError, match="cannot be read"):
        read_piece(path)
    with pytest.raises(EtudeError, match="cannot be read"):
        read_piece(tmp_path / "none.mid")
    path = midi_file(tmp_path / "key.mid", [mido.MetaMessage("key_signature", key="C")])
    path.write_bytes(path.read_bytes().replace(b"\xff\x59\x02\x00\x00", b"\xff\x59\x02\x00\x63"))
    with pytest.raises(EtudeError, match=r"cannot be read \(Could not decode key"):
        read_piece(path)


@pytest.mark.parametrize("time", [1 << 28, 1 << 70, 1 << 2000])
def test_a_wait_of_days_is_told_in_a_sentence(tmp_path, time):
    first = [mido.MetaMessage("marker", text="N_N_N", time=time)]
    with pytest.raises(EtudeError, match=r"after tick 268,435,455, days from its start"):
        read_piece(midi_file(tmp_path / "late.mid", first))


def test_vocabularies_have_the_sizes_of_the_papers():
    assert len(CHORDS) == 133
    assert len(AUTHORS.vocabulary) == 406
    assert len(TALK.vocabulary) == 365 + 1  # and an end
    assert len(SCORE.vocabulary) == 406 - 65 - 45
    assert sum(map(len, COMPOUND.values())) == 416
    for spelling in SPELLINGS.values():
        assert spelling.ids["EOS_None"] == 0
        assert len(set(spelling.vocabulary)) == len(spelling.vocabulary)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_value_has_a_word(spelling):
    said = [spelling.position(step) for step in range(16)]
    said += [spelling.chord(name) for name in CHORDS]
    for bpm in [0, 5, 30, 33.5, 89.99, 90, 209, 210, 300, 2000.5]:
        said += spelling.tempo(bpm)
    for pitch in range(128):
        said += spelling.note(pitch, pitch, 37 * pitch)
    said += spelling.note(60, 64, 10**6)
    assert set(said) <= set(spelling.vocabulary)
    assert spelling.to_words(spelling.to_ids(said)) == said


def test_rounding_is_that_of_the_authors_and_of_the_talk():
    assert [AUTHORS.tempo(bpm)[0] for bpm in (33.5, 33.6, 5, 300)] == [
        "Tempo_32",
        "Tempo_35",
        "Tempo_32",
        "Tempo_224",
    ]
    assert [AUTHORS.velocity(v)[14:] for v in (15, 41, 81, 127)] == ["40", "40", "80", "126"]
    assert [AUTHORS.duration(t)[14:] for t in (60, 180, 300, 4000)] == ["0", "240", "240", "1920"]
    assert TALK.tempo(119.9) == ["Tempo Class_mid", "Tempo Value_29"]
    assert [TALK.duration(t)[14:] for t in (0, 90, 91, 574, 9999)] == ["0", "0", "1", "9", "63"]
    assert TALK.chord("C#_/o7") == "Chord_C#:dim"


def test_what_is_outside_a_vocabulary_is_told_in_a_sentence():
    with pytest.raises(EtudeError, match="'Note On_60' is not in the vocabulary"):
        AUTHORS.to_ids(["Bar_None", "Note On_60"])
    for id in (-1, 406):
        with pytest.raises(EtudeError, match=f"id {id} is outside"):
            AUTHORS.to_words(np.array([0, id]))
