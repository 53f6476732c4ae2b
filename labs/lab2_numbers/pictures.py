"""The pictures of Lab 2's lessons; see `labs.course.pictures`."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

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
from labs.lab2_numbers.worked import AFTER, TOY, attention, toy
from toolkit.training.schedules import warmup_cosine

GALLERY = Gallery(__file__)


@GALLERY.draw("0_frame")
def frame() -> Figure:
    """From digits to words, with the tasks' numbers."""
    figure, axes = canvas(3.5)
    box(axes, (0.55, 2.95), "1033", INK, (0.7, 0.4), bold=True)
    box(axes, (1.8, 2.95), "digit ids  2.2\n2  1  4  4", INK, (1.2, 0.55))
    box(axes, (3.6, 2.95), "encoder\nGRU 2.8, Transformer 2.11", STATE, (1.9, 0.55))
    box(axes, (5.95, 2.95), "memory:\none vector a digit", KEY, (1.5, 0.55))
    for left, right in ((0.9, 1.2), (2.4, 2.65), (4.55, 5.2)):
        arrow(axes, (left, 2.95), (right, 2.95))
    arrow(axes, (5.95, 2.67), (5.95, 2.2), KEY, bold=True)
    box(axes, (5.95, 1.95), "attention\n2.7, 2.10", KEY, (1.5, 0.5))
    box(axes, (3.6, 1.95), "decoder\nGRU 2.8, Transformer 2.12", STATE, (1.9, 0.55))
    axes.annotate("", (5.2, 1.95), (4.55, 1.95), arrowprops={"arrowstyle": "<|-|>", "color": INK})
    box(axes, (1.25, 1.95), "words so far  2.3 to 2.5\nSTART one thousand", INK, (1.9, 0.55))
    arrow(axes, (2.2, 1.95), (2.65, 1.95))
    arrow(axes, (3.6, 1.67), (3.6, 1.3))
    box(axes, (3.6, 1.05), "next word: and\ngreedy 2.17, beams 2.18", QUERY, (1.9, 0.5))
    axes.plot([2.65, 1.25], [1.05, 1.05], color=INK, linewidth=1.3)
    arrow(axes, (1.25, 1.05), (1.25, 1.67))
    axes.text(1.35, 1.2, "it reads its own word", fontsize=8.5)
    arrow(axes, (4.55, 1.05), (5.0, 1.05))
    box(axes, (5.95, 1.05), "text  2.6\none thousand and …", INK, (1.9, 0.5))
    axes.text(
        3.5,
        0.35,
        "Training: pairs 2.1, loss 2.14, accuracy 2.15, exact match 2.16; there the decoder reads\n"
        "the right words. The Transformer needs positions, 2.9; it is put together in 2.13.",
        ha="center",
        va="center",
        fontsize=9,
    )
    return figure


# Numbers and words


@GALLERY.compute("2_1_shares")
def lengths_drawn(lab: Any) -> Figure:
    """How many numbers of each length three ways of drawing 20,000 give."""
    rng = np.random.default_rng(0)
    evenly = rng.integers(0, 10**9, 20_000)
    log_uniform = (10 ** rng.uniform(0, 9, 20_000)).astype(int)
    splits = lab.make_pairs(num_pairs=20_000)
    drawn = [number for pairs in splits.values() for number, _ in pairs]
    ways = {
        "evenly below $10^9$": evenly,
        "log-uniformly": log_uniform,
        "make_pairs": np.array(drawn),
    }
    figure, axes = chart(2.7, 3, sharey=True)
    for ax, (name, found) in zip(axes, ways.items(), strict=True):
        lengths = np.char.str_len(found.astype(str))
        counts = [int((lengths == digits).sum()) for digits in range(1, 10)]
        different = [len(np.unique(found[lengths == digits])) for digits in range(1, 10)]
        again = np.array(counts) - different
        ax.bar(range(1, 10), different, color=QUERY, label="different numbers")
        style = {"color": PAPER, "edgecolor": KEY, "hatch": "////", "label": "duplicates"}
        twice = np.flatnonzero(again)
        ax.bar(twice + 1, again[twice], bottom=np.array(different)[twice], **style)
        ax.set_ylim(0.8, 30_000)
        ax.set_title(name, fontsize=10)
        ax.set_yscale("log")
        ax.set_xticks(range(1, 10))
        ax.set_xlabel("digits", fontsize=9)
    axes[0].set_ylabel("numbers of 20,000", fontsize=9)
    axes[1].legend(fontsize=8, loc="lower right", framealpha=1)
    return figure


@GALLERY.compute("2_3_pieces")
def pieces(lab: Any) -> Figure:
    """A German compound and its pieces."""
    figure, axes = canvas(1.5)
    word = "siebenhundertsiebenundsiebzigtausend"
    tokens = lab.split_words(word, "de")
    axes.text(3.5, 1.2, f"777,000:  {word}", ha="center", fontsize=11, family="monospace")
    # a token takes the room of its letters, marks and edges
    widths = np.array([len(token) + 2.0 for token in tokens])
    widths *= min(6.6 / widths.sum(), 0.14)
    left = 3.5 - widths.sum() / 2
    for token, width in zip(tokens, widths, strict=True):
        colour = KEY if token.startswith("##") else QUERY
        box(axes, (left + width / 2, 0.7), token, colour, (width - 0.06, 0.36))
        left += width
    axes.text(
        3.5,
        0.2,
        "blue: begins a word      orange, with ##: glued to the piece before it",
        ha="center",
        fontsize=9,
    )
    return figure


@GALLERY.compute("2_5_shift")
def shift(lab: Any) -> Figure:
    """What the decoder reads and what it should predict."""
    vocabulary = ["PAD", "START", "END", "-", "thirty", "three"]
    inputs, targets = (rows[0] for rows in lab.encode_words(["thirty-three"], vocabulary, 5))
    figure, axes = canvas(2.1)
    for row, ids, name in ((0.55, inputs, "inputs"), (1.95, targets, "targets")):
        texts = [f"{vocabulary[index]}  {index}" for index in ids]
        colours = [
            MASKED if index == 0 else STATE if index in (1, 2) else QUERY for index in ids.tolist()
        ]
        cells(axes, (1.2, row), [texts], [colours], (1.1, 0.42))
        axes.text(1.05, row - 0.21, name, ha="right", va="center", fontsize=10)
    axes.text(1.05, 1.04, "decoder", ha="right", va="center", fontsize=10)
    for place, (read, right) in enumerate(zip(inputs, targets, strict=True)):
        x = 1.75 + 1.1 * place
        colour = INK if right else MASKED
        arrow(axes, (x, 0.55), (x, 1.53), colour, dashed=not right)
        if place + 1 < len(inputs) and read and right == inputs[place + 1]:
            arrow(axes, (x + 0.3, 1.53), (x + 0.8, 0.55), KEY, dashed=True)
    return figure


# The GRU


@GALLERY.compute("2_7_attention")
def attention_weights(lab: Any) -> Figure:
    """One decoder state, three memories, scores and weights."""
    scores = (1.829, -0.462, 1.386)  # before the mask: the layer does not return them
    weights = np.ravel(ops.convert_to_numpy(attention(lab)[1]))
    figure, axes = canvas(3.3)
    box(axes, (3.5, 2.95), "decoder state  s", STATE, (1.7, 0.36))
    for place, (score, weight) in enumerate(zip(scores, weights, strict=True)):
        x = 1.5 + 2.0 * place
        masked = place == 2
        colour = MASKED if masked else KEY
        arrow(axes, (3.5 + 0.5 * (place - 1), 2.75), (x, 2.2), colour, dashed=masked)
        axes.plot([x - 0.45, x + 0.45], [1.5, 1.5], color=INK, linewidth=0.8)
        axes.bar(
            x,
            0.34 * score,
            0.4,
            bottom=1.5,
            color=colour,
            hatch="//" if masked else None,
            edgecolor="white",
        )
        axes.text(
            x + 0.27,
            1.5 + 0.17 * score - 0.04 * (score < 0),
            f"e = {score:.3f}".replace("-", "−"),
            va="center",
            fontsize=9,
        )
        name = f"h{place + 1}, padding" if masked else f"h{place + 1}"
        box(axes, (x, 0.95), "", colour, (1.2, 0.34))
        axes.text(x, 0.95, name, ha="center", va="center", fontsize=9)
        axes.text(
            x,
            0.5,
            f"a = {weight:.3f}" if weight else "a = 0",
            ha="center",
            fontsize=11,
            color=INK if masked else colour,
            weight="bold",
        )
    sum_text = " + ".join(
        f"{weight:.3f} h{place}" for place, weight in enumerate(weights, 1) if weight
    )
    axes.text(3.5, 0.15, f"context  c = {sum_text}", ha="center", fontsize=10)
    return figure


@GALLERY.draw("2_8_models")
def three_models() -> Figure:
    """The model for training; encoder and stepper for translating."""
    figure, axes = canvas(3.5)
    axes.text(0.1, 3.3, "model: for training, all positions at once", fontsize=10, weight="bold")
    box(axes, (0.75, 2.75), "digits\n(B, S)", INK, (0.9, 0.5))
    box(axes, (2.4, 2.75), "encoder's layers", STATE, (1.5, 0.5))
    box(axes, (4.6, 2.75), "decoder's layers", QUERY, (1.5, 0.5))
    box(axes, (6.25, 2.75), "logits\n(B, T, V)", INK, (1.0, 0.5))
    box(axes, (4.6, 2.05), "words (B, T)", INK, (1.1, 0.34))
    for left, right in ((1.2, 1.65), (3.15, 3.85), (5.35, 5.75)):
        arrow(axes, (left, 2.75), (right, 2.75))
    arrow(axes, (4.6, 2.22), (4.6, 2.5))
    axes.plot([0.1, 6.9], [1.75, 1.75], color=MASKED, linewidth=1)
    axes.text(
        0.1,
        1.5,
        "encoder: once for a number                stepper: once for a word",
        fontsize=10,
        weight="bold",
    )
    box(axes, (0.75, 0.95), "digits\n(B, S)", INK, (0.9, 0.5))
    box(axes, (2.4, 0.95), "encoder's layers", STATE, (1.5, 0.5))
    box(axes, (4.6, 0.95), "decoder's layers", QUERY, (1.5, 0.5))
    box(axes, (6.25, 0.95), "logits\n(B, V)", INK, (1.0, 0.5))
    for left, right in ((1.2, 1.65), (3.15, 3.85), (5.35, 5.75)):
        arrow(axes, (left, 0.95), (right, 0.95), STATE if left == 3.15 else INK, left == 3.15)
    axes.text(3.5, 1.05, "states", ha="center", fontsize=9, color=STATE)
    box(axes, (6.25, 0.3), "next word (B, 1)", INK, (1.3, 0.34))
    arrow(axes, (6.25, 0.7), (6.25, 0.47))
    axes.plot([5.6, 4.9], [0.3, 0.3], color=INK, linewidth=1.3)
    arrow(axes, (4.9, 0.3), (4.9, 0.7))
    axes.plot([4.3, 4.3, 3.5], [0.7, 0.3, 0.3], color=STATE, linewidth=2.6)
    arrow(axes, (3.5, 0.3), (3.5, 0.93), STATE, bold=True)
    axes.text(3.4, 0.3, "new states", ha="right", va="center", fontsize=9, color=STATE)
    for x, colour in ((2.9, STATE), (5.3, QUERY)):
        axes.plot([x, x], [2.5, 1.2], color=colour, linewidth=1.3, linestyle=":")
        axes.text(x + 0.08, 1.9, "the same", fontsize=9, color=colour)
    return figure


@GALLERY.draw("2_8_attention")
def where_it_looks() -> Figure:
    """The weights of a trained GRU for 1033."""
    found = GALLERY.values("2_8_attention")
    weights = np.array(found["weights"])
    figure, axes = chart(3.1)
    heatmap(axes, weights, digits=2)
    axes.set_xticks(range(4), ["1", "0", "3", "3"], fontsize=11)
    axes.set_yticks(range(len(weights)), found["words"], fontsize=10)
    axes.set_xlabel("digit that it looks at", fontsize=9)
    axes.set_ylabel("word that it predicts", fontsize=9)
    return figure


# The Transformer


@GALLERY.compute("2_9_sinusoids")
def sinusoids(lab: Any) -> Figure:
    """The table as an image; dot products by distance."""
    table = lab.sinusoidal_positions(48, 32)
    figure, (left, right) = chart(2.8, 2)
    left.imshow(table, cmap="PuOr", aspect="auto", interpolation="nearest", vmin=-1, vmax=1)
    left.set_xlabel("column", fontsize=9)
    left.set_ylabel("position", fontsize=9)
    left.set_title("orange −1, violet +1", fontsize=10)
    for position, colour, style in ((8, QUERY, "-"), (24, KEY, "--")):
        distances = np.arange(-8, 24)
        right.plot(
            distances,
            table[position + distances] @ table[position],
            style,
            color=colour,
            linewidth=4 if style == "-" else 2,
            label=f"from position {position}",
        )
    right.set_xlabel("distance of two positions", fontsize=9)
    right.set_title("their dot product", fontsize=10)
    right.legend(fontsize=8)
    return figure


@GALLERY.draw("2_10_heads")
def cut_into_heads() -> Figure:
    """Queries, keys and values of width 8, cut into two heads."""
    figure, axes = canvas(3.6)

    def grid(x: float, y: float, rows: int, colours: list[str], name: str) -> None:
        cells(axes, (x, y), [[""] * len(colours)] * rows, [colours] * rows, (0.2, 0.2))
        middle = x + len(colours) * 0.1
        axes.text(middle, y + 0.06, name, ha="center", fontsize=8.5)

    parts = ("queries  (T, 8)", 3.2, 3, QUERY), ("keys  (S, 8)", 2.2, 2, KEY)
    for name, y, rows, colour in (*parts, ("values  (S, 8)", 1.4, 2, VALUE)):
        grid(0.2, y, rows, [colour] * 4 + [PAPER] * 4, name)
        axes.plot([1.0, 1.0], [y, y - 0.2 * rows], color=INK, linewidth=2.6)
    axes.text(0.6, 0.75, "head 1", ha="center", fontsize=9)
    axes.text(1.4, 0.75, "head 2", ha="center", fontsize=9)
    axes.plot([2.0, 2.0], [3.2, 1.0], color=INK, linewidth=1.3)
    for y, head, colour in ((2.9, 1, VALUE), (1.5, 2, PAPER)):
        axes.text(2.55, y + 0.33, f"head {head}", ha="center", fontsize=9, weight="bold")
        arrow(axes, (2.0, y - 0.3), (3.1, y - 0.3))
        axes.text(2.55, y - 0.22, "q · k / √4", ha="center", fontsize=8.5)
        axes.text(2.55, y - 0.5, "softmax", ha="center", fontsize=8.5)
        grid(3.2, y, 3, [STATE] * 2, "weights  (T, S)")
        arrow(axes, (3.7, y - 0.3), (4.2, y - 0.3))
        axes.text(3.95, y - 0.22, "· v", ha="center", fontsize=8.5)
        grid(4.3, y, 3, [colour] * 4, "(T, 4)")
        arrow(axes, (5.15, y - 0.3), (5.3, 2.0 if head == 1 else 1.8))
    grid(5.35, 2.2, 3, [VALUE] * 4 + [PAPER] * 4, "side by side  (T, 8)")
    arrow(axes, (6.15, 1.6), (6.15, 1.1))
    box(axes, (6.15, 0.88), "output kernel", INK, (1.3, 0.4))
    axes.text(3.5, 0.2, "T = 3 queries, S = 2 keys, d = 8, two heads of 4", ha="center", fontsize=9)
    return figure


@GALLERY.compute("2_10_causal")
def causal_weights(lab: Any) -> Figure:
    """Weights of two causal heads on random vectors, the last position being padding."""
    keras.utils.set_random_seed(2)
    layer = lab.MultiHeadAttention(8, 2, causal=True)
    rng = np.random.default_rng(0)
    words = rng.normal(size=(1, 5, 8)).astype("float32")
    mask = np.array([[True, True, True, True, False]])
    weights = ops.convert_to_numpy(layer([words, words, mask])[1])[0]
    figure, axes = chart(2.6, 2)
    for head, ax in enumerate(axes):
        heatmap(ax, weights[head], f"head {head + 1}", digits=2)
        for row, column in np.argwhere(weights[head] == 0):
            corner = column - 0.5, row - 0.5
            ax.add_patch(
                Rectangle(corner, 1, 1, facecolor=MASKED, edgecolor=PAPER, hatch="//", alpha=0.6)
            )
        ax.set_xlabel("position that is looked at", fontsize=9)
        ax.set_xticks(range(5))
        ax.set_yticks(range(5))
    axes[0].set_ylabel("position that looks", fontsize=9)
    return figure


def stream(axes: Axes, y: float, sums: list[float]) -> None:
    """Draw the line of x with its sums."""
    axes.text(0.2, y, "x", va="center", fontsize=12, weight="bold")
    arrow(axes, (0.4, y), (6.9, y), INK, bold=True)
    for x in sums:
        axes.text(
            x,
            y,
            "+",
            ha="center",
            va="center",
            fontsize=13,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": PAPER, "edgecolor": INK},
        )


@GALLERY.draw("2_11_block")
def encoder_block() -> Figure:
    """The encoder's block: two branches from the line of x."""
    figure, axes = canvas(2.5)
    stream(axes, 0.45, [3.3, 6.4])
    for left, name, parts in (
        (0.9, "norm_1", "self-attention\n(mixes the positions)"),
        (4.0, "norm_2", "expand, relu, contract\n(each position alone)"),
    ):
        box(axes, (left + 0.2, 1.5), name, INK, (0.75, 0.5))
        arrow(axes, (left + 0.58, 1.5), (left + 0.72, 1.5))
        colour = QUERY if name == "norm_1" else VALUE
        box(axes, (left + 1.5, 1.5), parts, colour, (1.56, 0.5))
        arrow(axes, (left + 0.2, 0.45), (left + 0.2, 1.25))
        axes.plot([left + 2.28, left + 2.4], [1.5, 1.5], color=INK, linewidth=1.3)
        arrow(axes, (left + 2.4, 1.5), (left + 2.4, 0.62))
    axes.text(0.75, 2.1, "Only what is added is normalised; x itself is not.", fontsize=9)
    return figure


@GALLERY.draw("2_12_block")
def decoder_block() -> Figure:
    """The decoder's block: three branches; keys and values that are kept."""
    figure, axes = canvas(3.4)
    stream(axes, 0.45, [2.43, 4.58, 6.73])
    for left, norm, name, colour in (
        (0.5, "norm_1", "self-attention\ncausal", QUERY),
        (2.65, "norm_2", "cross-attention", KEY),
        (4.8, "norm_3", "feed-forward", VALUE),
    ):
        box(axes, (left + 0.2, 1.4), norm, INK, (0.6, 0.4))
        box(axes, (left + 1.23, 1.4), name, colour, (1.16, 0.5))
        arrow(axes, (left + 0.2, 0.45), (left + 0.2, 1.2))
        arrow(axes, (left + 0.5, 1.4), (left + 0.65, 1.4))
        axes.plot([left + 1.81, left + 1.93], [1.4, 1.4], color=INK, linewidth=1.3)
        arrow(axes, (left + 1.93, 1.4), (left + 1.93, 0.62))
    texts = [["one", "thou.", "and", "", ""]]
    cells(axes, (0.6, 2.6), texts, [[QUERY, QUERY, PAPER, MASKED, MASKED]], (0.45, 0.4))
    axes.text(0.6, 3.05, "keys and values of the words", fontsize=9, weight="bold")
    for x, text in ((1.05, "kept"), (1.72, "new"), (2.4, "still empty")):
        axes.text(x, 2.7, text, ha="center", fontsize=8.5)
    arrow(axes, (1.73, 2.2), (1.73, 1.65), QUERY)
    cells(axes, (3.2, 2.6), [["1", "0", "3", "3"]], [[KEY] * 4], (0.45, 0.4))
    axes.text(3.2, 3.05, "keys and values of the digits", fontsize=9, weight="bold")
    axes.text(4.1, 2.7, "made once for a number", ha="center", fontsize=8.5)
    arrow(axes, (3.88, 2.2), (3.88, 1.65), KEY)
    return figure


# Training and measuring


@GALLERY.draw("2_14_padding")
def padding() -> Figure:
    """A batch of three numbers: most of it is padding."""
    figure, axes = canvas(1.9)
    rows = ["seven END", "forty - two END", "one thousand and thirty - three END"]
    texts = [(row.split() + ["PAD"] * 8)[:8] for row in rows]
    colours = [[MASKED if text == "PAD" else QUERY for text in row] for row in texts]
    cells(axes, (0.3, 1.75), texts, colours, (0.8, 0.36))
    axes.text(
        3.5,
        0.25,
        "blue: tokens, they count        grey: padding, 11 of 24 positions, it does not",
        ha="center",
        fontsize=9.5,
    )
    return figure


# Decoding


@GALLERY.compute("2_17_rows")
def rows_of_words(lab: Any) -> Figure:
    """The loop, and what it has written for two rows."""
    ids = ops.convert_to_numpy(lab.greedy_decode(*toy(), np.array([[1], [2]]), 4))
    figure, axes = canvas(2.9)
    box(axes, (0.75, 2.35), "encoder", STATE, (0.9, 0.42))
    box(axes, (2.6, 2.35), "stepper", QUERY, (1.0, 0.42))
    box(axes, (4.35, 2.35), "argmax", INK, (0.9, 0.42))
    box(axes, (6.1, 2.35), "write; done?", INK, (1.2, 0.42))
    arrow(axes, (1.2, 2.35), (2.1, 2.35), STATE)
    axes.text(1.65, 2.42, "states", ha="center", fontsize=8.5, color=STATE)
    arrow(axes, (3.1, 2.35), (3.9, 2.35))
    axes.text(3.5, 2.42, "logits", ha="center", fontsize=8.5)
    arrow(axes, (4.8, 2.35), (5.5, 2.35))
    axes.text(5.15, 2.42, "words", ha="center", fontsize=8.5)
    axes.plot([6.1, 6.1, 2.6], [2.14, 1.75, 1.75], color=INK, linewidth=1.3)
    arrow(axes, (2.6, 1.75), (2.6, 2.14))
    axes.text(4.35, 1.8, "words and new states, until all rows are done", ha="center", fontsize=8.5)
    texts = [[TOY[index] for index in row] for row in ids]
    colours = [[{0: MASKED, 2: STATE}.get(index, QUERY) for index in row] for row in ids.tolist()]
    cells(axes, (1.9, 1.1), texts, colours, (0.9, 0.36))
    for row in range(2):
        axes.text(1.75, 0.92 - 0.36 * row, f"row {row + 1}", ha="right", va="center", fontsize=9)
    for column in range(4):
        axes.text(2.35 + 0.9 * column, 1.16, f"step {column + 1}", ha="center", fontsize=8.5)
    return figure


@GALLERY.compute("2_18_tree")
def tree(lab: Any) -> Figure:
    """The tree of beginnings: the likeliest first word leads to the worse number."""
    kept = lab.beam_search(*toy(), np.array([[1]]), 4, 2)[0]
    best = [TOY[index] for index in kept[0][0]]
    figure, axes = canvas(3.4)
    box(axes, (0.6, 1.75), "START", INK, (0.8, 0.4))
    on_line = {"boxstyle": "square,pad=0.1", "facecolor": PAPER, "edgecolor": PAPER}
    middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "bbox": on_line}
    for first, y in (("sixty", 2.55), ("six", 0.95)):
        chance = AFTER[1][0][TOY.index(first) - 2]
        good = best[0] == first
        arrow(axes, (1.0, 1.75), (2.05, y), KEY if good else INK, bold=good)
        axes.text(1.5, (1.75 + y) / 2, f"{chance:g}", **middle)
        box(axes, (2.5, y), f"{first}  {chance:.2f}", KEY if good else INK, (0.9, 0.4), good)
        for second, dy in (("END", 0.5), ("six", 0.0), ("sixty", -0.5)):
            after = AFTER[1][TOY.index(first) - 1][TOY.index(second) - 2]
            both = good and best[1:] == [second]
            arrow(axes, (2.95, y), (4.0, y + dy), KEY if both else INK, bold=both)
            axes.text(3.55, y + 0.6 * dy, f"{after:g}", **middle)
            text = f"{first} {second}  {chance * after:.3f}"
            box(axes, (4.8, y + dy), text, KEY if both else INK, (1.6, 0.36), both)
            if second == "END":
                name = "two beams" if both else "greedy" if first == "sixty" else ""
                axes.text(5.7, y + dy, name, va="center", fontsize=9)
    return figure


# What training gives


@GALLERY.measure("2_8_attention")
def gru_with_and_without_attention() -> dict[str, Any]:
    """Where the quick preset's GRU looks for 1033; its exact match, with and without looking."""
    from labs.lab2_numbers import solution

    class Blind(solution.AdditiveAttention):
        def call(self, inputs):
            context, weights = super().call(inputs)
            return [0 * context, weights]

    def build(size: int) -> keras.Model:
        return solution.build_gru_translator(size, 32, 128)[0]

    with patch.object(solution, "AdditiveAttention", Blind):
        blind = trained(build, 4e-3, 500)[1]
    model, exact, vocabulary = trained(build, 4e-3, 500)
    text = "one thousand and thirty-three"
    inputs, targets = solution.encode_words([text], vocabulary, 7)
    digits = solution.encode_digits([1033], 4)
    looking = keras.Model(model.inputs, model.get_layer("attention").output[1])
    weights = ops.convert_to_numpy(looking([digits, inputs]))[0].astype(float).round(3)
    words = [vocabulary[index] for index in targets[0]]
    return {"exact": exact, "blind": blind, "words": words, "weights": weights.tolist()}


@GALLERY.measure("2_9_positions")
def transformer_with_and_without_positions() -> dict[str, float]:
    """Exact match of the Transformer of the quick preset, and of one without positions."""
    from labs.lab2_numbers import solution

    def build(size: int) -> keras.Model:
        return solution.build_transformer(size, 64, 4, 256, 2, 0.0, 30)[0]

    def nowhere(length: int, depth: int) -> np.ndarray:
        return np.zeros((length, depth), np.float32)

    with patch.object(solution, "sinusoidal_positions", nowhere):
        without = trained(build, 5e-3, 800)[1]
    return {"exact": trained(build, 5e-3, 800)[1], "without": without}


def trained(
    build: Callable[[int], keras.Model], rate: float, steps: int
) -> tuple[keras.Model, float, list[str]]:
    """A model trained as in the quick preset, its exact match on 3,000 new numbers, its words."""
    from labs.lab2_numbers import solution

    pairs = solution.make_pairs()
    texts = {split: [words for _, words in pairs[split]] for split in pairs}
    vocabulary = solution.build_vocabulary(texts["train"])
    length = 1 + max(len(solution.split_words(text)) for found in texts.values() for text in found)

    def encode(split: str) -> tuple[list[np.ndarray], np.ndarray]:
        digits = solution.encode_digits([number for number, _ in pairs[split]], 10)
        inputs, targets = solution.encode_words(texts[split], vocabulary, length)
        return [digits, inputs], targets

    keras.utils.set_random_seed(0)
    model = build(len(vocabulary))
    schedule = warmup_cosine(rate, steps, 1 / 8)
    optimizer = keras.optimizers.Adam(schedule, beta_2=0.98, clipnorm=1.0)
    model.compile(optimizer, solution.masked_cross_entropy)
    inputs, targets = encode("train")
    some = slice(64 * steps)
    model.fit([part[some] for part in inputs], targets[some], batch_size=64, epochs=1)
    inputs, targets = encode("test")
    predicted = model.predict([part[:3000] for part in inputs], batch_size=250).argmax(axis=-1)
    return model, round(float(solution.exact_match(targets[:3000], predicted)), 4), vocabulary
