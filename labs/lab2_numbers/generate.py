"""Greedy decoding as one compiled program, and beam search beside it."""

import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np

from labs.lab2_numbers.data import FURTHER, Numbers, Pairs
from labs.lab2_numbers.measure import Answers
from toolkit.training.runtime import compiled

# digits, words generated from them, and weights (words, digits)
AttentionMap = tuple[list[str], list[str], np.ndarray]


def compiled_greedy(
    tasks: Any, encoder: keras.Model, stepper: keras.Model, max_length: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Make one program of the student's greedy decoding: digits (batch, source) → word ids."""

    def decode(digits: Any) -> Any:
        return tasks.greedy_decode(encoder, stepper, digits, max_length)

    return compiled(decode, encoder, stepper, xla=True)


class WordGenerator:
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
        self.greedy = compiled_greedy(tasks, self.encoder, self.stepper, numbers.length)

    def ids(self, numbers: Sequence[int | str]) -> np.ndarray:
        """Decode greedily: ids (numbers, length)."""
        missing = -len(numbers) % self.batch_size
        digits = self.tasks.encode_digits([*numbers, *[0] * missing], FURTHER)
        batches = np.split(digits, len(digits) // self.batch_size)
        return np.concatenate([self.greedy(batch) for batch in batches])[: len(numbers)]

    def words(self, numbers: Sequence[int | str]) -> list[str]:
        """Decode greedily: text."""
        return self.tasks.decode_words(self.ids(numbers), self.numbers.vocabulary)

    def beam_ids(self, numbers: Sequence[int | str], width: int, length: int) -> np.ndarray:
        """Decode by beam search, of each number the best beam: ids (numbers, length)."""
        digits = self.tasks.encode_digits(numbers, FURTHER)
        found = self.tasks.beam_search(self.encoder, self.stepper, digits, length, width)
        ids = np.full((len(numbers), length), self.tasks.PAD, np.int32)
        for row, beams in zip(ids, found, strict=True):
            best, _ = beams[0]
            row[: len(best)] = best
        return ids

    def answer(self, pairs: Pairs) -> Answers:
        """Decode greedily numbers whose words are known, and compare."""
        return self.compare(pairs, self.ids([number for number, _ in pairs]))

    def compare(self, pairs: Pairs, ids: np.ndarray) -> Answers:
        """Compare what was decoded of numbers, ids (numbers, length), with their words."""
        known = self.numbers
        texts = [words for _, words in pairs]
        _, targets = self.tasks.encode_words(texts, known.vocabulary, known.length, known.language)
        is_token = targets != self.tasks.PAD
        right = (ids == targets) & is_token
        lengths = is_token.sum(axis=1)
        said = self.tasks.decode_words(ids, known.vocabulary)
        exact = right.sum(axis=1) == lengths
        return Answers(pairs, said, exact, right.sum(axis=1) / lengths, lengths)

    @cached_property
    def _attention_model(self) -> keras.Model:
        # the names that the builders' docstrings give; both return what they looked at second
        found = [x for x in self.model.layers if re.fullmatch(r"attention|decoder_\d+", x.name)]
        return keras.Model(self.model.inputs, found[-1].output[1])

    def attention(self, numbers: Sequence[int | str]) -> tuple[np.ndarray, list[list[str]]]:
        """Look where the decoder looks while it generates.

        Returns
        -------
        weights : float (numbers, words, digits), the Transformer's last block's, mean of its heads
        tokens : what is generated at each row of the weights, END the last
        """
        ids = self.ids(numbers)
        start = np.full_like(ids[:, :1], self.tasks.START)
        inputs = np.concatenate([start, ids[:, :-1]], axis=1)
        digits = self.tasks.encode_digits(numbers, FURTHER)
        weights = keras.ops.convert_to_numpy(self._attention_model([digits, inputs]))
        if weights.ndim == 4:
            weights = weights.mean(axis=1)
        vocabulary = self.numbers.vocabulary
        ends = [
            row.index(self.tasks.END) + 1 if self.tasks.END in row else len(row)
            for row in ids.tolist()
        ]
        tokens = [
            [vocabulary[i] for i in row[:end]] for row, end in zip(ids.tolist(), ends, strict=True)
        ]
        return weights, tokens

    def maps(self, numbers: Sequence[int | str]) -> list[AttentionMap]:
        """Give where the decoder looks as `plot_attention` draws it, a map for each number."""
        weights, tokens = self.attention(numbers)
        return [
            (list(digits), words, rows[: len(words), : len(digits)])
            for digits, words, rows in zip(map(str, numbers), tokens, weights, strict=True)
        ]


def time_decodings(
    generator: WordGenerator, pairs: Pairs, beam_width: int
) -> list[tuple[str, float, float]]:
    """Decode the same numbers greedily and by beam search.

    Returns
    -------
    rows : way to decode, exact match, seconds by the clock without what compiling takes
    """
    numbers, length = [number for number, _ in pairs], generator.numbers.length
    ways: dict[str, Callable[[], np.ndarray]] = {
        "greedy": lambda: generator.ids(numbers),
        f"beam of {beam_width}": lambda: generator.beam_ids(numbers, beam_width, length),
    }
    generator.ids([0])
    generator.beam_ids(numbers, beam_width, 1)
    rows = []
    for way, decode in ways.items():
        begin = time.perf_counter()
        ids = decode()
        seconds = time.perf_counter() - begin
        rows.append((way, generator.compare(pairs, ids).exact_match(), seconds))
    return rows
