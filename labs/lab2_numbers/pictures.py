"""The pictures of Lab 2's lessons; see `labs.course.pictures`."""

from typing import Any

import numpy as np
from keras import ops
from matplotlib.figure import Figure

from labs.course.pictures import INK, KEY, MASKED, STATE, Gallery, arrow, box, canvas
from labs.lab2_numbers.worked import attention

GALLERY = Gallery(__file__)


@GALLERY.compute("2_7_attention")
def attention_weights(lab: Any) -> Figure:
    """One decoder state, three memories, scores and weights."""
    scores = (1.829, -0.462, 1.386)  # before the mask: the layer does not return them
    weights = np.ravel(ops.convert_to_numpy(attention(lab)[1]))
    figure, axes = canvas(3.3)
    box(axes, (3.5, 2.95), "decoder state  s", STATE, (1.7, 0.36))
    for place, (score, weight) in enumerate(zip(scores, weights, strict=True)):
        x = 1.5 + 2.0 * place
        masked = place == 2
        colour = MASKED if masked else KEY
        arrow(axes, (3.5 + 0.5 * (place - 1), 2.75), (x, 2.2), colour, dashed=masked)
        axes.plot([x - 0.45, x + 0.45], [1.5, 1.5], color=INK, linewidth=0.8)
        axes.bar(
            x,
            0.34 * score,
            0.4,
            bottom=1.5,
            color=colour,
            hatch="//" if masked else None,
            edgecolor="white",
        )
        axes.text(
            x + 0.27,
            1.5 + 0.17 * score,
            f"e = {score:.3f}".replace("-", "−"),
            va="center",
            fontsize=9,
        )
        name = f"h{place + 1}, padding" if masked else f"h{place + 1}"
        box(axes, (x, 0.95), name, colour, (1.2, 0.34))
        axes.text(
            x,
            0.5,
            f"a = {weight:.3f}" if weight else "a = 0",
            ha="center",
            fontsize=11,
            color=colour,
            weight="bold",
        )
    sum_text = " + ".join(
        f"{weight:.3f} h{place}" for place, weight in enumerate(weights, 1) if weight
    )
    axes.text(3.5, 0.15, f"context  c = {sum_text}", ha="center", fontsize=10)
    return figure
