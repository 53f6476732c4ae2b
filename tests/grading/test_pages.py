"""Report, class page and verdicts in a browser: nothing breaks or is fetched, all can read."""

import numpy as np
import pytest
import soundfile
from browser import ALL_VIEWS, TWO_VIEWS, chromium, faults
from test_class_page import OWN, overview, renamed, result

from grading.checks.assertions import CheckFailed, assert_close
from grading.classroom.changes import changes, class_record
from grading.classroom.page import class_html
from grading.classroom.similarity import fingerprint, similar_pairs
from grading.core.results import Check
from grading.core.session import Session
from grading.doors.notebook import verdict_html
from labs.course.catalogue import load_lab
from toolkit.report.plots import plot_curves
from toolkit.report.report import Picture, Promise, Report, Sample
from toolkit.training.runs import Run

pytestmark = pytest.mark.xdist_group("pages")
LAB = load_lab(3)


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(params=["two", pytest.param("all", marks=pytest.mark.verify)])
def views(request):
    """How pages are looked at: two views show each width and each scheme."""
    return TWO_VIEWS if request.param == "two" else ALL_VIEWS


def report_of(folder):
    """A report with every kind of section."""
    run = Run.create("lab3_notes", "quick", {"epochs": 3}, stamp={"Etude": "9.9"}, root=folder)
    wav, midi = run.path("audio/a b.wav"), run.path("midi/a.mid")
    soundfile.write(wav, np.sin(np.arange(22050) / 20), 44100)
    midi.touch()
    plot_curves({"epoch": [1, 2], "loss": [2.0, 1.0]}, run.path("loss.png"), "loss", "loss")
    picture = Picture(run.path("loss.png"), "loss falls", "The loss.")
    report = Report(run, "An LSTM that writes notes", "It trained for three epochs.")
    promises = [Promise("loss", "at most 2", "1.9", True), Promise("time", "at most 3", "4", False)]
    report.add_promises("Promised", [*promises, Promise("accuracy", "at least 0.5", "–", None)])
    report.add_text("How", "A paragraph.")
    report.add_pictures("Learning", [picture])
    report.add_pictures("Both", [picture, picture])
    many = [f"a long heading of column {number}" for number in range(9)]
    report.add_table("Wide", many, [[f"row {n}", *np.arange(8) / 7] for n in range(3)])
    measures = {"repetition": 0.21, "entropy": 1234.5}
    samples = [
        Sample(f"piece {n}", "temperature 1", measures, midi, wav, picture) for n in range(2)
    ]
    report.add_samples("Listen", [*samples, Sample("silent", "argmax")])
    report.add_code("Code", [("3.1", "score_to_tokens", "yours"), ("3.2", "other", "borrowed")])
    return report.write()


def test_a_report_can_be_read_by_all(browser, views, tmp_path):
    assert faults(browser, report_of(tmp_path), views) == []


def test_a_class_page_can_be_read_by_all(browser, views, tmp_path):
    long = "expected [1, 2], got [3, 4]; first at [0]: 3 instead of 1 " * 5
    results = [result(f"student{n:02d}") for n in range(4)]
    results += [result(f"failed{n:02d}", ["test_windows_shift"], long) for n in range(3)]
    results += [result("late", ["test_windows_mask"], "did not come back", died=True)]
    results += [result("x" * 120), result("two") | {"problem": "two files: a.py and b.py"}]
    before = class_record([result(one["student"]) for one in results], None)
    moved, unchanged = changes(class_record(results, before))
    source = LAB.solution_file.read_text(encoding="utf-8")
    prints = {f"s{n}": fingerprint(source, LAB) for n in range(20)}
    prints |= {"anna": fingerprint(OWN, LAB), "bert": fingerprint(renamed(OWN), LAB)}
    page = class_html(
        LAB,
        results,
        overview(
            links={one["student"]: "students/a.json" for one in results},
            changes=moved,
            unchanged=unchanged,
            since="1 November 2026",
            pairs=similar_pairs(prints),
            absent=["Dora D"],
            unknown=["late"],
            left_out=["notes.txt"],
        ),
    )
    path = tmp_path / "class.html"
    path.write_text(page, encoding="utf-8")
    assert faults(browser, path, views) == []


@pytest.fixture(scope="module")
def verdict():
    """A failed task with pictures, a long message and markup in it, in a page of its own."""
    check = Check("seen", "3.4", "targets <b>are</b> the inputs", 1, False, None)
    hidden = Check("unseen", "3.4", "masks", 1, True, None)
    session = Session(LAB, "solution", [check, hidden])
    task = session.result.task("3.4")
    with pytest.raises(CheckFailed) as failure:
        assert_close(np.eye(6, 9), np.tri(6, 9))
    task.checks[0].outcome = task.checks[1].outcome = "failed"
    task.checks[0].difference = failure.value.difference
    task.checks[0].message = f"{failure.value}\nin f({'[1, 2, 3], ' * 30})"
    task.checks[1].message = "a hidden check of this property failed: a wrong value came back"
    session.close()
    return verdict_html(session, task)


JUPYTER = """body { background: #fff; color: rgba(0, 0, 0, .87); }
@media (prefers-color-scheme: dark) { body { background: #111; color: #fff; } }"""
COLAB_DARK = "body { background: #383838; color: #d5d5d5; }"


@pytest.mark.parametrize("style", [JUPYTER, COLAB_DARK], ids=["Jupyter", "Colab, dark"])
def test_a_verdict_can_be_read_by_all_in_a_notebooks_colours(
    browser, verdict, style, views, tmp_path
):
    path = tmp_path / "verdict.html"
    head = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    head += f"<title>A notebook</title><style>{style}</style>"
    body = f"<main><h1>A notebook</h1>{verdict}</main>"
    page = f"<!DOCTYPE html><html lang='en'><head>{head}</head><body>{body}</body></html>"
    path.write_text(page, encoding="utf-8")
    assert faults(browser, path, views) == []


def test_the_class_table_is_sorted_by_its_buttons(browser, tmp_path):
    names = ["bert", "anna", "cleo"]
    results = [result(name, ["test_windows_shift"] if name == "anna" else []) for name in names]
    path = tmp_path / "class.html"
    path.write_text(class_html(LAB, results, overview()), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())

    def order():
        return page.locator(".students tbody th").all_inner_texts()

    page.get_by_role("button", name="student").press("Enter")
    assert order() in (sorted(names), sorted(names)[::-1])
    page.get_by_role("button", name="points").press("Enter")
    assert order()[0] == "anna" or order()[-1] == "anna"
    page.close()


def test_a_broken_page_is_found_out(browser, tmp_path):
    """The examiner itself: each of its findings on a page that has it."""
    path = tmp_path / "broken.html"
    path.write_text(
        "<!DOCTYPE html><html><head><title>x</title></head><body>"
        "<div style='width: 3000px'>wide</div><img src='https://example.org/a.png'>"
        "<audio controls src='data:audio/mpeg;base64,AAAA'></audio>"
        "<p style='color: #ccc; background: #fff'>pale</p>"
        "<a href='#x' style='outline: none; position: absolute; left: -999px'>away</a>"
        "<script>console.error('no'); undefined.x</script></body></html>",
        encoding="utf-8",
    )
    found = "\n".join(faults(browser, path, TWO_VIEWS))
    for word in (
        "400, dark: ",
        "1400, light: wider than the window by",
        "fetches https://example.org/a.png",
        "sound 0: ",
        "console error: no",
        "script: ",
        "axe html-has-lang",
        "axe image-alt",
        "axe color-contrast",
        "focus is not seen on <a href",
        "focus is not marked on <a href",
    ):
        assert word in found, word
