"""Greedy decoding as one compiled program, and what is measured of what it writes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from labs.lab2_numbers.data import FURTHER, Numbers, Pairs


@dataclass(frozen=True)
class Answers:
    """What a model wrote for some numbers.

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


class GreedyModel(keras.Model):
    """The student's greedy decoding as a model from digits to word ids, compiled as one program."""

    def __init__(self, tasks: Any, encoder: keras.Model, stepper: keras.Model, max_length: int):
        super().__init__(name="greedy")
        self.decode = tasks.greedy_decode
        self.encoder, self.stepper, self.max_length = encoder, stepper, max_length
        self.compile(jit_compile=True)

    def call(self, digits: Any) -> Any:
        """Digits (batch, source length) → ids (batch, max_length)."""
        return self.decode(self.encoder, self.stepper, digits, self.max_length)


class Translator:
    """A trained model and how it is asked.

    Parameters
    ----------
    parts : the model for training, the encoder and the stepper, as the builders return them
    batch_size : numbers decoded at once; every batch is filled up to it, so one program serves all
    """

    def __init__(
        self,
        tasks: Any,
        name: str,
        parts: tuple[keras.Model, keras.Model, keras.Model],
        numbers: Numbers,
        batch_size: int,
    ):
        self.tasks, self.name, self.numbers, self.batch_size = tasks, name, numbers, batch_size
        self.model, self.encoder, self.stepper = parts
        self.greedy = GreedyModel(tasks, self.encoder, self.stepper, numbers.length)

    def write(self, numbers: Sequence[int | str]) -> np.ndarray:
        """Decode greedily: ids (numbers, length)."""
        missing = -len(numbers) % self.batch_size
        digits = self.tasks.encode_digits([*numbers, *[0] * missing], FURTHER)
        written = self.greedy.predict(digits, batch_size=self.batch_size, verbose=0)
        return np.asarray(written)[: len(numbers)]

    def translate(self, numbers: Sequence[int | str]) -> list[str]:
        """Decode greedily: text."""
        return self.tasks.decode_words(self.write(numbers), self.numbers.vocabulary)

    def answer(self, pairs: Pairs) -> Answers:
        """Decode numbers whose words are known, and compare."""
        known = self.numbers
        ids = self.write([number for number, _ in pairs])
        texts = [words for _, words in pairs]
        _, targets = self.tasks.encode_words(texts, known.vocabulary, known.length, known.language)
        is_token = targets != self.tasks.PAD
        right = (ids == targets) & is_token
        lengths = is_token.sum(axis=1)
        said = self.tasks.decode_words(ids, known.vocabulary)
        exact = right.sum(axis=1) == lengths
        return Answers(pairs, said, exact, right.sum(axis=1) / lengths, lengths)

    @cached_property
    def _looks(self) -> keras.Model:
        # the names that the builders' docstrings give; both return what they looked at second
        looking = [x for x in self.model.layers if re.fullmatch(r"attention|decoder_\d+", x.name)]
        return keras.Model(self.model.inputs, looking[-1].output[1])

    def attention(self, numbers: Sequence[int]) -> tuple[np.ndarray, list[list[str]]]:
        """Look where the decoder looks while it writes.

        Returns
        -------
        weights : float (numbers, words, digits), the Transformer's last block's, mean of its heads
        tokens : what is written at each row of the weights, END the last
        """
        written = self.write(numbers)
        start = np.full_like(written[:, :1], self.tasks.START)
        inputs = np.concatenate([start, written[:, :-1]], axis=1)
        digits = self.tasks.encode_digits(numbers, FURTHER)
        weights = keras.ops.convert_to_numpy(self._looks([digits, inputs]))
        if weights.ndim == 4:
            weights = weights.mean(axis=1)
        vocabulary = self.numbers.vocabulary
        ends = [
            row.index(self.tasks.END) + 1 if self.tasks.END in row else len(row)
            for row in written.tolist()
        ]
        tokens = [
            [vocabulary[i] for i in row[:end]]
            for row, end in zip(written.tolist(), ends, strict=True)
        ]
        return weights, tokens


def looking(
    translator: Translator, pairs: Pairs, digit_words: Mapping[str, str]
) -> tuple[float, float]:
    """Measure whether the decoder looks at the digit that it reads.

    Of the words that name a digit from 1 to 9 ("three"), the share whose most looked at digit is
    that digit; and the share if one of the number's digits were looked at by chance.
    """
    numbers = [number for number, _ in pairs]
    weights, tokens = translator.attention(numbers)
    hits, chances = [], []
    for number, rows, words in zip(numbers, weights, tokens, strict=True):
        text = str(number)
        for row, word in zip(rows, words, strict=False):
            if digit := digit_words.get(word):
                if digit not in text:
                    continue
                hits.append(text[int(row[: len(text)].argmax())] == digit)
                chances.append(text.count(digit) / len(text))
    return float(np.mean(hits)) if hits else float("nan"), float(
        np.mean(chances)
    ) if chances else float("nan")
