"""Keras's own initializers, a seed for each weight; layer by layer."""

import keras


def initialize(model, seed):
    """Draw a built model's weights as GPT-2's are drawn."""
    seeds = iter(range(1000 * seed, 1000 * seed + len(model.weights)))
    added = [
        layer for b in model.blocks for layer in (b.attention.output_projection, b.network.contract)
    ]
    kernels = {id(layer.kernel) for layer in added}
    for weight in model.weights:
        name = weight.path.split("/")[-1]
        small = id(weight) in kernels
        draw = {
            "bias": keras.initializers.Zeros(),
            "beta": keras.initializers.Zeros(),
            "gamma": keras.initializers.Ones(),
            "scale": keras.initializers.Ones(),
        }.get(name)
        number = next(seeds)
        if draw is None:
            deviation = 0.02 * len(added) ** -0.5 if small else 0.02
            draw = keras.initializers.RandomNormal(0.0, deviation, seed=number)
        weight.assign(draw(weight.shape, dtype="float32"))
