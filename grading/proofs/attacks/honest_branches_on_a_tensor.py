"""Branches on a tensor in a `tf.function`, for which TensorFlow reads the function's source.

Expected: full marks.
"""

import tensorflow as tf


@tf.function
def clipped(x):
    if tf.reduce_sum(x) > 0:
        return x
    return tf.zeros_like(x)


assert float(clipped(tf.constant(-1.0))) == 0.0
