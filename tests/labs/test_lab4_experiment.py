"""Lab 4's experiment on drumming by rule: data, a run, continuing from it, measures."""

import dataclasses
import json
import os
import subprocess
import sys

import note_seq
import numpy as np
import pytest

from labs.course import continuation
from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab4_performances import attention, drums, experiment, keyboard, primers
from labs.lab4_performances.crops import Crops
from labs.lab4_performances.data import SPECIALS, encode_kit, load_splits
from labs.lab4_performances.measure import measure, one_note_a_key
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music.copying import SeenRuns
from toolkit.music.midi import read_midi, write_midi
from toolkit.paths import ROOT
from toolkit.training.runs import Run, load_weights

pytestmark = pytest.mark.xdist_group("lab4")  # a run is made once

LAB = load_lab(4)
TINY = dataclasses.replace(
    experiment.PRESETS["quick"],
    data="drums",
    max_pieces=16,
    length=64,
    context=16,
    eval_windows=8,
    d_model=16,
    ff_dim=24,
    num_layers=2,
    num_heads=2,
    window=300,
    epochs=1,
    steps_per_epoch=3,
    samples=2,
    max_events=60,
    primer_seconds=3.0,
    instrument="drums, acoustic grand piano",
)


@pytest.fixture(scope="module")
def tasks():
    return load_tasks(LAB, "solution")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def finished(tasks, root):
    """Run the experiment once with the solution."""
    settings = {**dataclasses.asdict(TINY), "code": "solution"}
    run = Run.create("lab4_performances", "quick", settings, root=root)
    experiment.run_experiment(tasks, TINY, run)
    run.finish()
    return run


def piece(*notes, drum=False):
    """A sequence of (pitch, velocity, start, end)."""
    sequence = note_seq.NoteSequence()
    for pitch, velocity, start, end in notes:
        sequence.notes.add(
            pitch=pitch, velocity=velocity, start_time=start, end_time=end, is_drum=drum
        )
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0)
    return sequence


# A run


def test_a_run_leaves_a_report_curves_weights_and_music(finished):
    names = {path.name for path in finished.folder.rglob("*") if path.is_file()}
    assert {"report.html", "log.csv", "best.weights.h5", "attention.png"} <= names
    assert {"nats_per_token.png", "accuracy.png", "distributions.png"} <= names
    pieces = finished.folder / "pieces"
    assert len(read_midi(pieces / "continuation-1.mid").notes) > 0
    assert all(note.is_drum for note in read_midi(pieces / "continuation-1.mid").notes)
    for instrument in ("drums", "acoustic-grand-piano"):
        assert (pieces / f"continuation-2-{instrument}.wav").stat().st_size > 10_000
    page = (finished.folder / "report.html").read_text()
    for text in ("tokens a note", "real pieces", "from nothing", "apply_sustain", "data:audio"):
        assert text in page


def test_a_trained_model_goes_on_without_training_again(finished, monkeypatch, tmp_path, capsys):
    primer = tmp_path / "my beat.mid"
    write_midi(
        piece(*[(36 + 2 * (i % 2), 90, i / 4, i / 4 + 0.1) for i in range(12)], drum=True), primer
    )
    monkeypatch.setattr("toolkit.training.runs.RUNS", tmp_path / "runs")
    monkeypatch.setattr(
        "sys.argv",
        [
            *("x", "4", "--run", str(finished.folder), "--primer", str(primer)),
            *("--instrument", "drums", "--set", "window=65"),
        ],
    )
    continuation.main()
    (report,) = (tmp_path / "runs").rglob("*-continued/report.html")
    assert "continuation 1" in report.read_text()
    printed = capsys.readouterr().out
    assert "generating 2 continuations of" in printed
    assert "window 65 is above 64, the most that crops of length 64 train" in printed


def test_what_belongs_to_the_model_cannot_be_changed_when_continuing(finished):
    before = json.loads((finished.folder / "settings.json").read_text())
    assert continuation.combine(LAB, experiment, before, {}, "temperature=0.5").temperature == 0.5
    assert continuation.combine(LAB, experiment, before, {}, "").d_model == 16
    with pytest.raises(EtudeError, match="d_model belongs to the trained model"):
        continuation.combine(LAB, experiment, before, {}, "d_model=32")


def test_only_a_finished_run_is_found(finished, root, tmp_path):
    assert continuation.find_run(LAB, None, root / "lab4") == finished.folder
    with pytest.raises(EtudeError, match="no finished run"):
        continuation.find_run(LAB, None, tmp_path)
    with pytest.raises(EtudeError, match="not a run with trained weights"):
        continuation.find_run(LAB, str(tmp_path))


def test_foreign_or_damaged_weights_are_refused(tasks, finished, tmp_path):
    model = tasks.MusicTransformer(tasks.VOCAB_SIZE, 8, 2, 8, 1, 4, 8)
    model.build((None, 4))
    with pytest.raises(EtudeError, match="damaged or holds another model's weights"):
        load_weights(model, finished.best_weights)
    broken = tmp_path / "best.weights.h5"
    broken.write_bytes(finished.best_weights.read_bytes()[:1000])
    with pytest.raises(EtudeError, match="damaged or holds another model's weights"):
        load_weights(model, broken)


def test_settings_that_are_no_run_of_this_lab_are_refused(tmp_path):
    for text in ("{", "[]", '{"preset": "quick", "units": 64}'):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises(EtudeError, match="damaged or of another lab's run"):
            continuation.read_settings(LAB, experiment, tmp_path)


def test_a_bad_primer_leaves_no_run_behind(finished, monkeypatch, tmp_path):
    primer = tmp_path / "drums.mid"
    primer.write_bytes(b"no music")
    monkeypatch.setattr("toolkit.training.runs.RUNS", tmp_path / "runs")
    monkeypatch.setattr(
        "sys.argv", ["x", "4", "--run", str(finished.folder), "--primer", str(primer)]
    )
    with pytest.raises(EtudeError, match="not a MIDI file"):
        continuation.main()
    assert not list((tmp_path / "runs").rglob("*-continued"))


def test_promises_are_of_figures_that_a_run_obtains():
    assert {figure.key for figure in load_lab(4).figures} <= {"val_nats", "val_accuracy", "seconds"}
    for settings in experiment.PRESETS.values():
        assert settings.data in experiment.DATA_SETS


# Primers


def test_a_primer_keeps_what_the_model_plays(tmp_path, capsys):
    mixed = piece((60, 80, 0, 1), (64, 80, 1, 2))
    mixed.notes.add(pitch=36, velocity=80, start_time=0, end_time=0.1, is_drum=True, instrument=9)
    mixed.notes.add(pitch=48, velocity=80, start_time=0, end_time=2, instrument=1, program=32)
    path = tmp_path / "band.mid"
    write_midi(mixed, path)
    kept = primers.read_primer(path, "maestro")
    assert sorted(note.pitch for note in kept.notes) == [48, 60, 64]
    output = capsys.readouterr()
    assert "1 drum notes left out" in output.out + output.err
    assert "2 instruments are played as one" in output.out + output.err
    assert [note.pitch for note in primers.read_primer(path, "groove").notes] == [36]
    only = tmp_path / "drums.mid"
    write_midi(piece((36, 80, 0, 1), drum=True), only)
    with pytest.raises(EtudeError, match="1 drum notes and no pitched ones"):
        primers.read_primer(only, "maestro")


def test_a_primer_is_cut_in_time_and_to_the_window(tasks, capsys):
    long = piece(*[(60 + i % 12, 80, i / 10, i / 10 + 0.05) for i in range(108_000)])  # three hours
    primer = primers.cut_primer(tasks, long, 2.0, 1000)
    assert primer[0] == tasks.START
    assert primers.duration(tasks, primer) == pytest.approx(2.0, abs=0.1)
    cut = primers.cut_primer(tasks, long, 60.0, 100)
    assert len(cut) == 100
    output = capsys.readouterr()
    assert "its last 99 are used" in output.out + output.err
    with pytest.raises(EtudeError, match="no notes"):
        primers.cut_primer(tasks, piece(), 2.0, 100)


def test_a_key_is_struck_again_only_after_it_came_up():
    written = piece(
        *((60, 50, 0, 3), (60, 60, 1, 4), (60, 70, 4, 5)),
        *((62, 50, 0, 3), (64, 50, 2, 3), (64, 60, 2, 4)),
    )
    played = one_note_a_key(written)
    assert [(note.pitch, note.start_time, note.end_time) for note in played.notes] == [
        (60, 0, 1), (60, 1, 3), (60, 4, 5), (62, 0, 3), (64, 2, 3)
    ]  # fmt: skip


# Data


def test_pieces_by_rule_are_always_the_same():
    names = drums.piece_names()
    assert len(names) == len(set(names)) == 200
    assert drums.perform_piece(names[7]) == drums.perform_piece(names[7])
    assert keyboard.perform_piece("bwv269") == keyboard.perform_piece("bwv269")


def test_a_chorale_at_the_keyboard_is_phrased_and_pedalled():
    played = keyboard.perform_piece("bwv66.6")
    velocities = [note.velocity for note in played.notes]
    assert np.std(velocities) > 5
    starts = np.array(sorted({round(note.start_time, 2) for note in played.notes}))
    assert np.std(np.diff(starts)) > 0.02
    assert {change.control_number for change in played.control_changes} == {64}
    assert keyboard.perform_piece("bwv1.6") is None or played.notes


def test_what_prepares_a_data_set_imports_neither_keras_nor_music21():
    code = """
import sys
import labs.lab4_performances.data
print({"keras", "tensorflow", "jax", "music21", "note_seq"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


ALL_OF_MAESTRO = """
import resource, sys, time
from dataclasses import replace
from pathlib import Path
from labs.lab4_performances import data
from toolkit.data.parallel import available_cores
from toolkit.data.preparation import Piece, prepare
if __name__ == "__main__":
    files = [Piece(f, f.stem, "train") for f in sorted(Path(sys.argv[1]).rglob("*.midi"))]
    preparation = replace(data.PREPARATIONS["maestro"], pieces=lambda: files)
    begin = time.perf_counter()
    print(len(prepare(preparation, Path(sys.argv[2]))))
    print(time.perf_counter() - begin)
    # getrusage of this process would count what its parent held when it was started
    own = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # the largest
    print((own + available_cores() * child) / 1e6)
"""


@pytest.mark.verify
def test_all_of_maestro_is_prepared_in_little_memory(shared_data, tmp_path, record_property):
    script = tmp_path / "prepare.py"
    script.write_text(ALL_OF_MAESTRO)
    done = subprocess.run(
        [sys.executable, script, shared_data / "maestro-v3.0.0", tmp_path / "made"],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    pieces, seconds, gigabytes = map(float, done.stdout.split()[-3:])
    record_property("seconds", round(seconds, 1))  # the aim is 15
    record_property("gigabytes", round(gigabytes, 2))
    assert pieces == 1276
    assert gigabytes < 1


def test_groove_becomes_general_midi(shared_data):
    path = sorted((shared_data / "groove").rglob("*.mid"))[0]
    pitches = {int(event) - SPECIALS for event in encode_kit(path) if event < SPECIALS + 128}
    assert pitches <= {36, 38, 42, 43, 46, 47, 48, 49, 50, 51, 45, 37, 40}
    assert not pitches & {22, 26, 55, 58, 59}


def test_splits_are_whole_pieces_of_events(tasks):
    splits = load_splits("drums", 16)
    assert [len(splits[name]) for name in splits] == [16, 2, 2]
    ids = splits["validation"].piece(1)
    sequence = tasks.decode_performance(ids)
    expected = tasks.encode_performance(drums.perform_piece(splits["validation"].names[1]))
    assert ids.tolist() == expected.tolist()
    assert len(sequence.notes) > 100


def test_an_epoch_decides_keys_speeds_and_crops(tasks):
    tokens = np.array([*[tasks.NOTE_ON + 60, tasks.TIME_SHIFT + 9] * 50] * 2, np.uint16)
    split = Split(tokens, np.array([0, 100, 200]), ["a", "b"])

    def batch(seed, epoch):
        crops = Crops(tasks, split, 16, 4, 5, seed, (-1, 0, 1), (0.9, 1.0, 1.1))
        crops.start(epoch)
        return np.array(crops[0])

    assert np.array_equal(batch(0, 3), batch(0, 3))
    assert not np.array_equal(batch(0, 3), batch(0, 4))
    assert not np.array_equal(batch(0, 3), batch(1, 3))


# Measures and maps


def test_measures_of_a_piece_that_can_be_counted_by_hand():
    sequence = piece((60, 50, 0, 1), (64, 70, 0, 2), (67, 60, 1.5, 2))
    measures = measure(sequence, SeenRuns([]), True)
    assert (measures.notes, measures.seconds, measures.density) == (3, 2, 1.5)
    assert measures.entropy == pytest.approx(np.log2(3))
    assert measures.polyphony == pytest.approx((2 + 2 + 2) / 3)
    assert measures.gap == 1.5
    assert measure(piece(), SeenRuns([]), False).notes == 0


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-5), ("mixed_float16", 1e-2)])
def test_attention_maps_are_those_of_the_model(tasks, policy, tolerance):
    import keras

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = tasks.MusicTransformer(tasks.VOCAB_SIZE, 16, 2, 24, 2, 9, 64)
        model.build((None, 20))
    finally:
        keras.config.set_dtype_policy("float32")
    ids = np.random.default_rng(0).integers(3, tasks.VOCAB_SIZE, 20).astype(np.int32)
    weights = attention.attention_weights(tasks, model, ids)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    # the first block's heads, mixed by these weights, are what its attention returns
    block = model.blocks[0]
    normed = block.norm_1(model.embedding(ids[None]) * model.d_model**0.5)
    values = np.asarray(block.attention.value(normed))
    mixed = np.einsum("hts,bshk->bthk", weights[0], values)
    expected = np.asarray(block.attention(normed))
    ours = np.asarray(block.attention.output_projection(mixed))
    np.testing.assert_allclose(ours, expected, atol=tolerance)


def test_every_event_knows_its_note(tasks):
    on, off = tasks.NOTE_ON + 60, tasks.NOTE_OFF + 60
    ids = np.array([tasks.START, tasks.VELOCITY, on, tasks.TIME_SHIFT, on, off, off, off])
    assert attention.note_of_each_event(tasks, ids).tolist() == [-1, -1, 0, -1, 1, 0, 1, -1]
