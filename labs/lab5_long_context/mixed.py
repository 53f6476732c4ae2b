"""The other half of the 2 × 2 (`SET="models=all"`): REMI with a linear Transformer, CP with XL.

The source compared words and networks at once. The classes here are the student's, with their
layers, memory and states; what goes in and what comes out is changed.
"""

from collections.abc import Sequence
from typing import Any

from keras import layers, ops

from toolkit.music.remi import COMPOUND, FIELDS

SIZES = tuple(len(COMPOUND[field]) for field in FIELDS)
TEMPI, CHORDS, BEATS, _, PITCHES, DURATIONS, VELOCITIES = SIZES
NOTES = 1 + TEMPI * CHORDS * BEATS  # where numbers of notes begin


def pack(rows: Any) -> Any:
    """Number rows of compound words, (…, 7) -> int32 (…): one number for all that mean the same."""
    tempo, chord, beat, type_, pitch, duration, velocity = (
        ops.cast(rows[..., field], "int32") for field in range(len(SIZES))
    )
    metrical = 1 + (tempo * CHORDS + chord) * BEATS + beat
    note = NOTES + (pitch * DURATIONS + duration) * VELOCITIES + velocity
    return ops.where(type_ == 2, note, ops.where(type_ == 1, metrical, 0))


def unpack(ids: Any) -> Any:
    """Give the rows of such numbers, (…) -> int32 (…, 7)."""
    is_note = ids >= NOTES
    is_metrical = ops.logical_and(ids > 0, ops.logical_not(is_note))
    metrical = ops.where(is_metrical, ids - 1, 0)
    note = ops.where(is_note, ids - NOTES, 0)
    type_ = 2 * ops.cast(is_note, "int32") + ops.cast(is_metrical, "int32")
    fields = (
        *(metrical // (CHORDS * BEATS), metrical // BEATS % CHORDS, metrical % BEATS, type_),
        *(note // (DURATIONS * VELOCITIES), note // VELOCITIES % DURATIONS, note % VELOCITIES),
    )
    return ops.stack(fields, axis=-1)


def linear_over_words(tasks: Any) -> type:
    """Make a class: the linear Transformer over words of one vocabulary.

    Built like `tasks.CompoundTransformer`, with one size; call: ids (batch, length), and types that
    mean nothing -> a list of one field's logits.
    """

    class LinearTransformer(tasks.CompoundTransformer):
        def __init__(self, sizes: Sequence[int], widths: Sequence[int], *rest: Any, **options: Any):
            super().__init__(SIZES, widths, *rest, **options)
            self.sizes = tuple(sizes)
            self.embedding = _Scaled(sizes[0], self.d_model, name="embedding")
            self.heads = layers.Dense(sizes[0], dtype="float32", name="output")

        def call(self, ids: Any, types: Any, training: Any = None) -> Any:
            return [self.heads(self.read(ids, training=training)[0])]

        def draw(self, hidden: Any, noise: Any, temperatures: Any, top_ps: Any) -> Any:
            logits = tasks.filter_logits(self.heads(hidden), temperatures[0], top_ps[0])
            chosen = ops.argmax(logits + noise, axis=-1)
            return ops.cast(chosen, "int32")

    return LinearTransformer


def xl_over_rows(tasks: Any) -> type:
    """Make a class: Transformer-XL over compound words.

    Built like `tasks.TransformerXL`, but for the fields' sizes and widths in the vocabulary's
    place. `read` gives the last layer's hidden vectors: `heads` score the fields, given the types
    of the rows that come next.
    """

    class CompoundXL(tasks.TransformerXL):
        def __init__(self, sizes: Sequence[int], widths: Sequence[int], d_model: int, *rest: Any):
            super().__init__(1, d_model, *rest)
            self.sizes = tuple(sizes)
            self.embedding = _Unpacked(tasks, sizes, widths, d_model)
            self.output_layer = layers.Identity(dtype="float32", name="output")
            self.heads = tasks.CompoundHeads(sizes, widths[tasks.TYPE], d_model, name="heads")

        def build(self, *shapes: Any) -> None:
            super().build((None, None))
            self.heads.build((None, None, self.d_model))

        def read(self, rows: Any, memory: list, training: Any = None) -> tuple[Any, list]:
            return super().read(pack(rows), memory, training=training)

        def step(self, words: Any, cache: list, state: list) -> tuple:
            return super().step(pack(words), cache, state)

        def draw(self, hidden: Any, noise: Any, temperatures: Any, top_ps: Any) -> Any:
            return tasks.CompoundTransformer.draw(self, hidden, noise, temperatures, top_ps)

    return CompoundXL


class _Scaled(layers.Embedding):
    """An embedding times the root of its width."""

    def call(self, ids: Any) -> Any:
        return super().call(ids) * self.output_dim**0.5


class _Unpacked(layers.Layer):
    """The compound embedding of numbered rows, over the root of d_model, which XL multiplies by."""

    def __init__(self, tasks: Any, sizes: Sequence[int], widths: Sequence[int], d_model: int):
        super().__init__(name="embedding")
        self.inner, self.scale = tasks.CompoundEmbedding(sizes, widths, d_model), d_model**-0.5

    def build(self, *shapes: Any) -> None:
        self.inner.build((None, None, len(SIZES)))

    def call(self, ids: Any) -> Any:
        return self.inner(unpack(ids)) * self.scale

    def of_types(self, types: Any) -> Any:
        """Give types their vectors."""
        return self.inner.of_types(types)
