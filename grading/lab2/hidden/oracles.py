"""What is right by definition: attention in float64, and searches of what a script writes."""

import numpy as np

from grading.lab2.beams import END, Script
from grading.lab2.networks import project, weights_named
from grading.sandbox.proxy import Handle

NEAR = 1e-3  # scores nearer than this may change places by rounding
Beam = tuple[list[int], float]

# Attention


def softmax(scores: np.ndarray) -> np.ndarray:
    """Normalise over the last axis; −inf gets 0."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def additive(
    attention: Handle, units: int, states: np.ndarray, memory: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the context and the weights of additive attention."""
    w, u, v = weights_named(
        attention,
        {
            "state_kernel": (states.shape[-1], units),
            "memory_kernel": (memory.shape[-1], units),
            "score": (units,),
        },
    ).values()
    scores = np.tanh((states @ w)[:, :, None] + (memory @ u)[:, None]) @ v
    found = softmax(np.where(mask[:, None], scores, -np.inf))
    return found @ memory, found


def look_up(
    attention: Handle, queries: np.ndarray, context: np.ndarray, mask: np.ndarray, num_heads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give output and weights of multi-head attention; mask (batch, target or 1, source)."""
    given = {"query": queries, "key": context, "value": context}
    q, k, v = (project(attention, part, x, num_heads) for part, x in given.items())
    scores = np.einsum("bthk,bshk->bhts", q, k) / np.sqrt(q.shape[-1])
    found = softmax(np.where(mask[:, None], scores, -np.inf))
    d_model = queries.shape[-1]
    shapes = {
        "projection/kernel": (num_heads, d_model // num_heads, d_model),
        "projection/bias": (d_model,),
    }
    kernel, bias = weights_named(attention, shapes).values()
    return np.einsum("bhts,bshk,hkd->btd", found, v, kernel) + bias, found


# Writing


def greedy(script: Script, digits: np.ndarray, max_length: int) -> np.ndarray:
    """Write the likeliest id at each step, the lowest of equals; PAD after END."""
    written = np.zeros((len(digits), max_length), np.int32)
    for row, number in enumerate(digits):
        ids: list[int] = []
        while len(ids) < max_length and END not in ids:
            ids.append(int(script.logits(number, ids).argmax()))
        written[row, : len(ids)] = ids
    return written


def search(
    script: Script, digits: np.ndarray, max_length: int, width: int
) -> tuple[list[Beam], float]:
    """Search one number with a beam; and the smallest gap between what is kept and what not."""
    kept: list[Beam] = [([], 0.0)]
    gap = np.inf
    for _ in range(max_length):
        going_on = [beam for beam in kept if END not in beam[0]]
        candidates = [beam for beam in kept if END in beam[0]] + [
            ([*ids, id], score + float(step))
            for ids, score in going_on
            for id, step in enumerate(script.log_probabilities(digits, ids))
        ]
        candidates.sort(key=lambda beam: -beam[1])
        if not going_on:
            break
        kept, left = candidates[:width], candidates[width:]
        gap = min([gap, *[kept[-1][1] - score for _, score in left[:1]]])
    return kept, gap


def goes_on(script: Script, digits: np.ndarray, max_length: int, width: int) -> bool:
    """Whether beams still change when the best one of every row is finished."""
    for length in range(1, max_length):
        found = [search(script, number, length, width)[0] for number in digits]
        if all(END in row[0][0] for row in found):
            return found != [search(script, number, max_length, width)[0] for number in digits]
    return False


def decided(
    rng: np.random.Generator, vocab_size: int, end: float, digits: np.ndarray, sizes: tuple
) -> Script:
    """Draw a script in which no beam is kept or dropped by a rounding."""
    while True:
        script = Script(rng, vocab_size, end)
        if all(search(script, number, *sizes)[1] > NEAR for number in digits):
            return script
