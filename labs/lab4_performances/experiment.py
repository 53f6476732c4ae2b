"""What `make lab4` runs: performances → events → Music Transformer → continuations, measured."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from labs.course.promises import promises
from labs.lab4_performances.data import DATA_SETS as SOURCES
from labs.lab4_performances.data import DRUMS, load_splits
from labs.lab4_performances.learning import (
    PRESETS,
    SCORED,
    SCORES,
    Settings,
    build,
    check,
    enough_memory,
    evaluate,
    train,
)
from labs.lab4_performances.looking import draw_attention
from labs.lab4_performances.measures import BINS, distributions, mean, overlap
from labs.lab4_performances.playing import (
    Kind,
    cut_primer,
    library_primer,
    play_on,
    read_primer,
    real_pieces,
    training_runs,
    write_samples,
)
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.report.plots import plot_curves, plot_histograms
from toolkit.report.report import Picture, Report
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import configure

__all__ = ["DATA_SETS", "PRESETS", "Settings", "run"]

DATA_SETS = tuple(SOURCES)


def run(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's model and let it play; everything goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    check(settings, runtime)
    given = read_primer(settings.primer, settings.data) if settings.primer else None
    splits = load_splits(settings.data, settings.max_pieces)
    console.say(describe(tasks, splits))
    model = build(tasks, settings, runtime)
    begin = time.perf_counter()
    still = replace(settings, semitones=(0,))  # drums are not transposed
    with enough_memory("batch_size", settings.batch_size, "length"):
        moved = still if settings.data in DRUMS else settings
        log = train(tasks, moved, run, runtime, model, splits)
        scores = evaluate(tasks, settings, model, splits)
    console.table(*SCORES, rows=[tuple(map(spelt, row)) for row in scores])
    kinds = play(tasks, settings, model, splits, given)
    samples = write_samples(run, settings, kinds[:-1], "pieces")
    validation = scores[0]
    obtained = {
        "val_nats": validation[1],
        "val_accuracy": validation[3],
        "seconds": time.perf_counter() - begin,
    }
    report = Report(run, "Lab 4: a Music Transformer", LEADS[settings.data])
    judged = PRESETS.get(run.preset) == settings
    kept = promises(Path(__file__).parent, run, obtained, judged=judged)
    report.add_promises("Promised and obtained", kept)
    report.add_pictures("Training", draw_curves(run, log))
    report.add_table("Scores", SCORES, scores, SCORED)
    report.add_pictures(
        "What the heads look back at",
        draw_attention(tasks, model, splits["validation"], run, settings),
        "Red: the note that was just played. Blue: what the head looks back at, the darker the "
        "more weight; each panel is a head, those that look nearest and farthest in each layer.",
    )
    add_music(report, run, settings, kinds, samples)
    report.add_code("Whose code ran", tasks.describe())
    report.write()


def describe(tasks: Any, splits: dict[str, Split]) -> str:
    """Say in one line what there is."""
    counts = ", ".join(f"{len(split)} {name}" for name, split in splits.items())
    train = splits["train"]
    tokens = train.tokens[train.offsets[0] : train.offsets[-1]]
    notes = int(((tokens >= tasks.NOTE_ON) & (tokens < tasks.NOTE_OFF)).sum())
    return (
        f"pieces: {counts}; {len(tokens):,} training tokens, {notes:,} notes, "
        f"{len(tokens) / max(notes, 1):.2f} tokens a note"
    )


def spelt(cell: Any) -> str:
    """Spell a table's cell with three digits."""
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


# Music


def play(
    tasks: Any,
    settings: Settings,
    model: keras.Model,
    splits: dict[str, Split],
    given: Any = None,
) -> list[Kind]:
    """Play on from a primer and from nothing; the last kind is real pieces to compare with."""
    seen = training_runs(tasks, splits["train"], settings)
    most = settings.window
    if given is not None:
        primer = cut_primer(tasks, given, settings.primer_seconds, most)
    else:
        primer = library_primer(tasks, splits["test"], settings, most)
    console.say(
        f"playing {settings.samples} continuations of {len(primer) - 1} events, and "
        f"{settings.samples} pieces from nothing"
    )
    begin = time.perf_counter()
    with enough_memory("samples", settings.samples, "max_events"):
        kinds = [
            play_on(tasks, model, settings, name, start, settings.samples, seen)
            for name, start in (
                ("continuation", primer),
                ("from nothing", np.array([tasks.START], np.int32)),
            )
        ]
    written = sum(len(ids) for kind in kinds for ids in kind.ids)
    seconds = time.perf_counter() - begin
    console.say(f"{written:,} events in {seconds:.1f} s, compiling included")
    return [*kinds, real_pieces(tasks, splits["validation"], settings, seen)]


MEASURED = (
    "Means over pieces. density: notes a second. entropy: of the pitch classes, in bits. velocity, "
    "spread: mean and standard deviation. gap: median time between onsets, in seconds. polyphony: "
    "notes that sound when one begins. copied: share of runs of 8 notes, in whatever key, that are "
    "in the training pieces. ends: share of pieces that end by themselves. overlap: shared area of "
    "the distributions below with those of real pieces, from 0 to 1, mean of the four."
)


def add_music(
    report: Report, run: Run, settings: Settings, kinds: Sequence[Kind], samples: list
) -> None:
    """Add measures, distributions and the pieces themselves to a report."""
    found = {kind.name: distributions(kind.sequences) for kind in kinds}
    real = found[kinds[-1].name]
    rows = []
    for kind in kinds:
        shared = np.mean([overlap(found[kind.name][name], real[name]) for name in BINS])
        rows.append([kind.name, *mean(kind.measures).row().values(), float(shared)])
    columns = ["pieces", *mean(kinds[0].measures).row(), "overlap"]
    printed = [0, 3, 4, 5, 7, 8, 9, 11]
    console.table(
        *[columns[i] for i in printed], rows=[tuple(spelt(row[i]) for i in printed) for row in rows]
    )
    report.add_table("Measured beside real pieces", columns, rows, MEASURED)
    series = {
        name: (BINS[name], {kind.name: found[kind.name][name] for kind in reversed(kinds)})
        for name in BINS
    }
    plot_histograms(series, run.path("distributions.png"))
    alt = "distributions of pitch class, velocity, inter-onset interval and polyphony"
    report.add_pictures("Distributions over notes", [Picture(run.path("distributions.png"), alt)])
    report.add_samples("Listen", samples, "Shaded in a piano roll: the primer.")


LEADS = {
    "keyboard": "Scores of music21's corpus played by rule at the keyboard, in note-seq's events.",
    "drums": "Drumming made by rule, in note-seq's events.",
    "maestro": "Piano performances of MAESTRO v3, in note-seq's events.",
    "groove": "Drum performances of Groove, mapped to General MIDI, in note-seq's events.",
}


def draw_curves(run: Run, log: Log) -> list[Picture]:
    """Plot loss and accuracy over the epochs, as far as training got."""
    pictures = []
    for column, label in (
        ("nats_per_token", "loss (nats a token)"),
        ("accuracy", "accuracy (share of tokens)"),
    ):
        path = run.path(f"{column}.png")
        if column in log:
            plot_curves(log, path, column, label)
        pictures.append(Picture(path, f"{label} over the epochs, training and validation"))
    return pictures
