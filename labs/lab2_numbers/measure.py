"""What a model's words are worth: exact matches, right tokens, and where its decoder looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labs.lab2_numbers.data import Pairs


@dataclass(frozen=True)
class Answers:
    """What a model generated for some numbers.

    Attributes
    ----------
    pairs : the numbers and their right words
    said : the model's words, aligned with `pairs`
    exact : bool (numbers,), every token right
    tokens : float (numbers,), share of each number's tokens that are right
    lengths : int (numbers,), tokens of each number's right words, END among them
    """

    pairs: Pairs
    said: list[str]
    exact: np.ndarray
    tokens: np.ndarray
    lengths: np.ndarray

    def exact_match(self, digits: int | None = None) -> float:
        """Give the share of numbers (of so many digits) that are right throughout."""
        return _mean(self.exact[self.of(digits)])

    def token_accuracy(self, digits: int | None = None) -> float:
        """Give the share of tokens (in numbers of so many digits) that are right."""
        chosen = self.of(digits)
        weights = self.lengths[chosen]
        return float((self.tokens[chosen] * weights).sum() / max(weights.sum(), 1))

    def of(self, digits: int | None) -> np.ndarray:
        """Mark the numbers of so many digits, or all."""
        return np.array([digits in (None, len(str(number))) for number, _ in self.pairs], bool)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def percent(share: float) -> str:
    """Format a share, never rounding up to 100 %."""
    if np.isnan(share):
        return "–"
    return f"{np.floor(share * 1e4 + 1e-9) / 100:.2f} %"


def look_at_digits(
    numbers: Sequence[int],
    weights: np.ndarray,
    tokens: Sequence[Sequence[str]],
    digit_words: Mapping[str, str],
) -> tuple[float, float]:
    """Measure whether the decoder looks at the digit that it reads.

    Of the words that name a digit from 1 to 9 ("three"), the share whose most looked at digit is
    that digit; and the share if one of the number's digits were looked at by chance.

    Parameters
    ----------
    weights, tokens : as `WordGenerator.attention` gives them
    digit_words : word -> the digit that it names
    """
    hits, chances = [], []
    for number, rows, words in zip(numbers, weights, tokens, strict=True):
        text = str(number)
        for row, word in zip(rows, words, strict=False):
            if (digit := digit_words.get(word)) and digit in text:
                hits.append(text[int(row[: len(text)].argmax())] == digit)
                chances.append(text.count(digit) / len(text))
    return _mean(np.array(hits)), _mean(np.array(chances))
