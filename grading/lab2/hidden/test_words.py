"""Tasks 2.1 to 2.6: numbers and their words, split, counted, encoded and decoded."""

import numpy as np

from grading.checks.assertions import (
    assert_equal,
    assert_frequencies,
    assert_holds,
    assert_raises,
    check,
    int32,
)
from grading.lab2.pairs import (
    SPECIAL_NUMBERS,
    SPLITS,
    assert_shuffled,
    by_length,
    complaint,
    drawn,
    number_words,
    some_numbers,
    two_arrays,
)

# Task 2.1: pairs


@check("2.1", says="every length's share, exactly as many pairs", weight=2, hidden=True)
def test_pairs_any_size(student, solution, rng):
    for max_digits in (1, 2, 3, int(rng.choice([4, 5, 7, 8]))):
        most = sum(number == 10**max_digits for number in SPECIAL_NUMBERS) + 10**max_digits
        num_pairs = int(rng.integers(min(most, 20 * max_digits), min(most, 2000) + 1))
        num_pairs = most if max_digits == 1 else num_pairs
        got, want = (
            drawn(code.make_pairs(num_pairs, max_digits, seed=int(rng.integers(1000))))
            for code in (student, solution)
        )
        for name in SPLITS:
            assert_equal(by_length(got[name], max_digits), by_length(want[name], max_digits))


@check("2.1", says="the splits are disjoint, the specials in train", weight=2, hidden=True)
def test_pairs_disjoint(student, rng):
    splits = drawn(student.make_pairs(int(rng.integers(1500, 2500)), seed=int(rng.integers(1000))))
    numbers = [number for name in SPLITS for number in splits[name]]
    assert_equal(len(set(numbers)), len(numbers))
    assert_holds(set(SPECIAL_NUMBERS) <= set(splits["train"]), "a special number is held out")


@check("2.1", says="within a length every number is equally likely", weight=2, hidden=True)
def test_pairs_even(student, rng):
    splits = drawn(student.make_pairs(3000, 6, seed=int(rng.integers(1000))))
    for name in SPLITS:
        numbers = [number for number in splits[name] if number not in SPECIAL_NUMBERS]
        for digits in (4, 5, 6) if name == "train" else ((4, 5, 6),):
            texts = [str(number) for number in numbers if len(str(number)) in np.ravel(digits)]
            for place, share in ((0, np.r_[0, np.full(9, 1 / 9)]), (-1, np.full(10, 0.1))):
                counts = np.bincount([int(text[place]) for text in texts], minlength=10)
                assert_frequencies(counts, share)


@check("2.1", says="each split in random order", hidden=True)
def test_pairs_order(student, rng):
    splits = drawn(student.make_pairs(2500, 7, seed=int(rng.integers(1000))))
    for name in SPLITS:
        assert_shuffled(splits[name])


@check("2.1", says="words in the language asked for; another seed, other numbers", hidden=True)
def test_pairs_languages(student, rng):
    language, seed = str(rng.choice(["es", "it", "nl", "de", "fr"])), int(rng.integers(1000))
    first = student.make_pairs(400, 8, language, seed)
    for name, numbers in drawn(first).items():
        assert_equal([words for _, words in first[name]], number_words(numbers, language))
    assert_holds(student.make_pairs(400, 8, language, seed) == first, "not the same again")
    other = drawn(student.make_pairs(400, 8, language, seed + 1))
    assert_holds(set(other["test"]) != set(drawn(first)["test"]), "the seed is ignored")


# Task 2.2: digits


@check("2.2", says="digits as they are written, leading zeros too", hidden=True)
def test_digits_random(student, rng):
    length = int(rng.integers(9, 15))
    texts = ["".join(map(str, rng.integers(0, 10, rng.integers(1, length + 1)))) for _ in range(20)]
    numbers = [str(text).zfill(2) if rng.random() < 0.5 else int(text) for text in texts]
    numbers[0] = f"0{numbers[0]}"[:length]
    want = np.zeros((20, length), np.int32)
    for row, number in enumerate(numbers):
        want[row, : len(str(number))] = [ord(digit) - ord("0") + 1 for digit in str(number)]
    assert_equal(int32(student.encode_digits(numbers, length), (20, length)), want)


@check("2.2", says="what is not a whole number, or is too long, raises ValueError", hidden=True)
def test_digits_bad(student, rng):
    number = int(rng.integers(1000, 10**6))
    words = (f"{number:,}", f"{number}.0", f"{number} ", f"-{number}", f"{number:_}", hex(number))
    other = "".join(
        chr(ord(digit) - ord("0") + int(rng.choice([0x0660, 0xFF10]))) for digit in "12"
    )
    for bad in (*words, other, f"{number}²", -number, number / 2, float(number), True, ""):
        assert_raises(ValueError, student.encode_digits, [bad], 20)
        assert_raises(ValueError, student.encode_digits, [number, bad], 20)
    assert_raises(ValueError, student.encode_digits, [number], len(str(number)) - 1)
    text = "".join(map(str, rng.integers(1, 10, 400)))
    told = complaint(student, "encode_digits", [text], 12)
    assert_holds(text[:19] in told and text[:21] not in told, "the number is not cut")


# Task 2.3: words


@check("2.3", says="words, commas, hyphens and German pieces", weight=2, hidden=True)
def test_split_random(student, solution, rng):
    numbers = [*some_numbers(rng, 20), int(rng.integers(10**6, 2 * 10**6))]  # "eine" stays whole
    for language in ("en", "fr", "de"):
        for text in number_words(numbers, language):
            assert_equal(student.split_words(text, language), solution.split_words(text, language))


@check("2.3", says="a German word is split from left to right, or stays whole", hidden=True)
def test_split_random_german(student, solution, rng):
    parts = [
        "ein",
        "eins",
        "echs",
        "und",
        "zwei",
        "acht",
        "achtzig",
        "zig",
        "hundert",
        "en",
        "Mill",
    ]
    for _ in range(25):
        # the last stays whole from left to right, though it could come apart
        words = ["".join(rng.choice(parts, rng.integers(1, 5))) for _ in range(3)] + ["einsechs"]
        text = " ".join(words) if rng.random() < 0.5 else "-".join(words)
        assert_equal(student.split_words(text, "de"), solution.split_words(text, "de"))


# Task 2.4: the vocabulary


@check("2.4", says="every token of all texts once, in Python's order of strings", hidden=True)
def test_vocabulary_random(student, solution, rng):
    for language in ("en", "de"):
        texts = number_words(some_numbers(rng, 40), language)
        got = student.build_vocabulary(texts, language)
        assert_equal(got, solution.build_vocabulary(texts, language))


# Task 2.5: teacher forcing


@check("2.5", says="an input is the target of the position before", weight=2, hidden=True)
def test_encode_random(student, solution, rng):
    for language in (str(rng.choice(["en", "fr"])), "de"):
        texts, length = number_words(some_numbers(rng, 15), language), int(rng.integers(30, 40))
        vocabulary = solution.build_vocabulary(texts, language)
        vocabulary = vocabulary[:3] + rng.permutation(vocabulary[3:]).tolist()
        got = student.encode_words(texts, vocabulary, length, language)
        inputs, targets = two_arrays(got, (15, length))
        assert_equal(inputs[:, 1:], np.where(targets == 2, 0, targets)[:, :-1])
        _, want = solution.encode_words(texts, vocabulary, length, language)
        assert_equal(targets, want)
        assert_equal(inputs[:, 0], np.ones(15, np.int32))


@check("2.5", says="an unknown token or too long a text raises ValueError", hidden=True)
def test_encode_bad(student, solution, rng):
    (text,) = number_words([int(rng.integers(1101, 10**6))])
    vocabulary = solution.build_vocabulary([text])
    size = len(solution.split_words(text))
    two_arrays(student.encode_words([text], vocabulary, size + 1), (1, size + 1))
    assert_raises(ValueError, student.encode_words, [text], vocabulary, size)
    unknown = vocabulary.pop(int(rng.integers(3, len(vocabulary))))
    told = complaint(student, "encode_words", [text], vocabulary, size + 1)
    assert_holds(unknown in told, "the message does not name the token")


# Task 2.6: back to text


@check("2.6", says="any row of ids becomes text as stated", hidden=True)
def test_decode_random(student, solution, rng):
    vocabulary = ["PAD", "START", "END", "##hundert", "##eins", ",", "-", "zwei", "mille", "vingt"]
    rows = rng.choice(10, (30, 12), p=[0.08, 0.08, 0.04, 0.1, 0.1, 0.15, 0.15, 0.1, 0.1, 0.1])
    assert_equal(student.decode_words(rows, vocabulary), solution.decode_words(rows, vocabulary))


@check("2.6", says="what encode_words was given comes back", hidden=True)
def test_decode_random_words(student, solution, rng):
    for language in ("en", "de", "fr"):
        texts = number_words(some_numbers(rng, 40), language)
        vocabulary = solution.build_vocabulary(texts, language)
        _, targets = solution.encode_words(texts, vocabulary, 30, language)
        assert_equal(student.decode_words(targets, vocabulary), texts)
