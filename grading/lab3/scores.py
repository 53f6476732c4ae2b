"""Hand-made scores for the checks, spelled in a small language and written as MusicXML.

A score has parts, one text each: measures of four quarters separated by `|`, voices within a
measure by `&`, then events `WHAT:LENGTH`. WHAT is `r` (rest), `x` (an unpitched stroke), or MIDI
pitches joined by `+`; `~` before a pitch ends a tie, after it begins one. LENGTH is in quarters,
or `g` for a grace note: `score("60:3 62~:1 | ~62+65:4", "48:1/3 50:1/3 52:1/3 r:3 & 40:4")`.
A failure message shows the score in this spelling.
"""

from fractions import Fraction
from itertools import count

import numpy as np

from grading.checks import CheckFailed, assert_parts, spelled
from grading.proxy import Code
from grading.worker.codec import MusicXML

DIVISIONS = 480  # of a quarter note; every length used here is a multiple of one
STEPS = ["C", "C", "D", "D", "E", "F", "F", "G", "G", "A", "A", "B"]
ALTERS = (0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0)


def score(*parts: str) -> MusicXML:
    """Write a score of the parts spelled."""
    names = [f"P{number}" for number in range(1, len(parts) + 1)]
    listed = "".join(f'<score-part id="{n}"><part-name>{n}</part-name></score-part>' for n in names)
    written = "".join(
        f'<part id="{name}">{"".join(map(measure, count(1), text.split("|")))}</part>'
        for name, text in zip(names, parts, strict=True)
    )
    return labelled(
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="4.0">'
        f"<part-list>{listed}</part-list>{written}</score-partwise>",
        f"score({', '.join(map(repr, parts))})",
    )


def labelled(text: str, label: str) -> MusicXML:
    """Give a score the name that messages call it by."""
    result = MusicXML(text)
    result.label = label  # type: ignore[attr-defined]
    return result


def measure(number: int, text: str) -> str:
    """Write a measure: its voices one after another, each from the beginning."""
    head = f"<divisions>{DIVISIONS}</divisions>"
    head += "<time><beats>4</beats><beat-type>4</beat-type></time>"
    result = f"<attributes>{head}</attributes>" if number == 1 else ""
    for voice, events in enumerate(text.split("&"), 1):
        lengths = [event.split(":")[1] for event in events.split()]
        result += "".join(event_notes(event, voice) for event in events.split())
        back = ticks(sum(Fraction(length) for length in lengths if length != "g"))
        result += f"<backup><duration>{back}</duration></backup>" if back else ""
    return f'<measure number="{number}">{result}</measure>'


def ticks(length: Fraction | int) -> int:
    """A length in quarters as a whole number of divisions."""
    result = Fraction(length) * DIVISIONS
    assert result.denominator == 1, length
    return result.numerator


def event_notes(event: str, voice: int) -> str:
    """Write a note, a chord, a rest or a stroke."""
    what, length = event.split(":")
    lasts = "" if length == "g" else f"<duration>{ticks(Fraction(length))}</duration>"
    notes: list[str] = []
    for member in what.split("+"):
        if member == "r":
            sound = "<rest/>"
        elif member == "x":
            sound = "<unpitched><display-step>E</display-step>"
            sound += "<display-octave>4</display-octave></unpitched>"
        else:
            pitch = int(member.strip("~"))
            sound = f"<pitch><step>{STEPS[pitch % 12]}</step><alter>{ALTERS[pitch % 12]}</alter>"
            sound += f"<octave>{pitch // 12 - 1}</octave></pitch>"
        ties = '<tie type="stop"/>' * member.startswith("~")
        ties += '<tie type="start"/>' * member.endswith("~")
        grace, chord = "<grace/>" * (length == "g"), "<chord/>" * bool(notes)
        drawn = ties.replace("<tie", "<tied")
        drawn = f"<notations>{drawn}</notations>" if ties else ""
        notes.append(
            f"<note>{grace}{chord}{sound}{lasts}{ties}<voice>{voice}</voice>{drawn}</note>"
        )
    return "".join(notes)


def words(text: str) -> list[str]:
    """Tokens as one text."""
    return text.split()


def random_score(rng: np.random.Generator, num_parts: int, num_measures: int) -> MusicXML:
    """Draw a score in which parts share pitches, hold notes, rest, and tie over barlines."""
    rhythms = ["4", "2 2", "1 1 2", "3 1", "3/2 1/2 1 1", "1/3 1/3 1/3 1 2/3 4/3", "1/4 3/4 3"]
    parts = []
    for _ in range(num_parts):
        events: list[tuple[list[int] | None, str]] = []
        pitches: list[int] = []
        for _ in range(num_measures):
            for length in rhythms[rng.integers(len(rhythms))].split():
                size = rng.choice([0, 1, 2, 3], p=[0.15, 0.35, 0.3, 0.2])
                if rng.random() < 0.7:  # else what was there sounds again
                    pitches = sorted(rng.choice(range(57, 64), size, replace=False).tolist())
                events.append((pitches, length))
            events.append((None, "|"))
        parts.append(tied(rng, events[:-1]))
    return score(*parts)


def tied(rng: np.random.Generator, events: list[tuple[list[int] | None, str]]) -> str:
    """Spell events; of the pitches that come twice in a row none, some or all are tied."""
    texts: list[str] = []
    open_ties: set[int] = set()
    sounding = [pitches for pitches, _ in events if pitches is not None]
    place = 0
    for pitches, length in events:
        if pitches is None:
            texts.append("|")
            continue
        place += 1
        following = sounding[place] if place < len(sounding) else []
        share = rng.choice([0, 0.5, 1])
        begun = {pitch for pitch in pitches if pitch in following and rng.random() < share}
        members = [f"{'~' * (p in open_ties)}{p}{'~' * (p in begun)}" for p in pitches]
        texts.append(f"{'+'.join(members) or 'r'}:{length}")
        open_ties = begun
    return " ".join(texts)


def random_tokens(rng: np.random.Generator, num_events: int) -> list[str]:
    """Draw well-formed tokens: no two rests in a row, none at the end."""
    lengths = ["1/4", "1/3", "1/2", "2/3", "3/4", "1", "3/2", "2", "3", "4", "6"]
    tokens: list[str] = []
    for left in reversed(range(num_events)):
        resting = left and tokens[-2:-1] != ["REST"] and rng.random() < 0.15
        size = 0 if resting else rng.integers(1, 5)
        pitches = sorted(rng.choice(range(36, 85), size, replace=False))
        tokens += [f"NOTE_{pitch}" for pitch in pitches] or ["REST"]
        tokens.append(f"DUR_{lengths[rng.integers(len(lengths))]}")
    return tokens


def heard(solution: Code, got: object) -> list[tuple[str, str, list[int]]]:
    """Read the (onset, length, pitches) of what sounds in a score that a submission returned."""
    if not isinstance(got, MusicXML):
        raise CheckFailed("type", f"expected a music21 Score, got {spelled(got)}")
    return solution.build("score_events", got)


def three_arrays(got: object) -> list:
    """Demand the three things that `make_windows` returns; what they are is looked at later."""
    return assert_parts(got, "inputs", "targets", "mask")
