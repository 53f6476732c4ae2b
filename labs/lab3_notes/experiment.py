"""What `make lab3` runs: chorales or piano music → tokens → LSTM → pieces, measured and played."""

from dataclasses import dataclass
from typing import Any

from labs.course.report import lab_report
from labs.lab3_notes.data import DATA_SETS, load_pieces
from labs.lab3_notes.generate import Kind, generate_pieces
from labs.lab3_notes.train import SCORES, cut_windows, evaluate, train
from toolkit import console
from toolkit.report.curves import draw_curves
from toolkit.report.plots import plot_measures
from toolkit.report.report import Picture
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import configure, cpu_seconds
from toolkit.training.settings import (
    Count,
    CountOrZero,
    FractionBelowOne,
    MusicSettings,
    Positive,
)

__all__ = ["DATA_SETS", "PRESETS", "Settings", "run_experiment"]


@dataclass(frozen=True)
class Settings(MusicSettings):
    """What a run does; any field can be set on the command line."""

    data: str = "chorales"
    instrument: str | None = "church organ"
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


def run_experiment(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's network and let it generate; everything goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    pieces = load_pieces(tasks, settings)
    console.say(pieces.describe())
    windows, folds = cut_windows(tasks, settings, pieces)
    size = len(pieces.vocabulary)
    with runtime.scope():
        model, stepper = tasks.build_note_lstm(
            size, settings.embedding_dim, settings.units, settings.num_layers, settings.dropout
        )
    begin = cpu_seconds()
    log = train(tasks, settings, run, runtime, model, windows)
    scores = evaluate(settings, model, windows, folds)
    console.table(*SCORES, rows=scores)
    console.say(f"generating {settings.samples} pieces by argmax and at each temperature")
    kinds = generate_pieces(tasks, settings, run, model, stepper, pieces, windows["validation"])
    console.table(*PRINTED, rows=[tuple(kind.row()[name] for name in PRINTED) for kind in kinds])
    _, (_, bigram, *_), (_, lstm, *_) = scores
    obtained = {
        "val_nats": lstm,
        "gain_over_bigram": bigram - lstm,
        "vocab_size": size,
        "val_unknown": pieces.unknown,
        "seconds": cpu_seconds() - begin,
    }
    write_report(tasks, settings, run, log, scores, kinds, obtained)


# Report

# fits in 80 columns; the report has them all
PRINTED = ("pieces", "accuracy", "valid", "ends", "repeats", "loops", "entropy", "copied")
PLOTTED = ("accuracy", "repeats", "loops", "entropy", "ends", "copied")

EXPLAINED = (
    "Accuracy is what guessing by argmax, or by sampling at that temperature, gets right on "
    "validation. valid: share of tokens that fit the grammar NOTE … NOTE DUR, pitches ascending. "
    "ends: share of pieces that reach END. repeats: share of chords that repeat the chord "
    "before. loops: share of 8-token runs that occurred before in the same piece. entropy: of "
    "the pitch classes, in bits (a scale has 2.81). copied: share of 8-token runs that are in the "
    "training pieces, in any key; longest copy: tokens of the longest such run."
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
    title, lead = "an LSTM that writes notes", LEADS[settings.data]
    judged = PRESETS.get(run.preset) == settings
    unigram, bigram, _ = scores
    baselines = {
        "nats_per_token": {"unigram": unigram[1], "bigram": bigram[1]},
        "accuracy": {"bigram": bigram[3]},
    }
    with lab_report(run, tasks, title, lead, obtained, judged=judged) as report:
        report.add_pictures("Training", draw_curves(run, log, baselines))
        report.add_table(
            "Against counting", SCORES, scores, "Nats a token; perplexity is exp of it."
        )
        draw_measures(run, kinds)
        picture = Picture(
            run.path("measures.png"), "measures of pieces by argmax and by temperature"
        )
        report.add_pictures("Accuracy is a poor measure of music", [picture], EXPLAINED)
        rows = [list(kind.row().values()) for kind in kinds]
        report.add_table("The same in figures", list(kinds[0].row()), rows)
        samples = [sample for kind in kinds for sample in kind.samples[: settings.shown]]
        report.add_samples("Listen", samples, "All pieces are in the run's folder, under pieces/.")


LEADS = {
    "chorales": "Bach's four-part chorales, one token a note and one a duration.",
    "maestro": "Piano performances of MAESTRO v3 on a grid of 50 ms.",
}


def draw_measures(run: Run, kinds: list[Kind]) -> None:
    """Plot accuracy beside what it does not see, by the way of drawing."""
    *generated, real = kinds
    values = {name: {kind.name: kind.row()[name] for kind in generated} for name in PLOTTED}
    reference = {name: value for name, value in real.row().items() if name in PLOTTED[1:]}
    plot_measures(values, run.path("measures.png"), reference)
