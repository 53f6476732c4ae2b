"""Curves, piano rolls and measures as PNG files, in one style."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from toolkit.errors import EtudeError
from toolkit.training.runs import Log, best_epoch

INK, GREY, RULE = "#1c1c1c", "#6f6f6f", "#dcdcdc"
# told apart by readers who see no red or green, and in print
COLOURS = ("#1f5f99", "#c4501b", "#3b7d5e", "#8a4f9e", "#a3780f", "#4c8fb5", "#9c3a4a", "#555555")
PITCH_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
BLACK_KEYS = (1, 3, 6, 8, 10)
DRUM_NAMES = {
    35: "bass drum 2", 36: "bass drum", 37: "side stick", 38: "snare", 39: "clap",
    40: "snare 2", 41: "low floor tom", 42: "closed hi-hat", 43: "high floor tom",
    44: "pedal hi-hat", 45: "low tom", 46: "open hi-hat", 47: "low-mid tom", 48: "high-mid tom",
    49: "crash", 50: "high tom", 51: "ride", 52: "china", 53: "ride bell", 54: "tambourine",
    55: "splash", 56: "cowbell", 57: "crash 2", 59: "ride 2",
}  # fmt: skip
WIDTH, NARROW = 11.0, 5.8  # inches: the report's column, and a figure that shares it with another
DPI = 160


def plot_curves(
    log: Log, path: Path, column: str, label: str, baselines: Mapping[str, float] | None = None
) -> None:
    """Draw one measure over the epochs, training and validation on one axis, as a PNG.

    Parameters
    ----------
    log : from `toolkit.training.fit` or `Run.log`
    column : the measure's name in the log; "val_" + column is drawn with it
    label : what the vertical axis says, with its unit, such as "loss (nats per token)"
    baselines : name -> value, drawn as horizontal lines

    Raises
    ------
    EtudeError
        If the log has no such column.
    """
    if column not in log:
        raise EtudeError(
            f"The training log has no column {column!r}: it has {', '.join(log) or 'no epoch yet'}."
        )
    figure = Figure((NARROW, 3.9), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _style(axes)
    epochs = log["epoch"]
    endings = []
    for name, key, colour, width in (
        ("training", column, "#8fa9bf", 1.6),
        ("validation", f"val_{column}", COLOURS[0], 2.4),
    ):
        if key in log:
            marker = "o" if len(epochs) < 30 else None
            axes.plot(epochs, log[key], color=colour, linewidth=width, marker=marker, markersize=4)
            endings.append((log[key][-1], f"{name} {_format(log[key][-1])}", colour))
    for name, value in (baselines or {}).items():
        axes.axhline(value, color=GREY, linewidth=1, linestyle=(0, (5, 4)))
        endings.append((value, f"{name} {_format(value)}", GREY))
    best = best_epoch(log)
    if best is not None:
        axes.axvline(best, color=INK, linewidth=0.8, linestyle=":")
        axes.annotate(
            f"best epoch {best}", (best, 1), (0, 4), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", fontsize=10, color=INK,
        )  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(x=0.02, y=0.08)
    _label_lines(axes, endings)
    _save(figure, path)


def plot_comparison(logs: Mapping[str, Log], path: Path, column: str, label: str) -> None:
    """Draw one measure of several models over the epochs on one axis, as a PNG.

    Each model has a colour: validation is the thick line, training the thin dashed one.

    Parameters
    ----------
    logs : model -> its log, each as for `plot_curves`
    column, label : as for `plot_curves`
    """
    figure = Figure((WIDTH, 5.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _style(axes)
    endings = []
    for (name, log), colour in zip(logs.items(), COLOURS, strict=False):
        marker = "o" if len(log["epoch"]) < 30 else None
        if column in log:
            axes.plot(
                log["epoch"], log[column], color=colour, linewidth=1.2, linestyle=(0, (4, 2)),
                alpha=0.75,
            )  # fmt: skip
        held_out = log.get(f"val_{column}", [])
        if held_out:
            axes.plot(
                log["epoch"], held_out, color=colour, linewidth=2.2, marker=marker, markersize=4
            )
            endings.append((held_out[-1], f"{name} {held_out[-1]:.3f}", colour))
    axes.plot([], [], color=GREY, linewidth=2.2, label="validation")
    axes.plot([], [], color=GREY, linewidth=1.2, linestyle=(0, (4, 2)), label="training")
    axes.legend(frameon=False, fontsize=10.5, loc="upper right")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(x=0.02, y=0.08)
    _label_lines(axes, endings)
    _save(figure, path)


def plot_measures(
    measures: Mapping[str, Mapping[str, float]],
    path: Path,
    reference: Mapping[str, float] | None = None,
) -> None:
    """Draw measures of samples side by side, one small panel each, as a PNG.

    Parameters
    ----------
    measures : measure -> setting (such as "temperature 1.0") -> value
    reference : measure -> its value in real music, drawn as a dashed line
    """
    columns = min(3, len(measures))
    rows = -(-len(measures) // columns)
    settings = list(next(iter(measures.values())))
    height = rows * (0.75 + 0.34 * len(settings)) + 0.35
    figure = Figure((WIDTH, height), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in panels[len(measures) :]:
        panel.set_axis_off()
    for index, (panel, (measure, values)) in enumerate(zip(panels, measures.items(), strict=False)):
        _style(panel, grid=False)
        heights = [float(values[setting]) for setting in settings]
        panel.barh(range(len(settings)), heights, color="#a9c1d6", height=0.62)
        panel.set_yticks(range(len(settings)), settings if index % columns == 0 else [])
        panel.tick_params(axis="y", length=0)
        panel.invert_yaxis()
        panel.set_title(measure, loc="left", fontsize=11, color=INK, pad=18)
        panel.set_xticks([])
        panel.spines["bottom"].set_visible(False)
        real = (reference or {}).get(measure, np.nan)
        widest = max([abs(value) for value in (*heights, real) if np.isfinite(value)] or [1.0])
        for row, value in enumerate(heights):
            panel.text(widest * 0.03, row, _format(value), va="center", fontsize=10.5, color=INK)
        if np.isfinite(real):
            panel.axvline(real, color=COLOURS[1], linewidth=1.4, linestyle=(0, (4, 3)))
            panel.annotate(
                f"real music {_format(real)}", (real, 1), (0, 4),
                xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="right" if real > widest / 2 else "left", fontsize=9.5, color=COLOURS[1],
            )  # fmt: skip
        panel.set_xlim(0, (widest or 1) * 1.06)
    _save(figure, path)


def plot_piano_roll(
    sequence: Any, path: Path, title: str = "", unit: str = "seconds", seam: float | None = None
) -> None:
    """Draw a NoteSequence's notes as a PNG: pitch upwards, time to the right, velocity as shade.

    Instruments differ in colour; drums get a panel of their own below.

    Parameters
    ----------
    sequence : NoteSequence
    unit : of the time axis, "seconds" or "quarter notes" (at the sequence's first tempo)
    seam : where a continuation begins, in seconds; marked
    """
    if unit not in ("seconds", "quarter notes"):
        raise EtudeError(f'A piano roll counts in "seconds" or "quarter notes", not {unit!r}.')
    tempo = sequence.tempos[0].qpm if sequence.tempos else 120.0
    scale = 1.0 if unit == "seconds" else tempo / 60
    pitched = [note for note in sequence.notes if not note.is_drum]
    drums = [note for note in sequence.notes if note.is_drum]
    heights = [3.4] * bool(pitched or not drums) + [0.5 + 0.17 * len({n.pitch for n in drums})] * (
        bool(drums)
    )
    figure = Figure((WIDTH, sum(heights) + 0.7), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)
    remaining = list(panels[:, 0])
    if pitched or not drums:
        _pitched_panel(remaining.pop(0), pitched, scale)
    if drums:
        _drum_panel(remaining.pop(0), drums, scale)
    end = max((note.end_time for note in sequence.notes), default=1.0) * scale
    if seam is not None:
        for panel in panels[:, 0]:
            panel.axvspan(0, seam * scale, color="#f3ead9", linewidth=0, zorder=-1)
            panel.axvline(seam * scale, color=COLOURS[1], linewidth=1.2)
        panels[0, 0].annotate(
            "continued from here", (seam * scale, 1), (4, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", fontsize=9.5, color=COLOURS[1],
        )  # fmt: skip
    panels[0, 0].set_xlim(0, end or 1.0)
    panels[-1, 0].set_xlabel(f"time ({unit})")
    if title:
        pad = 10 if seam is None else 22  # above what stands at the seam
        panels[0, 0].set_title(title, loc="left", fontsize=12, color=INK, pad=pad)
    _save(figure, path)


def plot_iterations(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    path: Path,
    label: str,
    logarithmic: bool = False,
    across: str = "iterations",
) -> None:
    """Draw one measure of several models over training iterations, as a PNG.

    Parameters
    ----------
    curves : model -> (iterations or times, values)
    label : what the vertical axis says, with its unit
    logarithmic : the vertical axis, for a loss that falls by orders of magnitude
    across : what the horizontal axis says
    """
    figure = Figure((NARROW, 3.9), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _style(axes)
    for (name, (iterations, values)), colour in zip(curves.items(), COLOURS, strict=False):
        text = f"{name}, last {_format(values[-1])}"
        axes.plot(iterations, values, color=colour, linewidth=2, label=text)
    if logarithmic:
        axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=10.5)
    axes.set_xlabel(across)
    axes.set_ylabel(label)
    axes.margins(x=0.02, y=0.08)
    _save(figure, path)


def plot_attention(
    maps: Sequence[tuple[Sequence[str], Sequence[str], np.ndarray]], path: Path, title: str
) -> None:
    """Draw attention weights side by side, as a PNG: a row a word written, a column a symbol read.

    Parameters
    ----------
    maps : (read, written, weights), weights of shape (len(written), len(read)) from 0 to 1
    """
    height = 1.0 + 0.2 * max(len(written) for _, written, _ in maps)
    figure = Figure((WIDTH, height), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for panel, (read, written, weights) in zip(panels, maps, strict=True):
        panel.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        panel.set_xticks(range(len(read)), read)
        panel.set_yticks(range(len(written)), written)
        panel.xaxis.tick_top()
        panel.tick_params(length=0, labelsize=9, labelcolor=INK)
        for side in panel.spines.values():
            side.set_color(RULE)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK)
    _save(figure, path)


def plot_histograms(
    panels: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]], path: Path
) -> None:
    """Draw distributions side by side, a panel a quantity, as a PNG.

    Parameters
    ----------
    panels : quantity -> (bin edges, series -> shares in the bins); the first series is filled
    """
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure((WIDTH, 2.6 * rows + 0.3), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel in axes[len(panels) :]:
        panel.set_axis_off()
    for panel, (quantity, (edges, series)) in zip(axes, panels.items(), strict=False):
        _style(panel)
        for number, (name, shares) in enumerate(series.items()):
            if number == 0:
                panel.stairs(shares, edges, fill=True, color="#c9d6e2", label=name)
            else:
                panel.stairs(shares, edges, color=COLOURS[number], linewidth=1.8, label=name)
        panel.set_xlabel(quantity)
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].legend(frameon=False, fontsize=9.5)
    _save(figure, path)


def plot_points(
    points: Mapping[str, tuple[float, float]], path: Path, across: str, upward: str
) -> None:
    """Draw named points in a plane, as a PNG; those with a nan are left out.

    Parameters
    ----------
    across, upward : what the axes say
    """
    figure = Figure((WIDTH, 5.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _style(axes)
    known = {name: point for name, point in points.items() if np.isfinite(point).all()}
    for number, (name, (x, y)) in enumerate(known.items()):
        marker = "osD^vP*Xh<>p"[number % 12]
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter([x], [y], s=60, marker=marker, color=colour, label=name, clip_on=False)
    axes.set_xlabel(across)
    axes.set_ylabel(upward)
    axes.margins(0.06)
    axes.legend(frameon=False, fontsize=9.5, loc="center left", bbox_to_anchor=(1.01, 0.5))
    _save(figure, path)


def plot_attention_roll(
    sequence: Any,
    heads: Mapping[str, np.ndarray],
    query: int,
    path: Path,
    title: str = "",
) -> None:
    """Draw what attention heads look back at, a piano roll a head, as a PNG.

    Parameters
    ----------
    sequence : NoteSequence
    heads : name -> weight of each note, in the order of `sequence.notes`, 0 to 1
    query : which note looks back; drawn in another colour
    """
    figure = Figure((WIDTH, 2.1 * len(heads) + 0.6), dpi=DPI, layout="constrained")
    panels = figure.subplots(len(heads), 1, sharex=True, squeeze=False)[:, 0]
    notes = sequence.notes
    pitches = [note.pitch for note in notes]
    for panel, (name, weights) in zip(panels, heads.items(), strict=True):
        _style(panel, grid=False)
        strongest = max(float(np.max(weights)), 1e-9)
        corners, shades = [], []
        for place, note in enumerate(notes):
            left, right = note.start_time, max(note.end_time, note.start_time + 0.03)
            low, high = note.pitch - 0.44, note.pitch + 0.44
            corners.append([(left, low), (left, high), (right, high), (right, low)])
            share = 0.06 + 0.94 * float(weights[place]) / strongest
            shades.append(
                to_rgba(COLOURS[1]) if place == query else to_rgba(COLOURS[0], min(share, 1.0))
            )
        panel.add_collection(
            PolyCollection(corners, facecolors=shades, edgecolors=RULE, linewidths=0.4)
        )
        panel.set_ylim(min(pitches) - 2, max(pitches) + 2)
        panel.set_yticks([p for p in range(min(pitches), max(pitches) + 1) if p % 12 == 0])
        panel.set_yticklabels([pitch_name(int(tick)) for tick in panel.get_yticks()])
        panel.set_title(name, loc="left", fontsize=10.5, color=INK)
    panels[-1].set_xlim(0, max(note.end_time for note in notes) * 1.01)
    panels[-1].set_xlabel("time (seconds)")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, color=INK)
    _save(figure, path)


def _pitched_panel(axes: Axes, notes: Sequence[Any], scale: float) -> None:
    _style(axes, grid=False)
    axes.set_ylabel("pitch")
    if not notes:
        axes.text(0.5, 0.5, "no notes", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])
        return
    pitches = [note.pitch for note in notes]
    # an octave at least, so that a piece on one note does not fill the page with it
    low, high = min(pitches) - 2, max(pitches) + 2
    if high - low < 14:
        low, high = (low + high) // 2 - 7, (low + high) // 2 + 7
    for pitch in range(low, high + 1):
        if pitch % 12 in BLACK_KEYS:
            axes.axhspan(pitch - 0.5, pitch + 0.5, color="#f4f4f4", linewidth=0)
        if pitch % 12 == 0:
            axes.axhline(pitch - 0.5, color=RULE, linewidth=0.8)
    voices = sorted({(note.instrument, note.program) for note in notes})
    for number, voice in enumerate(voices):
        theirs = [note for note in notes if (note.instrument, note.program) == voice]
        _boxes(axes, theirs, scale, COLOURS[number % len(COLOURS)], lambda note: note.pitch)
        if len(voices) > 1:
            name = f"{program_name(voice[1])}"
            axes.plot([], [], color=COLOURS[number % len(COLOURS)], linewidth=6, label=name)
    if len(voices) > 1:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=min(len(voices), 4), frameon=False,
            fontsize=9.5, handlelength=1, borderpad=0,
        )  # fmt: skip
    step = {True: (0, 4, 7), False: (0, 7)}[high - low < 30] if high - low < 50 else (0,)
    ticks = [pitch for pitch in range(low, high + 1) if pitch % 12 in step]
    axes.set_yticks(ticks, [pitch_name(pitch) for pitch in ticks])
    axes.set_ylim(low - 0.5, high + 0.5)


def _drum_panel(axes: Axes, notes: Sequence[Any], scale: float) -> None:
    _style(axes, grid=False)
    rows = {pitch: row for row, pitch in enumerate(sorted({note.pitch for note in notes}))}
    for row in rows.values():
        axes.axhline(row, color=RULE, linewidth=0.8, zorder=0)
    times = [note.start_time * scale for note in notes]
    shades = [to_rgba(INK, _shade(note.velocity)) for note in notes]
    axes.scatter(
        times, [rows[note.pitch] for note in notes], c=shades, s=34, marker="d", clip_on=False
    )
    axes.set_yticks(list(rows.values()), [DRUM_NAMES.get(p, f"drum {p}") for p in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_ylabel("drums")


def _boxes(axes: Axes, notes: Sequence[Any], scale: float, colour: str, row: Any) -> None:
    corners = []
    for note in notes:
        left, right = note.start_time * scale, note.end_time * scale
        low, high = row(note) - 0.44, row(note) + 0.44
        corners.append([(left, low), (left, high), (right, high), (right, low)])
    shades = [to_rgba(colour, _shade(note.velocity)) for note in notes]
    # a white edge keeps repeated notes apart
    axes.add_collection(
        PolyCollection(corners, facecolors=shades, edgecolors="white", linewidths=0.5)
    )


def _shade(velocity: int) -> float:
    return 0.25 + 0.75 * min(velocity, 127) / 127


def pitch_name(pitch: int) -> str:
    """Name a MIDI pitch, 60 being C4."""
    return f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"


def program_name(program: int) -> str:
    """Name a General MIDI program, 0 being the acoustic grand piano."""
    import pretty_midi

    return pretty_midi.program_to_instrument_name(program).lower()


def _style(axes: Axes, grid: bool = True) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=GREY, labelcolor=INK, labelsize=10.5, length=3)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.label.set(color=INK, fontsize=11)
    axes.yaxis.label.set(color=INK, fontsize=11)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis="y", color=RULE, linewidth=0.8)


def _format(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 1 and value % 1 else f"{value:.3g}"


def _label_lines(axes: Axes, endings: list[tuple[float, str, str]]) -> None:
    """Write each line's name at its right end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    gap = (high - low) * 0.062
    place = low - gap
    for value, text, colour in sorted(ending for ending in endings if np.isfinite(ending[0])):
        place = max(value, place + gap)
        dark = colour if colour != "#8fa9bf" else "#5d7a93"
        axes.annotate(
            text, (1, place), (8, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize=10.5, color=dark,
            annotation_clip=False,
        )  # fmt: skip


def _save(figure: Figure, path: Path) -> None:
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    FigureCanvasAgg(figure).print_png(fresh)
    os.replace(fresh, path)
