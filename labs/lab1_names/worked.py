"""The numbers of Lab 1's lessons; see `labs.course.lesson`."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from keras import ops

from labs.course.lesson import Worked, number, numbers, worked_into

WORKED: Worked = {}
MISTAKES = {
    "1_1_by_appearance": ("A d a B o",),
    "1_1_specials_last": ("A B a d o PAD START END",),
    "1_2_shift_backwards": ("(1, 3, 6, 5)",),
    "1_2_mask_without_end": ("1110", "1100"),
    "1_3_country_first": ("(0, 0, 1, 0.5, −1)",),
    "1_3_number_itself": ("(0.5, −1, 2)",),
    "1_4_transposed": ("(0.635, 0.462)",),
    "1_4_no_bias": ("(0.848, 0.905)",),
    "1_5_order_ifog": ("1.762", "0.689"),
    "1_5_no_tanh_of_c": ("0.983",),
    "1_6_always_after": ("(0.431, −0.132)",),
    "1_6_order_rz": ("(0.562, −0.333)",),
    "1_6_update_inverted": ("(0.472, 0.555)",),
    "1_6_second_bias_outside": ("(0.536, −0.11)",),
    "1_7_not_scaled": ("(0.119, 0.881)",),
    "1_7_masked_after_softmax": ("(0.5, 0)",),
    "1_8_normalised_afterwards": ("(−1, 1)",),
    "1_8_no_second_residual": ("(0, 1)",),
    "1_9_cells_made_twice": ("153,714",),
    "1_9_no_last_norm": ("85,690",),
    "1_10_padding_counted": ("0.961",),
    "1_10_mean_of_row_means": ("1.211",),
    "1_11_temperature_inverted": ("0.45 0.32 0.23",),
    "1_11_pad_and_start_drawn": ("0.16 0.08 0.04",),
    "1_12_start_put_before": ("BAda", "JAda"),
    "1_12_start_not_fed": ("Bda",),
    "1_12_first_end_ends_all": ("Bru",),
}
worked = worked_into(WORKED)


def row(values: Any) -> str:
    """Format a vector as lessons do: (0.5, −1)."""
    return f"({', '.join(numbers(values))})"


@worked("1.1")
def vocabulary(lab: Any) -> list[str]:
    """The list of the characters of two names."""
    return [" ".join(lab.build_vocabulary(["Ada", "Bo"]))]


@worked("1.2")
def encoded(lab: Any) -> list[str]:
    """Inputs, targets and mask of two names."""
    inputs, targets, mask = lab.encode_names(*NAMES)
    rows = [row(line) for array in (inputs, targets) for line in array]
    return [*rows, *("".join(str(int(here)) for here in line) for line in mask)]


NAMES = ["Ada", "Bo"], ["PAD", "START", "END", "A", "B", "a", "d", "o"]


@worked("1.3")
def conditioned(lab: Any) -> list[str]:
    """The second step of two, with the last of three countries."""
    inputs = np.array([[[1, 2], [0.5, -1]]], "float32")
    return [row(lab.condition_on_country(inputs, np.array([2]), 3)[0, 1])]


def step(cell: Any, weights: list, inputs: list, states: list) -> list:
    """Let a cell take one step with these weights: its new states."""
    cell.build((1, len(inputs)))
    for variable, value in zip(
        (cell.kernel, cell.recurrent_kernel, cell.bias), weights, strict=True
    ):
        variable.assign(np.array(value, "float32"))
    batch = [np.array([state], "float32") for state in states]
    _, new = cell(np.array([inputs], "float32"), batch)
    return new


@worked("1.4")
def plain_step(lab: Any) -> list[str]:
    """A step of two units that read one number."""
    weights = [[[1, 0.5]], [[0.5, 1], [0, -1]], [0, -0.5]]
    (h,) = step(lab.RNNCell(2), weights, [1], [[0.5, -0.5]])
    return [row(h), *numbers(h)]


@worked("1.5")
def lstm_step(lab: Any) -> list[str]:
    """A step of one unit: its states, and its gates by formula."""
    z = np.array([-1, 2, 1, 0])
    i, f, _, o = 1 / (1 + np.exp(-z))
    weights = [[[-1, 1, 0.5, 1]], [[0, 0, 1, -2]], [0, 1, 0, 0]]
    h, c = step(lab.LSTMCell(1), weights, [1], [[0.5], [2]])
    return [*numbers(c, h), *numbers(i, f, np.tanh(z[2])), f"{o:.3f}"]


@worked("1.6")
def gru_steps(lab: Any) -> list[str]:
    """A step of two units, reset before and after the product."""
    kernel, recurrent, bias = [[1, 1, 0, 2, 0, 0]], np.zeros((2, 6)), np.zeros((2, 6))
    recurrent[:, 4:] = [[2, 1], [1, -2]]
    bias[1, 4:] = [0.5, 0.5]
    h = [[0.5, -0.5]]
    before, after = lab.GRUCell(2, reset_after=False), lab.GRUCell(2)
    return [
        row(step(before, [kernel, recurrent, bias[0]], [1], h)[0]),
        row(step(after, [kernel, recurrent, bias], [1], h)[0]),
    ]


@worked("1.7")
def attended(lab: Any) -> list[str]:
    """The weights of two queries over two keys."""
    query = np.array([[[[1, 1, 0, 0], [0, 2, 0, 0]]]], "float32")
    key = np.array([[[[2, 1, 0, 0], [1, 2, 0, 0]]]], "float32")
    value = np.eye(4, dtype="float32")[None, None, :2]
    found = ops.convert_to_numpy(lab.causal_attention(query, key, value))[0, 0, :, :2]
    return [row(line) for line in found]


@worked("1.8")
def block_step(lab: Any) -> list[str]:
    """A block of width 2 on one position."""
    block = lab.TransformerBlock(1)
    block.build((None, None, 2))
    eye = np.eye(2, dtype="float32")
    for layer in (block.value, block.output_projection):
        layer.kernel.assign(eye)
    block.expand.kernel.assign(np.eye(2, 8, dtype="float32"))
    block.contract.kernel.assign(np.eye(8, 2, dtype="float32"))
    return [row(block(np.array([[[1, 3]]], "float32"))[0])]


@worked("1.9")
def counts(lab: Any) -> list[str]:
    """How many numbers the models of a GRU and a Transformer hold, each weight once."""
    found = []
    for architecture, units, num_layers in (("gru", 132, 1), ("transformer", 56, 2)):
        models = lab.build_name_model(architecture, 58, 16, 32, units, num_layers, 0.1, 19)
        weights = {id(weight): weight for model in models for weight in model.weights}
        found.append(number(sum(np.prod(weight.shape) for weight in weights.values())))
    return found


@worked("1.10")
def loss(lab: Any) -> list[str]:
    """The loss of two names, five characters."""
    probabilities = np.full((2, 3, 6), 0.1)
    targets = np.array([[4, 5, 2], [3, 2, 0]])
    chances = np.array([[0.5, 0.25, 0.5], [0.1, 0.5, 0.5]])
    np.put_along_axis(probabilities, targets[..., None], chances[..., None], axis=-1)
    probabilities[..., 1] = 1.1 - probabilities.sum(axis=-1)
    return numbers(lab.nats_per_character(targets, np.log(probabilities).astype("float32")))


@worked("1.11")
def shares(lab: Any) -> list[str]:
    """How often END, a and b are drawn at three temperatures."""
    logits = np.tile(np.log([9, 9, 4, 2, 1]), (1_000_000, 1))
    found = []
    for temperature in (0.5, 1, 2):
        drawn = np.asarray(lab.sample_next(logits, temperature, 0))
        share = np.bincount(drawn, minlength=5)[2:] / len(drawn)
        found.append(" ".join(f"{part:.2f}" for part in share))
    return found


class Chain:
    """A stepper without weights: what follows a letter is always the same."""

    inputs = (None, None, SimpleNamespace(shape=(None, 1), dtype="float32"))

    def predict_on_batch(self, inputs: list) -> list:
        """Give logits, and the state as it was."""
        ids, _, state = inputs
        logits = np.zeros((len(ids), len(LETTERS)), "float32")
        logits[np.arange(len(ids)), FOLLOWS[np.ravel(ids)]] = 9
        return [logits, state]


LETTERS = ["PAD", "START", "END", *"ABJadnoru"]
NEXT = {"START": "A", "A": "d", "d": "a", "J": "o", "B": "r", "r": "u", "u": "n", "n": "o"}
FOLLOWS = np.array([LETTERS.index(NEXT.get(letter, "END")) for letter in LETTERS])


@worked("1.12")
def generated(lab: Any) -> list[str]:
    """The names of a chain of letters."""
    wanted, starts = ["Here"] * 3, ["", "B", "J"]
    return lab.generate_names(Chain(), LETTERS, ["Here"], wanted, starts, temperature=0)
