"""Frequencies by exp and log; an outer product."""


def sinusoids(positions, d_model):
    half = d_model // 2
    frequencies = ops.exp(ops.arange(half, dtype="float32") * (-2 * np.log(10000) / d_model))
    angles = ops.outer(ops.cast(positions, "float32"), frequencies)
    waves = ops.stack([ops.sin(angles), ops.cos(angles)], axis=1)
    return ops.reshape(waves, (-1, d_model))
