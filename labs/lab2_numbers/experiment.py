"""What `make lab2` runs: numbers → GRU and Transformer → words, measured in range and beyond."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from num2words import num2words

from labs.course.code import not_run
from labs.course.report import lab_report
from labs.lab2_numbers.data import BEYOND, FURTHER, Numbers, Pairs, in_words, load_numbers
from labs.lab2_numbers.generate import AttentionMap, WordGenerator, time_decodings
from labs.lab2_numbers.measure import Answers, look_at_digits, percent
from labs.lab2_numbers.train import BUILDERS, build, train
from toolkit import console
from toolkit.report.plots import plot_attention, plot_iterations
from toolkit.report.report import Picture, Report
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime, configure, cpu_seconds
from toolkit.training.settings import CommonSettings, Count, FractionBelowOne, Positive

__all__ = ["PRESETS", "Settings", "run_experiment"]


@dataclass(frozen=True)
class Settings(CommonSettings):
    """What a run does; any field can be set on the command line."""

    # as num2words takes it
    language: str = "en"
    # numbers that the report puts into words, too
    numbers: tuple[str, ...] = ("1033",)
    num_pairs: Count = 100_000
    max_digits: Count = 9
    gru_embedding_dim: Count = 32
    gru_units: Count = 128
    gru_rate: Positive = 4e-3
    gru_epochs: Count = 5
    d_model: Count = 64
    num_heads: Count = 4
    ff_dim: Count = 256
    num_layers: Count = 2
    dropout: FractionBelowOne = 0.0
    transformer_rate: Positive = 5e-3
    transformer_epochs: Count = 8
    # Adam's: with Keras's 0.999 the Transformer stays for long where it confuses lengths
    beta_2: FractionBelowOne = 0.98
    # an epoch is so many iterations: validation measures after each
    steps_per_epoch: Count = 100
    batch_size: Count = 64
    validation_numbers: Count = 1000
    # numbers never seen that are decoded at the end, at most
    test_numbers: Count = 3000
    decode_batch: Count = 256
    # how many of them are also decoded by beam search, and with how many beams
    beam_numbers: Count = 256
    beam_width: Count = 4
    # test numbers of each length out of range, and training numbers of each for the remedy
    beyond: Count = 200
    few: Count = 200
    remedy_epochs: Count = 1


PRESETS = {
    "quick": Settings(),
    "full": Settings(
        gru_epochs=30,
        transformer_epochs=40,
        validation_numbers=5000,
        test_numbers=100_000,
        beyond=1000,
        remedy_epochs=8,
    ),
}


@dataclass(frozen=True)
class Trained:
    """One of the two models after training, and all that was asked of it.

    Attributes
    ----------
    test : answers for the held-out numbers in range
    beyond, remedied : digits -> answers out of range, before and after the remedy
    test_remedied : answers in range after the remedy
    special : the two numbers of the source, before and after
    asked : the numbers of the settings
    decodings : way to decode, exact match and seconds; none without beam search
    attention : five numbers' maps
    looks : share of digit words whose digit is looked at, and by chance
    """

    generator: WordGenerator
    log: Log
    test: Answers
    beyond: dict[int, Answers]
    special: list[str]
    asked: list[str]
    decodings: list[tuple[str, float, float]]
    attention: list[AttentionMap]
    looks: tuple[float, float]
    remedied: dict[int, Answers]
    test_remedied: Answers
    special_remedied: list[str]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.generator.name


SPECIAL = (101001001001, 1001001001001)
SHOWN = 5  # numbers whose attention is drawn


def run_experiment(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's two models and ask them; everything goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    numbers = load_numbers(tasks, settings)
    console.say(numbers.describe())
    missing = tasks.left_out(BUILDERS)
    if beam := tasks.missing("beam_search"):
        missing["beam search"] = not_run("beam search", beam)
    for sentence in missing.values():
        console.warn(sentence)
    begin = cpu_seconds()
    trained = []
    for name in BUILDERS:
        if name in missing:
            continue
        console.heading(name)
        keras.utils.set_random_seed(settings.seed)
        with runtime.scope():
            parts = build(tasks, settings, numbers, name)
        generator = WordGenerator(tasks, name, parts, numbers, settings.decode_batch)
        trained.append(study(tasks, settings, run, runtime, generator))
        if run.interrupted:
            break
    obtained = figures(trained)
    if len(trained) == len(BUILDERS):
        obtained["seconds"] = cpu_seconds() - begin
    show(trained)
    write_report(tasks, settings, run, numbers, trained, obtained, list(missing.values()))


# Training


def study(
    tasks: Any, settings: Settings, run: Run, runtime: Runtime, generator: WordGenerator
) -> Trained:
    """Train one model, ask it, train it further by the remedy, ask again."""
    numbers = generator.numbers
    short = generator.name.lower()
    log = train(
        tasks,
        run,
        runtime,
        settings,
        generator.model,
        numbers,
        folder=short,
        pairs=numbers.split["train"],
        widths=(settings.max_digits + 1, numbers.in_length),
        epochs=getattr(settings, f"{short}_epochs"),
        rate=getattr(settings, f"{short}_rate"),
    )
    never_seen = numbers.split["test"][: settings.test_numbers]
    test = generator.answer(never_seen)
    decodings = []
    if not tasks.missing("beam_search"):
        some = never_seen[: settings.beam_numbers]
        decodings = time_decodings(generator, some, settings.beam_width)
    beyond = {digits: generator.answer(pairs) for digits, pairs in numbers.beyond.items()}
    special, asked = generator.words(SPECIAL), generator.words(settings.numbers)
    five = [number for number, _ in longest_pairs(never_seen)[:SHOWN]]
    attention = generator.maps(five)
    digit_words = {num2words(digit, lang=numbers.language): str(digit) for digit in range(1, 10)}
    first = [number for number, _ in never_seen[:500]]
    looks = look_at_digits(first, *generator.attention(first), digit_words)
    if not run.interrupted:
        console.say(remedy_lead(generator.name, settings, numbers))
        # three rows in range for one out of it
        repeats = max(1, len(numbers.split["train"]) // max(1, 3 * len(numbers.few)))
        train(
            tasks,
            run,
            runtime,
            settings,
            generator.model,
            numbers,
            folder=f"{short}_remedy",
            pairs=numbers.split["train"] + repeats * numbers.few,
            widths=(FURTHER, numbers.length),
            epochs=settings.remedy_epochs,
            rate=getattr(settings, f"{short}_rate") / 4,
        )
    return Trained(
        generator=generator,
        log=log,
        test=test,
        beyond=beyond,
        special=special,
        asked=asked,
        decodings=decodings,
        attention=attention,
        looks=looks,
        remedied={digits: generator.answer(pairs) for digits, pairs in numbers.beyond.items()},
        test_remedied=generator.answer(never_seen),
        special_remedied=generator.words(SPECIAL),
    )


def remedy_lead(name: str, settings: Settings, numbers: Numbers) -> str:
    """Say what the training lines to come are."""
    return (
        f"{name}, the remedy: {settings.remedy_epochs} more "
        f"{'epoch' if settings.remedy_epochs == 1 else 'epochs'}, with {few_a_length(numbers)} "
        f"numbers of each of {BEYOND[0]} to {BEYOND[-1]} digits among the others"
    )


def few_a_length(numbers: Numbers) -> int:
    """Count the numbers of each length out of range that the remedy shows."""
    return len(numbers.few) // len(BEYOND)


def longest_pairs(pairs: Pairs) -> Pairs:
    """Order pairs by falling number of digits; equal ones stay as they come."""
    return sorted(pairs, key=lambda pair: -len(str(pair[0])))


# Results


def figures(trained: list[Trained]) -> dict[str, float]:
    """Name what lab.toml promises of each model."""
    obtained = {}
    for one in trained:
        short = one.name.lower()
        obtained[f"{short}_exact"] = one.test.exact_match()
        out_of_range = [
            answers.exact_match() for digits, answers in one.remedied.items() if digits in BEYOND
        ]
        obtained[f"{short}_remedied"] = min(out_of_range)
    return obtained


def digit_rows(trained: list[Trained]) -> list[tuple]:
    """Exact match and token accuracy by number of digits, on numbers never seen."""
    test = trained[0].test.pairs
    rows: list[tuple] = []
    for digits in [None, *sorted({len(str(number)) for number, _ in test})]:
        row: list = [
            "all" if digits is None else f"{digits} digits",
            int(trained[0].test.of(digits).sum()),
        ]
        for one in trained:
            row += [percent(one.test.exact_match(digits)), percent(one.test.token_accuracy(digits))]
        rows.append(tuple(row))
    return rows


def beyond_rows(trained: list[Trained]) -> list[tuple]:
    """Exact match by length out of range, before and after the remedy."""
    rows: list[tuple] = []
    for digits in (*BEYOND, FURTHER):
        row: list = [f"{digits} digits"]
        for one in trained:
            before, after = one.beyond[digits], one.remedied[digits]
            row += [
                percent(before.exact_match()),
                percent(before.token_accuracy()),
                percent(after.exact_match()),
            ]
        rows.append(tuple(row))
    row = ["in range"]
    for one in trained:
        row += [
            percent(one.test.exact_match()),
            percent(one.test.token_accuracy()),
            percent(one.test_remedied.exact_match()),
        ]
    return [*rows, tuple(row)]


DECODINGS = ("decoding", "exact", "seconds (elapsed)")


def decoding_rows(trained: list[Trained]) -> list[tuple]:
    """Exact match and time of greedy decoding and of beam search: rows of `DECODINGS`."""
    return [
        (f"{one.name}, {way}", percent(exact), seconds)
        for one in trained
        for way, exact, seconds in one.decodings
    ]


def columns(trained: list[Trained], *measures: str) -> list[str]:
    """Head a column for each model and measure."""
    return [f"{one.name}: {measure}" for one in trained for measure in measures]


def show(trained: list[Trained]) -> None:
    """Print what matters most."""
    head = ["never seen", "numbers", *columns(trained, "exact", "tokens")]
    console.table(*head, rows=digit_rows(trained))
    if rows := decoding_rows(trained):
        console.table(*DECODINGS, rows=rows)
    head = ["out of range", *columns(trained, "exact", "tokens", "after the remedy")]
    console.table(*head, rows=beyond_rows(trained))


# Report


def write_report(
    tasks: Any,
    settings: Settings,
    run: Run,
    numbers: Numbers,
    trained: list[Trained],
    obtained: dict[str, float],
    missing: list[str],
) -> None:
    """Draw the plots and write report.html."""
    judged = PRESETS.get(run.preset) == settings
    title = "from numbers to words"
    with lab_report(run, tasks, title, LEAD, obtained, judged=judged, digits=5) as report:
        if missing:
            report.add_text("Not in this run", *missing)
        report.add_pictures("Training", draw_training(settings, run, trained), TRAINED)
        head = ["never seen", "numbers", *columns(trained, "exact match", "token accuracy")]
        report.add_table("Numbers never seen", head, digit_rows(trained), GREEDY)
        if rows := decoding_rows(trained):
            report.add_table("Greedy decoding and beam search", DECODINGS, rows, decoded(settings))
        add_answers(report, settings, numbers, trained)
        report.add_pictures(
            "Where the decoder looks", draw_attention(run, trained), attention_note(trained)
        )
        head = [
            "out of range",
            *columns(trained, "exact match", "token accuracy", "exact match after the remedy"),
        ]
        report.add_table("Out of range", head, beyond_rows(trained), beyond_note(trained))
        rows = []
        for at, (number, words) in enumerate(in_words(SPECIAL, numbers.language)):
            rows.append((str(number), "num2words", words))
            rows += [(str(number), f"{one.name}, as trained", one.special[at]) for one in trained]
            rows += [
                (str(number), f"{one.name}, remedied", one.special_remedied[at]) for one in trained
            ]
        report.add_table("What they say of two of them", ["number", "who", "words"], rows)
        report.add_text("Why", *why(settings, trained))


LEAD = "Digits in, words out: a GRU encoder-decoder with attention, and a Transformer."

TRAINED = (
    "Loss a token of the training batches and exact match on validation numbers, over iterations. "
    "Exact match needs no decoding here: greedy decoding generates exactly the right words if, and "
    "only if, every word is the likeliest after the right words before it."
)

GREEDY = "By greedy decoding, no right word given. Numbers of one digit are all in training."


def decoded(settings: Settings) -> str:
    """Say how the two ways to decode were compared."""
    return (
        f"{settings.beam_numbers} numbers never seen, decoded twice. A beam search of "
        f"{settings.beam_width} keeps the {settings.beam_width} likeliest beginnings at each step. "
        "The time is by the clock, without compiling: greedy decoding is one compiled program, "
        "beam search comes back to Python after each step."
    )


def add_answers(
    report: Report, settings: Settings, numbers: Numbers, trained: list[Trained]
) -> None:
    """Add the numbers asked for, ten successes, and all failures."""
    asked: list[tuple] = [
        (text, *(one.asked[at] for one in trained)) for at, text in enumerate(settings.numbers)
    ]
    names = [one.name for one in trained]
    if asked:
        report.add_table("Numbers asked for", ["number", *names], asked)
    for one in trained:
        pairs, right = one.test.pairs, np.flatnonzero(one.test.exact)
        rows = [(str(pairs[i][0]), one.test.said[i]) for i in right[:10]]
        report.add_table(f"Ten successes of the {one.name}", ["number", "words"], rows)
        wrong = np.flatnonzero(~one.test.exact)
        failed = [(str(pairs[i][0]), pairs[i][1], one.test.said[i]) for i in wrong]
        note = "" if failed else "There are none."
        heading = f"All failures of the {one.name}: {len(failed)} of {len(pairs):,}"
        report.add_table(heading, ["number", "num2words", one.name], failed, note)


def attention_note(trained: list[Trained]) -> str:
    """Say how often the decoder looks at the digit it reads."""
    parts = [
        f"the {one.name} looks most at that digit for {percent(one.looks[0])} of them "
        f"(any of the number's digits by chance: {percent(one.looks[1])})"
        for one in trained
    ]
    return (
        "A row is a word, a column a digit; dark is much attention (of the Transformer, the mean "
        "of the last block's heads). Of the words that name a digit from 1 to 9: "
        + "; ".join(parts)
        + "."
    )


def beyond_note(trained: list[Trained]) -> str:
    """Say what the remedy is."""
    few = few_a_length(trained[0].generator.numbers)
    count = len(trained[0].beyond[FURTHER].pairs)
    return (
        f"{count} test numbers of each length. The remedy: training continues for a few hundred "
        f"iterations with {few} numbers of each of {BEYOND[0]} to {BEYOND[-1]} digits among the "
        f"others (one row in four). Numbers of {FURTHER} digits need no new word and are in "
        "neither training."
    )


def why(settings: Settings, trained: list[Trained]) -> list[str]:
    """Explain what happens out of range, with what was measured."""
    before = max(answers.exact_match() for one in trained for answers in one.beyond.values())
    top = settings.max_digits
    paragraphs = [
        f"As trained, no length out of range gets more than {percent(before)} right. Training had "
        f"numbers below 10^{top} and 10^{top} itself: the word for 10^9 was in one of them and the "
        "word for 10^12 in none, so training only taught not to generate these words. And a model "
        "finds the place of a digit by counting from the left until the digits end; these counts, "
        "too, were never higher. Neither model has learned a rule that generalises; each has "
        f"learned {top} lengths.",
        "The exercise that this lab comes from replaced unknown words by similar ones. That hides "
        "the problem: the answer reads well but names a different number. Here it is right or "
        "wrong.",
    ]
    after = []
    for one in trained:
        shares = {digits: answers.exact_match() for digits, answers in one.remedied.items()}
        best, worst = max(BEYOND, key=shares.__getitem__), min(BEYOND, key=shares.__getitem__)
        after.append(
            f"the {one.name} is right for {percent(shares[best])} of the numbers of {best} digits, "
            f"for {percent(shares[worst])} of those of {worst}, and for {percent(shares[FURTHER])} "
            f"of those of {FURTHER}, a length it was not shown"
        )
        if best % 3 == top % 3 and shares[best] > 2 * shares[worst]:
            after[-1] += (
                f" (counted from the left, {best} digits have their groups of three where {top} "
                "digits have them, so what was learned about places still holds)"
            )
    in_range = [
        f"the {one.name} {percent(one.test_remedied.exact_match())} instead of "
        f"{percent(one.test.exact_match())}"
        for one in trained
    ]
    return [
        *paragraphs,
        "After the remedy: " + "; ".join(after) + ". In range: " + ", ".join(in_range) + ".",
    ]


def draw_training(settings: Settings, run: Run, trained: list[Trained]) -> list[Picture]:
    """Plot loss and exact match over iterations, both models on one axis."""
    pictures = []
    for column, label, logarithmic in (
        ("nats_per_token", "training loss (nats a token)", True),
        ("val_exact_match", "validation exact match", False),
    ):
        path = run.path(f"{column}.png")
        curves = {
            one.name: (
                [epoch * settings.steps_per_epoch for epoch in one.log["epoch"]],
                one.log[column],
            )
            for one in trained
            if column in one.log
        }
        if curves:
            plot_iterations(curves, path, label, logarithmic)
        pictures.append(Picture(path, f"{label} over iterations"))
    return pictures


def draw_attention(run: Run, trained: list[Trained]) -> list[Picture]:
    """Draw five numbers' attention, a picture for each model."""
    pictures = []
    for one in trained:
        path = run.path(f"attention_{one.name.lower()}.png")
        plot_attention(one.attention, path, one.name)
        pictures.append(Picture(path, f"attention of the {one.name} for five numbers"))
    return pictures
