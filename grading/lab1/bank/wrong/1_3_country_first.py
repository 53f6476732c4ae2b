"""The country stands before the input."""


def condition_on_country(inputs, countries, num_countries):
    one_hot = ops.one_hot(countries, num_countries, dtype=inputs.dtype)
    every_step = ops.ones_like(inputs[..., :1])
    return ops.concatenate([every_step * one_hot[:, None, :], inputs], axis=-1)
