"""Pieces written as MIDI, piano roll and sound: what a report lets one look at and listen to."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError
from toolkit.music.midi import write_midi
from toolkit.music.sound import render_wav
from toolkit.report.plots import plot_piano_roll
from toolkit.report.report import Picture, Sample
from toolkit.training.runs import Run

if TYPE_CHECKING:
    from note_seq import NoteSequence


@dataclass(frozen=True)
class Generated:
    """A generated piece.

    Attributes
    ----------
    name : such as "argmax, piece 1"; names its files, too
    settings : how it was made, such as "argmax"
    measures : by their names
    seam : seconds at which the primer is over, None without one
    """

    name: str
    settings: str
    sequence: "NoteSequence"
    measures: Mapping[str, Any]
    seam: float | None = None


def write_samples(
    run: Run,
    pieces: Iterable[Generated],
    instrument: str | None = None,
    soundfont: str | None = None,
    unit: str = "seconds",
) -> list[Sample]:
    """Write pieces into the run's folder, under pieces/; a piece may be empty.

    Parameters
    ----------
    instrument : plays the pieces, as `render_wav` takes it; several with commas give several WAVs
    unit : of the piano roll's time, as `plot_piano_roll` takes it

    Returns
    -------
    One sample a piece and instrument, the piano roll with the first.
    """
    instruments = [name.strip() for name in instrument.split(",")] if instrument else [None]
    samples = []
    # the synthesizer is a process of its own, so threads are enough to keep all cores busy
    with ThreadPoolExecutor(available_cores()) as pool:
        for piece in pieces:
            stem = f"pieces/{_file_name(piece.name)}"
            midi, roll = run.path(f"{stem}.mid"), run.path(f"{stem}.png")
            if piece.sequence.notes:
                write_midi(piece.sequence, midi)
                plot_piano_roll(piece.sequence, roll, piece.name, unit, seam=piece.seam)
            picture: Picture | None = Picture(roll, f"piano roll of {piece.name}")
            for player in instruments:
                name = f"{piece.name}, {player}" if len(instruments) > 1 else piece.name
                wav = run.path(f"pieces/{_file_name(name)}.wav")
                if piece.sequence.notes:
                    pool.submit(_render, piece.sequence, wav, player, soundfont)
                samples.append(Sample(name, piece.settings, piece.measures, midi, wav, picture))
                picture = None  # the roll once
    return samples


def _file_name(name: str) -> str:
    return name.replace(", ", "-").replace(" + ", "-").replace(" ", "-")


def _render(
    sequence: "NoteSequence", wav: Path, instrument: str | None, soundfont: str | None
) -> None:
    """Render a WAV; a piece that cannot be rendered is named and costs nothing else."""
    try:
        render_wav(sequence, wav, instrument, soundfont)
    except EtudeError as error:
        console.warn(f"no sound for {wav.stem}: {error}")
