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
)
from grading.checks.networks import by_layer
from grading.lab6.checkpoints import file_of, gpt2, llama
from grading.lab6.hidden.oracles import num_parameters
from grading.lab6.networks import GPT2, LAYER, LLAMA, SIZES, network
from grading.sandbox.failures import as_text

# Task 6.6: how a model begins


@check("6.6", says="deviations, zeros and ones, for any sizes", weight=2, hidden=True)
def test_initialize_random(student, rng):
    num_layers, ff_dim = int(rng.integers(2, 5)), 32 * int(rng.integers(3, 6))
    kinds = {**[GPT2, LLAMA][int(rng.integers(2))], "network": "swiglu", "biases": True}
    sizes = {"num_layers": num_layers, "ff_dim": ff_dim, "d_model": 32}
    made = network(student, **SIZES | kinds | sizes)
    student.initialize(made, int(rng.integers(1000)))
    for key, value in by_layer(made, LAYER).items():
        if value.ndim == 1:
            assert_close(value, np.full(value.shape, float(key[-1] in ("gamma", "scale"))))
        else:
            added = key[-2].endswith(("output_projection", "contract"))
            want = 0.02 / np.sqrt(2 * num_layers if added else 1)
            # the deviation of n draws is off by 1 / √(2 n) of itself
            near = abs(value.astype("f8").std() / want - 1) < 6 / np.sqrt(2 * value.size)
            assert_holds(near, f"another deviation of {'/'.join(key)}")


# Task 6.7: equal parameters


@check("6.7", says="the closest ff_dim, for any sizes and kinds", weight=2, hidden=True)
def test_width_random(student, rng):
    for name in (None, *GPT2):
        for kinds in (GPT2, LLAMA):
            kinds = kinds if name is None else kinds | {name: (GPT2, LLAMA)[kinds is GPT2][name]}
            group, groups, half = (int(n) for n in rng.integers(2, 4, 3))
            sizes = {"num_heads": group * groups, "num_kv_heads": groups}
            sizes["d_model"] = 4 * half * group * groups
            sizes["vocab_size"], sizes["context_length"] = (int(n) for n in rng.integers(9, 99, 2))
            sizes["num_layers"] = int(rng.integers(1, 5))
            ff_dim = 8 * sizes["d_model"] + int(rng.integers(9))
            counts = [num_parameters(sizes | kinds | {"ff_dim": f}) for f in (ff_dim, ff_dim + 1)]
            # a third of the way from one to the next, or two thirds
            third = (counts[1] - counts[0]) // 3
            assert_equal(student.ff_dim_for(counts[0] + third, **sizes, **kinds), ff_dim)
            assert_equal(student.ff_dim_for(counts[1] - third, **sizes, **kinds), ff_dim + 1)


@check("6.7", says="ValueError beyond 1 %, and not before", hidden=True)
def test_width_refused(student, rng):
    sizes = {name: size for name, size in SIZES.items() if name != "ff_dim"}
    for kinds in (GPT2 | {"positions": "rotary"}, LLAMA):
        given = sizes | kinds | {"num_layers": int(rng.integers(2, 5))}
        smallest = num_parameters(given | {"ff_dim": 1})
        assert_equal(student.ff_dim_for(round(smallest / 1.009), **given), 1)
        assert_raises(ValueError, student.ff_dim_for, round(smallest / 1.02), **given)


# Task 6.8: a checkpoint's file


@check("6.8", says="arrays of any dtype and shape, in any order", weight=2, hidden=True)
def test_file_random(student, rng):
    kinds = ["float32", "float16", "float64", "int64", "int32", "uint8", "bool", "uint16"]
    arrays, want = {}, {}
    for number in rng.permutation(len(kinds)).tolist():
        shape = tuple(rng.integers(1, 4, int(rng.integers(0, 4))).tolist())
        numbers = 9 * rng.normal(size=shape)
        array = np.asarray(abs(numbers) if number > 4 else numbers).astype(kinds[number])
        name = f"layer.{number}"
        if kinds[number] == "uint16":
            array = np.asarray(numbers, "f4").view("u4").astype("u4") >> 16
            want[name] = (array.astype("u4") << 16).view("f4")
            array = array.astype("u2")
        else:
            want[name] = array.astype("f4") if array.dtype.kind == "f" else array
        arrays[name] = array
    got = student.build("read_file", file_of(arrays))
    if type(got) is not dict or set(got) != set(want):
        raise CheckFailed("value", f"other names: {as_text(got)}")
    for name, array in want.items():
        found = assert_array(got[name], array.shape, array.dtype.kind)
        same = found.dtype == array.dtype and np.array_equal(found, array)
        assert_holds(same, f"another array of {arrays[name].dtype}")


@check("6.8", says="ValueError for a file that is cut short, wherever", hidden=True)
def test_file_short(student, rng):
    whole = file_of({"a": rng.normal(size=(2, 3)), "b": rng.normal(size=4)})
    start = 8 + int.from_bytes(whole[:8].tobytes(), "little")
    for last in (0, 5, int(rng.integers(9, start)), int(rng.integers(start, len(whole)))):
        assert_raises(ValueError, student.build, "read_file", whole[:last])


# Task 6.9: other people's weights


@check("6.9", says="published names, for any sizes", weight=2, hidden=True)
def test_load_random(student, rng):
    for kinds, make in ((GPT2, gpt2), (LLAMA, llama)):
        heads = 2 * int(rng.integers(1, 3))
        sizes = {"num_heads": heads, "num_kv_heads": heads if make is gpt2 else 2}
        sizes |= {"d_model": 2 * heads * int(rng.integers(1, 3)), "vocab_size": 7}
        sizes["num_layers"] = int(rng.integers(1, 4))
        settings = SIZES | kinds | sizes | {"ff_dim": sizes["d_model"]}  # all kernels square
        made, arrays = network(student, **settings), make(rng, settings)
        student.load_checkpoint(made, arrays)
        weights, d = by_layer(made, LAYER), settings["d_model"]
        assert_close(weights["embedding", "embeddings"], next(iter(arrays.values())), atol=0)
        for i in range(settings["num_layers"]):
            block = (f"block_{i}", f"block_{i}_attention", f"block_{i}_attention_value", "kernel")
            network_ = (f"block_{i}", f"block_{i}_network", f"block_{i}_network_contract", "kernel")
            if make is gpt2:
                values = arrays[f"h.{i}.attn.c_attn.weight"][:, 2 * d :]
                contract = arrays[f"h.{i}.mlp.c_proj.weight"]
            else:
                values = arrays[f"model.layers.{i}.self_attn.v_proj.weight"].T
                contract = arrays[f"model.layers.{i}.mlp.down_proj.weight"].T
            assert_close(weights.get(block), values, atol=0)
            assert_close(weights.get(network_), contract, atol=0)


@check("6.9", says="ValueError, and nothing changed, whatever does not fit", hidden=True)
def test_load_random_refused(student, rng):
    for kinds, make in ((GPT2, gpt2), (LLAMA, llama)):
        settings = SIZES | kinds
        made, arrays = network(student, **settings), make(rng, settings)
        before = by_layer(made, LAYER)
        names = [n for n in arrays if not n.endswith((".attn.bias", "masked_bias", "inv_freq"))]
        name = names[int(rng.integers(len(names)))]
        less = {other: array for other, array in arrays.items() if other != name}
        for given in (less, arrays | {"h.9.odd": arrays[name]}, arrays | {name: arrays[name][1:]}):
            assert_raises(ValueError, student.load_checkpoint, made, given)
        for key, value in by_layer(made, LAYER).items():
            assert_close(value, before[key], atol=0)
