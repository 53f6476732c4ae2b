"""One draw after another with Generator.choice, and percentiles."""

import numpy as np


def bootstrap(values, statistic, size=None, level=0.95, resamples=2000, seed=0):
    """Say between which bounds a statistic of pieces lies when the pieces are drawn again."""
    if level <= 0 or level >= 1:
        raise ValueError(f"level {level}: between 0 and 1")
    if resamples < 1 or (size is not None and size < 1):
        raise ValueError("at least one resample of one piece")
    values = np.array(values, dtype=float)
    keep = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    values, rng = values[keep], np.random.default_rng([seed, 7])
    if len(values) == 0:
        return float("nan"), float("nan")
    found = np.empty(resamples)
    for number in range(resamples):
        found[number] = statistic(rng.choice(values, len(values) if size is None else size, axis=0))
    tail = 50 * (1 - level)
    return float(np.percentile(found, tail)), float(np.percentile(found, 100 - tail))
