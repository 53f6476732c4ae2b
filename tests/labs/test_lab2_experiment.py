"""Lab 2's experiment: a small run from pairs to the report, and bad input in one sentence."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from without_answers import without_answers

from labs.course import ask
from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab2_numbers import data, experiment, measure
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.training.runs import Run

pytestmark = pytest.mark.xdist_group("lab2")  # a run is made once
SMALL = experiment.Settings(
    num_pairs=1000,
    max_digits=5,
    beam_numbers=5,
    gru_embedding_dim=4,
    gru_units=8,
    gru_epochs=1,
    d_model=8,
    num_heads=2,
    ff_dim=8,
    num_layers=1,
    transformer_epochs=1,
    steps_per_epoch=3,
    batch_size=16,
    validation_numbers=20,
    decode_batch=64,
    beyond=5,
    few=5,
    remedy_epochs=1,
)


TRANSFORMERS = ("MultiHeadAttention", "DecoderBlock")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the experiment once with the solution; the run and what was printed."""
    root = tmp_path_factory.mktemp("runs")
    settings = {**dataclasses.asdict(SMALL), "code": "solution"}
    with (
        console.console.capture() as printed,
        Run.create("lab2_numbers", "quick", settings, root=root) as run,
    ):
        experiment.run_experiment(load_tasks(load_lab(2), "solution"), SMALL, run)
    return run, printed.get()


def test_a_small_run_ends_in_a_report_of_both_models(finished):
    run, _ = finished
    page = (run.folder / "report.html").read_text()
    for text in ("All failures of the GRU", "All failures of the Transformer", "14 digits", "1033"):
        assert text in page
    assert page.count("data:image/png") == 4
    assert "Not in this run" not in page
    assert {"gru", "transformer", "gru_remedy"} <= {path.name for path in run.folder.iterdir()}
    json.loads((run.folder / "settings.json").read_text())


def test_both_models_decode_greedily_and_by_beam_search(finished):
    run, printed = finished
    page = (run.folder / "report.html").read_text()
    for way in ("GRU, greedy", "GRU, beam of 4", "Transformer, greedy", "Transformer, beam of 4"):
        assert way in printed
        assert way in page
    assert "5 numbers never seen" in page


def test_the_lines_of_the_remedys_training_are_announced(finished):
    _, printed = finished
    assert (
        "GRU, the remedy: 1 more epoch, with 5 numbers of each of 10 to 13 digits among the others"
    ) in printed


def test_a_run_without_one_model_reports_the_other_and_says_what_is_missing(tmp_path):
    tasks = without_answers(2, tmp_path, *TRANSFORMERS, "beam_search")
    run = Run.create("lab2_numbers", "quick", {}, root=tmp_path / "runs")
    with console.console.capture() as captured:
        experiment.run_experiment(tasks, SMALL, run)
    printed, page = captured.get(), (run.folder / "report.html").read_text()
    for text in (
        "Transformer left out: MultiHeadAttention (task 2.10) and DecoderBlock (task 2.12) are not "
        "written yet",
        "beam search left out: beam_search (task 2.18) is not written yet",
    ):
        assert text in printed
        assert text in page
    assert "All failures of the GRU" in page
    assert "All failures of the Transformer" not in page
    assert not run.path("transformer").exists()


def test_a_run_without_both_models_stops_at_the_first_missing_task(tmp_path):
    tasks = without_answers(2, tmp_path, *TRANSFORMERS, "AdditiveAttention")
    run = Run.create("lab2_numbers", "quick", {}, root=tmp_path / "runs")
    with pytest.raises(
        EtudeError, match=r"AdditiveAttention \(task 2\.7\) is not written yet: .*:\d"
    ):
        experiment.run_experiment(tasks, SMALL, run)


@pytest.fixture
def asked(monkeypatch):
    """Give `make lab2-ask` its options in this process; return what it printed."""

    def asked(lab: int, **options) -> str:
        given = [f"--{name}={value}" for name, value in options.items()]
        monkeypatch.setattr(sys, "argv", ["ask", str(lab), *given])
        with console.console.capture() as printed:
            ask.main()
        return printed.get()

    return asked


def test_a_trained_run_is_asked_for_words_and_where_it_looked(finished, asked):
    run, _ = finished
    printed = asked(2, run=run.folder, numbers="1033 7")
    assert "one thousand and thirty-three" in printed
    rows = [line.split() for line in printed.splitlines()]
    models = ("GRU", "GRU, remedied", "Transformer", "Transformer, remedied")
    for number in ("1033", "7"):
        theirs = [row for row in rows if row[0] == number]
        assert [" ".join(row) for row in theirs if "num2words" in row]
        assert len(theirs) == 1 + len(models)
        assert all({"right", "wrong"} & set(row) for row in theirs[1:])
    for name in ("gru", "gru_remedy", "transformer", "transformer_remedy"):
        picture = run.folder / "asked" / f"attention_{name}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.name in printed


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        ({}, r'nothing else: make lab2-ask NUMBERS="1033 90210"'),
        ({"numbers": "7", "letters": "A"}, "nothing else: make lab2-ask"),
        ({"numbers": "1033 -5"}, "-5 is negative"),
        ({"numbers": "1,000"}, "such as 1000"),
        ({"numbers": "9" * 15}, "has 15 digits"),
    ],
)
def test_a_question_that_cannot_be_asked_gets_a_sentence(finished, asked, questions, reason):
    run, _ = finished
    with pytest.raises(EtudeError, match=reason):
        asked(2, run=run.folder, **questions)


def test_a_lab_without_questions_says_so(asked):
    with pytest.raises(EtudeError, match="lab 3 cannot be asked: make lab3 trains"):
        asked(3, numbers="7")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("-5", "negative"),
        ("3.5", "decimal"),
        ("1,000,000", "such as 1000000"),
        ("9" * 400, "400 digits"),
        ("twelve", "not a whole number"),
        ("", "not a whole number"),
    ],
)
def test_a_number_that_cannot_be_read_gets_a_sentence(number, reason):
    with pytest.raises(EtudeError, match=reason) as caught:
        data.check_numbers((number,))
    assert len(str(caught.value)) < 120


def test_an_unknown_language_is_answered_with_the_nearest():
    with pytest.raises(EtudeError, match="did you mean en"):
        data.check_language("en_UK")


def test_a_share_is_never_rounded_up_to_all():
    assert measure.percent(0.99999) == "99.99 %"
    assert measure.percent(1.0) == "100.00 %"


def test_accuracies_are_of_rows_and_of_tokens():
    answers = measure.Answers(
        [(7, "seven"), (21, "twenty-one")],
        ["seven", "twenty-two"],
        np.array([True, False]),
        np.array([1.0, 0.75]),
        np.array([2, 4]),
    )
    assert answers.exact_match() == 0.5
    assert answers.exact_match(1) == 1.0
    assert answers.token_accuracy() == pytest.approx(5 / 6)
