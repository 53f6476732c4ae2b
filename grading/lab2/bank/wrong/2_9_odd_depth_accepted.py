"""An odd depth gets one column too few, and no error."""


def sinusoidal_positions(length, depth):
    depth = depth - depth % 2
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, depth, 2) / depth)
    table = np.empty((length, depth), np.float32)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)
    return table
