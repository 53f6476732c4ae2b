"""What `make lab3` runs: chorales or piano music → tokens → LSTM → pieces, measured and played."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from labs.course.promises import promises
from labs.lab3_notes.data import DATA_SETS, Pieces, load_pieces
from labs.lab3_notes.writing import Kind, write_pieces
from toolkit import console
from toolkit.report.plots import plot_curves, plot_measures
from toolkit.report.report import Picture, Report
from toolkit.training import ngram
from toolkit.training.fit import PAD, Batches, fit
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime, configure
from toolkit.training.settings import Count, CountOrZero, FractionBelowOne, Positive, Seed

__all__ = ["DATA_SETS", "PRESETS", "Settings", "run"]

Windows = dict[str, tuple[np.ndarray, np.ndarray]]  # split -> inputs and targets
FOLDS = 5


@dataclass(frozen=True)
class Settings:
    """What a run does; any field can be set on the command line."""

    data: str = "chorales"
    seed: Seed = 0
    precision: str = "auto"
    devices: str | None = None
    instrument: str | None = "church organ"
    soundfont: str | None = None
    # training pieces to use at most, and an eighth as many for validation and test; None is all
    max_pieces: Count | None = None
    min_count: Count = 1
    # every window is used in `keys` random ones of these transpositions, in semitones
    transpose: tuple[int, ...] = tuple(range(-5, 7))
    keys: Count = 12
    window: Count = 64
    # windows without padding that validation and test are measured on, and how many at most
    eval_window: Count = 256
    eval_windows: Count = 400
    embedding_dim: Count = 64
    units: Count = 320
    num_layers: Count = 1
    dropout: FractionBelowOne = 0.1
    epochs: Count = 12
    steps_per_epoch: Count = 70
    batch_size: Count = 32
    learning_rate: Positive = 5e-3
    temperatures: tuple[Positive, ...] = (0.6, 0.8, 1.0)
    samples: Count = 8
    primer_length: Count = 16
    max_length: Count = 512
    # quarter notes a minute, for what is played
    tempo: Positive = 84.0
    # pieces of each kind that the report embeds
    shown: CountOrZero = 2


PRESETS = {
    "quick": Settings(),
    "full": Settings(
        data="maestro",
        instrument=None,
        keys=3,
        window=512,
        eval_window=1024,
        eval_windows=1000,
        embedding_dim=256,
        units=1024,
        num_layers=3,
        dropout=0.2,
        epochs=30,
        steps_per_epoch=1500,
        batch_size=128,
        learning_rate=1e-3,
        temperatures=(0.9, 0.95, 1.0),
        primer_length=64,
        max_length=4096,
        tempo=120.0,
    ),
}


def run(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's network and let it write; everything goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    pieces = load_pieces(tasks, settings)
    console.say(pieces.describe())
    windows, folds = cut_windows(tasks, settings, pieces)
    size = len(pieces.vocabulary)
    with runtime.scope():
        model, stepper = tasks.build_note_lstm(
            size, settings.embedding_dim, settings.units, settings.num_layers, settings.dropout
        )
    begin = time.perf_counter()
    log = train(tasks, settings, run, runtime, model, windows)
    scores = evaluate(settings, model, windows, folds)
    show(SCORES, scores)
    console.say(f"writing {settings.samples} pieces by argmax and at each temperature")
    kinds = write_pieces(tasks, settings, run, model, stepper, pieces, windows["validation"])
    show(PRINTED, [tuple(kind.row()[name] for name in PRINTED) for kind in kinds])
    _, (_, bigram, *_), (_, lstm, *_) = scores
    obtained = {
        "val_nats": lstm,
        "gain_over_bigram": bigram - lstm,
        "vocab_size": size,
        "val_unknown": pieces.unknown,
        "seconds": time.perf_counter() - begin,
    }
    write_report(tasks, settings, run, log, scores, kinds, obtained)


def show(columns: Sequence[str], rows: list[tuple]) -> None:
    """Print a table with three digits a number."""
    spelled = [
        tuple(
            "–" if cell is None else f"{cell:.3g}" if isinstance(cell, float) else cell
            for cell in row
        )
        for row in rows
    ]
    console.table(*columns, rows=spelled)


# Data


def cut_windows(tasks: Any, settings: Settings, pieces: Pieces) -> tuple[Windows, np.ndarray]:
    """Cut each split's inputs and targets, the training's in several keys.

    Returns
    -------
    windows
    folds : int array (training windows,), which fifth of the training pieces each comes from
    """
    rng = np.random.default_rng(settings.seed)
    windows = {}
    for split in ("validation", "test"):
        length = settings.eval_window
        inputs, targets, _ = tasks.make_windows(pieces.ids[split], length, length)
        chosen = rng.permutation(len(inputs))[: settings.eval_windows]
        windows[split] = inputs[chosen], targets[chosen]
    inputs, targets, _ = tasks.make_windows(pieces.ids["train"], settings.window, settings.window)
    folds = np.cumsum(inputs[:, 0] == tasks.START) % FOLDS
    # every window in `keys` different keys
    shifts = np.tile(np.arange(len(settings.transpose)), (len(inputs), 1))
    shifts = rng.permuted(shifts, axis=1)[:, : settings.keys, None]  # (windows, keys, 1)
    keys = shifts.shape[1]
    windows["train"] = tuple(
        pieces.transposed[shifts, ids[:, None]].reshape(-1, settings.window)
        for ids in (inputs, targets)
    )
    return windows, np.repeat(folds, keys)


# Training and evaluation


def train(
    tasks: Any,
    settings: Settings,
    run: Run,
    runtime: Runtime,
    model: keras.Model,
    windows: Windows,
) -> Log:
    """Fit the model; the learning rate rises for a twentieth of the time and falls as a cosine."""
    steps = settings.epochs * settings.steps_per_epoch

    def optimizer() -> keras.optimizers.Optimizer:
        rate = keras.optimizers.schedules.CosineDecay(
            settings.learning_rate / 50,
            decay_steps=steps - steps // 20,
            alpha=0.02,
            warmup_target=settings.learning_rate,
            warmup_steps=steps // 20,
        )
        return keras.optimizers.Adam(rate, clipnorm=1.0)

    return fit(
        model,
        run,
        runtime,
        loss=tasks.masked_cross_entropy,
        metrics={"accuracy": tasks.masked_accuracy},
        train=windows["train"],
        validation=windows["validation"],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=optimizer,
        steps_per_epoch=settings.steps_per_epoch,
    )


SCORES = ("model", "val nats", "perplexity", "accuracy", "test nats", "perplexity", "accuracy")


def evaluate(
    settings: Settings, model: keras.Model, windows: Windows, folds: np.ndarray
) -> list[tuple]:
    """Compare unigram, bigram and network: a row of `SCORES` each.

    The baselines count the same windows in the same keys as the network trains on.
    """
    size = model.output_shape[-1]
    inputs, targets = windows["train"]
    counts = [
        ngram.count_pairs(inputs[folds == fold], targets[folds == fold], size, PAD)
        for fold in range(FOLDS)
    ]
    rows = []
    for name, log_probabilities in zip(
        ("unigram", "bigram"), ngram.fit_ngrams(np.array(counts)), strict=True
    ):
        row: list = [name]
        for split in ("validation", "test"):
            pairs = ngram.count_pairs(*windows[split], size, PAD)
            nats = ngram.nats_per_token(log_probabilities, pairs)
            row += [nats, math.exp(nats), ngram.accuracy(log_probabilities, pairs)]
        rows.append(tuple(row))
    row = ["LSTM"]
    for split in ("validation", "test"):
        batches = Batches(*windows[split], min(settings.batch_size, len(windows[split][0])))
        results = model.evaluate(batches, verbose=0, return_dict=True)  # type: ignore[arg-type]
        nats = results["nats_per_token"]
        row += [nats, math.exp(nats), results["accuracy"]]
    return [*rows, tuple(row)]


# Report

# fits in 80 columns; the report has them all
PRINTED = ("pieces", "accuracy", "valid", "ends", "repeats", "loops", "entropy", "copied")
PLOTTED = ("accuracy", "repeats", "loops", "entropy", "ends", "copied")

EXPLAINED = (
    "Accuracy is what guessing by argmax, or by sampling at that temperature, gets right on "
    "validation. valid: share of tokens that fit the grammar NOTE … NOTE DUR, pitches ascending. "
    "ends: share of pieces that end by themselves. repeats: share of chords struck again "
    "unchanged. loops: share of 8-token runs that occurred before in the same piece. entropy: of "
    "the pitch classes, in bits (a scale has 2.81). copied: share of 8-token runs that are in the "
    "training pieces, in whatever key; longest copy: tokens of the longest such run."
)


def write_report(
    tasks: Any,
    settings: Settings,
    run: Run,
    log: Log,
    scores: list[tuple],
    kinds: list[Kind],
    obtained: dict[str, float],
) -> None:
    """Draw the plots and write report.html."""
    report = Report(run, "Lab 3: an LSTM that writes notes", LEADS[settings.data])
    judged = PRESETS[run.preset] == settings
    kept = promises(Path(__file__).parent, run, obtained, judged=judged)
    report.add_promises("Promised and obtained", kept)
    report.add_pictures("Training", draw_curves(run, log, scores))
    report.add_table("Against counting", SCORES, scores, "Nats a token; perplexity is exp of it.")
    draw_measures(run, kinds)
    picture = Picture(run.path("measures.png"), "measures of pieces by argmax and by temperature")
    report.add_pictures("Accuracy is a poor measure of music", [picture], EXPLAINED)
    rows = [list(kind.row().values()) for kind in kinds]
    report.add_table("The same in figures", list(kinds[0].row()), rows)
    samples = [sample for kind in kinds for sample in kind.samples[: settings.shown]]
    report.add_samples("Listen", samples, "All pieces are in the run's folder, under pieces/.")
    report.add_code("Whose code ran", tasks.describe())
    report.write()


LEADS = {
    "chorales": "Bach's four-part chorales, one token a note and one a duration.",
    "maestro": "Piano performances of MAESTRO v3 on a grid of 50 ms.",
}


def draw_curves(run: Run, log: Log, scores: list[tuple]) -> list[Picture]:
    """Plot loss and accuracy over the epochs, as far as training got."""
    unigram, bigram, _ = scores
    pictures = []
    for column, label, lines in (
        ("nats_per_token", "loss (nats a token)", {"unigram": unigram[1], "bigram": bigram[1]}),
        ("accuracy", "accuracy (share of tokens)", {"bigram": bigram[3]}),
    ):
        path = run.path(f"{column}.png")
        if column in log:
            plot_curves(log, path, column, label, lines)
        pictures.append(Picture(path, f"{label} over the epochs, training and validation"))
    return pictures


def draw_measures(run: Run, kinds: list[Kind]) -> None:
    """Plot accuracy beside what it does not see, by the way of drawing."""
    *generated, real = kinds
    values = {name: {kind.name: kind.row()[name] for kind in generated} for name in PLOTTED}
    reference = {name: value for name, value in real.row().items() if name in PLOTTED[1:]}
    plot_measures(values, run.path("measures.png"), reference)
