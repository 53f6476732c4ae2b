"""A lab of three tasks, for tests of the frame: small enough to read at a glance."""

from pathlib import Path

from labs.course.catalogue import Lab, load_lab

TOML = """
number = 9
title = "Small"

[[task]]
id = "9.1"
name = "double"
points = 30
hints = ["look", "closer", "2 * x"]

[[task]]
id = "9.2"
name = "shift"
points = 30
builds_on = ["9.1"]
hints = ["look", "closer", "double(x) + STEP"]

[[task]]
id = "9.3"
name = "Scale"
points = 40
hints = ["look", "closer", "self.factor * x"]

[[figure]]
key = "val_nats"
name = "loss"
text = "validation loss, nats a token"
at_most = 1.5
preset = "quick"
"""

SOLUTION = '''# %% [markdown]
# # Lab 9: small
#
# You double, shift and scale.

# %%
import math

STEP = 10


def given(x):
    """Stay as it is."""
    return math.floor(x)


# %% [markdown]
# ## 9.1 Double


# %%
def double(x: int) -> int:
    """Return 2x."""
    # BEGIN SOLUTION
    return 2 * given(x)
    # END SOLUTION


# %%
def shift(x: int) -> int:
    """Return 2x + STEP."""
    # BEGIN SOLUTION
    y = double(x)
    return y + STEP
    # END SOLUTION


# %% [markdown]
# ## 9.3 Scale


# %%
class Scale:
    """Multiply by a factor."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, x: int) -> int:
        """Return factor times x."""
        # BEGIN SOLUTION
        return self.factor * x
        # END SOLUTION

    def inverse(self, x: int) -> float:
        """Return x over factor."""
        # BEGIN SOLUTION
        return x / self.factor
        # END SOLUTION
'''

EXPERIMENT = '''"""What `make lab9` runs."""

from dataclasses import dataclass

from toolkit.report.report import Report
from toolkit.training.settings import Count, Positive, FractionBelowOne


@dataclass(frozen=True)
class Settings:
    """The small lab's settings."""

    epochs: Count = 2
    rate: Positive = 0.5
    data: str = "inside"
    sizes: tuple[Count, ...] = (1, 2)
    top_k: Count | None = None
    shuffle: bool = True
    dropout: FractionBelowOne = 0.0
    instrument: str | None = None
    soundfont: str | None = None


PRESETS = {"quick": Settings(), "full": Settings(epochs=9)}
DATA_SETS = ("inside", "outside")


def run_experiment(tasks, settings, run):
    """Use two of the three tasks."""
    run.begin()
    (run.folder / "result.txt").write_text(f"{tasks.shift(3)} {settings}")
    Report(run, "Small").write()
'''


def task_ids(lab: Lab) -> dict[str, str]:
    """Each task's id by name."""
    return {task.name: task.id for task in lab.tasks}


def make_lab(folder: Path) -> Lab:
    """Write the small lab below `folder`, without anything that is generated."""
    lab = folder / "lab9_small"
    lab.mkdir(parents=True)
    (lab / "lab.toml").write_text(TOML)
    (lab / "solution.py").write_text(SOLUTION)
    (lab / "experiment.py").write_text(EXPERIMENT)
    return load_lab(9, folder)
