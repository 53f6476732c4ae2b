"""What crosses the pipe comes out as it went in, and nothing else gets through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from grading.sandbox.worker import codec
from grading.sandbox.worker.codec import Opaque, ProtocolError, pack, unpack

numbers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | st.text(max_size=20)
arrays = st_numpy.arrays(
    st.sampled_from(sorted(codec.DTYPES)).map(np.dtype), st_numpy.array_shapes(min_side=0)
)
values = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one, other):
    """Equal in type and value, arrays bit by bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other


@given(values)
def test_every_plain_value_comes_out_as_it_went_in(value):
    tree, buffers = pack(value)
    assert same(unpack(tree, b"".join(buffers)), value)


def test_not_a_number_crosses():
    tree, _ = pack([float("nan"), float("inf")])
    assert np.isnan(unpack(tree, b"")[0])
    assert unpack(tree, b"")[1] == float("inf")


def test_arrays_arrive_read_only_native_and_in_c_order():
    for array in (np.arange(6, dtype=">i4").reshape(2, 3), np.ones((2, 3), order="F")):
        tree, buffers = pack(array)
        got = unpack(tree, b"".join(buffers))
        assert not got.flags.writeable
        assert got.dtype.isnative
        np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array(["text"]),
        np.array([1 + 2j]),
        np.zeros(2, dtype=[("a", "i4")]),
        np.zeros((1,) * 9),
        2**63,
        list(range(codec.MAX_NODES)),
    ],
    ids=range(7),
)
def test_other_values_are_refused(value):
    with pytest.raises(ProtocolError):
        pack(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.float64(1), lambda: None])
def test_a_question_with_anything_else_is_the_grader_s_own_mistake(value):
    with pytest.raises(TypeError, match="in a question"):
        pack(value)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_bounded():
    pack(nested(codec.MAX_DEPTH))
    with pytest.raises(ProtocolError, match="nested"):
        pack(nested(codec.MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "tree",
    [
        {"array": "float64", "shape": [2**39]},
        {"array": "float64", "shape": [-1]},
        {"array": "float64", "shape": [True]},
        {"array": "float64", "shape": [1] * 9},
        {"array": "object", "shape": [1]},
        {"array": "float64", "shape": "22"},
        {"dict": [[[], 1]]},
        {"dict": [[1]]},
        {"opaque": -1},
        {"opaque": 1.5},
        {"float": "0.5"},
        {"pickle": "x"},
        nested(codec.MAX_DEPTH + 1),
        2**63,
    ],
    ids=range(14),
)
def test_forged_trees_are_refused(tree):
    with pytest.raises(ProtocolError):
        unpack(tree, b"\0" * 8)


def test_bytes_that_belong_to_nothing_are_refused():
    with pytest.raises(ProtocolError, match="belong"):
        unpack(None, b"more")


def test_a_frame_that_claims_too_much_is_refused_before_it_is_read():
    head = codec.HEAD.pack(b"\0" * 16, codec.MAX_JSON + 1, 0)
    with pytest.raises(ProtocolError, match="larger"):
        codec.receive(lambda size: head)


def test_what_cannot_cross_is_kept_behind_a_number():
    tree, _ = pack([object()], keep=lambda value: Opaque(7))
    assert unpack(tree, b"", revive=lambda opaque: opaque.number) == [7]
