"""Training one of the two models on pairs of numbers and words."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from labs.lab2_numbers.data import FURTHER, Numbers, Pairs
from toolkit.training.fit import fit
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import warmup_cosine

WARMUP = 1 / 8
# the two models, and the task that builds each
BUILDERS = {"GRU": "build_gru_translator", "Transformer": "build_transformer"}

Parts = tuple[keras.Model, keras.Model, keras.Model]


def build(tasks: Any, settings: Any, numbers: Numbers, name: str) -> Parts:
    """Build one of the student's models: for training, encoder and stepper."""
    size = len(numbers.vocabulary)
    if name == "GRU":
        return tasks.build_gru_translator(size, settings.gru_embedding_dim, settings.gru_units)
    return tasks.build_transformer(
        size,
        settings.d_model,
        settings.num_heads,
        settings.ff_dim,
        settings.num_layers,
        settings.dropout,
        max(numbers.length, FURTHER),
    )


def train(
    tasks: Any,
    run: Run,
    runtime: Runtime,
    settings: Any,
    model: keras.Model,
    numbers: Numbers,
    *,
    folder: str,
    pairs: Pairs,
    widths: tuple[int, int],
    epochs: int,
    rate: float,
) -> Log:
    """Fit one model; the learning rate rises for an eighth of the time and falls as a cosine.

    Parameters
    ----------
    folder : where below the run's folder log, weights and backup go
    widths : columns for digits and for words
    """
    part = run.part(folder)
    validation = numbers.split["validation"][: settings.validation_numbers]
    steps = epochs * settings.steps_per_epoch

    def optimizer() -> keras.optimizers.Optimizer:
        schedule = warmup_cosine(rate, steps, WARMUP)
        return keras.optimizers.Adam(schedule, beta_2=settings.beta_2, clipnorm=1.0)

    def encode(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        digits = tasks.encode_digits([number for number, _ in pairs], widths[0])
        texts = [words for _, words in pairs]
        inputs, targets = tasks.encode_words(texts, numbers.vocabulary, widths[1], numbers.language)
        return np.concatenate([digits, inputs], axis=1), targets

    def best(function: Callable) -> Callable:
        return lambda targets, logits: function(targets, keras.ops.argmax(logits, axis=-1))

    with runtime.scope():
        whole = packed(model, *widths)
    log = fit(
        whole,
        part,
        runtime,
        loss=tasks.masked_cross_entropy,
        metrics={"token_accuracy": best(tasks.token_accuracy)},
        row_metrics={"exact_match": best(tasks.exact_match)},
        train=encode(pairs),
        validation=encode(validation),
        epochs=epochs,
        batch_size=settings.batch_size,
        optimizer=optimizer,
        steps_per_epoch=settings.steps_per_epoch,
    )
    if part.interrupted:
        run.interrupt(f"{part.interrupted} of {folder}")
    return log


def packed(model: keras.Model, digits: int, words: int) -> keras.Model:
    """Give the model one input, digits and words side by side: a batch is then one array."""
    both = keras.Input((digits + words,), dtype="int32", name="digits_and_words")
    return keras.Model(both, model([both[:, :digits], both[:, digits:]]), name=model.name)
