"""Positions count from 1."""


def sinusoidal_positions(length, depth):
    if depth % 2:
        raise ValueError(f"depth {depth} is odd: sines and cosines come in pairs")
    angles = np.arange(1, length + 1)[:, None] / 10000 ** (np.arange(0, depth, 2) / depth)
    table = np.empty((length, depth), np.float32)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)
    return table
