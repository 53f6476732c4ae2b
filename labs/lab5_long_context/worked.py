"""The numbers that the lesson works out by hand, made by a lab's code.

`WORKED` has for each task a function of the lab's code, which gives the numbers as the lesson
prints them. `MISTAKES` has for wrong answers of the bank what the same function gives with them,
as far as the lesson prints it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from toolkit.music.piece import Piece
from toolkit.music.remi import AUTHORS

WORKED: dict[str, Callable[[Any], list[str]]] = {}
MISTAKES: dict[str, tuple[str, ...]] = {
    "5_1_last_of_the_best": (),
}
PUBLISHED_WIDTHS = (128, 256, 64, 32, 512, 128, 128)
PUBLISHED_SIZES = (56, 135, 18, 3, 87, 18, 25)


def worked(task: str) -> Callable:
    """Enter a function into `WORKED`."""
    return lambda make: WORKED.setdefault(task, make)


def numbers(values: Any, decimals: int = 3) -> list[str]:
    """Format numbers as the lesson does: 0.333, 50, 14,400."""
    flat = np.asarray(ops.convert_to_numpy(values), float).flatten()
    return [f"{x:,.{decimals}f}".rstrip("0").rstrip(".") if x % 1 else f"{x:,.0f}" for x in flat]


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
    queries, keys = np.float32([[[[1], [2]]]]), np.float32([[[[1], [0], [1]]]])
    positions = np.float32([[[30], [20], [10]]])
    found = lab.relative_scores(queries, keys, positions, np.float32([[0.5]]), np.float32([[-1]]))
    first, second = ops.convert_to_numpy(found)[0, 0]
    return [", ".join(numbers(first[:2])), ", ".join(numbers(second))]


@worked("5.10")
def parameters(lab: Any) -> list[str]:
    """The published Transformer-XL."""
    model = lab.TransformerXL(332, 512, 8, 2048, 12, 512)
    model.build((None, None))
    return [f"{model.count_params():,}"]


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
    np.float32(line).reshape(1, 1, 3, 1) for line in ([1, -1, 0], [0, 1, -1], [10, 20, 60])
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
    return [f"= {rounded(output)[-1]}", f"= {rounded(sums)[0]}", f"= {rounded(normaliser)[0]}"]


@worked("5.14")
def in_steps(lab: Any) -> list[str]:
    """The third step."""
    last = (part[:, :, 2] for part in (QUERIES, KEYS, VALUES))
    output, sums, normaliser = lab.linear_attention_step(
        *last, np.float32([[[[50]]]]), np.float32([[[3]]])
    )
    return [
        f"S = {rounded(sums)[0]}",
        f"z = {rounded(normaliser)[0]}",
        f"y = {rounded(output)[0]}",
    ]


@worked("5.17")
def compound_parameters(lab: Any) -> list[str]:
    """The published compound-word Transformer."""
    model = lab.CompoundTransformer(PUBLISHED_SIZES, PUBLISHED_WIDTHS, 512, 8, 2048, 12)
    model.build((None, None, 7))
    return [f"{model.count_params():,}"]


@worked("5.18")
def loss(lab: Any) -> list[str]:
    """Two equally likely values in each field; one row is padding."""
    targets = np.int32([[[1] * 7, [-1] * 7]])
    logits = [np.zeros((1, 2, 2), "float32")] * 7
    return numbers(lab.compound_loss(targets, logits))


@worked("5.19")
def cost(lab: Any) -> list[str]:
    """A bar, a position and a note."""
    targets = np.int32([[[0, 0, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1, 1]]])
    nats, _ = lab.nats_and_notes(targets, [np.zeros((1, 3, 2), "float32")] * 7)
    return numbers(nats)
