"""Written with a one-hot mask, distances put together from two ranges, moved by taking."""


class KeyValueCache:
    def __init__(self, window):
        self.window = window

    def write(self, new, row, slot):
        here = ops.cast(ops.arange(new.shape[2]) == slot, new.dtype)[None, None, :, None]
        return new * (1 - here) + here * ops.transpose(row, (0, 2, 1, 3))

    def distances(self, old, slots, slot):
        before = ops.arange(old, 0, -1, dtype="int32") + slot
        return ops.concatenate([before, slot - ops.arange(slots, dtype="int32")])

    def move(self, old, new):
        size = old.shape[2] + new.shape[2]
        kept = np.arange(size)[size - min(size, self.window - 1) :]
        return ops.take(ops.concatenate((old, new), axis=2), kept.astype("int32"), axis=2)
