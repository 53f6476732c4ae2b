"""The numbers of Lab 4's lessons; see `labs.course.lesson`."""

from typing import Any

import keras
import numpy as np
from keras import ops
from note_seq import NoteSequence

from labs.course.lesson import Worked, numbers, worked_into

WORKED: Worked = {}
MISTAKES = {
    "4_1_down_above_64": ("0.5, 1, 1.7, 2.5",),
    "4_1_struck_again_sounds_on": ("2, 2, 2, 2.5",),
    "4_2_shift_of_one_less": ("309",),
    "4_2_rest_first": ("293, 358",),
    "4_2_velocity_each_note": ("378, 63, 378, 67",),
    "4_3_newest_note_ends": ("(60, 41, 0.5, 1)",),
    "4_3_bins_from_their_middle": ("(60, 42, 0, 1)",),
    "4_4_gaps_stretched": ("6, 6, 6",),
    "4_4_off_the_piano_clipped": ("108",),
    "4_5_only_inside_pieces": ("1, 2, 1",),
    "4_5_hangs_over_the_beginning_only": ("2, 2, 1",),
    "4_6_context_scored_twice": ("4, 4, 3",),
    "4_6_stride_of_length": ("4, 1",),
    "4_7_queries_first": ("0.1",),
    "4_7_not_clipped": ("0",),
    "4_8_padded_on_the_right": ("0 22 21",),
    "4_8_nothing_moves": ("12 11 10",),
    "4_9_distances_from_the_end": ("4, 3, 2, 1, 0",),
    "4_9_one_too_many_kept": ("2, 3, 4, 5",),
    "4_10_no_scale": ("0.538, 1.462",),
    "4_10_distance_not_scaled": ("1.462, 0.538",),
    "4_11_sum_of_squares": ("0.6, 0.8",),
    "4_11_mean_taken_off": ("−1, 1",),
    "4_11_in_the_layers_dtype": ("0, 0",),
    "4_12_counts_on_after_growth": ("(16, 3)",),
    "4_12_one_step_late": ("(8, 3)",),
    "4_13_no_residual": ("1.529, 2.117",),
    "4_13_residual_of_the_norm": ("2.378, 3.248",),
    "4_14_no_final_norm": ("4, 4, 8",),
    "4_14_softmax_at_the_end": ("0.107, 0.107, 0.787",),
    "4_15_from_zero": ("0, 0.75, 1, 0.516",),
    "4_15_inverse_fall": ("0.25, 1, 0.8, 0.25",),
    "4_16_mean_over_everything": ("0.178",),
    "4_16_padding_counted": ("1.33",),
    "4_16_smoothing_on_top": ("0.538",),
    "4_17_padding_counted": ("0.333",),
    "4_17_right_at_padding": ("1",),
    "4_18_note_offs_counted": ("4",),
    "4_18_padding_counted": ("10.667",),
    "4_19_temperature_inverted": ("0.37, 0.262, 0.203, 0.166",),
    "4_19_one_too_few": ("1, 0, 0, 0",),
    "4_19_top_k_after_top_p": ("0.667, 0.333, 0, 0",),
    "4_20_noise_ignored": ("4, 4, 4, 4",),
    "4_20_end_does_not_end": ("3, 4, 2, 4",),
}
worked = worked_into(WORKED)


def listed(*values: Any) -> str:
    """Numbers of one line."""
    return ", ".join(numbers(*values))


def performance(
    notes: list[tuple[int, int, float, float]], pedal: list[tuple[float, int]]
) -> NoteSequence:
    """Notes (pitch, velocity, start, end), and what the pedal does (time, value)."""
    sequence = NoteSequence(ticks_per_quarter=220)
    for pitch, velocity, start, end in notes:
        sequence.notes.add(pitch=pitch, velocity=velocity, start_time=start, end_time=end)
        sequence.total_time = max(sequence.total_time, end)
    for time, value in pedal:
        sequence.control_changes.add(time=time, control_number=64, control_value=value)
    return sequence


def pedalled() -> NoteSequence:
    """The example of 4.1: C4, E4, C4 again, G4."""
    notes = [(60, 80, 0.0, 0.5), (64, 80, 0.6, 1.0), (60, 80, 1.5, 1.7), (67, 80, 1.8, 2.5)]
    return performance(notes, [(0.4, 64), (2.0, 0)])


def three_notes() -> NoteSequence:
    """The example of 4.2."""
    return performance([(60, 80, 0.0, 0.5), (64, 77, 0.0, 1.254), (67, 90, 0.5, 2.6)], [])


@worked("4.1")
def ends(lab: Any) -> list[str]:
    """The ends of the four notes."""
    return [listed([note.end_time for note in lab.apply_sustain(pedalled()).notes])]


@worked("4.2")
def events(lab: Any) -> list[str]:
    """The ids of the three notes."""
    return [listed(lab.encode_performance(three_notes()))]


@worked("4.3")
def notes(lab: Any) -> list[str]:
    """The notes of C4, C4 half a second later, its release, another release, and one of C5."""
    ids = [369, 63, 308, 63, 308, 191, 278, 191, 203]
    found = lab.decode_performance(ids).notes
    fields = [(note.pitch, note.velocity, note.start_time, note.end_time) for note in found]
    return [f"({listed(values)})" for values in fields]


@worked("4.4")
def moved(lab: Any) -> list[str]:
    """Steps between four releases of the key 107, and the key, a tone higher and 1.1 as long."""
    release = lab.NOTE_OFF + 107
    wait = lab.TIME_SHIFT + 4
    ids = lab.augment(np.array([wait, release, wait, release, wait, release]), 2, 1.1)
    return [listed(ids[0::2] - lab.TIME_SHIFT + 1), *numbers(ids[1] - lab.NOTE_OFF)]


def distinct_crops(lab: Any, tokens: np.ndarray, length: int) -> list[tuple[int, ...]]:
    """The targets of all different crops of a piece whose tokens differ."""
    batches = lab.make_batches(tokens, np.array([0, len(tokens)]), length, 2000)
    rows = {tuple(row) for row in next(batches)[1].tolist()}
    return sorted(rows, reverse=True)


@worked("4.5")
def crops_of_each(lab: Any) -> list[str]:
    """In how many crops of 2 pairs each pair of a piece of 2 tokens is."""
    rows = distinct_crops(lab, np.array([63, 67]), 2)
    return [listed([sum(target in row for row in rows) for target in (63, 67, lab.END)])]


@worked("4.6")
def scored(lab: Any) -> list[str]:
    """How many targets each window of a piece of 6 tokens scores: length 4, context 2."""
    _, targets = lab.evaluation_windows(np.arange(63, 69), np.array([0, 6]), 4, 2)
    return [listed((targets != lab.PAD).sum(axis=1))]


@worked("4.7")
def by_definition(lab: Any) -> list[str]:
    """The logits of two queries with four keys, in one head of one number."""
    queries = np.array([1, 2], "float32").reshape((1, 2, 1, 1))
    vectors = np.array([[0.1], [0.2], [0.5]], "float32")
    first, last = ops.convert_to_numpy(lab.relative_logits(queries, vectors, 4))[0, 0]
    return [*numbers(first[:3]), listed(last)]


@worked("4.8")
def moved_scores(lab: Any) -> list[str]:
    """Three rows of scores, 21 for query 2 at distance 1."""
    scores = 10 * np.arange(1, 4)[:, None] + np.array([2, 1, 0])
    result = lab.skew(ops.convert_to_tensor(scores[None, None], "float32"))
    return [" ".join(numbers(row)) for row in ops.convert_to_numpy(result)[0, 0]]


@worked("4.9")
def cached(lab: Any) -> list[str]:
    """Distances from slot 0 and slot 1 of 2 after 3 old positions; what stays of 1 to 5."""
    cache = lab.KeyValueCache(4)
    old, new = (np.array(part, "float32").reshape((1, 1, -1, 1)) for part in ([1, 2, 3], [4, 5]))
    return [
        *(listed(cache.distances(3, 2, slot)) for slot in (0, 1)),
        listed(cache.move(old, new)),
    ]


@worked("4.10")
def attended(lab: Any) -> list[str]:
    """The second position's output, of which the first two numbers are not 0."""
    layer = lab.RelativeAttention(4, 1, max_distance=1, window=2)
    layer.build((None, None, 4))
    identity = np.eye(4, dtype="float32")
    for part in (layer.query, layer.key, layer.value):
        part.kernel.assign(identity[:, None])
    layer.output_projection.kernel.assign(identity[None])
    layer.distances.assign([[0, 0, 0, 0], [0, 1.5, 0, 0]])
    x = np.array([[[2, 0, 0, 0], [0, 2, 0, 0]]], "float32")
    return [listed(layer(x)[0, 1, :2])]


@worked("4.11")
def normed(lab: Any) -> list[str]:
    """(3, 4), and (300, 400) in half precision."""
    half = lab.RMSNorm(dtype="float16")(np.array([[300, 400]], "float16"))
    return [listed(lab.RMSNorm()(np.array([[3, 4]], "float32"))), listed(half)]


@worked("4.12")
def scales(lab: Any) -> list[str]:
    """Scale and count after each of five steps, the fourth of which overflows."""
    state: tuple[float, int] = (8.0, 0)
    found = []
    for finite in (True, True, True, False, True):
        state = lab.update_loss_scale(*state, finite, growth_interval=3)
        found.append(f"({listed(state)})")
    return found


def assign_identities(block: Any) -> None:
    """Make of a block's kernels the identity, of its biases 0."""
    identity = np.eye(2, dtype="float32")
    for part in (block.attention.query, block.attention.key, block.attention.value):
        part.kernel.assign(identity[:, None])
    block.attention.output_projection.kernel.assign(identity[None])
    for part in (block.expand, block.contract):
        part.kernel.assign(identity)


@worked("4.13")
def transformed(lab: Any) -> list[str]:
    """One position (3, 4) through a block."""
    block = lab.TransformerBlock(2, 1, 2, max_distance=1, window=2)
    block.build((None, None, 2))
    assign_identities(block)
    return [listed(block(np.array([[[3, 4]]], "float32")))]


@worked("4.14")
def scored_ids(lab: Any) -> list[str]:
    """The logits after id 2 of three, in a model without blocks; the quick preset's weights."""
    model = lab.MusicTransformer(3, 4, 1, 4, 0, max_distance=1, window=2)
    model.build((None, 1))
    vectors = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [2, 0, 0, 0]], "float32")
    model.embedding.embeddings.assign(vectors)
    return [listed(model(np.array([[2]])))]


@worked("4.15")
def rates(lab: Any) -> list[str]:
    """At the steps 0, 3, 4 and 15 of a warm-up of 4 to a peak of 1."""
    schedule = lab.WarmupSchedule(1.0, 4)
    return [listed([float(schedule(step)) for step in (0, 3, 4, 15)])]


@worked("4.16")
def losses(lab: Any) -> list[str]:
    """One target that has 0.7 of four ids, and one that is PAD, without and with smoothing."""
    logits = np.log(np.array([[[0.1, 0.1, 0.7, 0.1]] * 2], "float32"))
    return numbers(*(lab.masked_cross_entropy(np.array([[2, 0]]), logits, s) for s in (0.0, 0.1)))


@worked("4.17")
def accuracy(lab: Any) -> list[str]:
    """Guesses 5, 4 and PAD at the targets 5, 6 and PAD."""
    return numbers(
        lab.masked_accuracy(np.array([[5, 6, 0]]), np.eye(7, dtype="float32")[[[5, 4, 0]]])
    )


@worked("4.18")
def nats(lab: Any) -> list[str]:
    """2 nats a token for the ids of 4.2 and four of padding."""
    ids = [378, 63, 67, 308, 191, 381, 70, 333, 195, 358, 293, 198]
    return numbers(lab.nats_per_note(2.0, np.array([ids + 4 * [0]])))


def filtered(lab: Any, **options: Any) -> str:
    """The probabilities that 4.19 leaves of 0.5, 0.25, 0.15 and 0.1."""
    logits = np.log(np.array([[0.5, 0.25, 0.15, 0.1]], "float32"))
    return listed(ops.softmax(lab.filter_logits(logits, **options)))


@worked("4.19")
def cuts(lab: Any) -> list[str]:
    """A temperature, top-k, top-p, and both."""
    return [
        filtered(lab, temperature=0.5),
        filtered(lab, top_k=3),
        filtered(lab, top_p=0.7),
        filtered(lab, top_k=2, top_p=0.6),
    ]


class Constant(keras.Model):
    """A model of five ids without a cache, whose logits never change."""

    window = 8

    def read(self, ids: Any) -> list:
        """Nothing to keep."""
        return []

    def step(self, ids: Any, slot: Any, old: list, new: list) -> tuple[Any, list]:
        """The logits of the example."""
        return ops.tile(ops.convert_to_tensor([[9.0, 9.0, 0.0, 1.0, 2.0]]), (len(ids), 1)), new


@worked("4.20")
def generated(lab: Any) -> list[str]:
    """Four ids, with noise that decides the first and the third."""
    noise = np.zeros((1, 4, 5), "float32")
    noise[0, 0, 3], noise[0, 2, 2] = 1.5, 3
    return [listed(lab.generate(Constant(), np.array([[1, 3]]), noise))]
