"""What to do about errors of Keras and TensorFlow that newcomers meet."""

import re

NO_VALUES = "while Keras traces a layer, a tensor has no values yet"
ADVICE = {
    r"Tensor' object (does not support item assignment|has no attribute '__setitem__)": (
        "a tensor cannot be changed in place: use ops.where, ops.slice_update or ops.concatenate"
    ),
    r"as a Python `bool`|KerasTensor cannot be used as a boolean": (
        f"{NO_VALUES}, so Python's if, while, and, or cannot ask it: use ops.where, ops.cond, "
        "ops.logical_and, ops.logical_or or ops.while_loop"
    ),
    r"Iterating over a symbolic": (
        f"{NO_VALUES}, so Python's for, sum, max and sorted cannot go through it: compute all of "
        "it at once with keras.ops, or use ops.scan or ops.while_loop"
    ),
    r"KerasTensor cannot be used as input to a TensorFlow": (
        "an operator of Python meets the symbolic input of a Keras model, which has no values yet: "
        "use keras.ops on both sides, such as ops.less(a, b) for a < b"
    ),
    r"symbolic tf\.Tensor .*to a numpy array|A KerasTensor is symbolic|'KerasTensor'|"
    r"'SymbolicTensor'|not SymbolicTensor|Tensor' object has no attribute '(numpy|item|astype)'": (
        f"{NO_VALUES}, so NumPy, int(), float() and range() cannot read it: use keras.ops, "
        "such as ops.exp for np.exp"
    ),
    r"Failed to convert elements of \(.*None.*\) to Tensor|Invalid dtype: NoneType|"
    r"but got None of type 'NoneType'|Exception encountered .*'NoneType'|"
    r"convert a value \(None\) with an unsupported type": (
        "a size in x.shape is None while Keras traces a layer: take it from ops.shape(x), or give "
        "-1 to ops.reshape"
    ),
    r"expected to be a \w+ tensor but is a \w+ tensor|has type \w+ that does not match type|"
    r"have types \[.*\] that don't all match|requested dtype \w+ for Tensor with dtype": (
        "two dtypes meet, as in half precision, where a layer gets float16 and ops.zeros or a "
        "constant is float32: make it with dtype=x.dtype, or use ops.cast(y, x.dtype)"
    ),
}
PATTERNS = {re.compile(pattern, re.DOTALL): advice for pattern, advice in ADVICE.items()}
FIRST = 120  # characters of the error itself, told behind the advice


def advised(whole: str, message: str) -> str:
    """Put advice before an error's message, where there is some.

    Parameters
    ----------
    whole
        The error as it was raised.
    message
        The same without what Keras and TensorFlow add.
    """
    for pattern, advice in PATTERNS.items():
        if pattern.search(whole):
            first = re.split(r"\. |\n", message, maxsplit=1)[0][:FIRST].rstrip(".")
            return f"{advice} ({first})"
    return message
