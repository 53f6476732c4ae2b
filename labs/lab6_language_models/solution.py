# %% [markdown]
# # Lab 6: GPT-2 and LLaMA
#
# FRAME

# %%
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

PAD, START, END = range(3)
ROTARY_BASE = 10_000
POSITIONS_A_BAR = 16
# what makes a LanguageModel one or the other, beside its sizes
GPT2 = {"norm": "layer", "positions": "learned", "network": "gelu", "biases": True, "tied": True}
LLAMA = {"norm": "rms", "positions": "rotary", "network": "swiglu", "biases": False, "tied": False}

# %% [markdown]
# ## 6.1 Rotary positions


# %%
def rotate(x, offset=0):
    """Turn pairs of features by angles that grow with the position.

    At position p, pair i of head_dim / 2 is the features i and i + head_dim / 2; it is turned by
    the angle p · θ_i with θ_i = ROTARY_BASE^(-2 i / head_dim):

    x_i ← x_i cos(p θ_i) - x_j sin(p θ_i), x_j ← x_j cos(p θ_i) + x_i sin(p θ_i), j = i + head_dim/2

    Parameters
    ----------
    x : float (batch, length, heads, head_dim), head_dim even
    offset : int, or int scalar tensor
        The position of x[:, 0]; that of x[:, t] is offset + t.

    Returns
    -------
    float (batch, length, heads, head_dim)
        Computed in float32, in x's dtype.

    Source: Su et al. (2021), section 3.4.2; the pairs are those of Hugging Face's `LlamaModel`.
    """
    # BEGIN SOLUTION
    half = x.shape[-1] // 2
    frequencies = (ROTARY_BASE ** (-np.arange(half) / half)).astype("float32")
    positions = ops.cast(offset + ops.arange(x.shape[1]), "float32")
    angles = positions[:, None, None] * frequencies  # (length, 1, half)
    cos, sin = ops.cos(angles), ops.sin(angles)
    first, second = (ops.cast(part, "float32") for part in (x[..., :half], x[..., half:]))
    turned = [first * cos - second * sin, second * cos + first * sin]
    return ops.cast(ops.concatenate(turned, axis=-1), x.dtype)
    # END SOLUTION


# %% [markdown]
# ## 6.2 Two networks


# %%
class FeedForward(layers.Layer):
    """Transform each position by itself: GPT-2's network of two layers, or LLaMA's gated one.

    "gelu": y = contract(gelu(expand(x))), gelu by its tanh formula (`approximate=True`).
    "swiglu": y = contract(silu(gate(x)) ⊙ expand(x)), silu(z) = z · sigmoid(z).

    Parameters
    ----------
    d_model, ff_dim : int
    network : "gelu" or "swiglu"
    biases : bool
        Whether the layers have biases.

    Call
    ----
    x : (batch, length, d_model)

    Returns
    -------
    (batch, length, d_model)

    Weights
    -------
    Of the layers `expand` and, in a gated network, `gate`: kernel (d_model, ff_dim), bias
    (ff_dim,); of `contract`: kernel (ff_dim, d_model), bias (d_model,).

    Source: Radford et al. (2019), section 2.3; Shazeer (2020), equation 6.
    """

    def __init__(
        self, d_model: int, ff_dim: int, network: str = "gelu", biases: bool = True, **kwargs
    ):
        super().__init__(**kwargs)
        self.d_model, self.ff_dim = d_model, ff_dim
        self.expand = layers.Dense(ff_dim, use_bias=biases, name=f"{self.name}_expand")
        self.gate = None
        if network == "swiglu":
            self.gate = layers.Dense(ff_dim, use_bias=biases, name=f"{self.name}_gate")
        self.contract = layers.Dense(d_model, use_bias=biases, name=f"{self.name}_contract")

    def build(self, input_shape):
        for layer in (self.expand, self.gate):
            if layer is not None:
                layer.build((None, None, self.d_model))
        self.contract.build((None, None, self.ff_dim))

    def call(self, x):
        # BEGIN SOLUTION
        if self.gate is None:
            return self.contract(ops.gelu(self.expand(x), approximate=True))
        return self.contract(ops.silu(self.gate(x)) * self.expand(x))
        # END SOLUTION


# %% [markdown]
# ## 6.3 Attention in groups


# %%
class GroupedAttention(layers.Layer):
    """Causal self-attention whose query heads share keys and values in groups.

    There are `num_heads` queries and `num_kv_heads` keys and values a position, each of head_dim =
    d_model / num_heads numbers. Query head h looks at key and value head h // (num_heads /
    num_kv_heads). For each: A = softmax(Q Kᵀ / √head_dim), output = A V; the heads' outputs, side
    by side, go through `output_projection`. With as many of one as of the other this is GPT-2's
    attention.

    With `rotary`, queries and keys are turned by `rotate` before they meet; the values are not. A
    position attends to itself and to all before it; elsewhere the weight is 0: the score, in
    float32, is lowered by 1e9 before the softmax, which is taken in float32 too.

    Parameters
    ----------
    d_model, num_heads, num_kv_heads : int
    rotary, biases : bool

    Call
    ----
    x : (batch, length, d_model)

    Returns
    -------
    (batch, length, d_model)

    Weights
    -------
    Of the layers `query`: kernel (d_model, d_model), its columns head by head; `key`, `value`:
    kernel (d_model, num_kv_heads × head_dim), likewise; `output_projection`: kernel (d_model,
    d_model). With `biases`, each has a bias as long as its output.

    Keras's own attention is not allowed, neither its layers nor `ops.dot_product_attention`: the
    task is to write it out.

    Raises
    ------
    ValueError
        If `num_heads` does not divide `d_model`, or `num_kv_heads` not `num_heads`.

    Source: Ainslie et al. (2023), section 2.2; Vaswani et al. (2017), section 3.2.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        rotary: bool = False,
        biases: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for number, of, whole in (
            (num_heads, "d_model", d_model),
            (num_kv_heads, "num_heads", num_heads),
        ):
            if number < 1 or whole % number:
                raise ValueError(f"{whole} ({of}) cannot be divided into {number} heads")
        self.d_model, self.num_heads, self.num_kv_heads = d_model, num_heads, num_kv_heads
        self.head_dim, self.rotary = d_model // num_heads, rotary
        shared = num_kv_heads * self.head_dim
        self.query, self.key, self.value, self.output_projection = (
            layers.Dense(size, use_bias=biases, name=f"{self.name}_{part}")
            for part, size in (
                ("query", d_model),
                ("key", shared),
                ("value", shared),
                ("output_projection", d_model),
            )
        )

    def build(self, input_shape):
        for projection in (self.query, self.key, self.value, self.output_projection):
            projection.build((None, None, self.d_model))

    def call(self, x):
        return self.read(x)[0]

    def read(self, x):
        """Attend, and hand out what later positions will need of these.

        Returns
        -------
        output (batch, length, d_model), and keys, values: (batch, num_kv_heads, length, head_dim);
        the keys as queries meet them, turned if `rotary`. x[:, 0] is at position 0.
        """
        # BEGIN SOLUTION
        length, group = x.shape[1], self.num_heads // self.num_kv_heads
        queries = ops.reshape(self.query(x), (-1, length, self.num_heads, self.head_dim))
        shape = (-1, length, self.num_kv_heads, self.head_dim)
        keys, values = ops.reshape(self.key(x), shape), ops.reshape(self.value(x), shape)
        if self.rotary:
            queries, keys = rotate(queries), rotate(keys)
        queries = queries * ops.cast(self.head_dim**-0.5, queries.dtype)
        queries = ops.reshape(queries, (-1, length, self.num_kv_heads, group, self.head_dim))
        scores = ops.cast(ops.einsum("btkgd,bskd->bkgts", queries, keys), "float32")
        later = np.triu(np.full((length, length), -1e9, "float32"), 1)
        weights = ops.cast(ops.softmax(scores + later, axis=-1), values.dtype)
        mixed = ops.einsum("bkgts,bskd->btkgd", weights, values)
        output = self.output_projection(ops.reshape(mixed, (-1, length, self.d_model)))
        return output, *(ops.transpose(part, (0, 2, 1, 3)) for part in (keys, values))
        # END SOLUTION

    def step(self, x, slot, old_keys, old_values, new_keys, new_values):
        """Do for one position what the call does for all, from the cache of Lab 4.

        The old part holds all positions before slot 0 of the new part, from position 0 on; so x is
        at position old + slot. Slots after `slot` hold nothing yet and are not looked at.

        Parameters
        ----------
        x : (batch, 1, d_model)
        slot : int scalar, the slot of the new part that x is written to
        old_keys, old_values : (batch, num_kv_heads, old, head_dim)
        new_keys, new_values : (batch, num_kv_heads, new, head_dim)

        Returns
        -------
        output (batch, 1, d_model), and new_keys, new_values with this position written in.
        """
        # BEGIN SOLUTION
        old, new = old_keys.shape[2], new_keys.shape[2]
        query = ops.reshape(self.query(x), (-1, 1, self.num_heads, self.head_dim))
        shape = (-1, 1, self.num_kv_heads, self.head_dim)
        key, value = ops.reshape(self.key(x), shape), ops.reshape(self.value(x), shape)
        if self.rotary:
            query, key = rotate(query, old + slot), rotate(key, old + slot)
        new_keys, new_values = (
            ops.slice_update(part, [0, 0, slot, 0], ops.transpose(row, (0, 2, 1, 3)))
            for part, row in ((new_keys, key), (new_values, value))
        )
        query = query * ops.cast(self.head_dim**-0.5, query.dtype)
        group = self.num_heads // self.num_kv_heads
        query = ops.reshape(query, (-1, self.num_kv_heads, group, self.head_dim))
        scores = [ops.einsum("bkgd,bksd->bkgs", query, keys) for keys in (old_keys, new_keys)]
        scores = ops.cast(ops.concatenate(scores, axis=-1), "float32")
        later = ops.arange(old + new) > old + slot
        weights = ops.softmax(ops.where(later, scores - 1e9, scores), axis=-1)
        weights = ops.cast(weights, x.dtype)
        mixed = ops.matmul(weights[..., :old], old_values)
        mixed = mixed + ops.matmul(weights[..., old:], new_values)
        output = self.output_projection(ops.reshape(mixed, (-1, 1, self.d_model)))
        return output, new_keys, new_values
        # END SOLUTION


# %% [markdown]
# ## 6.4 Two blocks


# %%
def make_norm(kind: str, name: str) -> layers.Layer:
    """Make GPT-2's norm, "layer", or LLaMA's, "rms"; Lab 4 wrote the second out."""
    if kind == "layer":
        return layers.LayerNormalization(epsilon=1e-5, name=name)
    return layers.RMSNormalization(epsilon=1e-6, name=name)


class Block(layers.Layer):
    """Look back, then transform each position by itself: GPT-2's block, or LLaMA's.

    x ← x + dropout(attention(norm_1(x)))
    x ← x + dropout(network(norm_2(x)))

    Dropout acts in training only.

    Parameters
    ----------
    d_model, num_heads, num_kv_heads, ff_dim : int
        As in the layers.
    norm : "layer" or "rms"
    positions : "learned" or "rotary"
        With "rotary" the attention turns queries and keys.
    network : "gelu" or "swiglu"
    biases : bool
        Of attention and network.
    dropout : float

    Call
    ----
    x : (batch, length, d_model)

    Source: Radford et al. (2019), section 2.3; Touvron et al. (2023), section 2.2.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        ff_dim: int,
        norm: str = "layer",
        positions: str = "learned",
        network: str = "gelu",
        biases: bool = True,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model = d_model
        self.norm_1, self.norm_2 = (make_norm(norm, f"{self.name}_norm_{i}") for i in (1, 2))
        self.attention = GroupedAttention(
            d_model,
            num_heads,
            num_kv_heads,
            positions == "rotary",
            biases,
            name=f"{self.name}_attention",
        )
        self.network = FeedForward(d_model, ff_dim, network, biases, name=f"{self.name}_network")
        self.dropout = layers.Dropout(dropout, name=f"{self.name}_dropout")

    def build(self, input_shape):
        for layer in (self.norm_1, self.attention, self.norm_2, self.network):
            layer.build((None, None, self.d_model))

    def call(self, x):
        return self.read(x)[0]

    def read(self, x):
        """Return the result, and the attention's keys and values, as `GroupedAttention.read`."""
        # BEGIN SOLUTION
        heard, keys, values = self.attention.read(self.norm_1(x))
        x = x + self.dropout(heard)
        return x + self.dropout(self.network(self.norm_2(x))), keys, values
        # END SOLUTION

    def step(self, x, slot, *cache):
        """Do for one position what the call does for all; as `GroupedAttention.step`.

        Returns x (batch, 1, d_model), and the new parts of the keys and of the values.
        """
        # BEGIN SOLUTION
        heard, keys, values = self.attention.step(self.norm_1(x), slot, *cache)
        x = x + heard
        return x + self.network(self.norm_2(x)), keys, values
        # END SOLUTION


# %% [markdown]
# ## 6.5 Two language models


# %%
class LanguageModel(keras.Model):
    """Score what may come next, after each token: GPT-2, LLaMA, or one between them.

    ids → embedding (+ the embedding of the position, if positions are "learned") → dropout →
    `num_layers` × `Block` → norm → the embedding in reverse. Logits are float32 whatever the
    precision. `LanguageModel(…, **GPT2)` is GPT-2, `LanguageModel(…, **LLAMA)` LLaMA.

    Parameters
    ----------
    vocab_size, d_model, num_heads, num_kv_heads, ff_dim, num_layers : int
    context_length : int
        Positions there are: no piece may be longer, its primer included.
    norm, positions, network, biases, dropout
        As in `Block`; the last norm is of the same kind.
    tied : bool
        Whether the output uses the embedding's weights.

    Call
    ----
    ids : int (batch, length), `PAD` to the right
        No mask is needed: attention looks back, and `PAD` stands after all that counts.
    training : bool or None, handed on to the layers: `fit` tells it to the model alone

    Returns
    -------
    float32 (batch, length, vocab_size)

    Raises
    ------
    ValueError
        If there are more ids, or in a step more places in the cache, than `context_length`.

    Source: Radford et al. (2019), section 2.3; Touvron et al. (2023), section 2.2.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        ff_dim: int,
        num_layers: int,
        context_length: int,
        norm: str = "layer",
        positions: str = "learned",
        network: str = "gelu",
        biases: bool = True,
        tied: bool = True,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.d_model, self.context_length = d_model, context_length
        self.window = context_length  # what Lab 4's `generate` calls it
        self.embedding = layers.ReversibleEmbedding(
            vocab_size, d_model, tie_weights=tied, reverse_dtype="float32", name="embedding"
        )
        self.positions = None
        if positions == "learned":
            self.positions = layers.Embedding(context_length, d_model, name="positions")
        self.dropout = layers.Dropout(dropout, name="dropout")
        sizes = (d_model, num_heads, num_kv_heads, ff_dim)
        self.blocks = [
            Block(*sizes, norm, positions, network, biases, dropout, name=f"block_{i}")
            for i in range(num_layers)
        ]
        self.norm = make_norm(norm, "norm")

    def build(self, input_shape):
        self.embedding.build(input_shape)
        if self.positions is not None:
            self.positions.build(input_shape)
        for layer in (*self.blocks, self.norm):
            layer.build((None, None, self.d_model))

    def demand_room(self, length: int) -> None:
        """Demand that so many positions fit."""
        if length > self.context_length:
            raise ValueError(
                f"{length} positions, but context_length is {self.context_length}: give fewer "
                "tokens, or make the model longer"
            )

    def embed(self, ids, offset=0):
        """Embed ids (batch, length) of which the first is at position `offset`.

        Returns (batch, length, d_model).
        """
        # BEGIN SOLUTION
        hidden = self.embedding(ids)
        if self.positions is not None:
            hidden = hidden + self.positions(offset + ops.arange(ids.shape[1]))
        return hidden
        # END SOLUTION

    def score(self, hidden):
        """Make logits, float32 (…, vocab_size), of what the last block returns."""
        # BEGIN SOLUTION
        return ops.cast(self.embedding(self.norm(hidden), reverse=True), "float32")
        # END SOLUTION

    def call(self, ids, training=None):
        self.demand_room(ids.shape[1])
        # BEGIN SOLUTION
        hidden = self.dropout(self.embed(ids), training=training)
        for block in self.blocks:
            hidden = block(hidden, training=training)
        return self.score(hidden)
        # END SOLUTION

    def read(self, ids):
        """Read a primer: keys and values of each block in turn.

        ids: (batch, length). Returns a list of 2 × `num_layers` tensors (batch, num_kv_heads,
        length, head_dim), the first block's keys, its values, the second's keys, ….
        """
        self.demand_room(ids.shape[1])
        # BEGIN SOLUTION
        hidden, kept = self.embed(ids), []
        for block in self.blocks:
            hidden, keys, values = block.read(hidden)
            kept += [keys, values]
        return kept
        # END SOLUTION

    def step(self, ids, slot, old, new):
        """Score what may come after one more token: the call's logits, without its work.

        Parameters
        ----------
        ids : int (batch, 1)
        slot : int scalar, where in the new part the token goes
        old, new : lists as `read` returns them; the two parts of the cache, as in
            `GroupedAttention.step`

        Returns
        -------
        logits float32 (batch, vocab_size), and `new` with this token written in.
        """
        self.demand_room(old[0].shape[2] + new[0].shape[2])
        # BEGIN SOLUTION
        hidden, written = self.embed(ids, old[0].shape[2] + slot), []
        for i, block in enumerate(self.blocks):
            own = slice(2 * i, 2 * i + 2)
            hidden, keys, values = block.step(hidden, slot, *old[own], *new[own])
            written += [keys, values]
        return self.score(hidden)[:, 0], written
        # END SOLUTION


# %% [markdown]
# ## 6.6 How a model begins


# %%
def initialize(model: LanguageModel, seed: int) -> None:
    """Draw a built model's weights as GPT-2's are drawn.

    Every kernel and embedding is normal with mean 0 and deviation 0.02, but for the kernels whose
    results are added to x, `output_projection` and `contract`: theirs is 0.02 / √N, N = 2 ×
    `num_layers`, the additions there are. Biases and a norm's `beta` are 0, a norm's `gamma` and
    `scale` 1.

    Parameters
    ----------
    model : LanguageModel
        It is changed.
    seed : int
        The same one gives the same weights; each weight has draws of its own.

    Source: Radford et al. (2019), section 2.3; Radford et al. (2018), section 4.1, for 0.02.
    """
    # BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        *_, layer, kind = weight.path.split("/")
        deviation = 0.02
        if layer.endswith(("output_projection", "contract")):
            deviation /= math.sqrt(2 * len(model.blocks))
        if kind in ("bias", "beta"):
            weight.assign(np.zeros(weight.shape))
        elif kind in ("gamma", "scale"):
            weight.assign(np.ones(weight.shape))
        else:
            weight.assign(rng.normal(0, deviation, weight.shape))
    # END SOLUTION


# %% [markdown]
# ## 6.7 Equal parameters


# %%
def ff_dim_for(
    num_parameters: int,
    vocab_size: int,
    d_model: int,
    num_heads: int,
    num_kv_heads: int,
    num_layers: int,
    context_length: int,
    norm: str = "layer",
    positions: str = "learned",
    network: str = "gelu",
    biases: bool = True,
    tied: bool = True,
) -> int:
    """Find the `ff_dim` whose `LanguageModel` comes closest to a number of parameters.

    Parameters
    ----------
    num_parameters : int
        Weights in all, embeddings too.
    vocab_size, …, tied
        As in `LanguageModel`.

    Returns
    -------
    int, at least 1. Of two that are equally close, either.

    Raises
    ------
    ValueError
        If the closest model is further than 1 % from `num_parameters`.
    """
    # BEGIN SOLUTION
    shared = num_kv_heads * d_model // num_heads
    attention = 2 * d_model * (d_model + shared) + biases * (2 * d_model + 2 * shared)
    norms = (2 if norm == "layer" else 1) * d_model
    fixed = (2 - tied) * vocab_size * d_model + norms
    fixed += context_length * d_model * (positions == "learned")
    fixed += num_layers * (attention + 2 * norms + biases * d_model)
    width = num_layers * ((2 if network == "gelu" else 3) * d_model + biases)
    width += num_layers * biases * (network == "swiglu")
    ff_dim = max(1, round((num_parameters - fixed) / width))
    found = fixed + ff_dim * width
    if abs(found - num_parameters) > 0.01 * num_parameters:
        raise ValueError(
            f"with d_model {d_model} and {num_layers} layers, the closest to {num_parameters} "
            f"parameters is {found}, more than 1 % away: change d_model or num_layers"
        )
    return ff_dim
    # END SOLUTION


# %% [markdown]
# ## 6.8 A checkpoint's file


# %%
def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read a file of named arrays, as checkpoints are published.

    The file is: 8 bytes, the header's length as an unsigned integer, little-endian; the header,
    JSON: name → {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, and perhaps
    "__metadata__", which is skipped; then the data, little-endian, row by row. Offsets count from
    the header's end.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to array
        F64, F32, F16 and BF16 as float32; I64, I32, U8 and BOOL as int64, int32, uint8 and bool. A
        BF16 is the upper two bytes of a float32.

    Raises
    ------
    ValueError
        If the file is cut short, its header is not JSON, a dtype is none of these, or the offsets
        do not fit shape and dtype or the data. The message says which, and names the array.

    Source: the safetensors format, README of huggingface/safetensors.
    """
    # BEGIN SOLUTION
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
    kinds |= {"I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
    content = Path(path).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:start])
    except ValueError:
        raise ValueError(f"{path} is no safetensors file: its header is not JSON") from None
    arrays = {}
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        if facts["dtype"] not in kinds:
            raise ValueError(f"{path}: {name} has dtype {facts['dtype']}, not one of {[*kinds]}")
        kind, (begin, end) = np.dtype(kinds[facts["dtype"]]), facts["data_offsets"]
        data = content[start + begin : start + end]
        if not len(data) == end - begin == math.prod(facts["shape"]) * kind.itemsize:
            raise ValueError(
                f"{path}: {name} of shape {facts['shape']} and dtype {facts['dtype']} does not fit "
                f"its {len(data)} bytes: is the file cut short?"
            )
        array = np.frombuffer(data, kind).reshape(facts["shape"])
        if facts["dtype"] == "BF16":
            array = (array.astype("<u4") << 16).view("<f4")
        arrays[name] = array.astype("f4") if array.dtype.kind == "f" else array
    return arrays
    # END SOLUTION


# %% [markdown]
# ## 6.9 Other people's weights


# %%
def checkpoint_names(model: LanguageModel, is_gpt2: bool) -> dict[str, list[Any]]:
    """Say under which name a published GPT-2 or LLaMA keeps each of a built model's weights.

    Returns
    -------
    dict of str to list of weights, which stand side by side under that name
    """
    names: dict[str, list[Any]] = {}

    def put(name: str, *parts: layers.Layer) -> None:
        """Name layers' kernels or scales "weight"; the biases, if they have any, "bias"."""
        for kind, number in (("weight", 0), ("bias", 1)):
            if number < len(parts[0].weights):
                names[f"{name}.{kind}"] = [part.weights[number] for part in parts]

    names["wte.weight" if is_gpt2 else "model.embed_tokens.weight"] = [model.embedding.embeddings]
    if not model.embedding.tie_weights:
        names["lm_head.weight"] = [model.embedding.reverse_embeddings]
    if model.positions is not None:
        put("wpe", model.positions)
    for i, block in enumerate(model.blocks):
        attention, network = block.attention, block.network
        heads = {"q_proj": attention.query, "k_proj": attention.key, "v_proj": attention.value}
        ends = {"o_proj": attention.output_projection}
        if is_gpt2:
            put(f"h.{i}.ln_1", block.norm_1)
            put(f"h.{i}.attn.c_attn", *heads.values())
            put(f"h.{i}.attn.c_proj", attention.output_projection)
            put(f"h.{i}.ln_2", block.norm_2)
            put(f"h.{i}.mlp.c_fc", network.expand)
            put(f"h.{i}.mlp.c_proj", network.contract)
        else:
            put(f"model.layers.{i}.input_layernorm", block.norm_1)
            for name, part in (heads | ends).items():
                put(f"model.layers.{i}.self_attn.{name}", part)
            put(f"model.layers.{i}.post_attention_layernorm", block.norm_2)
            put(f"model.layers.{i}.mlp.up_proj", network.expand)
            put(f"model.layers.{i}.mlp.down_proj", network.contract)
        if network.gate is not None:
            put(f"model.layers.{i}.mlp.gate_proj", network.gate)
    put("ln_f" if is_gpt2 else "model.norm", model.norm)
    return names


def load_checkpoint(model: LanguageModel, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a built model the weights of a published GPT-2 or LLaMA.

    `checkpoint_names` says under which name each weight stands. Names of a GPT-2 may begin with
    "transformer.", which counts for nothing. Arrays have the shapes of our weights, with three
    exceptions: h.i.attn.c_attn holds the kernels (or biases) of query, key and value side by side
    on the last axis; in a LLaMA the kernels of attention and network, whose names end with
    "_proj.weight", are transposed, (outputs, inputs); and so is lm_head.weight in both,
    (vocab_size, d_model).

    Parameters
    ----------
    model : LanguageModel
        It is changed; after an error it is as it was.
    tensors : mapping of str to float array
        As `read_safetensors` returns them. It is a GPT-2's if it has wte.weight. Skipped are names
        that end with ".attn.bias", ".attn.masked_bias" or "rotary_emb.inv_freq", which are no
        weights, and in a tied model lm_head.weight.

    Raises
    ------
    ValueError
        If the model has a weight whose name is not there, the checkpoint a name that is none of
        the model's, or an array another shape. The message says which name, and of a shape what it
        is.

    Source: Hugging Face's `GPT2LMHeadModel` and `LlamaForCausalLM`, whose logits are to come out.
    """
    # BEGIN SOLUTION
    tensors = {name.removeprefix("transformer."): tensors[name] for name in tensors}
    is_gpt2 = "wte.weight" in tensors
    names = checkpoint_names(model, is_gpt2)
    no_weights = (".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq", "lm_head.weight")
    for name in tensors:
        if name not in names and not name.endswith(no_weights):
            raise ValueError(f"the model has no weight for the checkpoint's {name}")
    found: list[tuple[Any, np.ndarray]] = []
    for name, weights in names.items():
        if name not in tensors:
            raise ValueError(f"the checkpoint has no {name}, but the model has a weight for it")
        array = np.asarray(tensors[name])
        if name == "lm_head.weight" or (name.endswith("_proj.weight") and not is_gpt2):
            array = array.T
        sizes = [weight.shape[-1] for weight in weights]
        wanted = (*weights[0].shape[:-1], sum(sizes))
        if array.shape != wanted:
            raise ValueError(f"{name} has shape {tensors[name].shape}; the model has {wanted}")
        parts = np.split(array, np.cumsum(sizes)[:-1], axis=-1)
        found += zip(weights, parts, strict=True)
    for weight, array in found:
        weight.assign(array)
    # END SOLUTION


# %% [markdown]
# ## Given: sampling, from Lab 4


# %%
def filter_logits(logits, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0):
    """Sharpen or flatten the distribution, and cut off its tail: Lab 4's 4.19.

    logits: float (batch, vocab_size). All but the `top_k` largest, then all but the likeliest that
    reach `top_p` together, become -1e9. Returns float32 (batch, vocab_size).

    Raises
    ------
    ValueError
        If `temperature` is not above 0, `top_k` is negative, or `top_p` is not in (0, 1].
    """
    if not temperature > 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            f"temperature {temperature} must be above 0, top_k {top_k} at least 0, and top_p "
            f"{top_p} above 0 and at most 1"
        )
    logits = ops.cast(logits, "float32") / temperature
    if top_k and top_k < logits.shape[-1]:
        smallest = ops.top_k(logits, top_k)[0][:, -1:]
        logits = ops.where(logits < smallest, -1e9, logits)
    if top_p < 1:
        falling = -ops.sort(-logits, axis=-1)
        probabilities = ops.softmax(falling, axis=-1)
        before = ops.cumsum(probabilities, axis=-1) - probabilities
        kept = ops.where(before < top_p, falling, np.inf)
        logits = ops.where(logits < ops.min(kept, axis=-1, keepdims=True), -1e9, logits)
    return logits


def forbid(logits):
    """Lower the logits of PAD and START, (…, vocab_size), to -1e9: neither is ever generated."""
    ids = ops.arange(logits.shape[-1])
    return ops.where(ops.logical_or(ops.equal(ids, PAD), ops.equal(ids, START)), -1e9, logits)


def room(parts, slots: int):
    """Make the new part of a cache, of so many slots, beside old parts."""
    return [ops.zeros((ops.shape(p)[0], p.shape[1], slots, p.shape[3]), p.dtype) for p in parts]


def generate(
    model: LanguageModel,
    primers,
    noise,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    slots: int = 256,
):
    """Continue a batch of pieces from their primers: Lab 4's 4.20 without its grammar.

    Parameters
    ----------
    primers : int (batch, primer length), START first, without END or PAD
    noise : float (batch, steps, vocab_size)
        Gumbel distributed for samples; zeros for greedy decoding.
    temperature, top_k, top_p
        As in `filter_logits`.
    slots : int
        Of the cache's new part.

    Returns
    -------
    int32 tensor (batch, steps)
        What was generated after the primer, up to and including END, then PAD.
    """
    noise = ops.convert_to_tensor(noise, "float32")
    primers = ops.cast(primers, "int32")
    batch, steps = ops.shape(noise)[0], noise.shape[1]
    old = [part[:, :, :-1] for part in model.read(primers)]
    last, done, pieces = primers[:, -1], ops.zeros((batch,), "bool"), []
    for begin in range(0, steps, slots):
        size = min(slots, steps - begin)

        def unfinished(step, written, last, done, *new, size=size):
            return ops.logical_and(step < size, ops.logical_not(ops.all(done)))

        def advance(step, written, last, done, *new, luck=noise[:, begin : begin + size], old=old):
            logits, new = model.step(last[:, None], step, old, new)
            logits = filter_logits(forbid(logits), temperature, top_k, top_p)
            drawn = ops.argmax(logits + ops.take(luck, step, axis=1), axis=-1)
            last = ops.where(done, PAD, ops.cast(drawn, "int32"))
            here = ops.equal(ops.arange(written.shape[1]), step)
            written = ops.where(here, last[:, None], written)
            done = ops.logical_or(done, ops.equal(last, END))
            return step + 1, written, last, done, *new

        start = ops.convert_to_tensor(0, "int32")
        written = ops.full((batch, size), PAD, "int32")
        _, written, last, done, *new = ops.while_loop(
            unfinished, advance, (start, written, last, done, *room(old, size))
        )
        old = [ops.concatenate(parts, axis=2) for parts in zip(old, new, strict=True)]
        pieces.append(written)
    return ops.concatenate(pieces, axis=1)


# %% [markdown]
# ## 6.10 Beam search


# %%
def beam_search(
    model: LanguageModel,
    primers,
    steps: int,
    num_beams: int,
    alpha: float = 1.0,
    slots: int = 256,
):
    """Find likely continuations: keep the `num_beams` best at each step, not one.

    A continuation is a sequence of ids after the primer. Its log-probability is the sum of the
    log-softmax of its ids' logits, after PAD and START were lowered to -1e9; its score is its
    log-probability / length^alpha, its length counting END. It is finished if it ends with END, or
    has `steps` ids; else it is open.

    For each primer by itself: begin with the empty continuation. At each step take all finished
    continuations that are kept, as they are, and all open ones, each continued by every id, and
    keep the `num_beams` that score best, finished and open ones alike (all of them if they are
    fewer). Stop when no open continuation can win any more, or none is open. One with the
    log-probability L cannot end with a better score than L / steps^alpha.

    Parameters
    ----------
    primers : int (batch, primer length), START first, without END or PAD
    steps : int
        Most ids in a continuation.
    num_beams : int, at least 1
        1 is greedy decoding. There may be more than ids in the vocabulary.
    alpha : float, at least 0
        0 compares sums, 1 means.
    slots : int
        Of the cache's new part; it changes nothing in the result.

    Returns
    -------
    ids : int32 tensor (batch, steps)
        The best continuation, up to and including END, then PAD.
    scores : float32 tensor (batch,)
        Its score.

    Raises
    ------
    ValueError
        If `num_beams` is below 1 or `alpha` negative.

    Notes
    -----
    Written with `keras.ops` alone, so that it compiles as a whole. The primer is read once for all
    its beams. A kept continuation goes on from the keys and values of the one that it continues:
    the cache's rows are put in order in each step.

    Source: Wu et al. (2016), section 7, for the length; Graves (2012), algorithm 1.
    """
    # BEGIN SOLUTION
    if num_beams < 1 or not alpha >= 0:
        raise ValueError(f"num_beams {num_beams} must be at least 1, and alpha {alpha} at least 0")
    primers = ops.cast(primers, "int32")
    batch = ops.shape(primers)[0]
    beams, first_rows = (batch, num_beams), ops.arange(batch)[:, None] * num_beams
    old = [ops.repeat(part[:, :, :-1], num_beams, axis=0) for part in model.read(primers)]
    last, written = ops.repeat(primers[:, -1], num_beams), ops.full((*beams, steps), PAD, "int32")
    # at first one beam is alive, or each continuation would be found several times
    alive = ops.where(ops.equal(ops.arange(num_beams), 0), 0.0, -np.inf)
    totals, lengths = ops.broadcast_to(alive, beams), ops.zeros(beams)
    done, decided = ops.zeros(beams, "bool"), ops.zeros((batch,), "bool")
    step = ops.convert_to_tensor(0, "int32")
    for begin in range(0, steps, slots):
        end = min(begin + slots, steps)

        def unfinished(step, last, written, totals, lengths, done, decided, *cache, end=end):
            return ops.logical_and(step < end, ops.logical_not(ops.all(decided)))

        def advance(
            step, last, written, totals, lengths, done, decided, *cache, begin=begin, old=old
        ):
            if begin:  # before, all beams of a primer have the same old part
                old, cache = cache[: len(old)], cache[len(old) :]
            logits, new = model.step(last[:, None], step - begin, old, cache)
            found = ops.log_softmax(forbid(logits), axis=-1)
            found = ops.reshape(found, (*beams, -1))
            vocab_size = found.shape[-1]
            # a finished one has one way to go on: as it is
            stay = ops.where(ops.equal(ops.arange(vocab_size), PAD), 0.0, -np.inf)
            found = totals[..., None] + ops.where(done[..., None], stay, found)
            lengths = lengths + ops.cast(ops.logical_not(done), "float32")
            scores = ops.reshape(found / lengths[..., None] ** alpha, (batch, -1))
            best = ops.top_k(scores, num_beams)[1]
            origin, last = best // vocab_size, ops.cast(best % vocab_size, "int32")
            totals = ops.take_along_axis(ops.reshape(found, (batch, -1)), best, axis=1)
            lengths, done = (ops.take_along_axis(part, origin, axis=1) for part in (lengths, done))
            written = ops.take_along_axis(written, origin[..., None], axis=1)
            here = ops.equal(ops.arange(steps), step)
            written = ops.where(here, last[..., None], written)
            done = ops.logical_or(done, ops.equal(last, END))
            finished = ops.where(done, totals / lengths**alpha, -np.inf)
            hope = ops.where(done, -np.inf, totals / steps**alpha)
            decided = ops.max(finished, axis=1) >= ops.max(hope, axis=1)
            rows = ops.reshape(first_rows + ops.cast(origin, first_rows.dtype), (-1,))
            cache = [ops.take(part, rows, axis=0) for part in ((*old, *new) if begin else new)]
            last = ops.reshape(last, (-1,))
            return step + 1, last, written, totals, lengths, done, decided, *cache

        state = (step, last, written, totals, lengths, done, decided)
        cache = (*(old if begin else []), *room(old, end - begin))
        step, last, written, totals, lengths, done, decided, *cache = ops.while_loop(
            unfinished, advance, (*state, *cache)
        )
        if begin:
            old, cache = cache[: len(old)], cache[len(old) :]
        old = [ops.concatenate(parts, axis=2) for parts in zip(old, cache, strict=True)]
    return written[:, 0], totals[:, 0] / lengths[:, 0] ** alpha
    # END SOLUTION


# %% [markdown]
# ## 6.11 The entropy of pitch classes


# %%
def pitch_class_entropy(notes, num_bars: int, window: int) -> float:
    """Measure how evenly a piece uses the twelve pitch classes: H1 with a window of 1 bar, H4 of 4.

    For each `window` bars in a row count the notes of each pitch class, pitch mod 12; with the
    shares p_c of the counts the entropy is -Σ_c p_c log2 p_c, in bits, from 0 to log2 12 = 3.58. H
    is the mean over all such windows that hold a note.

    Parameters
    ----------
    notes : int array (notes, 3)
        Bar (from 0), position in it (0 to 15) and pitch of each note, in any order.
    num_bars : int
        Bars of the piece, those without a note too.
    window : int
        Bars; a piece that has fewer is one window.

    Returns
    -------
    float, nan without a note

    Source: Wu and Yang (2020), section 4; MusDr's `compute_piece_pitch_entropy`.
    """
    # BEGIN SOLUTION
    bars, _, pitches = np.asarray(notes).reshape(-1, 3).T
    counts = np.zeros((num_bars + 1, 12))
    np.add.at(counts, (bars + 1, pitches % 12), 1)
    before = counts.cumsum(axis=0)  # notes before each bar line
    window = min(window, num_bars)
    counts = before[window:] - before[: num_bars - window + 1]
    counts = counts[counts.sum(axis=1) > 0]
    shares = counts / counts.sum(axis=1, keepdims=True)
    entropies = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
    return float(entropies.mean()) if len(entropies) else float("nan")
    # END SOLUTION


# %% [markdown]
# ## 6.12 The similarity of grooves


# %%
def grooving_similarity(notes, num_bars: int) -> float:
    """Measure how alike a piece's rhythms are: GS.

    A bar's groove is 16 truth values: whether a note starts at each position. The similarity of two
    bars is 1 - (positions at which they differ) / 16. GS is the mean over all pairs of different
    bars.

    Parameters
    ----------
    notes : int array (notes, 3)
        Bar (from 0), position in it (0 to 15) and pitch of each note, in any order.
    num_bars : int
        Bars of the piece; those without a note count too, with an empty groove.

    Returns
    -------
    float, from 0 to 1; nan with fewer than two bars, or without a note

    Source: Wu and Yang (2020), section 4; MusDr's `compute_piece_groove_similarity`, with all pairs
    in place of 1,000 drawn ones.
    """
    # BEGIN SOLUTION
    notes = np.asarray(notes).reshape(-1, 3)
    if num_bars < 2 or not len(notes):
        return float("nan")
    grooves = np.zeros((num_bars, POSITIONS_A_BAR), bool)
    grooves[notes[:, 0], notes[:, 1]] = True
    with_onset = grooves.sum(axis=0)
    # of a position's pairs those differ that join a bar with an onset to one without
    differ = (with_onset * (num_bars - with_onset)).sum()
    pairs = num_bars * (num_bars - 1) / 2
    return float(1 - differ / (POSITIONS_A_BAR * pairs))
    # END SOLUTION


# %% [markdown]
# ## 6.13 What was copied


# %%
def copied_lengths(notes, training: Sequence, transposed: bool = False):
    """Find, for each note, the longest run of notes up to it that stands in a training piece.

    A run is some notes in a row. It stands in another piece if there are as many notes in a row of
    the same pitches, each as many steps after the one before it; a step is 1/16 of a bar, and when
    the first one begins does not matter. With `transposed`, pitches need not be the same, but their
    differences.

    Parameters
    ----------
    notes : int array (notes, 3)
        Bar, position and pitch of each note, in order: by bar, position, and falling pitch.
    training : sequence of int arrays (notes, 3)
        The training pieces, likewise; any of them may be empty.
    transposed : bool

    Returns
    -------
    lengths : int array (notes,)
        Notes in the longest such run that ends with each note, it included; 0 if there is none.
    pieces : int array (notes,)
        The number of a training piece that it stands in, the first of several; -1 if none.
    """
    # BEGIN SOLUTION

    def line(notes):
        """Give each note's steps since the one before, and its pitch; transposed, both as one."""
        bars, positions, pitches = np.asarray(notes, np.int64).reshape(-1, 3).T
        waits = np.diff(POSITIONS_A_BAR * bars + positions, prepend=0)
        if transposed:
            pitches = 256 * waits + np.diff(pitches, prepend=0)
        return waits, pitches

    waits, tones = np.concatenate([line([]), *map(line, training)], axis=1)
    sizes = np.array([len(piece) for piece in training], int)
    owners = np.repeat(np.arange(len(training)), sizes)
    waits[(np.cumsum(sizes) - sizes)[sizes > 0]] = -1  # no note before: no run goes on
    # by itself a transposed note stands wherever there is one
    alone = int(transposed and len(owners) > 0)
    lengths, pieces = np.full(len(notes), alone), np.full(len(notes), owners[0] if alone else -1)
    runs = np.full(len(owners), alone)  # that end with each training note and the present one
    places, places_of = np.arange(0), {}
    for number, (wait, tone) in enumerate(zip(*line(notes), strict=True)):
        last = places
        if tone not in places_of:
            places_of[tone] = np.flatnonzero(tones == tone)
        places = places_of[tone]
        follows = waits[places] == (wait if number else -2)
        if transposed:
            places, follows = places[follows], True
        found = 1 + np.where(follows, runs[places - 1], 0)
        runs[last] = alone
        runs[places] = found
        if len(found):
            lengths[number] = found.max()
            pieces[number] = owners[places[found.argmax()]]
    return lengths, pieces
    # END SOLUTION


# %% [markdown]
# ## 6.14 The share of copied runs


# %%
def copied_runs(notes, training: Sequence, length: int = 16, transposed: bool = False) -> float:
    """Give the share of a piece's runs of `length` notes that stand in a training piece.

    A piece of n notes has n - length + 1 runs; which stand in another is said in `copied_lengths`.

    Parameters
    ----------
    notes, training, transposed
        As in `copied_lengths`.

    Returns
    -------
    float, from 0 to 1; nan if the piece has fewer than `length` notes
    """
    # BEGIN SOLUTION
    lengths, _ = copied_lengths(notes, training, transposed)
    found = lengths[length - 1 :] >= length
    return float(found.mean()) if len(found) else float("nan")
    # END SOLUTION


# %% [markdown]
# ## 6.15 The share of copied bars


# %%
def copied_bars(notes, training: Sequence) -> float:
    """Give the share of a piece's bars that are, note for note, a bar of a training piece.

    A bar is the set of its (position, pitch); only bars with 4 or more of them count.

    Parameters
    ----------
    notes : int array (notes, 3)
        Bar, position and pitch of each note, in any order.
    training : sequence of int arrays (notes, 3)

    Returns
    -------
    float, from 0 to 1; nan if the piece has no bar of 4 notes or more
    """

    # BEGIN SOLUTION
    def bars(notes):
        """Give each bar with a note as a set."""
        found: dict[int, set] = {}
        for bar, position, pitch in np.asarray(notes).reshape(-1, 3).tolist():
            found.setdefault(bar, set()).add((position, pitch))
        return [frozenset(bar) for bar in found.values()]

    known = {bar for piece in training for bar in bars(piece)}
    copied = [bar in known for bar in bars(notes) if len(bar) >= 4]
    return float(np.mean(copied)) if copied else float("nan")
    # END SOLUTION


# %% [markdown]
# ## 6.16 How sure are we?


# %%
def bootstrap(
    values,
    statistic: Callable[[np.ndarray], float],
    size: int | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Say between which bounds a statistic of pieces lies when the pieces are drawn again.

    `resamples` times draw `size` of the pieces, each as likely every time (with replacement), and
    apply `statistic` to what was drawn. The bounds are the quantiles (1 - level) / 2 and
    (1 + level) / 2 of what comes out, by `np.quantile`.

    Parameters
    ----------
    values : float array (pieces,) or (pieces, columns)
        A measure of each piece; or several, side by side, whose pieces are drawn together. Pieces
        with a nan are left out.
    statistic : function of such an array, of `size` pieces, to a float
        `np.mean`; or `lambda drawn: abs(drawn.mean() - reference)`, the distance Δ to a training
        set's mean; or of two models' columns the difference of their Δs.
    size : int or None
        Pieces in a draw; None for as many as there are. With values of real unseen pieces, Δ and a
        model's number of pieces the bounds say which Δ music itself gets.
    level : float
    resamples, seed : int
        The same seed gives the same bounds.

    Returns
    -------
    low, high : float; both nan if no piece is left

    Raises
    ------
    ValueError
        If `level` is not above 0 and below 1, or `size` or `resamples` below 1.

    Source: Efron and Tibshirani (1993), chapter 13: the percentile interval.
    """
    # BEGIN SOLUTION
    if not 0 < level < 1 or resamples < 1 or (size is not None and size < 1):
        raise ValueError(
            f"level {level} must be above 0 and below 1, resamples {resamples} and size {size} at "
            "least 1"
        )
    values = np.asarray(values, float)
    values = values[~np.isnan(values).reshape(len(values), -1).any(axis=1)]
    if not len(values):
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, size or len(values)))
    found = [statistic(values[draw]) for draw in draws]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
    # END SOLUTION
