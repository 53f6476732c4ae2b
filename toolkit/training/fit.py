"""`model.fit` as every lab uses it: exact per-token measures, a run that survives Ctrl-C and kills.

Sequences are padded with token 0 (`PAD`), and padding never counts: that is what lets every batch
be filled up to one shape with rows of padding.
"""

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from toolkit import console
from toolkit.errors import EtudeError
from toolkit.training.runs import MONITOR, Log, Run, trim_log
from toolkit.training.runtime import (
    Runtime,
    check_shards,
    choose_jit,
    parity_stamp,
    share_of_tokens,
)

PAD = 0

TokenFunction = Callable[[Any, Any], Any]  # (targets, logits) -> mean over targets != PAD
Counter = Callable[[Any], Any]  # targets -> how many they are


def count_tokens(targets: Any) -> Any:
    """Count what is not PAD."""
    return ops.sum(ops.cast(ops.not_equal(targets, PAD), "float32"))


def count_rows(targets: Any) -> Any:
    """Count the rows, of (batch, length), that are not filled up with PAD."""
    is_row = ops.any(ops.not_equal(targets, PAD), axis=-1)
    return ops.sum(ops.cast(is_row, "float32"))


class PerToken(keras.metrics.Metric):
    """A measure's mean over all tokens of an epoch, exact whatever the batches hold.

    Parameters
    ----------
    function : (targets, logits) -> scalar, the mean over the batch's tokens
    name : the column in the log
    counted : targets -> how many tokens the batch has; by default those other than PAD

    Notes
    -----
    Sum of (batch mean × tokens in the batch) over the sum of tokens. Averaging the batch means, as
    Keras does with a plain function, weighs a batch with little music like a full one.
    """

    def __init__(self, function: TokenFunction, name: str, counted: Counter = count_tokens):
        super().__init__(name=name)
        self.function, self.counted = function, counted
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch: targets (batch, length) and logits (batch, length, vocab_size)."""
        targets, logits = _exact(y_true, y_pred)
        count = self.counted(targets)
        self.total.assign_add(ops.cast(self.function(targets, logits), "float32") * count)
        self.count.assign_add(count)

    def result(self) -> Any:
        """Mean over all tokens so far; 0 before the first."""
        return self.total / ops.maximum(self.count, 1.0)


class PerTokenLoss(keras.losses.Loss):
    """A lab's loss function as Keras's loss: integer targets, float32 logits, a scalar.

    Keras's own wrapper would turn the targets into floats and average over rows.
    """

    def __init__(self, function: TokenFunction, counted: Counter = count_tokens):
        super().__init__(name="loss")
        self.function, self.counted = function, counted

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Mean loss a token of targets (batch, length) and logits (batch, length, vocab_size)."""
        targets, logits = _exact(y_true, y_pred)
        return self.function(targets, logits) * share_of_tokens(self.counted(targets))


def _exact(targets: Any, logits: Any) -> tuple[Any, Any]:
    # with 16-bit layers the softmax and its logarithm still need 32 bits
    return ops.cast(targets, "int32"), ops.cast(logits, "float32")


class EpochBatches(keras.utils.PyDataset):
    """Batches of one shape that only the seed and the epoch decide.

    So a resumed run sees the batches that an unbroken one would have seen.

    Attributes
    ----------
    shape : (batch_size, length)
    """

    shape: tuple[int, int]

    def start(self, epoch: int) -> None:
        """Make ready for `epoch` (from 0)."""


class Batches(EpochBatches):
    """Batches of rows that are there, in an order drawn anew for each epoch.

    Parameters
    ----------
    inputs, targets : (rows, length) integers
    batch_size : rows in a batch; the last batch is filled up with rows of PAD
    seed : None keeps the rows in order
    batches : how many an epoch takes, its share of the rows drawn anew; None takes all
    """

    def __init__(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        seed: int | None = None,
        batches: int | None = None,
    ):
        super().__init__()
        self.inputs, self.targets = inputs, targets
        self.rows = batch_size
        self.shape = (batch_size, inputs.shape[1])
        self.seed = seed
        self.order = np.arange(len(inputs))
        self.batches = min(batches or len(inputs), -(-len(inputs) // batch_size))

    def start(self, epoch: int) -> None:
        """Put the rows in the order of `epoch` (from 0)."""
        if self.seed is not None:
            self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.inputs))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.batches

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch `index`: inputs and targets, each (batch_size, length)."""
        rows = self.order[index * self.rows : (index + 1) * self.rows]
        missing = ((0, self.rows - len(rows)), (0, 0))
        batch = (np.pad(array[rows], missing) for array in (self.inputs, self.targets))
        inputs, targets = batch
        return inputs, targets


class _First(keras.utils.PyDataset):
    """The first few of other batches."""

    def __init__(self, batches: EpochBatches, count: int):
        super().__init__()
        self.batches, self.count = batches, min(count, len(batches))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


class Backup(keras.callbacks.Callback):
    """Everything training needs to go on, written whole after each epoch.

    Weights, dropout's seed states and the optimizer's moments go into one file whose name holds
    the epoch. (Keras's BackupAndRestore writes weights and epoch as two files: a kill between
    them trains an epoch twice.)
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the state after `epoch` (from 0), then drop older ones."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"after-{epoch + 1:06d}.npz"
        fresh = self.folder / "unfinished"
        with open(fresh, "wb") as file:
            np.savez(file, *(ops.convert_to_numpy(value) for value in _state(self.model)))
        os.replace(fresh, path)
        for old in self.folder.glob("after-*.npz"):
            if old != path:
                old.unlink(missing_ok=True)

    @staticmethod
    def restore(folder: Path, model: keras.Model) -> int:
        """Put the newest backup into a compiled model; returns how many epochs it has behind it."""
        backups = sorted(folder.glob("after-*.npz"))
        if not backups:
            return 0
        model.optimizer.build(model.trainable_variables)
        with np.load(backups[-1]) as arrays:
            values, variables = list(arrays.values()), _state(model)
            if [value.shape for value in values] != [tuple(v.shape) for v in variables]:
                raise EtudeError(
                    "RESUME=1 cannot continue: the model's weights have other shapes than those of "
                    "the interrupted run. Restore the code, or leave out RESUME to start a new run."
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return int(backups[-1].stem.removeprefix("after-"))


def _state(model: keras.Model) -> list:
    # model.variables has the seed generators' states, which model.weights leaves out
    return [*model.variables, *model.optimizer.variables]


def fit(
    model: keras.Model,
    run: Run,
    runtime: Runtime,
    *,
    loss: TokenFunction,
    metrics: Mapping[str, TokenFunction],
    row_metrics: Mapping[str, TokenFunction] | None = None,
    train: tuple[np.ndarray, np.ndarray] | EpochBatches,
    validation: tuple[np.ndarray, np.ndarray] | EpochBatches,
    epochs: int,
    batch_size: int,
    optimizer: Callable[[], keras.optimizers.Optimizer],
    steps_per_epoch: int | None = None,
    objective: TokenFunction | None = None,
    counted: Counter = count_tokens,
) -> Log:
    """Train, keep what there is on Ctrl-C, and leave the best weights in the model.

    Parameters
    ----------
    model : ids (batch, length) -> logits (batch, length, vocab_size), built in `runtime.scope()`
    loss : (targets, logits) -> mean nats a token; logged as "nats_per_token", exact over an epoch
    metrics : name in the log -> (targets, logits) -> mean a token
    row_metrics : likewise -> mean over the rows that hold a token
    train, validation : (inputs, targets), each (rows, length) int32, padded with PAD; or they make
        their batches themselves, each of a size that the devices share evenly
    optimizer : makes the optimizer; called in `runtime.scope()`, such as `lambda: Adam(1e-3)`
    steps_per_epoch : batches that an epoch takes from `train`, drawn anew in each; None takes all
    objective : what is minimised, if it is not `loss` itself
    counted : targets -> how many tokens they are, where PAD is not what they are padded with

    Returns
    -------
    dict of lists
        The log: "epoch", "nats_per_token", "val_nats_per_token" and each metric likewise. After an
        interruption it has the epochs that were finished, and `run.interrupted` says where.
    """
    for name, rows in (("training", train), ("validation", validation)):
        if isinstance(rows, tuple) and not len(rows[0]):
            raise EtudeError(
                f"There is no {name} data: every piece is shorter than a window needs."
            )
    run.write_json("stamp.json", parity_stamp(run.stamp.get("checks", ""), runtime))
    share = len(runtime.devices)
    if isinstance(train, EpochBatches):
        batches, size = train, train.shape[0]
    else:
        size = -(-min(batch_size, len(train[0])) // share) * share
        batches = Batches(*train, size, runtime.seed, steps_per_epoch)
    held_out = validation if isinstance(validation, EpochBatches) else Batches(*validation, size)
    measures = {"nats_per_token": loss, **metrics}

    def compile_model(jit: bool) -> None:
        with runtime.scope():
            means = [PerToken(function, name, counted) for name, function in measures.items()]
            means += [
                PerToken(function, name, count_rows)
                for name, function in (row_metrics or {}).items()
            ]
            criterion = PerTokenLoss(objective or loss, counted)
            model.compile(optimizer(), criterion, metrics=means, jit_compile=jit)

    _compile(model, runtime, compile_model, batches, epochs)
    first = 0
    if run.resumed:
        with runtime.scope():
            first = Backup.restore(run.path("backup"), model)
        trim_log(run.path("log.csv"), first)
    run.begin()
    if first < epochs:
        _fit(model, run, runtime, batches, held_out, first, epochs)
    if run.best_weights.exists():
        model.load_weights(run.best_weights)
    return run.log()


def _fit(
    model: keras.Model,
    run: Run,
    runtime: Runtime,
    batches: EpochBatches,
    held_out: EpochBatches,
    first: int,
    epochs: int,
) -> None:
    with _stop_between_batches() as stop, runtime.scope():
        try:
            model.fit(
                batches,
                validation_data=held_out,
                initial_epoch=first,
                epochs=epochs,
                shuffle=False,
                verbose=1 if sys.stdout.isatty() else 2,  # type: ignore[arg-type]
                callbacks=[stop, _Order(batches), _Shards(runtime), *_recorders(run)],
            )
        except Interrupted:
            run.interrupt(f"interrupted in epoch {stop.epoch + 1} of {epochs}")
            console.warn(f"{run.interrupted}; going on with the best weights so far.")


def _recorders(run: Run) -> list[keras.callbacks.Callback]:
    """What writes into the run's folder, and the run's own callbacks.

    The backup comes after the log and the best weights: what it holds has been logged and judged.
    """
    losses = run.log().get(MONITOR, [])
    recorders = [
        keras.callbacks.CSVLogger(str(run.path("log.csv")), append=bool(losses)),
        keras.callbacks.ModelCheckpoint(
            str(run.best_weights),
            monitor=MONITOR,
            mode="min",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=min(losses) if losses else None,
        ),
    ]
    if find_spec("tensorboard") and find_spec("tensorflow"):
        recorders.append(keras.callbacks.TensorBoard(str(run.path("tensorboard"))))
    return [*recorders, Backup(run.path("backup")), *run.callbacks]


class _Order(keras.callbacks.Callback):
    """Tells the batches which epoch begins."""

    def __init__(self, batches: EpochBatches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.start(epoch)


class _Shards(keras.callbacks.Callback):
    """Makes sure after the first batch that every device works."""

    def __init__(self, runtime: Runtime):
        super().__init__()
        self.runtime = runtime
        self.checked = len(runtime.devices) == 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self.checked:
            count = next(v for v in self.model.metrics_variables if v.name == "count")
            check_shards(self.runtime, self.model, count)
            self.checked = True


class _Clock(keras.callbacks.Callback):
    """Notes when each batch ends."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.times.append(time.perf_counter())


class Interrupted(Exception):
    """Training was asked to stop."""


class _Stop(keras.callbacks.Callback):
    """Stops between two batches, where no file is half written."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = False
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.asked:
            raise Interrupted

    on_test_batch_end = on_train_batch_end


@contextmanager
def _stop_between_batches() -> Iterator[_Stop]:
    """Make the first Ctrl-C (or SIGTERM) stop after the batch, and the second at once."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals (a notebook's does)
        return

    def ask(number: int, frame: Any) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        console.say("\nStopping after this batch, then generating; Ctrl-C again stops at once.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _compile(
    model: keras.Model,
    runtime: Runtime,
    compile_model: Callable[[bool], None],
    batches: EpochBatches,
    epochs: int,
) -> None:
    """Compile with or without XLA, whichever trains faster; the weights are as before."""
    batches.start(0)
    trial = _First(batches, 4)
    compiled: bool | None = None
    at_first: list[np.ndarray] = []

    def seconds_per_step(jit: bool) -> float:
        nonlocal compiled
        put_back()
        compile_model(jit)
        compiled = jit
        clock = _Clock()
        with runtime.scope():
            model.optimizer.build(model.trainable_variables)
            at_first[:] = [ops.convert_to_numpy(variable) for variable in _state(model)]
            # the fit to come finds its step traced: what it feeds looks the same
            model.fit(trial, shuffle=False, verbose=0, callbacks=[clock])  # type: ignore[arg-type]
        return (clock.times[-1] - clock.times[0]) / max(1, len(clock.times) - 1)

    def put_back() -> None:
        if at_first:
            for variable, value in zip(_state(model), at_first, strict=True):
                variable.assign(value)
            model.reset_metrics()

    weights = [(variable.path, *variable.shape) for variable in model.variables]
    config = json.dumps([weights, batches.shape])
    key = f"{model.name} {hashlib.sha256(config.encode()).hexdigest()[:16]}"
    jit = choose_jit(runtime, seconds_per_step, len(batches) * epochs, key)
    put_back()
    if compiled is not jit:  # what was tried last is not traced anew
        compile_model(jit)
