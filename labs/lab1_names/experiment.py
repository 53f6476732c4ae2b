"""What `make lab1` runs: surnames → four networks on equal terms → names, measured and judged."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from labs.course.report import lab_report
from labs.lab1_names.data import DATA_SETS, SPLITS, Names, check_starts, load_vocabulary
from labs.lab1_names.generate import generate, generate_free
from labs.lab1_names.measure import Judgement, Share, judge
from labs.lab1_names.train import PLACES, build, packed_model, score, score_last, train
from toolkit import console
from toolkit.report.plots import plot_comparison
from toolkit.report.report import Picture
from toolkit.training.runs import Log, Run, best_epoch
from toolkit.training.runtime import Runtime, configure, cpu_seconds
from toolkit.training.settings import (
    CommonSettings,
    Count,
    Fraction,
    FractionBelowOne,
    Positive,
    PositiveOrZero,
)

__all__ = ["DATA_SETS", "PRESETS", "Settings", "run_experiment"]

TITLES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "transformer": "Transformer"}
# the task that writes each network's step
CELLS = {
    "rnn": "RNNCell",
    "lstm": "LSTMCell",
    "gru": "GRUCell",
    "transformer": "TransformerBlock",
}


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a run does; any field can be set on the command line."""

    data: str = "faker"
    # "Greece,Russia"; None takes all
    countries: str | None = None
    # 1 draws every country equally often in training, 0 as often as it has names
    balance: Fraction = 1.0
    max_characters: Count = 18
    embedding_dim: Count = 32
    # widths at which the four have about as many parameters
    rnn_units: Count = 232
    lstm_units: Count = 112
    gru_units: Count = 132
    transformer_units: Count = 56
    recurrent_layers: Count = 1
    transformer_layers: Count = 2
    num_heads: Count = 4
    recurrent_dropout: FractionBelowOne = 0.1
    transformer_dropout: FractionBelowOne = 0.0
    epochs: Count = 10
    steps_per_epoch: Count = 120
    batch_size: Count = 64
    rnn_rate: Positive = 5e-3
    lstm_rate: Positive = 1e-2
    gru_rate: Positive = 1e-2
    transformer_rate: Positive = 6e-3
    # held-out names of a country that each epoch is measured on
    validation_names: Count = 40
    # first letters of a table of names, one name each; None leaves the table out
    starts: str | None = "ABCDEFGKMN"
    names: Count = 10
    # names of a country that fidelity is judged by
    judged: Count = 100
    temperature: PositiveOrZero = 0.8

    def __post_init__(self) -> None:
        """Refuse what no network could be built with."""
        if self.transformer_units % self.num_heads:
            raise ValueError(
                f"num_heads {self.num_heads} does not divide transformer_units "
                f"{self.transformer_units}"
            )


PRESETS = {
    "quick": Settings(),
    # with dropout 0.2 the GRU's held-out loss rises after 600 updates, with 0.5 it falls for 1,000
    "full": Settings(
        data="names18",
        rnn_units=640,
        lstm_units=328,
        gru_units=384,
        transformer_units=144,
        recurrent_dropout=0.5,
        transformer_dropout=0.3,
        epochs=10,
        steps_per_epoch=150,
        batch_size=128,
        rnn_rate=2e-3,
        lstm_rate=4e-3,
        gru_rate=4e-3,
        transformer_rate=4e-3,
    ),
}


@dataclass(frozen=True)
class Trained:
    """One of the four after training: its log, losses and names.

    Attributes
    ----------
    nats : split -> nats a character, countries weighing equally, at the best epoch; "last" -> of
        training names at the last one
    places : place in the name -> nats a character there, on test names
    free : country -> names, nothing given
    lettered : country -> names, one for each first letter of the settings
    judged : country -> names that the measures are taken on
    """

    architecture: str
    parameters: int
    log: Log
    nats: dict[str, float]
    places: dict[str, float]
    free: dict[str, list[str]]
    lettered: dict[str, list[str]]
    judged: dict[str, list[str]]
    seconds: float | None
    sampling: float


def run_experiment(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's four networks and let them generate; all goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    names, vocabulary = load_vocabulary(tasks, settings)
    console.say(names.describe())
    check_starts(settings.starts or "", vocabulary)
    missing = tasks.left_out({TITLES[name]: cell for name, cell in CELLS.items()})
    for sentence in missing.values():
        console.warn(sentence)
    begin = cpu_seconds()
    trained = []
    parts = []
    for architecture in tasks.ARCHITECTURES:
        if TITLES[architecture] in missing:
            continue
        part = run.part(architecture)
        parts.append(part)
        trained.append(study(tasks, settings, part, runtime, names, vocabulary, architecture))
        if part.interrupted:
            run.interrupt(f"{part.interrupted} of the {TITLES[architecture]}")
            break
    save_names(run, trained)
    real, judgements = judge(names, {one.architecture: one.judged for one in trained})
    obtained = figures(trained, judgements)
    if not missing:
        obtained["seconds"] = cpu_seconds() - begin
    console.table(
        *COLUMNS[:11], rows=[row[:11] for row in rows(settings, trained, real, judgements)]
    )
    left_out = list(missing.values())
    write_report(tasks, settings, run, names, trained, real, judgements, obtained, left_out)
    if not run.interrupted:
        for part in parts:
            part.finish()


def study(
    tasks: Any,
    settings: Settings,
    run: Run,
    runtime: Runtime,
    names: Names,
    vocabulary: list[str],
    architecture: str,
) -> Trained:
    """Train one network, score it and let it generate."""
    console.heading(TITLES[architecture])
    keras.utils.set_random_seed(settings.seed)
    with runtime.scope():
        model, stepper = build(tasks, settings, len(vocabulary), len(names.countries), architecture)
        packed = packed_model(model)
    peak = getattr(settings, f"{architecture}_rate")
    begin = time.perf_counter()
    log = train(tasks, settings, run, runtime, packed, names, vocabulary, peak)
    seconds = None if run.resumed else time.perf_counter() - begin
    last = score_last(tasks, run, packed, names, vocabulary)
    nats, places = score(tasks, packed, names, vocabulary)
    free, judged, sampling = generate_free(tasks, settings, stepper, vocabulary, names)
    letters = list(settings.starts or "")
    lettered = generate(tasks, settings, stepper, vocabulary, names, letters, settings.seed)
    return Trained(
        architecture,
        model.count_params(),
        log,
        nats | {"last": last},
        places,
        free,
        lettered,
        judged,
        seconds,
        sampling,
    )


# Results


COLUMNS = (
    "network",
    "parameters",
    "updates",
    "best epoch",
    "training, last epoch: nats a character",
    "training, best epoch",
    "validation",
    "test",
    "new names",
    "fits its country",
    "new and fits",
    "seconds to train (elapsed)",
    "CPU ms for all countries' ten",
)


def rows(
    settings: Settings, trained: Sequence[Trained], real: Share, judgements: dict[str, Judgement]
) -> list[tuple]:
    """Make a row of `COLUMNS` for each architecture, and one for real held-out names."""
    table: list[tuple] = []
    for one in trained:
        judgement = judgements[one.architecture]
        epochs = len(one.log.get("epoch", []))
        table.append(
            (
                TITLES[one.architecture],
                f"{one.parameters:,}",
                f"{epochs * settings.steps_per_epoch:,}",
                str(best_epoch(one.log)),
                *(f"{one.nats[part]:.3f}" for part in ("last", *SPLITS)),
                str(judgement.new),
                str(judgement.faithful),
                str(judgement.faithful_new),
                "–" if one.seconds is None else f"{one.seconds:.0f}",
                f"{one.sampling * 1000:.0f}",
            )
        )
    before = COLUMNS.index("fits its country") - 1
    after = len(COLUMNS) - before - 2
    return [*table, ("real held-out names", *("",) * before, str(real), *("",) * after)]


def figures(trained: Sequence[Trained], judgements: dict[str, Judgement]) -> dict[str, float]:
    """Collect what lab.toml makes promises about."""
    obtained = {"sampling": max(one.sampling for one in trained)}
    for one in trained:
        for part, nats in one.nats.items():
            obtained[f"{one.architecture}_{part}"] = nats
        obtained[f"{one.architecture}_fidelity"] = judgements[one.architecture].faithful.value
        obtained[f"{one.architecture}_new"] = judgements[one.architecture].new.value
    test = {one.architecture: one.nats["test"] for one in trained}
    if {"transformer", "gru"} <= test.keys():
        obtained["transformer_gru"] = test["transformer"] - test["gru"]
    return obtained


# Report


def write_report(
    tasks: Any,
    settings: Settings,
    run: Run,
    names: Names,
    trained: Sequence[Trained],
    real: Share,
    judgements: dict[str, Judgement],
    obtained: dict[str, float],
    missing: list[str],
) -> None:
    """Draw the curves and write report.html."""
    judged = PRESETS.get(run.preset) == settings
    curves = run.path("curves.png")
    logs = {TITLES[one.architecture]: one.log for one in trained if one.log}
    plot_comparison(logs, curves, "nats_per_token", "loss (nats a character)")
    title, lead = "names from countries", LEADS[settings.data]
    with lab_report(run, tasks, title, lead, obtained, judged=judged) as report:
        if missing:
            report.add_text("Not in this run", *missing)
        report.add_pictures(
            "Four networks on equal terms",
            [Picture(curves, "loss over the epochs of each network, training and validation")],
            "The same batches in the same order, the same number of updates, about the same number "
            "of parameters. The training loss is measured during training, with dropout if there "
            "is any, so it can be above the validation loss.",
        )
        table = rows(settings, trained, real, judgements)
        report.add_table("Losses and names", COLUMNS, table, EXPLAINED)
        report.add_table(
            "Where in a name the loss is",
            ["network", *PLACES],
            [
                (TITLES[one.architecture], *(f"{nats:.3f}" for nats in one.places.values()))
                for one in trained
            ],
            "Nats a character of test names by its place in the name, END included; all countries "
            "count the same.",
        )
        lists = [(TITLES[one.architecture], one.free) for one in trained]
        beside = [
            [country, *(", ".join(theirs[country]) for _, theirs in lists)]
            for country in names.countries
        ]
        note = (
            f"Only the country is given; temperature {settings.temperature}; new names or not. All "
            "four use the same random numbers: where their probabilities agree, so do the names."
        )
        report.add_table(
            "Names by country, side by side",
            ["country", *(name for name, _ in lists)],
            beside,
            note,
        )
        letters = list(settings.starts or "")
        for one in trained if letters else ():
            report.add_table(
                f"{TITLES[one.architecture]}: a name for each first letter",
                ["country", *letters],
                [(country, *theirs) for country, theirs in one.lettered.items()],
            )
        report.add_text("The data", *names.describe().splitlines())


EXPLAINED = (
    "Nats a character, END included, all countries counting the same, without dropout, at the "
    "epoch with the best validation loss; training names also at the last epoch, where training "
    "stopped. new names: in no list of any country. fits its country: how often a naive Bayes "
    "classifier, made from the letters of the training names, assigns the name to the country "
    "asked for; for comparison, the last row is its score on real names it has not seen. Copied "
    "training names raise the score, so the next column has new names only. ± is half a 95 % "
    "interval."
)

LEADS = {
    "faker": "Surnames of Faker's locales, written letter by letter.",
    "names18": "Surnames in 18 languages, written letter by letter.",
}


def save_names(run: Run, trained: Sequence[Trained]) -> None:
    """Keep all names that were generated, as names.json."""
    run.write_json(
        "names.json",
        {
            one.architecture: {
                "free": one.free,
                "by first letter": one.lettered,
                "judged": one.judged,
            }
            for one in trained
        },
    )
