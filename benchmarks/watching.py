"""How long `make watch` takes from a save to the verdict on the task that was saved.

    python -m benchmarks.watching [--lab 3]

In a handout, which students have, and in a copy of the whole course, where hidden checks run too,
every task is solved; then each in turn gets a statement that changes nothing. The time ends when
its line is printed. Tasks that build on it are graded after that.
"""

import argparse
import ast
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from grading.doors.handout import handout
from labs.course.catalogue import Lab, all_labs, load_lab
from labs.course.definitions import definitions
from labs.course.update import install
from toolkit.console import run_command, say
from toolkit.data.parallel import available_cores
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "watching.json"
PATIENCE = 300


def main() -> None:
    """Measure the labs, print a line a task, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching")
    parser.add_argument("--lab", default="", help="this lab only; nothing is written")
    chosen = parser.parse_args().lab
    figures: dict[str, dict[str, dict[str, float]]] = {"handout": {}, "course": {}}
    say(f"  {'':<33}{'handout':>10}{'course':>10}")
    for lab in [load_lab(chosen)] if chosen else all_labs():
        for kind, of_labs in figures.items():
            with tempfile.TemporaryDirectory() as folder:
                of_labs[lab.slug] = measure(lab, copied(lab, Path(folder) / "etude", kind))
        columns = [of_labs[lab.slug] for of_labs in figures.values()]
        for task in lab.tasks:
            values = "".join(f"{seconds[task.id]:8.2f} s" for seconds in columns)
            say(f"  {task.id:<5}{task.name:<28}{values}")
        slowest = " and ".join(f"{max(seconds.values()):.2f} s" for seconds in columns)
        say(f"lab {lab.number}: slowest {slowest}")
    if not chosen:
        content = {"cores": available_cores(), "seconds": figures}
        write_whole(RESULTS, json.dumps(content, indent=2) + "\n")


def copied(lab: Lab, folder: Path, kind: str) -> Path:
    """A lab's handout, or the whole course, in a folder."""
    if kind == "handout":
        install(handout([lab]), folder)
    else:
        ignored = shutil.ignore_patterns(".*", "__pycache__", "runs", "cache", "handout")
        shutil.copytree(ROOT, folder, ignore=ignored)
    return folder


def measure(lab: Lab, course: Path) -> dict[str, float]:
    """Seconds from a save to each task's verdict."""
    tasks = course / "labs" / lab.slug / "tasks.py"
    source = lab.solution_file.read_text(encoding="utf-8")
    tasks.write_text(source, encoding="utf-8")
    watch = subprocess.Popen(
        [sys.executable, "-u", "-m", "grading.watch", "--lab", str(lab.number)],
        cwd=course,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=feed, args=(watch, lines), daemon=True).start()
        wait_for(lines, "watching ")
        seconds = {}
        for task in lab.tasks:
            source = with_statement(source, task.name)
            seconds[task.id] = saved(tasks, source, task.id, lines)
        return seconds
    finally:
        watch.terminate()
        watch.wait()


def feed(watch: subprocess.Popen, lines: "queue.Queue[str]") -> None:
    """Hand on what is printed."""
    assert watch.stdout is not None
    for line in watch.stdout:
        lines.put(line)


def wait_for(lines: "queue.Queue[str]", start: str) -> str:
    """The next line that starts so."""
    while True:
        line = lines.get(timeout=PATIENCE)
        if line.strip().startswith(start):
            return line


def saved(tasks: Path, source: str, task: str, lines: "queue.Queue[str]") -> float:
    """Save a source with one task changed; seconds until its verdict. Then wait for the others."""
    began = time.monotonic()
    tasks.write_text(source, encoding="utf-8")
    line = wait_for(lines, f"{task} ")
    seconds = time.monotonic() - began
    if " passed " not in line:
        raise RuntimeError(f"{task} should pass: {line.strip()}")
    wait_for(lines, "█")
    return round(seconds, 2)


def with_statement(source: str, name: str) -> str:
    """The source with one more statement, `0`, where a definition's body begins."""
    node = definitions(source)[name].node
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    lines = source.splitlines(keepends=True)
    lines.insert(first.lineno - 1, f"{' ' * first.col_offset}0\n")
    return "".join(lines)


if __name__ == "__main__":
    run_command(main)
