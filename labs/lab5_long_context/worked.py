"""The numbers of Lab 5's lessons; see `labs.course.lesson`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from labs.course.lesson import Worked, numbers, worked_into
from toolkit.music.piece import Piece
from toolkit.music.remi import AUTHORS, FIELDS

WORKED: Worked = {}
MISTAKES = {
    "5_1_no_sevenths": ("F_M",),
    "5_1_sevenths_exchanged": ("F_7",),
    "5_2_score_not_halved": ("A_m7, A_m7",),
    "5_2_one_is_enough": ("C_M, A_m and C_M, A_m",),
    "5_3_half_up": ("Beat_3",),
    "5_4_unfinished_counts_one": ("3 words",),
    "5_4_duration_zero": ("0 ticks",),
    "5_5_nothing_for_conti": ("tempo 0, chord 107",),
    "5_6_note_order": ("Note_Pitch_60 Note_Duration_480 Note_Velocity_80",),
    "5_6_broken_not_counted": ("0 broken",),
    "5_7_exponent_not_doubled": ("0.100",),
    "5_7_interleaved": ("0.841 | 0.540",),
    "5_8_one_bias": ("77.5",),
    "5_8_not_shifted": ("61.5, 40",),
    "5_9_unknown_seen": ("query 0 of a new piece sees 0, 1, 2",),
    "5_9_same_length_never": ("query 1 with `same_length` sees 0, 1, 2, 3",),
    "5_10_not_scaled": ("2, 3, 4",),
    "5_10_known_stays": ("no, no, no",),
    "5_11_waits_for_all": ("5 batches",),
    "5_12_not_causal": ("21.4",),
    "5_12_not_divided": ("18.394",),
    "5_13_chunks_alone": ("60",),
    "5_13_own_chunk_twice": ("15",),
    "5_14_looked_before_written": ("16.667",),
    "5_14_raw_key": ("−10",),
    "5_15_not_scaled": ("10",),
    "5_15_scaled_by_width": ("22",),
    "5_16_type_told_too": ("type 23",),
    "5_16_joined_the_other_way": ("pitch 32",),
    "5_17_position_stays": ("2, 2, 2",),
    "5_17_starts_at_one": ("3, 4, 5",),
    "5_18_padding_counted": ("0.347",),
    "5_18_sum_of_seven": ("4.852",),
    "5_19_types_left_out": ("4.852",),
    "5_19_zeros_counted": ("14.556",),
    "5_20_never_ends": ("(5, 0, 7)",),
    "5_20_noise_begins_again": ("(6, 8, 6)",),
}
worked = worked_into(WORKED)
# Two bars of Bach's chorale BWV 281, from the second on: start and length in eighths, pitch
EIGHTHS = [
    (0, 2, 69), (0, 2, 65), (0, 2, 60), (0, 2, 53), (2, 2, 67), (2, 2, 60),
    (2, 2, 52), (4, 2, 69), (4, 2, 65), (4, 2, 60), (4, 2, 51), (6, 2, 70),
    (6, 2, 65), (6, 2, 62), (6, 2, 50), (8, 4, 72), (8, 1, 64), (8, 2, 55),
    (8, 1, 48), (9, 1, 65), (9, 1, 50), (10, 1, 67), (10, 2, 60), (10, 1, 52),
    (11, 1, 64), (11, 1, 48), (12, 2, 69), (12, 2, 65), (12, 2, 60), (12, 2, 53),
    (14, 2, 74), (14, 2, 65), (14, 2, 58), (14, 2, 46),
]  # fmt: skip
CHORALE = np.array([(240 * at, 240 * (at + long), pitch, 64) for at, long, pitch in EIGHTHS])
BROKEN = (
    "Bar_None Note_Pitch_60 Beat_4 Note_Pitch_60 Note_Velocity_80 Beat_2 Beat_8 Note_Pitch_64 "
    "Note_Velocity_80 Note_Duration_0 EOS_None"
)


def array(values: list, dtype: str = "float32") -> np.ndarray:
    """Make an array of a list."""
    return np.array(values, dtype)


@worked("5.1")
def chord(lab: Any) -> list[str]:
    """F3, A3, C4 and E4 through one beat."""
    notes = np.array([[0, 480, pitch, 64] for pitch in (53, 57, 60, 64)])
    name, score = lab.name_chord(notes, 0, 480)
    return [name, f"{score:,}"]


@worked("5.2")
def chords(lab: Any) -> list[str]:
    """Two beats over a C: clear alone, and with less of the second."""
    first = [[0, 480, pitch, 64] for pitch in (60, 64, 67)]
    second = [[480, 960, pitch, 64] for pitch in (60, 64, 69)]
    weak = [[480, 960, 60, 64], [480, 720, 69, 64]]
    scores = [
        lab.name_chord(np.array(notes), start, 960)[1]
        for notes, start in ((first + second, 0), (second, 480), (first + weak, 0), (weak, 480))
    ]
    names = [", ".join(lab.recognise_chords(np.array(first + more))) for more in (second, weak)]
    return [*(f"{score:,}" for score in scores), " and ".join(names)]


@worked("5.3")
def words(lab: Any) -> list[str]:
    """Two notes, one of them between two steps."""
    notes = np.array([[0, 470, 60, 81], [300, 780, 64, 80]])
    return lab.encode_remi(Piece(notes), AUTHORS)


@worked("5.4")
def broken(lab: Any) -> list[str]:
    """One sound note among words that break the grammar."""
    piece, count = lab.decode_remi(BROKEN.split(), AUTHORS)
    ((start, end, *_),) = piece.notes
    return [f"{count} words", f"starts at {start}", f"{end - start} ticks"]


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
    second = f"tempo {found[1][0]}, chord {found[1][1]}"
    return [*("| " + " | ".join(row) + " |" for row in named), second]


@worked("5.6")
def unfolded(lab: Any) -> list[str]:
    """A whole note, and one without a pitch."""
    rows = [[0, 0, 0, 2, 61, 5, 21], [0, 0, 0, 2, 0, 5, 21]]
    words, count = lab.compound_to_remi(np.array(rows))
    return [" ".join(words), f"{count} broken"]


@worked("5.7")
def waves(lab: Any) -> list[str]:
    """Positions 0 to 2 on two circles."""
    found = ops.convert_to_numpy(lab.sinusoids(np.arange(3), 4))
    cells = [[f"{x:.3f}" if x % 1 else f"{x:.0f}" for x in row] for row in found]
    return ["| " + " | ".join(row).replace("-", "−") for row in cells]


@worked("5.8")
def scores(lab: Any) -> list[str]:
    """Two queries after a memory of one."""
    queries, keys = array([[[[1], [2]]]]), array([[[[1], [0], [1]]]])
    positions = array([[[30], [20], [10]]])
    found = lab.relative_scores(queries, keys, positions, array([[0.5]]), array([[1]]))
    first, second = ops.convert_to_numpy(found)[0, 0]
    return [", ".join(numbers(first[:2])), ", ".join(numbers(second))]


@worked("5.9")
def looks(lab: Any) -> list[str]:
    """What two queries after a memory of two see: all known, same_length, a new piece."""
    cases = [seen(lab, (True, True)), seen(lab, (True, True), True), seen(lab, (False, False))]
    named = [[", ".join(map(str, np.flatnonzero(row))) for row in case] for case in cases]
    return [
        *(f"| {query} | {' | '.join(row)} |" for query, row in enumerate(zip(*named, strict=True))),
        f"query 0 of a new piece sees {named[2][0]}",
        f"query 1 with `same_length` sees {named[1][1]}",
    ]


def seen(lab: Any, known: Sequence[bool], same_length: bool = False, length: int = 2) -> np.ndarray:
    """Find what each query sees by changing one position after the other: bool (T, M + T)."""
    reach = len(known)
    keras.utils.set_random_seed(0)
    layer = lab.XLLayer(4, 1, 8, same_length=same_length)
    layer.build((None, None, 4))
    rows = np.random.default_rng(0).normal(size=(reach + length, 4)).astype("float32")
    changed = rows + 3 * np.eye(reach + length, dtype="float32")[:, :, None] * [1, 0, 0, 0]
    batch = np.concatenate([rows[None], changed]).astype("float32")
    knowns = np.tile(known, (len(batch), 1)).astype(bool)
    biases = np.zeros((2, 1, 4), "float32")
    output = ops.convert_to_numpy(layer(batch[:, reach:], batch[:, :reach], knowns, biases))
    return (np.abs(output[1:] - output[0]).max(axis=-1) > 1e-5).T


@worked("5.10")
def remembered(lab: Any) -> list[str]:
    """Two segments of two words with a memory of three: the first layer's inputs, what is known."""
    model = lab.TransformerXL(5, 4, 1, 8, 1, memory_length=3)
    model.build((None, None))
    table = np.zeros((5, 4), "float32")
    table[:, 0] = np.arange(5)
    model.embedding.embeddings.assign(table)
    memory, found = model.empty_memory(1), []
    for ids in ([1, 2], [3, 4]):
        _, memory = model.read(array([ids], "int32"), memory)
        known, inputs = (ops.convert_to_numpy(part)[0] for part in memory)
        said = ", ".join("yes" if one else "no" for one in known)
        found.append(f"| {', '.join(numbers(inputs[:, 0]))} | {said} |")
    return found


@worked("5.11")
def batches(lab: Any) -> list[str]:
    """Three pieces in two rows."""
    tokens, lines = np.arange(1, 11), []
    for number, (_, targets, fresh) in enumerate(
        lab.stream_batches(tokens, np.array([0, 5, 7, 10]), 2, 2), 1
    ):
        cells = []
        for row in targets:
            piece = int(np.searchsorted([1, 6, 8], row[0], side="right")) - 1
            places = [str(id - (1, 6, 8)[piece]) if id > 0 else "–" for id in row]
            cells.append(f"piece {piece}: word{'s' * ('–' not in places)} {', '.join(places)}")
        said = ", ".join("yes" if one else "no" for one in fresh)
        lines.append(f"| {number} | {' | '.join(cells)} | {said} |")
    return [*lines, f"{len(lines)} batches"]


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


@worked("5.15")
def joined(lab: Any) -> list[str]:
    """Tables and a join of ones; the first field has width 4, the others 1."""
    layer = lab.CompoundEmbedding((3,) * 7, (4, 1, 1, 1, 1, 1, 1), 1)
    layer.build((None, None, 7))
    layer.set_weights([np.zeros_like(w) if w.ndim == 1 else w * 0 + 1 for w in layer.get_weights()])
    return numbers(layer(np.zeros((1, 1, 7), "int32")))


@worked("5.16")
def headed(lab: Any) -> list[str]:
    """One number each: h = 3, the type's vector 2; the join is (1, 10), each field's kernel 1."""
    layer = lab.CompoundHeads((1,) * 7, 1, 1)
    layer.build((None, None, 1))
    for part in layer.fields:
        part.set_weights([np.ones((1, 1)), np.zeros(1)])
    layer.join.set_weights([np.array([[1], [10]]), np.zeros(1)])
    logits = layer(array([[[3]]]), array([[[2]]]))
    return [f"{FIELDS[i]} {number}" for i in (3, 4) for number in numbers(logits[i])]


@worked("5.17")
def placed(lab: Any) -> list[str]:
    """After a primer of three rows: the position that each of three steps reads at."""
    model = lab.CompoundTransformer((3,) * 7, (2,) * 7, 4, 1, 8, 1)
    model.build((None, None, 7))
    cache, state = model.start(np.zeros((1, 3, 7), "int32"), 4)
    places = []
    for _ in range(3):
        places += numbers(state[0])
        _, state = model.step(np.zeros((1, 7), "int32"), cache, state)
    return [", ".join(places)]


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


class Drawn:
    """A model that has learned nothing: the noise alone draws."""

    def start(self, primers: Any, slots: int) -> tuple[list, list]:
        """Keep one number, which no step changes."""
        return [], [ops.zeros((1,))]

    def step(self, word: Any, cache: list, state: list) -> tuple[Any, list]:
        """Give nothing."""
        return word, [*state]

    def move(self, cache: list, state: list) -> tuple[list, list]:
        """Move nothing."""
        return cache, [*state]

    def draw(self, hidden: Any, noise: Any, temperatures: Any, top_ps: Any) -> Any:
        """Take the word with the most noise."""
        return ops.cast(ops.argmax(noise, axis=-1), "int32")


def drawn(lab: Any, words: list[list[int]], slots: int) -> np.ndarray:
    """Generate where the noise says these words."""
    noise = np.eye(16, dtype="float32")[np.array(words)]
    primers = np.zeros((len(words), 1), "int32")
    return ops.convert_to_numpy(lab.generate(Drawn(), primers, noise, [1.0], [1.0], slots))


@worked("5.20")
def ended(lab: Any) -> list[str]:
    """Two rows of three steps, two slots; the first row draws the end as its second word."""
    rows = drawn(lab, [[5, 0, 7], [6, 8, 9]], 2)
    return [f"({', '.join(str(id) for id in row)})" for row in rows]
