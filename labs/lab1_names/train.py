"""Training one of the four networks, and its losses."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from labs.lab1_names.data import SPLITS, Names, at_most, draw_rows
from toolkit.training.fit import Backup, fit
from toolkit.training.runs import Log, Run, load_weights
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import warmup_cosine

# the characters of a name, END among them
PLACES = {
    "1st": slice(0, 1),
    "2nd": slice(1, 2),
    "3rd": slice(2, 3),
    "4th and 5th": slice(3, 5),
    "later": slice(5, None),
}


def build(
    tasks: Any, settings: Any, vocab_size: int, num_countries: int, architecture: str
) -> tuple[keras.Model, keras.Model]:
    """Make one of the student's networks: the model that is trained and its stepper."""
    is_transformer = architecture == "transformer"
    return tasks.build_name_model(
        architecture,
        vocab_size,
        num_countries,
        settings.embedding_dim,
        getattr(settings, f"{architecture}_units"),
        settings.transformer_layers if is_transformer else settings.recurrent_layers,
        settings.transformer_dropout if is_transformer else settings.recurrent_dropout,
        settings.max_characters + 1,
        settings.num_heads,
    )


def train(
    tasks: Any,
    settings: Any,
    run: Run,
    runtime: Runtime,
    packed: keras.Model,
    names: Names,
    vocabulary: Sequence[str],
    peak: float,
) -> Log:
    """Fit a packed network; the learning rate rises to its peak and falls as a cosine."""
    steps = settings.epochs * settings.steps_per_epoch
    held_out = at_most(names.split["validation"], settings.validation_names)
    return fit(
        packed,
        run,
        runtime,
        loss=tasks.nats_per_character,
        metrics={},
        train=encode(tasks, names.split["train"], vocabulary, settings.balance, settings.seed),
        validation=encode(tasks, held_out, vocabulary),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=lambda: keras.optimizers.Adam(warmup_cosine(peak, steps), clipnorm=1.0),
        steps_per_epoch=settings.steps_per_epoch,
    )


def packed_model(model: keras.Model) -> keras.Model:
    """Wrap a model so that a row's country stands before its ids, as one array."""
    rows = keras.Input((None,), dtype="int32", name="country_and_ids")
    return keras.Model(rows, model([rows[:, 1:], rows[:, 0]]), name=f"{model.name}_packed")


def encode(
    tasks: Any,
    names: Mapping[str, Sequence[str]],
    vocabulary: Sequence[str],
    balance: float = 1.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Encode names as rows of a country's number and ids, beside their targets."""
    countries = list(names)
    drawn = draw_rows({name: len(theirs) for name, theirs in names.items()}, balance, seed)
    inputs, targets, _ = tasks.encode_names(
        [names[country][index] for country, index in drawn], vocabulary
    )
    numbers = np.array([countries.index(country) for country, _ in drawn], np.int32)
    return np.concatenate([numbers[:, None], inputs], axis=1), targets


def predict(
    tasks: Any, model: keras.Model, names: Mapping[str, Sequence[str]], vocabulary: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ask the model about all names, without dropout.

    Returns
    -------
    owners : (names,), each one's country
    targets : (names, length)
    logits : (names, length, vocab_size)
    """
    owners = np.array([place for place, theirs in enumerate(names.values()) for _ in theirs])
    inputs, targets, _ = tasks.encode_names(
        [name for t in names.values() for name in t], vocabulary
    )
    rows = np.concatenate([owners[:, None], inputs], axis=1).astype(np.int32)
    return owners, targets, model.predict(rows, batch_size=512, verbose=0)


def evaluate(tasks: Any, owners: np.ndarray, targets: np.ndarray, logits: np.ndarray) -> float:
    """Nats a character, countries weighing equally."""
    nats = []
    for place in np.unique(owners):
        theirs = owners == place
        if targets[theirs].any():
            nats.append(float(tasks.nats_per_character(targets[theirs], logits[theirs])))
    return float(np.mean(nats)) if nats else float("nan")


def score(
    tasks: Any, packed: keras.Model, names: Names, vocabulary: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Score a trained network on all names.

    Returns
    -------
    nats : split -> nats a character, countries weighing equally
    places : place in the name -> nats a character there, on test names
    """
    predicted = {split: predict(tasks, packed, names.split[split], vocabulary) for split in SPLITS}
    nats = {split: evaluate(tasks, *predicted[split]) for split in SPLITS}
    owners, targets, logits = predicted["test"]
    places = {
        name: evaluate(tasks, owners, targets[:, some], logits[:, some])
        for name, some in PLACES.items()
    }
    return nats, places


def score_last(
    tasks: Any, run: Run, packed: keras.Model, names: Names, vocabulary: Sequence[str]
) -> float:
    """Score the last epoch's weights on training names, without dropout; then load the best again.

    Returns
    -------
    Nats a character, countries weighing equally; NaN if the last epoch's weights are no longer kept
    """
    if not Backup.restore(run.path("backup"), packed):
        return float("nan")
    nats = evaluate(tasks, *predict(tasks, packed, names.split["train"], vocabulary))
    load_weights(packed, run.best_weights)
    return nats
