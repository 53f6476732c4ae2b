"""Pin requirements*.txt anew, with hashes, for Python 3.11 to 3.13 on every platform."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from toolkit.console import next_step, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown

FLAGS = [
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-emit-index-url", "--no-header", "--quiet"),
]


def main() -> None:
    """Resolve requirements.txt, then the two that add to it, so that all three agree."""
    base = ROOT / "requirements.lock"
    compile_lock(ROOT / "requirements.txt", base)
    for name in ("requirements-dev", "requirements-gpu"):
        compile_lock(ROOT / f"{name}.txt", ROOT / f"{name}.lock", base)
    next_step("make test")


def compile_lock(requirements: Path, lock: Path, constraint: Path | None = None) -> None:
    """Write `lock` from `requirements`; what `constraint` pins stays as it is pinned there.

    Raises
    ------
    EtudeError
        If the requirements cannot be met; the old lock stays.
    """
    constrained = ["--constraints", constraint.name] if constraint else []
    with tempfile.TemporaryDirectory(dir=lock.parent, prefix=".lock") as folder:
        # A fresh file, because uv keeps the versions of one that is there.
        fresh = Path(folder) / lock.name
        command = [sys.executable, "-m", "uv", "pip", "compile", *FLAGS, *constrained]
        done = subprocess.run(
            [*command, "--output-file", str(fresh), requirements.name],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise EtudeError(f"{shown(requirements)} cannot be pinned: {done.stderr.strip()}")
        os.replace(fresh, lock)
    say(f"wrote {shown(lock)}")


if __name__ == "__main__":
    run_command(main)
