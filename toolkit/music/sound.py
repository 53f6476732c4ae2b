"""NoteSequences to audio: General MIDI instruments, WAV and MP3.

FluidSynth renders where it is installed. Everywhere else symusic's synthesizer does, with the
General MIDI SoundFont that comes inside pretty_midi, so there is always sound.
"""

import difflib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pretty_midi
import soundfile

from toolkit.errors import EtudeError
from toolkit.music import synthesizer
from toolkit.music.midi import import_note_seq, sequence_to_notes, write_midi
from toolkit.paths import shown

if TYPE_CHECKING:
    from note_seq import NoteSequence

SAMPLE_RATE = 44_100
PEAK = 10 ** (-1 / 20)  # loudest sample, 1 dB below full scale: encoders overshoot a little
SILENCE = 1e-4  # 80 dB below full scale
FADED = 1e-3  # 60 dB below full scale
CLICK = SAMPLE_RATE // 50  # samples
LONGEST = 3600  # seconds; an hour of stereo takes a gigabyte while it is rendered
MP3_LEVEL = 0.9  # where libsndfile's scale from 320 to 32 kbit/s has about 64

DRUMS = 128  # the number after the last program, as is common, for the drum kit on channel 10
DEFAULT_SOUNDFONT = Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")

# Roland TD-11 pitches to General MIDI, reduced to nine drums, as the Groove MIDI Dataset's own page
# maps them ("Drum Mapping"); Gillick et al., "Learning to Groove with Inverse Sequence
# Transformations" (2019).
TD11_TO_GENERAL_MIDI = {
    36: 36,  # bass drum
    **dict.fromkeys((37, 38, 40), 38),  # snare: cross-stick, head, rim
    **dict.fromkeys((48, 50), 50),  # high tom
    **dict.fromkeys((45, 47), 47),  # low-mid tom
    **dict.fromkeys((43, 58), 43),  # high floor tom
    **dict.fromkeys((26, 46), 46),  # open hi-hat: edge, bow
    **dict.fromkeys((22, 42, 44), 42),  # closed hi-hat: edge, bow, pedal
    **dict.fromkeys((49, 52, 55, 57), 49),  # crash
    **dict.fromkeys((51, 53, 59), 51),  # ride
}


def program_number(name: str) -> int:
    """Find a General MIDI instrument by its name.

    Parameters
    ----------
    name
        One of the 128 names, a family's ("piano" is its first, the acoustic grand), or any words
        of a name that no other has; "drums" for the drum kit. Case and punctuation do not count.

    Returns
    -------
    program : int
        0 to 127, or `DRUMS`.

    Raises
    ------
    EtudeError
        If no instrument or more than one has that name; it says which come near.
    """
    names = [_plain(known) for known in pretty_midi.constants.INSTRUMENT_MAP]
    families = [_plain(known) for known in pretty_midi.constants.INSTRUMENT_CLASSES]
    wanted = _plain(name)
    if wanted in ("drums", "drum kit"):
        return DRUMS
    if wanted in names:
        return names.index(wanted)
    if wanted in families:
        return 8 * families.index(wanted)
    found = [known for known in names if wanted and f" {wanted}" in f" {known}"]
    if len(found) == 1:
        return names.index(found[0])
    if found:
        raise EtudeError(f'"{name}" can be any of: {", ".join(found)}. Choose one of them.')
    near = difflib.get_close_matches(wanted, [*names, *families, "drums"], n=3, cutoff=0.5)
    raise EtudeError(
        f'There is no General MIDI instrument "{name}"'
        + (f": did you mean {' or '.join(near)}?" if near else ': try "acoustic bass" or "drums".')
    )


def check_soundfont(path: Path) -> None:
    """Make sure that a file begins as a SoundFont does: what is in it is the synthesizer's matter.

    Raises
    ------
    EtudeError
        If it does not, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        raise EtudeError(
            f"There is no SoundFont {shown(path)}: give the path of an .sf2 file."
        ) from None
    if not (head.startswith(b"RIFF") and head.endswith((b"sfbk", b"DLS "))):
        raise EtudeError(f"{shown(path)} is not a SoundFont: give the path of an .sf2 file.")


def render_wav(
    sequence: "NoteSequence",
    path: Path | str,
    instrument: str | None = None,
    soundfont: Path | str | None = None,
) -> None:
    """Render a sequence as 16-bit stereo WAV at 44.1 kHz, its loudest sample at -1 dB.

    The sustain pedal sounds. Synthesizers run in child processes: whatever they make of odd notes
    or a broken SoundFont, this process survives.

    Parameters
    ----------
    sequence
        At least one note, an hour at most.
    path
        The WAV file to write, whole or not at all.
    instrument
        A name for `program_number`: plays all notes but drums, or with "drums" all notes on the
        drum kit. By default each note's own program plays.
    soundfont
        An .sf2 file; by default the small one inside pretty_midi.

    Raises
    ------
    EtudeError
        If the sequence has no notes, notes out of range or beyond an hour, if there is no such
        instrument or SoundFont, or if nothing could be heard.
    """
    notes = sequence_to_notes(sequence)
    if not len(notes):
        raise EtudeError("There are no notes to render: the piece is empty.")
    if max(notes.end.max(), notes.pedal_time.max(initial=0)) > LONGEST:
        raise EtudeError(f"The piece is too long to render: {LONGEST:,} seconds are the most.")
    soundfont = Path(soundfont or DEFAULT_SOUNDFONT)
    check_soundfont(soundfont)
    played = import_note_seq().apply_sustain_control_changes(sequence)
    if instrument is not None:
        played = _played_by(played, program_number(instrument))
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        midi, rendered = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        write_midi(played, midi)
        audio = _synthesize(midi, soundfont.resolve(), rendered)
    audio = _mastered(audio, float(notes.end.max()))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        soundfile.write(temporary, audio, SAMPLE_RATE, "PCM_16", format="WAV")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def to_mp3(wav_path: Path | str) -> bytes:
    """Compress a WAV file to mono MP3 at about 64 kbit/s, small enough to embed in a page."""
    audio, rate = soundfile.read(wav_path, dtype="float32", always_2d=True)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, 1, format="MP3", bitrate_mode="CONSTANT", compression_level=MP3_LEVEL
    ) as mp3:
        mp3.write(audio.mean(axis=1))
    return buffer.getvalue()


def has_fluidsynth() -> bool:
    """Tell whether FluidSynth is installed."""
    return shutil.which("fluidsynth") is not None


def _synthesize(midi: Path, soundfont: Path, wav: Path) -> np.ndarray:
    """Render with the first synthesizer that is there and can: float array (samples, 2)."""
    rate = str(SAMPLE_RATE)
    commands = [[sys.executable, synthesizer.__file__, str(midi), str(soundfont), rate, str(wav)]]
    if has_fluidsynth():
        # without this, FluidSynth answers a broken SoundFont with its own
        options = [
            "-ni",
            "-q",
            "-o",
            "synth.default-soundfont=",
            "-r",
            rate,
            "-T",
            "wav",
            "-O",
            "float",
            "-F",
            str(wav),
        ]
        commands.insert(0, ["fluidsynth", *options, str(soundfont), str(midi)])
    for command in commands:
        try:
            subprocess.run(command, capture_output=True, timeout=LONGEST, check=True)
            audio, _ = soundfile.read(wav, dtype="float32", always_2d=True)
        except (OSError, subprocess.SubprocessError, soundfile.LibsndfileError):
            continue
        if len(audio) and np.isfinite(audio).all() and np.abs(audio).max() > SILENCE:
            return audio
    raise EtudeError(
        f"There was no sound with the SoundFont {shown(soundfont)}: it is broken or lacks "
        "the instrument; try another."
    )


def _mastered(audio: np.ndarray, end: float) -> np.ndarray:
    """Bring audio to its peak, without the silence after the last note has died away."""
    audio = audio * (PEAK / np.abs(audio).max())
    heard = np.flatnonzero(np.abs(audio).max(axis=1) > FADED)[-1]
    audio = audio[: max(heard + 1, int(end * SAMPLE_RATE))]
    # symusic's synthesizer cuts the last note off: soften the click
    audio[-CLICK:] *= np.linspace(1, 0, min(CLICK, len(audio)))[:, None]
    return audio


def _played_by(sequence: "NoteSequence", program: int) -> "NoteSequence":
    """Copy a sequence for one instrument."""
    copy = _copy(sequence)
    for event in [*copy.notes, *copy.control_changes, *copy.pitch_bends]:
        if program == DRUMS:
            event.is_drum = True
        elif not event.is_drum:
            event.program = program
    return copy


def _copy(sequence: "NoteSequence") -> "NoteSequence":
    copy = type(sequence)()
    copy.CopyFrom(sequence)
    return copy


def _plain(name: str) -> str:
    """Reduce a name to lower-case words."""
    return " ".join(re.findall("[a-z0-9]+", name.lower()))
