"""`make doctor`: what is here, what is missing, and what to do about it."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

try:
    from toolkit.console import console, heading, next_step, run_command, table
    from toolkit.data.datasets import describe, registry
    from toolkit.data.parallel import available_cores
    from toolkit.machine.packages import installed, wanted
    from toolkit.paths import CACHE, ROOT, shown
except ImportError as error:  # an environment too bare for the doctor itself
    sys.exit(
        f"stopped: Python {platform.python_version()} has no {error.name}: "
        "Etude needs Python 3.11, 3.12 or 3.13 and its packages, run make setup"
    )

OLDEST, NEWEST = (3, 11), (3, 13)
MB, GB = 10**6, 10**9
LITTLE_DISK = 2 * GB
NO_DISK = 100 * MB  # a quick run with its cache takes less
LITTLE_MEMORY = 3 * GB
START_TIMEOUT = 120  # seconds that a backend may take to start, on a slow disk the first time

# What the backend says of itself, asked in a process of its own: a broken one can crash it.
ASK_BACKEND = """
import json
from toolkit.console import quiet_tensorflow
quiet_tensorflow()
from toolkit.training.runtime import configure
runtime = configure(seed=0)
print(json.dumps([runtime.backend, runtime.device, runtime.precision]))
"""


class Finding(NamedTuple):
    """One line of the diagnosis; `advice` says what to do where `state` is not "ok"."""

    state: str  # "ok", "note" (a lab runs all the same) or "MISSING" (none does)
    what: str
    found: str
    advice: str = ""


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """See whether this Python is one that Etude runs on."""
    found = f"{platform.python_version()} in {sys.prefix}"
    if OLDEST <= version <= NEWEST:
        return Finding("ok", "Python", found)
    advice = "install Python 3.11, 3.12 or 3.13, then run make setup"
    return Finding("MISSING", "Python", found, advice)


def check_packages(requirements: Path = ROOT / "requirements.txt") -> Iterator[Finding]:
    """Compare the installed packages with `requirements.txt`, without importing any."""
    for requirement in wanted(requirements):
        name, bounds, version = requirement.name, requirement.specifier, installed(requirement.name)
        if version is None:
            yield Finding("MISSING", name, "not installed", "make setup")
            continue
        if bounds.contains(version, prereleases=True):
            yield Finding("ok", name, version)
        else:
            advice = f"Etude was tried with {name} {bounds}: make setup"
            yield Finding("note", name, version, advice)


def check_backend() -> Iterator[Finding]:
    """Start Keras's backend, see its device and the precision that `auto` means there."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", ASK_BACKEND],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT,
        )
        answer.check_returncode()
        backend, device, precision = json.loads(answer.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = f"does not start within {START_TIMEOUT} s"
        yield Finding(
            "MISSING", "backend", found, "run make doctor again; if it stays so, make setup"
        )
        return
    except subprocess.CalledProcessError as error:
        complaint = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        reason = complaint[-1].removeprefix("toolkit.errors.EtudeError: ")
        yield Finding("MISSING", "backend", f"does not start: {reason}", "make setup")
        return
    yield Finding("ok", "backend", f"{backend} {metadata.version(backend)}")
    on_cpu = device.startswith("CPU")
    if on_cpu and shutil.which("nvidia-smi"):
        advice = "there is an NVIDIA GPU that the backend does not see: make setup GPU=1"
        yield Finding("note", "GPU", "not used", advice)
    elif on_cpu:
        advice = "quick presets are made for a CPU; full ones want a GPU (Colab has one)"
        yield Finding("note", "GPU", "none", advice)
    else:
        yield Finding("ok", "GPU", device)
    yield Finding("ok", "precision", f"auto means {precision} here")


def check_sound() -> Iterator[Finding]:
    """See what will make the music audible."""
    try:
        from toolkit.music.sound import DEFAULT_SOUNDFONT, has_fluidsynth
    except ImportError as error:
        yield Finding("MISSING", "sound", f"{error.name} cannot be imported", "make setup")
        return
    if has_fluidsynth():
        yield Finding("ok", "FluidSynth", shutil.which("fluidsynth") or "")
    else:
        advice = (
            "symusic's synthesizer is used; for FluidSynth: apt install fluidsynth, "
            "brew install fluid-synth or conda install -c conda-forge fluidsynth"
        )
        yield Finding("note", "FluidSynth", "not installed", advice)
    if DEFAULT_SOUNDFONT.is_file():
        yield Finding("ok", "SoundFont", f"{DEFAULT_SOUNDFONT.name}, from pretty_midi")
    else:
        advice = "make setup, or name one with SOUNDFONT=path"
        yield Finding("MISSING", "SoundFont", "the one in pretty_midi is not there", advice)


def check_data() -> Iterator[Finding]:
    """See which data sets are here; none of them is necessary."""
    for data_set in registry().values():
        found = describe(data_set)
        lacking = found.startswith("not here") or found.endswith("missing")
        advice = f"make data NAME={data_set.name} when you want it" if lacking else ""
        yield Finding("note" if lacking else "ok", data_set.name, found, advice)


def check_machine() -> Iterator[Finding]:
    """See what the machine has: cores, memory, disk, and whether it is Colab's."""
    yield Finding("ok", "cores", str(available_cores()))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    short = memory < LITTLE_MEMORY
    advice = "close other programs before a run" if short else ""
    yield Finding("note" if short else "ok", "memory", f"{memory / GB:.0f} GB", advice)
    yield check_disk(shutil.disk_usage(ROOT).free)
    if not os.access(ROOT, os.W_OK):
        advice = "runs and prepared data are written below it: use a copy that you may write to"
        yield Finding("MISSING", "folder", f"{ROOT} cannot be written to", advice)
    if "COLAB_RELEASE_TAG" in os.environ:
        advice = "files are lost with the session: download tasks.py and runs/, or use Drive"
        yield Finding("note", "Colab", "yes", advice)
    else:
        yield Finding("ok", "Colab", "no")


def check_disk(free: int) -> Finding:
    """Judge how much disk is left, in bytes."""
    found = f"{free / GB:.1f} GB free"
    if free < NO_DISK:
        return Finding(
            "MISSING", "disk", found, f"make room; {shown(CACHE)} and runs/ may be emptied"
        )
    if free < LITTLE_DISK:
        return Finding("note", "disk", found, "enough for quick runs, not for every data set")
    return Finding("ok", "disk", found)


def diagnose() -> Iterator[tuple[str, list[Finding]]]:
    """Give the findings section by section."""
    yield "Python and packages", [check_python(), *check_packages()]
    yield "Training", list(check_backend())
    yield "Sound", list(check_sound())
    yield "Data sets (labs run without them, on embedded data)", list(check_data())
    yield "Machine", list(check_machine())


def main() -> int:
    """Print the diagnosis; the status is 1 if something is missing without which no lab runs."""
    missing: list[Finding] = []
    for title, findings in diagnose():
        heading(title)
        rows = [
            (finding.state, finding.what, finding.found, finding.advice) for finding in findings
        ]
        table("", "what", "found", "what to do", rows=rows)
        missing += [finding for finding in findings if finding.state == "MISSING"]
    console.print()
    if missing:
        for finding in missing:
            next_step(f"{finding.what}: {finding.advice}")
        return 1
    next_step("make help lists the labs, and what else there is")
    return 0


if __name__ == "__main__":
    run_command(main)
