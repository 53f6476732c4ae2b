"""What the class's table and page say, and what they make of hostile text."""

import csv
import io
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from light_class import LAB

from grading.classroom.changes import changes, class_record
from grading.classroom.page import (
    Overview,
    class_csv,
    class_html,
    clusters,
    guarded,
    histogram,
    pattern,
)
from grading.classroom.run import Job, state_of, ungraded
from grading.classroom.similarity import ALIKE, MAX_TOKENS, fingerprint, similar_pairs
from grading.classroom.submissions import Handed, Person
from labs.course.stubs import stubbed

SOLUTION = LAB.solution_file.read_text(encoding="utf-8")
STUBS = stubbed(SOLUTION, {task.name: task.id for task in LAB.tasks})


def result(name, failed=(), message="expected 1, got 2", digest="a", person=None, died=False):
    """A result that passed but for the checks named."""
    person = person or Person(name)
    handed = Handed(name, (person,), f"{name}.py", digest.encode())
    made = ungraded(Job(LAB.number, handed, state_of(LAB)), "passed", "")
    for task in made["tasks"]:
        for check in task["checks"]:
            if check["name"] in failed:
                check |= {"outcome": "failed", "message": message, "earned": 0.0, "died": died}
        task["earned"] = sum(
            check["points"] for check in task["checks"] if check["outcome"] == "passed"
        )
        task["outcome"] = "failed" if task["earned"] < task["possible"] - 1e-6 else "passed"
    made["earned"] = sum(task["earned"] for task in made["tasks"])
    return made


def overview(**facts):
    blank = {"links": {}, "changes": [], "unchanged": 0, "since": None, "pairs": []}
    return Overview(**blank | {"absent": [], "unknown": [], "doubled": [], "left_out": []} | facts)


def test_no_cell_is_a_formula_and_numbers_stay_numbers():
    names = [
        "=cmd|' /C calc'!A0",
        "+1",
        "-2",
        "@SUM(A1)",
        "\u200b=1",
        " ＝1",
        "王芳",
        'a"b,c',
        "x-y",
    ]
    results = [result(name, person=Person(name, name, name)) for name in names]
    rows = list(csv.reader(io.StringIO(class_csv(LAB, results, [Person("=absent")]))))
    assert [row[0] for row in rows[1:]] == [
        *(f"'{name}" for name in names[:6]),
        *names[6:],
        "'=absent",
    ]
    assert guarded('x;=HYPERLINK("http:evil")') == 'x;\'=HYPERLINK("http:evil")'
    assert float(rows[1][4]) == 100
    assert guarded(-2.5) == -2.5


@given(st.text(st.sampled_from("=＝+＋-－@＠ax1 \u200b\u202e\xa0\u3000\"';\t\r\n")))
def test_no_part_of_a_cell_starts_a_formula(text):
    for part in re.split(r"[;\t\r\n]", guarded(text)):
        assert part.strip(' \u200b\u202e\xa0\u3000"')[:1] not in tuple("=＝+＋-－@＠")
    assert guarded(text).replace("'", "") == text.replace("'", "")


def test_points_have_two_decimals():
    one = result("anna") | {"earned": 84.5382}
    one["tasks"][0]["earned"] = 1.23456
    (row,) = csv.DictReader(io.StringIO(class_csv(LAB, [one], [])))
    assert (row["points"], row["3.1"]) == ("84.54", "1.23")
    assert one["earned"] == 84.5382


def test_each_of_a_group_has_a_row():
    one = result("7+8") | {
        "people": [
            {"id": "7", "name": "Ann", "email": "a@x"},
            {"id": "8", "name": "Ben", "email": "b@x"},
        ]
    }
    rows = list(csv.DictReader(io.StringIO(class_csv(LAB, [one], []))))
    assert [(row["student"], row["name"], row["points"]) for row in rows] == [
        ("7", "Ann", "100.0"),
        ("8", "Ben", "100.0"),
    ]


@pytest.mark.parametrize("points", [[], [0.0], [100.0, 99.999999, 95.0, 94.9], [5.0] * 7])
def test_every_score_is_in_one_bar(points):
    bars = histogram(points, 100)
    assert sum(bar["count"] for bar in bars) == len(points)
    for bar in bars[:-1]:
        assert bar["count"] == sum(bar["low"] <= value < bar["high"] for value in points)


def test_failures_with_the_same_message_are_one_cluster():
    name = "test_windows_shift"
    results = [
        result("a", [name], "expected [1, 2], got [3]; first at [0]: 3 instead of 1"),
        result("b", [name], "expected [1, 2], got [9, 9]; first at [0]: 9 instead of 1"),
        result("c", [name], "make_windows([5, 6]) raised KeyError (c.py:41): 'x'"),
        result("d", [name], "make_windows([5, 6]) raised KeyError (d.ipynb, cell 9, line 4): 'y'"),
        result("e"),
    ]
    assert [row["students"] for row in clusters(results)] == [["a", "b"], ["c", "d"]]
    several = ["test_windows_shift", "test_windows_mask", "test_vocabulary_order"]
    file = result("f", several, "loading f.py raised KeyError (f.py:622): 'a'")
    (row,) = clusters([file])
    assert (row["task"], row["says"], row["students"]) == ("all", "the file", ["f"])
    assert pattern("12 of 13") == pattern("1 of 4")
    assert pattern("12 of 13") != pattern("12 in 13")


def test_hostile_text_is_text_on_the_page():
    evil = '</td><script>alert(1)</script><img src=x onerror=alert(2)>" onload="'
    page = class_html(
        LAB,
        [result(evil, ["test_windows_shift"], evil)],
        overview(links={evil: f"students/{evil}.json"}, absent=[evil], left_out=[evil]),
    )
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert not re.search(r"<[^>]*\sonload=", page)
    assert "http://" not in page
    assert "https://" not in page


def test_the_page_says_what_needs_a_look():
    late = result("late", ["test_windows_mask"], "did not come back", died=True)
    two = result("two") | {"problem": "two files: a.py and b.py"}
    page = class_html(LAB, [late, two], overview(unknown=["late"], absent=["Dora"]))
    for words in ("two files: a.py and b.py", "ran out of time or died", "Dora", "nothing ran"):
        assert words in page


def test_one_is_one_in_words():
    page = class_html(LAB, [result("anna")], overview(unknown=["anna"]))
    for words in ("Lab 3: 1 submission ·", "1 has full marks", "1 handed in, but not on"):
        assert words in page


def test_a_record_stays_as_long_as_nothing_changes():
    results = [result("a"), result("b")]
    first = class_record(results, None)
    assert changes(first) == ([], 0)
    assert class_record(results, first) is first
    again = json.loads(json.dumps(first))
    assert class_record(results, again) is again


def test_whose_points_moved_and_why():
    old = class_record([result("a"), result("b"), result("c"), result("gone")], None)
    new = [
        result("a", ["test_windows_mask"], digest="b"),
        result("b") | {"state": "new checks"},
        result("c", ["test_windows_mask"]),
        result("new"),
    ]
    new[2]["stamp"] = {**new[2]["stamp"], "Keras": "9.9"}
    moved, unchanged = changes(class_record(new, old))
    by_name = {change.student: change for change in moved}
    assert unchanged == 1
    assert by_name["a"].why == "another file was handed in"
    assert by_name["a"].tasks == (("3.4", 12.0, pytest.approx(new[0]["tasks"][3]["earned"])),)
    assert by_name["a"].checks == ("the mask is False at padding: passed, now failed",)
    assert "→ 9.9" in by_name["c"].why
    assert by_name["gone"].after is None
    assert by_name["new"].before is None
    (other, both) = ({**result("a", ["test_windows_mask"]), "secret": "s"} for _ in range(2))
    both["state"] = "new checks"
    for one, words in (
        (other, "the course's secret changed"),
        (both, "hidden checks, solution or points changed; the course's secret changed"),
    ):
        (change,) = changes(class_record([one], class_record([result("a")], None)))[0]
        assert change.why == words
    same = result("a", ["test_windows_mask"])
    (change,) = changes(class_record([same], class_record([result("a")], None)))[0]
    assert change.why == "the same file and the same checks, graded again"


# Similar pairs

OWN = '''
def build_vocabulary(pieces, min_count=1):
    """Sort."""
    # my own way
    tally = {}
    for piece in pieces:
        for token in piece:
            if token in SPECIALS:
                continue
            tally.setdefault(token, []).append(1)
    frequent = [token for token, ones in tally.items() if len(ones) >= min_count]
    frequent.sort()
    frequent.sort(key=lambda token: sum(tally[token]), reverse=True)
    return [*SPECIALS, *frequent]
'''


def renamed(text):
    for old, new in (("tally", "zaehler"), ("frequent", "haeufig"), ("token", "wort")):
        text = re.sub(rf"\b{old}\b", new, text)
    return re.sub(r"# my own way", "# meine Idee\n", text).replace('"""Sort."""', '"""Hm."""')


def test_a_renamed_copy_is_found_and_what_many_have_is_not():
    prints = {f"s{i}": fingerprint(SOLUTION, LAB) for i in range(20)}
    prints["anna"] = fingerprint(OWN, LAB)
    prints["bert"] = fingerprint(renamed(OWN), LAB)
    (pair,) = similar_pairs(prints)
    assert (pair.one, pair.other) == ("anna", "bert")
    assert [part.task for part in pair.shared] == ["3.3"]
    assert pair.shared[0].alike >= ALIKE
    assert pair.shared[0].students == 2


def test_stubs_and_unwritten_tasks_are_no_evidence():
    assert fingerprint(STUBS, LAB) == {}
    layer = SOLUTION + "\n# the same"
    assert similar_pairs({"a": fingerprint(STUBS, LAB), "b": fingerprint(layer, LAB)}) == []
    assert similar_pairs({}) == []


def test_a_long_answer_is_compared_up_to_a_bound_and_takes_no_longer_than_it_is_long():
    methods = "".join(f"    def m{number}(self): pass\n" for number in range(12_000))
    began = time.process_time()
    assert len(fingerprint(f"class build_vocabulary:\n{methods}", LAB)["3.3"]) == MAX_TOKENS
    assert time.process_time() - began < 5  # 0.5 s; the square of it is 14
