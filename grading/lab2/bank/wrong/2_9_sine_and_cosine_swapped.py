"""Cosines come first."""


def sinusoidal_positions(length, depth):
    if depth % 2:
        raise ValueError(f"depth {depth} is odd: sines and cosines come in pairs")
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, depth, 2) / depth)
    table = np.empty((length, depth), np.float32)
    table[:, 0::2] = np.cos(angles)
    table[:, 1::2] = np.sin(angles)
    return table
