"""Lab 3's experiment on a few chorales, and its measures of pieces."""

import dataclasses

import numpy as np
import pytest

from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab3_notes import experiment, generate
from labs.lab3_notes.measure import TokenMeasures, measure, relative, valid_share
from toolkit.music.copying import SeenRuns
from toolkit.music.midi import read_midi
from toolkit.training import ngram
from toolkit.training.runs import Run

TINY = dataclasses.replace(
    experiment.PRESETS["quick"],
    max_pieces=12,
    epochs=1,
    steps_per_epoch=5,
    units=24,
    samples=2,
    shown=1,
    max_length=40,
    temperatures=(1.0,),
)

CHORD = ["NOTE_60", "NOTE_64", "DUR_1"]
OTHER = ["NOTE_62", "NOTE_65", "DUR_1/2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the experiment once, on a few chorales, with the solution."""
    tasks = load_tasks(load_lab(3), "solution")
    root = tmp_path_factory.mktemp("runs")
    run = Run.create("lab3_notes", "quick", dataclasses.asdict(TINY), root=root)
    experiment.run_experiment(tasks, TINY, run)
    return run


def test_a_run_leaves_a_report_curves_weights_and_music(finished):
    names = {path.name for path in finished.folder.rglob("*") if path.is_file()}
    assert {"report.html", "log.csv", "best.weights.h5", "measures.png"} <= names
    assert {"nats_per_token.png", "accuracy.png"} <= names
    for number in (1, 2):
        for kind in ("argmax", "temperature-1"):
            stem = finished.folder / "pieces" / f"{kind}-piece-{number}"
            assert len(read_midi(stem.with_suffix(".mid")).notes) > 0
            assert stem.with_suffix(".wav").stat().st_size > 10_000
            assert stem.with_suffix(".png").exists()


def test_the_report_says_what_was_obtained_and_whose_code_ran(finished):
    page = (finished.folder / "report.html").read_text()
    for text in ("bigram", "LSTM", "gain over the bigram", "temperature 1", "score_to_tokens"):
        assert text in page
    assert "data:audio" in page


def test_every_preset_is_made_of_known_data_and_promises():
    keys = {"val_nats", "gain_over_bigram", "vocab_size", "val_unknown", "seconds"}
    assert {figure.key for figure in load_lab(3).figures} <= keys
    for settings in experiment.PRESETS.values():
        assert settings.data in experiment.DATA_SETS
        assert settings.keys <= len(settings.transpose)


def test_expected_accuracy_is_the_share_guessed_by_argmax_or_on_average_by_sampling():
    logits = np.log(np.array([[[0.1, 0.6, 0.3], [0.1, 0.2, 0.7], [0.8, 0.1, 0.1]]]))
    targets = np.array([[1, 1, 0]])
    assert generate.expected_accuracy(logits, targets, 0) == 0.5
    assert generate.expected_accuracy(logits, targets, 1.0) == pytest.approx((0.6 + 0.2) / 2)


# Measures


def test_tokens_are_valid_where_the_grammar_allows_them():
    assert valid_share(CHORD * 3 + ["REST", "DUR_1"]) == 1
    assert valid_share(["NOTE_64", "NOTE_60", "DUR_1"]) == pytest.approx(2 / 3)
    assert valid_share(["DUR_1", "NOTE_60", "REST", "DUR_1", "DUR_1"]) == pytest.approx(2 / 5)
    assert valid_share(["PAD", "UNKNOWN"]) == 0
    assert valid_share([]) == 0


def test_a_loop_repeats_and_a_walk_does_not():
    seen = SeenRuns([])
    loop = measure(CHORD * 20, seen)
    assert loop.repeats == 1
    assert loop.loops > 0.9
    assert loop.ends == 0
    walk = measure([t for p in range(40, 80) for t in (f"NOTE_{p}", "DUR_1")] + ["END"], seen)
    assert walk.repeats == walk.loops == 0
    assert walk.ends == 1


def test_a_copy_is_seen_in_whatever_key():
    rng = np.random.default_rng(0)
    pitches = rng.integers(40, 80, 60)
    piece = [token for pitch in pitches for token in (f"NOTE_{pitch}", "DUR_1")]
    moved = [token for pitch in pitches + 3 for token in (f"NOTE_{pitch}", "DUR_1")]
    other = [token for pitch in rng.integers(40, 80, 60) for token in (f"NOTE_{pitch}", "DUR_1/2")]
    seen = SeenRuns([relative(piece), relative(other)])
    copied = measure(moved[20:60], seen)
    assert copied.copied > 0.95
    assert copied.longest_copy >= 39
    fresh = [token for pitch in rng.integers(40, 80, 60) for token in (f"NOTE_{pitch}", "DUR_2")]
    assert measure(fresh, seen).copied == 0


def test_a_mean_counts_every_piece_the_same():
    seen = SeenRuns([])
    short, long = measure(CHORD, seen), measure(CHORD * 20, seen)
    assert TokenMeasures.mean([short, long]).tokens == (3 + 60) / 2


# Counting models


def test_pairs_are_counted_without_padding():
    pairs = ngram.count_pairs(np.array([[1, 2, 1, 0]]), np.array([[2, 1, 2, 0]]), 3, 0)
    assert pairs.tolist() == [[0, 0, 0], [0, 0, 2], [0, 1, 0]]


def test_the_counting_models_are_distributions_and_the_bigram_learns_what_follows_what():
    rng = np.random.default_rng(0)
    folds = rng.multinomial(2000, rng.dirichlet(np.full(36, 0.2)), size=5).reshape(5, 6, 6)
    unigram, bigram = ngram.fit_ngrams(folds)
    for model in (unigram, bigram):
        np.testing.assert_allclose(np.exp(model).sum(axis=1), 1)
    pairs = folds.sum(axis=0)
    assert ngram.nats_per_token(bigram, pairs) < ngram.nats_per_token(unigram, pairs)
    assert ngram.accuracy(bigram, pairs) > ngram.accuracy(unigram, pairs)
    best = pairs.max(axis=1).sum() / pairs.sum()
    assert ngram.accuracy(bigram, pairs) == pytest.approx(best, abs=0.01)
