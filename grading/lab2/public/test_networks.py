"""Tasks 2.8 and 2.13: the GRU translator and the Transformer, each as three models."""

import numpy as np

from grading.checks.assertions import assert_array, assert_close, check
from grading.checks.losses import assert_untrained
from grading.checks.networks import assert_same_in_steps, randomize
from grading.lab2.beams import some_digits
from grading.lab2.networks import (
    assert_depends,
    assert_models,
    assert_trains,
    networks,
    same_networks,
    stepped,
)

# The same sums in another order differ by some tens of float32 roundings of 6e-8, on logits of
# about 1 to 10: hence 1e-5 where two ways to the same logits are compared.
ATOL = 1e-5

# Task 2.8: the GRU encoder-decoder

GRU = "build_gru_translator"


@check("2.8", says="layers, shapes and states as stated; what logits depend on", weight=2)
def test_gru_contract(student, rng):
    layers = {"digit_embedding", "encoder", "bridge", "word_embedding", "decoder", "attention"}
    parts, digits = networks(student, GRU, 11, 5, 6), some_digits(rng, 3, 6)
    assert_models(parts, layers | {"combine", "logits"}, digits, 11)
    randomize(parts[0], rng)
    assert_depends(parts[0], digits, rng.integers(1, 11, (3, 6)), 11)


@check("2.8", says="logits of encoder, GRU, attention and the layers after them", weight=3)
def test_gru_logits(student, solution, rng):
    mine, theirs = same_networks(student, solution, rng, GRU, 11, 5, 6)
    digits, words = some_digits(rng, 4, 6), rng.integers(0, 11, (4, 7))
    assert_close(mine[0](digits, words), theirs[0](digits, words), atol=ATOL)


@check("2.8", says="encoder and stepper give the model's logits, position by position", weight=3)
def test_gru_steps(student, rng):
    model, encoder, stepper = networks(student, GRU, 11, 5, 6)
    randomize(model, rng)
    digits, words = some_digits(rng, 3, 5), rng.integers(0, 11, (3, 7))
    want = assert_array(model(digits, words), (3, 7, 11), "f")
    assert_same_in_steps(stepped(encoder, stepper, digits, words), want, atol=ATOL)


@check("2.8", says="untrained, the loss is near ln V; training changes every weight")
def test_gru_training(student, solution, rng):
    parts, (wanted, *_) = (networks(code, GRU, 11, 5, 6) for code in (student, solution))
    digits, words = some_digits(rng, 12, 5), np.tile(np.arange(1, 11), (12, 1))
    digits[:, 0] = np.arange(12) % 10 + 1  # every digit, every word but PAD
    logits = assert_array(parts[0](digits, words), (12, 10, 11), "f")
    # initial weights are small, the logits below 0.5: their squares are what ln V is missed by
    assert_untrained(logits, atol=0.15)
    assert_trains(parts, wanted, digits, words)


# Task 2.13: the Transformer

TRANSFORMER = "build_transformer"


@check("2.13", says="layers, shapes and states as stated; what logits depend on", weight=2)
def test_transformer_contract(student, rng):
    layers = {f"{side}_{what}" for side in ("encoder", "decoder") for what in (0, 1, "norm")}
    layers |= {"digit_embedding", "word_embedding", "logits"}
    parts, digits = networks(student, TRANSFORMER, 11, 8, 2, 12, 2, 0.1, 6), some_digits(rng, 3, 5)
    assert_models(parts, layers, digits, 11)
    randomize(parts[0], rng)
    assert_depends(parts[0], digits, rng.integers(1, 11, (3, 6)), 11)


@check("2.13", says="logits: √d_model, positions, blocks, norms", weight=3)
def test_transformer_logits(student, solution, rng):
    sizes = (11, 8, 2, 12, 1, 0.1, 9)
    mine, theirs = same_networks(student, solution, rng, TRANSFORMER, *sizes)
    digits, words = some_digits(rng, 4, 6), rng.integers(0, 11, (4, 9))
    assert_close(mine[0](digits, words), theirs[0](digits, words), atol=ATOL)


@check("2.13", says="encoder and stepper give the model's logits, position by position", weight=3)
def test_transformer_steps(student, rng):
    model, encoder, stepper = networks(student, TRANSFORMER, 11, 8, 2, 12, 2, 0.1, 7)
    randomize(model, rng)
    digits, words = some_digits(rng, 3, 5), rng.integers(0, 11, (3, 7))
    want = assert_array(model(digits, words), (3, 7, 11), "f")
    assert_same_in_steps(stepped(encoder, stepper, digits, words), want, atol=ATOL)


@check("2.13", says="training changes every weight")
def test_transformer_training(student, solution, rng):
    sizes = (TRANSFORMER, 11, 8, 2, 12, 1, 0.1, 10)
    parts, (wanted, *_) = (networks(code, *sizes) for code in (student, solution))
    digits, words = some_digits(rng, 12, 5), np.tile(np.arange(1, 11), (12, 1))
    digits[:, 0] = np.arange(12) % 10 + 1  # every digit, every word but PAD
    assert_trains(parts, wanted, digits, words)
