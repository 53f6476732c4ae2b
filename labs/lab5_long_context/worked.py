"""The numbers of Lab 5's lessons; see `labs.course.lesson`."""

from typing import Any

import numpy as np
from keras import ops

from labs.course.lesson import Worked, numbers, worked_into
from toolkit.music.piece import Piece
from toolkit.music.remi import AUTHORS

WORKED: Worked = {}
MISTAKES = {
    "5_1_no_sevenths": ("F_M",),
    "5_1_sevenths_exchanged": ("F_7",),
    "5_3_half_up": ("Beat_3",),
    "5_4_unfinished_counts_one": ("3 words",),
    "5_7_exponent_not_doubled": ("0.100",),
    "5_8_one_bias": ("77.5",),
    "5_8_not_shifted": ("61.5, 40",),
    "5_12_not_causal": ("21.4",),
    "5_12_not_divided": ("18.394",),
    "5_13_chunks_alone": ("60",),
    "5_13_own_chunk_twice": ("15",),
    "5_14_looked_before_written": ("16.667",),
    "5_18_padding_counted": ("0.347",),
    "5_18_sum_of_seven": ("4.852",),
    "5_19_types_left_out": ("4.852",),
    "5_19_zeros_counted": ("14.556",),
}
worked = worked_into(WORKED)


def array(values: list, dtype: str = "float32") -> np.ndarray:
    """Make an array of a list."""
    return np.array(values, dtype)


@worked("5.1")
def chord(lab: Any) -> list[str]:
    """F3, A3, C4 and E4 through one beat."""
    notes = np.array([[0, 480, pitch, 64] for pitch in (53, 57, 60, 64)])
    name, score = lab.name_chord(notes, 0, 480)
    return [name, f"{score:,}"]


@worked("5.3")
def words(lab: Any) -> list[str]:
    """Two notes, one of them between two steps."""
    notes = np.array([[0, 470, 60, 81], [300, 780, 64, 80]])
    return lab.encode_remi(Piece(notes), AUTHORS)


@worked("5.4")
def broken(lab: Any) -> list[str]:
    """One sound note among words that break the grammar."""
    words = (
        "Bar_None Note_Pitch_60 Beat_4 Note_Pitch_60 Note_Velocity_80 Beat_2 Beat_8 Note_Pitch_64 "
        "Note_Velocity_80 Note_Duration_0 EOS_None"
    )
    piece, count = lab.decode_remi(words.split(), AUTHORS)
    return [f"{count} words", *numbers(piece.notes[:, 0]), *numbers(piece.notes @ [-1, 1, 0, 0])]


@worked("5.5")
def rows(lab: Any) -> list[str]:
    """Eight words in five rows."""
    words = (
        "Bar_None Beat_0 Chord_A_M7 Note_Pitch_60 Note_Velocity_80 Note_Duration_480 Bar_None "
        "EOS_None"
    )
    found = lab.remi_to_compound(words.split()).tolist()
    named = [[str(id) for id in row] for row in found]
    for row in named:
        row[2] = {"1": "1 (Bar)", "2": "2 (Beat_0)"}.get(row[2], row[2])
    named[1][0], named[1][1] = f"{named[1][0]} (CONTI)", f"{named[1][1]} (A_M7)"
    return ["| " + " | ".join(row) + " |" for row in named]


@worked("5.7")
def waves(lab: Any) -> list[str]:
    """Positions 0 to 2 on two circles."""
    found = ops.convert_to_numpy(lab.sinusoids(np.arange(3), 4))
    return ["| " + " | ".join(f"{x:.3f}" if x % 1 else f"{x:.0f}" for x in row) for row in found]


@worked("5.8")
def scores(lab: Any) -> list[str]:
    """Two queries after a memory of one."""
    queries, keys = array([[[[1], [2]]]]), array([[[[1], [0], [1]]]])
    positions = array([[[30], [20], [10]]])
    found = lab.relative_scores(queries, keys, positions, array([[0.5]]), array([[1]]))
    first, second = ops.convert_to_numpy(found)[0, 0]
    return [", ".join(numbers(first[:2])), ", ".join(numbers(second))]


@worked("5.11")
def batches(lab: Any) -> list[str]:
    """Three pieces in two rows."""
    tokens, lines = np.arange(1, 11), []
    for number, (_, targets, fresh) in enumerate(
        lab.stream_batches(tokens, np.array([0, 5, 7, 10]), 2, 2), 1
    ):
        cells = []
        for row in targets:
            piece = int(np.searchsorted([1, 6, 8, 99], row[0], side="right")) - 1
            places = [str(id - (1, 6, 8)[piece]) if id > 0 else "–" for id in row]
            cells.append(f"piece {piece}: word{'s' * ('–' not in places)} {', '.join(places)}")
        said = ", ".join("yes" if one else "no" for one in fresh)
        lines.append(f"| {number} | {' | '.join(cells)} | {said} |")
    return lines


QUERIES, KEYS, VALUES = (
    array(line).reshape(1, 1, 3, 1) for line in ([1, -1, 0], [0, 1, -1], [10, 20, 60])
)


@worked("5.12")
def attended(lab: Any) -> list[str]:
    """Three steps of one number a head."""
    return rounded(lab.linear_attention(QUERIES, KEYS, VALUES))


def rounded(values: Any) -> list[str]:
    """Format what 1e-6 in a divisor changes in the sixth digit."""
    return numbers(np.round(ops.convert_to_numpy(values), 3))


@worked("5.13")
def in_chunks(lab: Any) -> list[str]:
    """The same in chunks of two; the last y."""
    output, *_ = lab.causal_linear_attention(QUERIES, KEYS, VALUES, 2)
    _, sums, normaliser = lab.causal_linear_attention(
        *(x[:, :, :2] for x in (QUERIES, KEYS, VALUES))
    )
    first, _, last = rounded(output)
    return [first, f"= {last}", f"= {rounded(sums)[0]}", f"= {rounded(normaliser)[0]}"]


@worked("5.14")
def in_steps(lab: Any) -> list[str]:
    """The third step."""
    last = (part[:, :, 2] for part in (QUERIES, KEYS, VALUES))
    output, sums, normaliser = lab.linear_attention_step(*last, array([[[[50]]]]), array([[[3]]]))
    return [
        f"S = {rounded(sums)[0]}",
        f"z = {rounded(normaliser)[0]}",
        f"y = {rounded(output)[0]}",
    ]


@worked("5.18")
def loss(lab: Any) -> list[str]:
    """Two equally likely values in each field; one row is padding."""
    targets = array([[[1] * 7, [-1] * 7]], "int32")
    logits = [np.zeros((1, 2, 2), "float32")] * 7
    return numbers(lab.compound_loss(targets, logits))


@worked("5.19")
def cost(lab: Any) -> list[str]:
    """A bar, a position and a note."""
    targets = array(
        [[[0, 0, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]]], "int32"
    )
    nats, _ = lab.nats_and_notes(targets, [np.zeros((1, 3, 2), "float32")] * 7)
    return numbers(nats)
