"""The pictures of Lab 3's lessons; see `labs.course.pictures`."""

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labs.course.pictures import (
    DPI,
    INK,
    KEY,
    MASKED,
    QUERY,
    STATE,
    VALUE,
    WIDTH,
    Gallery,
    arrow,
    box,
    canvas,
    cells,
    chart,
)
from labs.lab3_notes.generate import to_sequence
from labs.lab3_notes.worked import GENERATED

GALLERY = Gallery(__file__)
BEATS = 24  # quarter notes of each piece that is drawn and played
MANY = 39  # tokens whose cost is drawn
TEMPO = 84.0
VOICES = {"soprano": KEY, "alto": VALUE, "tenor": QUERY, "bass": STATE}
PIECES = {
    "argmax": "argmax: the likeliest token, always",
    "temperature 0.8": "drawn at temperature 0.8",
    "Bach": "Bach",
}


@GALLERY.draw("0_frame")
def frame() -> Figure:
    """From a score to a network, and from the network to a score, with the tasks' numbers."""
    figure, axes = canvas(2.75)
    above = [("score", INK), ("tokens", QUERY), ("ids", QUERY), ("windows", QUERY), ("LSTM", STATE)]
    below = [("sound", INK), ("score", INK), ("tokens", QUERY), ("next id", KEY), ("logits", STATE)]
    places = [0.65 + 1.4 * place for place in range(5)]
    for x, (text, colour) in zip(places, above, strict=True):
        box(axes, (x, 2.05), text, colour, (0.86, 0.4), bold=text == "LSTM")
    for x, (text, colour) in zip(places, below, strict=True):
        box(axes, (x, 0.85), text, colour, (0.86, 0.4))
    for x, task in zip(places, ("3.1", "3.3", "3.4", "3.5"), strict=False):
        arrow(axes, (x + 0.43, 2.05), (x + 0.97, 2.05))
        axes.text(x + 0.7, 2.13, task, ha="center", fontsize=9, weight="bold")
    for x, task in zip(places, ("", "3.2", "", "3.8"), strict=False):
        arrow(axes, (x + 0.97, 0.85), (x + 0.43, 0.85))
        axes.text(x + 0.7, 0.93, task, ha="center", fontsize=9, weight="bold")
    arrow(axes, (places[4], 1.85), (places[4], 1.05), STATE)
    arrow(axes, (places[3] + 0.2, 1.05), (places[4] - 0.25, 1.85), KEY, dashed=True)
    axes.text(4.98, 1.4, "3.9: fed again", ha="right", va="center", fontsize=9, weight="bold")
    axes.text(0.22, 2.5, "training: loss 3.6, accuracy 3.7", fontsize=10, color=INK)
    axes.text(0.22, 0.3, "generation", fontsize=10, color=INK)
    return figure


@GALLERY.compute("3_1_slices")
def slices(lab: Any) -> Figure:
    """Two bars of a chorale, the cuts between its tokens, and the tokens below."""
    from toolkit.music.chorales import load_score

    score: Any = load_score("bwv269").measures(1, 2)
    figure, axes = chart(4.1)
    for part, (voice, colour) in zip(score.parts, VOICES.items(), strict=True):
        height = 0.5 if voice == "bass" else 1.1  # where tenor and bass meet, both are seen
        for note in part.flatten().notes:
            start, pitch = float(note.offset), note.pitch.midi
            _bar(axes, start, float(note.quarterLength), pitch, colour, height)
        axes.text(-0.1, part.flatten().notes[0].pitch.midi, voice, ha="right", va="center",
                  fontsize=9, color=colour)  # fmt: skip
    time, event = 0.0, []
    bottom = 42.0
    for token in lab.score_to_tokens(score):
        if not token.startswith("DUR_"):
            event.append(token.removeprefix("NOTE_"))
            continue
        length = token.removeprefix("DUR_")
        axes.axvline(time, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
        middle = time + float(Fraction(length)) / 2
        for line, text in enumerate(event):
            axes.text(middle, bottom - 3.2 * line, text, ha="center", fontsize=9)
        axes.text(middle, bottom - 3.2 * 4, length, ha="center", fontsize=9, weight="bold")
        time, event = time + float(Fraction(length)), []
    axes.axvline(time, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.text(-0.1, bottom, "NOTE_", ha="right", fontsize=9)
    axes.text(-0.1, bottom - 3.2 * 4, "DUR_", ha="right", fontsize=9, weight="bold")
    axes.set_ylim(bottom - 15, 78)
    axes.set_xlim(-0.9, time + 0.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("time in quarter notes", fontsize=9)
    return figure


@GALLERY.compute("3_2_repaired")
def repaired(lab: Any) -> Figure:
    """Ill-formed tokens above; below, what sounds."""
    figure, axes = chart(2.5)
    tokens = GENERATED.split()
    ignored = {"DUR_2": "skipped", "NOTE_67": "dropped"}
    for place, token in enumerate(tokens):
        x = 2.2 * (place + 0.5) / len(tokens)
        colour = MASKED if token in ignored else VALUE if token[0] == "D" else QUERY
        kind, _, value = token.partition("_")
        axes.text(x, 69.4, f"{kind}\n{value}", ha="center", va="center", fontsize=8, color=INK,
                  bbox={"facecolor": "white", "edgecolor": colour, "pad": 2.5})  # fmt: skip
        axes.text(x, 67.4, ignored.get(token, ""), ha="center", fontsize=8, color=INK)
    score: Any = lab.tokens_to_score(tokens)
    for element in score.flatten().notes:
        for pitch in element.pitches:
            _bar(axes, float(element.offset), float(element.quarterLength), pitch.midi, QUERY)
    axes.set_xlim(0, 2.2)
    axes.set_ylim(58.5, 71)
    axes.set_yticks([60, 64], ["60", "64"])
    axes.set_xticks([0, 1, 1.5, 2], ["0", "1", "3/2", "2"])
    axes.set_xlabel("time in quarter notes", fontsize=9)
    return figure


@GALLERY.hear("3_2_chorale")
def chorale(lab: Any) -> Any:
    """A chorale through both directions of the encoding."""
    from toolkit.music.chorales import load_score

    score: Any = load_score("bwv269").measures(1, 8)
    return to_sequence(lab.tokens_to_score(lab.score_to_tokens(score)), TEMPO)


@GALLERY.compute("3_4_windows")
def windows(lab: Any) -> Figure:
    """Two pieces cut into windows, none of which holds tokens of both."""
    pieces = [[5, 6, 7, 8, 9], [10, 11]]
    inputs, targets, _ = lab.make_windows(pieces, 4, 4)
    named = {1: "START", 2: "END", 0: "PAD"}
    figure, axes = canvas(2.75)
    for x, ids, name in ((0.35, inputs, "inputs"), (3.95, targets, "targets")):
        axes.text(x, 2.45, name, fontsize=10, weight="bold")
        texts = [[named.get(number, str(number)) for number in row] for row in ids.tolist()]
        colours = [
            [MASKED if number == 0 else KEY if row == 2 else QUERY for number in numbers]
            for row, numbers in enumerate(ids.tolist())
        ]
        for row in range(len(texts)):
            cells(axes, (x, 2.35 - 0.7 * row), texts[row : row + 1], colours[row : row + 1],
                  (0.68, 0.42))  # fmt: skip
    for row in range(3):
        arrow(axes, (3.15, 2.14 - 0.7 * row), (3.87, 2.14 - 0.7 * row))
    axes.text(0.35, 0.13, "piece 1: 5 6 7 8 9, two windows", fontsize=9, color=QUERY)
    axes.text(3.95, 0.13, "piece 2: 10 11, one window", fontsize=9, color=KEY)
    return figure


@GALLERY.draw("3_5_two_models")
def two_models() -> Figure:
    """The same layers twice: for a whole window, and for one step."""
    figure, axes = canvas(3.5)
    layers = (("Embedding", QUERY), ("LSTM", STATE), ("Dense", KEY))
    heights = (0.95, 1.75, 2.55)
    for place in range(4):
        x = 0.75 + 1.05 * place
        for (text, colour), y in zip(layers, heights, strict=True):
            box(axes, (x, y), text, colour, (0.86, 0.4))
        for start, end in ((0.45, 0.75), (1.15, 1.55), (1.95, 2.35), (2.75, 3.05)):
            arrow(axes, (x, start), (x, end))
        axes.text(x, 0.3, f"id {place}", ha="center", fontsize=9)
        axes.text(x, 3.1, f"logits {place}", ha="center", fontsize=9)
        if place:
            arrow(axes, (x - 0.62, 1.75), (x - 0.43, 1.75), STATE, bold=True)
    axes.text(2.32, 3.35, "model: a whole window at once", ha="center", fontsize=9, weight="bold")
    axes.plot([4.62, 4.62], [0.2, 3.4], color=MASKED, linewidth=1)
    x = 5.85
    for (text, colour), y in zip(layers, heights, strict=True):
        box(axes, (x, y), text, colour, (0.86, 0.4))
    for start, end in ((0.45, 0.75), (1.15, 1.55), (1.95, 2.35), (2.75, 3.05)):
        arrow(axes, (x, start), (x, end))
    arrow(axes, (5.12, 1.75), (5.42, 1.75), STATE, bold=True)
    arrow(axes, (6.28, 1.75), (6.58, 1.75), STATE, bold=True)
    axes.text(4.9, 1.75, "old\nh, c", ha="center", va="center", fontsize=9, color=STATE)
    axes.text(6.79, 1.75, "new\nh, c", ha="center", va="center", fontsize=9, color=STATE)
    axes.text(x, 0.3, "one id", ha="center", fontsize=9)
    axes.text(x, 3.1, "its logits", ha="center", fontsize=9)
    axes.text(x, 3.35, "stepper: one step", ha="center", fontsize=9, weight="bold")
    axes.text(
        0.32, 0.06, "the same three layers everywhere: boxes of a name are one layer", fontsize=8.5
    )
    return figure


@GALLERY.draw("3_6_surprise")
def surprise() -> Figure:
    """What each token of a chorale's beginning costs the trained network."""
    values = GALLERY.values("3_9_trained")
    tokens, nats = values["Bach"][:MANY], values["nats"]
    figure, axes = chart(2.7)
    looks = {
        "lowest note of a chord": (KEY, None),
        "higher notes": (QUERY, "//"),
        "length": (VALUE, ".."),
    }
    before = "START"
    for place, (token, cost) in enumerate(zip(tokens, nats, strict=True)):
        kind = "length" if token[0] == "D" else "higher notes" if before[0] == "N" else ""
        colour, hatch = looks[kind or "lowest note of a chord"]
        axes.bar(place, cost, 0.8, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        before = token
    for name, (colour, hatch) in looks.items():
        axes.bar(0, 0, color=colour, hatch=hatch, edgecolor="white", linewidth=0, label=name)
    axes.set_xticks(range(len(tokens)), [token.split("_")[1] for token in tokens], rotation=90,
                    fontsize=8)  # fmt: skip
    axes.set_ylabel("nats", fontsize=9)
    axes.margins(x=0.01)
    axes.legend(frameon=False, fontsize=9)
    return figure


@GALLERY.compute("3_8_cuts")
def cuts(lab: Any) -> Figure:
    """What is drawn from one distribution, uncut and by temperature, top-k and top-p."""
    values = GALLERY.values("3_9_trained")
    logits, draws, kept = np.array(values["logits"]), 10_000, 12
    order = np.argsort(-logits)[:kept]
    probabilities = np.exp(log_softmax(logits))[order]
    ways: tuple[tuple[str, dict[str, Any]], ...] = (
        ("temperature 1", {}),
        ("temperature 0.5", {"temperature": 0.5}),
        ("top_k=4", {"top_k": 4}),
        ("top_p=0.8", {"top_p": 0.8}),
    )
    figure, all_axes = chart(2.5, 4, sharey=True)
    for axes, (name, way) in zip(all_axes, ways, strict=True):
        drawn = lab.sample_next(np.tile(logits, (draws, 1)), seed=0, **way)
        shares = np.bincount(drawn, minlength=len(logits))[order] / draws
        axes.bar(range(kept), shares, 0.8, color=QUERY)
        axes.step(np.arange(kept + 1) - 0.5, [*probabilities, probabilities[-1]], where="post",
                  color=INK, linewidth=1)  # fmt: skip
        axes.set_title(name, fontsize=10)
        axes.set_xticks(range(kept), [values["vocabulary"][token][5:] for token in order],
                        rotation=90, fontsize=8)  # fmt: skip
        axes.set_xlabel("pitch", fontsize=9)
    all_axes[0].set_ylabel("share of 10,000 draws", fontsize=9)
    return figure


@GALLERY.draw("3_9_rolls")
def rolls() -> Figure:
    """Three continuations of one primer: by argmax, drawn, and Bach's own."""
    values = GALLERY.values("3_9_trained")
    figure = Figure((WIDTH, 4.6), dpi=DPI, layout="constrained")
    rows = figure.subplots(3, 1, sharex=True, sharey=True)
    for axes, (name, title) in zip(rows, PIECES.items(), strict=True):
        time, event = 0.0, []
        for token in values[name]:
            kind, _, value = token.partition("_")
            if kind == "NOTE":
                event.append(int(value))
                continue
            for pitch in event:
                _bar(axes, time, float(Fraction(value)), pitch, QUERY, 1.1)
            time, event = time + float(Fraction(value)), []
        axes.axvspan(0, 1.5, color=MASKED, alpha=0.35, linewidth=0)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlim(0, BEATS)
        axes.set_ylabel("pitch", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("time in quarter notes; grey: the primer", fontsize=9)
    return figure


@GALLERY.hear("3_9_argmax")
def hear_argmax(lab: Any) -> Any:
    """What the trained network makes of the primer by argmax."""
    return _heard(lab, "argmax")


@GALLERY.hear("3_9_drawn")
def hear_drawn(lab: Any) -> Any:
    """What it makes of the primer at temperature 0.8."""
    return _heard(lab, "temperature 0.8")


@GALLERY.hear("3_9_bach")
def hear_bach(lab: Any) -> Any:
    """What Bach made of it."""
    return _heard(lab, "Bach")


def _heard(lab: Any, name: str) -> Any:
    return to_sequence(lab.tokens_to_score(GALLERY.values("3_9_trained")[name]), TEMPO)


def _bar(
    axes: Axes, start: float, length: float, pitch: int, colour: str, height: float = 0.8
) -> None:
    """A note on a piano roll."""
    axes.barh(pitch, length - 0.06, height, left=start + 0.03, color=colour)


# Measured


@GALLERY.measure("3_9_trained")
def trained() -> dict[str, Any]:
    """Train as `make lab3` does, and keep what the network says about one chorale.

    - "Bach", "argmax", "temperature 0.8": its tokens, and what is generated from its first chords
    - "nats": what each of its tokens costs
    - "logits": of the note that follows its first eight chords
    - "by kind": mean nats and accuracy over validation, by what the token is
    - "padding": share of the positions of validation windows, by their length
    """
    from labs.course.catalogue import load_lab
    from labs.course.code import load_tasks
    from labs.lab3_notes.data import load_pieces
    from labs.lab3_notes.experiment import Settings
    from labs.lab3_notes.generate import choose_primers
    from labs.lab3_notes.train import cut_windows, train
    from toolkit.training.runs import Run
    from toolkit.training.runtime import configure

    tasks, settings = load_tasks(load_lab(3), "solution"), Settings()
    runtime = configure(settings.seed)
    pieces = load_pieces(tasks, settings)
    windows, _ = cut_windows(tasks, settings, pieces)
    model, stepper = tasks.build_note_lstm(
        len(pieces.vocabulary),
        settings.embedding_dim,
        settings.units,
        settings.num_layers,
        settings.dropout,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Run.create("lab3_notes", "quick", {}, root=Path(folder)) as run,
    ):
        train(tasks, settings, run, runtime, model, windows)
    primer = choose_primers(tasks.START, settings, pieces)[0]
    begin = primer.tolist()[1:]
    bach = next(ids for ids in pieces.ids["test"] if ids.tolist()[: len(begin)] == begin)
    logits = model.predict_on_batch(np.array([[tasks.START, *bach]], np.int32))
    nats = -log_softmax(logits)[0, np.arange(len(bach)), bach]
    values: dict[str, Any] = {
        "vocabulary": pieces.vocabulary,
        "logits": np.round(logits[0, ends(pieces.tokens(bach))[7]].astype(float), 3).tolist(),
        "Bach": first_beats(pieces.tokens(bach)),
        "nats": np.round(nats[:MANY].astype(float), 3).tolist(),
        "by kind": by_kind(model, pieces.vocabulary, *windows["validation"]),
        "padding": {
            length: 1 - tasks.make_windows(pieces.ids["validation"], length, length)[2].mean()
            for length in (64, 128, 256)
        },
    }
    for name, temperature in (("argmax", 0.0), ("temperature 0.8", 0.8)):
        (ids,) = tasks.generate(stepper, primer[None], settings.max_length, temperature, seed=0)
        values[name] = first_beats(pieces.tokens(ids[1:]))
    return values


def ends(tokens: list[str]) -> list[int]:
    """Where each chord ends: the place after its DUR."""
    return [place for place, token in enumerate(tokens, 1) if token.startswith("DUR_")]


def first_beats(tokens: list[str]) -> list[str]:
    """Take as many tokens as fill `BEATS` quarter notes."""
    places, lengths = ends(tokens), [float(Fraction(t[4:])) for t in tokens if t[0] == "D"]
    return tokens[: places[int(np.searchsorted(np.cumsum(lengths), BEATS))]]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities, along the last axis."""
    return ops.convert_to_numpy(ops.log_softmax(logits))


def by_kind(
    model: Any, vocabulary: list[str], inputs: np.ndarray, targets: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Mean nats and accuracy by what the target is: the lowest note of a chord, a higher one, …"""
    logits = np.concatenate([model.predict_on_batch(part) for part in np.array_split(inputs, 8)])
    nats = -np.take_along_axis(log_softmax(logits), targets[..., None], -1)[..., 0]
    right = logits.argmax(-1) == targets
    is_note = np.array([token.startswith("NOTE_") for token in vocabulary])
    is_length = np.array([token.startswith("DUR_") for token in vocabulary])
    chosen = {
        "lowest note": is_note[targets] & ~is_note[inputs],
        "higher notes": is_note[targets] & is_note[inputs],
        "length": is_length[targets],
    }
    return {
        kind: (float(nats[where].mean()), float(right[where].mean()))
        for kind, where in chosen.items()
    }
