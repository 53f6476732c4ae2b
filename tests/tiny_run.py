"""A training run small enough for tests, in this process or one of its own.

As a script: `python tiny_run.py ROOT [performances] [resume] [kill=EPOCH:BATCH]`, or
`python tiny_run.py devices train ROOT` (or `train_performer`).
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toolkit.console import quiet_tensorflow

quiet_tensorflow()

from toolkit.training.runs import Run  # noqa: E402
from toolkit.training.runtime import Runtime, configure  # noqa: E402

SETTINGS = {"epochs": 4, "units": 8}
VOCAB_SIZE = 12
LENGTH = 24


def data(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make scales that start anywhere and stop at different lengths."""
    rng = np.random.default_rng(seed)
    ids = (np.cumsum(rng.integers(1, 3, (rows, 13)), 1) % (VOCAB_SIZE - 1) + 1).astype("int32")
    for row in ids:
        row[rng.integers(3, 13) :] = 0
    return ids[:, :-1], ids[:, 1:]


def nats(targets, logits):
    """Masked cross-entropy, per token."""
    import keras
    from keras import ops

    mask = ops.cast(ops.not_equal(targets, 0), "float32")
    losses = keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    return ops.sum(losses * mask) / ops.maximum(ops.sum(mask), 1.0)


def accuracy(targets, logits):
    """Masked accuracy, per token."""
    from keras import ops

    mask = ops.cast(ops.not_equal(targets, 0), "float32")
    right = ops.cast(ops.equal(ops.cast(ops.argmax(logits, -1), "int32"), targets), "float32")
    return ops.sum(right * mask) / ops.maximum(ops.sum(mask), 1.0)


def build(units: int = 8, dropout: float = 0.3):
    """Embedding, LSTM with dropout, logits."""
    import keras

    ids = keras.Input((None,), dtype="int32")
    hidden = keras.layers.Embedding(VOCAB_SIZE, 4)(ids)
    hidden = keras.layers.LSTM(units, return_sequences=True, dropout=dropout)(hidden)
    return keras.Model(ids, keras.layers.Dense(VOCAB_SIZE)(hidden))


def build_performer(dropout: float = 0.3):
    """Lab 4's model: one block, its attention in two chunks."""
    from labs.lab4_performances import solution as lab

    lab.RelativeAttention.CHUNK = 16
    model = lab.MusicTransformer(lab.VOCAB_SIZE, 8, 2, 8, 1, 9, 20, dropout)
    model.build((None, LENGTH))
    return model


def performances(pieces: int, seed: int):
    """Make pieces of Lab 4's events: each repeats a few notes."""
    from labs.lab4_performances import solution as lab
    from toolkit.data.corpus import Split

    rng = np.random.default_rng(seed)
    made = []
    for _ in range(pieces):
        pitches = rng.integers(60, 66, 3)
        notes = [[lab.NOTE_ON + p, lab.TIME_SHIFT + 19, lab.NOTE_OFF + p] for p in pitches]
        made.append(np.concatenate(notes * 6).astype(np.uint16))
    offsets = np.cumsum([0, *map(len, made)])
    return Split(np.concatenate(made), offsets, [str(i) for i in range(pieces)])


def train(run: Run, runtime: Runtime | None = None, dropout: float = 0.3, epochs: int = 4):
    """Train a fresh tiny model; returns it and its log."""
    import keras

    from toolkit.training.fit import fit

    runtime = runtime or configure(seed=3)
    with runtime.scope():
        model = build(SETTINGS["units"], dropout)
    return model, fit(
        model,
        run,
        runtime,
        loss=nats,
        metrics={"accuracy": accuracy},
        train=data(50, 0),
        validation=data(21, 1),
        epochs=epochs,
        batch_size=16,
        optimizer=lambda: keras.optimizers.Adam(1e-2),
    )


def train_performer(
    run: Run, runtime: Runtime | None = None, dropout: float = 0.3, epochs: int = 4, **options
):
    """Train Lab 4's model on crops of its own; `options` as `fit` takes them."""
    import keras

    from labs.lab4_performances import solution as lab
    from labs.lab4_performances.crops import Crops
    from toolkit.training.fit import fit

    runtime = runtime or configure(seed=3)
    with runtime.scope():
        model = build_performer(dropout)
    split = performances(4, 1)

    def optimizer():
        # with a smaller epsilon, gradients that are nothing but rounding move a weight as real ones
        return keras.optimizers.Adam(1e-2, epsilon=1e-4)

    windows = lab.evaluation_windows(split.tokens, split.offsets, LENGTH, 8)
    return model, fit(
        model,
        run,
        runtime,
        loss=lab.masked_cross_entropy,
        metrics={"accuracy": lab.masked_accuracy},
        train=Crops(lab, performances(8, 0), LENGTH, 4, 3, runtime.seed, (-1, 0, 1), (0.9, 1.1)),
        validation=windows,
        epochs=epochs,
        batch_size=4,
        **{"optimizer": optimizer, **options},
    )


def at_batch(epoch: int, batch: int, act) -> None:
    """Have `act` called after a batch of an epoch (both from 0) in all training that follows."""
    from toolkit.training import fit as training

    def after(order, index: int, logs=None) -> None:
        if (order.batches.epoch, index) == (epoch, batch):
            act()

    def begin(order, index: int, logs=None) -> None:
        order.batches.epoch = index
        order.batches.start(index)

    training._Order.on_epoch_begin = begin
    training._Order.on_train_batch_end = after


def _two_devices(teach) -> dict:
    """Train a model on one device and on two simulated ones; returns the logs."""
    logs: dict = {}
    for name, devices in (("one", None), ("two", "all")):
        runtime = configure(seed=3, devices=devices)
        run = Run.create("lab3_notes", name, {}, root=Path(sys.argv[3]))
        _, log = teach(run, runtime, dropout=0.0, epochs=2)
        logs[name] = {"devices": len(runtime.devices), "log": log}
    return logs


if __name__ == "__main__":
    if sys.argv[1] == "devices":
        if os.environ["KERAS_BACKEND"] == "tensorflow":
            import tensorflow as tf

            cpu = tf.config.list_physical_devices("CPU")[0]
            tf.config.set_logical_device_configuration(
                cpu, [tf.config.LogicalDeviceConfiguration()] * 2
            )
        print("\n" + json.dumps(_two_devices(globals()[sys.argv[2]])))
    else:
        for option in sys.argv[2:]:
            if option.startswith("kill="):
                epoch, batch = map(int, option.removeprefix("kill=").split(":"))
                at_batch(epoch, batch, lambda: os.kill(os.getpid(), signal.SIGKILL))
        run = Run.create(
            "lab3_notes", "quick", SETTINGS, resume="resume" in sys.argv, root=Path(sys.argv[1])
        )
        teach = train_performer if "performances" in sys.argv else train
        teach(run)
        run.finish()
