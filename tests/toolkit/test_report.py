"""A report is one page that needs nothing else, whatever part of the run is missing."""

import base64
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from toolkit.errors import EtudeError
from toolkit.report.plots import plot_curves
from toolkit.report.report import Picture, Promise, Report, Sample
from toolkit.training.runs import Run


class Page(HTMLParser):
    """The page's elements with their attributes, its text, and each table's rows."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.in_cell = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data):
        self.text += data
        if self.in_cell:
            self.rows[-1][-1] += data.strip()

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def run(tmp_path) -> Run:
    settings = {"epochs": 3, "soundfont": None}
    return Run.create("lab3_notes", "quick", settings, stamp={"Etude": "9.9"}, root=tmp_path)


def page(report: Report) -> Page:
    return Page(report.write().read_text())


def wav(run: Run, name: str = "audio/a b.wav"):
    path = run.path(name)
    soundfile.write(path, np.sin(np.arange(22050) / 20), 44100)
    return path


def picture(run: Run) -> Picture:
    log = {"epoch": [1, 2], "loss": [2.0, 1.0]}
    plot_curves(log, run.path("loss.png"), "loss", "loss")
    return Picture(run.path("loss.png"), "loss falls", "The loss.")


def test_promises_stand_beside_what_was_obtained(run):
    report = Report(run, "Notes")
    report.add_promises(
        "Promised",
        [
            Promise("loss", "at most 2.1", "1.87", True),
            Promise("accuracy", "at least 0.5", "0.41", False),
            Promise("time", "at most 3 min", "–", None),
        ],
    )
    made = page(report)
    assert ["loss", "at most 2.1", "1.87", "✓within"] in made.rows
    assert ["accuracy", "at least 0.5", "0.41", "✗outside"] in made.rows
    assert ["time", "at most 3 min", "–", "not judged"] in made.rows
    assert "1 of 2 promised figures reached." in made.text


def test_the_page_fetches_nothing(run):
    report = Report(run, "Notes", "A lead.")
    report.add_pictures("Learning", [picture(run)])
    report.add_samples("Listen", [Sample("piece", "argmax", {}, wav=wav(run), roll=picture(run))])
    made = page(report)
    for _, attributes in made.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            where = attributes.get(name, "")
            assert "//" not in where.split(",")[0], where
    assert not {"iframe", "object", "embed"} & {tag for tag, _ in made.elements}
    assert "@import" not in made.text
    assert "url(" not in made.text


def test_pictures_and_sound_are_inside_the_page(run):
    report = Report(run, "Notes")
    shown = picture(run)
    report.add_pictures("Learning", [shown])
    sample = Sample("piece", "argmax", {"repetition": 0.21}, wav=wav(run))
    report.add_samples("Listen", [sample])
    made = page(report)
    data = made.all("img")[0]["src"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(data) == shown.path.read_bytes()
    sound = made.all("audio")[0]["src"].removeprefix("data:audio/mpeg;base64,")
    assert len(base64.b64decode(sound)) > 1000


def test_samples_list_their_measures_and_link_to_files_beside_the_page(run):
    midi = run.path("midi/a.mid")
    midi.touch()
    samples = [
        Sample("one", "argmax", {"repetition": 0.2166, "ends": True}, midi=midi, wav=wav(run)),
        Sample("two, temperature 1", "temperature 1", {"entropy": 1234.5}),
    ]
    report = Report(run, "Notes")
    report.add_samples("Listen", samples)
    made = page(report)
    assert made.rows[1:3] == [
        ["oneargmax", "", "MIDIWAV", "0.217", "yes", ""],
        ["two, temperature 1", "no sound", "", "", "", "1,234"],
    ]
    links = [link["href"] for link in made.all("a") if not link["href"].startswith("#")]
    assert links == ["midi/a.mid", "audio/a%20b.wav"]


def test_sound_that_cannot_be_made_says_why(run, monkeypatch):
    import toolkit.music.sound

    def fail(path):
        raise EtudeError("the disk is full")

    monkeypatch.setattr(toolkit.music.sound, "to_mp3", fail)
    report = Report(run, "Notes")
    report.add_samples("Listen", [Sample("piece", "argmax", wav=wav(run))])
    assert "the disk is full" in page(report).text


def test_whose_code_ran_is_counted_and_listed(run):
    report = Report(run, "Notes")
    report.add_code("Code", [("3.1", "score_to_tokens", "yours"), ("3.2", "x", "borrowed")])
    made = page(report)
    assert "Of 2 tasks: 1 yours, 1 borrowed from the solution." in made.text
    assert ["3.1", "score_to_tokens", "yours"] in made.rows


def test_settings_stamp_and_interruption_are_told(run):
    run.interrupt("interrupted in epoch 2 of 3")
    text = " ".join(page(Report(run, "Notes")).text.split())
    assert "Training was interrupted in epoch 2 of 3" in text
    assert "RESUME=1" in text
    assert "Etude 9.9" in text
    assert "epochs3" in text
    assert "soundfont–" in text


def test_a_finished_run_mentions_no_interruption(run):
    assert "interrupted" not in page(Report(run, "Notes")).text


def test_a_page_is_written_when_every_part_is_missing(tmp_path):
    run = Run.create("lab3_notes", "quick", {}, root=tmp_path)
    report = Report(run, "Notes")
    report.add_promises("Promised", [])
    report.add_pictures("Learning", [Picture(run.folder / "none.png", "nothing")])
    report.add_samples("Listen", [])
    report.add_table("Baselines", ["model", "nats"], [])
    report.add_code("Code", [])
    text = page(report).text
    assert text.count("the run did not come this far") == 2


def test_what_a_student_named_is_text_and_never_markup(run):
    report = Report(run, "<script>alert(1)</script>")
    report.add_text("A & B", "<img src=x onerror=alert(1)>")
    report.add_table("T", ["<b>"], [["</table><i>"]])
    made = page(report)
    assert "<script>alert(1)</script>" in made.text
    assert len(made.all("script")) == 1
    assert not made.all("img")
    assert not made.all("i")


def test_the_page_can_be_read_without_seeing_it(run):
    report = Report(run, "Notes")
    report.add_pictures("Learning", [picture(run)])
    report.add_table("Baselines", ["model", "nats"], [["bigram", 2.0]])
    report.add_samples("Listen", [Sample("piece", "argmax", wav=wav(run))])
    made = page(report)
    assert made.all("html")[0]["lang"] == "en"
    assert len(made.all("h1")) == 1
    assert all(image["alt"] for image in made.all("img"))
    assert made.all("audio")[0]["aria-label"] == "Listen to piece, argmax"
    assert len(made.all("caption")) == len(made.all("table")) == 2
    assert all("scope" in header for header in made.all("th"))
    identifiers = [attributes["id"] for _, attributes in made.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {s["aria-labelledby"] for s in made.all("section")} <= set(identifiers)


def test_the_best_loss_can_stand_in_a_table_as_a_numpy_value(run):
    report = Report(run, "Notes")
    report.add_table(
        "T", ["model", "loss"], [["LSTM", np.float32(1.6)], ["none", None], ["x", np.nan]]
    )
    assert page(report).rows[1:] == [["LSTM", "1.60"], ["none", "–"], ["x", "–"]]
