"""Sound: the right instrument, at the right pitch, as loud as it should be, whatever comes in."""

import io
import shutil
import wave

import numpy as np
import pretty_midi
import pytest
import soundfile
from reference import note_seq

from toolkit.errors import EtudeError
from toolkit.music import sound
from toolkit.music.sound import (
    DEFAULT_SOUNDFONT,
    DRUMS,
    PEAK,
    SAMPLE_RATE,
    program_number,
    render_wav,
    to_mp3,
)


@pytest.fixture(params=["symusic", "fluidsynth"])
def synthesizer(request, monkeypatch):
    """Render with one synthesizer: the fallback everywhere, FluidSynth where it is installed."""
    if request.param == "symusic":
        monkeypatch.setattr(sound, "has_fluidsynth", lambda: False)
    elif not shutil.which("fluidsynth"):
        pytest.skip("FluidSynth is not installed")
    return request.param


@pytest.fixture
def fallback(monkeypatch):
    monkeypatch.setattr(sound, "has_fluidsynth", lambda: False)


def piece(*pitches, start=0.5, length=1.5, **kwargs):
    sequence = note_seq.NoteSequence(ticks_per_quarter=480)
    for pitch in pitches:
        sequence.notes.add(
            pitch=pitch, velocity=90, start_time=start, end_time=start + length, **kwargs
        )
    sequence.total_time = start + length
    return sequence


def loudness(audio: np.ndarray, begin: float, end: float) -> float:
    """Root mean square between two times, full scale being 1."""
    return float(np.sqrt(np.mean(audio[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)] ** 2)))


def cents_off(audio: np.ndarray, expected: float) -> float:
    """How far the strongest partial within a tone of the expected pitch (Hz) lies from it.

    It has to be a strong partial of the whole spectrum too, or there is no such pitch.
    """
    played = audio[int(0.6 * SAMPLE_RATE) : int(1.9 * SAMPLE_RATE)].mean(axis=1)
    spectrum = np.abs(np.fft.rfft(played * np.hanning(len(played)), 1 << 20))
    frequencies = np.fft.rfftfreq(1 << 20, 1 / SAMPLE_RATE)
    near = np.abs(np.log2(frequencies.clip(1) / expected)) < 1 / 6
    assert spectrum[near].max() > 0.2 * spectrum.max(), "another pitch is louder"
    return 1200 * np.log2(frequencies[near][spectrum[near].argmax()] / expected)


def test_audio_is_stereo_loud_enough_not_clipping_and_as_long_as_the_piece(synthesizer, tmp_path):
    path = tmp_path / "a.wav"
    render_wav(piece(69), path)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 44100)
    audio, _ = soundfile.read(path)
    assert np.abs(audio).max() == pytest.approx(PEAK, abs=1e-4)
    assert loudness(audio, 0, 0.48) < 1e-3
    assert loudness(audio, 0.5, 1.9) > 0.03
    # FluidSynth lets the last note ring
    assert 1.99 <= len(audio) / SAMPLE_RATE < 4
    assert np.abs(audio[-5:]).max() < 0.01
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize(
    "instrument", ["piano", "violin", "trumpet", "church organ", "harpsichord"]
)
def test_a4_is_440_hz(synthesizer, instrument, tmp_path):
    render_wav(piece(69), tmp_path / "a.wav", instrument=instrument)
    audio, _ = soundfile.read(tmp_path / "a.wav")
    assert abs(cents_off(audio, 440)) < 8


@pytest.mark.parametrize("pitch", [33, 45, 57, 60, 72, 81, 93])
def test_the_piano_is_in_tune_all_over(fallback, pitch, tmp_path):
    render_wav(piece(pitch), tmp_path / "a.wav")
    audio, _ = soundfile.read(tmp_path / "a.wav")
    assert abs(cents_off(audio, 440 * 2 ** ((pitch - 69) / 12))) < 8


def test_drums_sound_on_channel_10(synthesizer, tmp_path):
    render_wav(piece(38, is_drum=True), tmp_path / "drum.wav")
    render_wav(piece(38), tmp_path / "piano.wav")
    drum, piano = (soundfile.read(tmp_path / name)[0] for name in ("drum.wav", "piano.wav"))
    # a snare is over when a piano still sounds, and it hisses
    assert loudness(drum, 0.5, 0.7) > 0.02
    assert loudness(drum, 1.2, 1.7) / loudness(drum, 0.5, 0.7) < 0.1
    assert loudness(piano, 1.2, 1.7) / loudness(piano, 0.5, 0.7) > 0.2
    assert roughness(drum) > 3 * roughness(piano)


def roughness(audio: np.ndarray) -> float:
    """Loudness of the first difference: high frequencies count."""
    return loudness(np.diff(audio, axis=0), 0.5, 0.7) / loudness(audio, 0.5, 0.7)


def test_an_instrument_by_name_replaces_all_but_drums(fallback, tmp_path):
    sequence = piece(69)
    by_name, by_program = tmp_path / "name.wav", tmp_path / "program.wav"
    render_wav(sequence, by_name, instrument="Violin")
    assert sequence.notes[0].program == 0
    render_wav(piece(69, program=40), by_program)
    assert by_name.read_bytes() == by_program.read_bytes()
    render_wav(piece(38, is_drum=True), by_program)
    render_wav(piece(38, is_drum=True), by_name, instrument="violin")
    assert by_name.read_bytes() == by_program.read_bytes()
    render_wav(piece(38), by_name, instrument="drums")
    assert by_name.read_bytes() == by_program.read_bytes()


def test_the_pedal_is_heard(synthesizer, tmp_path):
    held = piece(60, length=0.2)
    held.control_changes.add(time=0.0, control_number=64, control_value=127)
    held.control_changes.add(time=2.0, control_number=64, control_value=0)
    render_wav(held, tmp_path / "held.wav")
    audio, _ = soundfile.read(tmp_path / "held.wav")
    assert loudness(audio, 1.4, 1.9) > 0.02


def test_a_chosen_soundfont_is_used(synthesizer, tmp_path):
    copy = tmp_path / "mine.sf2"
    shutil.copy(DEFAULT_SOUNDFONT, copy)
    render_wav(piece(69), tmp_path / "a.wav", soundfont=copy)
    assert soundfile.info(tmp_path / "a.wav").frames
    with pytest.raises(EtudeError, match=r"no SoundFont .*none\.sf2"):
        render_wav(piece(69), tmp_path / "a.wav", soundfont=tmp_path / "none.sf2")


@pytest.mark.parametrize("damage", ["noise", "cut", "empty"])
def test_a_broken_soundfont_is_one_sentence(synthesizer, damage, tmp_path):
    broken = tmp_path / "broken.sf2"
    whole = DEFAULT_SOUNDFONT.read_bytes()
    noise = np.random.default_rng(0).bytes(3000)
    broken.write_bytes({"noise": whole[:12] + noise, "cut": whole[:100_000], "empty": b""}[damage])
    with pytest.raises(EtudeError, match=r"broken\.sf2"):
        render_wav(piece(69), tmp_path / "a.wav", soundfont=broken)
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        (note_seq.NoteSequence(), "no notes"),
        (piece(200), "pitch of 200"),
        (piece(60, start=-1), "negative"),
        (piece(60, length=1e9), "too long"),
        (piece(60, length=float("inf")), "infinite"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_sentence(sequence, reason, tmp_path):
    with pytest.raises(EtudeError, match=reason):
        render_wav(sequence, tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == []


def test_a_crash_of_the_synthesizer_is_one_sentence(fallback, monkeypatch, tmp_path):
    crash = tmp_path / "crash.py"
    crash.write_text("import os; os.abort()")
    monkeypatch.setattr(sound.synthesizer, "__file__", str(crash))
    with pytest.raises(EtudeError, match="There was no sound"):
        render_wav(piece(60), tmp_path / "a.wav")


def test_mp3_is_small_and_sounds_the_same(fallback, tmp_path):
    render_wav(piece(69, length=4), tmp_path / "a.wav")
    compressed = to_mp3(tmp_path / "a.wav")
    audio, rate = soundfile.read(io.BytesIO(compressed), always_2d=True)
    seconds = len(audio) / rate
    assert rate == SAMPLE_RATE
    assert seconds == pytest.approx(soundfile.info(tmp_path / "a.wav").duration, abs=0.1)
    assert 48_000 < 8 * len(compressed) / seconds < 80_000
    assert abs(cents_off(audio, 440)) < 8


def test_every_general_midi_name_is_found():
    names = pretty_midi.constants.INSTRUMENT_MAP
    assert len(names) == 128
    assert [program_number(name) for name in names] == list(range(128))
    assert [program_number(f"  {name.upper()} ") for name in names] == list(range(128))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("acoustic bass", 32),
        ("piano", 0),
        ("honky tonk", 3),
        ("guitar", 24),
        ("square", 80),
        ("drums", DRUMS),
        ("Drum Kit", DRUMS),
    ],
)
def test_instruments_go_by_shorter_names(name, number):
    assert program_number(name) == number


@pytest.mark.parametrize(
    ("name", "offered"),
    [("violn", "violin"), ("grand", "acoustic grand piano, electric grand"), ("", "acoustic bass")],
)
def test_a_name_that_fits_none_or_several_says_what_comes_near(name, offered):
    with pytest.raises(EtudeError, match=offered):
        program_number(name)


def test_every_groove_pitch_becomes_one_of_nine_drums(shared_data):
    from toolkit.music.midi import read_notes

    paths = sorted((shared_data / "groove").rglob("*.mid"))
    pitches = np.unique(np.concatenate([read_notes(path).pitch for path in paths]))
    assert {22, 26, 58} <= set(pitches.tolist())
    mapped = {sound.TD11_TO_GENERAL_MIDI.get(pitch) for pitch in pitches.tolist()}
    assert mapped <= {36, 38, 42, 43, 46, 47, 49, 50, 51}
