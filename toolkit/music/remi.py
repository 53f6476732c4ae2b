"""The words of REMI and of compound words: closed vocabularies, and what each word means.

A `Spelling` says how positions, chords, tempi and notes are named; which of them a piece has, and
in which order, is the encoder's business.
"""

from functools import cached_property
from typing import Any

import numpy as np

from toolkit.errors import EtudeError
from toolkit.music.piece import CHORDS, NO_CHORD, ROOTS, TICKS_PER_BEAT

STEP = TICKS_PER_BEAT // 4
STEPS_PER_BAR = 16
BAR_TICKS = STEP * STEPS_PER_BAR
END, BAR = "EOS_None", "Bar_None"


class Spelling:
    """The words of the compound-word authors' REMI (Hsiao et al., 2021, section 3).

    Parameters
    ----------
    name : str
    velocity, tempo : bool
        Whether notes have a velocity, and tempi are named.
    clamped : "first" or "last"
        Which chord, and which tempo, stands at a step where several come together.
    drops_end : bool
        Whether what starts on the bar line after the last note's bar is left out, as the authors
        do; otherwise that bar is added.

    Attributes
    ----------
    position_each : bool
        Whether the position stands before each chord, tempo and note, or once a step.
    lowest_first : bool
        Whether notes that start on one tick come from the lowest pitch up, or from the highest
        down.
    parts : tuple of str
        Of what kinds a note's words are, in their order.
    items : tuple of tuples of str
        Of what kinds the words of a chord, of a tempo and of a note are, in their order.
    words : dict of str to (str, value)
        Each word's kind and what it stands for. Kinds: "end", "bar", "position" (step of the bar),
        "chord" (its name), "tempo" (beats a minute), "pitch", "velocity" and "duration" (ticks);
        the talk's "tempo class" (its lowest tempo) and "tempo value" (beats a minute above it).
    """

    position_each = False
    lowest_first = False
    note_order: tuple[str, ...] = ("pitch", "velocity", "duration")
    tempo_order: tuple[str, ...] = ("tempo",)
    velocities = range(40, 129, 2)
    durations = range(0, BAR_TICKS + 1, STEP)
    tempi = range(32, 225, 3)

    def __init__(
        self,
        name: str,
        velocity: bool = True,
        tempo: bool = True,
        clamped: str = "first",
        drops_end: bool = False,
    ):
        self.name, self.has_velocity, self.has_tempo = name, velocity, tempo
        self.clamped, self.drops_end = clamped, drops_end
        self.parts = tuple(part for part in self.note_order if velocity or part != "velocity")
        self.items = (("chord",), *([self.tempo_order] if tempo else []), self.parts)

    def position(self, step: int) -> str:
        """Name a step of the bar, 0 to 15."""
        return f"Beat_{step}"

    def chord(self, name: str) -> str:
        """Name a chord of `CHORDS`."""
        return f"Chord_{name}"

    def tempo(self, bpm: float) -> list[str]:
        """Name the nearest tempo; of two as near the lower; nothing if tempi are not named."""
        return [f"Tempo_{nearest(self.tempi, bpm)}"] if self.has_tempo else []

    def note(self, pitch: int, velocity: int, ticks: int) -> list[str]:
        """Name a note that lasts so many ticks: its words in order."""
        words = {
            "pitch": self.pitch(pitch),
            "velocity": self.velocity(velocity),
            "duration": self.duration(ticks),
        }
        return [words[part] for part in self.parts]

    def pitch(self, pitch: int) -> str:
        """Name a pitch."""
        return f"Note_Pitch_{pitch}"

    def velocity(self, velocity: int) -> str:
        """Name the even velocity at or below, 40 at least."""
        return f"Note_Velocity_{max(40, velocity - velocity % 2)}"

    def duration(self, ticks: int) -> str:
        """Name the nearest number of steps, a half to the even one, a bar at most."""
        return f"Note_Duration_{round(min(ticks, BAR_TICKS) / STEP) * STEP}"

    @cached_property
    def words(self) -> dict[str, tuple[str, Any]]:
        """Every word, with its kind and value; ids are its places."""
        found: dict[str, tuple[str, Any]] = {END: ("end", None), BAR: ("bar", None)}
        found |= {self.position(step): ("position", step) for step in range(STEPS_PER_BAR)}
        for name in CHORDS:
            found.setdefault(self.chord(name), ("chord", name))
        if self.has_tempo:
            found |= self.tempo_words()
        found |= {self.pitch(pitch): ("pitch", pitch) for pitch in range(128)}
        if self.has_velocity:
            found |= {self.velocity(one): ("velocity", one) for one in self.velocities}
        return found | {self.duration(ticks): ("duration", ticks) for ticks in self.durations}

    def tempo_words(self) -> dict[str, tuple[str, Any]]:
        """The words of tempi."""
        return {f"Tempo_{bpm}": ("tempo", bpm) for bpm in self.tempi}

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word by its id."""
        return tuple(self.words)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Every word's id; `END` is 0."""
        return {word: id for id, word in enumerate(self.vocabulary)}

    def to_ids(self, words: list[str]) -> np.ndarray:
        """Number words, uint16 array.

        Raises
        ------
        EtudeError
            If one is not of this spelling.
        """
        if unknown := next((word for word in words if word not in self.ids), None):
            raise EtudeError(
                f"The word {unknown!r} is not in the vocabulary of the spelling {self.name!r}: use "
                "the spelling that it was encoded with."
            )
        return np.array([self.ids[word] for word in words], np.uint16)

    def to_words(self, ids: np.ndarray) -> list[str]:
        """Name ids.

        Raises
        ------
        EtudeError
            If one is negative, or not below the vocabulary's size.
        """
        size = len(self.vocabulary)
        if wrong := next((int(id) for id in ids if not 0 <= id < size), None):
            raise EtudeError(
                f"The id {wrong} is outside the vocabulary of the spelling {self.name!r}: its ids "
                f"go from 0 to {size - 1}."
            )
        return [self.vocabulary[int(id)] for id in ids]


class TalkSpelling(Spelling):
    """The words of the first REMI (Huang and Yang, 2020), which the talk on MAESTRO uses."""

    position_each = True
    lowest_first = True
    note_order = ("velocity", "pitch", "duration")
    tempo_order = ("tempo class", "tempo value")
    velocities = range(0, 128, 4)
    durations = range(60, 3841, 60)
    classes = (("slow", 30), ("mid", 90), ("fast", 150))
    triads = ("maj", "min", "dim", "aug", "dom", "maj", "min", "dim", "dim", "maj", "maj")

    def position(self, step: int) -> str:
        """Name a step of the bar, 1/16 to 16/16."""
        return f"Position_{step + 1}/{STEPS_PER_BAR}"

    def chord(self, name: str) -> str:
        """Name a chord's root and triad; a suspended one counts as major."""
        if name == NO_CHORD:
            return "Chord_N:N"
        number = CHORDS.index(name) - 1
        return f"Chord_{name.partition('_')[0]}:{self.triads[number % len(self.triads)]}"

    def tempo(self, bpm: float) -> list[str]:
        """Name a tempo of 30 to 209: its class, and how far it is above the class's lowest."""
        bpm = min(max(int(bpm), 30), 209)
        name, lowest = self.classes[(bpm - 30) // 60]
        return [f"Tempo Class_{name}", f"Tempo Value_{bpm - lowest}"]

    def tempo_words(self) -> dict[str, tuple[str, Any]]:
        """The words of tempi."""
        found: dict[str, tuple[str, Any]] = {
            f"Tempo Class_{name}": ("tempo class", lowest) for name, lowest in self.classes
        }
        return found | {f"Tempo Value_{above}": ("tempo value", above) for above in range(60)}

    def pitch(self, pitch: int) -> str:
        """Name a pitch."""
        return f"Note On_{pitch}"

    def velocity(self, velocity: int) -> str:
        """Name one of 32 bins."""
        return f"Note Velocity_{velocity // 4}"

    def duration(self, ticks: int) -> str:
        """Name the nearest of 64 durations, 60 ticks apart; of two as near the shorter."""
        return f"Note Duration_{self.durations.index(nearest(self.durations, ticks))}"


def nearest(values: range, value: float) -> int:
    """Find the nearest of evenly spaced values; of two as near the lower."""
    steps = -(-(2 * (value - values.start) - values.step) // (2 * values.step))
    return values[int(min(max(steps, 0), len(values) - 1))]


def transposed_ids(vocabulary: tuple[str, ...], semitones: int) -> np.ndarray:
    """Give the id of each word moved by so many semitones: int array (words,).

    Chords (`Chord_A_M7`, or of compound words `A_M7`) move round the octave; a pitch that would
    leave 0 to 127 stays, as all other words do.
    """
    ids = {word: id for id, word in enumerate(vocabulary)}
    return np.array([ids.get(_transposed(word, semitones), id) for word, id in ids.items()])


def _transposed(word: str, semitones: int) -> str:
    root, _, quality = word.removeprefix("Chord_").partition("_")
    if root in ROOTS:
        moved = ROOTS[(ROOTS.index(root) + semitones) % 12]
        return word.removesuffix(f"{root}_{quality}") + f"{moved}_{quality}"
    if word.startswith("Note_Pitch_"):
        return f"Note_Pitch_{int(word.removeprefix('Note_Pitch_')) + semitones}"
    return word


AUTHORS = Spelling("authors", drops_end=True)
# what the authors' compound words are made of
BEFORE_COMPOUND = Spelling("before compound", clamped="last", drops_end=True)
TALK = TalkSpelling("talk")
SCORE = Spelling("score", velocity=False, tempo=False)
SPELLINGS = {one.name: one for one in (AUTHORS, BEFORE_COMPOUND, TALK, SCORE)}

NOTHING, CONTINUE = "0", "CONTI"
FIELDS = ("tempo", "chord", "bar-beat", "type", "pitch", "duration", "velocity")
# every word of each field by its id; the row of zeros ends a piece
COMPOUND = {
    "tempo": (NOTHING, CONTINUE, *(f"Tempo_{bpm}" for bpm in Spelling.tempi)),
    "chord": (NOTHING, CONTINUE, *CHORDS),
    "bar-beat": (NOTHING, "Bar", *(f"Beat_{step}" for step in range(STEPS_PER_BAR))),
    "type": ("EOS", "Metrical", "Note"),
    "pitch": (NOTHING, *(f"Note_Pitch_{pitch}" for pitch in range(128))),
    "duration": (NOTHING, *(f"Note_Duration_{ticks}" for ticks in Spelling.durations)),
    "velocity": (NOTHING, *(f"Note_Velocity_{one}" for one in Spelling.velocities)),
}
