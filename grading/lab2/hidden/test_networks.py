"""Tasks 2.8 and 2.13: the GRU translator and the Transformer, each as three models."""

import numpy as np

from grading.checks import hidden
from grading.checks.assertions import assert_array, assert_close, assert_holds, check
from grading.checks.networks import Weights, randomize, set_layers, silence
from grading.lab2.beams import some_digits
from grading.lab2.networks import LAYER, Networks, first_states, networks, same_networks, stepped

ATOL = 1e-5  # some tens of float32 roundings, on logits of about 1 to 10


def assert_learns(mine: Networks, theirs: Networks, rng: np.random.Generator, rate: float) -> None:
    """Demand that training learns one batch by heart; the solution's model has the last word."""
    digits, targets = some_digits(rng, 4, 4), rng.integers(3, 9, (4, 5))
    digits[:, 0] = rng.permutation(10)[:4] + 1  # rows with the same digits could not be told apart
    words = np.c_[np.ones((4, 1), int), targets[:, :-1]]
    mine[0].train([digits, words], targets, steps=60, learning_rate=rate)
    hidden.assert_learned(mine[0], theirs[0], LAYER, targets, digits, words)


# Task 2.8: the GRU encoder-decoder

GRU = "build_gru_translator"


@check("2.8", says="the logits of model and stepper, for any size", weight=2, hidden=True)
def test_gru_random(student, solution, rng):
    sizes = tuple(int(size) for size in rng.permutation([9, 7, 8]))
    mine, theirs = same_networks(student, solution, rng, GRU, *sizes)
    for source, target in ((1, 4), (int(rng.integers(2, 8)), 1)):
        digits = some_digits(rng, 3, source) if source > 1 else rng.integers(1, 11, (3, 1))
        words = rng.integers(0, sizes[0], (3, target))
        want = theirs[0](digits, words)
        assert_close(mine[0](digits, words), want, atol=ATOL)
        assert_close(stepped(*mine[1:], digits, words), want, atol=ATOL)


@check("2.8", says="in training the model learns one batch by heart", hidden=True)
def test_gru_learns(student, solution, rng):
    sizes = (GRU, 9, 8, 16)
    assert_learns(networks(student, *sizes), networks(solution, *sizes), rng, 0.03)


# Task 2.13: the Transformer

TRANSFORMER = "build_transformer"


@check(
    "2.13",
    says="logits for any size; keys and values are kept, not computed twice",
    weight=2,
    hidden=True,
)
def test_transformer_random(student, solution, rng):
    vocab_size, heads, ff_dim = (int(size) for size in rng.permutation([9, 3, 4]))
    vocab_size, length = vocab_size + 4, int(rng.integers(4, 7))
    sizes = (vocab_size, 4 * heads, heads, ff_dim, 1, 0.2, length)
    mine, theirs = same_networks(student, solution, rng, TRANSFORMER, *sizes)
    digits, words = some_digits(rng, 3, length), rng.integers(0, vocab_size, (3, length))
    want = theirs[0](digits, words)
    assert_close(mine[0](digits, words), want, atol=ATOL)
    assert_close(stepped(*mine[1:], digits, words), want, atol=ATOL)
    states = first_states(mine[1], digits)
    numbers = sum(state[0].size for state in states if state.dtype.kind == "f")
    # keys and values of max_length words
    room = numbers >= 2 * length * 4 * heads
    assert_holds(room, "the states have no room for the keys and values")


@check("2.13", says="dropout on embedding + position and in blocks, in training", hidden=True)
def test_transformer_dropout(student, rng):
    model, *_ = networks(student, TRANSFORMER, 16, 16, 2, 12, 1, 0.5, 8)
    digits, words = some_digits(rng, 16, 5), rng.integers(0, 16, (16, 8))
    randomize(model, rng)
    # blocks that add nothing, and logits that are what goes into the last Dense
    silence(model, "contract", "output_projection")
    plain: Weights = {
        ("decoder_norm", "gamma"): np.ones(16, "f4"),
        ("decoder_norm", "beta"): np.zeros(16, "f4"),
        ("logits", "kernel"): np.eye(16, dtype="f4"),
        ("logits", "bias"): np.zeros(16, "f4"),
    }
    set_layers(model, plain, LAYER)
    for training, share in ((False, 0.0), (True, 0.5)):
        hidden = assert_array(model(digits, words, training=training), (16, 8, 16), "f")
        # what is dropped was 0 before the norm, and is the same number behind it
        equals = (np.abs(hidden[..., None] - hidden[..., None, :]) < 1e-4).sum(axis=-1).max(axis=-1)
        zeros = np.where(equals > 1, equals, 0).mean() / 16
        # 2,048 choices with probability 0.5: 0.07 is six deviations
        assert_holds(abs(zeros - share) < 0.07, "the wrong share of embedding + position is 0")
    far = np.zeros(16, "f4")
    far[0] = 1e4  # where a block adds it, the norm makes it √15 and all else small
    set_layers(model, {("decoder_0", "decoder_0_contract", "bias"): far}, LAYER)
    hidden = assert_array(model(digits, words, training=True), (16, 8, 16), "f")
    added = (hidden[..., 0] > 3.8).mean()
    # 128 choices with probability 0.5: 0.27 is six deviations
    assert_holds(abs(added - 0.5) < 0.27, "the wrong share is dropped in the blocks")


@check("2.13", says="in training the model learns one batch by heart", hidden=True)
def test_transformer_learns(student, solution, rng):
    sizes = (TRANSFORMER, 9, 8, 2, 12, 1, 0.0, 5)
    assert_learns(networks(student, *sizes), networks(solution, *sizes), rng, 0.02)
