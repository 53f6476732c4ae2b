"""Hand-made scores for the checks, spelled in a small language and written as MusicXML.

A score has parts, one text each: measures of four quarters separated by `|`, voices within a
measure by `&`, then events `WHAT:LENGTH`. WHAT is `r` (rest), `x` (an unpitched stroke), or MIDI
pitches joined by `+`; `~` before a pitch ends a tie, after it begins one. LENGTH is in quarters,
or `g` for a grace note: `score("60:3 62~:1 | ~62+65:4", "48:1/3 50:1/3 52:1/3 r:3 & 40:4")`.
A failure message shows the score in this spelling, and says what its marks mean.
"""

from fractions import Fraction
from itertools import count

from grading.checks.assertions import (
    CheckFailed,
    as_text,
    assert_equal,
    assert_holds,
    assert_parts,
    naming,
)
from grading.sandbox.proxy import Code
from grading.sandbox.worker.codec import MusicXML

WINDOWS = ("inputs", "targets", "mask")  # what `make_windows` returns
DIVISIONS = 480  # of a quarter note; every length used here is a multiple of one
MARKS = {  # what is said of those that occur, where a message shows a score
    "r": "r rest",
    "x": "x unpitched",
    "g": "g grace",
    "+": "+ chord",
    "~": "~ tie",
    "&": "& voice",
    "|": "| barline",
}
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
        f"score({', '.join(map(repr, parts))}) [{', '.join(marks(''.join(parts)))}]",
    )


def marks(text: str) -> list[str]:
    """Say what the marks in a spelled score mean."""
    return ["pitch:quarters", *(says for mark, says in MARKS.items() if mark in text)]


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


def assert_heard(reader: Code, got: object, want: list) -> None:
    """Demand what sounds in a score, as `heard` gives it."""
    events = heard(reader, got)
    with naming("the score's (start, length, pitches)"):
        assert_equal(events, want)


def heard(reader: Code, got: object) -> list[tuple[str, str, list[int]]]:
    """Read the (onset, length, pitches) of what sounds in a score that a submission returned.

    The reader is handed plain text: whatever it is, it must not end that worker.
    """
    if not isinstance(got, MusicXML):
        raise CheckFailed("type", f"expected a music21 Score, got {as_text(got)}")
    events = reader.build("read_score", str(got))
    assert_holds(events is not None, "music21 cannot read the score that came back")
    return events


def three_arrays(got: object) -> list:
    """Demand the three things that `make_windows` returns; what they are is looked at later."""
    return assert_parts(got, *WINDOWS)
