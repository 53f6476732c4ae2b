"""`make handout`: the course as students get it, without anything that holds an answer.

Left out are solutions, hidden checks, the bank of wrong answers, the attacks, and every tool that
only an instructor needs; in the solutions' place stand their answers to the public checks.
"""

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from grading.core.imports import with_imports
from grading.core.recorded import recorded_answers
from grading.core.reference import answers_file
from labs.course.build import generate, looks, readme, stub_file
from labs.course.catalogue import Lab, all_labs, load_lab
from labs.course.update import install, open_folder, tell
from toolkit.console import next_step, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown

FOLDER = ROOT / "handout"
GIVEN = (
    ".gitignore",
    "LICENSE",
    "Makefile",
    "environment.yml",
    "pyproject.toml",
    "requirements.txt",
    "requirements.lock",
    "requirements-gpu.txt",
    "requirements-gpu.lock",
    "datasets/*",
    "docs/student.md",
    "toolkit/*",
    "grading/sandbox/worker/*",
    # what a student's commands start; of the rest of `grading` comes what these and checks import
    "grading/conftest.py",
    "grading/doors/github.py",
    "grading/doors/notebook.py",
    "grading/doors/submit.py",
    "grading/doors/templates/verdict.html",
    "grading/doors/watch.py",
)
# make targets that only the course itself can reach
INSTRUCTORS = (
    *("build", "class", "github", "gradescope", "handout", "lock", "rank"),
    *("site", "test", "verify"),
)


def handout(labs: list[Lab]) -> dict[str, bytes]:
    """Make every file of a handout of these labs, by its path.

    Raises
    ------
    EtudeError
        If this is no git checkout, or a solution fails its own public checks.
    """
    tracked = tracked_files()
    names = [name for name in tracked if any(fnmatch(name, pattern) for pattern in GIVEN)]
    names += [name for name in tracked if re.fullmatch(r"labs/(course/)?\w+\.py", name)]
    for lab in labs:
        names += lab_files(lab, tracked)
    files = {name: (ROOT / name).read_bytes() for name in with_imports(names)}
    for lab in labs:
        stubs = stub_file(lab)
        made = generate(lab) | {
            lab.folder / "README.md": readme(lab, stubs, handout=True),
            lab.folder / "stubs.py": stubs,
            answers_file(lab): recorded_answers(lab),
        }
        files |= {str(path.relative_to(ROOT)): text.encode() for path, text in made.items()}
    absent = (rf"lab{lab.number}(-\w+)?" for lab in all_labs() if lab not in labs)
    makefile = without_rules(files["Makefile"].decode(), (*INSTRUCTORS, *absent))
    example = next((lab for lab in labs if lab.number == 3), labs[0])
    files["Makefile"] = for_lab(makefile, example).encode()
    page = for_lab(files["docs/student.md"].decode(), example)
    files |= {"docs/student.md": page.encode(), "README.md": page.replace("](../", "](").encode()}
    return files


def for_lab(page: str, lab: Lab) -> str:
    """The students' page, its examples taken from this lab."""
    page = page.replace("lab3_notes", lab.slug).replace("lab3", f"lab{lab.number}")
    page = page.replace("LAB=3", f"LAB={lab.number}")
    most = max(lab.tasks, key=lambda task: len(looks(lab, task).split()) + bool(task.answer))
    page = re.sub(r'((?:show|listen)\("|(?:show|answer)\b.*?TASK=)3\.9', rf"\g<1>{most.id}", page)
    return re.sub(r"\b3\.([1-9])\b", rf"{lab.number}.\1", page)


def tracked_files() -> list[str]:
    """Every file that git knows here: nothing that lies about gets into a handout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        raise EtudeError("make handout needs a git checkout, to know which files are the course's")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def lab_files(lab: Lab, tracked: list[str]) -> Iterator[str]:
    """A lab's folder without its solution; of its checks the public ones and what they share."""
    for name in tracked:
        path = ROOT / name
        checks = ROOT / "grading" / f"lab{lab.number}"
        given = lab.folder in path.parents and path != lab.solution_file
        shared = path.parent == checks and path != answers_file(lab)
        if given or shared or checks / "public" in path.parents:
            yield name


def without_rules(makefile: str, targets: tuple[str, ...]) -> str:
    """Leave out the rules that make `targets`, regular expressions."""
    unwanted = re.compile("|".join(targets))
    kept = [
        paragraph
        for paragraph in makefile.split("\n\n")
        if not unwanted.fullmatch(paragraph.partition(":")[0])
    ]
    text = "\n\n".join(kept)
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    if phony:
        left = " ".join(name for name in phony[1].split() if not unwanted.fullmatch(name))
        text = text.replace(phony[0], f".PHONY: {left}")
    return text.rstrip("\n") + "\n"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make handout")
    parser.add_argument("--lab", default="", help="3, or several: 1,2,3; all of them unless told")
    parser.add_argument("--to", default="", help="the folder; handout/ unless told")
    options = parser.parse_args()
    chosen = [load_lab(number) for number in options.lab.split(",")] if options.lab else all_labs()
    folder = Path(options.to) if options.to else FOLDER
    open_folder(folder)  # before the solutions are asked, which takes its time
    labs = "1 lab" if len(chosen) == 1 else f"{len(chosen)} labs"
    say(f"asking the solutions what they answer to the public checks of {labs} ...")
    changes = install(handout(chosen), folder)
    tell(changes)
    there = shlex.quote(shown(folder))
    next_step(f"try it: cd {there} && make grade; then docs/instructor.md, Releasing")


if __name__ == "__main__":
    run_command(main)
