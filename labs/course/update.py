"""Put a handout's files into a folder: a new one, or one in which a student has worked."""

import argparse
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from labs.course.build import keep_backup
from toolkit.console import next_step, run_command, say, warn
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, make_folder, shown, write_whole

MANIFEST = "handout.json"
# what a student writes in; everything else is the course's
STUDENTS = re.compile(r"labs/lab\d+_\w+/(tasks\.py|lab\d+\.ipynb)")


@dataclass
class Changes:
    """What happened to a folder's files."""

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def install(files: dict[str, bytes], folder: Path) -> Changes:
    """Write a handout into a folder.

    What a student has edited of `tasks.py` and the notebook is never touched. Of any other file
    that was edited a backup is kept.

    Parameters
    ----------
    files
        Every file of the handout but its list, by its path in it.

    Raises
    ------
    EtudeError
        If the folder holds something that is no handout.
    """
    before = open_folder(folder)
    changes = Changes()
    for name, content in sorted(files.items()):
        path = folder / name
        present = path.read_bytes() if path.is_file() else None
        if present == content:
            continue
        if present is not None and digest(present) != before.get(name):
            if STUDENTS.fullmatch(name):
                changes.kept.append(name)
                continue
            keep_backup(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
        changes.written.append(name)
    for name in sorted(before.keys() - files.keys()):
        path = folder / name
        if path.is_file() and digest(path.read_bytes()) == before[name]:
            path.unlink()
            changes.removed.append(name)
    manifest = {name: digest(content) for name, content in sorted(files.items())}
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return changes


def open_folder(folder: Path) -> dict[str, str]:
    """Make the folder a handout may go into; its files of an earlier one, as `read_manifest`.

    Raises
    ------
    EtudeError
        If it cannot be made, or holds something that is no handout.
    """
    return read_manifest(folder) if any(make_folder(folder).iterdir()) else {}


def read_manifest(folder: Path) -> dict[str, str]:
    """Read which files a handout has, and their hashes.

    Raises
    ------
    EtudeError
        If the folder is no handout.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, value in manifest.items():
            inside = Path(name)
            if inside.is_absolute() or ".." in inside.parts or type(value) is not str:
                raise ValueError
    except (OSError, ValueError, AttributeError):
        raise EtudeError(
            f"{shown(folder)} is not a handout (it has no {MANIFEST} that can be read): name a "
            "handout's folder, or a new one to make a handout in"
        ) from None
    return manifest


def read_handout(folder: Path) -> dict[str, bytes]:
    """Read a handout's files as they were made.

    Raises
    ------
    EtudeError
        If it is no handout, or somebody has changed it.
    """
    files = {}
    for name, expected in read_manifest(folder).items():
        try:
            files[name] = (folder / name).read_bytes()
        except OSError:
            raise EtudeError(f"{shown(folder)} is missing {name}: get the handout again") from None
        if digest(files[name]) != expected:
            raise EtudeError(f"{shown(folder / name)} was changed: get the handout again")
    return files


def tell(changes: Changes) -> None:
    """Say what was done, and whose work stayed."""
    say(f"{len(changes.written)} files are new, {len(changes.removed)} are gone")
    for name in changes.kept:
        warn(f"{name} holds work and stays as it is")
    if any(name.endswith("tasks.py") for name in changes.kept):
        say(
            "new stubs, if there are any, are in stubs.py; make reset TASK=3.4 takes one from there"
        )


def digest(content: bytes) -> str:
    """Hash a file's content."""
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Bring this copy of the course up to date."""
    parser = argparse.ArgumentParser(prog="make update")
    parser.add_argument("--from", dest="source", default="")
    source = parser.parse_args().source
    if not (ROOT / MANIFEST).is_file():
        raise EtudeError("this is the course itself, not a handout: update it with git")
    if not source:
        raise EtudeError("from where? make update FROM=folder of the new handout")
    if Path(source).resolve() == ROOT:
        raise EtudeError(f"FROM={source} is this folder: name that of the new handout")
    tell(install(read_handout(Path(source)), ROOT))
    next_step("make setup, then make grade")


if __name__ == "__main__":
    run_command(main)
