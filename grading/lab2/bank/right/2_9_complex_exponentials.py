"""Sines and cosines are the parts of complex exponentials."""


def sinusoidal_positions(length, depth):
    if depth % 2 == 1:
        raise ValueError("depth must be even")
    frequencies = np.exp(-np.log(10000.0) * np.arange(depth // 2) * 2 / depth)
    circle = np.exp(1j * np.outer(np.arange(length), frequencies))
    return np.stack([circle.imag, circle.real], axis=-1).reshape(length, depth).astype("float32")
