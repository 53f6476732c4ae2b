"""Student code as a syntax tree: stubs, mixtures, notebooks, files."""

import json
import os
import traceback
from pathlib import Path

import pytest
from small_lab import SOLUTION

from labs.course.cells import notebook_source
from labs.course.definitions import definitions, missing, unfinished
from labs.course.merge import merge
from labs.course.stubs import stubbed
from labs.course.submission import read_submission, syntax_error
from toolkit.errors import EtudeError

IDS = {"double": "9.1", "shift": "9.2", "Scale": "9.3"}
STUBS = stubbed(SOLUTION, IDS)


def run(code) -> dict:
    names: dict = {"__name__": "mixture"}
    exec(code, names)
    return names


# Stubs


def test_every_solution_block_becomes_a_stub_and_nothing_else_changes():
    assert STUBS.count("raise NotImplementedError") == 4
    assert '    """Return 2x + STEP."""\n    raise NotImplementedError("9.2")\n' in STUBS
    assert (
        '        """Return x over factor."""\n        raise NotImplementedError("9.3")\n' in STUBS
    )
    assert "SOLUTION" not in STUBS
    assert [line for line in STUBS.splitlines() if "NotImplemented" not in line] == [
        line
        for line in SOLUTION.splitlines()
        if line.strip() not in ("# BEGIN SOLUTION", "# END SOLUTION")
        and not line.strip().startswith(
            ("return 2 *", "y =", "return y", "return self", "return x")
        )
    ]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("    # END SOLUTION\n", "", "inside the one of line"),
        ("    # BEGIN SOLUTION\n", "", "without its BEGIN"),
        ("    # END SOLUTION\n", "        # END SOLUTION\n", "differ in indentation"),
        ("STEP = 10\n", "# BEGIN SOLUTION\nSTEP = 10\n# END SOLUTION\n", "outside every task"),
        (
            "    # BEGIN SOLUTION\n    return 2 * given(x)\n",
            "    return 2 * given(x)\n    # BEGIN SOLUTION\n",
            "empty",
        ),
        (
            '    """Return 2x."""\n    # BEGIN SOLUTION\n',
            '    # BEGIN SOLUTION\n    """Return 2x."""\n',
            "around a docstring",
        ),
        (
            '    """Return 2x."""\n    # BEGIN SOLUTION\n',
            '    """Return 2x.\n    # BEGIN SOLUTION\n    """\n',
            "inside a docstring",
        ),
    ],
)
def test_a_marker_that_does_not_fit_is_an_error(before, after, reason):
    broken = SOLUTION.replace(before, after, 1)
    assert broken != SOLUTION
    with pytest.raises(EtudeError, match=reason):
        stubbed(broken, IDS)


def test_a_task_without_a_block_is_an_error():
    with pytest.raises(EtudeError, match="no solution block in task given"):
        stubbed(SOLUTION, {**IDS, "given": "9.4"})


def test_one_stub_left_in_a_class_makes_it_unfinished():
    half = STUBS.replace('raise NotImplementedError("9.3")', "return 1", 1)
    assert unfinished(half, IDS) == ["double", "shift", "Scale"]
    whole = half.replace('raise NotImplementedError("9.3")', "return 1")
    assert unfinished(whole, IDS) == ["double", "shift"]


def test_an_ordinary_not_implemented_error_is_no_stub():
    source = 'def f(x):\n    if x:\n        raise NotImplementedError("odd x")\n    return 1\n'
    assert not definitions(source)["f"].stub
    assert definitions("def f():\n    'Doc.'\n    raise NotImplementedError\n")["f"].stub


def test_a_deleted_definition_is_missing_and_an_assigned_one_is_not():
    assert missing("double = lambda x: 2 * x\n", IDS) == ["shift", "Scale"]
    assert unfinished("double = lambda x: 2 * x\n", IDS) == ["shift", "Scale"]


def test_of_two_definitions_the_later_counts():
    finished = "def double(x):\n    return 2 * x\n"
    assert unfinished(finished + STUBS, ["double"]) == ["double"]
    assert unfinished(STUBS + finished, ["double"]) == []


# Mixtures


def test_a_mixture_is_one_module():
    student = STUBS.replace('raise NotImplementedError("9.1")', "return 100")
    names = run(merge(student, SOLUTION, ["shift", "Scale"]))
    assert names["shift"](3) == 110, "the borrowed function calls the student's"
    assert names["Scale"](3)(4) == 12
    assert names["double"].__globals__ is names["shift"].__globals__


def test_the_student_keeps_constants_helpers_and_lines(tmp_path):
    student = STUBS.replace("STEP = 10", "STEP = 7").replace(
        'raise NotImplementedError("9.1")', "return helper(x)"
    )
    student += "\n\ndef helper(x):\n    return x / 0\n"
    names = run(merge(student, SOLUTION, ["shift"], "mine.py", "theirs.py"))
    assert names["STEP"] == 7
    with pytest.raises(ZeroDivisionError) as caught:
        names["shift"](1)
    frames = [(f.filename, f.name, f.lineno) for f in traceback.extract_tb(caught.tb)][1:]
    own, theirs = definitions(student), definitions(SOLUTION)
    assert frames == [
        ("theirs.py", "shift", theirs["shift"].line + 3),
        ("mine.py", "double", own["double"].line + 2),
        ("mine.py", "helper", own["helper"].line + 1),
    ]


def test_what_was_deleted_comes_back_only_if_something_borrowed_needs_it():
    names = run(merge("", SOLUTION, ["double"]))
    assert names["double"](2.5) == 4
    assert "STEP" not in names
    assert run(merge("", SOLUTION, ["shift", "double"]))["shift"](1) == 12
    assert "math" not in run(merge("x = 1\n", SOLUTION, []))


def test_no_other_binding_of_a_borrowed_name_survives():
    student = (
        "def double(x):\n    return 0\n\ndouble = lambda x: 1\n\ndef double(x):\n    return 5\n"
    )
    assert run(merge(student + "twice = double(3)\n", SOLUTION, ["double"]))["twice"] == 6
    assert run(merge("double = lambda x: 1\n", SOLUTION, ["double"]))["double"](3) == 6


def test_future_imports_of_both_files_stay_first():
    future = "from __future__ import annotations\n"
    code = merge('"""Doc."""\n' + future + STUBS, future + SOLUTION, ["double"])
    assert run(code)["double"](4) == 8


def test_a_wrong_answer_alone_can_replace_one_definition_of_the_solution():
    wrong = "def double(x):\n    return 3 * given(x)\n"
    assert run(merge(SOLUTION, wrong, ["double"]))["shift"](1) == 13


# Notebooks


def notebook(*cells: str) -> str:
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [{"cell_type": "markdown", "source": "# Title", "metadata": {}}]
            + [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells],
        }
    )


def test_definitions_come_out_of_a_notebook_and_nothing_that_runs():
    source, broken, _ = notebook_source(
        notebook(
            "!pip install keras\nimport math\nimport re\n%matplotlib inline",
            "LIMIT = 4; print('noise')\nPATTERN = re.compile('a')\nROWS = [i for i in (0, 1)]",
            "def f(x):\n    return x\n\nassert f(1)\ncheck('9.1')",
            "%%time\n@staticmethod\ndef g():\n    '''\n    %not magic\n    '''\n    return LIMIT",
            "model = build()\nhistory = model.fit(1)\nBEST = min(history.losses)\nfor i in x: y()",
            "%%bash\nrm -rf /",
            "DATA = f(3)\nlist?\nfiles = !ls\nx: int",
            "def f(x):\n    return 2 * x",
        )
    )
    assert broken == {}
    names = run(compile(source, "cells", "exec"))
    assert names["f"](1) == 2
    assert names["g"]() == 4
    assert names["ROWS"] == [0, 1]
    assert names["PATTERN"].pattern == "a"
    for gone in ("print", "check", "fit", "BEST", "pip", "rm", "DATA", "files", "assert"):
        assert gone not in source
    assert "%not magic" in source


def test_a_broken_cell_is_named_and_the_others_count():
    source, broken, _ = notebook_source(notebook("def f():\n    return 1", "def g(:\n    pass"))
    assert list(broken) == ["3"]
    assert "line 1" in broken["3"]
    assert run(compile(source, "cells", "exec"))["f"]() == 1


def test_a_line_of_a_notebook_is_named_by_its_cell(tmp_path):
    path = tmp_path / "lab.ipynb"
    path.write_text(notebook("x = 1", "print()\ndef f():\n    return 1"))
    submission = read_submission(path)
    assert submission.place(definitions(submission.source)["f"].line).endswith("cell 3, line 2")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": 3}', '{"cells": [{}]}', "[" * 99999])
def test_what_is_no_notebook_is_one_sentence(text, tmp_path):
    path = tmp_path / "lab.ipynb"
    path.write_text(text)
    with pytest.raises(EtudeError, match=r"lab\.ipynb is not a Jupyter notebook"):
        read_submission(path)


# Files


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_bytes(b"\xef\xbb\xbfx = 'caf\xc3\xa9'\r\ny = 1\r\n")
    assert read_submission(path).source == "x = 'café'\ny = 1\n"


def test_a_file_that_cannot_be_handed_in_is_one_sentence(tmp_path: Path):
    ordinary = tmp_path / "tasks.py"
    ordinary.write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to(ordinary)
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "big.py").write_text("#" * 1_000_001)
    (tmp_path / "big.ipynb").write_text("#" * 1_000_001)
    (tmp_path / "latin.py").write_bytes(b"x = 1\ny = '\xe9'\n")
    (tmp_path / "tasks.txt").write_text("")
    for name, reason in {
        "none.py": "no file",
        "link.py": "is a link",
        "folder.py": "is a folder",
        "pipe.py": "not an ordinary file",
        "big.py": "over 1 MB",
        "big.ipynb": "clear its outputs",
        "latin.py": r"latin\.py:2 is not UTF-8",
        "tasks.txt": "neither",
        "nul\0.py": "no file",
    }.items():
        with pytest.raises(EtudeError, match=reason):
            read_submission(tmp_path / name)


def test_a_syntax_error_is_told_with_its_line(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text("x = 1\ndef f(:\n")
    assert "tasks.py:2: invalid syntax" in (syntax_error(read_submission(path)) or "")
    path.write_text("x = 1\n")
    assert syntax_error(read_submission(path)) is None
