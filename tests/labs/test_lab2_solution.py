"""Lab 2's own answers, held to num2words, Keras's attention, and to each other."""

import keras
import numpy as np
import pytest
from num2words import num2words

from grading.lab2 import beams, builders
from grading.lab2.hidden.oracles import greedy
from labs.lab2_numbers import solution
from tests.on_jax import check_on_jax

BUILDERS = {
    "gru": lambda: solution.build_gru_translator(38, 8, 12),
    "transformer": lambda: solution.build_transformer(38, 16, 4, 24, 2, 0.1, 30),
}


@pytest.fixture(scope="module")
def pairs():
    return solution.make_pairs(4000, seed=3)


@pytest.fixture(scope="module", params=BUILDERS)
def parts(request):
    keras.utils.set_random_seed(1)
    return BUILDERS[request.param]()


def test_every_length_gets_its_share_and_no_number_comes_twice(pairs):
    numbers = [number for split in pairs.values() for number, _ in split]
    lengths = np.bincount([len(str(number)) for number in numbers])
    assert len(numbers) == len(set(numbers)) == 4000
    assert lengths[1:3].tolist() == [10, 90]
    assert lengths[3:10].sum() == 3899
    assert np.ptp(lengths[3:10]) <= 1
    assert lengths[10] == 1  # 10^9 itself, a special case


def test_special_numbers_are_in_training(pairs):
    assert set(solution.SPECIAL_NUMBERS) <= {number for number, _ in pairs["train"]}


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_words_survive_the_way_to_ids_and_back(language):
    numbers = [0, 1, 16, 21, 71, 80, 101, 1033, 10**6, 2 * 10**6, 201_000, 777_777_777, 10**9]
    texts = [num2words(number, lang=language) for number in numbers]
    vocabulary = solution.build_vocabulary(texts, language)
    inputs, targets = solution.encode_words(texts, vocabulary, 40, language)
    assert solution.decode_words(targets, vocabulary) == texts
    assert (inputs[:, 1:] == np.where(targets == solution.END, 0, targets)[:, :-1]).all()


def test_german_compounds_become_pieces():
    vocabulary = solution.build_vocabulary(
        [num2words(number, lang="de") for number in range(0, 10**6, 997)], "de"
    )
    assert len(vocabulary) < 80


@pytest.mark.parametrize("bad", [-1, 1.5, "1,000", "1 000", "", "٣", "9" * 400, True])
def test_what_is_no_whole_number_is_refused(bad):
    with pytest.raises(ValueError, match=r"whole number|digits"):
        solution.encode_digits([bad], 12)


def test_an_unknown_language_is_named():
    with pytest.raises(ValueError, match="klingon"):
        solution.make_pairs(1000, language="klingon")


def test_attention_is_that_of_keras():
    keras.utils.set_random_seed(0)
    ours = solution.MultiHeadAttention(16, 4, causal=True)
    theirs = keras.layers.MultiHeadAttention(4, 4)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 7, 16)).astype("float32")
    mask = np.arange(7) < np.array([[7], [4]])
    output, weights = ours([x, x, mask])
    theirs(x, x)
    values = [rng.normal(size=weight.shape) for weight in ours.get_weights()]
    ours.set_weights(values)
    theirs.set_weights(values)
    output, weights = ours([x, x, mask])
    expected, expected_weights = theirs(
        x, x, attention_mask=mask[:, None], use_causal_mask=True, return_attention_scores=True
    )
    np.testing.assert_allclose(output, expected, atol=2e-5)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)


def test_cached_steps_are_the_whole_models(parts):
    model, encoder, stepper = parts
    digits = solution.encode_digits([7, 1033, 987654321], 10)
    words = np.random.default_rng(0).integers(3, 38, (3, 12)).astype("int32")
    expected = model.predict_on_batch([digits, words])
    states = encoder.predict_on_batch(digits)
    for place in range(12):
        logits, *states = stepper.predict_on_batch([words[:, place : place + 1], *states])
        np.testing.assert_allclose(logits, expected[:, place], atol=2e-5)


def test_padding_and_later_words_change_nothing(parts):
    model = parts[0]
    words = np.random.default_rng(0).integers(3, 38, (1, 9)).astype("int32")
    narrow = model.predict_on_batch([solution.encode_digits([1033], 4), words[:, :5]])
    wide = model.predict_on_batch([solution.encode_digits([1033], 11), words])
    np.testing.assert_allclose(narrow, wide[:, :5], atol=2e-5)


def test_of_equal_logits_greedy_decode_takes_the_one_that_the_checks_take():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        digits, script = beams.some_digits(rng, 8, 6), beams.Script(rng, 7, -2.0, whole=True)
        got = solution.greedy_decode(*builders.scripted_networks(script.table, {}), digits, 9)
        assert np.array_equal(got, greedy(script, digits, 9))


def test_a_beam_of_one_is_greedy_and_wider_beams_are_no_worse(parts):
    _, encoder, stepper = parts
    digits = solution.encode_digits([7, 1033], 10)
    greedy = np.asarray(solution.greedy_decode(encoder, stepper, digits, 6))
    one = solution.beam_search(encoder, stepper, digits, 6, 1)
    five = solution.beam_search(encoder, stepper, digits, 6, 5)
    assert [row[0][0] for row in one] == [[i for i in row if i] for row in greedy.tolist()]
    for single, several in zip(one, five, strict=True):
        scores = [score for _, score in several]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(ids) for ids, _ in several}) == 5
        assert several[0][1] >= single[0][1] - 1e-6


def test_exact_match_looks_at_rows_and_accuracy_at_tokens():
    targets = np.array([[5, 6, 2, 0], [7, 2, 0, 0], [0, 0, 0, 0]])
    said = np.array([[5, 6, 2, 9], [8, 2, 0, 0], [1, 1, 1, 1]])
    assert float(solution.exact_match(targets, said)) == pytest.approx(1 / 2)
    assert float(solution.token_accuracy(targets, said)) == pytest.approx(4 / 5)


def logits(digits, words):
    """Give what both models say, with weights that are always the same."""
    found = {}
    for name, make in BUILDERS.items():
        model, *_ = make()
        rng = np.random.default_rng(0)
        model.set_weights([rng.normal(0, 0.3, weight.shape) for weight in model.weights])
        found[name] = model.predict_on_batch([digits, words])
    return found


def test_the_same_weights_give_the_same_logits_on_jax(tmp_path):
    digits = solution.encode_digits([7, 1033], 6)
    words = np.arange(3, 13).reshape(2, 5).astype("int32")
    check_on_jax(logits, tmp_path, 1e-4, digits=digits, words=words)
