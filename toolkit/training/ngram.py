"""Unigram and bigram models: what a network has to beat, on the same tokens.

Counts are matrices `pairs[a, b]`: how often token b follows token a.
"""

from itertools import product

import numpy as np

# Added to every count of the unigram; weight, in tokens, of the unigram within the bigram.
UNIGRAM_COUNTS = (0.01, 0.1, 1.0)
BIGRAM_WEIGHTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


def count_pairs(inputs: np.ndarray, targets: np.ndarray, vocab_size: int, pad: int) -> np.ndarray:
    """Count which target follows which input: int64 (vocab_size, vocab_size), padding left out."""
    real = targets != pad
    codes = inputs[real].astype(np.int64) * vocab_size + targets[real]
    return np.bincount(codes, minlength=vocab_size**2).reshape(vocab_size, vocab_size)


def fit_ngrams(folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit both models; how much to smooth is chosen by cross-validation over parts of the training.

    Parameters
    ----------
    folds : int array (parts, vocab_size, vocab_size)
        Counts of disjoint parts of the training pieces.

    Returns
    -------
    log_unigram, log_bigram : float64 arrays (vocab_size, vocab_size)
        log P(b | a) at [a, b]; the unigram's rows are all the same.

    Notes
    -----
    Unigram with k added to every count (Lidstone); bigram interpolated with it:
    (c(a, b) + m · P(b)) / (c(a) + m) (Jelinek and Mercer with a Dirichlet prior: MacKay and Peto
    1995).
    """
    pairs = folds.sum(axis=0)

    def held_out(add: float, weight: float | None) -> float:
        return sum(
            nats_per_token(_log_ngram(pairs - fold, add, weight), fold) * fold.sum()
            for fold in folds
        )

    add = min(UNIGRAM_COUNTS, key=lambda k: held_out(k, None))
    options = product(UNIGRAM_COUNTS, BIGRAM_WEIGHTS)
    bigram_add, weight = min(options, key=lambda option: held_out(*option))
    return _log_ngram(pairs, add, None), _log_ngram(pairs, bigram_add, weight)


def _log_ngram(pairs: np.ndarray, add: float, weight: float | None) -> np.ndarray:
    counts = pairs.sum(axis=0) + add
    unigram = counts / counts.sum()
    if weight is None:
        return np.log(np.broadcast_to(unigram, pairs.shape))
    seen = pairs.sum(axis=1, keepdims=True)
    return np.log((pairs + weight * unigram) / (seen + weight))


def nats_per_token(log_probabilities: np.ndarray, pairs: np.ndarray) -> float:
    """Mean −log P(b | a) over the counted pairs; 0 if there are none."""
    return float(-(pairs * log_probabilities).sum() / max(pairs.sum(), 1))


def accuracy(log_probabilities: np.ndarray, pairs: np.ndarray) -> float:
    """Share of the counted pairs whose second token is the likeliest after the first."""
    guesses = log_probabilities.argmax(axis=1)
    return float(pairs[np.arange(len(pairs)), guesses].sum() / max(pairs.sum(), 1))
