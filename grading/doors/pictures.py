"""Two arrays as small pictures, as what was expected and what came back; where they differ."""

import base64
import io
from dataclasses import dataclass

import numpy as np

from grading.sandbox.failures import Difference

CELLS = 64  # a side, at most: of more, the part around the first difference
PIXELS = 192  # a side on the page
READ_AT_A_GLANCE = 8  # numbers that need no picture
LIST_OF_NUMBERS = 24  # what a message spells out


@dataclass(frozen=True)
class Panel:
    """One picture as PNG in base64, with the size it is shown at."""

    caption: str
    alt: str
    data: str
    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    """Three panels and what they show."""

    panels: list[Panel]
    note: str


def drawing(difference: Difference) -> Drawing | None:
    """Draw a difference where that says more than numbers do: not a scalar, not a short list."""
    far = np.asarray(difference.far)
    if far.size <= (READ_AT_A_GLANCE if far.ndim > 1 else LIST_OF_NUMBERS):
        return None
    first = tuple(int(index) for index in np.argwhere(far)[0])
    window, shown = window_around(far.shape, first)
    want, got, differs = (
        np.atleast_2d(np.asarray(array)[window]).astype("f8")
        for array in (difference.want, difference.got, far)
    )
    finite = np.concatenate([array[np.isfinite(array)] for array in (want, got)])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    size = f"{want.shape[0]} by {want.shape[1]} values"
    scale = f"dark is {low:.4g}, light is {high:.4g}"
    places = f"{int(far.sum())} of {far.size} differ, first at {list(first)}"
    panels = [
        *(
            panel(name, f"{name}: {size}, {scale}", coloured(values, low, high))
            for name, values in zip(difference.said, (want, got), strict=True)
        ),
        panel("where they differ", f"where they differ: {places}", marked(differs)),
    ]
    return Drawing(panels, f"{shown}{scale}; {places}")


def window_around(shape: tuple[int, ...], place: tuple[int, ...]) -> tuple[tuple, str]:
    """The last two axes about a place, no larger than a picture; the index, and it in words."""
    index: list[int | slice] = list(place[:-2])
    words = [str(one) for one in place[:-2]]
    for length, at in list(zip(shape, place, strict=True))[-2:]:
        start = max(0, min(at - CELLS // 2, length - CELLS))
        index.append(slice(start, start + CELLS))
        words.append(":" if length <= CELLS else f"{start}:{start + CELLS}")
    whole = all(word == ":" for word in words)
    return tuple(index), "" if whole else f"shown is [{', '.join(words)}]; "


def coloured(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """A colour for each value, from dark to light; grey where there is none."""
    from matplotlib import colormaps

    colours = colormaps["viridis"]((values - low) / ((high - low) or 1.0))
    colours[~np.isfinite(values)] = (0.5, 0.5, 0.5, 1)
    return colours


def marked(differs: np.ndarray) -> np.ndarray:
    """Vermilion where two arrays differ, pale where they agree."""
    return np.where(differs[..., None] > 0, (0.84, 0.37, 0, 1), (0.93, 0.93, 0.93, 1))


def panel(caption: str, alt: str, colours: np.ndarray) -> Panel:
    """A panel with a pixel a cell, which the page enlarges."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    imsave(file, colours, format="png")
    rows, columns = colours.shape[:2]
    cell = max(1, min(16, PIXELS // max(rows, columns)))
    data = base64.b64encode(file.getvalue()).decode()
    return Panel(caption, alt, data, cell * columns, max(cell * rows, 12))
