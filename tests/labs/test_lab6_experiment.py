"""Lab 6's experiment on a few chorales: data, a run, continuing from it, measures, bad input."""

import dataclasses
import itertools
from types import SimpleNamespace

import mido
import numpy as np
import pytest

from labs.course import continuation
from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab6_language_models import experiment, measure, train
from labs.lab6_language_models.data import load_splits
from labs.lab6_language_models.generate import choose_primers, read_primer
from labs.lab6_language_models.measure import Excerpt, Group, Reference, excerpt
from labs.lab6_language_models.train import Windows, cut_windows, equal_epochs
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.music.midi import read_midi
from toolkit.training.runs import Run
from toolkit.training.runtime import configure

pytestmark = [
    pytest.mark.xdist_group("lab6"),  # a run is made once
    pytest.mark.usefixtures("few_chorales"),
]

LAB = load_lab(6)
TINY = dataclasses.replace(
    experiment.PRESETS["quick"],
    num_parameters=20_000,
    d_model=16,
    num_heads=2,
    num_kv_heads=1,
    num_layers=1,
    context=200,
    epochs=2,
    steps_per_epoch=2,
    primers=1,
    bars=6,
    slots=200,
)


@pytest.fixture(scope="module")
def tasks():
    return load_tasks(LAB, "solution")


@pytest.fixture(scope="module")
def splits():
    return load_splits("chorales")


@pytest.fixture(scope="module")
def finished(tasks, tmp_path_factory):
    """Run the experiment once with the solution."""
    settings = {**dataclasses.asdict(TINY), "code": "solution"}
    root = tmp_path_factory.mktemp("runs")
    run = Run.create("lab6_language_models", "quick", settings, root=root)
    experiment.run_experiment(tasks, TINY, run)
    run.finish()
    return run


def midi_file(path, metre=(4, 4)):
    """Write eight quarter notes."""
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))
    for pitch in range(60, 68):
        track.append(mido.Message("note_on", note=pitch, velocity=64, time=0))
        track.append(mido.Message("note_off", note=pitch, velocity=0, time=480))
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)


# A run


def test_a_run_leaves_a_report_both_models_and_every_piece_as_midi(finished):
    names = {path.relative_to(finished.folder).as_posix() for path in finished.folder.rglob("*")}
    assert {"report.html", "loss.png", "plane.png", "similarity.png"} <= names
    for folder in ("gpt2", "llama"):
        assert {f"{folder}/{name}" for name in ("log.csv", "compared.weights.h5")} <= names
        assert f"{folder}/epochs" not in names
    assert sum(f"{folder}/last.weights.h5" in names for folder in ("gpt2", "llama")) <= 1
    assert read_midi(finished.folder / "midi/LLaMA-greedy-piece-1.mid").notes
    assert "pieces/GPT-2-beam-3-piece-1.wav" in names
    page = (finished.folder / "report.html").read_text()
    for text in (
        *("Closest wins?", "copies of training pieces", "real bars shuffled", "LLaMA, beam 3"),
        *("Is there a difference?", "equal training loss", "data:audio"),
    ):
        assert text in page


def test_trained_models_go_on_without_training_again(finished, monkeypatch, tmp_path, capsys):
    primer = tmp_path / "mine.mid"
    midi_file(primer)
    monkeypatch.setattr("toolkit.training.runs.RUNS", tmp_path / "runs")
    options = ["--run", str(finished.folder), "--primer", str(primer), "--set", "bars=2"]
    monkeypatch.setattr("sys.argv", ["x", "6", *options])
    continuation.main()
    (report,) = (tmp_path / "runs").rglob("*-continued/report.html")
    assert "GPT-2, greedy, piece 1" in report.read_text()
    assert "Epoch" not in capsys.readouterr().out


def test_promises_are_of_figures_that_a_run_obtains():
    assert {figure.key for figure in LAB.figures} <= {"of_bigram", "ends", "copied", "seconds"}
    for settings in experiment.PRESETS.values():
        assert settings.data in experiment.DATA_SETS


# Bad input


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"d_model": 18, "num_heads": 4}, "num_heads 4 does not divide d_model 18"),
        ({"num_heads": 4, "num_kv_heads": 3}, "num_kv_heads 3 does not divide num_heads 4"),
        ({"d_model": 6, "num_heads": 2}, "odd width"),
        ({"num_parameters": 1000}, "num_parameters 1,000: with d_model 16"),
        ({"primers": 50}, "primers 50: only .* give fewer"),
        ({"context": 20}, "leaves no room"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tasks, tmp_path, changes, sentence):
    settings = dataclasses.replace(TINY, **changes)
    run = Run.create("lab6_language_models", "quick", {}, root=tmp_path)
    with pytest.raises(EtudeError, match=sentence):
        experiment.run_experiment(tasks, settings, run)


def test_a_primer_in_another_metre_is_refused(tasks, tmp_path):
    path = tmp_path / "waltz.mid"
    midi_file(path, (3, 4))
    with pytest.raises(EtudeError, match="3/4"):
        read_primer(tasks, dataclasses.replace(TINY, primer=str(path)))


# Models and training


def test_each_model_on_the_way_differs_from_the_one_before_in_one_thing(tasks):
    models = list(train.steps_to_llama(tasks, TINY).values())
    assert models[0] == {**tasks.GPT2, "num_kv_heads": 2}
    assert models[-1] == {**tasks.LLAMA, "num_kv_heads": 1}
    for one, other in itertools.pairwise(models):
        assert sum(one[name] != other[name] for name in one) == 1
    runtime = configure(0)
    sizes = [
        train.build(tasks, TINY, runtime, "model", options).count_params() for options in models
    ]
    assert max(sizes) / min(sizes) < 1.02


def test_the_way_to_llama_is_measured_with_several_seeds(tasks, splits, tmp_path, monkeypatch):
    def learn(tasks, settings, run, runtime, model, splits, epochs):
        run.path(train.CHECKPOINTS)
        return {"val_nats_per_token": [3.0, 2.0 + runtime.seed - int(model.name[-1]) / 10]}

    monkeypatch.setattr(train, "train", learn)
    run = Run.create("lab6_language_models", "quick", {}, root=tmp_path)
    settings = dataclasses.replace(TINY, step_seeds=2)
    rows = train.study_steps(tasks, settings, run, configure(0), splits)
    assert [row[0] for row in rows] == list(train.steps_to_llama(tasks, TINY))
    tokens, notes = train.count_tokens(train.validation_windows(tasks, settings, splits)[1])
    means = np.array([row[2] for row in rows]) * notes / tokens
    assert means == pytest.approx(2.5 - np.arange(7) / 10)
    assert [row[5] for row in rows[1:]] == pytest.approx([-0.1 * tokens / notes] * 6)


def test_the_better_model_is_compared_at_its_first_epoch_at_the_others_final_loss():
    slow = {"nats_per_token": [4.0, 3.0, 2.6, 2.5, 2.4]}
    fast = {"nats_per_token": [3.0, 2.0, 1.9, 1.8, 1.7]}
    # smoothed over three epochs: slow ends at 2.5, fast is at 3, 2.5, 2.3
    assert equal_epochs([slow, fast]) == [5, 2]
    assert equal_epochs([fast]) == [5]


def test_an_epoch_decides_order_keys_and_windows(tasks, splits):
    def rows(seed, epoch):
        windows = Windows(tasks, splits["train"], (3, 40), 2, (-1, 0, 1), seed)
        windows.start(epoch)
        return [np.array(windows[i]) for i in range(2)]

    (inputs, targets), _ = rows(0, 1)
    assert inputs.shape == targets.shape == (3, 40)
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert (inputs != tasks.PAD).all()
    assert np.array_equal(rows(0, 1), rows(0, 1))
    assert not np.array_equal(rows(0, 1), rows(0, 2))
    assert not np.array_equal(rows(0, 1), rows(1, 1))


def test_every_token_is_a_target_once(tasks):
    tokens = np.arange(3, 103)
    split = Split(tokens, np.array([0, 7, 100]), ["short", "long"])
    inputs, targets = cut_windows(tasks, split, 16)
    assert sorted(targets[targets != tasks.PAD].tolist()) == tokens.tolist()
    scored = targets != tasks.PAD
    assert np.array_equal(targets[scored], inputs[scored] + 1) or inputs[0, 0] == tasks.START
    assert inputs.shape[1] == 16


def test_validation_takes_all_windows_or_as_many_evenly_spread(tasks, splits):
    held_out = splits["validation"]
    inputs, targets = train.validation_windows(tasks, TINY, splits)
    whole = held_out.tokens[held_out.offsets[0] : held_out.offsets[-1]]
    assert train.count_tokens(targets) == (len(whole), grid.count_notes(whole))
    few = dataclasses.replace(TINY, eval_windows=2)
    ends = train.validation_windows(tasks, few, splits)
    assert np.array_equal(ends, [inputs[[0, -1]], targets[[0, -1]]])


def test_a_bigram_is_measured_a_note_on_the_windows_that_are_scored(tasks, splits):
    assert 2 < train.bigram_nats(tasks, TINY, splits) < 12
    few = dataclasses.replace(TINY, eval_windows=1)
    assert train.bigram_nats(tasks, few, splits) != train.bigram_nats(tasks, TINY, splits)


# Primers and excerpts


def test_primers_are_as_long_and_hold_the_first_bars(tasks, splits):
    settings = dataclasses.replace(TINY, primers=3)
    primers = choose_primers(tasks, settings, splits["train"])
    assert primers.ids.shape[0] == 3
    assert (primers.ids[:, 0] == tasks.START).all()
    assert min(primers.bars) >= 2
    for ids, piece in zip(primers.ids, primers.pieces, strict=True):
        assert ids[1:].tolist() == piece[: len(ids) - 1].tolist()


def ids_of(*bars, end=True):
    """Encode bars, each a tuple of pitches at the bar's beginning."""
    ids = []
    for bar in bars:
        ids += [grid.BAR, grid.POSITION]
        for pitch in bar:
            ids += [grid.PITCH + pitch, grid.DURATION + 4]
    return np.array([*ids, grid.BAR, *([grid.END] if end else [])])


def test_an_excerpt_holds_whole_bars_after_the_primer():
    ids = ids_of((60,), (62,), (64, 65), (67,))
    found = excerpt("a", ids, 1, 2)
    assert (found.bars, found.ends) == (2, True)
    assert found.notes.tolist() == [[0, 0, 62], [1, 0, 64], [1, 0, 65]]
    cut_off = excerpt("b", ids[:-3], 0)  # in the middle of the last bar
    assert (cut_off.bars, cut_off.ends) == (3, False)
    assert excerpt("c", ids, 9).bars == 0


# Measures


@pytest.fixture(scope="module")
def reference(tasks, splits):
    return Reference(tasks, TINY, splits["train"])


def test_copies_are_closest_and_seen_to_be_copies(tasks, reference, splits):
    held_out = 5 * measure.real_excerpts(splits["test"], TINY)
    rows = measure.comparisons(reference, TINY, held_out, held_out)
    training, real, copies, shuffled, drawn = rows
    assert training.delta.tolist() == [0, 0, 0]
    assert reference.closeness(copies) <= min(map(reference.closeness, (real, shuffled, drawn)))
    assert copies.copied == copies.copied_bars == 1
    assert drawn.copied == 0
    assert real.values[:, 0] == pytest.approx(shuffled.values[:, 0])  # H1 hears no order of bars


def test_a_group_of_empty_pieces_has_no_measures_and_copies_nothing(reference):
    empty = reference.judge(Group("silent", [Excerpt("a", np.zeros((0, 5), int), 0, False)]))
    assert np.isnan(empty.delta).all()
    assert (empty.longest, empty.ends) == (0, 0)
    assert np.isnan(reference.closeness(empty))


def test_a_difference_has_bounds_around_it(tasks):
    rng = np.random.default_rng(0)
    near, far = rng.normal(2, 0.1, (20, 3)), rng.normal(3, 0.1, (20, 3))
    target = SimpleNamespace(means=np.full(3, 2.0), seed=0)
    found = measure.difference(
        tasks, Group("far", [], values=far), Group("near", [], values=near), target
    )
    for value, low, high in found:
        assert 0.8 < low < value < high < 1.2
    none = Group("none", [], values=np.full((20, 3), np.nan))
    assert np.isnan(measure.difference(tasks, none, none, target)).all()


def test_bars_are_like_themselves():
    one = excerpt("a", ids_of((60, 64), (60, 64), (62,)))
    assert measure.self_similarity(one) == pytest.approx(
        np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    )
