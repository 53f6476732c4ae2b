"""The data sets of Lab 4 as corpora of event ids.

The processes that prepare them import this module, and neither Keras nor TensorFlow.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labs.lab4_performances import drumming, keyboard
from toolkit.data import corpus
from toolkit.data.corpus import Split, fingerprint, is_stale, open_corpus, write_corpus
from toolkit.data.datasets import Recording, groove_table, maestro_table
from toolkit.data.parallel import map_items
from toolkit.errors import EtudeError
from toolkit.music import midi, midi_reader, performance
from toolkit.music.midi import read_notes, sequence_to_notes
from toolkit.music.performance import encode_performance
from toolkit.music.sound import TD11_TO_GENERAL_MIDI
from toolkit.paths import CACHE

SPLITS = ("train", "validation", "test")
SPECIALS = 3  # PAD, START and END come before note-seq's events
DRUMS = ("drums", "groove")


def load_splits(data: str, max_pieces: int | None = None) -> dict[str, Split]:
    """Open a data set as ids, after preparing it if that has not been done.

    Parameters
    ----------
    data : one of `DATA_SETS`
    max_pieces : training pieces to use at most, and an eighth as many of the others

    Raises
    ------
    EtudeError
        If the data set is not here, or a split has no pieces.
    """
    opened = _prepare(data, DATA_SETS[data])
    splits = {}
    for split in SPLITS:
        few = max_pieces if split == "train" or not max_pieces else max(2, max_pieces // 8)
        chosen = [i for i, name in enumerate(opened.header["split"]) if name == split][:few]
        if not chosen:
            raise EtudeError(f"the data set {data} has no {split} pieces")
        first, last = chosen[0], chosen[-1] + 1
        offsets = opened.offsets[first : last + 1]
        splits[split] = Split(opened.tokens, offsets, opened.names[first:last])
    return splits


@dataclass(frozen=True)
class Source:
    """How a data set is made: its pieces with their splits, and what spells one.

    Attributes
    ----------
    describe : what it is, for the header
    pieces : lists (piece, name, split)
    spell : piece -> events, or None if it is none of the set
    makers : modules and files that decide the result
    """

    describe: str
    pieces: Callable[[], list[tuple[Any, str, str]]]
    spell: Callable[[Any], Any]
    makers: tuple[Any, ...]


def spell_score(name: str) -> np.ndarray | None:
    """Play a score of the corpus and spell it."""
    sequence = keyboard.perform_piece(name)
    return None if sequence is None else encode_performance(sequence_to_notes(sequence))


def spell_drumming(name: str) -> np.ndarray:
    """Drum a piece by rule and spell it."""
    return encode_performance(sequence_to_notes(drumming.perform_piece(name)))


def spell_recording(path: Path) -> np.ndarray:
    """Read a MIDI file and spell it."""
    return encode_performance(read_notes(path))


def spell_kit(path: Path) -> np.ndarray:
    """Read a drum recording, its pitches mapped from a Roland TD-11 to General MIDI."""
    notes = read_notes(path)
    pitches = [TD11_TO_GENERAL_MIDI.get(pitch, pitch) for pitch in notes.pitch.tolist()]
    return encode_performance(replace(notes, pitch=np.array(pitches, np.uint8)))


def _recorded(table: Callable[[], list[Recording]]) -> Callable[[], list[tuple[Path, str, str]]]:
    return lambda: [(one.path, one.path.stem, one.split) for one in table()]


def _made(module: Any) -> Callable[[], list[tuple[str, str, str]]]:
    return lambda: [(name, name, module.piece_split(name)) for name in module.piece_names()]


ENCODER = (performance, midi, midi_reader, corpus)
DATA_SETS = {
    "keyboard": Source(
        "music21's corpus at the keyboard", _made(keyboard), spell_score, (keyboard, *ENCODER)
    ),
    "drums": Source("drumming by rule", _made(drumming), spell_drumming, (drumming, *ENCODER)),
    "maestro": Source("MAESTRO v3.0.0", _recorded(maestro_table), spell_recording, ENCODER),
    "groove": Source("Groove v1.0.0", _recorded(groove_table), spell_kit, ENCODER),
}


def _prepare(data: str, source: Source, folder: Path | None = None) -> corpus.Corpus:
    """Open a corpus whose pieces are in the order of `SPLITS`; make it if it is not there."""
    pieces = sorted(source.pieces(), key=lambda piece: (SPLITS.index(piece[2]), str(piece[1])))
    made_by = fingerprint(Path(__file__), *source.makers, " ".join(name for _, name, _ in pieces))
    folder = folder or CACHE / "lab4" / f"{data}-{made_by[:12]}"
    expected = {"source": source.describe, "made_by": made_by}
    if is_stale(folder, expected):
        results, failures = map_items(
            source.spell, [piece for piece, _, _ in pieces], source.describe
        )
        kept = [
            (events, name, split)
            for events, (_, name, split) in zip(results, pieces, strict=True)
            if events is not None
        ]
        header = {
            **expected,
            "encoding": "note-seq's performance events, 10 ms, 32 velocities, + 3: PAD START END",
            "names": [name for _, name, _ in kept],
            "split": [split for _, _, split in kept],
            "skipped": {str(piece): reason for piece, reason in failures.items()},
        }
        write_corpus(folder, (events + SPECIALS for events, _, _ in kept), header)
    return open_corpus(folder, expected)
