"""The chorales: which there are, how they are split, and their tokens from disk."""

from collections import defaultdict
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from toolkit.errors import EtudeError
from toolkit.music import chorales, note_grid
from toolkit.music.midi import DTYPES, Notes, read_notes

pytestmark = pytest.mark.xdist_group("chorales")  # they are spelled once

NAMES = ["bwv269", "bwv112.5-sc", "bwv277", "bwv62.6", "bwv274"]


@pytest.fixture(scope="module")
def tasks():
    return load_tasks(load_lab(3), "solution")


@pytest.fixture(scope="module")
def small_corpus(tasks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chorales") / "corpus"
    return chorales.chorale_corpus(tasks, NAMES, folder), folder


def test_the_corpus_holds_over_four_hundred_scores_by_bach():
    names = chorales.score_names()
    assert len(names) > 400
    assert "bwv269" in names


def test_scores_that_are_not_in_four_parts_are_left_out_by_name(small_corpus):
    corpus, _ = small_corpus
    assert corpus.names == ["bwv269", "bwv277", "bwv62.6", "bwv274"]
    assert corpus.header["skipped"] == {"bwv112.5-sc": "not in 4 parts"}


def test_the_corpus_holds_what_the_students_function_spells(small_corpus, tasks):
    corpus, _ = small_corpus
    tokens = [corpus.header["vocabulary"][index] for index in corpus[0]]
    assert tokens == tasks.score_to_tokens(chorales.load_chorale("bwv269"))


def test_the_same_code_reads_the_corpus_without_spelling_anything(small_corpus, tasks, monkeypatch):
    _, folder = small_corpus
    monkeypatch.setattr(chorales, "_spell_all", lambda *_: pytest.fail("spelled again"))
    assert len(chorales.chorale_corpus(tasks, NAMES, folder)) == 4


def test_other_code_spells_the_corpus_anew(small_corpus, monkeypatch):
    _, folder = small_corpus

    def score_to_tokens(score):
        return ["REST"]

    def spell_all(spelling, names):
        return {name: spelling.score_to_tokens(None) for name in names}, {}

    monkeypatch.setattr(chorales, "_spell_all", spell_all)
    spelling = SimpleNamespace(score_to_tokens=score_to_tokens)
    corpus = chorales.chorale_corpus(spelling, NAMES, folder.parent / "other")
    assert corpus.header["vocabulary"] == ["REST"]
    assert corpus.header["made_by"] != small_corpus[0].header["made_by"]


def test_what_decides_a_function_is_its_text_and_what_it_names():
    def load(helper, line=0):
        source = "\n" * line + f"STEP = 1\ndef helper():\n    return {helper}\n"
        source += "def spell():\n    return helper() + STEP\ndef unrelated():\n    return 5\n"
        return _module(source)

    def source_of(module):
        return chorales.source_of(module["spell"])

    assert source_of(load(1)) == source_of(load(1, line=7))
    assert source_of(load(1)) != source_of(load(2))
    assert "unrelated" not in source_of(load(1))


def _module(source):
    import linecache

    name = f"<source {hash(source)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"__name__": name}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def test_most_pieces_are_for_training_and_each_is_in_one_split():
    splits = [chorales.split_of(name) for name in chorales.score_names()]
    shares = {split: splits.count(split) / len(splits) for split in set(splits)}
    assert set(shares) == {"train", "validation", "test"}
    assert 0.7 < shares["train"] < 0.9
    assert min(shares.values()) > 0.05


def test_variants_movements_and_twins_of_a_work_share_a_split():
    by_work = defaultdict(set)
    for name in chorales.score_names():
        by_work[name.removeprefix("bwv").split(".")[0].split("-")[0]].add(chorales.split_of(name))
    assert all(len(splits) == 1 for splits in by_work.values())
    for work, twins in chorales.TWINS.items():
        assert {by_work[str(twin)].copy().pop() for twin in twins} == by_work[str(work)]


def test_an_unknown_chorale_is_named():
    with pytest.raises(EtudeError, match="bwv9999"):
        chorales.load_chorale("bwv9999")


def test_a_spelling_that_fails_everywhere_stops_with_its_reason(monkeypatch):
    failures = dict.fromkeys(NAMES, "ZeroDivisionError: division by zero")
    monkeypatch.setattr(chorales, "map_items", lambda *_, **__: ([None] * 5, failures))
    with pytest.raises(EtudeError, match="failed on 5 chorales, first on bwv269: ZeroDivision"):
        chorales._spell_all(SimpleNamespace(), NAMES)


@pytest.mark.verify
def test_no_two_splits_share_more_than_a_fifth_of_a_chorales_passages(tasks):
    corpus = chorales.chorale_corpus(tasks)
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


def spelled(*rows):
    return [note_grid.VOCABULARY[index] for index in note_grid.spell_notes(notes(*rows))]


def test_recorded_notes_are_spelled_as_a_score_on_a_grid_of_50_ms():
    assert spelled((64, 0.1, 0.6), (60, 0.1, 0.35)) == [
        "REST", "DUR_1/5", "NOTE_60", "NOTE_64", "DUR_1/2", "NOTE_64", "DUR_1/2",
    ]  # fmt: skip


def test_a_note_lasts_a_step_and_a_slice_at_most_the_longest():
    assert spelled((60, 0.0, 0.001), (60, 10.0, 10.05)) == [
        "NOTE_60", "DUR_1/10", "REST", "DUR_32/5", "NOTE_60", "DUR_1/10",
    ]  # fmt: skip


def test_no_notes_give_no_tokens():
    assert spelled() == []


def test_the_grid_agrees_with_the_students_spelling_of_the_same_notes(tasks):
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
    assert spelled(*rows) == tasks.score_to_tokens(score)


def test_the_grids_vocabulary_stays_below_two_hundred():
    assert len(note_grid.VOCABULARY) < 200


def test_a_maestro_recording_is_spelled_in_known_tokens(shared_data):
    path = sorted((shared_data / "maestro-v3.0.0" / "2018").glob("*.midi"))[0]
    ids = note_grid.spell_notes(read_notes(path))
    assert ids.dtype == np.uint16
    assert len(ids) > 1000
    assert ids.max() < len(note_grid.VOCABULARY)
