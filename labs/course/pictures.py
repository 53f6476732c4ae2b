"""Pictures of the lessons: one palette, one way to draw boxes and arrows, one way to write files.

A lab's `pictures.py` has a `Gallery` named `GALLERY`. `python -m labs.course.pictures` draws all of
them from the solution into `labs/<lab>/pictures/`, or with `--lab 2` those of one lab; with
`--measure 2_8_attention` it makes measured values anew instead.
"""

import argparse
import importlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from labs.course.catalogue import Lab, all_labs, load_lab
from labs.course.code import load_tasks
from toolkit.console import hushed, quiet_tensorflow, run_command, say
from toolkit.errors import EtudeError
from toolkit.paths import shown, write_whole

# Of what they stand for; each is told apart in grey print too, and none is used alone.
QUERY, KEY, VALUE, STATE, MASKED = "#1f5f99", "#c46a1b", "#3b7d5e", "#7d4f9e", "#b9b9b9"
INK, PAPER = "#1c1c1c", "#ffffff"
WIDTH, DPI = 7.0, 160  # inches: at most 1,400 pixels
COLOURS, MAX_BYTES = 32, 30_000


class Gallery:
    """A lab's pictures and sounds by name; a name begins with its task: `2_7_attention`.

    Parameters
    ----------
    file : the lab's `pictures.py`; measured values are in `pictures.json` beside it

    Attributes
    ----------
    static : functions of nothing, which give a figure
    computed : functions of a lab's code, which give a figure
    sounds : functions of a lab's code, which give a NoteSequence
    measures : functions of nothing that train or time something, and give what JSON can hold
    """

    def __init__(self, file: str):
        self.saved = Path(file).with_suffix(".json")
        self.static: dict[str, Callable[[], Figure]] = {}
        self.computed: dict[str, Callable[[Any], Figure]] = {}
        self.sounds: dict[str, Callable[[Any], Any]] = {}
        self.measures: dict[str, Callable[[], Any]] = {}

    def draw(self, name: str) -> Callable:
        """Enter a picture that needs no code of the lab's."""
        return lambda make: self.static.setdefault(name, make)

    def compute(self, name: str) -> Callable:
        """Enter a picture of what the lab's code gives."""
        return lambda make: self.computed.setdefault(name, make)

    def hear(self, name: str) -> Callable:
        """Enter a sound of what the lab's code gives."""
        return lambda make: self.sounds.setdefault(name, make)

    def measure(self, name: str) -> Callable:
        """Enter how values are made that take long; `--measure name` writes them."""
        return lambda make: self.measures.setdefault(name, make)

    def values(self, name: str) -> Any:
        """Read measured values."""
        return json.loads(self.saved.read_text(encoding="utf-8"))[name]

    def figures(self, lab: Any) -> dict[str, Figure]:
        """Draw all pictures, those that need it from this code of the lab's."""
        drawn = {name: make() for name, make in self.static.items()}
        return drawn | {name: make(lab) for name, make in self.computed.items()}

    def of_task(self, task_id: str, makers: dict[str, Callable]) -> list[Callable]:
        """Find what a task has among `computed` or `sounds`."""
        begin = task_id.replace(".", "_") + "_"
        return [make for name, make in makers.items() if name.startswith(begin)]


def gallery(lab: Lab) -> Gallery:
    """Import a lab's pictures, and TensorFlow without what it says of itself."""
    quiet_tensorflow()
    with hushed():
        return importlib.import_module(f"labs.{lab.slug}.pictures").GALLERY


def as_png(figure: Figure) -> bytes:
    """Write a figure as a PNG of few colours."""
    FigureCanvasAgg(figure)
    full = io.BytesIO()
    figure.savefig(full, format="png", dpi=DPI, facecolor=PAPER)
    few = Image.open(full).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()


# Drawing


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Make a picture without axes, whose coordinates are inches from its lower left corner."""
    figure = Figure((width, height), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    return figure, axes


def chart(height: float, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Make a picture with one or several axes side by side, in the course's style."""
    figure = Figure((WIDTH, height), dpi=DPI, layout="constrained")
    found = figure.subplots(1, columns, **options)
    for axes in np.ravel(found):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return figure, found


def box(
    axes: Axes,
    centre: tuple[float, float],
    text: str,
    colour: str = INK,
    size: tuple[float, float] = (1.1, 0.4),
    bold: bool = False,
) -> None:
    """Draw a box with a text at `centre`."""
    corner = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    style = "round,pad=0,rounding_size=0.06"
    axes.add_patch(
        FancyBboxPatch(
            corner, *size, style, facecolor=PAPER, edgecolor=colour, linewidth=2.4 if bold else 1.3
        )
    )
    weight = "bold" if bold else "normal"
    axes.text(*centre, text, ha="center", va="center", color=colour, fontsize=9, weight=weight)


def arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = INK,
    bold: bool = False,
    dashed: bool = False,
) -> None:
    """Draw an arrow."""
    style = {
        "arrowstyle": "-|>",
        "color": colour,
        "linewidth": 2.6 if bold else 1.3,
        "linestyle": (0, (3, 2)) if dashed else "solid",
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", end, start, arrowprops=style)


def cells(
    axes: Axes,
    corner: tuple[float, float],
    texts: list[list[str]],
    colours: list[list[str]] | None = None,
    size: tuple[float, float] = (0.46, 0.34),
) -> None:
    """Draw a table of small boxes, its upper left one at `corner`; a colour fills it lightly."""
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            x, y = corner[0] + j * size[0], corner[1] - (i + 1) * size[1]
            fill = colours[i][j] if colours else PAPER
            face = PAPER if fill == PAPER else (*_rgb(fill), 0.28)
            axes.add_patch(
                FancyBboxPatch(
                    (x, y), *size, "square,pad=0", facecolor=face, edgecolor=INK, linewidth=0.7
                )
            )
            centre = x + size[0] / 2, y + size[1] / 2
            axes.text(*centre, text, ha="center", va="center", color=INK, fontsize=8.5)


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


def heatmap(axes: Axes, values: np.ndarray, title: str = "", digits: int | None = None) -> None:
    """Draw a matrix, the darker the larger; with `digits` each number stands in its place."""
    axes.imshow(values, cmap="Blues", aspect="auto", interpolation="nearest")
    axes.set_title(title, fontsize=10)
    if digits is not None:
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        for (i, j), value in np.ndenumerate(values):
            colour = PAPER if value > middle else INK
            axes.text(
                j, i, f"{value:.{digits}f}", ha="center", va="center", fontsize=8, color=colour
            )


# Files


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m labs.course.pictures", description=__doc__)
    parser.add_argument("--lab", default="", help="a number; all labs unless told")
    parser.add_argument("--measure", help="make the values of this name in pictures.json anew")
    options = parser.parse_args()
    labs = [load_lab(options.lab)] if options.lab else all_labs()
    if options.measure:
        save_values(labs, options.measure)
        return
    for lab in labs:
        for name, figure in gallery(lab).figures(load_tasks(lab, "solution")).items():
            picture = as_png(figure)
            path = lab.folder / "pictures" / f"{name}.png"
            if len(picture) > MAX_BYTES:
                raise EtudeError(f"{shown(path)} would have {len(picture):,} bytes: draw less")
            path.parent.mkdir(exist_ok=True)
            write_whole(path, picture)
            say(f"{shown(path)}: {len(picture):,} bytes")


def save_values(labs: list[Lab], name: str) -> None:
    """Measure what a picture needs, and keep it in the lab's `pictures.json`."""
    known = {name: found for lab in labs for found in [gallery(lab)] for name in found.measures}
    if name not in known:
        raise EtudeError(f"nothing is measured for {name}: {', '.join(known) or 'none'}")
    saved, value = known[name].saved, known[name].measures[name]()
    kept = json.loads(saved.read_text(encoding="utf-8")) if saved.is_file() else {}
    write_whole(saved, json.dumps(kept | {name: value}, separators=(",", ":")) + "\n")
    say(f"{shown(saved)}: {name}")


if __name__ == "__main__":
    run_command(main)
