"""Lab 2's experiment: a small run from pairs to the report, and bad input in one sentence."""

import json

import numpy as np
import pytest

from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab2_numbers import data, experiment, measure
from toolkit.errors import EtudeError
from toolkit.training.runs import Run

SMALL = experiment.Settings(
    num_pairs=1000,
    max_digits=5,
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


def test_a_small_run_ends_in_a_report_of_both_models(tmp_path):
    run = Run.create("lab2_numbers", "quick", {}, root=tmp_path)
    experiment.run_experiment(load_tasks(load_lab(2), "solution"), SMALL, run)
    page = (run.folder / "report.html").read_text()
    for text in ("All failures of the GRU", "All failures of the Transformer", "14 digits", "1033"):
        assert text in page
    assert page.count("data:image/png") == 4
    assert {"gru", "transformer", "gru_remedy"} <= {path.name for path in run.folder.iterdir()}
    json.loads((run.folder / "settings.json").read_text())


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
