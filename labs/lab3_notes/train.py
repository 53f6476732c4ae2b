"""Windows of the pieces, training on them, and scores beside models that count."""

import math
from typing import Any

import keras
import numpy as np

from labs.lab3_notes.data import Pieces
from toolkit.training import ngram
from toolkit.training.fit import PAD, Batches, fit
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import warmup_cosine

Windows = dict[str, tuple[np.ndarray, np.ndarray]]  # split -> inputs and targets
FOLDS = 5


def cut_windows(tasks: Any, settings: Any, pieces: Pieces) -> tuple[Windows, np.ndarray]:
    """Cut each split's inputs and targets, the training's in several keys.

    Returns
    -------
    windows
    folds : int array (training windows,), which fifth of the training pieces each comes from
    """
    rng = np.random.default_rng(settings.seed)
    windows = {}
    for split in ("validation", "test"):
        length = settings.eval_window
        inputs, targets, _ = tasks.make_windows(pieces.ids[split], length, length)
        chosen = rng.permutation(len(inputs))[: settings.eval_windows]
        windows[split] = inputs[chosen], targets[chosen]
    inputs, targets, _ = tasks.make_windows(pieces.ids["train"], settings.window, settings.window)
    folds = np.cumsum(inputs[:, 0] == tasks.START) % FOLDS
    # every window in `keys` different keys
    shifts = np.tile(np.arange(len(settings.transpose)), (len(inputs), 1))
    shifts = rng.permuted(shifts, axis=1)[:, : settings.keys, None]  # (windows, keys, 1)
    keys = shifts.shape[1]
    windows["train"] = tuple(
        pieces.transposed[shifts, ids[:, None]].reshape(-1, settings.window)
        for ids in (inputs, targets)
    )
    return windows, np.repeat(folds, keys)


def train(
    tasks: Any,
    settings: Any,
    run: Run,
    runtime: Runtime,
    model: keras.Model,
    windows: Windows,
) -> Log:
    """Fit the model; the learning rate rises for a twentieth of the time and falls as a cosine."""
    steps = settings.epochs * settings.steps_per_epoch

    def optimizer() -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(warmup_cosine(settings.learning_rate, steps), clipnorm=1.0)

    return fit(
        model,
        run,
        runtime,
        loss=tasks.masked_cross_entropy,
        metrics={"accuracy": tasks.masked_accuracy},
        train=windows["train"],
        validation=windows["validation"],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=optimizer,
        steps_per_epoch=settings.steps_per_epoch,
    )


SCORES = ("model", "val nats", "perplexity", "accuracy", "test nats", "perplexity", "accuracy")


def evaluate(settings: Any, model: keras.Model, windows: Windows, folds: np.ndarray) -> list[tuple]:
    """Compare unigram, bigram and network: a row of `SCORES` each.

    The baselines count the same windows in the same keys as the network trains on.
    """
    size = model.output_shape[-1]
    inputs, targets = windows["train"]
    counts = [
        ngram.count_pairs(inputs[folds == fold], targets[folds == fold], size, PAD)
        for fold in range(FOLDS)
    ]
    rows = []
    for name, log_probabilities in zip(
        ("unigram", "bigram"), ngram.fit_ngrams(np.array(counts)), strict=True
    ):
        row: list = [name]
        for split in ("validation", "test"):
            pairs = ngram.count_pairs(*windows[split], size, PAD)
            nats = ngram.nats_per_token(log_probabilities, pairs)
            row += [nats, math.exp(nats), ngram.accuracy(log_probabilities, pairs)]
        rows.append(tuple(row))
    row = ["LSTM"]
    for split in ("validation", "test"):
        batches = Batches(*windows[split], min(settings.batch_size, len(windows[split][0])))
        results = model.evaluate(batches, verbose=0, return_dict=True)  # type: ignore[arg-type]
        nats = results["nats_per_token"]
        row += [nats, math.exp(nats), results["accuracy"]]
    return [*rows, tuple(row)]
