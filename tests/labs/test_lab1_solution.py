"""Lab 1's solution: the properties its docstrings promise."""

import keras
import numpy as np
import pytest

from labs.lab1_names import solution as lab
from tests.on_jax import check_on_jax

NAMES = ["Ada", "Bob", "Al O'Brian", "Eve"]
COUNTRIES = ["Greece", "Poland", "Russia"]
VOCABULARY = lab.build_vocabulary(NAMES)
SIZES = {"embedding_dim": 6, "units": 12, "num_layers": 2, "dropout": 0.1, "max_length": 11}


def build(architecture):
    """Build a small model with random weights, biases among them."""
    keras.utils.set_random_seed(1)
    model, stepper = lab.build_name_model(architecture, len(VOCABULARY), len(COUNTRIES), **SIZES)
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return model, stepper


@pytest.fixture(scope="module")
def models():
    return {name: build(name) for name in lab.ARCHITECTURES}


# Vocabulary and encoding


def test_characters_follow_the_specials_by_code_point():
    assert lab.build_vocabulary(iter(["ba", "Ab "])) == ["PAD", "START", "END", " ", "A", "a", "b"]


@pytest.mark.parametrize("names", [[], [""]])
def test_no_names_give_no_vocabulary(names):
    with pytest.raises(ValueError, match="empty"):
        lab.build_vocabulary(names)


def test_targets_are_inputs_shifted_by_one():
    inputs, targets, mask = lab.encode_names(["ab", ""], ["PAD", "START", "END", "a", "b"])
    assert inputs.tolist() == [[1, 3, 4], [1, 0, 0]]
    assert targets.tolist() == [[3, 4, 2], [2, 0, 0]]
    assert mask.tolist() == [[True, True, True], [True, False, False]]
    assert (inputs.dtype, targets.dtype, mask.dtype) == (np.int32, np.int32, bool)


def test_a_letter_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="'z' of 'Zaz'"):
        lab.encode_names(["Ada", "Zaz"], [*VOCABULARY, "Z"])
    with pytest.raises(ValueError, match="empty"):
        lab.encode_names([], VOCABULARY)


# Layers


def test_the_country_stands_beside_every_step():
    inputs = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    result = np.array(lab.condition_on_country(inputs, np.array([2, 0]), 3))
    np.testing.assert_array_equal(result[..., :4], inputs)
    np.testing.assert_array_equal(result[0, :, 4:], [[0, 0, 1]] * 3)
    np.testing.assert_array_equal(result[1, :, 4:], [[1, 0, 0]] * 3)


@pytest.mark.parametrize(
    ("own", "reference"),
    [
        (lab.RNNCell(8), keras.layers.SimpleRNNCell(8)),
        (lab.LSTMCell(8), keras.layers.LSTMCell(8)),
        (lab.GRUCell(8), keras.layers.GRUCell(8)),
        (lab.GRUCell(8, reset_after=False), keras.layers.GRUCell(8, reset_after=False)),
    ],
    ids=["rnn", "lstm", "gru, reset after", "gru, reset before"],
)
def test_a_cell_is_that_of_keras_with_the_same_weights(own, reference):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 7, 5)).astype("float32")
    layers = [keras.layers.RNN(cell, return_sequences=True) for cell in (own, reference)]
    for layer in layers:
        layer(x)
    described = [[(w.name, tuple(w.shape)) for w in cell.weights] for cell in (own, reference)]
    assert described[0] == described[1]
    weights = [rng.normal(size=weight.shape) for weight in reference.get_weights()]
    own.set_weights(weights)
    reference.set_weights(weights)
    # seven steps of float32 sums over 13 terms
    np.testing.assert_allclose(layers[0](x), layers[1](x), atol=1e-5)


def test_the_forget_gate_begins_open():
    cell = lab.LSTMCell(2)
    cell.build((None, 3))
    assert np.array(cell.bias).tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_attention_is_that_of_the_formula_and_sees_nothing_later():
    rng = np.random.default_rng(0)
    query, key, value = rng.normal(size=(3, 2, 2, 5, 4)).astype("float32")
    result = np.array(lab.causal_attention(query, key, value))
    for place in range(5):
        scores = np.einsum("bhd,bhkd->bhk", query[:, :, place], key[:, :, : place + 1]) / 2
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        expected = np.einsum("bhk,bhkd->bhd", weights, value[:, :, : place + 1])
        np.testing.assert_allclose(result[:, :, place], expected, atol=1e-5)


def test_attention_sees_as_far_as_each_querys_position():
    rng = np.random.default_rng(0)
    query, key, value = rng.normal(size=(3, 2, 1, 6, 4)).astype("float32")
    whole = np.array(lab.causal_attention(query, key, value))
    step = lab.causal_attention(query[:, :, [3]], key, value, np.array([[3], [3]]))
    np.testing.assert_allclose(step, whole[:, :, [3]], atol=1e-6)
    assert np.isfinite(np.array(lab.causal_attention(query * 1e4, key, value))).all()


def test_a_block_is_made_of_keras_multi_head_attention_and_a_feed_forward_network():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 8)).astype("float32")
    block = lab.TransformerBlock(2)
    block.build((None, None, 8))
    block.set_weights([rng.normal(0, 0.5, weight.shape) for weight in block.get_weights()])
    attention = keras.layers.MultiHeadAttention(2, 4)
    attention.build((2, 5, 8), (2, 5, 8))
    projections = (block.query, block.key, block.value)
    weights = [
        part
        for layer in projections
        for part in (np.reshape(layer.kernel, (8, 2, 4)), np.reshape(layer.bias, (2, 4)))
    ]
    output = block.output_projection
    attention.set_weights([*weights, np.reshape(output.kernel, (2, 4, 8)), output.bias])
    normed = block.norm_1(x)
    middle = x + attention(normed, normed, use_causal_mask=True)
    expected = middle + block.contract(block.expand(block.norm_2(middle)))
    np.testing.assert_allclose(block(x)[0], expected, atol=1e-5)


def test_heads_must_divide_the_dimensions():
    with pytest.raises(ValueError, match="3 heads do not divide 8"):
        lab.TransformerBlock(3).build((None, None, 8))


# Models


@pytest.mark.parametrize("architecture", lab.ARCHITECTURES)
def test_the_stepper_gives_the_models_logits_position_by_position(models, architecture):
    model, stepper = models[architecture]
    inputs, _, _ = lab.encode_names(NAMES, VOCABULARY)
    countries = np.array([0, 2, 1, 1], np.int32)
    expected = model.predict_on_batch([inputs, countries])
    states = [np.zeros((4, *state.shape[1:]), state.dtype) for state in stepper.inputs[2:]]
    for position in range(inputs.shape[1]):
        ids = inputs[:, position : position + 1]
        logits, *new = stepper.predict_on_batch([ids, countries, *states])
        np.testing.assert_allclose(logits, expected[:, position], atol=2e-5)
        described = [[(np.shape(s), str(s.dtype)) for s in some] for some in (states, new)]
        assert described[0] == described[1]
        states = new


@pytest.mark.parametrize("architecture", lab.ARCHITECTURES)
def test_logits_depend_on_the_country_and_on_nothing_later(models, architecture):
    model, _ = models[architecture]
    ids = np.random.default_rng(0).integers(1, len(VOCABULARY), (1, 9)).astype("int32")
    changed = ids.copy()
    changed[0, 5:] = 3
    country = np.array([1], np.int32)
    before = model.predict_on_batch([ids, country])
    after = model.predict_on_batch([changed, country])
    np.testing.assert_allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-3
    assert np.abs(before - model.predict_on_batch([ids, country * 0]))[0, 0].max() > 1e-3


@pytest.mark.parametrize("architecture", lab.ARCHITECTURES)
def test_both_models_share_all_weights(models, architecture):
    model, stepper = models[architecture]
    assert {id(weight) for weight in model.weights} == {id(weight) for weight in stepper.weights}


def test_there_is_no_fifth_architecture():
    with pytest.raises(ValueError, match="'cnn'"):
        lab.build_name_model("cnn", 9, 2, **SIZES)


def logits(ids, countries):
    """Give what each network says, with weights that are always the same."""
    return {name: build(name)[0].predict_on_batch([ids, countries]) for name in lab.ARCHITECTURES}


def test_the_same_weights_give_the_same_logits_on_jax(tmp_path):
    ids, _, _ = lab.encode_names(NAMES, VOCABULARY)
    check_on_jax(logits, tmp_path, 1e-4, ids=ids, countries=np.array([0, 2, 1, 1], np.int32))


# Loss and sampling


def test_the_loss_is_a_mean_over_characters_not_over_rows():
    targets = np.array([[1, 2, 2], [1, 0, 0]])
    logits = np.random.default_rng(0).normal(size=(2, 3, 4)) * 5
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = [log_probabilities[r, c, targets[r, c]] for r, c in ((0, 0), (0, 1), (0, 2), (1, 0))]
    loss = float(lab.nats_per_character(targets.astype("float32"), logits))
    assert loss == pytest.approx(-np.mean(chosen), abs=1e-5)
    logits[1, 1:] = 1e4
    assert float(lab.nats_per_character(targets, logits)) == pytest.approx(loss, abs=1e-5)
    assert float(lab.nats_per_character(targets * 0, logits)) == 0


def test_pad_and_start_are_never_drawn_and_the_others_in_proportion():
    logits = np.tile([9.0, 9.0, 0.0, np.log(3.0)], (20_000, 1))
    drawn = np.bincount(lab.sample_next(logits, seed=0), minlength=4)
    assert drawn[:2].tolist() == [0, 0]
    # five standard deviations of a share of 3 in 4 among 20,000
    assert drawn[3] / 20_000 == pytest.approx(0.75, abs=5 * (0.1875 / 20_000) ** 0.5)
    colder = np.bincount(lab.sample_next(logits, 0.5, seed=0), minlength=4)
    assert colder[3] / 20_000 == pytest.approx(0.9, abs=5 * (0.09 / 20_000) ** 0.5)


@pytest.mark.parametrize("temperature", [0, 1e-300])
def test_no_temperature_is_argmax(temperature):
    logits = np.array([[9.0, 9.0, 1.0, 5.0, 2.0], [9.0, 9.0, 3.0, 1.0, 2.0]])
    assert lab.sample_next(logits, temperature, seed=0).tolist() == [3, 2]


@pytest.mark.parametrize("temperature", [-1, float("nan")])
def test_a_temperature_is_not_negative(temperature):
    with pytest.raises(ValueError, match="temperature"):
        lab.sample_next(np.zeros((1, 5)), temperature)


# Generation


@pytest.mark.parametrize("architecture", lab.ARCHITECTURES)
def test_names_begin_as_asked_are_never_empty_and_never_too_long(models, architecture):
    wanted = [country for country in COUNTRIES for _ in range(40)]
    starts = (["", "A", "Al O'Bria", "Adaaaaaaaaa"[:10]] * 30)[: len(wanted)]
    arguments = (models[architecture][1], VOCABULARY, COUNTRIES, wanted, starts, 10)
    written = lab.generate_names(*arguments, seed=3)
    assert len(written) == len(wanted)
    assert all(name.startswith(start) for name, start in zip(written, starts, strict=True))
    assert all(1 <= len(name) <= 10 for name in written)
    assert len({len(name) for name in written}) > 2
    assert written == lab.generate_names(*arguments, seed=3)
    assert written != lab.generate_names(*arguments, seed=4)


@pytest.mark.parametrize("architecture", lab.ARCHITECTURES)
def test_the_likeliest_name_is_what_the_whole_model_says(models, architecture):
    model, stepper = models[architecture]
    (name,) = lab.generate_names(
        stepper, VOCABULARY, COUNTRIES, ["Poland"], max_length=6, temperature=0
    )
    numbers = [VOCABULARY.index(character) for character in name]
    ids = np.array([[lab.START, *numbers]], np.int32)
    logits = np.array(model.predict_on_batch([ids, np.array([1], np.int32)]))[0]
    logits[:, [lab.PAD, lab.START]] = -np.inf
    logits[0, lab.END] = -np.inf
    likeliest = logits.argmax(-1).tolist()
    assert likeliest[: len(numbers)] == numbers
    assert len(name) == 6 or likeliest[len(numbers)] == lab.END


@pytest.mark.parametrize(
    ("wanted", "starts", "words"),
    [
        (["Grece"], None, "'Grece': did you mean Greece"),
        (["Atlantis"], None, "Greece, Poland, Russia"),
        (["Greece"], ["Ä"], "'Ä' is not in the vocabulary"),
        (["Greece"], ["A" * 12], "longer"),
        (["Greece"], ["A", "B"], "2 starts for 1"),
    ],
)
def test_what_cannot_be_written_is_said(models, wanted, starts, words):
    _, stepper = models["gru"]
    with pytest.raises(ValueError, match=words):
        lab.generate_names(stepper, VOCABULARY, COUNTRIES, wanted, starts, max_length=11)


def test_no_countries_give_no_names(models):
    assert lab.generate_names(models["rnn"][1], VOCABULARY, COUNTRIES, []) == []
