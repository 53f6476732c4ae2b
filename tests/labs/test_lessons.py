"""The lessons: their numbers, pictures, formulas and questions, in all labs."""

import importlib
import io
import re
import types
from functools import cache

import math_core
import numpy as np
import pytest
from PIL import Image

from grading.proofs.bank import entries
from labs.course.build import PICTURE, notebook, opening, stub_file, stubbed_source
from labs.course.catalogue import all_labs
from labs.course.code import load_tasks
from labs.course.pictures import COLOURS, MAX_BYTES, as_png, gallery

LABS = all_labs()
BY_LAB = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.slug)
NOTEBOOK_BYTES = 1_500_000
# what GitHub's renderer refuses (github/markup#1688), or loses in displayed formulas (#1746)
REFUSED = re.compile(r"\\(operatorname|mbox|phantom|,|;|!|\{|\})")
DRAWN_ALIKE = 3.0  # mean difference of 255: a moved line is more, another version's edges less


def module(lab, name):
    return importlib.import_module(f"labs.{lab.slug}.{name}")


@cache
def lesson(lab, task_id):
    """A task's lesson, without the marks of its comment."""
    text = stubbed_source(lab)
    cell = re.search(rf"# ## {re.escape(task_id)} .*?(?=\n# %%\n)", text, re.DOTALL)
    return re.sub(r"^# ?", "", cell[0], flags=re.MULTILINE)


def one_line(text):
    return re.sub(r"\s*\n(> )?", " ", text)


def cases(name):
    """Each lab with each entry of a table of its `worked.py`."""
    found = [(lab, key) for lab in LABS for key in getattr(module(lab, "worked"), name)]
    return pytest.mark.parametrize(("lab", "key"), found, ids=[key for _, key in found])


# Numbers


@cases("WORKED")
def test_the_numbers_are_the_solutions(lab, key):
    found = module(lab, "worked").WORKED[key](module(lab, "solution"))
    for number in found:
        assert number in one_line(lesson(lab, key))


@cases("MISTAKES")
def test_a_mistake_gives_the_number_that_the_lesson_says(lab, key):
    (entry,) = (one for one in entries(lab) if one.name == key)
    wrong = types.ModuleType(key)
    exec(compile(entry.source(), key, "exec"), wrong.__dict__)
    make = module(lab, "worked").WORKED[entry.task.id]
    found = " ".join(make(wrong))
    assert found != " ".join(make(module(lab, "solution")))
    after = one_line(lesson(lab, entry.task.id)).split("**A different result?**")[1]
    for number in module(lab, "worked").MISTAKES[key]:
        assert number in found
        assert number in after


# Pictures


@BY_LAB
def test_pictures_are_as_the_solution_draws_them(lab):
    folder = lab.folder / "pictures"
    figures = gallery(lab).figures(load_tasks(lab, "solution"))
    assert set(figures) == {path.stem for path in folder.glob("*.png")}
    for name, figure in figures.items():
        there = (folder / f"{name}.png").read_bytes()
        assert len(there) <= MAX_BYTES
        one, other = (Image.open(io.BytesIO(png)).convert("RGB") for png in (there, as_png(figure)))
        assert max(one.size) <= 1400
        assert len(one.getcolors(COLOURS)) <= COLOURS
        assert one.size == other.size, name
        difference = np.abs(np.asarray(one, float) - np.asarray(other, float))
        assert difference.mean() < DRAWN_ALIKE, name


@BY_LAB
def test_each_picture_is_shown_once_and_said_in_words(lab):
    shown = PICTURE.findall(stubbed_source(lab))
    assert sorted(path for _, path in shown) == sorted(
        f"pictures/{path.name}" for path in (lab.folder / "pictures").glob("*.png")
    )
    for words, path in shown:
        assert len(words.split()) >= 8, path
    assert "![" not in stub_file(lab).replace(opening(stub_file(lab)), "")


@BY_LAB
def test_a_notebook_holds_its_pictures(lab):
    text = notebook(lab, stubbed_source(lab))
    assert "(pictures/" not in text
    assert text.count("data:image/png;base64,") == len(PICTURE.findall(stubbed_source(lab)))
    assert len(text) < NOTEBOOK_BYTES


# Formulas


@BY_LAB
def test_formulas_are_shown_wherever_a_lesson_is_read(lab):
    converter = math_core.LatexToMathML()
    text = re.sub(r"^# ?", "", stubbed_source(lab), flags=re.MULTILINE)
    lessons = "\n".join(lesson(lab, task.id) for task in lab.tasks)
    displayed = re.findall(r"^\$\$\n(.*?)\n\$\$$", lessons, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^\$\$\n.*?\n\$\$$", "", lessons, flags=re.MULTILINE | re.DOTALL)
    rest = re.sub(r"`[^`]*`", "", rest)
    inline = re.findall(r"(?<![\\$\w])\$(?!\s)([^$]+?)(?<!\s)\$(?![\w$])", rest)
    assert "$$" not in rest
    assert displayed, text[:80]
    for formula in displayed:
        assert not REFUSED.search(formula), formula
        converter.convert_with_local_state(formula, displaystyle=True)
    for formula in inline:
        assert not re.search(r"\\(operatorname|mbox|phantom)", formula), formula
        converter.convert_with_local_state(formula, displaystyle=False)


@BY_LAB
def test_a_frame_has_no_formula_since_readmes_show_none(lab):
    frame = re.sub(r"`[^`]*`", "", opening(stubbed_source(lab)))
    assert "$" not in frame
    assert len(re.sub(r"\|.*", "", frame).split()) <= 400


# Questions and links


@BY_LAB
def test_every_question_has_an_answer(lab):
    asked = [task.id for task in lab.tasks if "**Predict.**" in lesson(lab, task.id)]
    assert asked == [task.id for task in lab.tasks if task.answer]
    notebook_text, tasks_text = notebook(lab, stubbed_source(lab)), stub_file(lab)
    for task in asked:
        assert f'`answer(\\"{task}\\")` tells.' in notebook_text
        assert f"> make answer TASK={task} tells." in tasks_text


@BY_LAB
def test_links_are_whole_and_papers_say_where(lab):
    for task in lab.tasks:
        text = lesson(lab, task.id)
        for address in re.findall(r"(?<!!)\[[^]]*\]\(([^)]*)\)", text):
            assert address.startswith("https://"), (task.id, address)
        for paper in re.findall(r"arxiv\.org/abs/([^)]*)", text):
            assert re.fullmatch(r"\d{4}\.\d{4,5}", paper), (task.id, paper)
