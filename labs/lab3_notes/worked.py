"""The numbers of Lab 3's lessons; see `labs.course.lesson`."""

import re
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from labs.course.lesson import Worked, numbers, worked_into

WORKED: Worked = {}
MISTAKES = {
    "3_1_ties_struck_again": ("`NOTE_55 NOTE_77 DUR_1/2`",),
    "3_1_held_notes_lost": ("`NOTE_55 DUR_1/2`",),
    "3_1_lengths_as_decimals": ("`NOTE_48 NOTE_76 DUR_0.5`",),
    "3_2_lone_length_is_a_rest": ("| 3 | 60, 64 | 1/2 |",),
    "3_2_rest_silences_pitches": ("| 1 | silence | 1/2 |",),
    "3_2_last_event_kept": ("| 2 | 67 | 1 |",),
    "3_3_counts_pieces": ("`DUR_1 NOTE_60 NOTE_62`",),
    "3_3_ties_by_appearance": ("`NOTE_60 DUR_1 DUR_1/2 NOTE_62`",),
    "3_4_padded_targets_shifted": ("(5, 6, 7, 0)",),
    "3_4_windows_past_the_end": ("(10, 0, 0, 0)",),
    "3_5_layers_made_twice": ("1,013,320",),
    "3_5_gru": ("398,280",),
    "3_6_mean_over_padding": ("1.282",),
    "3_6_mean_of_row_means": ("2.075",),
    "3_6_bits": ("2.466",),
    "3_7_guessed_padding_right": ("0.667",),
    "3_7_divides_by_size": ("0.25",),
    "3_8_temperature_multiplied": ("(0.33, 0.28, 0.23, 0.16)",),
    "3_8_top_p_before_temperature": ("(0.55, 0.31, 0.14, 0)",),
    "3_9_states_not_carried": ("`1 3 3 3 3 3 3 3`",),
    "3_9_primer_fed_twice": ("`1 3 7 4 8 6 2`",),
}
worked = worked_into(WORKED)


@worked("3.1")
def slices(lab: Any) -> list[str]:
    """Two voices; the lower one's second note is tied over."""
    tokens = " ".join(lab.score_to_tokens(two_voices()))
    return [f"`{event}`" for event in re.findall(r"NOTE.*?DUR_\S+", tokens)]


def two_voices() -> Any:
    """E and F above C and G, which is tied: a short score."""
    from music21 import note, stream, tie

    upper, lower = stream.Part(), stream.Part()
    upper.append([note.Note(76, quarterLength=1), note.Note(77, quarterLength=1)])
    tied = [note.Note(55, quarterLength=1), note.Note(55, quarterLength=Fraction(1, 2))]
    for part, kind in zip(tied, ("start", "stop"), strict=True):
        part.tie = tie.Tie(kind)
    lower.append([note.Note(48, quarterLength=Fraction(1, 2)), *tied])
    return stream.Score([upper, lower])


GENERATED = (
    "NOTE_60 DUR_1 DUR_2 NOTE_64 NOTE_60 NOTE_64 REST DUR_1/2 REST DUR_1/2 NOTE_67"  # ill-formed
)


@worked("3.2")
def decoded(lab: Any) -> list[str]:
    """What sounds when, as rows of a table."""
    score = lab.tokens_to_score(GENERATED.split())
    rows = []
    for element in score.flatten().notesAndRests:
        pitches = ", ".join(str(pitch.midi) for pitch in element.pitches) or "silence"
        start, length = Fraction(element.offset), Fraction(element.quarterLength)
        rows.append(f"| {start} | {pitches} | {length} |")
    return rows


@worked("3.3")
def vocabulary(lab: Any) -> list[str]:
    """Ids from 4 on: two short pieces' tokens that occur at least twice."""
    pieces = [
        ["NOTE_60", "DUR_1/2", "NOTE_60", "DUR_1/2", "NOTE_62", "DUR_1"],
        ["NOTE_60", "DUR_1", "NOTE_62", "DUR_1"],
    ]
    return [f"`{' '.join(lab.build_vocabulary(pieces, 2)[4:])}`"]


@worked("3.4")
def windows(lab: Any) -> list[str]:
    """Inputs and targets of one piece of six ids."""
    inputs, targets, _ = lab.make_windows([[5, 6, 7, 8, 9, 10]], 4, 2)
    return [f"({', '.join(map(str, row))})" for row in [*inputs.tolist(), *targets.tolist()]]


@worked("3.5")
def weights(lab: Any) -> list[str]:
    """Numbers that the quick preset trains, by layer and together."""
    models = lab.build_note_lstm(72, 64, 320, 1, 0.1)
    found = {id(weight): weight for model in models for weight in model.trainable_variables}
    by_layer = [layer.count_params() for layer in models[0].layers if layer.count_params()]
    return [
        f"{count:,}" for count in (*by_layer, sum(int(np.prod(w.shape)) for w in found.values()))
    ]


TARGETS = np.array([[1, 2], [1, 0]])
LOGITS = np.array([[[0, 2, 1], [0, 1, 0]], [[1, 0, 3], [4, 0, 0]]], "float32")


@worked("3.6")
def loss(lab: Any) -> list[str]:
    """The loss of three tokens beside a padding, and of each token alone."""
    alone = [
        lab.masked_cross_entropy(TARGETS[row : row + 1, at : at + 1], LOGITS[row, at][None, None])
        for row, at in ((0, 0), (0, 1), (1, 0))
    ]
    return numbers(*alone, lab.masked_cross_entropy(TARGETS, LOGITS))


@worked("3.7")
def accuracy(lab: Any) -> list[str]:
    """The accuracy of the same guesses."""
    return numbers(lab.masked_accuracy(TARGETS, LOGITS))


SHARES = (0.4, 0.3, 0.2, 0.1)
DRAWS = 300_000


@worked("3.8")
def drawn(lab: Any) -> list[str]:
    """How often each of four ids is drawn: at temperature 0.5, and cut by top-k and top-p."""
    logits = np.tile(np.log(SHARES), (DRAWS, 1))
    found = []
    for cuts in ({}, {"top_k": 3}, {"top_k": 3, "top_p": 0.8}):
        ids = lab.sample_next(logits, temperature=0.5, seed=0, **cuts)
        shares = np.bincount(ids, minlength=len(SHARES)) / DRAWS
        found.append(f"({', '.join(numbers(shares, digits=2))})")
    return found


class Adding:
    """A stepper whose next id is the last digit of the sum of all ids so far."""

    inputs = (keras.KerasTensor((None, 1), "int32"), keras.KerasTensor((None, 1)))

    def predict_on_batch(self, inputs: list) -> list[np.ndarray]:
        """One step: logits (batch, 10) and the new sum."""
        ids, sums = (np.asarray(part, float) for part in inputs)
        sums = sums + ids
        return [99 * np.eye(10)[sums[:, 0].astype(int) % 10], sums]


@worked("3.9")
def generated(lab: Any) -> list[str]:
    """What the adding stepper makes of a primer."""
    (ids,) = lab.generate(Adding(), np.array([[1, 3]]), 8, temperature=0)
    return [f"`{' '.join(map(str, ids))}`"]
