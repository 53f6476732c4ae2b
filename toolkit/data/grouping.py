"""Splits that keep near-copies together."""

import hashlib
from collections.abc import Sequence

import numpy as np

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def connected(features: Sequence[np.ndarray]) -> np.ndarray:
    """Group items that share a feature, directly or by way of others.

    Parameters
    ----------
    features : integers (any number,) of each item

    Returns
    -------
    int array (items,): each item's group, named after its first item
    """
    groups = np.arange(len(features))
    if not len(features):
        return groups
    unique = [np.unique(one) for one in features]
    found = np.concatenate(unique)
    owners = np.repeat(groups, [len(one) for one in unique])
    order = np.argsort(found, kind="stable")
    found, owners = found[order], owners[order]
    same = found[1:] == found[:-1]
    for one, other in np.unique(np.stack([owners[:-1][same], owners[1:][same]], 1), axis=0):
        first, second = sorted((groups[one], groups[other]))
        groups[groups == second] = first
    return groups


def split_groups(
    names: Sequence[str], groups: np.ndarray, strata: Sequence[str] | None = None
) -> list[str]:
    """Share items out between the splits of `SHARES`, each group whole, each stratum for itself.

    Large groups come first, then the order is that of a hash of the names: each goes to the split
    that lacks the largest part of its share. A group's stratum is that of its first item.
    """
    strata = strata or [""] * len(names)
    members: dict[int, list[int]] = {}
    for item, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(item)
    splits = [""] * len(names)
    for stratum in sorted(set(strata)):
        inside = [items for items in members.values() if strata[items[0]] == stratum]
        inside.sort(key=lambda items: (-len(items), _hash(names[items[0]])))
        left = {split: share * sum(map(len, inside)) for split, share in SHARES.items()}
        for items in inside:
            split = max(SHARES, key=lambda split: left[split] / SHARES[split])
            left[split] -= len(items)
            for item in items:
                splits[item] = split
    return splits


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
