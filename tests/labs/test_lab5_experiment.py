"""Lab 5's experiment on a few chorales: data, a run, continuing from it, measures, bad input."""

import dataclasses
import json

import mido
import numpy as np
import pytest

from labs.course import continuation
from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab5_long_context import experiment, measure, mixed
from labs.lab5_long_context.data import chord_changes, load_words
from labs.lab5_long_context.generate import cut_primer, read_primer, start
from labs.lab5_long_context.settings import LINEAR, NETWORKS, XL, check
from labs.lab5_long_context.train import Streaming, Streams, Whole, WholePieces, build, transpose
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.music import pieces
from toolkit.music.midi import read_midi
from toolkit.music.piece import Piece
from toolkit.music.remi import SCORE, transposed_ids
from toolkit.training.runs import Run, load_weights
from toolkit.training.runtime import configure

pytestmark = [
    pytest.mark.xdist_group("lab5"),  # a run is made once
    pytest.mark.usefixtures("few_chorales"),
]

LAB = load_lab(5)
TINY = dataclasses.replace(
    experiment.PRESETS["quick"],
    d_model=16,
    num_heads=2,
    ff_dim=24,
    num_layers=2,
    length=64,
    memory_length=64,
    memories=(0, 64, 128),
    batch_size=3,
    linear_batch_size=3,
    linear_length=512,
    epochs=1,
    xl_steps=3,
    plain_steps=3,
    linear_steps=3,
    songs=2,
    samples=1,
    max_notes=40,
    primer_bars=(1, 2),
)


@pytest.fixture(scope="module")
def tasks():
    return load_tasks(LAB, "solution")


@pytest.fixture(scope="module")
def words(tasks):
    return {name: load_words(tasks, "chorales", name) for name in ("REMI", "CP")}


@pytest.fixture(scope="module")
def finished(tasks, tmp_path_factory):
    """Run the experiment once with the solution."""
    settings = {**dataclasses.asdict(TINY), "code": "solution"}
    root = tmp_path_factory.mktemp("runs")
    run = Run.create("lab5_long_context", "quick", settings, root=root)
    experiment.run_experiment(tasks, TINY, run)
    run.finish()
    return run


# A run


def test_a_run_leaves_a_report_weights_songs_and_the_published_table(finished):
    names = {path.relative_to(finished.folder).as_posix() for path in finished.folder.rglob("*")}
    assert {"report.html", "losses.png", "songs.json", "attention.png"} <= names
    for folder in ("remi-xl", "remi-no-memory", "cp-linear"):
        assert {f"{folder}/best.weights.h5", f"{folder}/log.csv"} <= names
    assert read_midi(finished.folder / "pieces/CP-linear-continuation-1.mid").notes
    page = (finished.folder / "report.html").read_text()
    for text in ("41,291,084", "39,016,630", "195", "CP, bigram", "64 less 0", "data:audio"):
        assert text in page


def test_every_song_is_in_songs_json_with_its_time(finished):
    times = json.loads((finished.folder / "songs.json").read_text())
    assert [len(songs) for songs in times.values()] == [2, 1, 2, 1, 2, 1]
    for song in times["REMI + XL"]:
        assert song["song_time"] > 0
        assert song["words_len"] >= 1


def test_a_trained_network_goes_on_without_training_again(finished, monkeypatch, tmp_path, capsys):
    primer = tmp_path / "mine.mid"
    midi_file(primer)
    monkeypatch.setattr("toolkit.training.runs.RUNS", tmp_path / "runs")
    options = ["--run", str(finished.folder), "--primer", str(primer)]
    monkeypatch.setattr("sys.argv", ["x", "5", *options, "--set", 'network="REMI + XL" songs=1'])
    continuation.main()
    (report,) = (tmp_path / "runs").rglob("*-continued/report.html")
    assert "REMI + XL, continuation 1" in report.read_text()
    assert "CP + linear" not in capsys.readouterr().out


def test_a_network_that_was_not_trained_cannot_go_on(tasks, finished):
    settings = dataclasses.replace(TINY, network="GPT")
    with pytest.raises(EtudeError, match="the run trained REMI \\+ XL, REMI, no memory, CP"):
        experiment.continue_experiment(tasks, settings, finished, finished.folder)


def test_weights_of_the_other_network_are_refused(tasks, finished, words):
    runtime = configure(0)
    model = build(tasks, TINY, runtime, LINEAR, words["CP"])
    with pytest.raises(EtudeError, match="damaged or holds another model's weights"):
        load_weights(model, finished.folder / "remi-xl/best.weights.h5")


def test_promises_are_of_figures_that_a_run_obtains():
    known = {"xl_nats", "linear_nats", "xl_ends", "linear_ends", "train_cpu_seconds", "seconds"}
    known |= {"xl_below_bigram", "linear_below_bigram"}
    assert {figure.key for figure in LAB.figures} <= known
    for settings in experiment.PRESETS.values():
        assert settings.data in experiment.DATA_SETS
        check(settings)


# Data


def test_both_encodings_hold_the_same_notes_in_the_same_splits(tasks, words):
    for split, one in words["REMI"].splits.items():
        other = words["CP"].splits[split]
        assert one.names == other.names
        assert (words["REMI"].notes[split] == words["CP"].notes[split]).all()
        for index in range(len(one)):
            first, _ = words["REMI"].decode(tasks, one.piece(index))
            second, _ = words["CP"].decode(tasks, other.piece(index))
            assert (first.notes[:, :3] == second.notes[:, :3]).all()
            assert first.chords == second.chords
            assert len(first.notes) == words["REMI"].notes[split][index]


def test_a_pickup_stands_at_the_end_of_the_first_bar():
    found = pieces.read_score("bwv255")
    assert found is not None
    assert found.notes[:, 0].min() == 3 * 480
    assert pieces.read_score("bwv11.6") is None  # in 3/4


def test_a_piece_survives_its_corpus():
    found = Piece(
        np.array([[0, 480, 60, 64], [100_000_000, 100_000_480, 61, 1]]),
        np.array([[0.0, 120.0], [480.0, 6e7 / 431_253]]),
        ((0, "N_N"), (960, "A_M7")),
    )
    again = pieces.unpack_piece(pieces.pack_piece(found))
    assert (again.notes == found.notes).all()
    assert again.chords == found.chords
    assert (again.tempi == found.tempi).all()


def test_chords_stand_where_they_change():
    assert chord_changes(["C_M", "C_M", "G_7", "C_M"]) == (
        (0, "C_M"),
        (960, "G_7"),
        (1440, "C_M"),
    )


def test_what_is_transposed_and_moved_back_is_as_it_was(words):
    there, back = (transposed_ids(SCORE.vocabulary, by) for by in (5, -5))
    ids = words["REMI"].splits["train"].piece(0)
    assert (back[there[ids]] == ids).all()
    assert (there[ids] != ids).any()
    rows = words["CP"].splits["train"].piece(0)
    moved = transpose(
        rows, np.array([0, len(rows)]), [words["CP"].transposed(2)], np.random.default_rng(0)
    )
    pitches = rows[:, 4] > 0
    assert (moved[pitches, 4] == rows[pitches, 4] + 2).all()
    assert (moved[:, 3] == rows[:, 3]).all()


# Training and evaluation


def test_batches_depend_on_seed_and_epoch_alone(tasks, words):
    moves = {name: [words[name].transposed(by) for by in (-1, 0, 1)] for name in words}
    for kind, name in ((Streams, "REMI"), (WholePieces, "CP")):
        split = words[name].splits["train"]
        one, other = (kind(tasks, split, TINY, moves[name], 5, (3, 512)) for _ in range(2))
        one.start(3)
        first = one[4]
        one.start(0)
        assert not np.array_equal(one[4][1], first[1])
        other.start(3)
        assert len(one) == 5
        assert np.array_equal(other[4][1], first[1])


def test_pieces_that_are_too_long_are_told_before_anything_is_trained(words, capsys, monkeypatch):
    monkeypatch.setattr(console.console, "_file", None)
    lengths = np.sort(np.diff(words["CP"].splits["train"].offsets))
    settings = dataclasses.replace(TINY, linear_length=int(lengths[-1]))
    experiment.say_what_is_too_long(settings, words)
    assert capsys.readouterr().out == ""
    settings = dataclasses.replace(TINY, linear_length=int(lengths[-1]) - 1)
    experiment.say_what_is_too_long(settings, words)
    assert f"CP + linear learns {len(lengths) - 1} of {len(lengths)} pieces" in (
        capsys.readouterr().out.replace("\n", " ")
    )
    with pytest.raises(EtudeError, match="give a longer linear_length"):
        experiment.say_what_is_too_long(dataclasses.replace(TINY, linear_length=9), words)


def test_a_piece_begins_without_memory(tasks, words):
    configure(0)
    model = build(tasks, TINY, configure(0), XL, words["REMI"])
    ids = np.random.default_rng(0).integers(1, 296, (3, 64)).astype(np.int32)
    fresh, going_on = np.ones(3, bool), np.zeros(3, bool)
    alone = np.array(model((ids, ids, fresh)))
    assert not np.allclose(np.array(model((ids, ids, going_on))), alone)
    assert np.allclose(np.array(model((ids, ids, fresh))), alone, atol=1e-5)
    assert isinstance(model, Streaming)
    assert len(model.memory) == 3


@pytest.mark.parametrize("network", NETWORKS["all"], ids=lambda network: network.name)
def test_what_pieces_cost_adds_up(tasks, words, network):
    """Each piece alone costs what it does among the others."""
    one = words[network.words]
    inner = build(tasks, TINY, configure(0), network, one).inner
    (nats,) = measure.nats_by_piece(tasks, TINY, network, inner, one, ["train"], 64)
    split = one.splits["train"]
    last = dataclasses.replace(
        one, splits={"train": type(split)(split.tokens, split.offsets[-2:], split.names[-1:])}
    )
    (alone,) = measure.nats_by_piece(tasks, TINY, network, inner, last, ["train"], 64)
    assert nats[-1] == pytest.approx(alone[0], rel=1e-4)
    mean, low, high = measure.interval(nats, one.notes["train"], 0)
    assert low < mean < high


def test_a_bigram_is_worth_what_it_knows(tasks, words):
    for one in words.values():
        seen = measure.bigram_nats(tasks, one, "train").sum() / one.notes["train"].sum()
        new = measure.bigram_nats(tasks, one, "test").sum() / one.notes["test"].sum()
        assert 2 < seen < new < 10


def test_numbers_of_rows_and_the_rows_are_one(words):
    rows = words["CP"].splits["train"].piece(0)
    assert (np.array(mixed.unpack(mixed.pack(rows))) == rows).all()
    assert np.array(mixed.pack(rows)).max() < 2**31


@pytest.mark.parametrize("network", NETWORKS["all"][3:], ids=lambda network: network.name)
def test_the_other_half_of_the_square_generates_what_it_scores(tasks, words, network):
    """Likeliest words: those of the steps from a cache are those of one reading."""
    one = words[network.words]
    inner = build(tasks, TINY, configure(0), network, one).inner
    fields = len(one.sizes)
    primer = one.splits["test"].piece(0)[:20]
    primer = np.concatenate([start(tasks, one), primer])[None]
    noise = np.zeros((1, 5, sum(one.sizes)), np.float32)
    options = ((1.0,) * fields, (1.0,) * fields)
    made = np.array(tasks.generate(inner, primer, noise, *options, slots=4))
    first = np.array(made[0, 0])
    fresh, types = np.ones(1, bool), np.full((1, 21), first[3] if fields > 1 else 0)
    model = Whole(inner) if network.kind == "linear" else Streaming(inner, 1, 64)
    inputs = (primer, types) if network.kind == "linear" else (primer, types, fresh)
    logits = np.split(np.array(model(inputs))[0, -1], np.cumsum(one.sizes)[:-1])
    assert first.tolist() == (
        [field.argmax() for field in logits] if fields > 1 else logits[0].argmax()
    )


# Songs


def bars(*contents):
    rows = [
        (bar * 1920 + step * 120, bar * 1920 + step * 120 + 120, pitch, 64)
        for bar, content in enumerate(contents)
        for step, pitch in content
    ]
    return measure.bar_contents(Piece(np.array(rows)))


def test_repeated_bars_and_loops_are_counted():
    a, b, c = [(0, 60)], [(0, 62), (8, 64)], [(4, 65)]
    assert measure.repeated_bars(bars(a, b, a, c)) == 0.25
    assert measure.looped_bars(bars(a, b, a, c)) == 0
    assert measure.looped_bars(bars(c, a, b, a, b, a, b)) == pytest.approx(4 / 7)
    assert measure.repeated_bars([]) == measure.looped_bars([]) == 0


# Bad input


def midi_file(path, metre=(4, 4), tempo=500_000, marker=None, notes=True, smpte=False):
    """Write two bars of quarter notes."""
    file = mido.MidiFile(ticks_per_beat=480)
    if smpte:
        file.ticks_per_beat = -7640  # 30 frames a second
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))
    track.append(mido.MetaMessage("set_tempo", tempo=tempo))
    if marker:
        track.append(mido.MetaMessage("marker", text=marker))
    for pitch in (60, 64, 67, 72, 71, 67, 62, 60) if notes else ():
        track.append(mido.Message("note_on", note=pitch, velocity=70))
        track.append(mido.Message("note_off", note=pitch, time=480))
    file.save(path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metre": (3, 4)}, "it is in 3/4"),
        ({"marker": "H_dur_H"}, "its marker 'H_dur_H' names no chord"),
        ({"notes": False}, "it holds no notes"),
        ({"tempo": 0}, "a tempo of 0 microseconds a beat"),
        ({"smpte": True}, "it has no beats"),
    ],
)
def test_a_primer_that_cannot_be_used_is_told_in_a_sentence(tmp_path, options, sentence):
    path = tmp_path / "mine.mid"
    midi_file(path, **options)
    with pytest.raises(EtudeError, match=sentence):
        read_primer(str(path))


def test_a_tempo_beyond_the_words_is_told_and_used(tmp_path, capsys):
    path = tmp_path / "mine.mid"
    midi_file(path, tempo=200_000)
    assert len(read_primer(str(path)).notes) == 8
    output = capsys.readouterr()
    assert "300 beats a minute is encoded as the nearest from 32 to 224" in output.out + output.err


def test_a_primer_is_whole_bars(tasks, words):
    for name, one in words.items():
        ids = one.splits["test"].piece(0)
        primer, seam = cut_primer(tasks, one, ids, (2, 3))
        assert seam == 2 * 1920
        found, broken = one.decode(tasks, primer[1:])
        whole, _ = one.decode(tasks, ids)
        inside = (whole.notes[:, 0] >= 1920) & (whole.notes[:, 0] < 3 * 1920)
        assert broken == 0
        assert len(found.notes) == inside.sum(), name
        with pytest.raises(
            EtudeError, match=r"the primer has \d+ bars, and primer_bars asks for 900"
        ):
            cut_primer(tasks, one, ids, (900, 901))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"primer_bars": (4, 2)}, "primer_bars is 4,2, which is not a bar"),
        ({"models": "four"}, 'models is "four": give three'),
        ({"d_model": 100, "num_heads": 3}, "cannot be shared by 3 heads"),
        ({"devices": "all"}, "trains on one device"),
    ],
)
def test_settings_that_do_not_go_together_are_told_in_a_sentence(wrong, sentence):
    with pytest.raises(EtudeError, match=sentence):
        check(dataclasses.replace(TINY, **wrong))


def test_an_id_outside_the_vocabulary_is_told_in_a_sentence(tasks, words):
    with pytest.raises(EtudeError, match="296 is outside the vocabulary"):
        words["REMI"].decode(tasks, np.array([1, 296]))
    with pytest.raises(EtudeError, match="500 is outside the vocabulary"):
        words["CP"].decode(tasks, np.array([[0, 0, 0, 2, 500, 1, 1]]))


def test_all_sets_of_networks_have_names_of_their_own():
    for chosen in NETWORKS.values():
        assert len({experiment.folder_of(one) for one in chosen}) == len(chosen)
