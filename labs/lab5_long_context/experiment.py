"""What `make lab5` runs: pieces → words → networks → nats a note, songs, the published table."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labs.course.report import lab_report
from labs.lab5_long_context.attention import draw_attention
from labs.lab5_long_context.data import DATA_SETS, Words, load_words
from labs.lab5_long_context.generate import (
    Song,
    cut_primer,
    generate_songs,
    read_primer,
    start,
)
from labs.lab5_long_context.measure import (
    SongMeasures,
    bigram_nats,
    interval,
    measure,
    measure_song,
    nats_by_piece,
)
from labs.lab5_long_context.published import COLUMNS, comparison
from labs.lab5_long_context.settings import (
    LINEAR,
    PRESETS,
    XL,
    Network,
    Settings,
    batch_shape,
    check,
    networks,
    steps_per_epoch,
)
from labs.lab5_long_context.train import build, short_pieces, train, training_memory
from toolkit import console
from toolkit.data.parallel import available_cores
from toolkit.errors import EtudeError
from toolkit.music.copying import SeenRuns
from toolkit.music.piece import Piece
from toolkit.music.pieces import note_codes, seconds_at, to_sequence
from toolkit.paths import shown
from toolkit.report.plots import plot_iterations
from toolkit.report.report import Picture, Report, Sample
from toolkit.report.samples import Generated, write_samples
from toolkit.training.memory import enough_memory
from toolkit.training.runs import WEIGHTS, Log, Run, load_weights
from toolkit.training.runtime import Runtime, configure, cpu_seconds

__all__ = [
    "CONTINUABLE",
    "DATA_SETS",
    "PRESETS",
    "Settings",
    "continue_experiment",
    "run_experiment",
]

# what `make lab5-continue` can set: the trained networks do not depend on it
CONTINUABLE = (
    *("instrument", "soundfont", "primer", "primer_bars", "seed", "precision", "temperature"),
    *("top_p", "samples", "songs", "max_notes", "network"),
)
SEEN_PIECES = 400  # of the training pieces, that copying is measured against


@dataclass(frozen=True)
class Trained:
    """A network after training: its log, and the CPU-seconds that training took."""

    network: Network
    inner: Any
    words: Words
    log: Log
    cpu_seconds: float


@dataclass(frozen=True)
class Kind:
    """Songs of one kind, with what was measured of each.

    Attributes
    ----------
    songs : none of real pieces
    seam : tick at which the primer is over, None without one
    """

    name: str
    pieces: list[Piece]
    measures: list[SongMeasures]
    songs: Sequence[Song] = ()
    seam: int | None = None


def run_experiment(tasks: Any, settings: Settings, run: Run) -> None:
    """Train the student's networks and let them generate; everything goes into the run's folder."""
    check(settings)
    given = read_primer(settings.primer) if settings.primer else None
    runtime = configure(settings.seed, settings.precision, settings.devices)
    words = load_all_words(tasks, settings)
    say_what_is_too_long(settings, words)
    begin = cpu_seconds()
    trained = [
        train_network(tasks, settings, run, runtime, network, words[network.words])
        for network in networks(settings)
    ]
    scores = evaluate(tasks, settings, trained)
    memory = memory_rows(tasks, settings, trained)
    kinds = generate(tasks, settings, trained, given)
    samples = write_songs(run, settings, kinds)
    obtained = {
        **promised(settings, trained, scores, kinds),
        "train_cpu_seconds": sum(one.cpu_seconds for one in trained),
        "seconds": cpu_seconds() - begin,
    }
    title = "long context"
    judged = PRESETS.get(run.preset) == settings
    with lab_report(run, tasks, title, LEADS[settings.data], obtained, judged=judged) as report:
        report.add_pictures("Training", draw_losses(run, trained), TRAINED)
        report.add_table("Training", TRAINING, training_rows(settings, trained))
        report.add_table("Nats a note", SCORES, scores, SCORED)
        if any(row[-1] is not None for row in memory):
            report.add_table("Memory of a training step", MEMORY, memory, MEASURED_MEMORY)
        add_comparison(report, settings, trained, kinds, memory)
        report.add_pictures(
            "Where Transformer-XL looks", attention(tasks, settings, run, trained), LOOKS
        )
        add_music(report, kinds, samples)


def continue_experiment(tasks: Any, settings: Settings, run: Run, trained: Path) -> None:
    """Generate with a network that is trained, and write a report of its own."""
    check(settings)
    chosen = [one for one in networks(settings) if one.name == settings.network]
    if not chosen:
        names = ", ".join(one.name for one in networks(settings))
        raise EtudeError(f'network is "{settings.network}", and the run trained {names}')
    given = read_primer(settings.primer) if settings.primer else None
    runtime = configure(settings.seed, settings.precision, settings.devices)
    words = load_words(tasks, settings.data, chosen[0].words, settings.max_pieces)
    model = build(tasks, settings, runtime, chosen[0], words)
    load_weights(model, trained / folder_of(chosen[0]) / WEIGHTS)
    kinds = generate(tasks, settings, [Trained(chosen[0], model.inner, words, {}, 0.0)], given)
    samples = write_songs(run, settings, kinds)
    lead = f"Generated by {settings.network} of {shown(trained)}."
    with lab_report(run, tasks, "continuations", lead, {}, judged=False) as report:
        add_music(report, kinds, samples)


def load_all_words(tasks: Any, settings: Settings) -> dict[str, Words]:
    """Open the data set in each encoding that is needed, and say what there is."""
    found = {}
    for name in dict.fromkeys(network.words for network in networks(settings)):
        words = found[name] = load_words(tasks, settings.data, name, settings.max_pieces)
        split = words.splits["train"]
        count, notes = split.offsets[-1] - split.offsets[0], int(words.notes["train"].sum())
        pieces = ", ".join(f"{len(one)} {split}" for split, one in words.splits.items())
        console.say(
            f"{name}: {pieces}; {count:,} training words, {notes:,} notes, "
            f"{count / max(notes, 1):.2f} words a note"
        )
    return found


def say_what_is_too_long(settings: Settings, words: dict[str, Words]) -> None:
    """Say before any training how many pieces a linear Transformer will not learn."""
    for network in networks(settings):
        if network.kind == "linear":
            _, length = batch_shape(settings, network)
            found = [words[network.words].splits[name] for name in ("train", "validation")]
            short = [len(short_pieces(split, length)) for split in found]
            if short[0] < len(found[0]):
                console.warn(
                    f"{network.name} learns {short[0]} of {len(found[0])} pieces: the others have "
                    f"more than {length:,} steps. A longer linear_length takes more."
                )


# Training


def folder_of(network: Network) -> str:
    """Name a network's folder in the run's."""
    return network.name.replace(" + ", "-").replace(", ", "-").replace(" ", "-").lower()


def train_network(
    tasks: Any, settings: Settings, run: Run, runtime: Runtime, network: Network, words: Words
) -> Trained:
    """Build and train one network in a folder of its own."""
    model = build(tasks, settings, runtime, network, words)
    begin = cpu_seconds()
    prefix = "linear_" if network.kind == "linear" else ""
    value = getattr(settings, f"{prefix}batch_size")
    with enough_memory(f"{prefix}batch_size", value, f"{prefix}length"):
        log = train(tasks, settings, run.part(folder_of(network)), runtime, network, model, words)
    spent = cpu_seconds() - begin
    console.say(f"{network.name}: {spent:.0f} CPU-seconds")
    return Trained(network, model.inner, words, log, spent)


TRAINED = "The horizontal axis is training so far, of a network's CPU-seconds."
TRAINING = ("network", "weights", "words a batch", "batches", "CPU-seconds", "words seen")


def training_rows(settings: Settings, trained: Sequence[Trained]) -> list[list]:
    """Say what each network's training was: rows of `TRAINING`."""
    rows = []
    for one in trained:
        size = math.prod(batch_shape(settings, one.network))
        batches = settings.epochs * steps_per_epoch(settings, one.network)
        weights = one.inner.count_params()
        rows.append([one.network.name, weights, size, batches, one.cpu_seconds, size * batches])
    return rows


MEMORY = ("network", "batch", "MB", "batch ", "MB ", "batch  ", "MB  ")
MEASURED_MEMORY = (
    "The peak memory of one step, without the network itself: activations, gradients, Adam's "
    "moments; step by step as TensorFlow does it uncompiled. python -m benchmarks.long_context "
    "measures it compiled, and by length."
)


def memory_rows(tasks: Any, settings: Settings, trained: Sequence[Trained]) -> list[list]:
    """Measure training steps at a quarter, half and all of the batch size: rows of `MEMORY`."""
    rows = []
    for one in trained:
        row: list = [one.network.name]
        for share in (0.25, 0.5, 1.0):
            batch, peak = training_memory(tasks, settings, one.network, one.inner, one.words, share)
            row += [batch, None if peak is None else round(peak / 1e6)]
        rows.append(row)
    return rows


def draw_losses(run: Run, trained: Sequence[Trained]) -> list[Picture]:
    """Plot the networks' validation losses in nats a note over the time they were trained."""
    curves = {}
    for one in trained:
        epochs = one.log.get("epoch", [])
        if not epochs:
            continue
        split, notes = one.words.splits["validation"], one.words.notes["validation"]
        a_note = (split.offsets[-1] - split.offsets[0]) / max(int(notes.sum()), 1)
        seconds = [epoch / epochs[-1] * one.cpu_seconds for epoch in epochs]
        losses = [loss * a_note for loss in one.log["val_nats_per_token"]]
        curves[one.network.name] = (seconds, losses)
    path = run.path("losses.png")
    if curves:
        plot_iterations(curves, path, "validation loss (nats a note)", across="CPU-seconds")
    return [Picture(path, "validation loss of the networks over CPU-seconds of training")]


# Nats a note

SPLITS = ("validation", "test")
SCORES = ("network", "memory", "validation", "95 %", "test", "95 % ")
SCORED = (
    "The nats of a whole piece, divided by its notes: comparable between encodings. 95 %: interval "
    "over draws of the pieces. memory: how many words before a segment the network can look at; "
    "the linear Transformer sums over the whole piece. Differences are paired: the same pieces. "
    "bigram: counts of training pieces, smoothed; of compound words each field given the row "
    "before."
)


def evaluate(tasks: Any, settings: Settings, trained: Sequence[Trained]) -> list[list]:
    """Score every network whole on validation and test: rows of `SCORES`."""
    rows = []
    for one in trained:
        lengths = [None] if one.network.kind == "linear" else settings.memories
        found: dict[Any, list[np.ndarray]] = {}
        for length in lengths:
            found[length] = nats_by_piece(
                tasks, settings, one.network, one.inner, one.words, SPLITS, length or 0
            )
            memory = "the whole piece" if length is None else length
            rows.append(_score_row(settings, one.network.name, memory, found[length], one.words))
        if one.network.kind == "xl":
            for length in lengths[1:]:
                pairs = zip(found[length], found[lengths[0]], strict=True)
                differences = [new - old for new, old in pairs]
                name = f"{one.network.name}, difference"
                memory = f"{length:,} less {lengths[0]:,}"
                rows.append(_score_row(settings, name, memory, differences, one.words))
    for name, words in {one.network.words: one.words for one in trained}.items():
        nats = [bigram_nats(tasks, words, split) for split in SPLITS]
        rows.append(_score_row(settings, f"{name}, bigram", "one word", nats, words))
    console.table(
        "network", "memory", "validation", "test", rows=[[*row[:3], row[4]] for row in rows]
    )
    return rows


def _score_row(
    settings: Settings, name: str, memory: Any, nats: Sequence[np.ndarray], words: Words
) -> list:
    row = [name, memory]
    for split, one in zip(SPLITS, nats, strict=True):
        mean, low, high = interval(one, words.notes[split], settings.seed)
        row += [f"{mean:.3f}", f"{low:.3f} to {high:.3f}"]
    return row


# Songs


def generate(
    tasks: Any, settings: Settings, trained: Sequence[Trained], given: Piece | None
) -> list[Kind]:
    """Generate from nothing and from a primer; the last kind is real pieces to compare with."""
    kinds = []
    for one in trained:
        words, name = one.words, one.network.name
        split = words.splits["train"]
        chosen = np.random.default_rng(settings.seed).permutation(len(split))[:SEEN_PIECES]
        codes = [note_codes(words.decode(tasks, split.piece(int(i)))[0]) for i in chosen]
        seen = SeenRuns(codes)
        ids = words.splits["test"].piece(0) if given is None else words.encode(tasks, given)
        primer, seam = cut_primer(tasks, words, ids, settings.primer_bars)
        begin = time.perf_counter()
        with enough_memory("max_notes", settings.max_notes, "d_model"):
            songs = generate_songs(
                tasks, settings, one.inner, words, start(tasks, words), settings.songs
            )
            more = generate_songs(tasks, settings, one.inner, words, primer, settings.samples)
        made = sum(song.made for song in [*songs, *more])
        seconds = time.perf_counter() - begin
        console.say(f"{name}: {made:,} words in {seconds:.1f} s, compiling included")
        kinds += [
            _kind(tasks, words, name, songs, seen),
            _kind(tasks, words, f"{name}, continuation", more, seen, seam),
        ]
    found = [
        words.decode(tasks, words.splits["test"].piece(index))[0]
        for index in range(len(words.splits["test"]))
    ]
    real = [measure(piece, seen, 0.0, True) for piece in found]
    return [*kinds, Kind("test pieces", found, real)]


def _kind(
    tasks: Any,
    words: Words,
    name: str,
    songs: list[Song],
    seen: SeenRuns,
    seam: int | None = None,
) -> Kind:
    measured = [measure_song(tasks, words, song, seen) for song in songs]
    return Kind(name, [found for found, _ in measured], [row for _, row in measured], songs, seam)


def write_songs(run: Run, settings: Settings, kinds: Sequence[Kind]) -> list[Sample]:
    """Write songs.json, and some of the songs as MIDI, piano roll and WAV."""
    times = {
        kind.name: [
            {"song_time": song.seconds, "words_len": song.made, "ended": song.ended}
            for song in kind.songs
        ]
        for kind in kinds
        if kind.songs
    }
    run.write_json("songs.json", times)
    pieces = []
    for kind in kinds[:-1]:
        for number in range(min(settings.samples, len(kind.pieces))):
            sequence = to_sequence(kind.pieces[number])
            seam = None
            if kind.seam is not None:
                seam = float(seconds_at(kind.pieces[number], np.array(kind.seam)))
            row = kind.measures[number].row()
            pieces.append(Generated(f"{kind.name} {number + 1}", kind.name, sequence, row, seam))
    player = settings.instrument or "acoustic grand piano"
    return write_samples(run, pieces, player, settings.soundfont)


MEASURED = (
    "Means over songs. entropy: of the pitch classes, in bits. repeated: share of the bars that "
    "occurred before in the song. looped: share of the bars in loops: four or more bars in a row, "
    "each equal to the bar one to eight bars before. copied: share of runs of 20 notes, in "
    "any key, that are in the training pieces. broken: share of the words, or rows, that break "
    "the grammar. ends: share of songs that reach their end."
)


def add_music(report: Report, kinds: Sequence[Kind], samples: Sequence[Sample]) -> None:
    """Add what was measured of the songs, and the songs."""
    columns = ["songs", *kinds[0].measures[0].row()]
    rows = [[kind.name, *SongMeasures.mean(kind.measures).row().values()] for kind in kinds]
    console.table(*columns, rows=[tuple(row) for row in rows])
    report.add_table("Measured beside real pieces", columns, rows, MEASURED)
    report.add_samples("Listen", samples, "Shaded in a piano roll: the primer.")


def add_comparison(
    report: Report,
    settings: Settings,
    trained: Sequence[Trained],
    kinds: Sequence[Kind],
    memory: Sequence[Sequence],
) -> None:
    """Add the published table, ours beside it."""
    ours: dict[Network, dict[str, Any]] = {XL: {}, LINEAR: {}}
    for one in trained:
        if one.network not in ours:
            continue
        (songs,) = [kind.songs for kind in kinds if kind.name == one.network.name]
        linear = one.network == LINEAR
        split = one.words.splits["train"]
        lengths = np.diff(split.offsets)
        (taken,) = [row[-1] for row in memory if row[0] == one.network.name]
        rate = settings.linear_learning_rate if linear else settings.learning_rate
        ours[one.network] = {
            "learning rate": f"{rate:g}",
            "songs for training": int((lengths <= settings.linear_length).sum())
            if linear
            else len(split),
            "sequence length": settings.linear_length if linear else f"any, by {settings.length}",
            "dictionary size": sum(one.words.sizes),
            "parameters": one.inner.count_params(),
            "receptive field in training": settings.linear_length
            if linear
            else f"{settings.length}, and {settings.memory_length} of memory",
            "batch size": settings.linear_batch_size if linear else settings.batch_size,
            "training memory, GB": None if taken is None else f"{taken / 1e3:.2f}",
            "seconds a song, mean": float(np.mean([song.seconds for song in songs])),
            "ends by itself": f"{np.mean([song.ended for song in songs]):.0%} of {len(songs)}",
        }
    cores = available_cores()
    report.add_table(
        "The published comparison",
        COLUMNS,
        comparison(ours[XL], ours[LINEAR]),
        f"Ours: on {cores} core{'' if cores == 1 else 's'} or the device named below, "
        f"{settings.data}.",
    )


LOOKS = (
    "Red: the note to predict. Blue: what a head looks back at; darker means more weight. For each "
    "layer, the head that looks farthest."
)


def attention(
    tasks: Any, settings: Settings, run: Run, trained: Sequence[Trained]
) -> list[Picture]:
    """Draw where the Transformer-XL over REMI looks, if one was trained."""
    return [
        picture
        for one in trained
        if one.network == XL
        for picture in draw_attention(tasks, settings, one.inner, one.words, run)
    ]


def promised(
    settings: Settings,
    trained: Sequence[Trained],
    scores: Sequence[Sequence],
    kinds: Sequence[Kind],
) -> dict[str, float]:
    """Pick the figures that the lab's README promises."""
    test = {(row[0], row[1]): float(row[4]) for row in scores}
    found = {}
    for key, network in (("xl", XL), ("linear", LINEAR)):
        for one in trained:
            if one.network != network:
                continue
            memory = "the whole piece" if network == LINEAR else settings.memory_length
            if (network.name, memory) in test:
                nats = found[f"{key}_nats"] = test[network.name, memory]
                found[f"{key}_below_bigram"] = (
                    1 - nats / test[f"{network.words}, bigram", "one word"]
                )
            (songs,) = [kind.songs for kind in kinds if kind.name == network.name]
            found[f"{key}_ends"] = float(np.mean([song.ended for song in songs]))
    return found


LEADS = {
    "chorales": "Bach's chorales in 4/4 as REMI and as compound words; chords as heard by 5.2.",
    "pop1k7": "Pop1K7's songs as the authors' REMI and compound words.",
    "maestro": "MAESTRO's performances have no beat: bars are slices of two seconds, 120 beats a "
    "minute.",
}
