"""The numbers of Lab 2's lessons; see `labs.course.lesson`."""

from typing import Any

import numpy as np

from labs.course.lesson import Worked, numbers, worked_into

WORKED: Worked = {}
MISTAKES = {
    "2_7_masked_after_the_softmax": ("(0.574, 0.058, 0)",),
    "2_7_no_tanh": ("0.953",),
}
worked = worked_into(WORKED)


@worked("2.7")
def attended(lab: Any) -> list[str]:
    """The weights of one state over three memories, the last one padding; the context."""
    context, weights = attention(lab)
    return [
        f"({', '.join(numbers(weights))})",
        *numbers(weights),
        f"({', '.join(numbers(context))})",
    ]


def attention(lab: Any) -> list:
    """Context and weights of the example of 2.7."""
    layer = lab.AdditiveAttention(2)
    memory = np.array([[[1, 0], [0, 1], [0, 0]]], "float32")
    inputs = [np.ones((1, 1, 1), "float32"), memory, np.array([[True, True, False]])]
    layer.build([part.shape for part in inputs])
    kernels = [[0.5, 0.5]], [[1, 0], [0, -1]], [1, 2]
    for weight, value in zip(
        (layer.state_kernel, layer.memory_kernel, layer.score), kernels, strict=True
    ):
        weight.assign(value)
    return layer(inputs)
