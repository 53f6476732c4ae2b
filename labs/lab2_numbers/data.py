"""The numbers of Lab 2: what is trained on, what is held out, and what is longer than all of it."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from num2words import CONVERTER_CLASSES, num2words

from toolkit.errors import EtudeError

SPLITS = ("train", "validation", "test")
BEYOND = (10, 11, 12, 13)  # digits of the numbers out of range
FURTHER = 14  # digits that the remedy does not see either
MOST_TOKENS = 200  # of a language that writes its words apart, or whose pieces are known

Pairs = list[tuple[int, str]]


@dataclass(frozen=True)
class Numbers:
    """All numbers of a run with their words.

    Attributes
    ----------
    split : split -> pairs up to 10**max_digits
    beyond : digits -> test pairs of that length, out of range
    few : training pairs out of range, for the remedy alone
    vocabulary : of the training pairs and of `few`
    in_length, length : columns that the words of the training pairs, and of all pairs, take
    """

    split: dict[str, Pairs]
    beyond: dict[int, Pairs]
    few: Pairs
    vocabulary: list[str]
    in_length: int
    length: int
    language: str

    def describe(self) -> str:
        """Say in one line what there is."""
        counts = ", ".join(f"{len(self.split[split]):,} {split}" for split in SPLITS)
        return f"pairs: {counts}; {len(self.vocabulary)} word ids, {self.language}"


def load_numbers(tasks: Any, settings: Any) -> Numbers:
    """Make the pairs with the student's code, and those that are out of range.

    Raises
    ------
    EtudeError
        If num2words does not know the language, or a word of a held-out number never came in
        training (a language whose compounds no one has taken apart).
    """
    check_language(settings.language)
    check_numbers(settings.numbers)
    language = settings.language
    split = tasks.make_pairs(settings.num_pairs, settings.max_digits, language, settings.seed)
    rng = np.random.default_rng([settings.seed, 1])
    beyond, few = {}, []
    for digits in (*BEYOND, FURTHER):
        count = settings.beyond + (settings.few if digits != FURTHER else 0)
        drawn = np.unique(rng.integers(10 ** (digits - 1), 10**digits, 2 * count))
        pairs = in_words(rng.permutation(drawn)[:count].tolist(), language)
        beyond[digits], extra = pairs[: settings.beyond], pairs[settings.beyond :]
        few += extra
    texts = [words for _, words in split["train"] + few]
    vocabulary = tasks.build_vocabulary(texts, language)
    if len(vocabulary) > MOST_TOKENS:
        raise EtudeError(
            f"language {language!r} writes its numbers as compounds ({len(vocabulary):,} different "
            "words) and only those of German can be taken apart here: choose en, de or fr."
        )
    held_out = split["validation"] + split["test"] + [p for pairs in beyond.values() for p in pairs]
    known = set(vocabulary)
    for number, words in held_out:
        if unknown := [t for t in tasks.split_words(words, language) if t not in known]:
            raise EtudeError(
                f"language {language!r} writes {number} with {unknown[0]!r}, which no training "
                "number has: choose en, de or fr, or more num_pairs."
            )
    in_length = longest(tasks, split["train"] + split["validation"] + split["test"], language)
    return Numbers(
        split,
        beyond,
        few,
        vocabulary,
        in_length,
        max(in_length, longest(tasks, few + held_out, language)),
        language,
    )


def in_words(numbers: Sequence[int], language: str) -> Pairs:
    """Put each number beside its words."""
    return [(number, num2words(number, lang=language)) for number in numbers]


def longest(tasks: Any, pairs: Pairs, language: str) -> int:
    """Count the columns that the words of the longest take, END among them."""
    return 1 + max(len(tasks.split_words(words, language)) for _, words in pairs)


def check_language(language: str) -> None:
    """Make sure before anything is drawn that num2words knows the language."""
    if language not in CONVERTER_CLASSES:
        near = difflib.get_close_matches(language, CONVERTER_CLASSES, 1)
        offer = f"did you mean {near[0]}?" if near else "choose en, de or fr."
        raise EtudeError(f"num2words does not know the language {language!r}: {offer}")


def check_numbers(numbers: Sequence[str]) -> None:
    """Make sure before training that what is asked for can be read as digits.

    Raises
    ------
    EtudeError
        One sentence a kind of mistake.
    """
    for text in numbers:
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        if text.startswith(("-", "−")):
            raise EtudeError(f"{shown} is negative: give whole numbers from 0 on.")
        if not text.strip("0123456789.,'_ ") and any(mark in text for mark in ".,'_ "):
            plain = "".join(filter(str.isdigit, text))[:20]
            raise EtudeError(
                f"{shown} is a decimal or has separators: give digits alone, such as {plain or 0}."
            )
        if not re.fullmatch("[0-9]+", text):
            raise EtudeError(f"{shown!r} is not a whole number: use only the digits 0 to 9.")
        if len(text) > FURTHER:
            raise EtudeError(
                f"{shown} has {len(text)} digits: the models read at most {FURTHER} here."
            )
