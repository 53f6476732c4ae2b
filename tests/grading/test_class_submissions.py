"""What is read of what a class handed in, and what is refused."""

import errno
import io
import os
import random
import stat
import tempfile
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grading.classroom.roster import read_roster
from grading.classroom.submissions import Handed, Person, distinct, find_submissions
from grading.proofs.made_class import as_notebook
from grading.sandbox import files
from labs.course.catalogue import load_lab
from labs.course.stubs import stubbed
from toolkit.errors import EtudeError

LAB = load_lab(3)
SOLUTION = LAB.solution_file.read_text(encoding="utf-8")
STUBS = stubbed(SOLUTION, {task.name: task.id for task in LAB.tasks})


def found(folder):
    return {one.student: one for one in find_submissions(folder, LAB)[0]}


def put(path, text="x = 1\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def zipped(members, method=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, content)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def test_files_notebooks_zips_and_folders_are_read(tmp_path):
    put(tmp_path / "anna.py", "a = 1\n")
    put(tmp_path / "李 雷.ipynb", as_notebook("b = 1\n"))
    put(tmp_path / "José María" / "tasks.py", "c = 1\n")
    (tmp_path / "dora.zip").write_bytes(zipped([("tasks.py", "d = 1\n"), ("result.json", "{}")]))
    put(tmp_path / "emil" / "my work" / "anything.py", "e = 1\n")
    (tmp_path / "frida").mkdir()
    (tmp_path / "frida" / "lab3.zip").write_bytes(zipped([("tasks.py", "f = 1\n")]))
    put(tmp_path / "read me.txt")
    handed, left_out = find_submissions(tmp_path, LAB)
    assert not [one.problem for one in handed if one.problem]
    assert {one.student: one.file for one in handed} == {
        "anna": "anna.py",
        "李 雷": "李 雷.ipynb",
        "José María": "José María/tasks.py",
        "dora": "dora.zip/tasks.py",
        "emil": "emil/my work/anything.py",
        "frida": "frida/lab3.zip/tasks.py",
    }
    assert {one.content for one in handed if one.student != "李 雷"} == {
        f"{letter} = 1\n".encode() for letter in "acdef"
    }
    assert left_out == ["read me.txt"]


def test_of_a_clone_the_labs_own_files_count(tmp_path):
    clone = tmp_path / "lab3-octocat"
    put(clone / "labs" / "lab3_notes" / "tasks.py", SOLUTION)
    put(clone / "labs" / "lab3_notes" / "lab3.ipynb", as_notebook(STUBS))
    put(clone / "labs" / "lab1_names" / "tasks.py")
    put(clone / "toolkit" / "source.py")
    put(clone / ".git" / "hooks" / "tasks.py")
    one = found(tmp_path)["lab3-octocat"]
    assert (one.file, one.notes) == ("lab3-octocat/labs/lab3_notes/tasks.py", ())


def test_of_a_notebook_and_a_tasks_file_the_one_with_more_counts(tmp_path):
    half = STUBS.replace('raise NotImplementedError("3.3")', "return []")
    put(tmp_path / "anna" / "tasks.py", half)
    put(tmp_path / "anna" / "lab3.ipynb", as_notebook(SOLUTION.replace("# BEGIN SOLUTION", "")))
    put(tmp_path / "bert" / "tasks.py", half)
    both = STUBS.replace('raise NotImplementedError("3.4")', "return []").replace(
        'raise NotImplementedError("3.5")', "return []"
    )
    put(tmp_path / "bert" / "lab3.ipynb", as_notebook(both))
    students = found(tmp_path)
    assert students["anna"].file == "anna/lab3.ipynb"
    assert students["anna"].notes == ()
    assert students["anna"].other == ("tasks.py", half.encode())
    assert students["bert"].file == "bert/lab3.ipynb"
    assert "tasks.py was not graded, but has 3.3" in students["bert"].notes[0]


def test_gradescopes_export_names_the_students(tmp_path):
    put(tmp_path / "submission_1" / "tasks.py", "a = 1\n")
    put(tmp_path / "submission_2" / "tasks.py", "b = 1\n")
    put(
        tmp_path / "submission_metadata.yml",
        "---\n"
        "submission_1:\n  :submitters:\n  - :name: 王芳\n    :sid: '0042'\n"
        "    :email: wang@uni.example\n  :created_at: 2026-01-02 03:04:05.000000000 Z\n"
        "  :score: !ruby/object:BigDecimal 18:0.0\n  :history: []\n"
        "submission_2:\n  :submitters:\n  - :name: Ann\n    :sid: 7\n    :email: ann@uni.example\n"
        "  - :name: Ben\n    :sid:\n    :email: ben@uni.example\n  :status: processed\n",
    )
    students = found(tmp_path)
    assert set(students) == {"0042", "7+ben@uni.example"}
    assert students["0042"].people == (Person("0042", "王芳", "wang@uni.example", "0042"),)
    (tmp_path / "submission_2" / "tasks.py").unlink()
    (tmp_path / "submission_2").rmdir()
    students = found(tmp_path)
    assert not students["0042"].problem
    assert "Gradescope's list names it" in students["7+ben@uni.example"].problem
    put(tmp_path / "submission_metadata.yml", "- no\n- list of submitters\n")
    with pytest.raises(EtudeError, match="not Gradescope's list"):
        find_submissions(tmp_path, LAB)


def evil_name(name):
    return [(name, "x = 1\n")]


def member(mode=stat.S_IFREG | 0o644, name="tasks.py"):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([("../tasks.py", "x")], "out of its folder"),
        ([("/etc/tasks.py", "x")], "absolute"),
        ([("C:\\tasks.py", "x")], "absolute"),
        ([(member(stat.S_IFLNK | 0o777), "/etc/passwd")], "link or no file"),
        ([(member(stat.S_IFIFO), "")], "link or no file"),
        ([("tasks.py", b"#" * 30_000_000)], "over 1 MB"),
        ([(f"{i}.txt", "") for i in range(2_500)], "more than 2,000 files"),
        ([("notes.txt", "x")], "no .py or .ipynb file"),
        ([("a.py", "x"), ("b.py", "y")], "2 files that may be meant"),
    ],
    ids=["out", "absolute", "drive", "link", "fifo", "bomb", "many", "none", "two"],
)
def test_a_zip_that_could_do_harm_or_has_no_one_file_is_refused(tmp_path, members, why):
    (tmp_path / "anna.zip").write_bytes(zipped(members))
    put(tmp_path / "bert.py")
    students = found(tmp_path)
    assert why in students["anna"].problem
    assert not students["bert"].problem
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["anna.zip", "bert.py"]


@pytest.mark.parametrize("name", ["./tasks.py", "work/./tasks.py", "./labs/lab3_notes//tasks.py"])
def test_a_member_is_found_however_its_path_is_spelled(tmp_path, name):
    (tmp_path / "anna.zip").write_bytes(zipped([("./", ""), (name, "x = 1\n")]))
    one = found(tmp_path)["anna"]
    assert (one.problem, one.content) == ("", b"x = 1\n")
    assert "/./" not in one.file


@pytest.mark.parametrize("name", ["a/../tasks.py", "./../tasks.py", "a/./../../tasks.py"])
def test_no_path_leads_out_of_its_folder_however_it_is_spelled(tmp_path, name):
    (tmp_path / "anna.zip").write_bytes(zipped([(name, "x = 1\n")]))
    assert "out of its folder" in found(tmp_path)["anna"].problem


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice_encrypted_or_broken_is_refused(tmp_path):
    whole = zipped([("tasks.py", "x = 1\n" * 50)])
    (tmp_path / "twice.zip").write_bytes(zipped([("tasks.py", "a"), ("tasks.py", "b")]))
    (tmp_path / "again.zip").write_bytes(zipped([("tasks.py", "a"), ("./tasks.py", "b")]))
    encrypted = bytearray(whole)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[whole.index(signature) + offset] |= 1
    (tmp_path / "encrypted.zip").write_bytes(encrypted)
    broken = bytearray(whole)
    broken[40:50] = b"x" * 10
    (tmp_path / "broken.zip").write_bytes(broken)
    (tmp_path / "none.zip").write_bytes(b"PK")
    problems = {name: one.problem for name, one in found(tmp_path).items()}
    assert "twice" in problems["twice"]
    assert "twice" in problems["again"]
    assert "encrypted" in problems["encrypted"]
    assert "broken" in problems["broken"]
    assert "cannot be read" in problems["none"] or "not a zip" in problems["none"]


def damaged(whole):
    """Every bit changed, every byte lost, every end cut off; then four bytes at random."""
    for place in range(len(whole)):
        for bit in range(8):
            yield whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]
        yield whole[:place] + whole[place + 1 :]
        yield whole[:place]
    rng = random.Random(0)
    for _ in range(3000):
        content = bytearray(whole)
        for place in rng.choices(range(len(whole)), k=4):
            content[place] = rng.randrange(256)
        yield bytes(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_no_damage_to_a_zip_gets_past_as_anything_but_a_problem(tmp_path, method):
    problems = 0
    for content in damaged(zipped([("tasks.py", "x = 1\n" * 20), ("b.txt", "y" * 99)], method)):
        (tmp_path / "anna.zip").write_bytes(content)
        one = found(tmp_path)["anna"]
        assert one.problem or len(one.content) <= 1_000_000
        problems += bool(one.problem)
    assert problems > 3000


@pytest.mark.parametrize(
    "name",
    [f"{'a' * 300}.py", f"{'d' * 200}/" * 25 + "a.py", "ü" * 130 + ".py"],
    ids=["name", "path", "letters of two bytes"],
)
def test_a_name_that_no_disk_takes_is_refused_in_a_short_sentence(tmp_path, name):
    (tmp_path / "anna.zip").write_bytes(zipped([(name, "x = 1\n")]))
    one = found(tmp_path)["anna"]
    assert "too long a name" in one.problem
    assert len(one.problem) < 200
    (tmp_path / "anna.zip").write_bytes(zipped([(name, "x"), (f"b/{name}", "y")]))
    assert len(found(tmp_path)["anna"].problem) < 400


def test_files_in_latin_1_with_names_as_long_as_a_disk_takes_are_told(tmp_path):
    with open(os.path.join(os.fsencode(tmp_path), b"\xff" * 250 + b".py"), "w") as file:
        file.write("x = 1\n")
    (one,) = found(tmp_path).values()
    assert "too long a name" in one.problem


def test_of_many_files_none_is_unpacked(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(files, "read_member", refuse)
    members = [(f"{number}.py", "x = 1\n") for number in range(500)]
    (tmp_path / "anna.zip").write_bytes(zipped(members))
    assert "500 files that may be meant" in found(tmp_path)["anna"].problem


ODD = st.characters(codec="utf-8", exclude_characters="/\0")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.text(ODD, min_size=1, max_size=20), min_size=1, max_size=3, unique=True))
@example(["a\x1b]0;owned\x07\x1b[2J", "a\u202eb", "a\nb"])
@example(["a\x1bb", "a\x07b"])
def test_no_name_says_anything_to_a_terminal_and_each_has_a_result(tmp_path, names):
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    for name in names:
        (folder / f"x{name}").mkdir()
        put(folder / f"x{name}" / f"y{name}.py")
        (folder / f"z{name}.zip").write_bytes(zipped([("a.py", "x"), (f"b{name}.py", "y")]))
    handed, _ = find_submissions(folder, LAB)
    assert len({one.student for one in handed}) == 2 * len(names)
    told = [text for one in handed for text in (one.student, one.file, one.problem, *one.notes)]
    assert not [text for text in told if any(map(unsafe, text))]


def unsafe(character):
    """Whether a terminal or a reader takes it for more than a sign."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def test_names_in_gradescopes_list_are_text_too(tmp_path):
    put(tmp_path / "submission_1" / "tasks.py")
    put(
        tmp_path / "submission_metadata.yml",
        'submission_1:\n  :submitters:\n  - :name: "A\\e[31m"\n    :sid: "1\\u202e2"\n',
    )
    (one,) = find_submissions(tmp_path, LAB)[0]
    assert one.people == (Person("1�2", "A�[31m", "", "1�2"),)
    half = 'submission_1:\n  :submitters:\n  - :name: "\\ud800"\n'
    (tmp_path / "submission_metadata.yml").write_text(half)
    (one,) = find_submissions(tmp_path, LAB)[0]
    assert one.student.encode()


NFC, NFD = "M\u00fcller", "Mu\u0308ller"


@pytest.mark.parametrize("spelled", [NFC, NFD])
def test_a_name_is_one_student_however_its_accents_are_encoded(tmp_path, spelled):
    other = {NFC: NFD, NFD: NFC}[spelled]
    put(tmp_path / spelled / "tasks.py")
    (tmp_path / "submission_metadata.yml").write_text(
        f"{other}:\n  :submitters:\n  - :name: {other}\n", encoding="utf-8"
    )
    (one,) = find_submissions(tmp_path, LAB)[0]
    assert one.student == one.people[0].name == unicodedata.normalize("NFC", spelled)
    (tmp_path / "roster.csv").write_text(f"name\n{other}\n", encoding="utf-8")
    assert read_roster(tmp_path / "roster.csv").find(one.people[0]) == {0}


def test_two_files_whose_names_differ_in_encoding_alone_stay_apart(tmp_path):
    put(tmp_path / f"{NFC}.py", "x = 1\n")
    put(tmp_path / f"{NFD}.py", "y = 2\n")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system takes the two for one")
    name = unicodedata.normalize("NFC", NFC)
    assert sorted(found(tmp_path)) == [name, f"{name} (2)"]


def test_links_pipes_and_large_files_are_refused(tmp_path):
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "large.py").write_bytes(b"#" * 1_000_001)
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "again").symlink_to(tmp_path)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "tasks.py").symlink_to("/etc/passwd")
    problems = {name: one.problem for name, one in found(tmp_path).items()}
    assert "is a link" in problems["link"]
    assert "not an ordinary file" in problems["pipe"]
    assert "over 1 MB" in problems["large"]
    assert "no .py or .ipynb" in problems["loop"]
    assert "is a link" in problems["inside"]


def test_no_file_two_files_and_a_student_twice_are_told(tmp_path):
    (tmp_path / "nothing").mkdir()
    put(tmp_path / "two" / "a.py")
    put(tmp_path / "two" / "b.py", "y = 2\n")
    put(tmp_path / "same" / "a.py")
    put(tmp_path / "same" / "copy" / "a.py")
    put(tmp_path / "anna.py")
    put(tmp_path / "anna.ipynb", as_notebook("x = 1\n"))
    students = found(tmp_path)
    assert students["nothing"].problem == "no .py or .ipynb file"
    assert "keep the one that counts" in students["two"].problem
    assert not students["same"].problem
    assert students["anna"].problem.startswith("two files: anna.ipynb and anna.py")


def test_what_cannot_be_read_costs_nobody_else_anything(tmp_path, monkeypatch):
    put(tmp_path / "anna" / "tasks.py")
    put(tmp_path / "bert" / "inner" / "tasks.py")
    put(tmp_path / "cleo.py")
    put(tmp_path / "dora.py")
    scandir, lstat = os.scandir, Path.lstat

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(
        os, "scandir", lambda path: (refuse if Path(path).name == "inner" else scandir)(path)
    )
    monkeypatch.setattr(
        Path, "lstat", lambda path: (refuse if path.name == "cleo.py" else lstat)(path)
    )
    problems = {name: one.problem for name, one in found(tmp_path).items()}
    assert problems["bert"] == "inner cannot be read: Permission denied"
    assert problems["cleo"] == "cleo.py cannot be read: Permission denied"
    assert not problems["anna"]
    assert not problems["dora"]


@given(st.lists(st.sampled_from(["ok", "OK", "Ok", "ok (2)", "OK (2)", "ok (3)", "ok (2) (2)"])))
def test_every_student_has_a_name_of_their_own(names):
    handed = distinct([Handed(name, (Person(name),), f"{name}.py") for name in names])
    assert len({one.student.casefold() for one in handed}) == len(names)
    firsts = {name.casefold(): name for name in reversed(names)}
    assert set(firsts.values()) <= {one.student for one in handed}


def test_names_that_are_no_text_or_differ_in_case_stay_apart(tmp_path):
    put(tmp_path / "Anna.py")
    put(tmp_path / "anna.py")
    with open(os.path.join(os.fsencode(tmp_path), b"b\xff.py"), "w") as file:
        file.write("x = 1\n")
    students = found(tmp_path)
    assert len({name.casefold() for name in students}) == 3
    assert all(name.encode() for name in students)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda folder: None, "is not there"),
        (lambda folder: folder.mkdir(), "holds no submission"),
        (lambda folder: folder.write_text("x"), "is a file"),
    ],
    ids=["missing", "empty", "file"],
)
def test_a_folder_without_submissions_is_one_sentence(tmp_path, make, why):
    make(tmp_path / "class")
    with pytest.raises(EtudeError, match=why):
        find_submissions(tmp_path / "class", LAB)


def test_a_roster_is_matched_by_any_of_its_columns(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(
        "First name,Last name,SID,Email,github_username\n"
        "Fang,Wang,0042,w@u.example,wang\nJose\u0301,,7,j@u.example,\n",
        encoding="utf-8-sig",
    )
    roster = read_roster(path)
    assert roster.find(Person("0042")) == {0}
    assert roster.find(Person("lab3-wang")) == {0}
    assert roster.find(Person("fang wang")) == {0}
    assert roster.find(Person("x", "José", "")) == {1}
    assert roster.find(Person("x", "", "J@U.example")) == {1}
    assert roster.find(Person("nobody")) == set()
    assert roster.people[1] == Person("7", "Jose\u0301", "j@u.example", "7")
    assert roster.filled(Person("lab3-wang")) == Person(
        "lab3-wang", "Fang Wang", "w@u.example", "0042"
    )


def test_of_namesakes_nothing_is_guessed(tmp_path):
    (tmp_path / "roster.csv").write_text("name,id\nAnna A,1\nAnna A,2\n")
    assert read_roster(tmp_path / "roster.csv").filled(Person("Anna A")) == Person("Anna A")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "needs a heading"),
        (b"\n \n", "needs a heading"),
        (b"Name\n", "needs a heading"),
        (b"\xff\xfe", "not a CSV"),
        (b'Name,ID\n"Dave,100\nEve,101\n', "is a quotation mark left open"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_roster_is_one_sentence(tmp_path, content, why):
    if content is not None:
        (tmp_path / "roster.csv").write_bytes(content)
    with pytest.raises(EtudeError, match=why):
        read_roster(tmp_path / "roster.csv")
