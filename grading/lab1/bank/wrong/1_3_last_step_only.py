"""The country stands beside the last step only."""


def condition_on_country(inputs, countries, num_countries):
    one_hot = ops.one_hot(countries, num_countries, dtype=inputs.dtype)
    every_step = ops.concatenate(
        [ops.zeros_like(inputs[:, :-1, :1]), ops.ones_like(inputs[:, -1:, :1])], axis=1
    )
    return ops.concatenate([inputs, every_step * one_hot[:, None, :]], axis=-1)
