"""`make rank` on a made-up class: pieces, copies, files that are broken or mean harm."""

import csv
import json
import struct
import zipfile

import jsonschema
import mido
import numpy as np
import pytest
from browser import TWO_VIEWS, chromium, faults
from test_gradescope import RESULTS

from grading.classroom import rank
from grading.classroom.ranking import rank_class
from grading.classroom.ranking_page import ranking_html
from grading.doors import gradescope
from grading.lab6.leaderboard import scores
from grading.lab6.leaderboard.pieces import BARS, MOST, NOTES, Reader, cut, is_ended, midi_files
from grading.sandbox.workers import Zygote
from labs.course.catalogue import load_lab
from labs.lab6_language_models.measure import RUN, Group, excerpt
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.music.midi import write_midi
from toolkit.music.pieces import to_sequence

pytestmark = pytest.mark.xdist_group("ranking")
SCALE = np.array([60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79])
UNUSABLE = "{} cannot be used, {}: choose another MIDI file."


def made(rng, bars=12):
    """Rows of a piece: chords of four on beats, the last one held."""
    steps = [4 * beat for beat in range(4 * bars - 2) if beat % 4 == 0 or rng.random() < 0.8]
    rows = [
        (step // 16, step % 16, pitch, 8 if step == steps[-1] else 4, 64)
        for step in steps
        for pitch in sorted(rng.choice(SCALE, 4, replace=False), reverse=True)
    ]
    return np.array(rows)


def split(rng, name, count):
    """Made-up pieces as a split of a corpus."""
    pieces = [grid.encode(made(rng), velocities=False) for _ in range(count)]
    offsets = np.cumsum([0, *map(len, pieces)])
    return Split(np.concatenate(pieces), offsets, [f"{name} {n}" for n in range(count)])


@pytest.fixture(scope="module", autouse=True)
def splits():
    """Have the data set hold a few made-up pieces."""
    rng = np.random.default_rng(5)
    few = {name: split(rng, name, count) for name, count in (("train", 12), ("validation", 4))}
    few["test"] = split(rng, "test", 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "load_splits", lambda data: few)
        yield few


@pytest.fixture(scope="module")
def board():
    return scores.Board()


def put(path, rows):
    """Write a piece as the lab writes what a model generated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_midi(to_sequence(grid.to_piece(rows, 84.0)), path)


def saved(path, tracks, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(tracks=tracks, **settings).save(path)


def struck(count, ticks):
    """A track of one key, struck again and again."""
    track = mido.MidiTrack()
    for _ in range(count):
        track.append(mido.Message("note_on", note=60, velocity=60))
        track.append(mido.Message("note_off", note=60, time=ticks))
    return track


BROKEN = {
    "empty.mid": "it is empty",
    "endless number.mid": "it has something after tick 268,435,455, days from its start",
    "hour.mid": f"it is 1,800 bars long, and a piece may have {BARS}",
    "large.mid": "it is larger than 250 kB",
    "many notes.mid": f"it has 10,500 notes, and a piece may have {NOTES:,}",
    "no midi.mid": "it cannot be read (MThd not found. Probably not a MIDI file)",
    "short.mid": "too little comes after its first 2 bars, a piece needs 2 bars and 16 notes there",
    "silent.mid": "it holds no notes",
    "tracks.mid": "it has 10,000 tracks, and a piece may have 100",
    "truncated.mid": "it cannot be read (it is truncated)",
    "twin.mid": "it holds the same as good 1.mid",
    "waltz.mid": "it is in 3/4, and only bars of 4/4 can be encoded",
}


def put_broken(folder, good):
    """Write what `BROKEN` names."""
    saved(folder / "hour.mid", [struck(1800, 1920)], ticks_per_beat=480)
    saved(folder / "many notes.mid", [struck(10_500, 1)])
    saved(folder / "short.mid", [struck(12, 480)], ticks_per_beat=480)
    saved(folder / "silent.mid", [mido.MidiTrack()])
    saved(folder / "tracks.mid", [mido.MidiTrack() for _ in range(10_000)])
    waltz = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=3, denominator=4)])
    saved(folder / "waltz.mid", [waltz])
    put(folder / "twin.mid", good)
    whole = (folder / "twin.mid").read_bytes()
    # a time of more bytes than any number that a machine counts with
    endless = b"\xff" * 2000 + b"\x7f\x90\x3c\x40" + b"\x00\x80\x3c\x40" + b"\x00\xff\x2f\x00"
    for name, content in {
        "empty.mid": b"",
        "endless number.mid": b"MThd" + struct.pack(">LHHH", 6, 1, 1, 480) + b"MTrk"
        + struct.pack(">L", len(endless)) + endless,
        "large.mid": whole + bytes(300_000),
        "no midi.mid": b"<html>a page</html>",
        "truncated.mid": whole[: len(whole) // 2],
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def submissions(splits, tmp_path_factory):
    """A class's folder."""
    top = tmp_path_factory.mktemp("class")
    rng = np.random.default_rng(8)
    for number in range(3):
        put(top / "anna" / f"{number}.mid", made(rng))
    training = grid.decode(splits["train"].piece(7), velocities=False)[0]
    put(top / "copy" / "mine.mid", training + np.array([0, 0, 5, 0, 0]))  # in another key
    put(top / "copy" / "own.mid", made(rng))
    goods = [made(rng), made(rng)]
    for number, rows in enumerate(goods, start=1):
        put(top / "frida" / f"good {number}.mid", rows)
    put_broken(top / "frida", goods[0])
    with zipfile.ZipFile(top / "zoe.zip", "w") as archive:
        archive.write(top / "anna" / "0.mid", "pieces/0.mid")
        archive.write(top / "anna" / "1.mid", "pieces/1.midi")
    with zipfile.ZipFile(top / "harm.zip", "w") as archive:
        archive.write(top / "anna" / "0.mid", "good.mid")
        archive.write(top / "anna" / "0.mid", "../../evil.mid")
    (top / "nothing").mkdir()
    put(top / "one.mid", made(rng))
    put(top / "two.mid", made(rng))
    put(top / "two" / "1.mid", made(rng))
    (top / "read me.txt").write_text("x")
    return top


@pytest.fixture(scope="module")
def ranking(submissions):
    return rank_class(submissions, "chorales")


@pytest.fixture(scope="module")
def written(ranking, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranking")
    rank.write_ranking(ranking, folder)
    return folder


# A class


def test_each_broken_file_costs_itself_alone_and_says_why(ranking):
    (frida,) = (one for one in ranking.ranked if one.student == "frida")
    assert [piece.name for piece in frida.score.pieces] == ["good 1.mid", "good 2.mid"]
    assert frida.entry.problems == [UNUSABLE.format(*pair) for pair in BROKEN.items()]


def test_a_zip_that_means_harm_is_refused_and_costs_nobody_else(ranking, submissions):
    assert {one.student: one.entry.problems for one in ranking.without} == {
        "harm": ["harm.zip holds '../../evil.mid', a path out of its folder"],
        "nothing": ["There is no .mid or .midi file."],
        "two": ["two files: two and two.mid; keep the one that counts"],
    }
    assert not (submissions.parent / "evil.mid").exists()


def test_the_closest_comes_first_and_copies_are_apart(ranking):
    assert {one.student for one in ranking.ranked} == {"anna", "frida", "one", "zoe"}
    distances = [one.score.distance.value for one in ranking.ranked]
    assert distances == sorted(distances)
    (copy,) = ranking.copies
    assert (copy.student, copy.score.worst.name) == ("copy", "mine.mid")
    assert copy.score.worst.source == "train 7"
    assert copy.score.worst.copied == 1
    assert copy.score.worst.longest == copy.score.worst.notes
    assert copy.score.copied == 0.5
    assert copy.played.name == "mine.mid"
    assert ranking.left_out == ["read me.txt"]


def test_files_zips_and_folders_are_read_alike(ranking):
    scores = {one.student: one.score for one in ranking.ranked}
    assert [piece.name for piece in scores["zoe"].pieces] == ["pieces/0.mid", "pieces/1.midi"]
    for ours, theirs in zip(scores["zoe"].pieces, scores["anna"].pieces[:2], strict=True):
        assert (ours.bars, ours.notes, ours.ends) == (theirs.bars, theirs.notes, theirs.ends)
    assert [piece.name for piece in scores["one"].pieces] == ["one.mid"]


def test_page_table_and_record_hold_the_ranking(ranking, written):
    page = (written / "ranking.html").read_text()
    for words in ("4 ranked, 1 over the copying limit", "notes of train 7", "larger than 250 kB"):
        assert words in page
    rows = list(csv.DictReader((written / "ranking.csv").open()))
    assert [row["student"] for row in rows] == [one.student for one in ranking.entries]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "", "", "", ""]
    assert rows[4]["remark"] == "over the copying limit"
    assert rows[5]["remark"].startswith("no piece counts: harm.zip holds")
    record = json.loads((written / "ranking.json").read_text())
    assert record["entries"][0]["student"] == ranking.ranked[0].student
    assert record["entries"][4]["rank"] is None
    heard = [one for one in ranking.entries if one.played]
    assert len({one.sound for one in heard}) == len(heard) == 5
    assert all((written / one.sound).stat().st_size > 10_000 for one in heard)


def test_hostile_names_are_text(ranking, submissions, tmp_path):
    evil = "</td><script>alert(1)<"
    put(tmp_path / f"=cmd{evil.replace('/', '')}" / "a.mid", made(np.random.default_rng(1)))
    (tmp_path / f"=cmd{evil.replace('/', '')}" / "<b>\x1b[2J.mid").write_bytes(b"")
    evils = rank_class(tmp_path, "chorales")
    page = ranking_html(evils)
    assert page.count("<script>") == 1
    assert "<b>" not in page
    assert "\x1b" not in page
    assert rank.ranking_csv(evils).splitlines()[1].startswith("1,'=cmd")


def test_bad_choices_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(EtudeError, match=r"holds no submission: it needs a \.mid, \.midi or \.zip"):
        rank_class(tmp_path, "chorales")
    (tmp_path / "a.mid").touch()
    with pytest.raises(EtudeError, match="DATA=nothing: choose one of chorales, pop1k7"):
        rank_class(tmp_path, "nothing")
    for words, sentence in (
        ([], "whose pieces"),
        (["--submissions", str(tmp_path), "--results", str(tmp_path / "a")], "lies in what was"),
    ):
        monkeypatch.setattr("sys.argv", ["rank", *words])
        with pytest.raises(EtudeError, match=sentence):
            rank.main()


def test_the_page_can_be_read_by_all(written):
    with chromium() as browser:
        found = faults(browser, written / "ranking.html", TWO_VIEWS)
        # nothing is fetched before somebody listens
        assert [one for one in found if "it has no length" not in one] == []
        page = browser.new_page()
        page.goto((written / "ranking.html").as_uri())
        page.evaluate("document.querySelector('audio').load()")
        page.evaluate("document.querySelector('audio').preload = 'metadata'")
        page.wait_for_function("document.querySelector('audio').duration > 5")


# One student's files


def test_a_file_is_measured_as_the_lab_measures_what_it_wrote(board, tmp_path):
    rows = made(np.random.default_rng(3), bars=30)
    put(tmp_path / "piece.mid", rows)
    reader = Reader(board.settings)
    files, problems = midi_files(tmp_path / "piece.mid")
    (read,), others = reader.read(files)
    reader.close()
    settings = board.settings
    first = excerpt("", grid.encode(rows, False), settings.primer_bars, settings.bars)
    assert not [*problems, *others]
    assert np.array_equal(read.notes, first.notes)
    assert (read.bars, read.ends) == (settings.bars, True)


def test_no_more_than_so_many_files_are_read(board, tmp_path):
    for number in range(MOST + 2):
        (tmp_path / f"{number:02d}.mid").write_bytes(b"")
    reader = Reader(board.settings)
    excerpts, problems = reader.read(midi_files(tmp_path)[0])
    reader.close()
    assert not excerpts
    assert len(problems) == MOST + 1
    assert problems[-1] == f"Of {MOST + 2} files only the first {MOST}, by name, are read."


def test_zips_in_a_folder_are_read_and_a_broken_one_costs_itself(submissions, tmp_path):
    (tmp_path / "a.zip").write_bytes((submissions / "zoe.zip").read_bytes())
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 and no more")
    files, problems = midi_files(tmp_path)
    assert sorted(files) == ["a.zip/pieces/0.mid", "a.zip/pieces/1.midi"]
    assert problems == ["b.zip is not a zip that can be read"]


# What a worker does that a file has taken over
TAKEN = """
import os, time
import numpy as np

def read(content):
    match content[0]:
        case 1: os._exit(0)
        case 2: open("/etc/passwd").read()
        case 3: return np.ones((3, 4))
        case 4: return [[0, 1, 60, 64]]
        case 5: return np.array([[0, 480, 300, 64]])
        case 6: return np.array([[-5, 480, 60, 64]])
        case 7: return np.array([[0, 2**62, 60, 64]])
        case 8: return {"distance": 0}
        case 9:
            while True: pass
"""


def test_a_worker_that_a_file_has_taken_over_can_forge_nothing(board, tmp_path, monkeypatch):
    monkeypatch.setattr("grading.lab6.leaderboard.pieces.SECONDS", 1)
    (tmp_path / "taken.py").write_text(TAKEN)
    reader = Reader(board.settings)
    reader.close()
    reader.zygote = Zygote(("numpy",), tmp_path / "taken.py")
    files = {f"{number}.mid": lambda number=number: bytes([number]) for number in range(1, 10)}
    excerpts, problems = reader.read(files)
    reader.close()
    no_process, no_sense = (
        "no process can read it within 1 s",
        "what was read from it makes no sense",
    )
    reasons = [no_process, "it is broken", *[no_sense] * 6, no_process]
    assert not excerpts
    assert problems == [UNUSABLE.format(*pair) for pair in zip(files, reasons, strict=True)]


def test_what_is_no_array_of_notes_is_refused(board):
    good = np.array([[0, 480, 60, 64]])
    for wrong in (good.astype("i4"), good[:, :3], good[0], good[:0], None, good - 100, 2 * good):
        with pytest.raises(EtudeError, match="makes no sense"):
            cut("x.mid", wrong, board.settings)


# Measures


def test_the_distance_is_the_one_of_the_labs_report(board, ranking):
    group = Group("", board.unseen, values=board.reference.measure(board.unseen))
    group.delta[:] = np.abs(group.values.mean(axis=0) - board.reference.means)
    far = ranking.unseen.distance
    assert far.value == pytest.approx(board.reference.closeness(group), rel=1e-12)
    assert far.low <= far.high


def test_runs_are_counted_as_lab_6_counts_them(board, splits):
    rng = np.random.default_rng(2)
    source = board.reference.pieces[3]
    for length in (5, 16, 17, 40, len(source)):
        piece = np.concatenate([source[:length], made(rng)[:, :3] + np.array([20, 0, 0])])
        lengths, _ = board.tasks.copied_lengths(piece, board.reference.pieces, True)
        want = (lengths[RUN - 1 :] >= RUN).mean()
        assert board.copied(piece) == pytest.approx(want, abs=1e-12)
        assert (want > 0) == (length >= 16)


def test_a_piece_ends_with_a_chord_that_is_held():
    rows = made(np.random.default_rng(4))
    assert is_ended(rows)
    assert not is_ended(rows[:-2])  # two notes are left of the chord
    short = rows.copy()
    short[-4:, 3] = 3
    assert not is_ended(short)


# Gradescope


def test_the_leaderboard_has_the_rankings_figures(ranking, submissions):
    lines, told = gradescope.leaderboard(load_lab(6), submissions / "anna")
    (anna,) = (one for one in ranking.ranked if one.student == "anna")
    values = {line["name"]: line["value"] for line in lines}
    assert values["distance"] == round(anna.score.distance.value, 4)
    assert (values["pieces"], values["ends"]) == (3, 1.0)
    assert told == []
    board = {"type": "array", "items": {"required": ["name", "value"], "type": "object"}}
    jsonschema.validate({"tests": [TEST_RESULT], "leaderboard": lines}, RESULTS)
    jsonschema.validate(lines, board)


TEST_RESULT = {"score": 1.0, "max_score": 1.0, "name": "x", "status": "passed"}


def test_copies_are_told_and_no_leaderboard_has_them(submissions, tmp_path):
    lines, (told,) = gradescope.leaderboard(load_lab(6), submissions / "copy")
    assert lines == []
    assert told.startswith("Not on the leaderboard: 50.0% of the runs of 16 notes stand in a train")
    assert "notes of mine.mid are those of train 7." in told
    lines, told = gradescope.leaderboard(load_lab(6), submissions / "frida")
    assert len(lines) == 7
    assert len(told) == len(BROKEN)
    (tmp_path / "a.mid").touch()
    lines, told = gradescope.leaderboard(load_lab(6), tmp_path)
    assert lines == []
    assert told[0] == "Not on the leaderboard: none of the pieces counts."


def test_without_pieces_or_in_another_lab_there_is_no_leaderboard(submissions, tmp_path):
    assert gradescope.leaderboard(load_lab(6), tmp_path) == ([], [])
    assert gradescope.leaderboard(load_lab(3), submissions / "anna") == ([], [])


def test_what_goes_wrong_with_a_leaderboard_costs_no_points(submissions, monkeypatch):
    def broken(data):
        raise ValueError("of all things")

    monkeypatch.setattr(scores, "load_splits", broken)
    told = gradescope.leaderboard(load_lab(6), submissions / "anna")
    assert told == ([], ["the leaderboard could not be filled: of all things"])
