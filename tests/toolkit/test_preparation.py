"""A data set is prepared once, in the order of its splits, and anew when what made it changes."""

import dataclasses

import numpy as np
import pytest

from toolkit.data import fingerprint
from toolkit.data.preparation import Piece, Preparation, limited, open_splits, prepare
from toolkit.errors import EtudeError

PIECES = [
    *(Piece(number, f"t{number}", "test") for number in (1, 2)),
    *(Piece(number, f"a{number}", "train") for number in (3, 4, 5)),
    *(Piece(number, f"v{number}", "validation") for number in (6, 7)),
]


def count(number):
    """Encode a number by as many ids; 4 is none."""
    return None if number == 4 else np.full(number, number)


def name(number):
    return [f"T{number}", "END"]


def fail(number):
    raise ValueError(f"no {number}")


PLAN = Preparation("counts", "numbers", "as many as it says", lambda: PIECES, count, ())


def test_pieces_come_by_split_and_what_is_none_is_left_out(tmp_path, capsys):
    corpus = prepare(PLAN, tmp_path / "made")
    assert corpus.names == ["a3", "a5", "v6", "v7", "t1", "t2"]
    assert corpus.header["skipped"] == {"a4": "no piece of the set"}
    assert corpus[1].tolist() == [5] * 5
    splits = open_splits(corpus)
    assert [len(splits[split]) for split in splits] == [2, 2, 2]
    assert splits["test"].piece(1).tolist() == [2, 2]
    assert "numbers: 6 pieces; 1 other is not in the set" in capsys.readouterr().out


def test_tokens_are_numbered_by_a_vocabulary_of_their_own(tmp_path):
    plan = dataclasses.replace(PLAN, encode=name)
    corpus = prepare(plan, tmp_path / "made")
    assert corpus.header["vocabulary"] == ["END", *(f"T{number}" for number in range(1, 8))]
    assert corpus[0].tolist() == [3, 0]


def test_a_corpus_is_made_anew_when_its_pieces_or_makers_change(tmp_path):
    made_by = {
        prepare(plan, tmp_path / "made").header["made_by"]
        for plan in (
            PLAN,
            dataclasses.replace(PLAN, makers=("other",)),
            dataclasses.replace(PLAN, pieces=lambda: PIECES[1:]),
            dataclasses.replace(PLAN, pieces=lambda: [p._replace(split="train") for p in PIECES]),
        )
    }
    assert len(made_by) == 4


def test_a_function_that_fails_on_most_pieces_stops_with_its_reason(tmp_path):
    with pytest.raises(EtudeError, match=r"7 of 7 pieces cannot be encoded, first a3: .*no 3"):
        prepare(dataclasses.replace(PLAN, encode=fail), tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_limit_is_for_training_and_an_eighth_for_the_others(tmp_path):
    assert [piece.name for piece in limited(PIECES, 1)] == ["a3", "v6", "v7", "t1", "t2"]
    assert limited(PIECES, None) == [*PIECES[2:5], *PIECES[5:], *PIECES[:2]]
    splits = open_splits(prepare(PLAN, tmp_path / "made"), 1)
    assert [len(splits[split]) for split in splits] == [1, 2, 2]


def test_a_split_without_pieces_is_named(tmp_path):
    corpus = prepare(dataclasses.replace(PLAN, pieces=lambda: PIECES[:5]), tmp_path / "made")
    with pytest.raises(EtudeError, match="numbers has no validation pieces"):
        open_splits(corpus)


def test_what_decides_a_function_is_its_text_and_what_it_names():
    def load(helper, line=0):
        source = "\n" * line + f"STEP = 1\ndef helper():\n    return {helper}\n"
        source += "def encode():\n    return helper() + STEP\ndef unrelated():\n    return 5\n"
        return _module(source)

    def source_of(module):
        return fingerprint.source_of(module["encode"])

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
