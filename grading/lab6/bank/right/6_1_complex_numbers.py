"""Pairs as complex numbers, turned by the difference equation cos + i sin, positions by cumsum."""

import numpy as np
from keras import ops


def rotate(x, offset=0):
    """Turn pairs of features by angles that grow with the position."""
    dim = x.shape[-1]
    slow = np.float32(10_000.0) ** np.float32(-np.arange(0, dim, 2) / dim)
    steps = ops.cumsum(ops.ones((x.shape[1],), "float32")) - 1 + ops.cast(offset, "float32")
    angles = ops.reshape(ops.outer(steps, slow), (1, x.shape[1], 1, dim // 2))
    both = ops.concatenate([angles, angles], axis=-1)
    wide = ops.cast(x, "float32")
    half_turned = ops.concatenate([-wide[..., dim // 2 :], wide[..., : dim // 2]], axis=-1)
    return ops.cast(wide * ops.cos(both) + half_turned * ops.sin(both), x.dtype)
