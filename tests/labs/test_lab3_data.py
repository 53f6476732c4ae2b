"""Lab 3's data: chorales as the student's function encodes them, recordings on a grid."""

import dataclasses
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab3_notes import data, note_grid
from labs.lab3_notes.data import chorales_as_notes
from toolkit.data import preparation
from toolkit.data.preparation import Piece, prepare
from toolkit.errors import EtudeError
from toolkit.music import chorales
from toolkit.music.midi import DTYPES, Notes, read_notes

pytestmark = pytest.mark.xdist_group("chorales")  # they are encoded once

NAMES = ["bwv269", "bwv112.5-sc", "bwv277", "bwv62.6", "bwv274"]


@pytest.fixture(scope="module")
def tasks():
    return load_tasks(load_lab(3), "solution")


def of_a_few(tasks):
    """How some of the chorales become a corpus."""
    pieces = [Piece(name, name, chorales.split_of(name)) for name in NAMES]
    return dataclasses.replace(chorales_as_notes(tasks), pieces=lambda: pieces)


@pytest.fixture(scope="module")
def small_corpus(tasks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chorales") / "corpus"
    return prepare(of_a_few(tasks), folder), folder


def test_scores_that_are_not_in_four_parts_are_left_out_by_name(small_corpus):
    corpus, _ = small_corpus
    assert sorted(corpus.names) == ["bwv269", "bwv274", "bwv277", "bwv62.6"]
    assert corpus.header["skipped"] == {"bwv112.5-sc": "no piece of the set"}


def test_the_corpus_holds_what_the_students_function_returns(small_corpus, tasks):
    corpus, _ = small_corpus
    tokens = [corpus.header["vocabulary"][index] for index in corpus[0]]
    assert tokens == tasks.score_to_tokens(chorales.load_chorale(corpus.names[0]))


def test_the_same_code_reads_the_corpus_without_encoding_anything(small_corpus, tasks, monkeypatch):
    _, folder = small_corpus
    monkeypatch.setattr(preparation, "map_items", lambda *_, **__: pytest.fail("encoded again"))
    assert len(prepare(of_a_few(tasks), folder)) == 4


def test_other_code_encodes_the_corpus_anew(small_corpus, monkeypatch):
    def score_to_tokens(score):
        return ["REST"]

    monkeypatch.setattr(
        preparation, "map_items", lambda _, items, *__, **___: ([["REST"]] * len(items), {})
    )
    other = of_a_few(SimpleNamespace(score_to_tokens=score_to_tokens))
    corpus = prepare(other, small_corpus[1].parent / "other")
    assert corpus.header["vocabulary"] == ["REST"]
    assert corpus.header["made_by"] != small_corpus[0].header["made_by"]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda score: 1 / 0, "score_to_tokens raised ZeroDivisionError: division by zero"),
        (lambda score: "NOTE_60", "score_to_tokens returned str, not a list of str"),
    ],
)
def test_what_a_students_function_does_wrong_is_named(monkeypatch, returned, words):
    monkeypatch.setattr(data, "_tasks", SimpleNamespace(score_to_tokens=returned))
    with pytest.raises(EtudeError, match=words):
        data.encode_chorale("bwv269")


@pytest.mark.verify
def test_no_two_splits_share_more_than_a_fifth_of_a_chorales_passages(tasks):
    corpus = prepare(chorales_as_notes(tasks))
    vocabulary = corpus.header["vocabulary"]
    passages = {
        name: _passages([vocabulary[index] for index in corpus[i]])
        for i, name in enumerate(corpus.names)
    }
    split = dict(zip(corpus.names, corpus.header["split"], strict=True))
    shared = {
        (one, other): len(passages[one] & passages[other])
        / min(len(passages[one]), len(passages[other]))
        for one, other in combinations(corpus.names, 2)
        if split[one] != split[other]
    }
    pair = max(shared, key=shared.__getitem__)
    assert shared[pair] <= 0.2, pair


def _passages(tokens, chords=6):
    events, pitches = [], []
    for token in tokens:
        if token.startswith("NOTE_"):
            pitches.append(int(token[5:]))
        elif pitches:
            events.append(pitches)
            pitches = []
    return {
        tuple(tuple(p - events[i][0] for p in event) for event in events[i : i + chords])
        for i in range(len(events) - chords)
    }


# Recorded notes on the grid


def notes(*rows):
    """Make Notes from (pitch, start, end) rows."""
    size = len(rows)
    fields = {name: np.zeros(0 if "pedal" in name else size, kind) for name, kind in DTYPES.items()}
    for index, name in enumerate(("pitch", "start", "end")):
        fields[name] = np.array([row[index] for row in rows], DTYPES[name])
    return Notes(**fields)


def encoded(*rows):
    return [note_grid.VOCABULARY[index] for index in note_grid.encode_notes(notes(*rows))]


def test_recorded_notes_are_encoded_as_a_score_on_a_grid_of_50_ms():
    assert encoded((64, 0.1, 0.6), (60, 0.1, 0.35)) == [
        "REST", "DUR_1/5", "NOTE_60", "NOTE_64", "DUR_1/2", "NOTE_64", "DUR_1/2",
    ]  # fmt: skip


def test_a_note_lasts_a_step_and_a_slice_at_most_the_longest():
    assert encoded((60, 0.0, 0.001), (60, 10.0, 10.05)) == [
        "NOTE_60", "DUR_1/10", "REST", "DUR_32/5", "NOTE_60", "DUR_1/10",
    ]  # fmt: skip


def test_no_notes_give_no_tokens():
    assert encoded() == []


def test_the_grid_agrees_with_the_students_tokens_of_the_same_notes(tasks):
    import music21

    rng = np.random.default_rng(3)
    rows, score = [], music21.stream.Score()
    for _ in range(40):
        pitch, start, steps = (
            int(rng.integers(40, 80)),
            int(rng.integers(0, 60)),
            rng.integers(1, 9),
        )
        rows.append((pitch, start / 20, (start + int(steps)) / 20))
        note = music21.note.Note(pitch)
        note.quarterLength = note_grid.Fraction(int(steps), 10)
        part = music21.stream.Part()
        part.insert(note_grid.Fraction(start, 10), note)
        score.insert(0, part)
    assert encoded(*rows) == tasks.score_to_tokens(score)


def test_the_grids_vocabulary_stays_below_two_hundred():
    assert len(note_grid.VOCABULARY) < 200


def test_a_maestro_recording_is_encoded_in_known_tokens(shared_data):
    path = sorted((shared_data / "maestro-v3.0.0" / "2018").glob("*.midi"))[0]
    ids = note_grid.encode_notes(read_notes(path))
    assert ids.dtype == np.uint16
    assert len(ids) > 1000
    assert ids.max() < len(note_grid.VOCABULARY)
