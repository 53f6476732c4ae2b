"""The numbers of Lab 2's lessons; see `labs.course.lesson`."""

from typing import Any

import keras
import numpy as np
from keras import ops
from num2words import num2words

from labs.course.lesson import Worked, numbers, worked_into

WORKED: Worked = {}
MISTAKES = {
    "2_1_equal_shares": ("66",),
    "2_1_a_tenth_in_all": ("17",),
    "2_2_digits_from_zero": ("(1, 0, 3, 3, 0)",),
    "2_2_leading_zeros_lost": ("(8, 0, 0, 0, 0)",),
    "2_3_given_order": ("547",),
    "2_3_marks_everywhere": ("##zwei ##hundert ##eins",),
    "2_4_specials_sorted_in": ("`PAD` is 2",),
    "2_4_specials_grow": ("11 tokens",),
    "2_5_end_in_the_inputs": ("(1, 4, 3, 5, 2, 0)",),
    "2_5_no_shift": ("(1, 4, 3, 5, 0, 0)",),
    "2_6_pieces_apart": ("zwei hundert eins",),
    "2_6_end_ignored": ("six thousand",),
    "2_7_masked_after_the_softmax": ("(0.574, 0.058, 0)",),
    "2_7_no_tanh": ("0.953",),
    "2_8_one_direction": ("422,854",),
    "2_8_layers_made_twice": ("386,758",),
    "2_9_half_the_exponent": ("(0.841, 0.54, 0.1, 0.995)",),
    "2_9_halves": ("(0.841, 0.01, 0.54, 1)",),
    "2_10_no_scale": ("0.881", "0.982"),
    "2_10_scaled_by_the_model": ("0.67",),
    "2_11_no_residual": ("(1, 2)",),
    "2_11_normalised_afterwards": ("(−1, 1)",),
    "2_11_context_not_normed": ("(4, 7)",),
    "2_12_not_causal": ("(1.5, 3.5)",),
    "2_12_mask_ignored": ("(1, 6)",),
    "2_12_step_sees_all": ("(1.25, 3.75)",),
    "2_13_embedding_not_scaled": ("0.577",),
    "2_13_positions_from_one": ("1.636",),
    "2_14_mean_of_row_means": ("1.386",),
    "2_14_mean_over_padding": ("0.693",),
    "2_14_padding_counted": ("1.155",),
    "2_15_divides_by_size": ("0.5",),
    "2_15_mean_of_row_means": ("0.833",),
    "2_16_looks_beyond_end": ("0",),
    "2_16_any_token_right": ("1",),
    "2_17_goes_on_after_end": ("sixty END sixty PAD",),
    "2_17_first_end_stops_all": ("six sixty PAD PAD",),
    "2_18_length_normalised": ("−0.511",),
    "2_18_all_beams_alive_at_first": ("−1.204", "−1.204"),
}
worked = worked_into(WORKED)


# Numbers and words


@worked("2.1")
def shares(lab: Any) -> list[str]:
    """How many of each length are drawn of 201 numbers of up to three digits, and in each split."""
    splits = lab.make_pairs(num_pairs=201, max_digits=3)
    lengths = [len(str(number)) for split in splits.values() for number, _ in split]
    sizes = [len(split) for split in splits.values()]
    return [str(lengths.count(digits)) for digits in (1, 2, 3)] + [str(size) for size in sizes]


@worked("2.2")
def digit_ids(lab: Any) -> list[str]:
    """The rows of 1033 and of "007"."""
    return [row_of(ids) for ids in lab.encode_digits([1033, "007"], 5)]


@worked("2.3")
def german(lab: Any) -> list[str]:
    """The pieces of a German number; how many tokens all numbers below 1,000 need."""
    texts = [num2words(number, lang="de") for number in range(1000)]
    tokens = {token for text in texts for token in lab.split_words(text, "de")}
    return [
        " ".join(lab.split_words("zweihunderteins", "de")),
        " ".join(lab.split_words("forty-two")),
        str(len(tokens)),
    ]


@worked("2.4")
def word_ids(lab: Any) -> list[str]:
    """Ids of the tokens of two numbers, and how many there are at a second call."""
    texts = ["forty-two", "two thousand"]
    vocabulary = lab.build_vocabulary(texts)
    ids = [f"`{token}` is {vocabulary.index(token)}" for token in ("PAD", "-", "thousand", "two")]
    return [*ids, f"{len(lab.build_vocabulary(texts))} tokens"]


@worked("2.5")
def shifted(lab: Any) -> list[str]:
    """What the decoder reads and should predict for thirty-three."""
    vocabulary = ["PAD", "START", "END", "-", "thirty", "three"]
    return [row_of(ids[0]) for ids in lab.encode_words(["thirty-three"], vocabulary, 6)]


@worked("2.6")
def joined(lab: Any) -> list[str]:
    """A German compound, and a row with something after its END."""
    vocabulary = ["PAD", "START", "END", "zwei", "##hundert", "##eins", "six", "thousand"]
    return lab.decode_words(np.array([[3, 4, 5, 2], [1, 6, 2, 7]]), vocabulary)


def row_of(values: Any) -> str:
    """Format a vector: (1, 0.5, 0)."""
    return f"({', '.join(numbers(values))})"


# The GRU


@worked("2.7")
def attended(lab: Any) -> list[str]:
    """The weights of one state over three memories, the last one padding; the context."""
    context, weights = attention(lab)
    return [row_of(weights), *numbers(weights), row_of(context)]


def attention(lab: Any) -> list:
    """Context and weights of the example of 2.7."""
    layer = lab.AdditiveAttention(2)
    memory = np.array([[[1, 0], [0, 1], [0, 0]]], "float32")
    inputs = [np.ones((1, 1, 1), "float32"), memory, np.array([[True, True, False]])]
    layer.build([part.shape for part in inputs])
    kernels = [[0.5, 0.5]], [[1, 0], [0, -1]], [1, 2]
    for weight, value in zip(
        (layer.state_kernel, layer.memory_kernel, layer.score), kernels, strict=True
    ):
        weight.assign(value)
    return layer(inputs)


@worked("2.8")
def weights_of_the_gru(lab: Any) -> list[str]:
    """Weights of the layers of the quick preset, and of all three models together."""
    models = lab.build_gru_translator(38, 32, 128)
    layers = {layer.name: layer for layer in models[0].layers}
    together = {id(weight): weight for model in models for weight in model.weights}
    named = ("encoder", "bridge", "decoder", "attention", "combine", "logits")
    return [
        *(f"{layers[name].count_params():,}" for name in named),
        f"{sum(int(np.prod(weight.shape)) for weight in together.values()):,}",
    ]


# The Transformer


@worked("2.9")
def positions(lab: Any) -> list[str]:
    """Position 1 at width 4, and products of two positions."""
    table = lab.sinusoidal_positions(6, 4)
    return [
        row_of(table[1]),
        *numbers(table[0] @ table[2], table[3] @ table[5]),
        *numbers(table[1]),
    ]


@worked("2.10")
def heads(lab: Any) -> list[str]:
    """The weights of two heads, and what they mix."""
    layer = lab.MultiHeadAttention(8, 2)
    layer.build([(1, 1, 8), (1, 3, 8), (1, 3)])
    pass_on(layer)
    query = np.array([[[2, 0, 0, 0, 0, 4, 0, 0]]], "float32")
    memory = np.zeros((1, 3, 8), "float32")
    memory[0, 0, 0] = memory[0, 1, 5] = 1
    output, weights = layer([query, memory, np.array([[True, True, False]])])
    return [*(row_of(head) for head in weights[0]), row_of(output), *numbers(weights)]


@worked("2.11")
def one_position(lab: Any) -> list[str]:
    """A block with one position of width 2."""
    block = lab.EncoderBlock(2, 1, 1)
    inputs = [np.array([[[1, 3]]], "float32"), np.array([[True]])]
    block(inputs)
    pass_on(block.attention)
    block.expand.set_weights([np.array([[0], [1]]), np.zeros(1)])
    block.contract.set_weights([np.array([[2, 1]]), np.zeros(2)])
    return [row_of(block(inputs))]


@worked("2.12")
def two_words(lab: Any) -> list[str]:
    """Two words at once, then one by one."""
    block = lab.DecoderBlock(2, 1, 1)
    words = np.array([[[1, 3], [3, 1]]], "float32")
    memory = np.array([[[1, 0], [0, 1], [2, 5]]], "float32")
    mask = np.array([[True, True, False]])
    block([words, memory, mask])
    for layer in (block.self_attention, block.cross_attention):
        pass_on(layer)
        layer.query.kernel.assign(ops.zeros_like(layer.query.kernel))  # it looks everywhere alike
    block.contract.set_weights([np.zeros((1, 2)), np.zeros(2)])
    found = [row_of(row) for row in block([words, memory, mask])[0][0]]
    keys = values = np.zeros((1, 4, 1, 2), "float32")
    for place in (0, 1):
        x, keys, values = block.step(
            words[:, place : place + 1],
            np.array([[place]]),
            keys,
            values,
            *block.cross_attention.project(memory),
            mask,
        )
        found.append(row_of(x))
    return found


def pass_on(layer: Any) -> None:
    """Let an attention's four kernels hand on what they get."""
    for projection in (layer.query, layer.key, layer.value, layer.output_projection):
        shape = projection.kernel.shape
        projection.kernel.assign(np.eye(layer.d_model).reshape(shape))


@worked("2.13")
def first_logit(lab: Any) -> list[str]:
    """The first logit of a Transformer whose blocks add nothing; weights of the quick preset."""
    model = lab.build_transformer(4, 4, 1, 4, 1, 0.0, 8)[0]
    for name in ("encoder_0", "decoder_0"):
        block = model.get_layer(name)
        block.set_weights([np.zeros(weight.shape) for weight in block.get_weights()])
    model.get_layer("word_embedding").set_weights([np.eye(4)[[0, 0, 0, 0]]])
    model.get_layer("logits").set_weights([np.eye(4), np.zeros(4)])
    model.get_layer("decoder_norm").set_weights([np.ones(4), np.zeros(4)])
    quick = lab.build_transformer(38, 64, 4, 256, 2, 0.0, 24)
    layers = {layer.name: layer for layer in quick[0].layers}
    return [
        *numbers(model([np.array([[1]]), np.array([[1]])])[0, 0, 0]),
        f"{layers['encoder_0'].count_params():,}",
        f"{layers['decoder_0'].count_params():,}",
        f"{quick[0].count_params():,}",
    ]


# Training and measuring


@worked("2.14")
def loss(lab: Any) -> list[str]:
    """Three tokens of probability 0.5, and one of 0.125 with two PAD beside it."""
    targets = np.array([[1, 2, 2], [2, 0, 0]])
    half = np.log([1 / 6, 0.5, 1 / 6, 1 / 6])
    turned = half[[0, 2, 1, 3]]
    eighth = np.log([0.5, 0.25, 0.125, 0.125])
    even = np.log([0.25] * 4)
    logits = np.array([[half, turned, turned], [eighth, even, even]], "float32")
    return numbers(lab.masked_cross_entropy(targets, logits))


@worked("2.15")
def right_tokens(lab: Any) -> list[str]:
    """The share of right tokens."""
    return numbers(lab.token_accuracy(*said()))


@worked("2.16")
def right_rows(lab: Any) -> list[str]:
    """The share of right rows."""
    return numbers(lab.exact_match(*said()))


def said() -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of "six" and "six thousand"."""
    targets = np.array([[3, 2, 0, 0], [3, 4, 2, 0]])
    return targets, np.array([[3, 2, 4, 4], [3, 3, 2, 2]])


# Decoding

TOY = ["PAD", "START", "END", "six", "sixty"]
# probabilities of END, six and sixty after START, END, six and sixty; what digit 0 and 1 begin with
AFTER = {
    1: ((0, 0.4, 0.6), (0, 0.2, 0.8), (0.9, 0.04, 0.06), (0.5, 0.3, 0.2)),
    2: ((0, 0.8, 0.2), (0, 0.2, 0.8), (0.2, 0.1, 0.7), (0.9, 0.06, 0.04)),
}


def toy() -> tuple[keras.Model, keras.Model]:
    """An encoder and a stepper whose probabilities stand in `AFTER`, by the first digit's id."""
    table = np.full((3 * 5, 5), -20.0)
    for digit, rows in AFTER.items():
        for word, row in enumerate(rows, 1):
            table[5 * digit + word, 2:] = np.log(np.maximum(row, 1e-9))
    digits = keras.Input((None,), dtype="int32")
    encoder = keras.Model(digits, [digits[:, :1], ops.zeros_like(digits[:, :1])])
    word, first, steps = (keras.Input((1,), dtype="int32") for _ in range(3))
    look_up = keras.layers.Embedding(15, 5)
    states = [first, steps + 1]
    stepper = keras.Model([word, first, steps], [look_up(5 * first + word)[:, 0], *states])
    look_up.set_weights([table])
    return encoder, stepper


@worked("2.17")
def rows(lab: Any) -> list[str]:
    """What is generated for both digits."""
    ids = ops.convert_to_numpy(lab.greedy_decode(*toy(), np.array([[1], [2]]), 4))
    return [" ".join(TOY[index] for index in row) for row in ids]


@worked("2.18")
def beams(lab: Any) -> list[str]:
    """What two beams find for the first digit, with their scores."""
    found = lab.beam_search(*toy(), np.array([[1]]), 4, 2)[0]
    return [
        *(" ".join(TOY[index] for index in ids) for ids, _ in found),
        *numbers([score for _, score in found]),
    ]
