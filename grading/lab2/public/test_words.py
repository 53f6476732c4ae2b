"""Tasks 2.1 to 2.6: numbers and their words, split, counted, encoded and decoded."""

import numpy as np

from grading.checks.assertions import (
    as_text,
    assert_each,
    assert_equal,
    assert_frequencies,
    assert_holds,
    assert_raises,
    check,
    int32,
    naming,
)
from grading.lab2.pairs import (
    ENCODED,
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


@check("2.1", says="three splits of (int, str), as many as asked for, no number twice")
def test_pairs_contract(student):
    for num_pairs, max_digits in ((300, 9), (101, 2), (500, 4)):
        splits = drawn(student.make_pairs(num_pairs, max_digits))
        numbers = [number for name in SPLITS for number in splits[name]]
        with naming("the size of the three splits together"):
            assert_equal(len(numbers), num_pairs)
        twice = {number for number in numbers if numbers.count(number) > 1}
        assert_holds(not twice, f"some numbers come twice, such as {sorted(twice)[:3]}")
    with naming("the types of numbers"):
        assert_equal(student.build("number_types", 300), ["int"])


@check("2.1", says="every length gets its share of the numbers", weight=3)
def test_pairs_lengths(student, solution):
    for num_pairs, max_digits in ((1000, 9), (900, 3), (700, 5), (60, 2)):
        got, want = (
            [n for split in drawn(code.make_pairs(num_pairs, max_digits)).values() for n in split]
            for code in (student, solution)
        )
        with naming("how many numbers have 1, 2, 3 … digits"):
            assert_equal(by_length(got, max_digits), by_length(want, max_digits))


@check(
    "2.1", says="a tenth of each length's other numbers in validation, a tenth in test", weight=2
)
def test_pairs_splits(student):
    for num_pairs, max_digits in ((1000, 9), (600, 3)):
        splits = drawn(student.make_pairs(num_pairs, max_digits))
        counts = {name: by_length(splits[name], max_digits, specials=False) for name in SPLITS}
        tenth = [sum(three) // 10 for three in zip(*counts.values(), strict=True)]
        for name in ("validation", "test"):
            with naming(f"how many numbers of {name} have 1, 2, 3 … digits, specials left out"):
                assert_equal(counts[name], tenth)
        specials = {number for number in SPECIAL_NUMBERS if number <= 10**max_digits}
        lost = sorted(specials - set(splits["train"]))
        assert_holds(not lost, f"special numbers that are not in train: {as_text(lost)}")


@check("2.1", says="words as num2words writes them")
def test_pairs_words(student):
    for language in ("en", "de", "fr"):
        splits = student.make_pairs(300, 9, language)
        for name, numbers in drawn(splits).items():
            with naming(f"words of {name}"):
                assert_equal([words for _, words in splits[name]], number_words(numbers, language))


@check("2.1", says="a seed gives the same again; evenly within a length; in random order", weight=2)
def test_pairs_random(student):
    other, first, again = (student.make_pairs(2000, 5, seed=seed) for seed in (4, 3, 3))
    splits = drawn(first)
    assert_holds(drawn(again) == splits, "the same seed gives other numbers")
    assert_holds(set(drawn(other)["train"]) != set(splits["train"]), "all seeds give the same")
    for name in ("train", "test"):
        numbers = [number for number in splits[name] if number not in SPECIAL_NUMBERS]
        first_digits = [int(str(number)[0]) for number in numbers if number >= 1000]
        counts, drawn_in = (
            np.bincount(first_digits, minlength=10)[1:],
            "long numbers the first digit",
        )
        with naming(name):
            assert_frequencies(counts, np.full(9, 1 / 9), drawn_in, first=1)
    assert_shuffled(splits["train"])


@check("2.1", says="ValueError for an unknown language, too many or too few pairs")
def test_pairs_errors(student):
    for arguments in ((300, 9, "klingon"), (102, 2), (12, 1), (20, 9), (5, 1), (-1, 9)):
        assert_raises(ValueError, student.make_pairs, *arguments)


# Task 2.2: digits


@check("2.2", says="the digit d is the id d + 1, PAD fills the row on the right", weight=3)
def test_digits_values(student):
    got = int32(student.encode_digits([1033, 0, 90], 6), (3, 6))
    assert_equal(got, np.array([[2, 1, 4, 4, 0, 0], [1, 0, 0, 0, 0, 0], [10, 1, 0, 0, 0, 0]]))
    got = int32(student.encode_digits(["007", "1234567890", 5], 10), (3, 10))
    assert_equal(got[0], np.array([1, 1, 8, 0, 0, 0, 0, 0, 0, 0]))
    assert_equal(got[1], np.array([2, 3, 4, 5, 6, 7, 8, 9, 10, 1]))
    int32(student.encode_digits([], 4), (0, 4))


@check("2.2", says="anything but the digits 0 to 9 raises ValueError", weight=2)
def test_digits_errors(student):
    wrong = (
        -1,
        "-1",
        "+1",
        1.5,
        2.0,
        "1,000",
        "1 000",
        " 7",
        "7\n",
        "1_000",
        "0x1",
        "1e3",
        "",
        "x",
    )
    for number in (*wrong, "٣", "²", "１", True, False):
        assert_raises(ValueError, student.encode_digits, [12, number, 3], 12)


@check("2.2", says="too many digits raise ValueError; the message names the number, cut")
def test_digits_messages(student):
    for number, length in ((1234, 3), ("0001", 3), ("12,5", 9), ("9" * 400, 12), ("x" * 400, 500)):
        told, number = complaint(student, "encode_digits", [number], length), str(number)
        begins = told.lstrip("\"'“‘`").startswith(number[:19])  # 20 with a dot of three, perhaps
        assert_holds(begins, f"the message should begin with {number[:20]!r}: {as_text(told)}")
        cut = number[:21] not in told or len(number) <= 20
        assert_holds(cut, f"the message should quote no more than 20 characters: {as_text(told)}")


# Task 2.3: words


@check("2.3", says="words, commas and hyphens are tokens, blanks are not", weight=2)
def test_split_english(student, solution):
    assert_equal(student.split_words("thirty-three"), ["thirty", "-", "three"])
    assert_equal(student.split_words("one million, two"), ["one", "million", ",", "two"])
    french = "quatre-vingt-un mille"
    assert_equal(student.split_words(french, "fr"), solution.split_words(french, "fr"))
    for text in ("", "  one   two ", "a,b", "-", "one -two, - ,three"):
        assert_equal(student.split_words(text), solution.split_words(text))


@check("2.3", says="German compounds are split into the longest pieces", weight=2)
def test_split_german(student, solution):
    millions = ["zwei", "##hundert", "##eins", "Millionen"]
    assert_equal(student.split_words("zweihunderteins Millionen", "de"), millions)
    for number in (0, 1, 7, 16, 17, 21, 66, 101, 777_777, 1_001_030):
        (text,) = number_words([number], "de")
        assert_equal(student.split_words(text, "de"), solution.split_words(text, "de"))
    for text in ("zwei-drei,vierzehn", "ein ein", "einundzwanzig"):
        for language in ("de_CH", "en"):
            got = student.split_words(text, language)
            assert_equal(got, solution.split_words(text, language))


@check("2.3", says="a German word that cannot be split stays whole")
def test_split_whole(student, solution):
    for text in ("eine Million", "dreitausendmal", "xdrei", "einsechs", "zwei Milliarden hundertx"):
        assert_equal(student.split_words(text, "de"), solution.split_words(text, "de"))


# Task 2.4: the vocabulary


@check("2.4", says="specials first, then each token once, sorted")
def test_vocabulary_order(student):
    texts = ["two", "thirty-two", "one thousand, two"]
    want = ["PAD", "START", "END", ",", "-", "one", "thirty", "thousand", "two"]
    assert_equal(student.build_vocabulary(texts), want)
    assert_equal(student.build_vocabulary([]), want[:3])
    assert_equal(student.build_vocabulary(["null Millionen"]), [*want[:3], "Millionen", "null"])


@check("2.4", says="tokens are those of split_words in the language given")
def test_vocabulary_languages(student, solution):
    for language in ("en", "de", "fr"):
        texts = number_words([7, 21, 77, 1033, 200_201, 10**6], language)
        got = student.build_vocabulary(texts, language)
        assert_equal(got, solution.build_vocabulary(texts, language))


# Task 2.5: teacher forcing

VOCABULARY = ["PAD", "START", "END", ",", "-", "four", "hundred", "one", "thirty", "two"]


@check("2.5", says="inputs begin with START, targets end with END, PAD to the right", weight=2)
def test_encode_values(student):
    texts = ["thirty-two", "one", "one hundred four"]
    inputs, targets = two_arrays(student.encode_words(texts, VOCABULARY, 5), (3, 5))
    want = (
        np.array([[1, 8, 4, 9, 0], [1, 7, 0, 0, 0], [1, 7, 6, 5, 0]]),
        np.array([[8, 4, 9, 2, 0], [7, 2, 0, 0, 0], [7, 6, 5, 2, 0]]),
    )
    assert_each(ENCODED, (inputs, targets), want, assert_equal)
    two_arrays(student.encode_words([], VOCABULARY, 5), (0, 5))


@check("2.5", says="tokens are those of split_words in the language given")
def test_encode_languages(student, solution):
    for language in ("en", "de", "fr"):
        texts = number_words([7, 21, 77, 1033, 200_201, 10**6], language)
        vocabulary = solution.build_vocabulary(texts, language)
        got = two_arrays(student.encode_words(texts, vocabulary, 14, language), (6, 14))
        want = solution.encode_words(texts, vocabulary, 14, language)
        assert_each(ENCODED, got, want, assert_equal)


@check("2.5", says="a text of length − 1 tokens fits, a longer one raises ValueError")
def test_encode_length(student):
    inputs, targets = two_arrays(student.encode_words(["thirty-two"], VOCABULARY, 4), (1, 4))
    want = np.array([[1, 8, 4, 9]]), np.array([[8, 4, 9, 2]])
    assert_each(ENCODED, (inputs, targets), want, assert_equal)
    for length in (3, 2):
        assert_raises(ValueError, student.encode_words, ["one", "thirty-two"], VOCABULARY, length)


@check("2.5", says="an unknown token raises ValueError, and the message names it")
def test_encode_unknown(student):
    for text, unknown in (("one thousand", "thousand"), ("forty-two", "forty")):
        told = complaint(student, "encode_words", ["one", text], VOCABULARY, 8)
        assert_holds(unknown in told, f"the message should name {unknown!r}: {told!r}")


# Task 2.6: back to text


@check("2.6", says="the text ends before END; PAD and START are skipped")
def test_decode_specials(student):
    rows = np.array([[8, 9, 2, 7, 7], [1, 0, 7, 0, 6], [2, 7, 7, 7, 2], [0, 0, 0, 0, 0]])
    want = ["thirty two", "one hundred", "", ""]
    assert_equal(student.decode_words(rows, VOCABULARY), want)


@check("2.6", says="encoded words come back, in English, German and French", weight=2)
def test_decode_round_trip(student, solution, rng):
    for language in ("en", "de", "fr"):
        texts = number_words([0, 1, 21, 77, 91, 1033, 1_000_000, *some_numbers(rng, 30)], language)
        vocabulary = solution.build_vocabulary(texts, language)
        _, targets = solution.encode_words(texts, vocabulary, 30, language)
        assert_equal(student.decode_words(targets, vocabulary), texts)


@check("2.6", says="joined by blanks; then pieces, hyphens and commas are put in place")
def test_decode_joined(student, solution):
    vocabulary = ["PAD", "START", "END", "##eins", ",", "-", "one", "zwei"]
    rows = [[6, 5, 6, 4, 6], [7, 3, 3, 6, 7], [3, 6, 3, 2, 2], [5, 6, 4, 5, 6], [6, 5, 2, 0, 0]]
    got = student.decode_words(np.array(rows), vocabulary)
    assert_equal(got, solution.decode_words(np.array(rows), vocabulary))
