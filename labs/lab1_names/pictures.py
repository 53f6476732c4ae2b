"""The pictures of Lab 1's lessons; see `labs.course.pictures`."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from matplotlib.figure import Figure

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
from labs.lab1_names.worked import NAMES

GALLERY = Gallery(__file__)


# Drawn


@GALLERY.draw("0_frame")
def frame() -> Figure:
    """The way from letters to the next letter, with the tasks that write each part."""
    figure, axes = canvas(2.3)
    parts = [
        ("START A d", "letters", INK, ""),
        ("1  3  6", "ids", INK, "1.1  1.2"),
        ("+ country", "input", KEY, "1.3"),
        ("cell or\nblock", "4 networks", STATE, "1.4 to 1.9"),
        ("logits", "a score\nfor each letter", QUERY, "1.9  1.10"),
        ("draw: a", "next letter", VALUE, "1.11"),
    ]
    for place, (text, below, colour, task) in enumerate(parts):
        x = 0.62 + 1.152 * place
        box(axes, (x, 1.3), text, colour, (0.92, 0.5))
        axes.text(x, 1.7, task, ha="center", fontsize=9, weight="bold", color=colour)
        axes.text(x, 0.97, below, ha="center", va="top", fontsize=8.5)
        if place:
            arrow(axes, (x - 1.152 + 0.46, 1.3), (x - 0.46, 1.3))
    axes.plot([6.38, 6.38, 0.62], [0.76, 0.3, 0.3], color=INK, linewidth=1.3)
    arrow(axes, (0.62, 0.3), (0.62, 0.76))
    axes.text(3.5, 0.12, "what is drawn is read next, until END is drawn (1.12)", **CENTRED)
    axes.text(3.5, 2.08, "one step of generation, by task", fontsize=10, ha="center")
    return figure


CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8.5}


@GALLERY.draw("1_3_country")
def country() -> Figure:
    """A letter's vector and the country's one-hot vector, one below the other at each step."""
    figure, axes = canvas(2.6)
    letters = ["START", "A", "d", "a"]
    vectors = [["0.2", "−0.7"], ["−0.1", "0.4"], ["0.9", "0.3"], ["−0.5", "0.8"]]
    for place, (letter, vector) in enumerate(zip(letters, vectors, strict=True)):
        x = 2.2 + 1.05 * place
        axes.text(x + 0.25, 2.35, letter, ha="center", fontsize=10)
        rows = [[number] for number in [*vector, "0", "0", "1"]]
        colours = [[PAPER]] * 2 + [[MASKED]] * 2 + [[KEY]]
        cells(axes, (x, 2.2), rows, colours, (0.5, 0.36))
    axes.text(1.95, 1.84, "the letter's vector\n(dim = 2)", ha="right", va="center", fontsize=9)
    for place, name in enumerate(("Finland", "Greece", "Italy")):
        chosen = name == "Italy"
        axes.text(
            1.95,
            1.3 - 0.36 * place,
            f"{name}: {int(chosen)}",
            ha="right",
            va="center",
            fontsize=9,
            weight="bold" if chosen else "normal",
            color=KEY if chosen else INK,
        )
    axes.text(3.5, 0.15, "the same country at every step", **CENTRED)
    return figure


@GALLERY.draw("1_4_unrolled")
def unrolled() -> Figure:
    """One cell, drawn once for each step of a name."""
    figure, axes = canvas(2.7)
    inputs, guesses = ["START", "A", "d", "a"], ["A?", "d?", "a?", "END?"]
    axes.text(0.3, 1.35, "zeros", ha="center", va="center", fontsize=9)
    for place, (letter, guess) in enumerate(zip(inputs, guesses, strict=True)):
        x = 1.35 + 1.55 * place
        box(axes, (x, 1.35), "cell", STATE, (0.8, 0.5), bold=True)
        box(axes, (x, 0.35), f"x = {letter}", INK, (1.0, 0.34))
        arrow(axes, (x, 0.52), (x, 1.1))
        axes.text(x + 0.08, 0.8, "x · W", fontsize=9, va="center")
        arrow(axes, (x, 1.6), (x, 2.15))
        axes.text(x, 2.3, guess, fontsize=9, ha="center", va="center")
        start = 0.55 if not place else x - 1.15
        arrow(axes, (start, 1.35), (x - 0.4, 1.35), STATE, bold=True)
        axes.text((start + x - 0.4) / 2 - 0.04, 1.47, f"h{place} · U", fontsize=8.5, ha="center")
    axes.text(3.7, 2.58, "the same W, U and b at every step", **CENTRED)
    return figure


@GALLERY.draw("1_4_gradient")
def gradient() -> Figure:
    """How much of a late letter's gradient arrives at earlier ones, in the trained networks."""
    figure, axes = chart(2.7)
    styles = (
        ("rnn", "RNN", KEY, "o-"),
        ("lstm", "LSTM", STATE, "s--"),
        ("gru", "GRU", VALUE, "^:"),
    )
    for architecture, name, colour, style in styles:
        share = GALLERY.values("1_trained")["gradient"][architecture]
        axes.plot(share, style, color=colour, label=name, markersize=5)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("letters back from the one read last (START is 9 back)", fontsize=9)
    axes.set_ylabel("gradient, nearest letter = 1", fontsize=9)
    axes.legend(frameon=False, fontsize=9)
    return figure


@GALLERY.draw("1_5_lstm")
def lstm() -> Figure:
    """An LSTM cell: four blocks below, the line of c on top."""
    figure, axes = canvas(3.8)
    top, gates = 3.35, 1.75
    for start, end in ((0.55, 1.53), (1.87, 3.28), (3.62, 6.4)):
        arrow(axes, (start, top), (end, top), STATE, bold=True)
    ends = {"c": (0.38, top), "c'": (6.6, top), "x, h": (0.38, 0.5), "h'": (6.6, gates)}
    for name, place in ends.items():
        axes.text(*place, name, ha="center", va="center", fontsize=12, weight="bold")
    box(
        axes, (3.4, 0.5), "z = x W + h U + b,  cut into blocks 1 to 4: i, f, g, o", INK, (4.4, 0.36)
    )
    arrow(axes, (0.62, 0.5), (1.2, 0.5))
    words = (
        (1.7, "2: f = σ", "forget:\nhow much\nstays"),
        (2.7, "1: i = σ", "input:\nhow much\nis new"),
        (4.1, "3: g = tanh", "candidate:\nwhat\nis new"),
        (5.05, "4: o = σ", "output:\nhow much\nis shown"),
    )
    for x, name, says in words:
        box(axes, (x, gates), name, QUERY, (0.86, 0.34))
        arrow(axes, (x, 0.68), (x, gates - 0.17))
        axes.text(x + 0.07, 1.13, says, va="center", fontsize=8)
    above = gates + 0.17
    path(axes, [(1.7, above)], (1.7, top - 0.17), QUERY)
    path(axes, [(2.7, above), (2.7, 2.5)], (3.28, 2.5), QUERY)
    path(axes, [(4.1, above), (4.1, 2.5)], (3.62, 2.5), QUERY)
    path(axes, [(5.05, above), (5.05, 2.3)], (5.58, 2.3), QUERY)
    path(axes, [(3.45, 2.67)], (3.45, top - 0.17), INK)
    path(axes, [(5.75, top)], (5.75, 3.02), STATE)
    path(axes, [(5.75, 2.74)], (5.75, 2.47), STATE)
    path(axes, [(5.75, 2.13), (5.75, gates)], (6.4, gates), INK)
    box(axes, (5.75, 2.88), "tanh", STATE, (0.62, 0.28))
    for centre, sign in (
        ((1.7, top), "×"),
        ((3.45, top), "+"),
        ((3.45, 2.5), "×"),
        ((5.75, 2.3), "×"),
    ):
        circle(axes, centre, sign)
    return figure


@GALLERY.draw("1_6_reset")
def reset() -> Figure:
    """The candidate of a GRU, with the reset gate before and after the product."""
    figure, axes = canvas(2.5)
    ways = (
        (1.75, "before the product (Cho et al.)", ("× r", "· U")),
        (0.6, "after the product (Keras, cuDNN)", ("· U  + b'", "× r")),
    )
    for y, title, steps in ways:
        axes.text(0.2, y + 0.42, title, fontsize=9.5, weight="bold")
        axes.text(0.35, y, "h", fontsize=12, weight="bold", ha="center", va="center")
        start = 0.5
        for place, text in enumerate(steps):
            x = 1.45 + 1.55 * place
            is_reset = "r" in text
            colour = STATE if is_reset else INK
            box(axes, (x, y), text, colour, (1.0, 0.36), bold=is_reset)
            arrow(axes, (start, y), (x - 0.5, y), INK)
            start = x + 0.5
        box(axes, (4.6, y), "+ x W + b", INK, (1.0, 0.36))
        box(axes, (5.85, y), "tanh", INK, (0.7, 0.36))
        arrow(axes, (start, y), (4.1, y))
        arrow(axes, (5.1, y), (5.5, y))
        arrow(axes, (6.2, y), (6.6, y))
        axes.text(6.75, y, "g", fontsize=12, weight="bold", ha="center", va="center")
    axes.text(3.5, 0.12, "the bold box is the reset gate: h' = z h + (1 − z) g in both", **CENTRED)
    return figure


@GALLERY.draw("1_8_block")
def block() -> Figure:
    """A Transformer block: a straight stream, and two branches that add to it."""
    figure, axes = canvas(3.0)
    stream = 2.45
    arrow(axes, (0.55, stream), (2.98, stream), STATE, bold=True)
    arrow(axes, (3.32, stream), (6.03, stream), STATE, bold=True)
    arrow(axes, (6.37, stream), (6.75, stream), STATE, bold=True)
    axes.text(0.38, stream, "x", fontsize=12, weight="bold", ha="center", va="center")
    axes.text(0.55, 2.78, "residual stream: it is only added to", fontsize=9.5, color=STATE)
    first = ("norm_1", "attention:\nlooks at earlier\npositions")
    second = ("norm_2", "feed-forward:\neach position\nby itself")
    for x, branch in ((0.9, first), (3.95, second)):
        end = x + 2.25
        path(axes, [(x, stream)], (x, 1.73), INK)
        box(axes, (x, 1.55), branch[0], INK, (0.86, 0.36))
        box(axes, (x + 1.3, 1.55), branch[1], QUERY, (1.25, 0.68))
        arrow(axes, (x + 0.43, 1.55), (x + 0.675, 1.55))
        path(axes, [(x + 1.925, 1.55), (end, 1.55)], (end, stream - 0.17), INK)
        circle(axes, (end, stream), "+")
    box(axes, (2.2, 0.55), "cache: keys and values\nof earlier positions", KEY, (1.9, 0.5))
    arrow(axes, (2.2, 0.8), (2.2, 1.21), KEY)
    axes.text(3.25, 0.55, "in generation: written once, read by every later step", fontsize=8.5)
    return figure


@GALLERY.draw("1_9_two_models")
def two_models() -> Figure:
    """One set of layers, called by a model for whole names and by one for a step."""
    figure, axes = canvas(2.9)
    names = ["embedding", "country", "cell or\nblocks", "logits"]
    for place, name in enumerate(names):
        x = 1.75 + 1.35 * place
        box(axes, (x, 1.45), name, STATE, (1.05, 0.5), bold=True)
    for y, who, into, out in (
        (2.4, "model", "START A d a", "4 × logits"),
        (0.5, "stepper", "A, states", "1 × logits, states"),
    ):
        axes.text(0.1, y, who, fontsize=10, weight="bold", va="center")
        box(axes, (1.75, y), into, INK, (1.15, 0.34))
        box(axes, (5.8, y), out, INK, (1.6, 0.34))
        sign = 1 if y > 1.45 else -1
        arrow(axes, (1.75, y - 0.17 * sign), (1.75, 1.45 + 0.25 * sign))
        arrow(axes, (5.8, 1.45 + 0.25 * sign), (5.8, y - 0.17 * sign))
    for place in range(3):
        x = 1.75 + 1.35 * place
        arrow(axes, (x + 0.525, 1.45), (x + 0.825, 1.45))
    axes.text(3.75, 2.4, "whole names, in training", **CENTRED)
    axes.text(3.6, 0.5, "one step, in generation", **CENTRED)
    axes.text(0.1, 1.45, "one set\nof weights", fontsize=9, va="center", color=STATE)
    return figure


@GALLERY.draw("1_10_letters")
def letters() -> Figure:
    """What each letter of a test name costs the trained GRU."""
    found = GALLERY.values("1_trained")["letters"]
    figure, axes = chart(2.5)
    bars = axes.bar(range(len(found["nats"])), found["nats"], color=QUERY, width=0.7)
    axes.bar_label(bars, [f"{nats:.1f}" for nats in found["nats"]], fontsize=8, padding=4)
    axes.set_xticks(range(len(found["nats"])), [*found["name"], "END"])
    axes.set_ylabel("nats", fontsize=9)
    mean = float(np.mean(found["nats"]))
    axes.axhline(mean, color=KEY, linestyle="--", linewidth=1.2, label=f"mean {mean:.2f}")
    axes.legend(frameon=False, fontsize=9)
    return figure


def circle(axes: Any, centre: tuple[float, float], sign: str) -> None:
    """Draw an operation that works number by number."""
    axes.plot(*centre, "o", markersize=20, markerfacecolor=PAPER, markeredgecolor=INK)
    axes.text(*centre, sign, ha="center", va="center_baseline", fontsize=12)


def path(
    axes: Any, points: list[tuple[float, float]], end: tuple[float, float], colour: str
) -> None:
    """Draw a line with corners that ends in an arrow."""
    axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.3, solid_capstyle="butt")
    arrow(axes, points[-1], end, colour)


# Of what the lab's code gives


@GALLERY.compute("1_2_names")
def encoded(lab: Any) -> Figure:
    """Two names as inputs, targets and mask."""
    names, vocabulary = NAMES
    inputs, targets, mask = map(np.asarray, lab.encode_names(names, vocabulary))
    figure, axes = canvas(2.0)
    for place, (title, array) in enumerate((("inputs", inputs), ("targets", targets))):
        x = 0.75 + 2.25 * place
        axes.text(x, 1.72, title, fontsize=10)
        texts = [[f"{vocabulary[i]}\n{i}" for i in line] for line in array.tolist()]
        colours = [[MASKED if i == 0 else QUERY for i in line] for line in array.tolist()]
        cells(axes, (x, 1.62), texts, colours, (0.5, 0.5))
    axes.text(5.25, 1.72, "mask", fontsize=10)
    marks = [["yes" if here else "–" for here in line] for line in mask.tolist()]
    greys = [[VALUE if here else MASKED for here in line] for line in mask.tolist()]
    cells(axes, (5.25, 1.62), marks, greys, (0.4, 0.5))
    for y, name in zip((1.37, 0.87), names, strict=True):
        axes.text(0.62, y, name, ha="right", va="center", fontsize=10, weight="bold")
    axes.text(3.5, 0.3, "a target is the next input; grey is padding", **CENTRED)
    return figure


SCORES = np.array(
    [[1.0, 0.5, 2.0, 0.0], [2.0, 1.0, 0.0, 1.0], [0.0, 1.5, 1.0, 2.5], [1.0, 0.0, 2.0, 1.0]]
)


@GALLERY.compute("1_7_attention")
def attention(lab: Any) -> Figure:
    """Scores of four positions, those that are hidden, and the weights with their sums."""
    # of these queries, keys and values the scores are SCORES, and the outputs are the weights
    unit = np.eye(4, dtype="float32")[None, None]
    query = (2 * SCORES).astype("float32")[None, None]
    found = lab.causal_attention(query, unit, unit)
    weights = np.array(ops.convert_to_numpy(found), float)[0, 0]
    hidden = np.triu(np.ones((4, 4), bool), 1)
    figure, all_axes = chart(2.6, 3)
    panels = (
        (SCORES, "scores", 1),
        (np.where(hidden, np.nan, SCORES), "later keys hidden", 1),
        (weights, "weights, and their sum", 2),
    )
    for axes, (values, title, digits) in zip(all_axes, panels, strict=True):
        heatmap(axes, np.nan_to_num(values, nan=float(np.nanmin(values))), title)
        for (i, j), value in np.ndenumerate(values):
            middle = (np.nanmin(values) + np.nanmax(values)) / 2
            text, colour = (f"{value:.{digits}f}", PAPER if value > middle else INK)
            if np.isnan(value):
                axes.add_patch(_square(i, j))
                text, colour = "hidden", INK
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(4), ["k1", "k2", "k3", "k4"])
        axes.set_yticks(range(4), ["q1", "q2", "q3", "q4"])
    for i, total in enumerate(weights.sum(axis=1)):
        all_axes[2].text(3.62, i, f"{total:.2f}", va="center", fontsize=9, weight="bold")
    return figure


def _square(i: int, j: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=MASKED, edgecolor=PAPER, hatch="//")


@GALLERY.compute("1_11_temperature")
def temperature(lab: Any) -> Figure:
    """What follows "Mc" in an English name, drawn 20,000 times at three temperatures."""
    after = GALLERY.values("1_trained")["after_mc"]
    vocabulary, logits = after["vocabulary"], np.array(after["logits"])
    shown = np.argsort(-logits[3:], kind="stable")[:12] + 3
    figure, all_axes = chart(2.4, 3, sharey=True)
    for axes, heat in zip(all_axes, (0.5, 1, 2), strict=True):
        drawn = lab.sample_next(np.tile(logits, (20_000, 1)), heat, 0)
        share = np.bincount(np.asarray(drawn), minlength=len(logits)) / 20_000
        axes.bar(range(len(shown)), share[shown], color=VALUE, width=0.75)
        axes.set_xticks(range(len(shown)), [vocabulary[i] for i in shown])
        others = 1 - share[shown].sum()
        axes.set_title(f"temperature {heat}; others {others:.0%}", fontsize=9.5)
    all_axes[0].set_ylabel("share of draws", fontsize=9)
    all_axes[1].set_xlabel("next letter after Mc, England", fontsize=9)
    return figure


# Measured


@GALLERY.measure("1_trained")
def trained() -> dict[str, Any]:
    """Train the three recurrent networks as `make lab1` does, and ask them; about 3 CPU minutes."""
    import keras

    from labs.lab1_names import solution
    from labs.lab1_names.data import load_names
    from labs.lab1_names.experiment import PRESETS
    from labs.lab1_names.train import build, packed_model, train
    from toolkit.training.runs import Run
    from toolkit.training.runtime import configure

    settings = PRESETS["quick"]
    names = load_names(settings.data, None, settings.max_characters, settings.seed)
    lists = names.split["train"].values()
    vocabulary = solution.build_vocabulary(name for theirs in lists for name in theirs)
    runtime = configure(settings.seed, settings.precision, settings.devices)
    found: dict[str, Any] = {"gradient": {}}
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create("lab1_names", "quick", {}, root=Path(folder))
        for architecture in ("rnn", "lstm", "gru"):
            keras.utils.set_random_seed(settings.seed)
            model, stepper = build(
                solution, settings, len(vocabulary), len(names.countries), architecture
            )
            peak = getattr(settings, f"{architecture}_rate")
            part, packed = run.part(architecture), packed_model(model)
            train(solution, settings, part, runtime, packed, names, vocabulary, peak)
            found["gradient"][architecture] = gradient_shares(solution, model, names, vocabulary)
    place = names.countries.index("England")
    inputs, _, _ = solution.encode_names(["Mc"], vocabulary)
    logits = model.predict([inputs, np.array([place])], verbose=0)[0, -1]
    found["after_mc"] = {
        "vocabulary": vocabulary,
        "logits": np.round(logits.astype(float), 3).tolist(),
    }
    return found | {
        "letters": letter_costs(solution, model, names, vocabulary),
        "names": generated_names(solution, stepper, names, vocabulary),
    }


def gradient_shares(lab: Any, model: Any, names: Any, vocabulary: list[str]) -> list[float]:
    """Size of the tenth letter's gradient at START and the letters before, the nearest being 1."""
    import tensorflow as tf

    long = [
        (place, name)
        for place, theirs in enumerate(names.split["test"].values())
        for name in theirs
        if len(name) >= 10
    ]
    inputs, targets, _ = lab.encode_names([name for _, name in long], vocabulary)
    countries = np.array([place for place, _ in long])
    embedded = tf.Variable(model.get_layer("embedding")(inputs[:, :10]))
    with tf.GradientTape() as tape:
        x = lab.condition_on_country(embedded, countries, len(names.countries))
        logits = model.get_layer("logits")(model.get_layer("rnn_0")(x))
        loss = lab.nats_per_character(targets[:, 9:10], logits[:, 9:])
    size = np.linalg.norm(tape.gradient(loss, embedded).numpy(), axis=-1).mean(axis=0)[::-1]
    return np.round((size / size[0]).astype(float), 3).tolist()


def letter_costs(lab: Any, model: Any, names: Any, vocabulary: list[str]) -> dict[str, Any]:
    """Nats for each letter of the first Greek test name of nine letters or more."""
    name = next(name for name in names.split["test"]["Greece"] if len(name) >= 9)
    inputs, targets, _ = lab.encode_names([name], vocabulary)
    place = names.countries.index("Greece")
    logits = model.predict([inputs, np.array([place])], verbose=0)
    nats = [
        float(lab.nats_per_character(targets[:, [t]], logits[:, [t]]))
        for t in range(targets.shape[1])
    ]
    return {"name": name, "nats": np.round(nats, 3).tolist()}


def generated_names(lab: Any, stepper: Any, names: Any, vocabulary: list[str]) -> dict[str, Any]:
    """Four names for each of six countries, none of them in any list."""
    chosen = ("Finland", "Georgia", "Greece", "Italy", "Poland", "South Africa")
    wanted = [country for country in chosen for _ in range(10)]
    made = lab.generate_names(
        stepper, vocabulary, names.countries, wanted, None, 18, temperature=0.8, seed=0
    )
    pairs = list(zip(wanted, made, strict=True))
    return {
        country: [name for owner, name in pairs if owner == country and name not in names.known][:4]
        for country in chosen
    }
