"""Settings, training, evaluation and writing of Lab 4: all that needs neither MIDI nor sound.

So it runs wherever Keras does, on a machine without note-seq as well (`benchmarks.gpu`).
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from labs.lab4_performances.crops import Crops
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.training.fit import Batches, fit
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime, compiled
from toolkit.training.settings import (
    Count,
    CountOrZero,
    Fraction,
    FractionAboveZero,
    FractionBelowOne,
    Positive,
    Seed,
)


@dataclass(frozen=True)
class Settings:
    """What a run does; any field can be set on the command line."""

    data: str = "keyboard"
    seed: Seed = 0
    precision: str = "auto"
    devices: str | None = None
    # one or several General MIDI names, with commas; None is a piano, or drums
    instrument: str | None = None
    soundfont: str | None = None
    # a MIDI file to play on from; None takes a test piece
    primer: str | None = None
    primer_seconds: Positive = 8.0
    # training pieces to use at most, and an eighth as many for validation and test; None is all
    max_pieces: Count | None = None
    # each piece is moved by one of these in each epoch; the experiment does not transpose drums
    semitones: tuple[int, ...] = (-1, 0, 1)
    stretches: tuple[Positive, ...] = (0.95, 0.975, 1.0, 1.025, 1.05)
    length: Count = 256
    # overlap of validation and test windows, and how many of validation at most
    context: CountOrZero = 64
    eval_windows: Count | None = 150
    d_model: Count = 128
    num_heads: Count = 2
    ff_dim: Count = 256
    num_layers: Count = 2
    max_distance: Count = 256
    window: Count = 512
    # a run of three minutes learns too little to need any: with 0.1 it ends 0.1 nats higher
    dropout: FractionBelowOne = 0.0
    tied: bool = True
    smoothing: FractionBelowOne = 0.0
    epochs: Count = 8
    steps_per_epoch: Count = 120
    batch_size: Count = 8
    learning_rate: Positive = 3e-3
    warmup: Count = 200
    # share of the steps, the last ones, over which the rate falls to 0 besides
    cooldown: Fraction = 0.0
    temperature: Positive = 0.95
    top_k: CountOrZero = 0
    top_p: FractionAboveZero = 0.92
    grammar: bool = True
    # pieces with a primer, and as many without
    samples: Count = 4
    max_events: Count = 768
    # real excerpts that generated pieces are measured beside
    compared: Count = 32


# the field's usual model: Huang et al. (2018), gwinndr's sizes
MAESTRO = Settings(
    data="maestro",
    primer_seconds=20.0,
    semitones=(-3, -2, -1, 0, 1, 2, 3),
    length=2048,
    context=1024,
    eval_windows=400,
    d_model=512,
    num_heads=8,
    ff_dim=2048,
    num_layers=6,
    max_distance=2047,
    window=2048,
    dropout=0.1,
    epochs=40,
    steps_per_epoch=500,
    batch_size=16,
    learning_rate=1e-3,
    warmup=2000,
    cooldown=0.4,
    temperature=1.0,
    top_p=0.95,
    samples=8,
    max_events=4096,
    compared=137,
)
PRESETS = {"quick": Settings(), "maestro": MAESTRO, "full": MAESTRO}


def check(settings: Settings, runtime: Runtime) -> None:
    """Refuse settings that do not go together.

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


FULL = ("RESOURCE_EXHAUSTED", "ResourceExhausted", "OOM", "MemoryError")


@contextmanager
def enough_memory(first: str, value: int, then: str) -> Iterator[None]:
    """Say which setting to lower when the memory is full."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise EtudeError(
                f"{first} {value} takes more memory than the device has: lower it first, "
                f'SET="{first}={max(value // 2, 1)}", then {then}'
            ) from error
        raise


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the memory is full."""
    words = f"{type(error).__name__} {error}"
    return any(sign in words for sign in FULL)


# Training and evaluation


class Cooldown(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule times what falls in a line from 1 at step `begin` to 0 at step `end`.

    Source: Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
    Durations" (2024), section 3.
    """

    def __init__(self, schedule: Any, begin: int, end: int):
        super().__init__()
        self.schedule, self.begin, self.end = schedule, begin, end

    def __call__(self, step: Any) -> Any:
        left = (self.end - ops.cast(step, "float32")) / max(self.end - self.begin, 1)
        return self.schedule(step) * ops.clip(left, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "begin": self.begin, "end": self.end}


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


def write_on(
    tasks: Any, model: keras.Model, settings: Settings, primer: np.ndarray, samples: int
) -> list[np.ndarray]:
    """Generate `samples` pieces from one primer (only START: from nothing) in one batch.

    Returns
    -------
    list of int32 arrays: each piece's events, the primer's without START first
    """
    rng = np.random.default_rng([settings.seed, len(primer)])
    shape = (samples, settings.max_events, model.embedding.input_dim)
    noise = rng.gumbel(size=shape).astype(np.float32)

    def write(model: Any, primers: Any, noise: Any) -> Any:
        return tasks.generate(
            model,
            primers,
            noise,
            settings.temperature,
            settings.top_k,
            settings.top_p,
            settings.grammar,
        )

    with warnings.catch_warnings():
        # Keras warns of a softmax over one position: START, read alone
        warnings.simplefilter("ignore", UserWarning)
        written = compiled(write, model)(np.tile(primer, (samples, 1)), noise)
    return [np.concatenate([primer[1:], row[row != tasks.PAD]]) for row in written]
