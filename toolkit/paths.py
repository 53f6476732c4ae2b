"""Where things are: the one place that knows the repository's layout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATASETS = ROOT / "datasets"
CACHE = DATASETS / "cache"
LABS = ROOT / "labs"
RUNS = ROOT / "runs"


def shown(path: Path) -> str:
    """Spell a path as a user would type it: relative to where they stand, if it is below."""
    path = Path(path)
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
