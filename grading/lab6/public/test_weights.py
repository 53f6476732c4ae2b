"""Tasks 6.6 to 6.9: how a model begins, equal parameters, checkpoints."""

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    assert_array,
    assert_close,
    assert_equal,
    assert_holds,
    assert_raises,
    check,
    naming,
)
from grading.checks.networks import by_layer
from grading.lab6.checkpoints import file_of, gpt2, llama
from grading.lab6.networks import GPT2, LAYER, LLAMA, MODELS, SIZES, network
from grading.sandbox.failures import as_text

# Task 6.6: how a model begins

LARGE = SIZES | {"d_model": 40, "num_kv_heads": 4, "ff_dim": 120, "num_layers": 3}


def initialized(student, seed, **settings):
    """Build a model and draw its weights; by layer."""
    made = network(student, **settings)
    answer = student.initialize(made, seed)
    if answer is not None:
        raise CheckFailed("type", f"expected None, got {as_text(answer)}")
    return by_layer(made, LAYER)


@check("6.6", says="kernels and embeddings are normal, with deviation 0.02", weight=2)
def test_initialize_normal(student):
    for settings in (LARGE | GPT2, LARGE | LLAMA):
        for key, value in initialized(student, 1, **settings).items():
            if not key[-2].endswith(("output_projection", "contract")) and value.ndim == 2:
                assert_normal(key, value, 0.02)


@check("6.6", says="what is added to the stream has deviation 0.02 / √(2 num_layers)", weight=2)
def test_initialize_residual(student):
    for num_layers in (1, 3):
        settings = LARGE | GPT2 | {"num_layers": num_layers}
        for key, value in initialized(student, 1, **settings).items():
            if key[-2].endswith(("output_projection", "contract")) and key[-1] == "kernel":
                assert_normal(key, value, 0.02 / np.sqrt(2 * num_layers))


def assert_normal(key, value, deviation):
    """Demand numbers of a normal distribution around 0.

    The deviation of n draws is off by 1 / √(2 n) of itself, their mean by deviation / √n, the share
    within one deviation, 0.683, by 0.47 / √n: six times that is one false alarm in 10^8.
    """
    name, size = "/".join(key), np.sqrt(value.size)
    found = value.astype("f8").std()
    near = abs(found / deviation - 1) < 6 / (np.sqrt(2) * size)
    message = f"{name} has deviation {found:.4g}, it should be {deviation:.4g}"
    assert_holds(near and abs(value.mean()) < 6 * deviation / size, message)
    share = (np.abs(value) < deviation).mean()
    is_normal = abs(share - 0.6827) < 6 * 0.466 / size
    assert_holds(is_normal, f"{name} is not normal: {share:.3f} within one deviation, not 0.683")


@check("6.6", says="biases and beta are 0, gamma and scale 1")
def test_initialize_rest(student):
    for settings in MODELS.values():
        for key, value in initialized(student, 2, **settings).items():
            if value.ndim == 1:
                want = np.full(value.shape, float(key[-1] in ("gamma", "scale")))
                with naming("/".join(key)):
                    assert_close(value, want)


@check("6.6", says="the same seed gives the same; each weight has its own draws")
def test_initialize_seed(student):
    first, again, other = (initialized(student, seed, **MODELS["LLaMA"]) for seed in (3, 3, 4))
    for key, value in first.items():
        if value.ndim == 2:
            assert_close(again[key], value, atol=0)
            assert_holds((other[key] != value).any(), f"{'/'.join(key)}: seed 4 gives what 3 gave")
    kernels = [
        value for key, value in first.items() if key[-1] == "kernel" and value.shape == (8, 8)
    ]
    same = any(np.array_equal(one, kernels[0]) for one in kernels[1:])
    assert_holds(not same, "two kernels of one shape have the same numbers")


# Task 6.7: equal parameters


def without(settings, *names):
    """Settings without some."""
    return {name: value for name, value in settings.items() if name not in names}


@check("6.7", says="the closest ff_dim, for GPT-2", weight=2)
def test_width_gpt2(student, solution):
    assert_widths(student, solution, GPT2, 4)


@check("6.7", says="the closest ff_dim, for LLaMA, whatever its groups", weight=2)
def test_width_llama(student, solution):
    assert_widths(student, solution, LLAMA, 2)


@check("6.7", says="the closest ff_dim, for models between the two", weight=2)
def test_width_between(student, solution):
    for change in (
        {"norm": "rms"},
        {"positions": "rotary"},
        {"network": "swiglu"},
        {"biases": False},
        {"tied": False},
    ):
        assert_widths(student, solution, GPT2 | change, 4)


def assert_widths(student, solution, settings, num_kv_heads):
    """Demand the solution's widths."""
    sizes = without(SIZES, "ff_dim") | {"num_kv_heads": num_kv_heads}
    for num_parameters, change in (
        (3_000, {}),
        (20_011, {"vocab_size": 100, "num_layers": 3}),
        (1_900_000, {"vocab_size": 256, "d_model": 192, "context_length": 512, "num_layers": 4}),
    ):
        given = sizes | settings | change
        assert_equal(
            student.ff_dim_for(num_parameters, **given),
            solution.ff_dim_for(num_parameters, **given),
        )


@check("6.7", says="ValueError if no model is within 1 %")
def test_width_none(student):
    given = without(SIZES, "ff_dim") | GPT2
    assert_raises(ValueError, student.ff_dim_for, 500, **given)
    assert_raises(ValueError, student.ff_dim_for, 1_020, **given | {"d_model": 16})


# Task 6.8: a checkpoint's file


@check("6.8", says="arrays by name, with their shapes; __metadata__ is skipped", weight=2)
def test_file_arrays(student, rng):
    arrays = {"a": rng.normal(size=(2, 3)).astype("f4"), "b.c": rng.normal(size=4).astype("f4")}
    arrays["none"] = np.zeros((0, 2), "f4")
    arrays["one"] = np.array(2.5, "f4")
    assert_arrays_read(student, arrays, arrays)


def assert_arrays_read(student, arrays, want):
    """Demand what a file of some arrays holds."""
    got = student.build("read_file", file_of(arrays))
    if type(got) is not dict or set(got) != set(want):
        raise CheckFailed("value", f"expected arrays {sorted(want)}, got {as_text(got)}")
    for name, array in want.items():
        with naming(name):
            found = assert_array(got[name], array.shape, array.dtype.kind)
            same = found.dtype == array.dtype
            assert_holds(same, f"expected {array.dtype}, got {found.dtype}")
            if array.dtype.kind == "f":
                assert_close(found, array, atol=0)
            else:
                assert_equal(found, array)


@check("6.8", says="F64, F16 and BF16 as float32, I64, I32, U8 and BOOL as they are", weight=2)
def test_file_dtypes(student):
    numbers = np.array([[1.0, -2.5], [0.125, 1000.0]])
    bits = np.array([0x3F80, 0x4049, 0xC020, 0x0000], "u2")
    arrays = {"bfloat": bits, "double": numbers, "half": numbers.astype("f2")}
    for name in ("int64", "int32", "uint8", "bool"):
        arrays[name] = np.array([1, 0, 1, 7]).astype(name)
    want = {name: array.astype("f4") for name, array in arrays.items() if array.dtype.kind == "f"}
    want["bfloat"] = np.array([1, 3.140625, -2.5, 0], "f4")
    assert_arrays_read(student, arrays, {**arrays, **want})


@check("6.8", says="ValueError if the file is cut short or its header is not valid", weight=2)
def test_file_broken(student, rng):
    arrays = {"alpha": floats32(rng, 2, 3), "omega": floats32(rng, 4)}
    whole = file_of(arrays)
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [24, 40]}
    for what, content, name in (
        ("cut short", whole[:-1], "omega"),
        ("no JSON", np.frombuffer((4).to_bytes(8, "little") + b"{a:}", "u1"), ""),
        ("an unknown dtype", file_of(arrays, omega=entry | {"dtype": "F4"}), "omega"),
        ("another shape", file_of(arrays, omega=entry | {"shape": [5]}), "omega"),
    ):
        with naming(what):
            message = assert_raises(ValueError, student.build, "read_file", content)
            assert_holds(name in message, f"the message should name {name}: {message}")


def floats32(rng, *shape):
    """Draw an array of float32."""
    return rng.normal(size=shape).astype("f4")


# Task 6.9: other people's weights


def loaded(code, settings, arrays):
    """Load arrays into a new model; its weights."""
    made = network(code, **settings)
    answer = code.load_checkpoint(made, arrays)
    if answer is not None:
        raise CheckFailed("type", f"expected None, got {as_text(answer)}")
    return made


def assert_loaded(student, solution, settings, arrays):
    """Demand the solution's weights after loading."""
    got, want = (by_layer(loaded(code, settings, arrays), LAYER) for code in (student, solution))
    for key, value in want.items():
        with naming("/".join(key)):
            assert_close(got.get(key), value, atol=0)


@check("6.9", says="a GPT-2's weights, each in its place", weight=3)
def test_load_gpt2(student, solution, rng):
    for prefix in ("", "transformer."):
        settings = MODELS["GPT-2"]
        assert_loaded(student, solution, settings, gpt2(rng, settings, prefix))


@check("6.9", says="a LLaMA's weights, transposed", weight=3)
def test_load_llama(student, solution, rng):
    for change in ({}, {"num_kv_heads": 1}, {"tied": True}):
        settings = MODELS["LLaMA"] | change
        assert_loaded(student, solution, settings, llama(rng, settings))


@check(
    "6.9",
    says="ValueError with the name if one is missing, extra, or of a wrong shape",
    weight=2,
)
def test_load_refused(student, rng):
    for settings, make, name in (
        (MODELS["GPT-2"], gpt2, "h.1.mlp.c_fc.weight"),
        (MODELS["LLaMA"], llama, "model.layers.1.self_attn.k_proj.weight"),
    ):
        arrays = make(rng, settings)
        made = network(student, **settings)
        before = by_layer(made, LAYER)
        wrong = {
            "missing": without(arrays, name),
            "left over": arrays | {name.replace(".1.", ".2."): arrays[name]},
            "of another shape": arrays | {name: arrays[name][:, :-1]},
        }
        for what, given in wrong.items():
            said = name.replace(".1.", ".2.") if what == "left over" else name
            with naming(f"{said} {what}"):
                message = assert_raises(ValueError, student.load_checkpoint, made, given)
                assert_holds(said in message, f"the message should name it: {message}")
        for key, value in by_layer(made, LAYER).items():
            with naming(f"after an error, {'/'.join(key)}"):
                assert_close(value, before[key], atol=0)
