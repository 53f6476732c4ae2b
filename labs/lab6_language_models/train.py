"""Building, training and scoring the models, all alike: equal parameters, equal tokens."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from labs.lab6_language_models.settings import Settings
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.training.fit import Batches, EpochBatches, fit
from toolkit.training.runs import Log, Run
from toolkit.training.runtime import Runtime
from toolkit.training.schedules import warmup_cosine

PAD = 0
CHECKPOINTS = "epochs/{epoch:04d}.weights.h5"


def check(settings: Settings, runtime: Runtime) -> None:
    """Refuse settings that do not go together.

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


def build(
    tasks: Any, settings: Settings, runtime: Runtime, vocab_size: int, name: str, options: Mapping
) -> keras.Model:
    """Make one of the student's models with its weights, as large as the settings say.

    Raises
    ------
    EtudeError
        If no width of the network gives about so many parameters.
    """
    sizes = {
        "vocab_size": vocab_size,
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
        validation=cut_windows(tasks, splits["validation"], settings.context),
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


def evaluate(model: keras.Model, windows: tuple[np.ndarray, np.ndarray], batch_size: int) -> float:
    """Measure nats a token over windows."""
    batches = Batches(*windows, min(batch_size, len(windows[0])))
    return model.evaluate(batches, verbose=0, return_dict=True)["nats_per_token"]  # type: ignore[arg-type]
