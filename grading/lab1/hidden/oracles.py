"""What is right by definition, in float64."""

import math

import numpy as np

from grading.lab1.networks import PAD, START


def attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, positions: np.ndarray | None = None
) -> np.ndarray:
    """Give each query the mean of the values up to its position, in float64, by the formula."""
    if positions is None:
        positions = np.arange(query.shape[2])[None]
    scores = np.einsum("bhqd,bhkd->bhqk", query.astype("f8"), key) / math.sqrt(query.shape[-1])
    seen = np.arange(key.shape[2]) <= positions[:, None, :, None]
    scores = np.where(seen, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("bhqk,bhkd->bhqd", weights, value)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities of one row, PAD and START left out, in float64."""
    weights = np.exp((logits.astype("f8") - logits.max()) / temperature)
    weights[[PAD, START]] = 0
    return weights / weights.sum()
