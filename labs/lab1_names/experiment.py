"""What `make lab1` runs: surnames → four networks on equal terms → names, measured and judged."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from labs.course.promises import promises
from labs.lab1_names.data import DATA_SETS, SPLITS, Names, at_most, draw_rows, load_names
from labs.lab1_names.fidelity import CountryClassifier, Share, fidelity, new_names
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.report.plots import plot_comparison
from toolkit.report.report import Picture, Report
from toolkit.training.fit import fit
from toolkit.training.runs import Log, Run, best_epoch
from toolkit.training.runtime import Runtime, configure
from toolkit.training.settings import (
    Count,
    Fraction,
    FractionBelowOne,
    Positive,
    PositiveOrZero,
    Seed,
)

__all__ = ["DATA_SETS", "PRESETS", "Settings", "run"]

# the characters of a name, END among them
PLACES = {
    "1st": slice(0, 1),
    "2nd": slice(1, 2),
    "3rd": slice(2, 3),
    "4th and 5th": slice(3, 5),
    "later": slice(5, None),
}
SPELLED = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "transformer": "Transformer"}


@dataclass(frozen=True)
class Settings:
    """What a run does; any field can be set on the command line."""

    data: str = "faker"
    seed: Seed = 0
    precision: str = "auto"
    devices: str | None = None
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
    nats : split -> nats a character, countries weighing equally, at the best epoch
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


def run(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's four networks and let them write; all goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    chosen = settings.countries and [name.strip() for name in settings.countries.split(",")]
    names = load_names(settings.data, chosen or None, settings.max_characters, settings.seed)
    console.say(names.describe())
    vocabulary = tasks.build_vocabulary(
        name for theirs in names.split["train"].values() for name in theirs
    )
    names = names.spelled_with(vocabulary)
    check_starts(settings, vocabulary)
    begin = time.perf_counter()
    trained = []
    parts = []
    for architecture in tasks.ARCHITECTURES:
        part = run.part(architecture)
        parts.append(part)
        trained.append(train(tasks, settings, part, runtime, names, vocabulary, architecture))
        if part.interrupted:
            run.interrupt(f"{part.interrupted} of the {SPELLED[architecture]}")
            break
    write_names(run, trained)
    real, judgements = judge(names, trained)
    obtained = figures(trained, judgements, time.perf_counter() - begin)
    console.table(
        *COLUMNS[:10], rows=[row[:10] for row in rows(settings, trained, real, judgements)]
    )
    write_report(tasks, settings, run, names, trained, real, judgements, obtained)
    if not run.interrupted:
        for part in parts:
            part.finish()


def check_starts(settings: Settings, vocabulary: Sequence[str]) -> None:
    """Make sure before training that names can begin with the letters asked for."""
    if unknown := [letter for letter in settings.starts or "" if letter not in vocabulary]:
        letters = "".join(vocabulary[3:])
        raise EtudeError(f"starts has {unknown[0]!r}, which no name has: choose from {letters}")


# Training


def train(
    tasks: Any,
    settings: Settings,
    run: Run,
    runtime: Runtime,
    names: Names,
    vocabulary: list[str],
    architecture: str,
) -> Trained:
    """Train one network, measure it and let it write."""
    console.heading(SPELLED[architecture])
    keras.utils.set_random_seed(settings.seed)
    is_transformer = architecture == "transformer"
    with runtime.scope():
        model, stepper = tasks.build_name_model(
            architecture,
            len(vocabulary),
            len(names.countries),
            settings.embedding_dim,
            getattr(settings, f"{architecture}_units"),
            settings.transformer_layers if is_transformer else settings.recurrent_layers,
            settings.transformer_dropout if is_transformer else settings.recurrent_dropout,
            settings.max_characters + 1,
            settings.num_heads,
        )
        packed = packed_model(model)
    steps = settings.epochs * settings.steps_per_epoch
    peak = getattr(settings, f"{architecture}_rate")

    def optimizer() -> keras.optimizers.Optimizer:
        rate = keras.optimizers.schedules.CosineDecay(
            peak / 50, steps - steps // 20, 0.02, warmup_target=peak, warmup_steps=steps // 20
        )
        return keras.optimizers.Adam(rate, clipnorm=1.0)

    begin = time.perf_counter()
    log = fit(
        packed,
        run,
        runtime,
        loss=tasks.nats_per_character,
        metrics={},
        train=encode(tasks, names.split["train"], vocabulary, settings.balance, settings.seed),
        validation=encode(
            tasks, at_most(names.split["validation"], settings.validation_names), vocabulary
        ),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=optimizer,
        steps_per_epoch=settings.steps_per_epoch,
    )
    seconds = None if run.resumed else time.perf_counter() - begin
    predicted = {s: predict(tasks, packed, names.split[s], vocabulary) for s in SPLITS}
    nats = {split: evaluate(tasks, *predicted[split]) for split in SPLITS}
    owners, targets, logits = predicted["test"]
    places = {
        name: evaluate(tasks, owners, targets[:, some], logits[:, some])
        for name, some in PLACES.items()
    }
    free, judged, sampling = write_free(tasks, settings, stepper, vocabulary, names)
    letters = list(settings.starts or "")
    lettered = write(tasks, settings, stepper, vocabulary, names, letters, settings.seed)
    return Trained(
        architecture,
        model.count_params(),
        log,
        nats,
        places,
        free,
        lettered,
        judged,
        seconds,
        sampling,
    )


def packed_model(model: keras.Model) -> keras.Model:
    """Wrap a model so that a row's country stands before its ids, as one array."""
    rows = keras.Input((None,), dtype="int32", name="country_and_ids")
    return keras.Model(rows, model([rows[:, 1:], rows[:, 0]]), name=f"{model.name}_packed")


def encode(
    tasks: Any,
    names: Mapping[str, Sequence[str]],
    vocabulary: Sequence[str],
    balance: float = 1.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Spell names as rows of a country's number and ids, beside their targets."""
    countries = list(names)
    drawn = draw_rows({name: len(theirs) for name, theirs in names.items()}, balance, seed)
    inputs, targets, _ = tasks.encode_names(
        [names[country][index] for country, index in drawn], vocabulary
    )
    numbers = np.array([countries.index(country) for country, _ in drawn], np.int32)
    return np.concatenate([numbers[:, None], inputs], axis=1), targets


def predict(
    tasks: Any, model: keras.Model, names: Mapping[str, Sequence[str]], vocabulary: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ask the model about all names, without dropout.

    Returns
    -------
    owners : (names,), each one's country
    targets : (names, length)
    logits : (names, length, vocab_size)
    """
    owners = np.array([place for place, theirs in enumerate(names.values()) for _ in theirs])
    inputs, targets, _ = tasks.encode_names(
        [name for t in names.values() for name in t], vocabulary
    )
    rows = np.concatenate([owners[:, None], inputs], axis=1).astype(np.int32)
    return owners, targets, model.predict(rows, batch_size=512, verbose=0)


def evaluate(tasks: Any, owners: np.ndarray, targets: np.ndarray, logits: np.ndarray) -> float:
    """Nats a character, countries weighing equally."""
    nats = []
    for place in np.unique(owners):
        theirs = owners == place
        if targets[theirs].any():
            nats.append(float(tasks.nats_per_character(targets[theirs], logits[theirs])))
    return float(np.mean(nats)) if nats else float("nan")


def write_free(
    tasks: Any,
    settings: Settings,
    stepper: keras.Model,
    vocabulary: Sequence[str],
    names: Names,
) -> tuple[dict[str, list[str]], dict[str, list[str]], float]:
    """Write names with nothing given, one batch of all countries after another.

    Returns
    -------
    free : country -> the first batch's names, `names` of them
    judged : country -> those of all batches, `judged` of them
    seconds : what a batch took, the first aside, which compiles the step
    """
    starts = [""] * settings.names
    batches, seconds = [], []
    for number in range(max(2, -(-settings.judged // settings.names))):
        begin = time.perf_counter()
        seed = settings.seed + number
        batches.append(write(tasks, settings, stepper, vocabulary, names, starts, seed))
        seconds.append(time.perf_counter() - begin)
    judged = {
        country: [name for batch in batches for name in batch[country]][: settings.judged]
        for country in names.countries
    }
    return batches[0], judged, float(np.median(seconds[1:]))


def write(
    tasks: Any,
    settings: Settings,
    stepper: keras.Model,
    vocabulary: Sequence[str],
    names: Names,
    starts: list[str],
    seed: int,
) -> dict[str, list[str]]:
    """Write a name for each country and start, all in one batch."""
    wanted = [country for country in names.countries for _ in starts]
    written = tasks.generate_names(
        stepper,
        vocabulary,
        names.countries,
        wanted,
        starts * len(names.countries),
        settings.max_characters,
        settings.temperature,
        seed,
    )
    count = len(starts)
    return {
        country: written[place * count : (place + 1) * count]
        for place, country in enumerate(names.countries)
    }


# Judgement


@dataclass(frozen=True)
class Judgement:
    """What became of an architecture's names: how many are new, how many fit their country."""

    new: Share
    faithful: Share
    faithful_new: Share


def judge(names: Names, trained: Sequence[Trained]) -> tuple[Share, dict[str, Judgement]]:
    """Judge real held-out names and each architecture's by a classifier of the training names.

    Names that several countries have are neither learnt from nor judged.

    Returns
    -------
    real : the classifier's accuracy on held-out names
    judgements : by architecture
    """
    own = {
        split: {
            country: [name for name in theirs if name not in names.shared]
            for country, theirs in names.split[split].items()
        }
        for split in SPLITS
    }
    classifier = CountryClassifier(own["train"])
    held_out = {name: own["validation"][name] + own["test"][name] for name in names.countries}
    judgements = {}
    for one in trained:
        new, fresh = new_names(one.judged, names.known)
        judgements[one.architecture] = Judgement(
            new,
            fidelity(classifier, one.judged, names.shared),
            fidelity(classifier, fresh, names.shared),
        )
    return fidelity(classifier, held_out, names.shared), judgements


COLUMNS = (
    "network",
    "parameters",
    "updates",
    "best epoch",
    "training: nats a character",
    "validation",
    "test",
    "new names",
    "fits its country",
    "new and fits",
    "seconds to train",
    "ms for all countries' ten",
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
                SPELLED[one.architecture],
                f"{one.parameters:,}",
                f"{epochs * settings.steps_per_epoch:,}",
                str(best_epoch(one.log)),
                *(f"{one.nats[split]:.3f}" for split in SPLITS),
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


def figures(
    trained: Sequence[Trained], judgements: dict[str, Judgement], seconds: float
) -> dict[str, float]:
    """Collect what lab.toml makes promises about."""
    obtained = {"seconds": seconds, "sampling": max(one.sampling for one in trained)}
    for one in trained:
        for split in SPLITS:
            obtained[f"{one.architecture}_{split}"] = one.nats[split]
        obtained[f"{one.architecture}_fidelity"] = judgements[one.architecture].faithful.value
        obtained[f"{one.architecture}_new"] = judgements[one.architecture].new.value
    nats = {one.architecture: one.nats["test"] for one in trained}
    if {"transformer", "gru"} <= nats.keys():
        obtained["transformer_gru"] = nats["transformer"] - nats["gru"]
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
) -> None:
    """Draw the curves and write report.html."""
    report = Report(run, "Lab 1: names from countries", LEADS[settings.data])
    judged = PRESETS[run.preset] == settings
    kept = promises(Path(__file__).parent, run, obtained, judged=judged)
    report.add_promises("Promised and obtained", kept)
    curves = run.path("curves.png")
    logs = {SPELLED[one.architecture]: one.log for one in trained if one.log}
    plot_comparison(logs, curves, "nats_per_token", "loss (nats a character)")
    report.add_pictures(
        "Four networks on equal terms",
        [Picture(curves, "loss over the epochs of each network, training and validation")],
        "Equal batches of the same names in the same order, as many updates, about as many "
        "parameters. Training is measured as it goes, with dropout where there is any, so "
        "it may lie above validation.",
    )
    table = rows(settings, trained, real, judgements)
    report.add_table("Losses and names", COLUMNS, table, EXPLAINED)
    report.add_table(
        "Where in a name the loss is",
        ["network", *PLACES],
        [
            (SPELLED[one.architecture], *(f"{nats:.3f}" for nats in one.places.values()))
            for one in trained
        ],
        "Nats a character of test names by its place in the name, END among them, countries "
        "weighing equally.",
    )
    lists = [(SPELLED[one.architecture], one.free) for one in trained]
    beside = [
        [country, *(", ".join(theirs[country]) for _, theirs in lists)]
        for country in names.countries
    ]
    note = (
        f"Nothing given but the country, temperature {settings.temperature}; new or not. All four "
        "draw by the same random numbers, so where they agree on the odds they write the same."
    )
    report.add_table(
        "Names by country, side by side", ["country", *(name for name, _ in lists)], beside, note
    )
    letters = list(settings.starts or "")
    for one in trained if letters else ():
        report.add_table(
            f"{SPELLED[one.architecture]}: a name for each first letter",
            ["country", *letters],
            [(country, *theirs) for country, theirs in one.lettered.items()],
        )
    report.add_text("The data", *names.describe().splitlines())
    report.add_code("Whose code ran", tasks.describe())
    report.write()


EXPLAINED = (
    "Nats a character with END, countries weighing equally, at the epoch with the best validation, "
    "measured without dropout. new names: in no list of any country. fits its country: a naive "
    "Bayes classifier of the training names' letters takes the name for the country that was asked "
    "for; the last row is what it scores on real names it has not seen, the mark to compare with. "
    "Copied training names flatter it: the next column judges new names only. ± is half a 95 % "
    "interval."
)

LEADS = {
    "faker": "Surnames of Faker's locales, written letter by letter.",
    "names18": "Surnames in 18 languages, written letter by letter.",
}


def write_names(run: Run, trained: Sequence[Trained]) -> None:
    """Keep all names that were written, as names.json."""
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
