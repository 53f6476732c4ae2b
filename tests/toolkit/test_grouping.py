"""Splits that keep near-copies together."""

from collections import Counter

import numpy as np
import pytest

from toolkit.data.grouping import connected, split_groups
from toolkit.music import pieces
from toolkit.music.piece import Piece


def test_items_are_grouped_through_others():
    features = [[1, 2], [9], [2, 3], [5], [3, 7], [5, 5]]
    groups = connected([np.array(one) for one in features])
    assert groups.tolist() == [0, 1, 0, 3, 0, 3]
    assert connected([np.array([], int), np.array([], int)]).tolist() == [0, 1]


def test_groups_stay_whole_and_shares_are_kept_in_each_stratum():
    names = [f"{stratum}/{number}" for stratum in "ab" for number in range(50)]
    strata = [name[0] for name in names]
    groups = np.arange(100)
    groups[3:9] = 3
    splits = split_groups(names, groups, strata)
    assert len({splits[item] for item in range(3, 9)}) == 1
    for stratum in "ab":
        found = Counter(split for split, own in zip(splits, strata, strict=True) if own == stratum)
        assert found["train"] == pytest.approx(40, abs=1)
        assert found["validation"] == pytest.approx(5, abs=1)
    assert splits == split_groups(names, groups, strata)


def test_a_transposed_copy_shares_its_runs():
    rng = np.random.default_rng(0)
    start = np.cumsum(rng.integers(1, 4, 40)) * 120
    rows = np.column_stack([start, start + 120, rng.integers(50, 70, 40), np.full(40, 64)])
    moved = np.add(rows, [1920, 1920, 5, 0])
    other = rows.copy()
    other[:, 2] = rng.integers(50, 70, 40)
    one, copy, new = (pieces.shared_runs(Piece(found)) for found in (rows, moved, other))
    assert len(one) == 40 - pieces.RUN + 1
    assert set(one) == set(copy)
    assert not set(one) & set(new)
