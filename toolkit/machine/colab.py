"""Make a Colab machine ready for a lab: packages, GPU, and where data and runs are kept.

Colab's own TensorFlow fits its GPU, and a kernel may have loaded it: nothing here replaces it.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from toolkit.console import say, warn
from toolkit.errors import EtudeError
from toolkit.machine.packages import installed, wanted
from toolkit.paths import CACHE, ROOT, RUNS, shown

CONTENT = Path("/content")  # where Colab starts, and mounts Drive
# what fits the machine's GPU, or breaks what does if its version moves
COLABS_OWN = ("tensorflow", "keras", "numpy", "jax", "jaxlib", "torch", "protobuf")


def on_colab() -> bool:
    """Whether this is a machine of Colab's."""
    return "COLAB_RELEASE_TAG" in os.environ


def prepare(drive: bool = False) -> None:
    """Install what is missing, say what trains, and choose where data and runs are kept.

    Outside Colab this does nothing: there `make setup` has done it.

    Parameters
    ----------
    drive : keep data sets, prepared data and runs on your Google Drive, where they outlast the
        session; else on the machine's disk, which is faster

    Raises
    ------
    EtudeError
        If a package cannot be installed, or Drive cannot be used.
    """
    if not on_colab():
        return
    install_missing()
    from toolkit.machine.doctor import check_backend  # leans on what may have been missing

    for finding in check_backend():
        if finding.what == "GPU" and finding.state != "ok":
            warn("no GPU: Runtime > Change runtime type > T4 GPU, then run this cell again")
        elif finding.state == "ok":
            say(f"{finding.what}: {finding.found}")
        else:
            warn(f"{finding.what} {finding.found}")
    if drive:
        keep_on(mounted())
    else:
        say("data and runs are on this machine's disk and are lost with it: prepare(drive=True)")


# Packages


def install_missing(requirements: Path = ROOT / "requirements.txt") -> list[str]:
    """Install what is missing or out of bounds, but nothing of Colab's own; return its names.

    Raises
    ------
    EtudeError
        If that cannot be had together with Colab's own packages.
    """
    own = {name: version for name in COLABS_OWN if (version := installed(name))}
    lacking = []
    for requirement in wanted(requirements):
        version = installed(requirement.name)
        if version is not None and requirement.specifier.contains(version, prereleases=True):
            continue
        if requirement.name in own:
            warn(
                f"{requirement.name} {version} is Colab's and stays; Etude was tried with "
                f"{requirement.specifier}"
            )
        else:
            lacking.append(requirement)
    if not lacking:
        return []
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "colab.txt"
        constraints.write_text("".join(f"{name}=={own[name]}\n" for name in own))
        words = [f"{requirement.name}{requirement.specifier}" for requirement in lacking]
        command = [sys.executable, "-m", "pip", "install", "--quiet"]
        done = subprocess.run(
            [*command, "--constraint", str(constraints), *words], capture_output=True, text=True
        )
    names = [requirement.name for requirement in lacking]
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EtudeError(f"pip could not install {', '.join(names)} beside Colab's own: {reason}")
    importlib.invalidate_caches()
    say(f"installed {', '.join(names)}")
    return names


# Data and runs


def mounted() -> Path:
    """Mount Google Drive, which asks its owner, and return Etude's folder there.

    Raises
    ------
    EtudeError
        If it is not allowed or not there.
    """
    try:
        google_drive = importlib.import_module("google.colab.drive")
        google_drive.mount(str(CONTENT / "drive"))
        folder = CONTENT / "drive" / "MyDrive" / "etude"
        folder.mkdir(exist_ok=True)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise EtudeError(
            f"Google Drive cannot be used ({error}): allow it and run this cell again, or "
            "prepare() keeps data on this machine's disk"
        ) from None
    return folder


def keep_on(folder: Path) -> None:
    """Keep data and runs in a folder of Drive; what is here already moves there.

    Of what both have, Drive's counts, and this machine's stays under another name.

    Raises
    ------
    EtudeError
        If Drive is full or cannot be written; nothing is lost.
    """
    try:
        for place, target in ((CACHE, folder / "cache"), (RUNS, folder / "runs")):
            target.mkdir(parents=True, exist_ok=True)
            if place.is_symlink():
                place.unlink()
            elif place.is_dir():
                move_into(place, target)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target, target_is_directory=True)
    except OSError as error:
        raise EtudeError(
            f"{shown(folder)} cannot be written ({error.strerror or error}): make room on Drive "
            "and run this cell again, or prepare() keeps data on this machine's disk"
        ) from None
    say(f"data and runs are on Drive: {folder}")


def move_into(place: Path, target: Path) -> None:
    """Move what `target` lacks, and put the rest aside."""
    for child in list(place.iterdir()):
        if not (target / child.name).exists():
            shutil.move(child, target / child.name)
    if any(place.iterdir()):
        aside = Path(tempfile.mkdtemp(prefix=f"{place.name}-", dir=place.parent))
        place.replace(aside)
        warn(f"Drive has some of this already; this machine's stays in {shown(aside)}")
    else:
        place.rmdir()
