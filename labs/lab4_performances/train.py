"""Building, training and scoring the model; like generation, it needs neither MIDI nor sound.

So it runs wherever Keras does, on a machine without note-seq as well (`benchmarks.gpu`).
"""

import math
from typing import Any

import keras
import numpy as np

from labs.lab4_performances.crops import Crops
from labs.lab4_performances.settings import Settings
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.training.fit import Batches, fit
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import Cooldown


def check(settings: Settings, runtime: Runtime) -> None:
    """Refuse settings that do not fit together; warn of distances that training never sees.

    Raises
    ------
    EtudeError
        Which, and what to give.
    """
    if settings.d_model % settings.num_heads:
        raise EtudeError(
            f"d_model {settings.d_model} cannot be shared by {settings.num_heads} heads: give a "
            "multiple"
        )
    if settings.context >= settings.length:
        raise EtudeError(f"context {settings.context}: give 0 to {settings.length - 1}")
    if settings.batch_size % len(runtime.devices):
        raise EtudeError(
            f"batch_size {settings.batch_size} cannot be shared by {len(runtime.devices)} "
            "devices: give a multiple"
        )
    say_what_is_not_trained(settings)


def say_what_is_not_trained(settings: Settings) -> None:
    """Say which distances generation would use that no crop has."""
    for name, most in (("window", settings.length), ("max_distance", settings.length - 1)):
        if getattr(settings, name) > most:
            console.say(
                f"{name} {getattr(settings, name)} is above {most}, the most that crops of length "
                f"{settings.length} train: generated pieces get worse beyond it"
            )


def build(tasks: Any, settings: Settings, runtime: Runtime) -> keras.Model:
    """Make the student's model with its weights."""
    with runtime.scope():
        model = tasks.MusicTransformer(
            tasks.VOCAB_SIZE,
            settings.d_model,
            settings.num_heads,
            settings.ff_dim,
            settings.num_layers,
            settings.max_distance,
            settings.window,
            settings.dropout,
            settings.tied,
            name="music_transformer",
        )
        model.build((None, settings.length))
    console.say(f"model: {model.count_params():,} weights, window {settings.window}")
    return model


def train(
    tasks: Any,
    settings: Settings,
    run: Run,
    runtime: Runtime,
    model: keras.Model,
    splits: dict[str, Split],
) -> Log:
    """Fit the model to random crops of the moved pieces."""
    crops = Crops(
        tasks,
        splits["train"],
        settings.length,
        settings.batch_size,
        settings.steps_per_epoch,
        settings.seed,
        settings.semitones,
        settings.stretches,
    )
    inputs, targets = windows(tasks, settings, splits["validation"])
    few = np.random.default_rng(settings.seed).permutation(len(inputs))[: settings.eval_windows]

    def optimizer() -> keras.optimizers.Optimizer:
        schedule = tasks.WarmupSchedule(settings.learning_rate, settings.warmup)
        steps = settings.epochs * settings.steps_per_epoch
        if settings.cooldown:
            schedule = Cooldown(schedule, round(steps * (1 - settings.cooldown)), steps)
        return keras.optimizers.Adam(schedule, beta_2=0.98, epsilon=1e-9, global_clipnorm=1.0)

    def objective(targets: Any, logits: Any) -> Any:
        return tasks.masked_cross_entropy(targets, logits, settings.smoothing)

    return fit(
        model,
        run,
        runtime,
        loss=tasks.masked_cross_entropy,
        objective=objective,
        metrics={"accuracy": tasks.masked_accuracy},
        train=crops,
        validation=(inputs[few], targets[few]),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=optimizer,
    )


def windows(tasks: Any, settings: Settings, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Cut a split's evaluation windows."""
    return tasks.evaluation_windows(split.tokens, split.offsets, settings.length, settings.context)


SCORES = ("split", "nats a token", "perplexity", "accuracy", "nats a note", "tokens a note")
SCORED = (
    "Every token of a split is scored once, where it has at least `context` events before it in "
    "the window (or is among a piece's first). The weights are those of the epoch that was best on "
    "validation; test is scored once, with them. Nats a note can be compared between encodings."
)


def evaluate(
    tasks: Any, settings: Settings, model: keras.Model, splits: dict[str, Split]
) -> list[list]:
    """Score validation and test whole: a row of `SCORES` each."""
    rows: list[list] = []
    for name in ("validation", "test"):
        inputs, targets = windows(tasks, settings, splits[name])
        batches = Batches(inputs, targets, min(settings.batch_size, len(inputs)))
        results = model.evaluate(batches, verbose=0, return_dict=True)  # type: ignore[arg-type]
        nats = results["nats_per_token"]
        a_note = tasks.nats_per_note(nats, targets)
        rows.append(
            [name, nats, math.exp(nats), results["accuracy"], a_note, a_note / max(nats, 1e-9)]
        )
    return rows
