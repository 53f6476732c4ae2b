"""What the worker builds or runs for Lab 5's checks; copied there alone.

A piece crosses as its notes and tempi, arrays, and its chords, a list of (tick, name); a spelling
by its name.
"""

from typing import Any

import numpy as np
from keras import ops

from grading.sandbox.worker.fixtures import do as do
from grading.sandbox.worker.fixtures import (
    gradient_by_logits,
    half_precision,
    step_of_descent,
    tensors,
)
from grading.sandbox.worker.fixtures import keras_used as keras_used
from toolkit.music.piece import Piece
from toolkit.music.remi import SPELLINGS
from toolkit.training.runtime import compiled

# Tasks 5.1 to 5.6: words


def chord_of(notes: np.ndarray, start: int, end: int, submission: Any) -> tuple[str, int]:
    """Do `name_chord`; the score as Python's int."""
    name, score = submission.name_chord(notes, start, end)
    return name, int(score) if float(score).is_integer() else score


def piece_to_words(
    notes: np.ndarray, tempi: np.ndarray, chords: list, spelling: str, submission: Any
) -> list[str]:
    """Do `encode_remi`."""
    piece = Piece(notes, tempi, tuple(chords))
    return submission.encode_remi(piece, SPELLINGS[spelling])


def words_to_piece(words: list[str], spelling: str, submission: Any) -> tuple:
    """Do `decode_remi`: notes, tempi, chords, and how many words broke the grammar."""
    piece, broken = submission.decode_remi(words, SPELLINGS[spelling])
    notes = np.asarray(piece.notes, np.int64).reshape(-1, 4)
    tempi = np.asarray(piece.tempi, float).reshape(-1, 2)
    return notes, tempi, [(int(tick), name) for tick, name in piece.chords], int(broken)


def rows_to_words(rows: np.ndarray, submission: Any) -> tuple[list[str], int]:
    """Do `compound_to_remi`."""
    words, broken = submission.compound_to_remi(rows)
    return list(words), int(broken)


def streamed(
    tokens: np.ndarray,
    offsets: np.ndarray,
    length: int,
    batch_size: int,
    seed: int | None,
    submission: Any,
) -> list[Any]:
    """Take all batches of `stream_batches`; a hundred at most."""
    made = submission.stream_batches(tokens, offsets, length, batch_size, seed)
    return [batch for _, batch in zip(range(100), made, strict=False)]


def stream_of_a_long_piece(size: int, length: int, submission: Any) -> Any:
    """Take a batch of one piece that is too long for any memory: all its words are 5."""
    tokens = np.broadcast_to(np.uint16(5), (size,))
    return next(submission.stream_batches(tokens, np.array([0, size]), length, 1))


# Tasks 5.7 to 5.10, 5.12 to 5.17: layers and models


def given_tensors(task: str, *args: Any, submission: Any) -> Any:
    """Call a function with tensors."""
    return getattr(submission, task)(*map(tensors, args))


def in_float16(
    kind: str, sizes: list, method: str, inputs: list, submission: Any, scale: float = 1.0
) -> Any:
    """Construct a layer or model where all compute in float16, and do a method."""
    with half_precision():
        made = getattr(submission, kind)(*sizes)
        do(made, "__call__", *inputs)
        for weight in made.weights:
            weight.assign(weight * scale)
        return do(made, method, *inputs)


def trained(layer: Any, inputs: list) -> Any:
    """Call a layer as in training."""
    return layer(*map(tensors, inputs), training=True)


def descend(layer: Any, target: np.ndarray, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Take one step of descent on the squared error of a layer's output."""
    return step_of_descent(layer, lambda given: layer(*given), target, inputs)


def gradient_by(layer: Any, place: int, *inputs: np.ndarray) -> Any:
    """Differentiate the sum of a layer's squared output by one of its inputs; none is zeros."""

    def loss(_: Any, given: Any) -> Any:
        others = [given if i == place else tensors(one) for i, one in enumerate(inputs)]
        return ops.sum(layer(*others) ** 2)

    found = gradient_by_logits(loss, np.zeros(0), inputs[place])
    return np.zeros_like(inputs[place]) if found is None else found


def read_in_segments(model: Any, ids: np.ndarray, lengths: list[int], memory_length: int) -> list:
    """Read segments one after another; logits and memory after each."""
    memory, found, begin = model.empty_memory(len(ids), memory_length), [], 0
    for length in lengths:
        logits, memory = model.read(tensors(ids[:, begin : begin + length]), memory)
        found.append((logits, list(memory)))
        begin += length
    return found


def stepped(model: Any, words: np.ndarray, primer: int, slots: int) -> list:
    """Start with a primer and read the words from its last on; what each step gives."""
    cache, state = model.start(tensors(words[:, :primer]), slots)
    found = []
    for number, position in enumerate(range(primer - 1, words.shape[1])):
        if number and number % slots == 0:
            cache, state = model.move(cache, state)
        hidden, state = model.step(tensors(words[:, position]), cache, state)
        found.append(hidden)
    return found


def started(model: Any, primers: np.ndarray, slots: int) -> tuple[list, list]:
    """Do `start`."""
    cache, state = model.start(tensors(primers), slots)
    return list(cache), list(state)


def untrained(name: str, sizes: list, ids: np.ndarray, submission: Any) -> Any:
    """Logits of a model as it is made."""
    return getattr(submission, name)(*sizes)(tensors(ids))


def compound_gradient(targets: np.ndarray, logits: list, submission: Any) -> Any:
    """Differentiate `compound_loss` by the fields' logits, side by side."""
    cuts = np.cumsum([one.shape[-1] for one in logits])[:-1].tolist()

    def loss(targets: Any, joined: Any) -> Any:
        return submission.compound_loss(targets, ops.split(joined, cuts, axis=-1))

    return gradient_by_logits(loss, targets, np.concatenate(logits, axis=-1))


# Task 5.20: a script in the place of a model


class Script:
    """A model that follows a table: the row for the sum of what was read, weighted by its place.

    Parameters
    ----------
    table : float array (rows, vocab_size)
    fields : int
        0: a word is an id, and the table's row its logits; otherwise it is a row of so many ids.
    slots are obeyed: where `move` does not come in time, everything goes wrong.
    """

    def __init__(self, table: np.ndarray, fields: int):
        self.table, self.fields, self.num_steps = table, fields, 0

    def weighed(self, words: Any) -> Any:
        """Sum up the ids of a word of fields."""
        factors = np.arange(1, self.fields + 1)
        return ops.sum(words * factors, axis=-1) if self.fields else words

    def start(self, primers: Any, slots: int) -> tuple[list, list]:
        """Sum up the primers but for their last words."""
        total = ops.zeros_like(self.weighed(primers[:, 0]))
        for place in range(primers.shape[1] - 1):
            total = self.after(total, primers[:, place])
        return [ops.convert_to_tensor(slots, "int32")], [ops.convert_to_tensor(0, "int32"), total]

    def after(self, total: Any, words: Any) -> Any:
        """Sum up one word more."""
        return ops.mod(3 * total + self.weighed(words), len(self.table))

    def step(self, words: Any, cache: list, state: list) -> tuple:
        """Look the sum's row up."""
        self.num_steps += 1
        slot, total = state
        late = ops.cast(slot >= cache[0], "int32")
        total = ops.mod(self.after(total, words) + 7 * late, len(self.table))
        return ops.take(self.table, total, axis=0), [slot + 1, total]

    def move(self, cache: list, state: list) -> tuple[list, list]:
        """Empty the slots."""
        return cache, [ops.zeros_like(state[0]), state[1]]

    def draw(self, hidden: Any, noise: Any, temperatures: Any, top_ps: Any) -> Any:
        """Draw by temperature; with fields each is another part of the logits."""
        drawn = []
        for field in range(max(self.fields, 1)):
            size = self.table.shape[1] // max(self.fields, 1)
            part = slice(field * size, (field + 1) * size)
            logits = hidden[:, part] / temperatures[field] * top_ps[field]
            drawn.append(ops.cast(ops.argmax(logits + noise[:, part], axis=-1), "int32"))
        return ops.stack(drawn, axis=-1) if self.fields else drawn[0]


def generate_script(
    table: np.ndarray,
    fields: int,
    primers: np.ndarray,
    noise: np.ndarray,
    temperatures: list,
    top_ps: list,
    slots: int,
    submission: Any,
) -> tuple[Any, int]:
    """Generate with a script; what came, and how often its step was called."""
    script = Script(table, fields)
    found = submission.generate(script, primers, noise, temperatures, top_ps, slots=slots)
    return found, script.num_steps


def generate_compiled(
    model: Any, primers: np.ndarray, noise: np.ndarray, options: list, submission: Any
) -> Any:
    """Generate in a compiled function, as the lab's experiment does."""

    def generate(primers: Any, noise: Any) -> Any:
        return submission.generate(model, primers, noise, *options)

    return compiled(generate, model)(primers, noise)
