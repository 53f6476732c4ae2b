"""What `make lab4` runs: performances → events → Music Transformer → continuations, measured."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from labs.lab4_performances.crops import Crops, Split
from labs.lab4_performances.data import DATA_SETS as SOURCES
from labs.lab4_performances.data import DRUMS, load_splits
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
from labs.promises import promises
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.plots import plot_curves, plot_histograms
from toolkit.report import Picture, Report
from toolkit.runs import Log, Run
from toolkit.runtime import Runtime, configure
from toolkit.training import Batches, fit

__all__ = ["DATA_SETS", "PRESETS", "Settings", "run"]

DATA_SETS = tuple(SOURCES)


@dataclass(frozen=True)
class Settings:
    """What a run does; any field can be set on the command line."""

    data: str = "keyboard"
    seed: int = 0
    precision: str = "auto"
    devices: str | None = None
    # one or several General MIDI names, with commas; None is a piano, or drums
    instrument: str | None = None
    soundfont: str | None = None
    # a MIDI file to play on from; None takes a test piece
    primer: str | None = None
    primer_seconds: float = 8.0
    # training pieces to use at most, and an eighth as many for validation and test; None is all
    max_pieces: int | None = None
    # each piece is moved by one of these in each epoch; drums are not transposed
    semitones: tuple[int, ...] = (-1, 0, 1)
    stretches: tuple[float, ...] = (0.95, 0.975, 1.0, 1.025, 1.05)
    length: int = 256
    # overlap of validation and test windows, and how many of validation at most
    context: int = 64
    eval_windows: int | None = 150
    d_model: int = 128
    num_heads: int = 2
    ff_dim: int = 256
    num_layers: int = 2
    max_distance: int = 256
    window: int = 512
    dropout: float = 0.1
    tied: bool = True
    smoothing: float = 0.0
    epochs: int = 8
    steps_per_epoch: int = 120
    batch_size: int = 8
    learning_rate: float = 3e-3
    warmup: int = 200
    temperature: float = 0.95
    top_k: int = 0
    top_p: float = 0.92
    grammar: bool = True
    # pieces with a primer, and as many without
    samples: int = 4
    max_events: int = 768
    # real excerpts that generated pieces are measured beside
    compared: int = 32


# the field's usual model: Huang et al. (2018), gwinndr's sizes
MAESTRO = Settings(
    data="maestro",
    primer_seconds=20.0,
    semitones=(-3, -2, -1, 0, 1, 2, 3),
    length=2048,
    context=1024,
    eval_windows=400,
    d_model=512,
    num_heads=8,
    ff_dim=2048,
    num_layers=6,
    max_distance=2047,
    window=2048,
    dropout=0.1,
    epochs=40,
    steps_per_epoch=500,
    batch_size=16,
    learning_rate=1e-3,
    warmup=2000,
    temperature=1.0,
    top_p=0.95,
    samples=8,
    max_events=4096,
    compared=137,
)
PRESETS = {"quick": Settings(), "maestro": MAESTRO, "full": MAESTRO}


def run(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's model and let it play; everything goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    check(settings, runtime)
    given = read_primer(settings.primer, settings.data) if settings.primer else None
    splits = load_splits(settings.data, settings.max_pieces)
    console.say(describe(tasks, splits))
    model = build(tasks, settings, runtime)
    begin = time.perf_counter()
    with enough_memory("batch_size", settings.batch_size, "length"):
        log = train(tasks, settings, run, runtime, model, splits)
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


def check(settings: Settings, runtime: Runtime) -> None:
    """Refuse settings that do not go together.

    Raises
    ------
    EtudeError
        Which, and what to give.
    """
    if settings.d_model % settings.num_heads:
        raise EtudeError(
            f"d_model {settings.d_model} cannot be shared by {settings.num_heads} heads: give a "
            "multiple"
        )
    if not 0 <= settings.context < settings.length:
        raise EtudeError(f"context {settings.context}: give 0 to {settings.length - 1}")
    if settings.batch_size % len(runtime.devices):
        raise EtudeError(
            f"batch_size {settings.batch_size} cannot be shared by {len(runtime.devices)} "
            "devices: give a multiple"
        )


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


def build(tasks: Any, settings: Settings, runtime: Runtime) -> keras.Model:
    """Make the student's model with its weights."""
    with runtime.scope():
        model = tasks.MusicTransformer(
            tasks.VOCAB_SIZE,
            settings.d_model,
            settings.num_heads,
            settings.ff_dim,
            settings.num_layers,
            settings.max_distance,
            settings.window,
            settings.dropout,
            settings.tied,
            name="music_transformer",
        )
        model.build((None, settings.length))
    console.say(f"model: {model.count_params():,} weights, window {settings.window}")
    return model


FULL = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "OOM", "MemoryError")


@contextmanager
def enough_memory(first: str, value: int, then: str) -> Iterator[None]:
    """Say which setting to lower when the memory is full."""
    try:
        yield
    except Exception as error:
        words = f"{type(error).__name__} {error}"
        if any(sign in words for sign in FULL):
            raise EtudeError(
                f"{first} {value} takes more memory than the device has: lower it first, "
                f'SET="{first}={max(value // 2, 1)}", then {then}'
            ) from error
        raise


# Training and evaluation


def train(
    tasks: Any,
    settings: Settings,
    run: Run,
    runtime: Runtime,
    model: keras.Model,
    splits: dict[str, Split],
) -> Log:
    """Fit the model to random crops of the moved pieces."""
    crops = Crops(
        tasks,
        splits["train"],
        settings.length,
        settings.batch_size,
        settings.steps_per_epoch,
        settings.seed,
        (0,) if settings.data in DRUMS else settings.semitones,
        settings.stretches,
    )
    inputs, targets = windows(tasks, settings, splits["validation"])
    few = np.random.default_rng(settings.seed).permutation(len(inputs))[: settings.eval_windows]

    def optimizer() -> keras.optimizers.Optimizer:
        schedule = tasks.WarmupSchedule(settings.learning_rate, settings.warmup)
        return keras.optimizers.Adam(schedule, beta_2=0.98, epsilon=1e-9, global_clipnorm=1.0)

    def objective(targets: Any, logits: Any) -> Any:
        return tasks.masked_cross_entropy(targets, logits, settings.smoothing)

    return fit(
        model,
        run,
        runtime,
        loss=tasks.masked_cross_entropy,
        objective=objective,
        metrics={"accuracy": tasks.masked_accuracy},
        train=crops,
        validation=(inputs[few], targets[few]),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=optimizer,
    )


def windows(tasks: Any, settings: Settings, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Cut a split's evaluation windows."""
    return tasks.evaluation_windows(split.tokens, split.offsets, settings.length, settings.context)


SCORES = ("split", "nats a token", "perplexity", "accuracy", "nats a note", "tokens a note")
SCORED = (
    "Every token of a split is scored once, where it has at least `context` events before it in "
    "the window (or is among a piece's first). The weights are those of the epoch that was best on "
    "validation; test is scored once, with them. Nats a note can be compared between encodings."
)


def evaluate(
    tasks: Any, settings: Settings, model: keras.Model, splits: dict[str, Split]
) -> list[list]:
    """Score validation and test whole: a row of `SCORES` each."""
    rows: list[list] = []
    for name in ("validation", "test"):
        inputs, targets = windows(tasks, settings, splits[name])
        batches = Batches(inputs, targets, min(settings.batch_size, len(inputs)))
        results = model.evaluate(batches, verbose=0, return_dict=True)  # type: ignore[arg-type]
        nats = results["nats_per_token"]
        a_note = tasks.nats_per_note(nats, targets)
        rows.append(
            [name, nats, math.exp(nats), results["accuracy"], a_note, a_note / max(nats, 1e-9)]
        )
    return rows


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
