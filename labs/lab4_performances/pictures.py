"""The pictures of Lab 4's lessons; see `labs.course.pictures`."""

from functools import partial
from typing import Any

import numpy as np
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
)
from labs.lab4_performances.worked import distinct_crops, pedalled, three_notes

GALLERY = Gallery(__file__)
# of float16, as powers of 2: the least number, the least with all its digits, and the end
TINY, NORMAL, LARGEST = -24, -14, 16


# Measured


@GALLERY.measure("4_trained")
def trained() -> dict[str, Any]:
    """What a model of the quick preset's size gives after 300 steps, some two minutes of CPU.

    Returns
    -------
    dict
        The mean loss at each place of windows without overlap, pieces' first windows left out;
        how many numbers of the gradient at the first block's input, those of 0 at padding left
        out, have a size of 2 to the power of each key; the logits at one position; ids generated
        from nothing with the grammar; the share of releases of keys that are up in those generated
        without it.
    """
    import keras
    import tensorflow as tf

    from labs.course.catalogue import load_lab
    from labs.course.code import load_tasks
    from labs.lab4_performances.crops import Crops
    from labs.lab4_performances.data import load_splits
    from labs.lab4_performances.settings import Settings
    from labs.lab4_performances.train import build
    from toolkit.training.fit import PerTokenLoss
    from toolkit.training.runtime import compiled, configure

    tasks, settings = load_tasks(load_lab(4), "solution"), Settings(max_distance=255, window=256)
    splits = load_splits(settings.data)
    model = build(tasks, settings, configure(settings.seed, "float32"))
    rate = tasks.WarmupSchedule(settings.learning_rate, 100)
    adam = keras.optimizers.Adam(rate, beta_2=0.98, epsilon=1e-9, global_clipnorm=1.0)
    model.compile(adam, PerTokenLoss(tasks.masked_cross_entropy))
    length, batch = settings.length, settings.batch_size
    keys, speeds = settings.semitones, settings.stretches
    crops = Crops(tasks, splits["train"], length, batch, 100, settings.seed, keys, speeds)
    for epoch in range(3):
        crops.start(epoch)
        model.fit(crops, verbose=0)

    validation = splits["validation"]
    inputs, targets = tasks.evaluation_windows(validation.tokens, validation.offsets, length)
    inner = inputs[:, 0] != tasks.START
    inputs, targets = inputs[inner][:160], targets[inner][:160]
    logits = model.predict(inputs, batch, verbose=0)
    log_shares = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    losses = -np.take_along_axis(log_shares, targets[..., None], -1)[..., 0]
    counted = targets != tasks.PAD

    with tf.GradientTape() as tape:
        first = state = model.embedding(inputs[:batch]) * model.d_model**0.5
        tape.watch(first)
        for block in model.blocks:
            state = block(state)
        scores = model.embedding(model.norm(state), reverse=True)
        loss = tasks.masked_cross_entropy(targets[:batch], scores)
    gradient = np.abs(np.asarray(tape.gradient(loss, first)))
    sizes = np.floor(np.log2(gradient[gradient > 0])).astype(int)

    noise = np.random.default_rng(0).gumbel(size=(2, 400, tasks.VOCAB_SIZE)).astype(np.float32)
    start = np.full((2, 1), tasks.START, np.int32)

    def generate(primers: Any, noise: Any, grammar: bool) -> Any:
        return tasks.generate(model, primers, noise, 0.95, 0, 0.92, grammar)

    with_grammar, without = (
        compiled(partial(generate, grammar=grammar), model)(start, noise)
        for grammar in (True, False)
    )
    return {
        "loss_by_place": np.round((losses * counted).sum(0) / counted.sum(0), 3).tolist(),
        "windows": len(inputs),
        "gradient": {str(size): int((sizes == size).sum()) for size in np.unique(sizes)},
        "logits": np.round(logits[0, 100], 2).tolist(),
        "generated": with_grammar[0][with_grammar[0] != tasks.PAD].tolist(),
        "idle_releases": idle_releases(tasks, without),
    }


def idle_releases(tasks: Any, rows: np.ndarray) -> float:
    """Share of the releases in which no such key is down."""
    idle = releases = 0
    for row in rows:
        down = np.zeros(128, int)
        for event in row:
            if tasks.NOTE_ON <= event < tasks.NOTE_OFF:
                down[event - tasks.NOTE_ON] += 1
            elif tasks.NOTE_OFF <= event < tasks.TIME_SHIFT:
                releases += 1
                idle += int(down[event - tasks.NOTE_OFF] == 0)
                down[event - tasks.NOTE_OFF] = max(down[event - tasks.NOTE_OFF] - 1, 0)
    return round(idle / max(releases, 1), 3)


# The frame


@GALLERY.draw("0_frame")
def frame() -> Figure:
    """From a performance to events, crops, the model, and back to music."""
    figure, axes = canvas(2.5)
    places = 0.8, 2.6, 4.4, 6.2
    upper = (
        "performance\n(MIDI)",
        "events as ids\n378 63 67 308 …",
        "crops\n(B, T)",
        "Music\nTransformer",
    )
    lower = "music\nto hear", "new events", "draw the\nnext event", "logits\n(B, T, 391)"
    for x, text in zip(places, upper, strict=True):
        model = text.startswith("Music")
        box(axes, (x, 1.95), text, STATE if model else INK, (1.2, 0.56), bold=model)
    for x, text in zip(places, lower, strict=True):
        box(axes, (x, 0.55), text, QUERY if x == places[3] else INK, (1.2, 0.56))
    for i, task in enumerate(("4.1, 4.2", "4.4–4.6", "4.7–4.14")):
        middle = (places[i] + places[i + 1]) / 2
        arrow(axes, (places[i] + 0.6, 1.95), (places[i + 1] - 0.6, 1.95))
        axes.text(middle, 2.3, task, ha="center", fontsize=8.5, weight="bold")
    for i, task in enumerate(("4.3", "4.20", "4.19")):
        middle = (places[i] + places[i + 1]) / 2
        arrow(axes, (places[i + 1] - 0.6, 0.55), (places[i] + 0.6, 0.55))
        axes.text(middle, 0.12, task, ha="center", fontsize=8.5, weight="bold")
    arrow(axes, (6.2, 1.67), (6.2, 0.83))
    axes.text(6.1, 1.25, "training: 4.12,\n4.15–4.18", ha="right", va="center", fontsize=8.5)
    arrow(axes, (4.4, 0.83), (5.6, 1.72), VALUE, dashed=True)
    axes.text(4.85, 1.3, "cache: 4.9", ha="right", va="center", fontsize=8.5, color=VALUE)
    return figure


# Events


def bar(
    axes: Axes, row: float, start: float, end: float, colour: str, hatch: str | None = None
) -> None:
    """Draw a note of a piano roll."""
    axes.barh(
        row, end - start, 0.62, left=start, color=colour, edgecolor=PAPER, hatch=hatch, linewidth=0
    )


@GALLERY.compute("4_1_pedal")
def pedal(lab: Any) -> Figure:
    """The notes of 4.1 as fingers hold them, and what the pedal adds."""
    before = pedalled().notes
    after = lab.apply_sustain(pedalled()).notes
    rows = {60: 1, 64: 2, 67: 3}
    figure, axes = chart(2.5)
    for held, note in zip(before, after, strict=True):
        bar(axes, rows[held.pitch], held.start_time, held.end_time, QUERY)
        if note.end_time > held.end_time:
            bar(axes, rows[held.pitch], held.end_time, note.end_time, "#9dbbd8", "///")
            middle = (held.end_time + note.end_time) / 2
            if note.end_time - held.end_time > 0.5:
                axes.text(
                    middle, rows[held.pitch], "pedal", ha="center", va="center", fontsize=8.5,
                    bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1},
                )  # fmt: skip
    bar(axes, 0, 0.4, 2.0, MASKED)
    axes.text(1.2, 0, "down", ha="center", va="center", fontsize=8.5)
    for time in (0.4, 2.0):
        axes.axvline(time, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_yticks([0, *rows.values()], ["pedal", "C4", "E4", "G4"])
    axes.set_xlabel("seconds", fontsize=9)
    axes.set_xlim(0, 2.6)
    return figure


@GALLERY.compute("4_2_events")
def events(lab: Any) -> Figure:
    """Three notes on a time line, and the ids that say them, each at its moment."""
    ids = [int(event) for event in lab.encode_performance(three_notes())]
    figure, axes = canvas(2.75)
    left, width = 0.75, 5.9

    def place(step: float) -> float:
        return left + width * step / 265

    for row, note in enumerate(three_notes().notes):
        start, end = (place(100 * time) for time in (note.start_time, note.end_time))
        axes.add_patch(Rectangle((start, 1.75 + 0.34 * row), end - start, 0.22, facecolor=QUERY))
        name = {60: "C4", 64: "E4", 67: "G4"}[note.pitch]
        axes.text(left - 0.12, 1.86 + 0.34 * row, name, ha="right", va="center", fontsize=9)
    axes.plot([left, left + width], [1.6, 1.6], color=INK, linewidth=0.8)
    step, size = 0, 6.7 / len(ids)
    moments: dict[int, list[float]] = {}
    for number, event in enumerate(ids):
        x = 0.15 + size * number
        if event >= lab.VELOCITY:
            text, colour = f"loud\n{event - lab.VELOCITY}", STATE
        elif event >= lab.TIME_SHIFT:
            step += event - lab.TIME_SHIFT + 1
            text, colour = f"wait\n{event - lab.TIME_SHIFT + 1}", MASKED
        elif event >= lab.NOTE_OFF:
            text, colour = f"off\n{event - lab.NOTE_OFF}", KEY
        else:
            text, colour = f"on\n{event - lab.NOTE_ON}", QUERY
        cells(axes, (x, 0.82), [[text]], [[colour]], (size, 0.44))
        axes.text(x + size / 2, 0.22, str(event), ha="center", va="center", fontsize=9)
        if colour != MASKED:
            moments.setdefault(step, []).append(x + size / 2)
    for step, group in moments.items():
        axes.plot([place(step)] * 2, [1.55, 1.65], color=INK, linewidth=0.8)
        axes.text(place(step) - 0.07, 1.52, f"{step}", ha="right", va="top", fontsize=8.5)
        axes.plot([place(step), float(np.mean(group))], [1.55, 0.9], color=INK, linewidth=0.8)
        axes.plot([group[0], group[-1]], [0.9, 0.9], color=INK, linewidth=0.8)
        for x in group:
            axes.plot([x, x], [0.83, 0.9], color=INK, linewidth=0.8)
    return figure


@GALLERY.hear("4_1_pedal")
def hear_pedal(lab: Any) -> Any:
    """The four notes as the pedal holds them."""
    return lab.apply_sustain(pedalled())


@GALLERY.hear("4_3_generated")
def hear_generated(lab: Any) -> Any:
    """What a model wrote after two minutes of training."""
    return lab.decode_performance(GALLERY.values("4_trained")["generated"])


@GALLERY.hear("4_4_moved")
def hear_moved(lab: Any) -> Any:
    """The same, a fourth higher and a fifth slower."""
    ids = np.array(GALLERY.values("4_trained")["generated"])
    return lab.decode_performance(lab.augment(ids[ids > 2], 5, 1.2))


# Crops and windows


@GALLERY.compute("4_5_targets")
def targets(lab: Any) -> Figure:
    """How many crops hold each pair of a piece, inside it or overhanging."""
    tokens, length = np.arange(3, 43), 12
    rows = distinct_crops(lab, tokens, length)
    pairs = [*tokens.tolist(), lab.END]
    every = [sum(pair in row for row in rows) for pair in pairs]
    inside = [sum(pair in row for row in rows if lab.PAD not in row) for pair in pairs]
    figure, axes = chart(2.4)
    axes.bar(range(41), inside, 0.8, color=MASKED, hatch="///", edgecolor=PAPER, linewidth=0)
    axes.step(np.arange(42) - 0.5, [*every, every[-1]], where="post", color=QUERY, linewidth=2.4)
    axes.text(
        20, length + 0.6, "all crops, overhanging ones too", ha="center", color=QUERY, fontsize=9
    )
    axes.text(
        20, 5.5, "crops inside the piece only", ha="center", fontsize=9,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 2},
    )  # fmt: skip
    axes.set_ylim(0, length + 2)
    axes.set_xlabel("pair of the piece, from START to END", fontsize=9)
    axes.set_ylabel("crops that hold it", fontsize=9)
    return figure


@GALLERY.compute("4_6_windows")
def windows(lab: Any) -> Figure:
    """Windows with their context and scored part; the loss by place."""
    tokens, length, context = np.arange(3, 22), 8, 3
    inputs, scored = lab.evaluation_windows(tokens, np.array([0, 19]), length, context)
    figure, (left, right) = chart(2.5, 2, width_ratios=(3, 2))
    for row, (line, answers) in enumerate(zip(inputs, scored, strict=True)):
        for token, answer in zip(line, answers, strict=True):
            if token != lab.PAD:
                pair = 0 if token == lab.START else int(token) - 2
                known = answer != lab.PAD
                left.add_patch(
                    Rectangle(
                        (pair, row + 0.1), 1, 0.8, facecolor=QUERY if known else PAPER,
                        edgecolor=PAPER if known else INK, hatch=None if known else "///",
                        linewidth=0.7,
                    )
                )  # fmt: skip
    left.set_xlim(0, 20)
    left.set_ylim(len(inputs), 0)
    left.set_xticks(range(0, 21, 5))
    left.set_yticks(np.arange(len(inputs)) + 0.5, [f"window {i + 1}" for i in range(len(inputs))])
    left.set_xlabel("pair of the piece", fontsize=9)
    left.set_title("dark: scored; hatched: context", fontsize=9.5)
    losses = np.array(GALLERY.values("4_trained")["loss_by_place"]).reshape(-1, 8).mean(axis=1)
    right.plot(4 + 8 * np.arange(len(losses)), losses, color=QUERY, linewidth=2)
    right.set_xlabel("place in the window", fontsize=9)
    right.set_title("loss, nats a token", fontsize=9.5)
    return figure


# Attention


@GALLERY.compute("4_7_distances")
def distances(lab: Any) -> Figure:
    """Which row of E each pair takes: 3 queries, 5 keys, D = 2."""
    queries = np.ones((1, 3, 1, 1), "float32")
    rows = np.arange(3, dtype="float32")[:, None]
    found = np.asarray(lab.relative_logits(queries, rows, 5))[0, 0]
    figure, axes = canvas(2.2)
    texts = [[f"E[{found[t, s]:.0f}]" if s <= t + 2 else "" for s in range(5)] for t in range(3)]
    fills = [[KEY if s <= t + 2 else MASKED for s in range(5)] for t in range(3)]
    cells(axes, (1.75, 1.5), texts, fills, (0.8, 0.4))
    for s in range(5):
        box(axes, (2.15 + 0.8 * s, 1.8), f"key {s}", KEY, (0.62, 0.3))
    for t in range(3):
        box(axes, (0.85, 1.3 - 0.4 * t), f"query at {t + 2}", QUERY, (1.2, 0.3))
    axes.text(5.9, 0.9, "grey: later keys,\nmasked in 4.10", fontsize=8.5, va="center")
    axes.text(3.75, 0.1, "distances 2, 3 and 4 share E[2], since D = 2", ha="center", fontsize=9)
    return figure


@GALLERY.compute("4_8_skew")
def skewed(lab: Any) -> Figure:
    """The skew in four steps."""
    scores = 10 * np.arange(1, 4)[:, None] + np.array([2, 1, 0])
    result = np.asarray(lab.skew(scores[None, None].astype("float32")))[0, 0].astype(int)

    def fill(score: int) -> str:
        return QUERY if score and score % 10 < score // 10 else MASKED

    figure, axes = canvas(3.6)
    size = (0.46, 0.34)

    def table(corner: tuple[float, float], rows: list[list[int]]) -> None:
        texts = [[str(score) for score in row] for row in rows]
        cells(axes, corner, texts, [[fill(score) for score in row] for row in rows], size)

    axes.text(0.3, 3.35, "1  sorted by distance", fontsize=9.5)
    table((0.6, 3.0), scores.tolist())
    for column, distance in enumerate((2, 1, 0)):
        axes.text(0.83 + 0.46 * column, 3.07, f"d = {distance}", ha="center", fontsize=8)
    padded = np.pad(scores, [(0, 0), (1, 0)])
    axes.text(2.6, 3.35, "2  a zero before each row", fontsize=9.5)
    table((2.9, 3.0), padded.tolist())
    arrow(axes, (2.1, 2.49), (2.8, 2.49))
    axes.text(0.3, 1.55, "3  all in one line, the first T = 3 struck out", fontsize=9.5)
    table((0.6, 1.4), [padded.ravel().tolist()])
    axes.plot([0.6, 0.6 + 3 * 0.46], [1.23, 1.23], color="#a02020", linewidth=2)
    arrow(axes, (3.82, 1.95), (3.82, 1.45))
    axes.text(5.0, 3.35, "4  lines of three", fontsize=9.5)
    corner = (5.35, 3.0)
    cells(
        axes, corner, [[str(n) for n in row] for row in result],
        [[QUERY if s <= t else MASKED for s in range(3)] for t in range(3)],
    )  # fmt: skip
    for column in range(3):
        axes.text(5.58 + 0.46 * column, 3.07, f"key {column + 1}", ha="center", fontsize=8)
    arrow(axes, (5.9, 1.45), (5.9, 1.93))
    for row in range(3):
        for x in (0.52, 5.27):
            axes.text(x, 2.83 - size[1] * row, f"q{row + 1}", ha="right", va="center", fontsize=8.5)
    axes.text(
        0.6, 0.72, "blue: wanted.  grey: zeros, and distances before the first key.", fontsize=9
    )
    axes.text(0.6, 0.42, "21 is query 2's score at distance 1, that is, with key 1.", fontsize=9)
    return figure


@GALLERY.draw("4_9_cache")
def cache() -> Figure:
    """The old part, the new part with its slots, and the move."""
    figure, axes = canvas(3.2)
    left, wide, gap = 1.7, 0.48, 0.3

    def row(y: float, title: str, old: str, new: str) -> float:
        """Draw both parts; return where the new one begins."""
        axes.text(0.15, y - 0.18, title, va="center", fontsize=9)
        cells(axes, (left, y), [list(old)], [[KEY] * len(old)], (wide, 0.36))
        begin = left + wide * len(old) + gap
        fills = [MASKED if slot == " " else VALUE for slot in new]
        cells(axes, (begin, y), [list(new)], [fills], (wide, 0.36))
        return begin

    begin = row(2.8, "slot 1 is written", "abcde", "fg  ")
    axes.text(left, 2.92, "old part: only read", fontsize=8.5, color=KEY)
    axes.text(begin, 2.92, "new part: written in place", fontsize=8.5, color=VALUE)
    axes.text(0.15, 2.28, "distance from slot 1", va="center", fontsize=9)
    for position, distance in enumerate(range(6, -3, -1)):
        x = left + wide * (position + 0.5) + (gap if position > 4 else 0)
        text = f"{distance}".replace("-", "−")
        axes.text(x, 2.28, text, ha="center", va="center", fontsize=9)
    row(1.85, "all slots are full", "abcde", "fghi")
    axes.plot([left, left + 3 * wide], [1.67, 1.67], color=INK, linewidth=2)
    axes.text(left + 1.5 * wide, 1.3, "too far back", ha="center", fontsize=8.5)
    arrow(axes, (3.6, 1.43), (3.6, 0.95))
    axes.text(3.75, 1.2, "move: the last window − 1 = 6 stay", va="center", fontsize=9)
    begin = row(0.85, "the next round", "defghi", "    ")
    axes.text(left, 0.25, "old part", fontsize=8.5, color=KEY)
    axes.text(begin, 0.25, "free slots", fontsize=8.5)
    return figure


@GALLERY.draw("4_10_chunks")
def chunks() -> Figure:
    """The scores in one piece, and in chunks of queries."""
    figure, (whole, parts) = chart(3.0, 2)
    length, chunk = 16, 4
    for axes, title in ((whole, "all at once: 256 scores"), (parts, "chunks of 4 queries: 160")):
        for t in range(length):
            for s in range(length):
                made = axes is whole or s < (t // chunk + 1) * chunk
                if made:
                    axes.add_patch(
                        Rectangle(
                            (s, t), 1, 1, facecolor=QUERY if s <= t else MASKED,
                            hatch=None if s <= t else "///", edgecolor=PAPER, linewidth=0.4,
                        )
                    )  # fmt: skip
        axes.set_xlim(0, length)
        axes.set_ylim(length, 0)
        axes.set_aspect("equal")
        axes.set_title(title, fontsize=9.5)
        axes.set_xlabel("key", fontsize=9)
        axes.set_ylabel("query", fontsize=9)
    parts.text(11.5, 3.5, "never made", ha="center", fontsize=9)
    return figure


# Precision and training


@GALLERY.draw("4_12_float16")
def float16() -> Figure:
    """A gradient's sizes on float16's line, before and after scaling."""
    values = GALLERY.values("4_trained")["gradient"]
    sizes = np.array([int(size) for size in values])
    counts = np.array(list(values.values())) / sum(values.values())
    figure, axes = chart(2.6)
    axes.axvspan(-38, TINY, color=MASKED, alpha=0.6, linewidth=0)
    axes.axvspan(TINY, NORMAL, facecolor=PAPER, edgecolor=MASKED, hatch="...", linewidth=0)
    axes.axvspan(LARGEST, 20, color=MASKED, alpha=0.6, linewidth=0)
    top = 100 * counts.max()
    for shift, colour, text in ((0, KEY, "as it is"), (15, QUERY, "times 2¹⁵")):
        axes.bar(sizes + 0.5 + shift, 100 * counts, 0.9, color=colour)
        peak = sizes[counts.argmax()] + 0.5 + shift
        axes.text(peak, top + 0.8, text, ha="center", color=colour, fontsize=9, weight="bold")
    for x, text in (
        ((TINY - 38) / 2, "0"),
        ((TINY + NORMAL) / 2, "fewer digits"),
        ((NORMAL + LARGEST) / 2, "full precision of float16"),
        ((LARGEST + 20) / 2, "∞"),
    ):
        axes.text(
            x, top + 5.5, text, ha="center", va="center", fontsize=9,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
    axes.set_xlim(-38, 20)
    axes.set_ylim(0, top + 7.5)
    ticks = (-38, TINY, NORMAL, 0, LARGEST)
    axes.set_xticks(ticks, [f"$2^{{{tick}}}$" for tick in ticks])
    axes.set_ylabel("% of the numbers", fontsize=9)
    axes.set_xlabel("size of a number in the gradient", fontsize=9)
    return figure


@GALLERY.draw("4_13_block")
def block() -> Figure:
    """The residual stream through a block."""
    figure, axes = canvas(2.5)
    y, low = 1.95, 0.75
    arrow(axes, (0.45, y), (6.6, y), STATE, bold=True)
    axes.text(0.4, y, "x", ha="right", va="center", fontsize=11, color=STATE)
    axes.text(3.5, 2.3, "residual stream (B, T, d_model)", ha="center", fontsize=9, color=STATE)
    for left, texts, colour in (
        (0.8, ("norm_1", "attention"), QUERY),
        (3.6, ("norm_2", "expand, gelu,\ncontract"), VALUE),
    ):
        places = left, left + 0.55, left + 1.7, left + 2.45
        axes.plot([places[0], places[0]], [y, low], color=colour, linewidth=1.3)
        arrow(axes, (places[0], low), (places[0] + 0.15, low), colour)
        box(axes, (places[1], low), texts[0], colour, (0.76, 0.4))
        arrow(axes, (places[1] + 0.38, low), (places[2] - 0.55, low), colour)
        box(axes, (places[2], low), texts[1], colour, (1.1, 0.46))
        axes.plot([places[2] + 0.55, places[3]], [low, low], color=colour, linewidth=1.3)
        arrow(axes, (places[3], low), (places[3], y - 0.13), colour)
        axes.text(
            places[3], y, "+", ha="center", va="center", fontsize=12,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": PAPER, "edgecolor": STATE},
        )  # fmt: skip
        axes.text(places[3] - 0.07, 1.35, "dropout", ha="right", va="center", fontsize=8.5)
    axes.text(1.9, 0.25, "looks at other positions", ha="center", fontsize=9, color=QUERY)
    axes.text(4.75, 0.25, "each position by itself", ha="center", fontsize=9, color=VALUE)
    return figure


@GALLERY.draw("4_14_ways")
def ways() -> Figure:
    """call, read and step: what goes in and what comes out."""
    figure, axes = canvas(2.5)
    rows = (
        ("call", "ids  (B, T)", "logits  (B, T, V)", QUERY, "training, evaluation"),
        ("read", "primer  (B, n)", "keys, values of each block", KEY, "once a piece"),
        ("step", "one id  (B, 1), cache", "logits  (B, V), cache", VALUE, "once an event"),
    )
    for number, (name, given, result, colour, when) in enumerate(rows):
        y = 2.1 - 0.8 * number
        box(axes, (1.0, y), given, INK, (1.7, 0.42))
        arrow(axes, (1.85, y), (2.3, y), colour)
        box(axes, (2.75, y), name, colour, (0.9, 0.42), bold=True)
        arrow(axes, (3.2, y), (3.65, y), colour)
        box(axes, (4.65, y), result, INK, (2.0, 0.42))
        axes.text(5.75, y, when, va="center", fontsize=8.5)
    axes.plot([4.65, 4.65, 1.4], [1.09, 0.9, 0.9], color=INK, linewidth=1.3)
    arrow(axes, (1.4, 0.9), (1.4, 0.71))
    axes.text(2.75, 0.94, "the first cache", ha="center", fontsize=8.5)
    axes.plot([5.3, 5.3, 0.6], [0.29, 0.12, 0.12], color=INK, linewidth=1.3)
    arrow(axes, (0.6, 0.12), (0.6, 0.29))
    axes.text(2.75, 0.16, "the next event", ha="center", fontsize=8.5)
    return figure


@GALLERY.compute("4_15_rate")
def rate(lab: Any) -> Figure:
    """The learning rate of the quick preset."""
    steps = np.arange(960)
    schedule = lab.WarmupSchedule(3e-3, 200)
    rates = [1e3 * float(schedule(int(step))) for step in steps]
    figure, axes = chart(2.1)
    axes.plot(steps, rates, color=QUERY, linewidth=2)
    axes.axvline(199, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.text(210, 0.3, "warm-up ends at step 199", fontsize=9)
    axes.set_xlabel("step", fontsize=9)
    axes.set_ylabel("rate, thousandths", fontsize=9)
    axes.set_ylim(0, 3.3)
    return figure


@GALLERY.compute("4_16_smoothing")
def smoothing(lab: Any) -> Figure:
    """The loss by the share that the target gets, with and without smoothing."""
    size = lab.VOCAB_SIZE
    shares = np.concatenate([np.linspace(0.3, 0.95, 66), np.linspace(0.955, 0.9999, 40)])
    figure, axes = chart(2.4)
    for amount, colour, style in ((0.0, QUERY, "-"), (0.1, KEY, "--")):
        losses = []
        for share in shares:
            logits = np.full((1, 1, size), np.log((1 - share) / (size - 1)), "float32")
            logits[0, 0, 60] = np.log(share)
            losses.append(float(lab.masked_cross_entropy(np.array([[60]]), logits, amount)))
        axes.plot(shares, losses, color=colour, linestyle=style, linewidth=2)
        axes.text(
            0.31, losses[0] + 0.1, f"smoothing {amount:g}", color=colour, fontsize=9, va="bottom"
        )
        best = int(np.argmin(losses))
        axes.plot(shares[best], losses[best], "o", color=colour)
        if amount:
            text = f"least at {shares[best]:.2f}"
            axes.text(shares[best], losses[best] + 0.1, text, ha="center", fontsize=9)
    axes.set_ylim(0, 2.2)
    axes.set_xlabel("probability of the target; the others share the rest", fontsize=9)
    axes.set_ylabel("loss, nats", fontsize=9)
    return figure


# Generation


@GALLERY.compute("4_19_filter")
def filtered(lab: Any) -> Figure:
    """One distribution as it is, sharpened, and with its tail cut off."""
    logits = np.array(GALLERY.values("4_trained")["logits"], "float32")[None]
    order = np.argsort(-logits[0])[:14]
    filters: list[dict[str, Any]] = [{}, {"temperature": 0.5}, {"top_k": 5}, {"top_p": 0.8}]
    figure, panels = chart(2.4, 4, sharey=True)
    for axes, options, title in zip(
        panels,
        filters,
        ("as it is", "temperature 0.5", "top-k 5", "top-p 0.8"),
        strict=True,
    ):
        shares = np.asarray(lab.filter_logits(logits, **options))[0]
        kept = int((shares > -1e8).sum())
        shares = np.exp(shares - shares.max()) / np.exp(shares - shares.max()).sum()
        axes.bar(range(14), shares[order], 0.8, color=QUERY)
        axes.set_title(title, fontsize=9.5)
        place = {"ha": "right", "transform": axes.transAxes, "fontsize": 9}
        axes.text(0.97, 0.88, f"{kept} ids left", **place)
        axes.set_xlabel("rank", fontsize=9)
        axes.set_xticks([0, 6, 12], ["1", "7", "13"])
    panels[0].set_ylabel("probability", fontsize=9)
    return figure


@GALLERY.draw("4_20_noise")
def noise() -> Figure:
    """The example of 4.20: logits and noise, and which id wins at each step."""
    logits = np.array([0.0, 1.0, 2.0])  # of END, 3 and 4
    luck = np.array([[0, 1.5, 0], [0, 0, 0], [3, 0, 0]])
    figure, panels = chart(2.3, 4, sharey=True)
    for step, axes in enumerate(panels):
        axes.set_title(f"step {step}", fontsize=9.5)
        if step == 3:
            axes.text(1, 1.6, "done:\nPAD", ha="center", va="center", fontsize=10)
            axes.set_xlim(-0.5, 2.5)
            axes.set_xticks([])
            continue
        axes.bar(range(3), logits, 0.6, color=QUERY)
        axes.bar(
            range(3), luck[step], 0.6, bottom=logits, color=KEY, hatch="///", edgecolor=PAPER,
            linewidth=0,
        )  # fmt: skip
        total = logits + luck[step]
        winner = int(total.argmax())
        axes.text(winner, total[winner] + 0.1, "wins", ha="center", fontsize=9, weight="bold")
        axes.set_xticks(range(3), ["END", "3", "4"])
    panels[0].set_ylim(0, 3.6)
    panels[0].set_ylabel("logit + noise", fontsize=9)
    panels[0].text(0, 0.15, "0", ha="center", fontsize=9)
    return figure
