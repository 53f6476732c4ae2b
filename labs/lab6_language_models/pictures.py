"""The pictures of Lab 6's lessons; see `labs.course.pictures`."""

from functools import cache
from typing import Any

import numpy as np
from keras import ops
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
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
from labs.lab6_language_models.worked import LETTERS, ScriptedTree, bar_grooves, line
from toolkit.music import grid
from toolkit.music.pieces import read_score, to_sequence

GALLERY = Gallery(__file__)
SONG = "bwv227.1"  # its first six bars are repeated
# two settings of one melody, in two keys
SHARED = "bwv135.6", "bwv244.44"
TEMPO = 84.0


@cache
def score(name: str) -> np.ndarray:
    """Read one of Bach's chorales: rows of `grid.to_grid`."""
    found = read_score(name)
    assert found is not None
    return grid.to_grid(found)


def text(axes: Axes, x: float, y: float, words: str, size: float = 9, **options: Any) -> None:
    """Write in the middle of a point."""
    look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size} | options
    axes.text(x, y, words, **look)


# The frame


@GALLERY.draw("0_frame")
def overview() -> Figure:
    """From a piece to a new one, and what is measured of it; with the tasks' numbers."""
    figure, axes = canvas(3.95)
    words = "weights: drawn 6.6, equally many 6.7,\nor published 6.8, 6.9"
    box(axes, (2.7, 3.65), words, KEY, (2.9, 0.5))
    arrow(axes, (2.7, 3.4), (2.7, 3.12), KEY)
    box(axes, (2.7, 2.25), "", STATE, (2.5, 1.74), bold=True)
    text(axes, 2.7, 2.94, "language model 6.5", color=STATE, weight="bold")
    box(axes, (2.7, 2.07), "", INK, (2.24, 1.22))
    text(axes, 2.7, 2.52, "block 6.4, several times")
    box(axes, (2.7, 2.17), "attention 6.3, rotary 6.1", QUERY, (2.0, 0.34))
    box(axes, (2.7, 1.72), "network 6.2", VALUE, (2.0, 0.34))
    box(axes, (0.6, 2.25), "piece\nas ids", INK, (0.9, 0.6))
    box(axes, (4.95, 2.25), "sampling, or\nbeam search 6.10", INK, (1.35, 0.6))
    box(axes, (6.4, 2.25), "new\npiece", INK, (0.9, 0.6))
    for start, end in ((1.05, 1.44), (3.95, 4.27), (5.63, 5.95)):
        arrow(axes, (start, 2.25), (end, 2.25))
    box(axes, (1.0, 0.6), "how sure?\n6.16", STATE, (1.2, 0.5))
    axes.plot([6.4, 6.4, 3.15], [1.95, 1.1, 1.1], color=INK, linewidth=1.3)
    axes.plot([5.4, 5.4, 1.0], [0.35, 0.1, 0.1], color=INK, linewidth=1.3)
    axes.plot([3.15, 3.15], [0.35, 0.1], color=INK, linewidth=1.3)
    arrow(axes, (1.0, 0.1), (1.0, 0.35))
    for x, words in (
        (3.15, "harmony and rhythm:\nH1, H4 6.11, GS 6.12"),
        (5.4, "copies:\n6.13, 6.14, 6.15"),
    ):
        arrow(axes, (x, 1.1), (x, 0.85))
        box(axes, (x, 0.6), words, INK, (1.8, 0.5))
    return figure


# Models


@GALLERY.compute("6_1_angles")
def angles(lab: Any) -> Figure:
    """Where a pair points at several positions, and two pairs of vectors two positions apart."""

    def turned(pair: int, position: int) -> np.ndarray:
        """Turn (1, 0) in one of two pairs."""
        x = np.zeros((1, 1, 1, 4), "f4")
        x[..., pair] = 1
        return np.ravel(ops.convert_to_numpy(lab.rotate(x, position)))[[pair, pair + 2]]

    figure, (fast, slow, both) = chart(2.8, 3)
    for axes, title in (
        (fast, "first pair:\n1 radian a position"),
        (slow, "second pair:\n0.01 radian a position"),
        (both, "first pair, query and key\ntwo positions apart"),
    ):
        text(axes, 0, -1.65, title, 9.5)
        axes.set_aspect("equal")
        axes.set(xlim=(-1.6, 1.6), ylim=(-1.95, 1.3), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        turn = np.linspace(0, 2 * np.pi, 100)
        axes.plot(np.cos(turn), np.sin(turn), color=MASKED, linewidth=0.8)
    for axes, pair, positions in ((fast, 0, (0, 1, 2, 3)), (slow, 1, (0, 50, 100))):
        for position in positions:
            hand(axes, turned(pair, position), INK, f"{position}")
    for style, q, k in (("solid", 3, 1), ("dashed", 6, 4)):
        hand(both, turned(0, q), QUERY, f"q at {q}", style)
        hand(both, turned(0, k), KEY, f"k at {k}", style)
    return figure


def hand(axes: Axes, to: np.ndarray, colour: str, words: str, style: str = "solid") -> None:
    """Draw the hand of a clock."""
    look = {"arrowstyle": "-|>", "color": colour, "linestyle": style, "shrinkA": 0, "shrinkB": 0}
    x, y = to.tolist()
    axes.annotate("", (x, y), (0, 0), arrowprops=look | {"linewidth": 1.6})
    side = "center" if abs(x) < 0.6 else "left" if x > 0 else "right"
    text(axes, 1.08 * x, 1.15 * y, words, 9, ha=side, color=colour)


@GALLERY.draw("6_2_networks")
def networks() -> Figure:
    """GELU's two layers, and SwiGLU's three."""
    figure, axes = canvas(2.6)
    for y, words in ((2.05, "GELU"), (1.05, "SwiGLU")):
        text(axes, 0.15, y + 0.42, words, 10, ha="left", weight="bold")
        text(axes, 0.5, y, "x\n(B, T, d)")
        text(axes, 6.55, y, "y\n(B, T, d)")
        box(axes, (2.0, y), "expand", QUERY)
        box(axes, (5.3, y), "contract", VALUE)
        arrow(axes, (0.95, y), (1.45, y))
        arrow(axes, (5.85, y), (6.1, y))
        text(axes, 2.95, y + 0.12, "(B, T, f)", 8)
    box(axes, (4.0, 2.05), "gelu", INK, (0.8, 0.4))
    arrow(axes, (2.55, 2.05), (3.6, 2.05))
    arrow(axes, (4.4, 2.05), (4.75, 2.05))
    box(axes, (4.0, 1.05), "⊙", INK, (0.4, 0.4))
    arrow(axes, (2.55, 1.05), (3.8, 1.05))
    arrow(axes, (4.2, 1.05), (4.75, 1.05))
    box(axes, (2.0, 0.3), "gate", KEY)
    box(axes, (3.2, 0.3), "silu", INK, (0.7, 0.4))
    axes.plot([1.1, 1.1], [1.05, 0.3], color=INK, linewidth=1.3)
    arrow(axes, (1.1, 0.3), (1.45, 0.3))
    arrow(axes, (2.55, 0.3), (2.85, 0.3))
    axes.plot([3.55, 4.0], [0.3, 0.3], color=INK, linewidth=1.3)
    arrow(axes, (4.0, 0.3), (4.0, 0.85))
    text(axes, 4.15, 0.42, "how much of each\nunit passes", 8.5, ha="left")
    return figure


@GALLERY.draw("6_3_groups")
def groups() -> Figure:
    """Six heads of queries share six, two or one heads of keys and values."""
    figure, axes = canvas(1.8)
    for place, (count, name) in enumerate(((6, "GPT-2"), (2, "groups"), (1, "multi-query"))):
        left = 0.15 + 2.35 * place
        size = 4 * 2048 * 6 * 2 * 64 * count / 1e6
        text(axes, left + 1.0, 1.67, f"{name}: G = {count}", 10, weight="bold")
        middles = left + 0.17 + 0.33 * ((np.arange(count) + 0.5) * 6 / count - 0.5)
        for head in range(6):
            x, middle = left + 0.17 + 0.33 * head, middles[head * count // 6]
            box(axes, (x, 1.28), f"q{head}", QUERY, (0.29, 0.3))
            arrow(axes, (x, 1.13), (middle + 0.3 * (x - middle), 0.7), KEY)
        for shared, middle in enumerate(middles):
            box(axes, (middle, 0.55), f"kv{shared}", KEY, (0.29 if count == 6 else 0.6, 0.3))
        text(axes, left + 1.0, 0.15, f"cache of a piece: {size:.1f} MB", 9)
    return figure


@GALLERY.draw("6_4_blocks")
def blocks() -> Figure:
    """The two additions of GPT-2's block and of LLaMA's."""
    figure, axes = canvas(2.95)
    for y, name, norm, attention, network in (
        (2.5, "GPT-2", "LayerNorm", "attention, keys\nfor each head", "GELU network"),
        (1.0, "LLaMA", "RMSNorm", "attention, turned,\nshared keys", "SwiGLU network"),
    ):
        text(axes, 0.1, y + 0.3, name, 10, ha="left", weight="bold")
        text(axes, 0.2, y, "x")
        arrow(axes, (0.35, y), (6.9, y), STATE, bold=True)
        for start, part, colour in ((0.5, attention, QUERY), (3.65, network, VALUE)):
            first, second, plus = start + 0.7, start + 2.05, start + 2.95
            axes.plot([start, start], [y, y - 0.65], color=INK, linewidth=1.3)
            arrow(axes, (start, y - 0.65), (first - 0.45, y - 0.65))
            box(axes, (first, y - 0.65), norm, KEY, (0.9, 0.44))
            arrow(axes, (first + 0.45, y - 0.65), (second - 0.62, y - 0.65))
            box(axes, (second, y - 0.65), part, colour, (1.24, 0.44))
            axes.plot([second + 0.62, plus], [y - 0.65, y - 0.65], color=INK, linewidth=1.3)
            arrow(axes, (plus, y - 0.65), (plus, y - 0.13))
            axes.plot(plus, y, "o", markersize=17, color=PAPER, markeredgecolor=STATE, zorder=5)
            text(axes, plus, y - 0.01, "+", 13, color=STATE, zorder=6)
    return figure


@GALLERY.compute("6_4_norms")
def norms(lab: Any) -> Figure:
    """The same points, and what each norm makes of them."""
    points = np.array([[1, 3], [3, 5], [5, 7], [3, 1], [6, 2], [-4, 1], [-1, -4]], "f4")
    after = [ops.convert_to_numpy(lab.make_norm(kind, "norm")(points)) for kind in ("layer", "rms")]
    figure, panels = chart(2.5, 3)
    for axes, found, title in zip(
        panels, (points, *after), ("before", "after LayerNorm", "after RMSNorm"), strict=True
    ):
        axes.set_title(title, fontsize=10)
        axes.axhline(0, color=MASKED, linewidth=0.8)
        axes.axvline(0, color=MASKED, linewidth=0.8)
        axes.plot(*found.T, "o", color=STATE, markersize=6)
        near: dict[int, str] = {}  # names of points that are close together, by the first
        for name, one in zip("abcdefg", found, strict=True):
            first = next(i for i, other in enumerate(found) if np.linalg.norm(one - other) < 0.5)
            near[first] = f"{near[first]}, {name}" if first in near else name
        for first, names in near.items():
            side = -1 if found[first, 0] > 0 else 1
            axes.annotate(
                *(names, found[first], (8 * side, 0)),
                textcoords="offset points",
                fontsize=10,
                va="center",
                ha="left" if side > 0 else "right",
            )
    for axes in panels[1:]:
        axes.set(xlim=(-2, 2), ylim=(-1.8, 1.8), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    panels[0].set(xlim=(-8, 8), ylim=(-7.5, 8.5))
    return figure


@GALLERY.draw("6_5_cache")
def cache_positions() -> Figure:
    """A step's token has the position old + slot."""
    figure, axes = canvas(1.85)
    old, new, slot, wide, left = 6, 5, 2, 0.46, 1.35
    for row, y, first in (("position", 1.42, 0), ("slot", 0.66, old)):
        text(axes, 0.15, y, row, ha="left")
        for place in range(first, old + new):
            here = place == old + slot
            look: dict[str, Any] = {"weight": "bold", "color": STATE} if here else {}
            text(axes, left + (place + 0.5) * wide, y, str(place - first), **look)
    texts = [["k, v"] * (old + slot) + ["now"] + ["empty"] * (new - slot - 1)]
    colours = [[KEY] * (old + slot) + [STATE] + [PAPER] * (new - slot - 1)]
    text(axes, 0.15, 1.05, "cache", ha="left")
    cells(axes, (left, 1.22), texts, colours, (wide, 0.34))
    axes.plot([left + old * wide] * 2, [0.5, 1.55], color=INK, linewidth=2)
    text(axes, left + old * wide / 2, 1.72, "old part: old = 6 positions")
    text(axes, left + (old + new / 2) * wide, 1.72, "new part: 5 slots")
    text(axes, left + old * wide / 2, 0.66, "filled by read")
    text(axes, left + (old + new / 2) * wide, 0.36, "filled by step, one by one")
    text(axes, 3.5, 0.1, "position of slot 2: 6 + 2 = 8", 9.5, color=STATE, weight="bold")
    return figure


@GALLERY.compute("6_6_stream")
def stream(lab: Any) -> Figure:
    """The stream's deviation after each block, with added results scaled and not."""
    model = lab.LanguageModel(256, 64, 4, 4, 256, 12, 32, **lab.GPT2)
    model.build((None, None))
    ids = np.random.default_rng(0).integers(3, 256, (8, 32))
    figure, axes = chart(2.5)
    for name, colour, style in (("as drawn", STATE, "o-"), ("not divided by √N", KEY, "s--")):
        lab.initialize(model, 0)
        hidden = model.embed(ids)
        deviations = [float(np.std(hidden))]
        for block in model.blocks:
            for part in (block.attention.output_projection, block.network.contract):
                if style == "s--":
                    part.kernel.assign(part.kernel * np.sqrt(2 * len(model.blocks)))
            hidden = block(hidden)
            deviations.append(float(np.std(hidden)))
        axes.plot(deviations, style, color=colour, markersize=5)
        axes.annotate(
            f"{name}: {deviations[-1]:.3f}",
            (12, deviations[-1]),
            (-6, 8),
            ha="right",
            textcoords="offset points",
            fontsize=9,
            color=colour,
        )
    axes.set_xlabel("blocks", fontsize=9)
    axes.set_ylabel("deviation of the stream", fontsize=9)
    axes.set_ylim(0, 0.125)
    return figure


# Weights


@GALLERY.draw("6_8_bits")
def bits() -> Figure:
    """Bits of π as float32, its upper half, and that half read as float16."""
    figure, axes = canvas(2.25)
    raw = int(np.float32(np.pi).view("u4"))
    all_bits = f"{raw:032b}"
    half = np.array(raw >> 16, "u2").view("f2")
    for y, name, value, count, exponent in (
        (1.95, "float32", f"{np.float32(np.pi):.7f}", 32, 8),
        (1.2, "bfloat16", "3.140625", 16, 8),
        (0.45, "read as float16", f"{half:.6f}", 16, 5),
    ):
        colours = [MASKED] + [KEY] * exponent + [VALUE] * (count - 1 - exponent)
        cells(axes, (0.1, y), [list(all_bits[:count])], [colours], (0.168, 0.26))
        text(axes, 0.1, y + 0.13, name, ha="left", weight="bold")
        x = 0.1 + 0.168 * count + 0.1
        text(axes, x, y - 0.13, f"= {value}", 9.5, ha="left")
    for x, colour, words in (
        (4.1, MASKED, "sign"),
        (4.85, KEY, "exponent"),
        (5.9, VALUE, "fraction"),
    ):
        cells(axes, (x, 0.45), [[""]], [[colour]], (0.168, 0.26))
        text(axes, x + 0.24, 0.32, words, ha="left")
    return figure


@GALLERY.draw("6_9_layouts")
def layouts() -> Figure:
    """GPT-2's three kernels side by side; LLaMA's transposed."""
    figure, axes = canvas(1.95)
    text(axes, 1.65, 1.8, "GPT-2: c_attn.weight (d, 3d)", weight="bold")
    wide = 0.3
    cells(
        axes, (0.3, 1.55), [[""] * 9] * 3, [[QUERY] * 3 + [KEY] * 3 + [VALUE] * 3] * 3, (wide, 0.22)
    )
    for x, words in ((0.75, "query"), (1.65, "key"), (2.55, "value")):
        text(axes, x, 0.55, f"{words}\nkernel")
        arrow(axes, (x, 0.88), (x, 0.72))
    text(axes, 1.65, 0.15, "cut on the last axis", 9)
    text(axes, 5.2, 1.8, "LLaMA: q_proj.weight", weight="bold")
    cells(axes, (3.85, 1.4), [["1", "2"], ["3", "4"]], None, (0.42, 0.34))
    cells(axes, (5.65, 1.4), [["1", "3"], ["2", "4"]], None, (0.42, 0.34))
    arrow(axes, (4.85, 1.06), (5.5, 1.06))
    text(axes, 5.17, 1.2, "transpose", 8.5)
    text(axes, 4.27, 0.5, "stored:\n(outputs, inputs)")
    text(axes, 6.07, 0.5, "ours:\n(inputs, outputs)")
    return figure


# Decoding


@GALLERY.compute("6_10_beams")
def beams(lab: Any) -> Figure:
    """The tree of two tokens, greedy decoding's path and the one that two beams find."""
    model = ScriptedTree(lab)
    greedy, best = (
        [int(one) for one in np.ravel(lab.beam_search(model, [[lab.START, 3]], 2, count)[0])]
        for count in (1, 2)
    )
    figure, axes = canvas(3.4)
    root, first, second = 0.6, 2.3, 4.3
    box(axes, (root, 1.7), "primer", INK, (0.9, 0.36))
    tops = {3: 2.45, 4: 1.0, 2: 0.25}
    for id, y in tops.items():
        path = [one for one in (greedy, best) if one[0] == id]
        colour = {0: MASKED}.get(len(path), KEY if path and path[0] is best else QUERY)
        branch(axes, (root + 0.45, 1.7), (first - 0.35, y), LETTERS[id], model.first[id], colour)
        if id == lab.END:
            continue
        for place, after in enumerate((3, 4, 2)):
            end = y + 0.45 * (1 - place)
            found = [id, after]
            colour = QUERY if found == greedy else KEY if found == best else MASKED
            branch(
                axes,
                (first + 0.35, y),
                (second - 0.35, end),
                LETTERS[after],
                model.table[id, after],
                colour,
            )
            chance = model.first[id] * model.table[id, after]
            said = f"{np.log(chance) / 2:.3f}".replace("-", "−")
            who = {QUERY: "  greedy decoding", KEY: "  two beams"}.get(colour, "")
            text(
                axes,
                second + 0.45,
                end,
                said + who,
                9,
                ha="left",
                color=INK if who else "#6b6b6b",
                weight="bold" if who else "normal",
            )
    text(axes, second + 0.45, 3.25, "score, α = 1", 9, ha="left", weight="bold")
    return figure


def branch(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    name: str,
    chance: float,
    colour: str,
) -> None:
    """Draw a token, and an arrow to it with its probability."""
    chosen = colour != MASKED
    arrow(axes, start, end, colour, bold=chosen)
    box(axes, (end[0] + 0.35, end[1]), name, colour if chosen else INK, (0.7, 0.3), bold=chosen)
    x, y = 0.55 * np.array(end) + 0.45 * np.array(start)
    text(axes, x, y, f"{chance:.2g}", 8.5, bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1})


# Measures

CLASSES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"]


@GALLERY.compute("6_11_entropy")
def entropy(lab: Any) -> Figure:
    """Pitch classes in the bars of a chorale, and the entropy of each bar."""
    notes = score(SONG)[:, :3]
    bars = 10
    counts = np.zeros((12, bars))
    for bar, _, pitch in notes[notes[:, 0] < bars]:
        counts[pitch % 12, bar] += 1
    figure, axes = chart(3.1)
    heatmap(axes, counts)
    axes.set_yticks(range(12), CLASSES, fontsize=8.5)
    found = [lab.pitch_class_entropy(notes[notes[:, 0] == bar], bars, 1) for bar in range(bars)]
    axes.set_xticks(range(bars), [f"{bar + 1}\n{value:.2f}" for bar, value in enumerate(found)])
    axes.set_xlabel("bar, and below it its entropy in bits", fontsize=9)
    axes.invert_yaxis()
    for (i, j), count in np.ndenumerate(counts):
        if count:
            text(axes, j, i, f"{count:.0f}", 8, color=PAPER if count > counts.max() / 2 else INK)
    return figure


@GALLERY.hear("6_11_bars")
def bars_by_entropy(lab: Any) -> Any:
    """Play the four bars of a chorale with the lowest H1, then the four with the highest."""
    rows = score(SONG)
    bars = range(int(rows[:, 0].max()) + 1)
    found = [lab.pitch_class_entropy(rows[rows[:, 0] == bar, :3], len(bars), 1) for bar in bars]
    order = sorted((bar for bar in bars if found[bar] == found[bar]), key=found.__getitem__)
    return played([rows[rows[:, 0] == bar] for bar in (*order[:4], *order[-4:])])


def played(parts: list[np.ndarray]) -> Any:
    """Make a NoteSequence of passages, one after the other, a bar of rest between halves."""
    placed, at = [], 0
    for number, part in enumerate(parts):
        at += number == len(parts) // 2
        moved = part.copy()
        moved[:, 0] += at - part[0, 0]
        placed.append(moved)
        at = int(moved[:, 0].max()) + 1
    return to_sequence(grid.to_piece(np.concatenate(placed), TEMPO))


@GALLERY.compute("6_12_grooves")
def grooves(lab: Any) -> Figure:
    """Three bars at 16 places, and the similarity of each pair."""
    notes, bars = bar_grooves(), 3
    onsets = {(bar, place) for bar, place, _ in notes.tolist()}
    figure, axes = canvas(1.75)
    for place in range(0, 16, 4):
        text(axes, 0.85 + 0.25 * (place + 0.5), 1.55, str(place), 8)
    for bar in range(bars):
        here = [(bar, place) in onsets for place in range(16)]
        text(axes, 0.1, 1.25 - 0.4 * bar, f"bar {bar + 1}", ha="left")
        texts, colours = (
            [[yes if one else no for one in here]] for yes, no in (("●", ""), (KEY, PAPER))
        )
        cells(axes, (0.85, 1.4 - 0.4 * bar), texts, colours, (0.25, 0.3))
    for number, (i, j) in enumerate(((0, 1), (0, 2), (1, 2))):
        pair = notes[np.isin(notes[:, 0], (i, j))].copy()
        pair[:, 0] = pair[:, 0] == j
        value = lab.grooving_similarity(pair, 2)
        said = f"{i + 1} and {j + 1}: {16 * (1 - value):.0f} differ, {value:.3f}"
        text(axes, 5.1, 1.25 - 0.4 * number, said, ha="left")
    whole = f"GS = {lab.grooving_similarity(notes, bars):.3f}"
    text(axes, 5.1, 0.12, whole, 10, ha="left", weight="bold")
    return figure


@GALLERY.compute("6_12_similarity")
def similarity(lab: Any) -> Figure:
    """Which bars are alike in a chorale, in shuffled bars, and in pitches drawn anew."""
    from labs.lab6_language_models.measure import (
        Excerpt,
        draw_pitches,
        self_similarity,
        shuffle_bars,
    )

    rng = np.random.default_rng(0)
    rows = score(SONG)
    real = Excerpt(SONG, rows, int(rows[:, 0].max()) + 1)
    figure, panels = chart(2.95, 3)
    for axes, one, title in zip(
        panels,
        (real, shuffle_bars(real, rng), draw_pitches(real, rng)),
        ("Bach", "bars shuffled", "pitches drawn anew"),
        strict=True,
    ):
        h1 = lab.pitch_class_entropy(one.notes, one.bars, 1)
        gs = lab.grooving_similarity(one.notes, one.bars)
        heatmap(axes, self_similarity(one), f"{title}\nH1 {h1:.2f}, GS {gs:.2f}")
        axes.set_aspect("equal")
        axes.set_xticks(range(0, one.bars, 6), [str(1 + bar) for bar in range(0, one.bars, 6)])
        axes.set_yticks(range(0, one.bars, 6), [str(1 + bar) for bar in range(0, one.bars, 6)])
    panels[0].set_ylabel("bar", fontsize=9)
    return figure


# Copies


@GALLERY.compute("6_13_runs")
def runs(lab: Any) -> Figure:
    """The training melody and the piece, with the lengths under each note of the piece."""
    training, piece = line(60, 62, 64, 65), line(65, 61, 63, 64)
    exact, moved = (
        [int(one) for one in lab.copied_lengths(piece, [training], way)[0]] for way in (False, True)
    )
    figure, (left, right) = chart(2.5, 2, sharey=True)
    for axes, notes, title in (
        (left, training, "training piece"),
        (right, piece, "generated piece"),
    ):
        axes.set_title(title, fontsize=10)
        last = len(notes) - 1
        copied = range(last - moved[last] + 1, last + 1) if notes is piece else range(moved[last])
        for number, (bar, position, pitch) in enumerate(notes):
            start = 16 * bar + position
            colour = KEY if number in copied else MASKED
            axes.barh(pitch, 3.7, 0.8, left=start, color=colour, edgecolor=INK, linewidth=0.8)
            text(
                axes,
                start + 1.85,
                pitch,
                str(pitch),
                9,
                weight="bold" if number in copied else "normal",
            )
        axes.set(xlim=(0, 16), ylim=(59.2, 65.8), yticks=[])
    left.set_xticks([0, 4, 8, 12])
    said = [f"{4 * n}\n{a}\n{b}" for n, (a, b) in enumerate(zip(exact, moved, strict=True))]
    right.set_xticks([4 * n + 1.85 for n in range(4)], said)
    left.set_xticks([4 * n + 1.85 for n in range(4)], [f"{4 * n}" for n in range(4)])
    left.set_xlabel("step", fontsize=9)
    right.annotate(
        "step\nlength\ntransposed",
        (0, 0),
        (-8, -4),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=9,
    )
    return figure


@GALLERY.hear("6_13_copies")
def copies(lab: Any) -> Any:
    """Play the longest run that one chorale shares with another, here and there."""
    one, other = (score(name) for name in SHARED)
    passages = []
    for piece, training in ((one, other), (other, one)):
        lengths = np.asarray(lab.copied_lengths(piece[:, :3], [training[:, :3]], True)[0])
        end = int(lengths.argmax())
        passages.append(piece[end + 1 - int(lengths[end]) : end + 1])
    return played(passages)


@GALLERY.measure("6_14_plane")
def closeness() -> dict[str, list[float]]:
    """Measure the rows of `make lab6`'s table that no model generates: copied, distance."""
    from labs.lab6_language_models.data import load_splits
    from labs.lab6_language_models.generate import choose_primers
    from labs.lab6_language_models.measure import Reference, comparisons, real_excerpts
    from labs.lab6_language_models.settings import PRESETS

    tasks, settings = load_tasks(load_lab("6"), "solution"), PRESETS["quick"]
    splits = load_splits(settings.data)
    reference = Reference(tasks, settings, splits["train"])
    unseen = [
        one for name in ("validation", "test") for one in real_excerpts(splits[name], settings)
    ]
    names = choose_primers(tasks, settings, splits["test"]).names
    held_out = [one for one in unseen if one.name in names]
    found = comparisons(reference, settings, held_out, unseen)[1:]
    return {
        group.name: [round(group.copied, 4), round(reference.closeness(group), 4)]
        for group in found
    }


@GALLERY.draw("6_14_plane")
def plane() -> Figure:
    """How much is copied, and how close it is to the training set."""
    figure, axes = chart(2.9)
    points = GALLERY.values("6_14_plane")
    for (name, (x, y)), mark, colour in zip(
        points.items(), "osD^", (VALUE, KEY, QUERY, STATE), strict=True
    ):
        axes.plot(100 * x, y, mark, color=colour, markersize=9, clip_on=False)
        side = -1 if x > 0.5 else 1
        axes.annotate(
            name,
            (100 * x, y),
            (11 * side, 0),
            textcoords="offset points",
            fontsize=9,
            va="center",
            ha="left" if side > 0 else "right",
            color=colour,
        )
    axes.set_xlabel("runs of 16 notes that are copied, in any key (%)", fontsize=9)
    axes.set_ylabel("distance to the training\nset (deviations)", fontsize=9)
    axes.set(xlim=(-3, 103), ylim=(0, None))
    return figure


# Intervals


@GALLERY.measure("6_16_h1")
def every_h1() -> list[float]:
    """Measure H1 of each chorale."""
    from labs.lab6_language_models.data import load_splits
    from labs.lab6_language_models.measure import excerpt

    tasks = load_tasks(load_lab("6"), "solution")
    found = []
    for split in load_splits("chorales").values():
        for index, name in enumerate(split.names):
            one = excerpt(name, split.piece(index))
            found.append(round(tasks.pitch_class_entropy(one.notes, one.bars, 1), 3))
    return found


@GALLERY.compute("6_16_draws")
def draws(lab: Any) -> Figure:
    """The means of pieces drawn again, of 20 chorales and of 80, with their bounds."""
    every = np.random.default_rng(6).permutation(GALLERY.values("6_16_h1"))
    figure, panels = chart(2.5, 2, sharex=True)
    for axes, count in zip(panels, (20, 80), strict=True):
        means: list[float] = []

        def mean(drawn: np.ndarray, means: list[float] = means) -> float:
            means.append(float(np.mean(drawn)))
            return means[-1]

        low, high = lab.bootstrap(every[:count], mean)
        axes.hist(means, 40, color=MASKED)
        axes.axvline(every.mean(), color=INK, linewidth=1.6)
        for bound in (low, high):
            axes.axvline(bound, color=QUERY, linestyle="--", linewidth=1.6)
        axes.set_title(f"{count} chorales: {low:.2f} to {high:.2f}", fontsize=10)
        axes.set_xlabel("mean H1 of the drawn pieces", fontsize=9)
        axes.set(yticks=[], xticks=[2.45, 2.5, 2.55, 2.6], xlim=(2.42, 2.62))
    return figure
