"""`show`, `listen` and `answer`: what a student's own code makes, outside a notebook."""

import io
import os
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from PIL import Image

from labs.course import look
from labs.course.build import stub_file
from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.course.pictures import COLOURS, Gallery, as_png, gallery
from toolkit.errors import EtudeError

LAB = load_lab(2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(look, "RUNS", tmp_path)
    return tmp_path / "shown"


def answers(monkeypatch, tmp_path, code):
    """Let the student's file be this."""
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    monkeypatch.setattr(look, "load_tasks", lambda lab: load_tasks(lab, path))


def test_a_picture_is_drawn_by_the_students_code(folder, tmp_path, monkeypatch):
    solution = LAB.solution_file.read_text(encoding="utf-8")
    answers(monkeypatch, tmp_path, solution)
    look.show("2.7")
    right = (folder / "2_7_1.png").read_bytes()
    assert right == (LAB.folder / "pictures/2_7_attention.png").read_bytes()
    answers(monkeypatch, tmp_path, solution.replace("scores - 1e9", "scores"))
    look.show("2.7")
    assert (folder / "2_7_1.png").read_bytes() != right


def test_what_goes_wrong_is_one_sentence(folder, tmp_path, monkeypatch):
    answers(monkeypatch, tmp_path, stub_file(LAB).replace('NotImplementedError("2.7")', "1 / 0"))
    with pytest.raises(EtudeError, match=r"mine\.py:\d+, in call: ZeroDivisionError"):
        look.show("2.7")
    assert not folder.exists()
    with pytest.raises(EtudeError, match=r"task 2\.1 has no sound that code makes"):
        look.listen("2.1")


def test_an_answer_is_told_where_a_question_is_asked(capsys):
    look.answer("2.7")
    assert "0.368" in capsys.readouterr().out
    silent = next(task.id for task in LAB.tasks if not task.answer)
    with pytest.raises(EtudeError, match="asks no question"):
        look.answer(silent)


def test_tensorflow_says_nothing_while_pictures_are_imported(monkeypatch, capfd):
    def noisy(name):
        os.write(2, b"cuda_stub.cc:31 Could not find cuda drivers")
        return SimpleNamespace(GALLERY=name)

    monkeypatch.setattr("importlib.import_module", noisy)
    assert gallery(LAB) == "labs.lab2_numbers.pictures"
    assert capfd.readouterr().err == ""


def test_a_gallery_finds_what_a_task_has():
    gallery = Gallery("pictures.py")
    gallery.compute("2_1_lengths")(lambda lab: Figure((1, 1)))
    gallery.draw("2_10_heads")(lambda: Figure((1, 1)))
    assert len(gallery.of_task("2.1", gallery.computed)) == 1
    assert not gallery.of_task("2.10", gallery.computed)
    assert set(gallery.figures(None)) == {"2_1_lengths", "2_10_heads"}


def test_a_png_has_few_colours():
    figure = Figure((2, 1))
    figure.subplots().imshow([[1, 2, 3]] * 3)
    assert len(Image.open(io.BytesIO(as_png(figure))).convert("RGB").getcolors()) <= COLOURS
