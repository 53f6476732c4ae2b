"""The number of steps is read off the shape: within a model it is None."""


def condition_on_country(inputs, countries, num_countries):
    one_hot = ops.one_hot(countries, num_countries, dtype=inputs.dtype)
    return ops.concatenate(
        [inputs, ops.repeat(one_hot[:, None, :], inputs.shape[1], axis=1)], axis=-1
    )
