"""Asks where its file lies, for data beside it.

Expected: full marks.
"""

from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
assert DATA.parent.is_dir()
