"""Token corpora come back as they were written, or not at all."""

import os
import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.data.corpus import is_stale, open_corpus, write_corpus
from toolkit.data.fingerprint import fingerprint
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

PIECES = [np.array([3, 1, 4]), np.array([], int), np.array([65535, 0])]
HEADER = {"encoding": {"name": "performance", "velocity_bins": 32}, "names": ["a", "b", "ç"]}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "corpora" / "maestro-train"


def test_pieces_come_back_as_they_were_written(folder):
    write_corpus(folder, iter(PIECES), HEADER)
    corpus = open_corpus(folder)
    assert len(corpus) == 3
    assert corpus.names == ["a", "b", "ç"]
    assert corpus.header["encoding"] == HEADER["encoding"]
    assert [piece.tolist() for piece in corpus] == [[3, 1, 4], [], [65535, 0]]
    assert corpus[-1].tolist() == [65535, 0]
    with pytest.raises(IndexError, match="piece 3 of a corpus of 3"):
        corpus[3]


def test_tokens_are_mapped_read_only_uint16(folder):
    write_corpus(folder, PIECES, {})
    tokens = open_corpus(folder).tokens
    assert isinstance(tokens, np.memmap)
    assert tokens.dtype == np.uint16
    with pytest.raises(ValueError, match="read-only"):
        tokens[0] = 1


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 65535), max_size=20), max_size=6))
def test_any_pieces_come_back(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("any") / "corpus"
    write_corpus(folder, (np.array(piece, int) for piece in pieces), {})
    assert [piece.tolist() for piece in open_corpus(folder)] == pieces


@pytest.mark.parametrize(
    ("piece", "sentence"),
    [
        (np.array([1, 65536]), "piece bad holds the id 65536"),
        (np.array([-1, 2]), "piece bad holds the id -1"),
        (np.array([0.5]), "piece bad is an array of float64"),
        (np.array([[1, 2]]), r"of shape \(1, 2\)"),
        (np.array([True]), "piece bad is an array of bool"),
    ],
)
def test_ids_that_do_not_fit_are_refused_and_the_old_corpus_stays(folder, piece, sentence):
    write_corpus(folder, PIECES, {})
    with pytest.raises(EtudeError, match=sentence):
        write_corpus(folder, [np.array([1]), piece], {"names": ["good", "bad"]})
    assert [piece.tolist() for piece in open_corpus(folder)] == [[3, 1, 4], [], [65535, 0]]


def test_ids_outside_the_vocabulary_are_refused(folder):
    with pytest.raises(EtudeError, match="holds the id 3: ids here go from 0 to 2"):
        write_corpus(folder, [np.array([0, 3])], {"vocabulary": ["PAD", "START", "END"]})
    assert not folder.exists()


@pytest.mark.parametrize("names", [["one"], ["one", "two", "three", "four"]])
def test_each_piece_has_one_name(folder, names):
    with pytest.raises(EtudeError, match=f"3 pieces was given {len(names)} names"):
        write_corpus(folder, PIECES, {"names": names})


def test_another_header_means_stale(folder):
    wanted = {"encoding": {"steps_per_second": 100}, "splits": ("train",)}
    assert is_stale(folder, wanted)
    write_corpus(folder, PIECES, {**wanted, "vocabulary_size": 388})
    assert not is_stale(folder, wanted)
    assert is_stale(folder, {**wanted, "encoding": {"steps_per_second": 50}})
    assert is_stale(folder, {**wanted, "made_by": "another"})
    with pytest.raises(EtudeError, match="is out of date, its encoding is not what is needed"):
        open_corpus(folder, {"encoding": None})


@pytest.mark.parametrize("file", ["tokens.bin", "offsets.npy", "header.json"])
@pytest.mark.parametrize("harm", ["shorten", "empty", "remove"])
def test_a_damaged_corpus_is_told_and_made_again(folder, file, harm):
    write_corpus(folder, PIECES, {})
    path = folder / file
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if harm == "shorten" else b"")
    with pytest.raises(EtudeError, match=r"is damaged|there is no corpus"):
        open_corpus(folder)
    assert is_stale(folder, {})


def test_a_fingerprint_changes_with_what_it_stands_for(tmp_path):
    script = tmp_path / "encode.py"
    script.write_text("one")
    module = types.ModuleType("encode")
    module.__file__ = str(script)
    before = fingerprint(module, tmp_path, script, "settings")
    assert before == fingerprint(module, tmp_path, script, "settings")
    assert before != fingerprint(module, tmp_path, script, "other settings")
    assert fingerprint("a", "bc") != fingerprint("ab", "c")
    script.write_text("two")
    assert before != fingerprint(module, tmp_path, script, "settings")
    (tmp_path / "new.mid").touch()
    assert fingerprint(tmp_path) != fingerprint(script)


# Writes over an old corpus again and again, each time killed at one more line of the module.
KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from toolkit.data import corpus

folder = Path(sys.argv[1])

def write(value, pieces):
    corpus.write_corpus(folder, (np.full(9, value) for _ in range(pieces)), {"value": value})

def kill_at(line):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        file = frame.f_code.co_filename
        if file != corpus.__file__ and not file.endswith("contextlib.py"):
            return None
        seen += event == "line"
        if seen == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)

status, line, found = 9, 0, []
while status:
    line += 1
    write(1, 2)
    child = os.fork()
    if not child:
        kill_at(line)
        write(2, 3)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    try:
        opened = corpus.open_corpus(folder)
        assert len(opened) == opened.header["value"] + 1
        assert (np.array(list(opened)) == opened.header["value"]).all()
        found.append(opened.header["value"])
    except corpus.EtudeError:
        found.append(0)
write(3, 4)
assert os.listdir(folder.parent).count(".corpus.writing") == 0
print(line, "".join(map(str, found)))
"""


def test_a_killed_run_leaves_the_old_corpus_or_none(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "corpus"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    moments, found = run.stdout.split()
    assert int(moments) > 40
    assert found.lstrip("1").lstrip("0").lstrip("2") == ""
    assert found.count("1") > 30
    assert found.count("0") <= 2
