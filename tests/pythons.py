"""Which of the Pythons that Etude supports this machine has."""

import os
import shutil
import subprocess
from pathlib import Path

PYTHONS = ("3.11", "3.12", "3.13")


def pythons() -> dict[str, Path]:
    """Every supported Python on this machine, by version: on the PATH or under pyenv."""
    places = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True).stdout.strip()
        places = [*sorted(Path(root).glob("versions/*/bin")), *places]
    found: dict[str, Path] = {}
    for version in PYTHONS:
        for place in places:
            python = place / f"python{version}"
            if version not in found and python.is_file() and _answers(python, version):
                found[version] = python
    return found


def _answers(python: Path, version: str) -> bool:
    program = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([str(python), "-c", program], capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == version
