"""Lab 4's model in float16: an overflow costs a step and half the loss scale, nothing else."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tiny_run
from keras import ops

from labs.lab4_performances import solution as lab
from toolkit.training import fit as training
from toolkit.training.runs import Run
from toolkit.training.runtime import configure

HUGE = 2.0**28  # gradients of this loss times so much are beyond float16's 65,504


class HalfNorm(keras.layers.Layer):
    """What task 4.11 warns of: the squares are taken in float16."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, x):
        squares = ops.mean(x * x, axis=-1, keepdims=True)
        return x / ops.sqrt(squares + 1e-3) * self.scale


@pytest.fixture
def float16():
    yield configure(seed=3, precision="float16")
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def steps(monkeypatch):
    """The loss scale and the weights after each training step."""
    seen = []

    def note(order, batch, logs=None):
        scale = float(ops.convert_to_numpy(order.model.optimizer.dynamic_scale))
        seen.append((scale, [np.array(weight) for weight in order.model.get_weights()]))

    monkeypatch.setattr(training._Order, "on_train_batch_end", note, raising=False)
    return seen


def train(root, runtime, monkeypatch):
    """Train with a huge loss scale on embeddings so large that their squares leave float16."""

    def build(dropout):
        model = lab.MusicTransformer(lab.VOCAB_SIZE, 8, 2, 8, 1, 9, 20, dropout, tied=False)
        model.build((None, tiny_run.LENGTH))
        model.embedding.embeddings.assign(3000 * model.embedding.embeddings)
        return model

    def optimizer():
        adam = keras.optimizers.Adam(1e-2, global_clipnorm=1.0)
        return keras.optimizers.LossScaleOptimizer(adam, initial_scale=HUGE)

    monkeypatch.setattr(tiny_run, "build_performer", build)
    run = Run.create("lab4_performances", "quick", {}, root=root)
    return tiny_run.train_performer(run, runtime, 0.0, 10, optimizer=optimizer)[1]


def same(one, other):
    return all(map(np.array_equal, one, other))


def test_an_overflow_costs_its_step_and_half_the_scale(tmp_path, float16, steps, monkeypatch):
    log = train(tmp_path, float16, monkeypatch)
    scales, weights = zip(*steps, strict=True)
    assert scales[:3] == (HUGE / 2, HUGE / 4, HUGE / 8)
    assert same(weights[0], weights[2])  # three steps were skipped
    for (scale, before), (next_scale, after) in pairwise(steps):
        assert same(before, after) == (next_scale == scale / 2)
        assert all(np.isfinite(weight).all() for weight in after)
    assert len(set(scales)) < len(scales) - 10  # most steps are taken
    assert log["nats_per_token"][-1] < log["nats_per_token"][0] - 0.3


def test_a_norm_in_float16_learns_nothing(tmp_path, float16, steps, monkeypatch):
    monkeypatch.setattr(lab, "RMSNorm", HalfNorm)
    log = train(tmp_path, float16, monkeypatch)
    # everything was divided by infinity: each id is as likely as any other, and no gradient
    np.testing.assert_allclose(log["val_nats_per_token"], np.log(lab.VOCAB_SIZE), rtol=1e-5)
    assert same(steps[0][1], steps[-1][1])
