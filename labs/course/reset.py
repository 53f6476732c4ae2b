"""Put one stub back into `tasks.py`; every other line stays, and a backup is kept."""

import argparse

from labs.course.build import committed, keep_backup, stub_file
from labs.course.catalogue import Lab, find_task
from labs.course.definitions import definitions
from labs.course.stubs import replaced
from toolkit.console import next_step, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import shown, write_whole


def main() -> None:
    """Reset the task named on the command line."""
    parser = argparse.ArgumentParser(prog="make reset", description=__doc__)
    parser.add_argument("--task", default="", help="such as 3.4")
    wanted = parser.parse_args().task
    if not wanted:
        raise EtudeError("which task? make reset TASK=3.4")
    lab, task = find_task(wanted)
    text = replaced(_present(lab), task.name, stub(lab, task.name))
    if lab.tasks_file.is_file() and text == _present(lab):
        say(f"{task.name} (task {task.id}) is as it was handed out")
    else:
        if lab.tasks_file.is_file():
            keep_backup(lab.tasks_file)
        write_whole(lab.tasks_file, text)
        say(f"{task.name} (task {task.id}) is a stub again in {shown(lab.tasks_file)}")
    try:
        line = definitions(text)[task.name].line
    except SyntaxError as error:
        next_step(f"another syntax error is left: {error.msg}", lab.tasks_file, error.lineno)
        return
    next_step(f"write {task.name}", lab.tasks_file, line)


def _present(lab: Lab) -> str:
    if not lab.tasks_file.is_file():
        return fresh_tasks(lab)
    try:
        return lab.tasks_file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise EtudeError(f"{shown(lab.tasks_file)} is not UTF-8 text") from None


def fresh_tasks(lab: Lab) -> str:
    """Return `tasks.py` as it was handed out."""
    if lab.solution_file.is_file():
        return stub_file(lab)
    stubs = lab.folder / "stubs.py"  # a handout has it
    handed_out = stubs.read_bytes() if stubs.is_file() else committed(lab.tasks_file)
    if handed_out is None:
        raise EtudeError(
            f"{shown(lab.tasks_file)} as it was handed out is not here: take it from the handout"
        )
    return handed_out.decode()


def stub(lab: Lab, name: str) -> str:
    """Return the text of one task as it was handed out."""
    fresh = fresh_tasks(lab)
    found = definitions(fresh)[name]
    return "\n".join(fresh.splitlines()[found.line - 1 : found.end_line])


if __name__ == "__main__":
    run_command(main)
