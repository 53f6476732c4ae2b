"""Window by window, with Python's Counter."""

import math
from collections import Counter
from itertools import chain


def pitch_class_entropy(notes, num_bars, window):
    """Measure how evenly a piece uses the twelve pitch classes."""
    bars = [[] for _ in range(num_bars)]
    for bar, _, pitch in notes.tolist():
        bars[bar].append(pitch % 12)
    found, size = [], min(window, num_bars)
    for last in range(size, num_bars + 1):
        counts = Counter(chain.from_iterable(bars[last - size : last])).values()
        if total := sum(counts):
            found.append(math.log2(total) - sum(n * math.log2(n) for n in counts) / total)
    return sum(found) / len(found) if found else math.nan
