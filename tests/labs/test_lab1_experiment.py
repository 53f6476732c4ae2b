"""Lab 1's experiment on a few countries, its data and its judges."""

import dataclasses
import json
import re
import sys
from collections import Counter

import numpy as np
import pytest
from without_answers import without_answers

from labs.course import ask
from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.course.run import make_settings
from labs.lab1_names import data, experiment, train
from labs.lab1_names.measure import CountryClassifier, Judgement, fidelity, new_names, share
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.training.runs import Run
from toolkit.training.runtime import configure

pytestmark = pytest.mark.xdist_group("lab1")  # a run is made once
TINY = dataclasses.replace(
    experiment.PRESETS["quick"],
    countries="Greece,Russia",
    rnn_units=16,
    lstm_units=16,
    gru_units=16,
    transformer_units=16,
    transformer_layers=1,
    epochs=2,
    steps_per_epoch=4,
    batch_size=16,
    judged=8,
    starts="AK",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the experiment once, on two countries, with the solution."""
    tasks = load_tasks(load_lab(1), "solution")
    root = tmp_path_factory.mktemp("runs")
    settings = {**dataclasses.asdict(TINY), "code": "solution"}
    with Run.create("lab1_names", "quick", settings, root=root) as run:
        experiment.run_experiment(tasks, TINY, run)
    return run


def test_a_run_leaves_a_report_one_figure_four_networks_and_their_names(finished):
    assert {"report.html", "curves.png", "names.json"} <= {
        p.name for p in finished.folder.iterdir()
    }
    written = json.loads((finished.folder / "names.json").read_text())
    assert list(written) == ["rnn", "lstm", "gru", "transformer"]
    for architecture, lists in written.items():
        log = (finished.folder / architecture / "log.csv").read_text().splitlines()
        assert len(log) == 3
        for country in ("Greece", "Russia"):
            assert len(lists["free"][country]) == 10
            assert [name[0] for name in lists["by first letter"][country]] == ["A", "K"]
            assert len(lists["judged"][country]) == 8


def test_the_report_says_what_was_dropped_obtained_and_whose_code_ran(finished):
    page = (finished.folder / "report.html").read_text()
    for text in ("lines dropped", "real held-out names", "Transformer", "side by side", "GRUCell"):
        assert text in page


def test_a_resumed_run_does_not_tell_how_long_its_networks_trained(finished, monkeypatch):
    tasks = load_tasks(load_lab(1), "solution")
    names = data.load_names(TINY.data, ["Greece", "Russia"], TINY.max_characters, TINY.seed)
    vocabulary = tasks.build_vocabulary(
        name for some in names.split["train"].values() for name in some
    )
    names = names.within(vocabulary)
    runtime = configure(TINY.seed, TINY.precision, TINY.devices)
    monkeypatch.setattr(train, "fit", lambda *_args, **_settings: finished.part("rnn").log())
    for resumed, told in ((False, r"\d+"), (True, "–")):
        run = dataclasses.replace(finished, resumed=resumed)
        one = experiment.study(tasks, TINY, run, runtime, names, vocabulary, "rnn")
        every = share({"Greece": [True]})
        judged = {"rnn": Judgement(every, every, every)}
        row, _ = experiment.rows(TINY, [one], every, judged)
        cell = row[experiment.COLUMNS.index("seconds to train (elapsed)")]
        assert re.fullmatch(told, cell), cell


def test_the_last_epoch_is_scored_and_the_best_weights_are_loaded_again(monkeypatch, tmp_path):
    run = Run.create("lab1_names", "quick", {}, root=tmp_path)
    weights = []
    monkeypatch.setattr(train.Backup, "restore", lambda *_: weights.append("last") or 3)
    monkeypatch.setattr(train, "load_weights", lambda *_: weights.append("best"))
    monkeypatch.setattr(train, "predict", lambda *_: ())
    monkeypatch.setattr(train, "evaluate", lambda *_: len(weights))
    names = data.Names((), {"train": {}}, frozenset(), Counter(), 0)
    assert train.score_last(None, run, None, names, []) == 1
    assert weights == ["last", "best"]


def test_every_preset_is_of_known_data_and_every_promise_of_a_figure():
    for settings in experiment.PRESETS.values():
        assert settings.data in experiment.DATA_SETS
        assert settings.transformer_units % settings.num_heads == 0
    networks = ("rnn", "lstm", "gru", "transformer")
    measured = ("last", "train", "validation", "test", "fidelity", "new")
    keys = {f"{network}_{what}" for network in networks for what in measured}
    keys |= {"seconds", "sampling", "transformer_gru"}
    assert {figure.key for figure in load_lab(1).figures} <= keys


def test_a_run_without_two_networks_reports_the_others_and_says_what_is_missing(tmp_path):
    tasks = without_answers(1, tmp_path, "RNNCell", "causal_attention")
    run = Run.create("lab1_names", "quick", {}, root=tmp_path / "runs")
    experiment.run_experiment(tasks, TINY, run)
    page = (run.folder / "report.html").read_text()
    assert "RNN left out: RNNCell (task 1.4) is not written yet" in page
    assert "Transformer left out: causal_attention (task 1.7) is not written yet" in page
    assert list(json.loads((run.folder / "names.json").read_text())) == ["lstm", "gru"]


@pytest.fixture
def asked(monkeypatch):
    """Give `make lab1-ask` its options in this process; return what it printed."""

    def asked(**options) -> str:
        given = [f"--{name}={value}" for name, value in options.items()]
        monkeypatch.setattr(sys, "argv", ["ask", "1", *given])
        with console.console.capture() as printed:
            ask.main()
        return printed.get()

    return asked


def test_a_trained_run_is_asked_for_a_name_for_each_letter(finished, asked):
    printed = asked(run=finished.folder, country="Greek", letters="kA")
    assert "the run has no country 'Greek': Greece is taken" in printed
    rows = [line.split() for line in printed.splitlines()]
    names = {row[0]: row[1:] for row in rows if row[0] in experiment.TITLES.values()}
    assert list(names) == ["RNN", "LSTM", "GRU", "Transformer"]
    for theirs in names.values():
        assert [name[0] for name in theirs if name[0].isupper()][:1] == ["K"]


@pytest.mark.parametrize(
    ("country", "letters", "reason"),
    [
        ("Atlantis", "A", "no country 'Atlantis': there are Greece, Russia"),
        ("Greece", "AÄ", "no name has 'Ä'"),
        ("Greece", "", "make lab1-ask COUNTRY=Greece LETTERS=ABC"),
    ],
)
def test_a_question_that_cannot_be_asked_gets_a_sentence(finished, asked, country, letters, reason):
    with pytest.raises(EtudeError, match=reason):
        asked(run=finished.folder, country=country, letters=letters)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"countries": "Grece"}, "did you mean Greece"),
        ({"countries": "Atlantis"}, "there are Croatia, England"),
        ({"starts": "AÄ"}, "'Ä'"),
    ],
)
def test_what_cannot_run_is_said_before_training(tmp_path, change, words):
    settings = dataclasses.replace(TINY, **change)
    run = Run.create("lab1_names", "quick", dataclasses.asdict(settings), root=tmp_path)
    with pytest.raises(EtudeError, match=words):
        experiment.run_experiment(load_tasks(load_lab(1), "solution"), settings, run)
    assert not run.path("rnn").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("balance=2", "balance is"),
        ("temperature=-1", "temperature is"),
        ("num_heads=5", "num_heads 5 does not divide"),
        ("names=0", "names is"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, words):
    with pytest.raises(EtudeError, match=words):
        make_settings(experiment, "quick", {}, setting)


# Data


def test_the_embedded_lists_are_long_enough_and_ascii():
    names = data.load_names("faker")
    assert {"Greece", "Russia"} <= set(names.countries)
    for country in names.countries:
        theirs = [name for split in data.SPLITS for name in names.split[split][country]]
        assert len(theirs) == len(set(theirs))
        # Russian's 500 are 250 men's names and the same 250 with a feminine ending
        assert len(theirs) >= (250 if country == "Russia" else 390)
        assert all(name.isascii() and len(name) <= 18 for name in theirs)


def test_no_name_is_in_two_splits_also_across_countries():
    names = data.load_names("faker")
    sets = [
        {name for theirs in names.split[split].values() for name in theirs} for split in data.SPLITS
    ]
    assert len(frozenset.union(*map(frozenset, sets))) == sum(map(len, sets))
    assert len(names.shared) > 100


def test_the_split_is_always_the_same():
    assert data.load_names("faker").split == data.load_names("faker").split


@pytest.mark.parametrize(
    ("line", "name", "changed"),
    [
        ("Lu:", "Lu", True),
        ("Urbanek1", "Urbanek", True),
        (" Sze ", "Sze", False),
        ("O'Brien", "O'Brien", False),
        ("Соловьев", "Solovev", False),
        ("Παπαδόπουλος", "Papadopoulos", False),
        ("კვირიკაძე", "Kvirikadze", False),
        ("van Dijk", "Van Dijk", False),
    ],
)
def test_lines_become_ascii_without_what_is_stray(line, name, changed):
    assert data.to_ascii(line) == (name, changed)


def test_lines_are_dropped_for_a_reason_and_counted():
    lines = ["To The First  Page", "Novak", "Novak", "Novakova", "A/B", "", "Wu" * 10]
    lists = {"Czech": [*lines, "Dvorak", "Cerny", "Lu:"]}
    names = data.split_names(lists, max_characters=18, seed=0)
    kept = sorted(name for split in data.SPLITS for name in names.split[split]["Czech"])
    assert kept == ["Cerny", "Dvorak", "Lu", "Novak"]
    assert names.repaired == 1
    assert dict(names.dropped) == {
        "page furniture": 1,
        "the same again": 1,
        "feminine of another": 1,
        "no name": 2,
        "longer than 18 characters": 1,
    }


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({}, "list of countries is empty"),
        ({"Utopia": []}, "Utopia has no names"),
        ({"Utopia": ["More", "More"]}, "Utopia has one name"),
    ],
)
def test_a_list_that_cannot_be_split_is_said(lists, words):
    with pytest.raises(EtudeError, match=words):
        data.split_names(lists, 18, 0)


def test_names18_is_cleaned_of_what_it_carries(shared_data, monkeypatch):
    monkeypatch.setattr(data, "dataset_folder", lambda name: shared_data / "names")
    names = data.load_names("names18")
    assert len(names.countries) == 18
    assert names.dropped["page furniture"] == 24
    assert {"Rafaj", "Urbanek", "Whitmire", "Lu", "Jevolojnov", "Lytkin"} <= names.known
    assert all(
        name.replace(" ", "").replace("-", "").replace("'", "").isalpha() for name in names.known
    )


def test_balance_draws_countries_evenly_or_as_they_come():
    def drawn(balance):
        rows = data.draw_rows({"large": 90, "small": 10}, balance, 0)
        return [sum(country == name for country, _ in rows) for name in ("large", "small")]

    assert drawn(1.0) == [90, 90]
    assert drawn(0.0) == [90, 10]
    assert drawn(0.5) == [90, 30]
    indices = [index for country, index in data.draw_rows({"a": 9, "b": 4}, 1, 0) if country == "b"]
    assert max(np.bincount(indices)) - min(np.bincount(indices)) <= 1


# Judges


def test_a_classifier_knows_a_country_by_its_endings():
    names = {"Greece": ["Adidis", "Elidis", "Ofidis"], "Russia": ["Adov", "Elov", "Ofov"]}
    classifier = CountryClassifier(names)
    assert classifier.guess("Karidis") == "Greece"
    assert classifier.guess("Karov") == "Russia"
    result = fidelity(classifier, {"Greece": ["Bidis", "Bov"], "Russia": ["Bov"]}, frozenset())
    assert (result.value, result.count) == (0.75, 3)


def test_a_share_weighs_countries_evenly_and_its_interval_covers_it():
    rng = np.random.default_rng(0)
    truth = {"a": 0.9, "b": 0.5}
    sizes = {"a": 20, "b": 80}
    covered = 0
    for _ in range(1000):
        result = share({name: list(rng.random(sizes[name]) < truth[name]) for name in truth})
        covered += abs(result.value - 0.7) <= result.margin
    # 95 % of 1,000 with five standard deviations on either side
    assert covered == pytest.approx(950, abs=35)


def test_new_names_are_those_of_no_list():
    known = frozenset({"Adov"})
    result, fresh = new_names({"Russia": ["Adov", "Bov"], "Greece": ["Adov"]}, known)
    assert (result.value, fresh) == (0.25, {"Russia": ["Bov"], "Greece": []})
