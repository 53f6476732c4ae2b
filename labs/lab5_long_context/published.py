"""The published comparison, and ours beside it.

Source: `workspace/uncond/Experiments.md` of YatingMusic/compound-word-transformer (Hsiao et al.,
2021).
"""

from collections.abc import Mapping
from typing import Any

# the networks of the table: 12 layers, 8 heads, d_model 512, feed-forward 2,048; one card of 11 GB
PUBLISHED: dict[str, tuple[Any, Any]] = {
    "learning rate": ("2e-4", "1e-4"),
    "songs for training": (1612, 1675),
    "sequence length": ("7,680 (15 segments of 512)", "3,584"),
    "dictionary size": (332, "342 in seven fields"),
    "parameters": (41_291_084, 39_016_630),
    "receptive field in training": ("512, and 512 of memory", "3,584"),
    "batch size": ("4, 10", "4"),
    "training memory, GB": ("4, 10", "10"),
    "seconds a song, mean": ("195.25", "20.92"),
    "ends by itself": ("no", "yes"),
}
COLUMNS = ("", "REMI + XL, published", "ours", "CP + linear, published", "ours ")


def comparison(xl: Mapping[str, Any], linear: Mapping[str, Any]) -> list[list[Any]]:
    """Put our values, by the names of `PUBLISHED`, beside the published ones: rows of `COLUMNS`."""
    return [
        [name, *map(_text, (theirs_xl, xl.get(name), theirs_linear, linear.get(name)))]
        for name, (theirs_xl, theirs_linear) in PUBLISHED.items()
    ]


def _text(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
