"""Checkpoints as they are published, with random weights; NumPy only."""

import json
from typing import Any

import numpy as np

from grading.checks.networks import floats

DTYPES = {"float32": "F32", "float64": "F64", "float16": "F16", "uint16": "BF16", "bool": "BOOL"}
DTYPES |= {"int64": "I64", "int32": "I32", "uint8": "U8"}


def file_of(arrays: dict[str, np.ndarray], **header: Any) -> np.ndarray:
    """Give the bytes of a safetensors file; a uint16 array is a BF16's bits.

    header: entries in the place of the arrays' own, or beside them.
    """
    table: dict[str, Any] = {"__metadata__": {"format": "np"}}
    data = b""
    for name, array in arrays.items():
        raw = array.tobytes()
        offsets = [len(data), len(data) + len(raw)]
        table[name] = {"dtype": DTYPES[array.dtype.name], "shape": [*array.shape]}
        table[name]["data_offsets"] = offsets
        data += raw
    text = json.dumps(table | header).encode()
    whole = len(text).to_bytes(8, "little") + text + data
    return np.frombuffer(whole, "u1")


def gpt2(rng: np.random.Generator, settings: dict[str, Any], prefix: str = "") -> dict:
    """Draw a GPT-2's arrays under their published names, the causal masks among them."""
    d, f, length = settings["d_model"], settings["ff_dim"], settings["context_length"]
    arrays = {"wte.weight": floats(rng, settings["vocab_size"], d)}
    arrays["wpe.weight"] = floats(rng, length, d)
    for i in range(settings["num_layers"]):
        layer = {
            "ln_1": (d,),
            "attn.c_attn": (d, 3 * d),
            "attn.c_proj": (d, d),
            "ln_2": (d,),
            "mlp.c_fc": (d, f),
            "mlp.c_proj": (f, d),
        }
        for name, shape in layer.items():
            arrays[f"h.{i}.{name}.weight"] = floats(rng, *shape)
            arrays[f"h.{i}.{name}.bias"] = floats(rng, shape[-1])
        arrays[f"h.{i}.attn.bias"] = np.tri(length, dtype="f4")[None, None]
        arrays[f"h.{i}.attn.masked_bias"] = np.array(-1e4, "f4")
    arrays |= {f"ln_f.{kind}": floats(rng, d) for kind in ("weight", "bias")}
    return {prefix + name: array for name, array in arrays.items()}


def llama(rng: np.random.Generator, settings: dict[str, Any]) -> dict:
    """Draw a LLaMA's arrays under their published names, and what is no weight."""
    d, f, vocab_size = settings["d_model"], settings["ff_dim"], settings["vocab_size"]
    shared = d * settings["num_kv_heads"] // settings["num_heads"]
    arrays = {"model.embed_tokens.weight": floats(rng, vocab_size, d)}
    for i in range(settings["num_layers"]):
        layer = {
            "input_layernorm": (d,),
            "self_attn.q_proj": (d, d),
            "self_attn.k_proj": (shared, d),
            "self_attn.v_proj": (shared, d),
            "self_attn.o_proj": (d, d),
            "post_attention_layernorm": (d,),
            "mlp.gate_proj": (f, d),
            "mlp.up_proj": (f, d),
            "mlp.down_proj": (d, f),
        }
        for name, shape in layer.items():
            arrays[f"model.layers.{i}.{name}.weight"] = floats(rng, *shape)
        arrays[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = floats(rng, 2)
    arrays["model.norm.weight"] = floats(rng, d)
    return arrays | {"lm_head.weight": floats(rng, vocab_size, d)}
