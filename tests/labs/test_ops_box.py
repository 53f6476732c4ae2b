"""The box on `keras.ops` in the lessons: one text in every lab that has it, and true."""

import re

import keras
import numpy as np
import pytest
from keras import ops

from toolkit.paths import ROOT

FIRST_GRAPH_TASK = {
    "lab1_names": "1.3",
    "lab2_numbers": "2.7",
    "lab4_performances": "4.7",
    "lab5_long_context": "5.7",
    "lab6_language_models": "6.1",
}
BOX = r"# \*\*`keras.ops` in ten lines.*?\n# 10\. [^\n]*"


def box(lab: str) -> str:
    text = (ROOT / "labs" / lab / "solution.py").read_text(encoding="utf-8")
    cell = re.search(rf"# ## {re.escape(FIRST_GRAPH_TASK[lab])} .*?(?=\n# %%\n)", text, re.DOTALL)
    return re.search(BOX, cell[0], re.DOTALL)[0]


class Computes(keras.layers.Layer):
    """A layer that computes what it is given."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)


def traced(function, dtype=None):
    """What a layer gives in a model whose batch and length are unknown."""
    x = keras.Input((None, 4))
    return keras.Model(x, Computes(function, dtype=dtype)(x))(np.ones((2, 3, 4), "float32"))


def changes_in_place(x):
    x[:2] = 0.0
    return x


def test_every_lab_has_the_same_box():
    assert len({box(lab) for lab in FIRST_GRAPH_TASK}) == 1


def test_every_name_in_it_exists():
    names = set(re.findall(r"ops\.([a-z_]+)", box("lab1_names")))
    assert len(names) >= 10
    for name in names:
        assert hasattr(ops, name), name


def test_sizes():
    ids = keras.Input((None,), dtype="int32")
    assert tuple(ids.shape) == tuple(ops.shape(ids)) == (None, None)
    count = keras.Model(ids, ops.cumsum(ops.ones_like(ids), axis=1) - 1)
    assert ops.convert_to_numpy(count(np.full((1, 3), 7))).tolist() == [[0, 1, 2]]
    lengths = traced(lambda x: ops.full((ops.shape(x)[0],), ops.shape(x)[1]))
    assert ops.convert_to_numpy(lengths).tolist() == [3, 3]
    assert traced(lambda x: ops.reshape(x, (-1, 2, 2))).shape == (6, 2, 2)


def test_comparing():
    ids = keras.Input((None,), dtype="int32")
    assert (ids == 0) is False
    assert ops.equal(ids, 0).dtype == "bool"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: np.exp(x),
        lambda x: x if ops.sum(x) > 0 else -x,
        lambda x: ops.stack(list(x)),
        changes_in_place,
    ],
    ids=["numpy", "if", "for", "in_place"],
)
def test_what_fails_in_a_graph(wrong):
    with pytest.raises((TypeError, NotImplementedError, AttributeError, ValueError)):
        traced(wrong)


def test_what_works_in_a_graph():
    assert float(ops.sum(traced(lambda x: ops.where(ops.less(x, 2), x, 0.0)))) == 24
    assert float(ops.sum(traced(lambda x: ops.cond(ops.sum(x) > 0, lambda: -x, lambda: x)))) == -24
    three = ops.while_loop(lambda i: ops.less(i, 3), lambda i: (i + 1,), (ops.zeros((), "int32"),))
    assert int(three[0]) == 3
    changed = ops.slice_update(ops.zeros((3, 2)), [0, 0], ops.ones((2, 2)))
    assert ops.convert_to_numpy(changed).tolist() == [[1, 1], [1, 1], [0, 0]]


def test_half_precision():
    with pytest.raises((TypeError, ValueError)):
        traced(lambda x: x + ops.zeros((4,)), "mixed_float16")
    for function in (
        lambda x: x + ops.cast(ops.zeros((4,)), x.dtype),
        lambda x: x + ops.zeros((4,), dtype=x.dtype),
    ):
        assert keras.backend.standardize_dtype(traced(function, "mixed_float16").dtype) == "float16"
