"""`show("2.7")`, `listen("3.8")` and `answer("4.8")`: what the student's own code makes, and why.

In a notebook they show it; outside, `make show TASK=2.7` writes files, `make answer TASK=4.8`
prints.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labs.course.catalogue import Lab, Task, find_task
from labs.course.code import Tasks, load_tasks
from labs.course.kernel import shell
from labs.course.pictures import as_png, gallery
from toolkit.console import run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import RUNS, shown, write_whole


def show(task_id: str) -> None:
    """Draw the lesson's picture of a task with the student's own code.

    Parameters
    ----------
    task_id : str
        Such as "2.7".

    Raises
    ------
    EtudeError
        If the task has no picture that code makes, or the code is not written or fails.
    """
    lab, task = find_task(task_id)
    found, tasks = makers(lab, task, "computed"), load_tasks(lab)
    for number, make in enumerate(found, 1):
        picture = as_png(made(make, tasks))
        if shell():
            from IPython.display import Image, display  # type: ignore[import-not-found]

            display(Image(picture))
        else:
            keep(task, f"{number}.png", picture)


def listen(task_id: str) -> None:
    """Play what the student's own code makes.

    Parameters
    ----------
    task_id : str
        Such as "3.8".

    Raises
    ------
    EtudeError
        If the task has no sound, or its code is not written or fails.
    """
    from toolkit.music.sound import render_wav, to_mp3

    lab, task = find_task(task_id)
    found, tasks = makers(lab, task, "sounds"), load_tasks(lab)
    for number, make in enumerate(found, 1):
        path = place(task, f"{number}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        render_wav(made(make, tasks), path)
        sound = to_mp3(path)
        path.unlink()
        if shell():
            from IPython.display import Audio, display

            display(Audio(sound))
        else:
            keep(task, f"{number}.mp3", sound)


def answer(task_id: str) -> None:
    """Print the answer to the question that a lesson asks.

    Parameters
    ----------
    task_id : str
        Such as "4.8".

    Raises
    ------
    EtudeError
        If the lesson asks none.
    """
    _, task = find_task(task_id)
    if not task.answer:
        raise EtudeError(f"the lesson of {task.id} asks no question")
    print(task.answer)


def makers(lab: Lab, task: Task, kind: str) -> list[Callable[[Any], Any]]:
    """Find what makes a task's pictures ("computed") or sounds ("sounds")."""
    found = gallery(lab)
    if makers := found.of_task(task.id, getattr(found, kind)):
        return makers
    what = "a picture" if kind == "computed" else "a sound"
    raise EtudeError(f"task {task.id} has no {what.removeprefix('a ')} that code makes")


def made(make: Callable[[Any], Any], tasks: Tasks) -> Any:
    """Call `make` with the student's code, whose errors become one sentence."""
    try:
        return make(tasks)
    except EtudeError:
        raise
    except Exception as error:
        if sentence := tasks.explain(error):
            raise EtudeError(sentence) from error
        raise EtudeError(f"this cannot be drawn from what the code gives: {error}") from error


def place(task: Task, ending: str) -> Path:
    """Where `make show` writes."""
    return RUNS / "shown" / f"{task.id.replace('.', '_')}_{ending}"


def keep(task: Task, ending: str, content: bytes) -> None:
    """Write a picture or a sound, and say where."""
    write_whole(place(task, ending), content)
    say(f"open {shown(place(task, ending))}: made by your code")


def main() -> None:
    """Show and play what a task has, or answer its lesson's question."""
    parser = argparse.ArgumentParser(prog="make show", description=__doc__)
    parser.add_argument("--task", default="", help="such as 3.4")
    parser.add_argument("--answer", action="store_true", help="answer the lesson's question")
    options = parser.parse_args()
    if not options.task:
        raise EtudeError("which task? make show TASK=3.9")
    lab, task = find_task(options.task)
    if options.answer:
        answer(task.id)
        return
    found = gallery(lab)
    kinds = [
        (look, makers)
        for look, makers in ((show, found.computed), (listen, found.sounds))
        if found.of_task(task.id, makers)
    ]
    if not kinds:
        raise EtudeError(f"task {task.id} has nothing to show: it has no picture that code makes")
    for look, _ in kinds:
        look(task.id)


if __name__ == "__main__":
    run_command(main)
