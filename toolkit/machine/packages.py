"""What requirements.txt asks for, and what of it is installed; nothing of it is imported."""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from toolkit.paths import ROOT


def wanted(requirements: Path = ROOT / "requirements.txt") -> Iterator[Requirement]:
    """What the file asks for on this machine."""
    for line in requirements.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if not line or line.startswith("-"):
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement


def installed(name: str) -> str | None:
    """The version that is installed, if one is."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
