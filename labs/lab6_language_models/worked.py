"""The numbers of Lab 6's lessons; see `labs.course.lesson`."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from labs.course.lesson import Worked, numbers, worked_into

WORKED: Worked = {}
MISTAKES: dict[str, tuple[str, ...]] = {
    "6_1_neighbours_paired": ("−1.143",),
    "6_1_exponent_halved": ("1.591",),
    "6_2_gate_and_expand_exchanged": ("5.715",),
    "6_2_sigmoid_gate": ("2.642",),
    "6_3_heads_interleaved": ("4.523, 14.768, 4.523, 14.768",),
    "6_3_mask_transposed": ("5", "50"),
    "6_4_sum_normalised": ("(−1, 1)",),
    "6_4_not_added": ("(0, 0)",),
    "6_6_layers_counted": ("0.01",),
    "6_6_residual_not_scaled": ("0.02",),
    "6_7_units_without_bias": ("9",),
    "6_8_bfloat16_read_as_float16": ("2.142578",),
    "6_8_bits_not_moved": ("16,457",),
    "6_9_not_transposed": ("7", "10"),
    "6_10_sum_not_divided": ("−1.022",),
    "6_10_all_beams_alive": ("−0.805",),
    "6_11_natural_logarithm": ("1.04",),
    "6_11_classes_that_occur": ("1.585",),
    "6_11_pitches_not_classes": ("2",),
    "6_12_divided_by_onsets": ("0.333",),
    "6_12_with_itself": ("0.917",),
    "6_13_transposed_not_done": ("(1, 0, 0, 1)",),
    "6_13_one_too_short": ("(1, 1, 1, 1)",),
    "6_14_divided_by_notes": ("0.5",),
    "6_14_longer_only": ("0.333",),
    "6_15_simple_bars_counted": ("0.667",),
    "6_16_pieces_not_drawn": ("0.3", "0.7"),
    "6_16_without_replacement": ("0.5",),
}
worked = worked_into(WORKED)


@worked("6.1")
def turned(lab: Any) -> list[str]:
    """Two pairs at position 1; a query and a key two positions apart, here and there."""
    x = np.array([1, 2, 3, 4], "f4").reshape(1, 1, 1, 4)
    one = np.array([1, 0, 0, 0], "f4").reshape(1, 1, 1, 4)
    products = [ops.sum(lab.rotate(one, at) * lab.rotate(one, at - 2)) for at in (3, 1003)]
    return numbers(lab.rotate(x, 1), *products)


@worked("6.2")
def units(lab: Any) -> list[str]:
    """One hidden unit of each network; and the widths of equal weight."""
    found = []
    for network, kernels in (("swiglu", (2, 3, 1)), ("gelu", (None, 3, 1))):
        layer = lab.FeedForward(1, 1, network, biases=False)
        layer.build((None, None, 1))
        for part, value in zip((layer.gate, layer.expand, layer.contract), kernels, strict=True):
            if part is not None:
                part.kernel.assign([[value]])
        found += numbers(layer(np.ones((1, 1, 1), "f4")))
    weights = 2 * 192 * 768 + 768 + 192
    return [*found, f"{weights:,}", str(round(weights / (3 * 192)))]


@worked("6.3")
def heads(lab: Any) -> list[str]:
    """Four queries of 1, and two heads of keys and values at two positions."""
    layer = lab.GroupedAttention(4, 4, 2, biases=False)
    layer.build((None, None, 4))
    parts = (layer.query, layer.key, layer.value, layer.output_projection)
    kernels = np.zeros((4, 4)), np.zeros((4, 2)), np.zeros((4, 2)), np.eye(4)
    kernels[0][1] = 1
    kernels[1][:2] = [[0, 2], [2, 0]]
    kernels[2][:2] = [[1, 10], [5, 50]]
    for part, kernel in zip(parts, kernels, strict=True):
        part.kernel.assign(kernel)
    output = numbers(layer(np.eye(4, dtype="f4")[None, :2])[0, 1])
    return [output[0], output[2]] if output[0] == output[1] else [", ".join(output)]


@worked("6.4")
def silent_block(lab: Any) -> list[str]:
    """Both norms of (1, 3); a block whose parts give nothing."""
    block, x = lab.Block(2, 1, 1, 2), np.array([[[1, 3]]], "f4")
    before = [lab.make_norm(kind, "norm")(x) for kind in ("layer", "rms")]
    block.build((None, None, 2))
    for part in (block.attention.output_projection, block.network.contract):
        part.kernel.assign(np.zeros(part.kernel.shape))
    norms = numbers(*before)
    return [
        f"({norms[0]}, {norms[1]})",
        f"({norms[2]}, {norms[3]})",
        f"({', '.join(numbers(block(x)))})",
    ]


@worked("6.5")
def weights(lab: Any) -> list[str]:
    """The weights of two small models, and of the first one if it is not tied."""
    found = []
    for kv, settings in ((2, lab.GPT2), (1, lab.LLAMA), (2, lab.GPT2 | {"tied": False})):
        model = lab.LanguageModel(10, 4, 2, kv, 8, 1, 8, **settings)
        model.build((None, None))
        found.append(model.count_params())
    return numbers(found)


@worked("6.6")
def deviation(lab: Any) -> list[str]:
    """The deviation of what is added to the stream, with 4 layers."""
    model = lab.LanguageModel(3, 64, 1, 1, 512, 4, 2)
    model.build((None, None))
    lab.initialize(model, 0)
    drawn = [np.array(block.network.contract.kernel) for block in model.blocks]
    return numbers(np.std(drawn), digits=4)


@worked("6.7")
def width(lab: Any) -> list[str]:
    """The width for 250 weights."""
    return numbers(lab.ff_dim_for(250, 10, 4, 2, 2, 1, 8, **lab.GPT2))


@worked("6.8")
def bfloat(lab: Any) -> list[str]:
    """A file with one bfloat16."""
    header = b'{"x": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header + bytes.fromhex("4940"))
        return numbers(lab.read_safetensors(path)["x"], digits=6)


@worked("6.9")
def outputs(lab: Any) -> list[str]:
    """What one stored kernel gives."""
    model = lab.LanguageModel(4, 2, 1, 1, 2, 1, 4, **lab.LLAMA)
    model.build((None, None))
    tensors = {
        name: np.zeros(parts[0].shape) for name, parts in lab.checkpoint_names(model, False).items()
    }
    tensors["lm_head.weight"] = np.zeros((4, 2))
    tensors["model.layers.0.self_attn.q_proj.weight"] = np.array([[1, 2], [3, 4]])
    lab.load_checkpoint(model, tensors)
    return numbers(np.array([1, 2]) @ np.array(model.blocks[0].attention.query.kernel))


@worked("6.10")
def tree(lab: Any) -> list[str]:
    """Two beams and two steps: greedy decoding's score, and the best."""
    model = ScriptedTree(lab)
    found = []
    for num_beams in (1, 2):
        found += numbers(lab.beam_search(model, [[lab.START, 3]], 2, num_beams)[1])
    return found


LETTERS = {2: "END", 3: "A", 4: "B"}


class ScriptedTree(keras.Model):
    """The lesson's tree: after the primer A has 0.5, B 0.4, END 0.1, and so on."""

    def __init__(self, lab: Any):
        super().__init__()
        # by the last id in the cache, and this one: PAD, START, END, A = 3, B = 4
        self.table = np.full((5, 5), 1e-30, "f4")
        self.table[3, 2:] = 0.3, 0.4, 0.3
        self.table[4, 2:] = 0.9, 0.05, 0.05
        self.first = np.array([1e-30, 1e-30, 0.1, 0.5, 0.4], "f4")

    def read(self, ids: Any) -> list:
        """Keep each id."""
        return [ops.cast(ids, "float32")[:, None, :, None]]

    def step(self, ids: Any, slot: Any, old: list, new: list) -> tuple[Any, list]:
        """Score by the id that the cache says was last: after START the first row."""
        row = ops.cast(ids, "float32")[:, None, :, None]
        written = ops.slice_update(new[0], [0, 0, slot, 0], row)
        last = ops.cast(ops.take(written[:, 0, :, 0], slot, axis=1), "int32")
        probabilities = ops.where(
            ops.equal(slot, 0), self.first, ops.take(self.table, last, axis=0)
        )
        return ops.log(ops.broadcast_to(probabilities, (ops.shape(ids)[0], 5))), [written]


@worked("6.11")
def chord(lab: Any) -> list[str]:
    """C, E, G, C, and all twelve pitch classes."""
    one = np.array([[0, 4 * i, pitch] for i, pitch in enumerate((60, 64, 67, 72))])
    twelve = np.array([[0, i, 60 + i] for i in range(12)])
    return numbers(*(lab.pitch_class_entropy(notes, 1, 1) for notes in (one, twelve)))


@worked("6.12")
def grooves(lab: Any) -> list[str]:
    """Three bars, the last one empty; and each pair of them."""
    notes = bar_grooves()
    pairs = notes, notes[:4], notes[4:] - np.array([1, 0, 0])
    found = [lab.grooving_similarity(pair, 2) for pair in pairs]
    return numbers(lab.grooving_similarity(notes, 3), *found)


def bar_grooves() -> np.ndarray:
    """Make the notes of the two bars of 6.12 that have any."""
    return np.array([[0, q, 60] for q in (0, 4, 8, 12)] + [[1, q, 60] for q in (0, 8)])


def line(*pitches: int) -> np.ndarray:
    """Make notes a quarter apart."""
    times = 4 * np.arange(len(pitches))
    return np.stack([times // 16, times % 16, pitches], axis=1)


@worked("6.13")
def lengths(lab: Any) -> list[str]:
    """The lengths for each note, as they are and transposed."""
    training, piece = [line(60, 62, 64, 65)], line(65, 61, 63, 64)
    rows = [lab.copied_lengths(piece, training, transposed)[0] for transposed in (False, True)]
    return [f"({', '.join(numbers(row))})" for row in rows]


@worked("6.14")
def share(lab: Any) -> list[str]:
    """A piece whose last three runs of 2 notes are copied but for one."""
    training, piece = [line(60, 62, 64), line(70)], line(60, 62, 64, 70)
    return numbers(lab.copied_runs(piece, training, 2))


@worked("6.15")
def bars(lab: Any) -> list[str]:
    """Three bars, of 4, 4 and 2 notes."""
    piece = np.array(
        [[bar, q, 60 + bar] for bar, count in enumerate((4, 4, 2)) for q in range(count)]
    )
    return numbers(lab.copied_bars(piece, [piece[piece[:, 0] != 1]]))


@worked("6.16")
def bounds(lab: Any) -> list[str]:
    """Two pieces, 0 and 1."""
    low = lab.bootstrap([0, 1], np.mean, level=0.4)
    high = lab.bootstrap([0, 1], np.mean, level=0.95)
    return numbers(low, high)
