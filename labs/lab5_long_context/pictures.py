"""The pictures and sounds of Lab 5's lessons; see `labs.course.pictures`."""

import time
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import keras
import numpy as np
from keras import ops
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from labs.course.pictures import (
    INK,
    KEY,
    MASKED,
    PAPER,
    QUERY,
    STATE,
    VALUE,
    Gallery,
    arrow,
    box,
    canvas,
    cells,
    chart,
    heatmap,
)
from labs.lab5_long_context.worked import BROKEN, CHORALE, EIGHTHS, drawn, seen
from toolkit.music.piece import ROOTS, TICKS_PER_BEAT, Piece
from toolkit.music.pieces import to_sequence
from toolkit.music.remi import AUTHORS, BAR, COMPOUND, END, FIELDS, STEP

GALLERY = Gallery(__file__)


def write(axes: Axes, place: tuple[float, float], text: str, **options: Any) -> None:
    """Write a text, centred unless told otherwise."""
    axes.text(*place, text, **{"ha": "center", "va": "center", "fontsize": 9, **options})


def keys_and_values(steps: int, size: int) -> list[np.ndarray]:
    """Make random queries, keys and values: (1, 1, steps, size) each."""
    rng = np.random.default_rng(5)
    return [rng.normal(0, 1.5, (1, 1, steps, size)).astype("float32") for _ in range(3)]


# The frame


@GALLERY.draw("0_frame")
def whole_lab() -> Figure:
    """From a piece over two kinds of words and two networks to songs."""
    figure, axes = canvas(2.5)
    tall, middle, upper, lower = (0.95, 0.56), 1.3, 2.05, 0.55
    box(axes, (0.55, middle), "a piece", INK, (0.8, 0.5))
    box(axes, (1.75, middle), "chords\n5.1, 5.2", INK, tall)
    box(axes, (3.05, upper), "words, REMI\n5.3, 5.4", QUERY, (1.15, 0.56))
    box(axes, (3.05, lower), "compound\nwords 5.5, 5.6", VALUE, (1.15, 0.56))
    box(axes, (4.6, upper), "Transformer-XL\n5.7 to 5.11", QUERY, (1.25, 0.56), bold=True)
    box(axes, (4.6, lower), "linear attention\n5.12 to 5.17", VALUE, (1.25, 0.56), bold=True)
    box(axes, (6.25, upper), "nats a note\n5.18, 5.19", STATE, (1.1, 0.56))
    box(axes, (6.25, lower), "songs\n5.20", STATE, (1.1, 0.56))
    arrow(axes, (0.95, middle), (1.275, middle))
    for height, colour in ((upper, QUERY), (lower, VALUE)):
        arrow(axes, (2.225, middle + 0.1 * np.sign(height - middle)), (2.475, height), colour)
        arrow(axes, (3.625, height), (3.975, height), colour)
        for goal in (upper, lower):
            arrow(axes, (5.225, height), (5.7, goal + 0.12 * np.sign(height - goal)), colour)
    write(axes, (3.82, 1.3), "4.01 words a note above,\n1.64 rows a note below", fontsize=8.5)
    return figure


# 5.1 to 5.6: words


@GALLERY.compute("5_1_chord")
def scored_chord(lab: Any) -> Figure:
    """The sounding ticks of each pitch class, and two templates turned to their roots."""
    sounding = np.zeros(12, int)
    sounding[[5, 9, 0, 4]] = 480
    notes = np.array([[0, 480, pitch, 64] for pitch in (53, 57, 60, 64)])
    name, score = lab.name_chord(notes, 0, 480)
    figure, axes = canvas(1.95)
    rows = [("F, M", 5, "M"), ("A, m", 9, "m")]
    templates = [np.roll(lab.TEMPLATES[quality], root) for _, root, quality in rows]
    texts = [[*ROOTS], [str(ticks) if ticks else "" for ticks in sounding]]
    texts += [[f"{number:d}".replace("-", "−") for number in row] for row in templates]
    fills = [[PAPER] * 12, [VALUE if ticks else PAPER for ticks in sounding]]
    fills += [[QUERY if ticks else PAPER for ticks in sounding] for _ in rows]
    cells(axes, (0.85, 1.7), texts, fills, (0.42, 0.34))
    for place, label in enumerate(["pitch class", "ticks", *(row[0] for row in rows)]):
        write(axes, (0.78, 1.53 - 0.34 * place), label, ha="right")
    for place, template in enumerate(templates):
        total = int(sounding @ template)
        write(axes, (5.97, 0.85 - 0.34 * place), f"Σ = {total:,}", ha="left")
    write(axes, (3.4, 0.14), f"The better root and quality; then sevenths: {name}, {score:,}")
    return figure


def roll(axes: Axes, notes: np.ndarray, colour: str = QUERY) -> None:
    """Draw notes by beat and pitch."""
    for start, end, pitch, *_ in notes.tolist():
        corner = start / TICKS_PER_BEAT + 0.02, pitch - 0.4
        long = (end - start) / TICKS_PER_BEAT - 0.04
        axes.add_patch(Rectangle(corner, long, 0.8, facecolor=colour, edgecolor=INK, linewidth=0.6))
    axes.set_ylim(notes[:, 2].min() - 2, notes[:, 2].max() + 2)
    axes.set_ylabel("pitch", fontsize=9)


@GALLERY.compute("5_2_chords")
def named_beats(lab: Any) -> Figure:
    """Two bars of a chorale with the chord of each beat."""
    figure, axes = chart(2.4)
    roll(axes, CHORALE)
    axes.set_xlim(0, 8)
    for beat, name in enumerate(lab.recognise_chords(CHORALE)):
        alone = beat % 2
        axes.axvline(beat, color=MASKED, linewidth=0.8 if alone else 2.2, zorder=0)
        axes.text(beat + 0.5, 78.5, name, ha="center", fontsize=10, weight="bold", color=STATE)
    axes.set_ylim(43, 81)
    axes.set_xlabel("beats; thick lines: where a pair begins", fontsize=9)
    return figure


KINDS = {"bar": KEY, "position": KEY, "chord": STATE, "pitch": QUERY}


def chips(
    axes: Axes,
    words: list[str],
    top: float,
    colours: list[str],
    crossed: tuple[int, ...] = (),
    columns: int = 4,
) -> None:
    """Write words in boxes, line by line."""
    for place, (word, colour) in enumerate(zip(words, colours, strict=True)):
        x, y = 0.9 + 1.73 * (place % columns), top - 0.4 * (place // columns)
        if place in crossed:
            cells(axes, (x - 0.81, y + 0.15), [[f"✗ {word}"]], [[MASKED]], (1.62, 0.3))
        else:
            box(axes, (x, y), word, colour, (1.62, 0.3))


@GALLERY.compute("5_3_remi")
def rounded_starts(lab: Any) -> Figure:
    """Two notes where they start, on a grid of sixteenths, and their words."""
    notes = np.array([[0, 470, 60, 81], [300, 780, 64, 80]])
    words = lab.encode_remi(Piece(notes), AUTHORS)
    figure, axes = canvas(3.0)
    for step in range(9):
        x = 0.6 + 0.7 * step
        wide = 2 if step % 4 == 0 else 0.8
        axes.plot([x, x], [1.65, 2.7], color=MASKED, linewidth=wide, zorder=0)
        write(axes, (x, 1.52), f"step {step}" if step % 2 == 0 else str(step), fontsize=8.5)
    for (start, end, pitch, _), name, y in zip(
        notes.tolist(), ("C4", "E4"), (1.72, 2.36), strict=True
    ):
        x, long = 0.6 + 0.7 * start / STEP, 0.7 * (end - start) / STEP
        axes.add_patch(Rectangle((x, y), long, 0.26, facecolor=QUERY, edgecolor=INK))
        write(axes, (x + long / 2, y + 0.13), f"{name}, pitch {pitch}", color=PAPER)
    arrow(axes, (0.6 + 0.7 * 2.5, 2.18), (0.6 + 0.7 * 2.03, 2.18), KEY, bold=True)
    said = "starts at 300 ticks, step 2.5: rounded to the even step, 2"
    write(axes, (0.6 + 0.7 * 2.65, 2.18), said, ha="left", fontsize=8.5, backgroundcolor=PAPER)
    colours = [KINDS.get(AUTHORS.words[word][0], INK) for word in words]
    chips(axes, words, 1.1, colours)
    return figure


@GALLERY.compute("5_4_broken")
def kept_words(lab: Any) -> Figure:
    """Words of which four break the grammar, and what is decoded of them."""
    words = BROKEN.split()
    piece, count = lab.decode_remi(words, AUTHORS)
    figure, axes = canvas(1.85)
    crossed = (1, 3, 4, 5)
    chips(axes, words, 1.6, [VALUE] * len(words), crossed)
    notes = "; ".join(
        f"pitch {pitch}, ticks {start} to {end}" for start, end, pitch, _ in piece.notes.tolist()
    )
    write(axes, (3.5, 0.25), f"decoded: {notes}        broken: {count} words", fontsize=10)
    return figure


@GALLERY.hear("5_4_chorale")
def decoded_chorale(lab: Any) -> Any:
    """Two bars of a chorale, from their words."""
    words: list[str] = []
    before = -1
    for at, long, pitch in EIGHTHS:
        if at % 8 == 0 and at != before:
            words.append(BAR)
        if at != before:
            words.append(AUTHORS.position(2 * (at % 8)))
        words += AUTHORS.note(pitch, 80, 2 * long * STEP)
        before = at
    return to_sequence(lab.decode_remi([*words, BAR, END], AUTHORS)[0])


@GALLERY.compute("5_5_compound")
def rows_of_words(lab: Any) -> Figure:
    """The first beat of the chorale: words above, rows of seven fields below."""
    notes = [AUTHORS.note(pitch, 64, 480) for pitch in (69, 65, 60, 53)]
    groups = [[BAR], ["Beat_0", "Chord_F_M"], *notes, ["Beat_4"]]
    rows = lab.remi_to_compound([word for group in groups for word in group])
    figure, axes = canvas(3.7)
    wide = 0.86
    for place, group in enumerate(groups):
        for number, word in enumerate(group):
            centre = 0.95 + wide * (place + 0.5), 3.5 - 0.3 * number
            text = word.removeprefix("Note_").removesuffix("_None").replace("_", " ", 1)
            text = text.replace("Velocity", "Vel.").replace("Duration", "Dur.")
            colour = KINDS.get(AUTHORS.words[word][0], INK)
            box(axes, centre, text, colour, (wide - 0.06, 0.25))
    write(axes, (0.88, 3.5), "15 words", ha="right")
    texts, fills = [], []
    for number, field in enumerate(FIELDS):
        ids = [int(row[number]) for row in rows]
        named = [COMPOUND[field][id] for id in ids]
        texts.append([shorter(name) if id else "0" for id, name in zip(ids, named, strict=True)])
        fills.append([VALUE if id else MASKED for id in ids])
        write(axes, (0.88, 2.3 - 0.3 * number), field, ha="right")
    cells(axes, (0.95, 2.45), texts, fills, (wide, 0.3))
    write(axes, (0.88, 2.62), f"{len(rows)} rows", ha="right", weight="bold")
    for place in range(len(groups)):
        x = 0.95 + wide * (place + 0.5)
        arrow(axes, (x, 2.74), (x, 2.47), MASKED)
    return figure


def shorter(word: str) -> str:
    """Leave out what the field's name says."""
    return (
        str(word)
        .replace("Note_", "")
        .replace("Pitch_", "")
        .replace("Duration_", "")
        .replace("Velocity_", "")
    )


# 5.7 to 5.11: Transformer-XL


@GALLERY.compute("5_7_waves")
def waves(lab: Any) -> Figure:
    """Vectors of 64 positions, and their products by distance."""
    vectors = ops.convert_to_numpy(lab.sinusoids(np.arange(200), 32))
    figure, (left, right) = chart(2.5, 2)
    heatmap(left, vectors[:64].T, "32 numbers of each position")
    left.set_xlabel("position", fontsize=9)
    left.set_yticks([0, 15.5, 31], ["sin, fast", "slow | cos, fast", "slow"], fontsize=8)
    distances = np.arange(0, 64)
    for begin, style in ((3, "-"), (103, "o")):
        products = vectors[begin + distances] @ vectors[begin]
        right.plot(
            distances[:: 3 if style == "o" else 1],
            products[:: 3 if style == "o" else 1],
            style,
            color=KEY if style == "o" else QUERY,
            markersize=4,
            markerfacecolor=PAPER,
            label=f"from position {begin}",
        )
    right.set_title("product of two vectors", fontsize=10)
    right.set_xlabel("distance between them", fontsize=9)
    right.legend(fontsize=8, frameon=False)
    return figure


@GALLERY.compute("5_8_terms")
def four_terms(lab: Any) -> Figure:
    """Each of the four terms alone, after a memory of four words."""
    note = ["pos", "pitch", "vel", "dur"]
    line = ["bar", *note, *note, "bar", *note[:2]]
    kinds = list(dict.fromkeys(line))
    alike = np.eye(len(kinds), dtype="float32")[[kinds.index(word) for word in line]]
    reach, size = 4, len(line)
    recent = np.exp(-np.arange(size)[::-1] / 2.5).astype("float32")
    queries, keys = alike[None, None, reach:], alike[None, None]
    positions = (recent[:, None] * np.array([0, 1, 0, 0.5, 0], "float32"))[None]
    likes_bars, likes_near = np.eye(5, dtype="float32")[:1], np.ones((1, 5), "float32")
    nothing = [np.zeros_like(part) for part in (queries, keys, positions, likes_bars, likes_bars)]
    terms = (
        ("(a) content", (queries, keys, *nothing[2:])),
        ("(b) distance", (queries, nothing[1], positions, *nothing[3:])),
        ("(c) liked by all", (nothing[0], keys, nothing[2], likes_bars, nothing[4])),
        ("(d) distance, for all", (*nothing[:2], positions, nothing[3], likes_near)),
    )
    later = np.arange(size) > np.arange(reach, size)[:, None]
    figure, found = chart(2.2, 4, sharey=True)
    for axes, (title, parts) in zip(found, terms, strict=True):
        scores = ops.convert_to_numpy(lab.relative_scores(*parts))[0, 0]
        axes.set_facecolor(MASKED)
        heatmap(axes, np.where(later, np.nan, scores), title)
        axes.axvline(reach - 0.5, color=INK, linewidth=1.2, linestyle="--")
        axes.set_xticks(range(size), line, rotation=90, fontsize=8)
        axes.set_yticks(range(size - reach), line[reach:], fontsize=8)
    found[0].set_ylabel("queries", fontsize=9)
    figure.supxlabel("keys; left of the dashed line: memory; grey: later", fontsize=9)
    return figure


@GALLERY.draw("5_9_memory")
def two_segments() -> Figure:
    """Three levels of two segments, and where the last word's information comes from."""
    figure, axes = canvas(2.75)
    columns = [0.95 + 0.62 * place + 0.35 * (place > 3) for place in range(8)]
    levels = [0.55, 1.3, 2.05]
    for lower, upper in pairwise(levels):
        for goal in range(4, 8):
            for source in range(goal - 3, goal + 1):
                old = source < 4
                start, end = (columns[source], lower + 0.12), (columns[goal], upper - 0.12)
                arrow(axes, start, end, KEY if old else STATE, dashed=old)
    for level, name in zip(levels, ("words", "after layer 1", "after layer 2"), strict=True):
        for place, x in enumerate(columns):
            box(axes, (x, level), "", KEY if place < 4 else STATE, (0.3, 0.22))
        write(axes, (6.0, level), name, ha="left")
    middle = (columns[3] + columns[4]) / 2
    axes.plot([middle, middle], [0.3, 2.35], color=INK, linewidth=2.2)
    write(axes, (middle, 2.5), "no gradient passes here", weight="bold")
    write(axes, (columns[0] + 0.75, 0.15), "segment 1, kept as memory", color=KEY)
    write(axes, (columns[5] + 0.3, 0.15), "segment 2", color=STATE)
    return figure


@GALLERY.compute("5_9_seen")
def seen_keys(lab: Any) -> Figure:
    """Which positions three queries see after a memory of three, in three cases."""
    figure, axes = canvas(1.95)
    cases = (
        ("all known", (True,) * 3, False),
        ("same_length", (True,) * 3, True),
        ("a new piece", (False,) * 3, False),
    )
    for place, (title, known, same) in enumerate(cases):
        looks, x = seen(lab, known, same, 3), 0.62 + 2.16 * place
        texts = [["●" if one else "" for one in row] for row in looks]
        fills = [[(KEY if i < 3 else STATE) if one else PAPER for i, one in enumerate(row)]
                 for row in looks]  # fmt: skip
        cells(axes, (x, 1.4), texts, fills, (0.32, 0.32))
        write(axes, (x + 0.96, 1.78), title, weight="bold")
        for key in range(6):
            write(axes, (x + 0.16 + 0.32 * key, 1.52), str(key), fontsize=8.5)
        if place == 0:
            for query in range(3):
                write(axes, (x - 0.06, 1.24 - 0.32 * query), f"query {query}", ha="right")
        write(axes, (x + 0.48, 0.27), "memory", color=KEY)
        write(axes, (x + 1.44, 0.27), "segment", color=STATE)
    return figure


@GALLERY.compute("5_10_reach")
def reach_by_layer(lab: Any) -> Figure:
    """Which of 20 words change the scores after the last one, with one to three layers."""
    words, segment = 20, 4
    ids = np.random.default_rng(1).integers(0, 7, words)
    batch = np.concatenate([ids[None], (ids + np.eye(words, dtype=int)) % 7]).astype("int32")
    figure, axes = canvas(2.05)
    for row, num_layers in enumerate((1, 2, 3)):
        keras.utils.set_random_seed(0)
        model = lab.TransformerXL(7, 8, 2, 16, num_layers, segment, same_length=True)
        model.build((None, None))
        memory = model.empty_memory(len(batch))
        for begin in range(0, words, segment):
            logits, memory = model.read(batch[:, begin : begin + segment], memory)
        last = ops.convert_to_numpy(logits)[:, -1]
        matters = np.abs(last[1:] - last[0]).max(axis=-1) > 1e-5
        left, y = 0.8, 1.7 - 0.42 * row
        fills = [[(STATE if i >= 16 else KEY) if one else PAPER for i, one in enumerate(matters)]]
        cells(axes, (left, y), [["●" if one else "" for one in matters]], fills, (0.28, 0.28))
        write(
            axes, (left - 0.07, y - 0.14), f"{num_layers} layer{'s' * (num_layers > 1)}", ha="right"
        )
        back = words - 1 - int(np.flatnonzero(matters)[0])
        write(axes, (left + 5.68, y - 0.14), f"{back} back", ha="left", fontsize=8.5)
    for cut in range(6):
        x = 0.8 + 0.28 * segment * cut
        axes.plot([x, x], [0.48, 1.8], color=INK, linewidth=1.8)
    for place in range(5):
        name = f"segment {place + 1}"
        write(axes, (0.8 + 0.28 * (4 * place + 2), 1.92), name, fontsize=8.5)
    write(axes, (3.6, 0.22), "filled: changing this word changes the scores after the last word")
    return figure


@GALLERY.compute("5_11_streams")
def streams(lab: Any) -> Figure:
    """Four pieces in two rows of batches."""
    offsets = np.array([0, 7, 10, 14, 19])
    owners = np.repeat(np.arange(4), np.diff(offsets))
    words = np.arange(19) - offsets[owners]
    colours = (QUERY, KEY, VALUE, STATE)
    figure, axes = canvas(1.7)
    batches = list(lab.stream_batches(np.arange(1, 20), offsets, 3, 2))
    for number, (_, targets, fresh) in enumerate(batches):
        x = 0.62 + 1.28 * number
        write(axes, (x + 0.57, 1.52), f"batch {number + 1}")
        for row in range(2):
            ids = targets[row].tolist()
            texts = [f"{'ABCD'[owners[id - 1]]}{words[id - 1]}" if id > 0 else "–" for id in ids]
            fills = [colours[owners[id - 1]] if id > 0 else PAPER for id in ids]
            cells(axes, (x, 1.3 - 0.56 * row), [texts], [fills], (0.38, 0.3))
            if fresh[row]:
                write(axes, (x, 0.97 - 0.56 * row), "▲ fresh", ha="left", va="top", fontsize=8)
    for row in range(2):
        write(axes, (0.55, 1.15 - 0.56 * row), f"row {row}", ha="right")
    write(axes, (3.5, 0.1), "A0 is word 0 of piece A; where a row is fresh, its memory is unknown")
    return figure


# 5.12 to 5.17: the linear Transformer


@GALLERY.draw("5_12_products")
def two_orders() -> Figure:
    """The two orders of one product, sizes drawn to scale for 8 positions and 2 features."""
    figure, axes = canvas(2.9)
    unit, size = 0.12, 2

    def matrix(x: float, y: float, name: str, shape: tuple[int, int], colour: str) -> float:
        high, wide = (unit * number for number in shape)
        axes.add_patch(
            Rectangle((x, y - high / 2), wide, high, facecolor=PAPER, edgecolor=colour, lw=1.8)
        )
        write(axes, (x + wide / 2, y - high / 2 - 0.13), name, color=colour, fontsize=8.5)
        return x + wide

    for row, (y, long) in enumerate(((2.25, 8), (0.82, 8))):
        x = matrix(0.35, y, "Q", (long, size), QUERY)
        names = ("Kᵀ", (size, long), KEY), ("V", (long, size), VALUE)
        write(axes, (x + 0.14, y), "(" if row else "·", fontsize=13)
        x = matrix(x + 0.28, y, names[0][0], names[0][1], KEY)
        write(axes, (x + 0.14, y), "·" if row else ")", fontsize=13)
        x = matrix(x + 0.28, y, names[1][0], names[1][1], VALUE)
        write(axes, (0.22, y), "" if row else "(", fontsize=13)
        write(axes, (x + 0.14, y), ")" if row else "", fontsize=13)
        write(axes, (x + 0.38, y), "=", fontsize=13)
        if row:
            x = matrix(3.3, y, "Q", (long, size), QUERY)
            x = matrix(x + 0.3, y, "S, d × d", (size, size), STATE)
            write(axes, (4.9, y), "the sum over keys comes first:\nT·d² products, a small S",
                  ha="left")  # fmt: skip
        else:
            x = matrix(3.3, y, "weights, T × T", (long, long), INK)
            x = matrix(x + 0.2, y, "V", (long, size), VALUE)
            write(axes, (4.9, y), "every query meets every key:\nT²·d products", ha="left")
    return figure


@GALLERY.compute("5_12_weights")
def sharp_and_flat(lab: Any) -> Figure:
    """Weights of softmax and of linear attention for the same queries and keys."""
    queries, keys, _ = keys_and_values(16, 8)
    scores = np.where(np.tri(16, dtype=bool), (queries @ keys.swapaxes(2, 3))[0, 0], -np.inf)
    raised = np.exp(scores / 8**0.5)
    softmax = raised / raised.sum(axis=1, keepdims=True)
    identity = np.eye(16, dtype="float32")[None, None]  # as values: each output is its weights
    linear = ops.convert_to_numpy(lab.linear_attention(queries, keys, identity))[0, 0]
    figure, found = chart(2.5, 2)
    for axes, name, weights in zip(found, ("softmax", "linear"), (softmax, linear), strict=True):
        largest = weights[4:].max(axis=1).mean()
        heatmap(axes, np.round(weights, 1), f"{name}; largest weight {largest:.2f} on average")
        axes.images[0].set_clim(0, 1)
        axes.set_xlabel("key", fontsize=9)
        axes.set_xticks(range(0, 16, 5))
        axes.set_yticks(range(0, 16, 5))
    found[0].set_ylabel("query", fontsize=9)
    return figure


@GALLERY.draw("5_13_chunks")
def in_chunks() -> Figure:
    """The triangle of weights, cut into chunks."""
    figure, axes = canvas(2.7)
    unit, left, top = 0.19, 0.75, 2.5
    for query in range(12):
        for key in range(12):
            corner = left + unit * key, top - unit * (query + 1)
            own = query // 4 == key // 4
            face = QUERY if own and key <= query else PAPER
            axes.add_patch(Rectangle(corner, unit, unit, facecolor=face, edgecolor=MASKED, lw=0.5))
    for chunk in (1, 2):
        corner, long = (left, top - 4 * unit * (chunk + 1)), 4 * unit * chunk
        axes.add_patch(
            Rectangle(corner, long, 4 * unit, facecolor=STATE, alpha=0.3, edgecolor=INK, hatch="//")
        )
        middle = left + long / 2, corner[1] + 2 * unit
        box(axes, middle, f"S before {chunk}", STATE, (0.74, 0.26))
    write(axes, (left + 6 * unit, 0.1), "keys")
    axes.text(left - 0.2, top - 6 * unit, "queries", rotation=90, ha="center", va="center",
              fontsize=9)  # fmt: skip
    for place, (name, colour) in enumerate(
        (
            ("inside a chunk: the definition, 4 × 4 weights", QUERY),
            ("all earlier chunks: one matrix S, no weights", STATE),
            ("later keys: never computed", MASKED),
        )
    ):
        y = 2.1 - 0.5 * place
        hatch = "//" if place == 1 else None
        face = PAPER if place == 2 else colour
        axes.add_patch(
            Rectangle((3.4, y - 0.1), 0.2, 0.2, facecolor=face, edgecolor=MASKED, hatch=hatch)
        )
        write(axes, (3.7, y), name, ha="left")
    return figure


LENGTHS = (256, 512, 1024, 2048, 4096)
LONGEST = {"linear_attention": 2048, "causal_linear_attention": 4096}


@GALLERY.measure("5_13_cost")
def costs() -> dict[str, list[list[float]]]:
    """Seconds of CPU and MB of attention forward and back, 8 heads of 64, in processes anew."""
    found: dict[str, list[list[float]]] = {}
    for name, longest in LONGEST.items():
        found[name] = []
        for length in LENGTHS:
            if length <= longest:
                with get_context("spawn").Pool(1) as process:
                    found[name].append([length, *process.apply(cost, (name, length))])
    return found


def cost(name: str, length: int) -> tuple[float, float]:
    """Measure one length: the least CPU seconds of three, and the peak memory in MB."""
    import tensorflow as tf

    from labs.lab5_long_context import solution
    from toolkit.training.memory import peak_bytes

    parts = [tf.random.normal((1, 8, length, 64), seed=seed) for seed in range(3)]

    def once() -> None:
        with tf.GradientTape() as tape:
            tape.watch(parts)
            output = getattr(solution, name)(*parts)
            loss = tf.reduce_sum(output if name == "linear_attention" else output[0])
        tape.gradient(loss, parts)

    peak = (peak_bytes(once, fresh=True) or 0) / 1e6
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        once()
        seconds.append(time.process_time() - begin)
    return round(min(seconds), 4), round(peak, 1)


@GALLERY.draw("5_13_cost")
def cost_by_length() -> Figure:
    """Time and memory of both ways by length."""
    figure, found = chart(2.5, 2)
    styles = {
        "linear_attention": ("o-", KEY, "5.12"),
        "causal_linear_attention": ("s--", QUERY, "5.13"),
    }
    titles = "CPU seconds", "MB at the peak"
    marks: list[list[float]] = [[0.03, 0.06, 0.125, 0.25, 0.5], [20, 80, 320, 1280]]
    for place, (axes, title, ticks) in enumerate(zip(found, titles, marks, strict=True)):
        for name, rows in GALLERY.values("5_13_cost").items():
            style, colour, label = styles[name]
            rows = np.array(rows)
            axes.loglog(rows[:, 0], rows[:, 1 + place], style, color=colour, base=2)
            axes.text(rows[-1, 0] * 1.15, rows[-1, 1 + place], label, color=colour, fontsize=9)
        axes.set_xticks(LENGTHS, [f"{length:,}" for length in LENGTHS])
        axes.set_yticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("positions", fontsize=9)
        axes.minorticks_off()
    return figure


@GALLERY.compute("5_14_state")
def filling_state(lab: Any) -> Figure:
    """The sums after 1, 8 and 64 steps, and how much the first step's value still counts."""
    steps, size = 64, 8
    _, keys, values = keys_and_values(steps, size)
    first = np.zeros((1, 1, steps, 1), "float32")
    first[:, :, 0] = 1  # as values: what comes out is the first step's share
    sums = [np.zeros((1, 1, size, width), "float32") for width in (size, 1)]
    normaliser = np.zeros((1, 1, size), "float32")
    figure, found = chart(2.3, 4, gridspec_kw={"width_ratios": [1, 1, 1, 1.9]})
    shares, panel = [], 0
    for t in range(steps):
        for number, what in enumerate((values, first)):
            # asked with the first key, so that softmax would look at the first step most
            asked = 0.6 * keys[:, :, 0]
            output, sums[number], after = lab.linear_attention_step(
                asked, keys[:, :, t], what[:, :, t], sums[number], normaliser
            )
        normaliser = after
        shares.append(float(np.ravel(ops.convert_to_numpy(output))[0]))
        if t + 1 in (1, 8, 64):
            state = ops.convert_to_numpy(sums[0])[0, 0]
            levels = np.round(5 * state / np.abs(state).max())  # few colours
            heatmap(found[panel], levels, f"S, step {t + 1}")
            found[panel].set_xticks([])
            found[panel].set_yticks([])
            panel += 1
    fits = np.exp(0.6 * (keys[0, 0] @ keys[0, 0, 0]) / size**0.5)
    axes = found[3]
    axes.plot(range(1, steps + 1), fits[0] / np.cumsum(fits), "-", color=KEY)
    axes.plot(range(1, steps + 1), shares, "--", color=STATE)
    axes.text(30, fits[0] / fits.sum() - 0.13, "softmax", color=KEY, fontsize=9)
    axes.text(30, shares[-1] + 0.08, "linear", color=STATE, fontsize=9)
    axes.set_ylim(0, 1.05)
    axes.set_title("share of step 1, asked for it", fontsize=10)
    axes.set_xlabel("steps", fontsize=9)
    return figure


WIDTHS = (128, 256, 64, 32, 512, 128, 128)
TYPED = [STATE if field == "type" else VALUE for field in FIELDS]


@GALLERY.draw("5_15_embedding")
def seven_tables() -> Figure:
    """Seven vectors, as wide as their fields need, side by side; a matrix; one vector."""
    figure, axes = canvas(1.9)
    x, scale = 0.3, 6.4 / sum(WIDTHS)
    for field, width, colour in zip(FIELDS, WIDTHS, TYPED, strict=True):
        axes.add_patch(
            Rectangle(
                (x, 1.1), width * scale, 0.3, facecolor=colour, alpha=0.35, edgecolor=INK, lw=1
            )
        )
        middle = x + width * scale / 2
        write(axes, (middle, 1.25), str(width), fontsize=8)
        write(axes, (middle, 1.48), field, rotation=35, ha="left", va="bottom", fontsize=8.5)
        x += width * scale
    arrow(axes, (3.5, 1.1), (3.5, 0.72))
    write(axes, (3.6, 0.92), "join: 1,248 × 512 numbers", ha="left")
    box(axes, (3.5, 0.55), "x, 512 numbers", QUERY, (2.6, 0.34), bold=True)
    write(axes, (3.5, 0.17), "above: the seven vectors of one row, side by side", fontsize=8.5)
    return figure


@GALLERY.draw("5_16_heads")
def type_first() -> Figure:
    """The type's head reads h alone; the six others read h joined with the type's vector."""
    figure, axes = canvas(2.3)
    box(axes, (0.6, 1.1), "h", QUERY, (0.6, 0.4), bold=True)
    box(axes, (2.0, 1.8), "type's head", STATE, (1.1, 0.36))
    box(axes, (3.75, 1.8), "the type, its vector", STATE, (1.5, 0.36))
    box(axes, (3.75, 0.7), "join", INK, (0.9, 0.4))
    arrow(axes, (0.75, 1.3), (1.45, 1.8), STATE)
    arrow(axes, (2.55, 1.8), (3.0, 1.8), STATE)
    arrow(axes, (3.75, 1.62), (3.75, 0.9), STATE)
    arrow(axes, (0.9, 1.05), (3.3, 0.7), QUERY)
    write(axes, (2.78, 2.1), "training: the true one; generation: drawn", fontsize=8.5)
    others = [field for field in FIELDS if field != "type"]
    for place, field in enumerate(others):
        y = 2.0 - 0.36 * place
        box(axes, (6.0, y), field, VALUE, (1.0, 0.28))
        arrow(axes, (4.2, 0.7), (5.5, y), VALUE)
    return figure


@GALLERY.draw("5_17_steps")
def places_of_steps() -> Figure:
    """A primer of three rows: what start reads, and at which position each step reads."""
    figure, axes = canvas(1.75)
    texts = [["0", "1", "2", "3", "4", "5"]]
    fills = [[KEY] * 3 + [VALUE] * 3]
    cells(axes, (1.4, 1.15), texts, fills, (0.8, 0.34))
    write(axes, (1.3, 0.98), "rows", ha="right")
    write(axes, (2.6, 1.58), "primer", color=KEY)
    write(axes, (5.0, 1.58), "generated", color=VALUE)
    for place in (2, 3, 4):
        x = 1.8 + 0.8 * place
        axes.annotate(
            "", (x + 0.75, 1.17), (x + 0.05, 1.17),
            arrowprops={"arrowstyle": "-|>", "color": INK, "connectionstyle": "arc3,rad=-0.45"},
        )  # fmt: skip
        write(axes, (x, 0.62), f"position {place}", fontsize=8.5)
    axes.plot([1.45, 2.95], [0.72, 0.72], color=KEY, linewidth=2)
    write(axes, (2.2, 0.55), "start reads these", color=KEY, fontsize=8.5)
    write(axes, (3.9, 0.2), "a step reads one row, at its own position, and draws the next")
    return figure


# 5.18 to 5.20: training and generation


@GALLERY.draw("5_19_cost")
def counted_fields() -> Figure:
    """Which fields of a bar, a position and a note cost something."""
    figure, axes = canvas(1.75)
    used = (
        ("bar", {"bar-beat": "Bar", "type": "Metrical"}),
        ("position", dict(zip(FIELDS, ("CONTI", "CONTI", "Beat_0", "Metrical"), strict=False))),
        ("note", {"type": "Note", "pitch": "60", "duration": "480", "velocity": "80"}),
    )
    texts = [[said.get(field, "0") for field in FIELDS] for _, said in used]
    fills = [[VALUE if field in said else MASKED for field in FIELDS] for _, said in used]
    cells(axes, (0.85, 1.3), texts, fills, (0.76, 0.34))
    for place, field in enumerate(FIELDS):
        write(axes, (1.23 + 0.76 * place, 1.45), field)
    for place, (name, said) in enumerate(used):
        write(axes, (0.78, 1.13 - 0.34 * place), name, ha="right")
        write(axes, (6.25, 1.13 - 0.34 * place), f"{len(said)} count", ha="left")
    write(axes, (3.5, 0.1), "2 + 4 + 4 = 10 fields, one note; a grey field costs nothing")
    return figure


@GALLERY.compute("5_20_slots")
def until_its_end(lab: Any) -> Figure:
    """Three rows with ends at different steps, generated in slots of four."""
    words = [
        [5, 9, 3, 7, 8, 2, 0, 4, 6, 1, 3, 2],
        [4, 0, 6, 2, 9, 5, 3, 8, 1, 7, 2, 6],
        [7, 3, 8, 5, 2, 6, 9, 1, 4, 0, 5, 8],
    ]
    rows = drawn(lab, words, 4)
    figure, axes = canvas(1.8)
    for number, (row, line) in enumerate(zip(rows.tolist(), words, strict=True)):
        texts = [
            str(one) if one else "END" * (not said) for one, said in zip(row, line, strict=True)
        ]
        fills = [VALUE if one else STATE if text else MASKED
                 for one, text in zip(row, texts, strict=True)]  # fmt: skip
        cells(axes, (0.9, 1.45 - 0.34 * number), [texts], [fills], (0.48, 0.34))
    for row in range(3):
        write(axes, (0.83, 1.28 - 0.34 * row), f"song {row}", ha="right")
    for place in range(4):
        x = 0.9 + 4 * 0.48 * place
        axes.plot([x, x], [0.36, 1.52], color=INK, linewidth=2)
        if place:
            write(axes, (x, 0.24), "move", fontsize=8.5)
    for place in range(3):
        write(axes, (0.9 + 0.48 * (4 * place + 2), 1.64), f"slots 0 to 3, loop {place + 1}")
    return figure
