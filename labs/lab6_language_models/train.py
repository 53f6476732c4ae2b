"""Building, training and scoring the models, all alike: equal parameters, equal tokens."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from labs.lab6_language_models.data import VELOCITIES
from labs.lab6_language_models.settings import Settings
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.training.fit import EpochBatches, fit
from toolkit.training.ngram import count_pairs, fit_ngrams
from toolkit.training.ngram import nats_per_token as ngram_nats
from toolkit.training.runs import Log, Run, load_weights
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import warmup_cosine

PAD = 0
CHECKPOINTS = "epochs/{epoch:04d}.weights.h5"
COMPARED, LAST = "compared.weights.h5", "last.weights.h5"
WHOLE = ", all epochs"  # what a model is called that trained on after the losses were equal
SMOOTHED = 3  # epochs, of whose training loss the mean is taken
FOLDS = 5  # of the training pieces, by which the bigram's smoothing is chosen
MODELS = {"gpt2": "GPT-2", "llama": "LLaMA"}


def check(settings: Settings, runtime: Runtime) -> None:
    """Refuse settings that do not fit together.

    Raises
    ------
    EtudeError
        Which, and what to give.
    """
    for name, number, whole in (
        ("num_heads", settings.num_heads, "d_model"),
        ("num_kv_heads", settings.num_kv_heads, "num_heads"),
    ):
        if getattr(settings, whole) % number:
            raise EtudeError(
                f"{name} {number} does not divide {whole} {getattr(settings, whole)}: give a "
                "divisor"
            )
    if settings.d_model // settings.num_heads % 2:
        raise EtudeError(
            f"d_model {settings.d_model} gives {settings.num_heads} heads an odd width, and "
            "rotary positions turn pairs: give a multiple of twice num_heads"
        )
    if settings.batch_size % len(runtime.devices):
        raise EtudeError(
            f"batch_size {settings.batch_size} cannot be shared by {len(runtime.devices)} "
            "devices: give a multiple"
        )


# Models


def steps_to_llama(tasks: Any, settings: Settings) -> dict[str, dict[str, Any]]:
    """Give the models from GPT-2 to LLaMA, each with one difference more: name -> its options."""
    options = {**tasks.GPT2, "num_kv_heads": settings.num_heads}
    llama = {**tasks.LLAMA, "num_kv_heads": settings.num_kv_heads}
    titles = {
        "norm": "RMSNorm",
        "positions": "rotary positions",
        "network": "SwiGLU",
        "num_kv_heads": "grouped queries",
        "biases": "no biases",
        "tied": "an output of its own: LLaMA",
    }
    models = {"GPT-2": options}
    for name, title in titles.items():
        options = {**options, name: llama[name]}
        models[f"+ {title}"] = options
    return models


def both_models(tasks: Any, settings: Settings) -> dict[str, dict[str, Any]]:
    """Give the options of GPT-2 and of LLaMA."""
    first, *_, last = steps_to_llama(tasks, settings).values()
    return dict(zip(MODELS, (first, last), strict=True))


def build(
    tasks: Any, settings: Settings, runtime: Runtime, name: str, options: Mapping[str, Any]
) -> keras.Model:
    """Make one of the student's models with its weights, as large as the settings say.

    Raises
    ------
    EtudeError
        If no width of the network gives about so many parameters.
    """
    sizes = {
        "vocab_size": grid.vocab_size(VELOCITIES[settings.data]),
        "d_model": settings.d_model,
        "num_heads": settings.num_heads,
        "num_layers": settings.num_layers,
        "context_length": settings.context,
        **options,
    }
    try:
        ff_dim = tasks.ff_dim_for(settings.num_parameters, **sizes)
    except ValueError as error:
        raise EtudeError(f"num_parameters {settings.num_parameters:,}: {error}") from None
    with runtime.scope():
        model = tasks.LanguageModel(**sizes, ff_dim=ff_dim, dropout=settings.dropout, name=name)
        model.build((None, settings.context))
        tasks.initialize(model, runtime.seed)
    return model


# Training


class Windows(EpochBatches):
    """Windows of all training pieces in one line, START before each, moved anew for each epoch.

    A window may hold several pieces, or parts; so every position is trained, and no PAD is needed.

    Parameters
    ----------
    split : the training pieces
    shape : (batch_size, length)
    batches : in an epoch
    semitones : what a piece is moved by, one of them drawn evenly
    seed : decides, with the epoch, order, keys and where windows begin
    """

    def __init__(
        self,
        tasks: Any,
        split: Split,
        shape: tuple[int, int],
        batches: int,
        semitones: tuple[int, ...],
        seed: int,
    ):
        super().__init__()
        self.start_id, self.split, self.shape, self.batches = tasks.START, split, shape, batches
        self.semitones, self.seed = semitones, seed
        self.rows = np.zeros((0, shape[1] + 1), np.int32)

    def start(self, epoch: int) -> None:
        """Draw the windows of `epoch` (from 0)."""
        rng = np.random.default_rng([self.seed, epoch])
        count, width = self.batches * self.shape[0], self.shape[1] + 1
        line: list[np.ndarray] = []
        left = (count + 1) * width
        while left > 0:
            for index in rng.permutation(len(self.split)):
                piece = grid.transpose(self.split.piece(index), int(rng.choice(self.semitones)))
                line.append(np.concatenate([[self.start_id], piece]))
                left -= len(line[-1])
                if left <= 0:
                    break
        offset = int(rng.integers(width))
        tokens = np.concatenate(line)[offset : offset + count * width]
        self.rows = rng.permutation(tokens.reshape(count, width)).astype(np.int32)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.batches

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch `index`: inputs and targets, each (batch_size, length)."""
        rows = self.rows[index * self.shape[0] :][: self.shape[0]]
        return rows[:, :-1], rows[:, 1:]


def cut_windows(tasks: Any, split: Split, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut pieces into windows in which each token is a target once: two int32 (windows, length).

    Where a piece is longer than a window, the next begins half a window later, and its first half
    is no target again.
    """
    inputs: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    for index in range(len(split)):
        piece = np.concatenate([[tasks.START], split.piece(index)]).astype(np.int32)
        for begin in range(0, max(len(piece) - 1 - length // 2, 1), length // 2):
            window = piece[begin : begin + length + 1]
            missing = (0, length + 1 - len(window))
            inputs.append(np.pad(window[:-1], missing))
            target = np.pad(window[1:], missing)
            target[: (length // 2) * (begin > 0)] = tasks.PAD
            targets.append(target)
    return np.stack(inputs)[:, :length], np.stack(targets)[:, :length]


def validation_windows(
    tasks: Any, settings: Settings, splits: Mapping[str, Split]
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the validation pieces into windows; of many take as many as are set, evenly spread."""
    inputs, targets = cut_windows(tasks, splits["validation"], settings.context)
    count = min(settings.eval_windows or len(inputs), len(inputs))
    chosen = np.linspace(0, len(inputs) - 1, count).round().astype(int)
    return inputs[chosen], targets[chosen]


def nats_per_token(targets: Any, logits: Any) -> Any:
    """Mean cross-entropy over targets other than PAD, in nats: a float32 scalar."""
    losses = ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    real = ops.cast(ops.not_equal(targets, PAD), "float32")
    return ops.sum(losses * real) / ops.maximum(ops.sum(real), 1.0)


def accuracy(targets: Any, logits: Any) -> Any:
    """Share of targets other than PAD that have the largest logit."""
    right = ops.equal(ops.cast(ops.argmax(logits, axis=-1), targets.dtype), targets)
    real = ops.not_equal(targets, PAD)
    found = ops.sum(ops.cast(ops.logical_and(right, real), "float32"))
    return found / ops.maximum(ops.sum(ops.cast(real, "float32")), 1.0)


def train(
    tasks: Any,
    settings: Settings,
    run: Run,
    runtime: Runtime,
    model: keras.Model,
    splits: Mapping[str, Split],
    epochs: int,
) -> Log:
    """Fit a model to the training pieces; its weights of every epoch are kept."""
    windows = Windows(
        tasks,
        splits["train"],
        (settings.batch_size, settings.context),
        settings.steps_per_epoch,
        settings.semitones,
        runtime.seed,
    )
    run.callbacks = (
        keras.callbacks.ModelCheckpoint(str(run.path(CHECKPOINTS)), save_weights_only=True),
    )
    return fit(
        model,
        run,
        runtime,
        loss=nats_per_token,
        metrics={"accuracy": accuracy},
        train=windows,
        validation=validation_windows(tasks, settings, splits),
        epochs=epochs,
        batch_size=settings.batch_size,
        optimizer=lambda: keras.optimizers.Adam(
            warmup_cosine(
                settings.learning_rate, epochs * settings.steps_per_epoch, settings.warmup
            ),
            beta_2=0.95,
            global_clipnorm=1.0,
        ),
    )


def smoothed(log: Log) -> np.ndarray:
    """Mean training loss of each epoch and the two before it, nats a token."""
    losses = np.array(log["nats_per_token"])
    return np.array([losses[max(0, i + 1 - SMOOTHED) : i + 1].mean() for i in range(len(losses))])


def equal_epochs(logs: Sequence[Log]) -> list[int]:
    """Find for each model the first epoch (from 1) at or below the worst final training loss."""
    worst = max(smoothed(log)[-1] for log in logs)
    return [int(np.argmax(smoothed(log) <= worst)) + 1 for log in logs]


@dataclass
class Trained:
    """One of the two models with the weights of one epoch.

    Attributes
    ----------
    epoch : whose weights they are, from 1
    loss, final : smoothed training loss there, and after the last epoch, nats a token
    nats, best : on validation there, and the least over all epochs, nats a note
    """

    name: str
    model: keras.Model
    log: Log
    epoch: int = 0
    loss: float = float("nan")
    final: float = float("nan")
    nats: float = float("nan")
    best: float = float("nan")


def train_models(
    tasks: Any, settings: Settings, run: Run, runtime: Runtime, splits: Mapping[str, Split]
) -> list[Trained]:
    """Train both alike; give each at equal training loss, then the better one after all epochs.

    Raises
    ------
    EtudeError
        If training was stopped before an epoch was over.
    """
    models: list[tuple[str, keras.Model, Log, Run]] = []
    for name, options in both_models(tasks, settings).items():
        part = run.part(name)
        model = build(tasks, settings, runtime, name, options)
        console.say(f"{MODELS[name]}: {model.count_params():,} parameters")
        log = train(tasks, settings, part, runtime, model, splits, settings.epochs)
        if log:
            models.append((name, model, log, part))
        if part.interrupted:
            run.interrupt(f"{part.interrupted} of {MODELS[name]}")
            break
    if not models:
        raise EtudeError("training was stopped before an epoch was over: nothing to compare")
    _, held_out = validation_windows(tasks, settings, splits)
    compared, whole = [], []
    for (name, model, log, part), epoch in zip(
        models, equal_epochs([log for _, _, log, _ in models]), strict=True
    ):
        title, last = MODELS[name], len(log["epoch"])
        compared.append(at_epoch(title, model, log, part, epoch, COMPARED, held_out))
        if epoch < last:
            model = build(tasks, settings, runtime, name, both_models(tasks, settings)[name])
            whole.append(at_epoch(title + WHOLE, model, log, part, last, LAST, held_out))
        if not run.interrupted:
            shutil.rmtree(part.path(CHECKPOINTS).parent)
    return compared + whole


def at_epoch(
    title: str,
    model: keras.Model,
    log: Log,
    part: Run,
    epoch: int,
    file: str,
    held_out: np.ndarray,
) -> Trained:
    """Give a model the weights that it had after an epoch, and keep them as `file`.

    `held_out` are the targets of validation.
    """
    load_weights(model, part.path(CHECKPOINTS.format(epoch=epoch)))
    model.save_weights(part.path(file))
    losses, notes = smoothed(log), nats_per_note(log, held_out)
    at = epoch - 1
    return Trained(
        title, model, log, epoch, losses[at], losses[-1], float(notes[at]), float(notes.min())
    )


def nats_per_note(log: Log, targets: np.ndarray) -> np.ndarray:
    """Turn the validation losses of all epochs into nats a note."""
    tokens, notes = count_tokens(targets)
    return np.array(log["val_nats_per_token"]) * tokens / notes


def count_tokens(ids: np.ndarray) -> tuple[int, int]:
    """Count ids other than PAD, and the notes among them, one at least."""
    return int((ids != PAD).sum()), max(grid.count_notes(ids), 1)


def bigram_nats(tasks: Any, settings: Settings, splits: Mapping[str, Split]) -> float:
    """Measure a smoothed bigram of the training pieces in all keys, on validation: nats a note."""
    size = grid.vocab_size(VELOCITIES[settings.data])

    train = splits["train"]
    folds = np.zeros((FOLDS, size, size), np.int64)
    for index in range(len(train)):
        for semitones in settings.semitones:
            piece = grid.transpose(train.piece(index), semitones)
            before = np.concatenate([[tasks.START], piece[:-1]])
            folds[index % FOLDS] += count_pairs(before, piece, size, PAD)
    _, bigram = fit_ngrams(folds)
    inputs, targets = validation_windows(tasks, settings, splits)
    tokens, notes = count_tokens(targets)
    return ngram_nats(bigram, count_pairs(inputs, targets, size, PAD)) * tokens / notes


STEPS = ("model", "parameters", "nats a note", "lowest", "highest", "change")


def study_steps(
    tasks: Any, settings: Settings, run: Run, runtime: Runtime, splits: Mapping[str, Split]
) -> list[list]:
    """Train the models from GPT-2 to LLaMA with several seeds each: a row of `STEPS` each."""
    _, held_out = validation_windows(tasks, settings, splits)
    rows: list[list] = []
    for number, (title, options) in enumerate(steps_to_llama(tasks, settings).items()):
        found = []
        for seed in range(settings.step_seeds):
            part = run.part(f"step-{number}-seed-{seed}")
            seeded = replace(runtime, seed=settings.seed + seed)
            model = build(tasks, settings, seeded, f"step_{number}", options)
            console.say(f"{title}, seed {seed + 1} of {settings.step_seeds}")
            log = train(tasks, settings, part, seeded, model, splits, settings.step_epochs)
            if part.interrupted:
                run.interrupt(f"{part.interrupted} of {title}")
                return rows
            found.append(float(nats_per_note(log, held_out).min()))
            shutil.rmtree(part.path(CHECKPOINTS).parent)
        change = np.mean(found) - rows[-1][2] if rows else ""
        rows.append(
            [title, model.count_params(), float(np.mean(found)), min(found), max(found), change]
        )
    return rows
