"""What `make lab6` runs: two models, equal in all but their kind, continue the same primers."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labs.course.report import lab_report
from labs.lab6_language_models.data import DATA_SETS, load_splits
from labs.lab6_language_models.generate import (
    Primers,
    choose_primers,
    decodings,
    generate_pieces,
    read_primer,
)
from labs.lab6_language_models.measure import (
    Group,
    Reference,
    comparisons,
    difference,
    excerpt,
    real_excerpts,
)
from labs.lab6_language_models.pieces import draw_similarity, write_pieces
from labs.lab6_language_models.settings import PRESETS, Settings
from labs.lab6_language_models.train import (
    COMPARED,
    LAST,
    MODELS,
    STEPS,
    WHOLE,
    Trained,
    bigram_nats,
    both_models,
    build,
    check,
    count_tokens,
    study_steps,
    train_models,
)
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.paths import shown
from toolkit.report.plots import plot_comparison, plot_points
from toolkit.report.report import Picture, Report
from toolkit.training.memory import enough_memory
from toolkit.training.runs import Run, load_weights
from toolkit.training.runtime import configure, cpu_seconds

__all__ = [
    "CONTINUABLE",
    "DATA_SETS",
    "PRESETS",
    "Settings",
    "continue_experiment",
    "run_experiment",
]

# what `make lab6-continue` can set: the trained models do not depend on it
CONTINUABLE = (
    *("instrument", "soundfont", "tempo", "primer", "seed", "precision", "primers", "primer_bars"),
    *("bars", "temperature", "top_p", "num_beams", "alpha", "slots", "shown"),
)


def run_experiment(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's two models and let both generate; all goes into the run's folder."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    check(settings, runtime)
    splits = load_splits(settings.data, settings.max_pieces)
    console.say(describe(splits))
    primers = find_primers(tasks, settings, splits)
    begin = cpu_seconds()
    with enough_memory("batch_size", settings.batch_size, "context"):
        trained = train_models(tasks, settings, run, runtime, splits)
    bigram = bigram_nats(tasks, settings, splits)
    scores = [score_row(one, bigram) for one in trained]
    console.table(*SCORES, rows=scores)
    reference = Reference(tasks, settings, splits["train"])
    groups = generate(tasks, settings, primers, trained, reference)
    above = compare(settings, splits, primers, reference)
    # of each model the last: the one that trained on is that after all epochs
    sampled = {
        group.name.partition(",")[0]: group for group in groups if "top-p" in group.name
    }.values()
    obtained = {
        "of_bigram": max(one.best for one in trained) / bigram,
        "ends": min(group.ends for group in sampled),
        "copied": max(group.copied for group in sampled) - above[1].copied,
        "seconds": cpu_seconds() - begin,
    }
    judged = PRESETS.get(run.preset) == settings
    title, lead = "GPT-2 and LLaMA", LEADS[settings.data]
    with lab_report(run, tasks, title, lead, obtained, judged=judged) as report:
        path = run.path("loss.png")
        logs = {one.name: one.log for one in trained if not one.name.endswith(WHOLE)}
        plot_comparison(logs, path, "nats_per_token", "loss (nats a token)")
        report.add_pictures("Training", [Picture(path, "loss of both models over the epochs")])
        limit = settings.eval_windows
        part = f" ({limit} windows of it at most, evenly spread)" if limit else ""
        note = SCORED.format(part=part, bigram=bigram)
        report.add_table("Compared at equal training loss", SCORES, scores, note)
        add_music(report, run, tasks, settings, primers, reference, above, groups)
        if settings.step_seeds:
            rows = study_steps(tasks, settings, run, runtime, splits)
            report.add_table("From GPT-2 to LLaMA, one step at a time", STEPS, rows, STEPPED)


def continue_experiment(tasks: Any, settings: Settings, run: Run, trained_run: Path) -> None:
    """Generate with models that are trained, and write a report of its own."""
    runtime = configure(settings.seed, settings.precision, settings.devices)
    splits = load_splits(settings.data, settings.max_pieces)
    primers = find_primers(tasks, settings, splits)
    trained = []
    for file, ending in ((COMPARED, ""), (LAST, WHOLE)):
        for name, options in both_models(tasks, settings).items():
            path = trained_run / name / file
            if path.is_file():  # an interrupted run may lack one
                model = build(tasks, settings, runtime, name, options)
                load_weights(model, path)
                trained.append(Trained(MODELS[name] + ending, model, {}))
    reference = Reference(tasks, settings, splits["train"])
    groups = generate(tasks, settings, primers, trained, reference)
    above = compare(settings, splits, primers, reference)
    lead = f"Generated by the models of {shown(trained_run)}."
    with lab_report(run, tasks, "continuations", lead, {}, judged=False) as report:
        add_music(report, run, tasks, settings, primers, reference, above, groups)


def describe(splits: Mapping[str, Split]) -> str:
    """Say in one line what there is."""
    counts = ", ".join(f"{len(split)} {name}" for name, split in splits.items())
    train = splits["train"]
    tokens, notes = count_tokens(train.tokens[train.offsets[0] : train.offsets[-1]])
    return f"pieces: {counts}; {tokens:,} training tokens, {tokens / notes:.2f} tokens a note"


def find_primers(tasks: Any, settings: Settings, splits: Mapping[str, Split]) -> Primers:
    """Take the primer that was given, or those of test pieces."""
    if settings.primer:
        return read_primer(tasks, settings)
    return choose_primers(tasks, settings, splits["test"])


def generate(
    tasks: Any,
    settings: Settings,
    primers: Primers,
    trained: Sequence[Trained],
    reference: Reference,
) -> list[Group]:
    """Continue the primers with each model and decoding, and measure what comes out."""
    count, length = primers.ids.shape
    console.say(f"continuing {count} primers of {length - 1} tokens: {len(trained)} models, 3 ways")
    begin = time.perf_counter()
    groups = []
    for one in trained:
        with enough_memory("primers", count, "context"):
            found = generate_pieces(tasks, settings, one.model, primers)
        for decoding, pieces in found.items():
            cut = [
                excerpt(name, ids, first, settings.bars)
                for name, ids, first in zip(primers.names, pieces, primers.bars, strict=True)
            ]
            groups.append(Group(f"{one.name}, {decoding}", cut, one.nats, pieces))
    console.say(f"generated in {time.perf_counter() - begin:.1f} s, compiling included")
    return [reference.judge(group) for group in groups]


def compare(
    settings: Settings, splits: Mapping[str, Split], primers: Primers, reference: Reference
) -> list[Group]:
    """Measure real pieces that no model has seen, and what can win without music."""
    unseen = [
        one for split in ("validation", "test") for one in real_excerpts(splits[split], settings)
    ]
    held_out = [one for one in unseen if one.name in primers.names] or unseen
    return comparisons(reference, settings, held_out, unseen)


# Report

LEADS = {
    "chorales": "Bach's chorales in 4/4, their notes in bars (REMI without chords).",
    "pop1k7": "Pop piano of Pop1K7, its notes in bars (REMI without chords and tempi).",
    "maestro": "MAESTRO v3, cut into bars of two seconds, since its recordings have no beats.",
}
SCORES = (
    *("model", "parameters", "final loss", "epoch compared", "loss there"),
    *("nats a note there", "best nats a note", "of the bigram's"),
)
SCORED = (
    "Losses are training losses, means of three epochs, in nats a token; both models saw the same "
    "windows. The model that learned more is compared at its first epoch at or below the other's "
    "final loss, and once more after all epochs. Nats a note are of validation{part}; a smoothed "
    "bigram has {bigram:.3f}."
)
TABLE = (
    *("pieces", "H1", "Δ H1", "H4", "Δ H4", "GS", "Δ GS", "nats a note"),
    *("runs copied", "longest copy", "bars copied", "ends"),
)
PRINTED = ("pieces", "Δ H1", "Δ H4", "Δ GS", "runs copied", "longest copy", "ends")
EXPLAINED = (
    "H1, H4: entropy of the pitch classes in one bar and in four, in bits. GS: similarity of "
    "grooves. Δ: distance of the mean to the training set's; in brackets the bounds of 95 % of "
    "bootstrap samples of the pieces. Those of the held-out pieces are the lower limit: as many "
    "real pieces that no model has seen. runs copied: share of runs of 16 notes found in a "
    "training piece, in any key; longest copy: notes of the longest such run; bars copied: of "
    "those with four notes or more. ends: share that reaches END within the context. Primers do "
    "not count, and every piece is measured on {bars} bars at most. Copies are the best of 1,000 "
    "draws of training pieces; pitches are drawn again from the histogram of each of them."
)
DIFFERENCES = ("LLaMA minus GPT-2", "Δ H1", "Δ H4", "Δ GS")
PAIRED = (
    "How much further from the training set LLaMA is than GPT-2, after the same primers, with "
    "bounds of 95 %. Where 0 lies between them, these pieces do not show which is closer."
)
STEPPED = (
    "Each model has one more difference than the one above; all have the same size and the same "
    "training. Nats a note on validation at the best epoch: mean, lowest and highest of the seeds."
)


def score_row(one: Trained, bigram: float) -> list:
    """Give a model's row of `SCORES`."""
    return [
        *(one.name, one.model.count_params(), one.final, one.epoch, one.loss),
        *(one.nats, one.best, one.best / bigram),
    ]


def table_row(group: Group) -> list:
    """Give a group's row of `TABLE`."""
    cells = []
    for column, means in enumerate(group.means):
        cells += [means, bounded(group.delta[column], group.low[column], group.high[column])]
    copies = [group.copied, group.longest, group.copied_bars, group.ends]
    known = [value if value == value else "" for value in (group.nats, *copies)]
    return [group.name, *cells, *known]


def bounded(value: float, low: float, high: float) -> str:
    """Format a value with its bounds."""
    if low != low:
        return f"{value:.3f}"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def add_music(
    report: Report,
    run: Run,
    tasks: Any,
    settings: Settings,
    primers: Primers,
    reference: Reference,
    above: Sequence[Group],
    groups: Sequence[Group],
) -> None:
    """Add tables, pictures and the pieces to a report."""
    rows = [table_row(group) for group in (*above, *groups)]
    printed = [TABLE.index(name) for name in PRINTED]
    console.table(*PRINTED, rows=[[row[i] for i in printed] for row in rows])
    report.add_table("Closest wins?", TABLE, rows, EXPLAINED.format(bars=settings.bars))
    points = {group.name: (group.copied, reference.closeness(group)) for group in (*above, *groups)}
    plane = run.path("plane.png")
    plot_points(points, plane, "share of runs of 16 notes copied", "distance to the training set")
    alt = "a point for each row of the table: how much is copied, how far it is from the set"
    report.add_pictures("Close, or copied", [Picture(plane, alt)], PLANE)
    ways = len(decodings(settings))
    if len(groups) >= len(MODELS) * ways:
        found = [
            [name, *(bounded(*one) for one in difference(tasks, llama, gpt2, reference))]
            for name, gpt2, llama in zip(
                decodings(settings), groups[:ways], groups[ways : 2 * ways], strict=True
            )
        ]
        report.add_table("Is there a difference?", DIFFERENCES, found, PAIRED)
    pictures = draw_similarity(run, above[1], groups)
    report.add_pictures("Which bars are alike", pictures, SIMILAR)
    longest = max(groups, key=lambda group: group.longest)
    if longest.longest:
        said = f"The longest copy: {longest.longest} notes of {longest.source}, by {longest.name}."
        report.add_text("Copied", said)
    samples = write_pieces(run, settings, primers, groups)
    report.add_samples("Listen", samples, "Shaded: the primer. All pieces are in midi/.")


PLANE = (
    "Distance: mean of the three Δ, each in standard deviations of single training pieces. The "
    "source's ranking takes the lowest; copies are lower than everything, and far to the right."
)
SIMILAR = "Cosine of what begins where in two bars, by pitch class; the darker the more alike."
