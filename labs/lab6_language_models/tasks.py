# %% [markdown]
# # Lab 6: GPT-2 and LLaMA
#
# `make lab6` trains two language models on Bach's chorales, lets both continue the same pieces, and
# plays the results. Listen first: which one is better, and how would you show it?
#
# A published homework asks this about pop piano. It decodes greedily, by sampling and by beam
# search, and ranks the six results by three measures of the music: H1, H4 and GS, each as the
# distance Δ from the training set's 1.94, 2.53 and 0.78. LLaMA with greedy decoding wins with Δ of
# .00, .03 and .00, and the text adds that the model "sometimes outputs exactly the same song as the
# human player". That is the problem: the ranking rewards copying, and with twenty pieces a Δ of .03
# is chance.
#
# So you build both models, and then what the homework lacks: measures of copying, and intervals.
#
# Picture (pictures/0_frame.png): The way of this lab: a piece as ids goes into a language model made of blocks with attention and
# a network; sampling or beam search makes a new piece; its harmony, its rhythm and its copies are
# measured; the last question is how sure you are. Each part has its task's
# number.
#
# | tasks | what you build | hours |
# |---|---|---|
# | 6.1 to 6.5 | both models, from their parts | 5 |
# | 6.6, 6.7 | first weights, and models of equal size | 1 |
# | 6.8, 6.9 | published weights in your models | 1½ |
# | 6.10 | beam search | 2 |
# | 6.11, 6.12 | harmony and rhythm as numbers | 1 |
# | 6.13 to 6.16 | copies, and how sure you are | 1½ |
#
# Five differences lead from the one model to the other:
#
# | from GPT-2 | to LLaMA | task |
# |---|---|---|
# | a vector for each position is added | queries and keys are turned by an angle | 6.1 |
# | two layers with GELU | a gated network | 6.2 |
# | each head has keys and values | several heads share them | 6.3 |
# | LayerNorm | RMSNorm | 6.4 |
# | biases; the output is the embedding | no biases; an output of its own | 6.5 |
#
# What the solution gets (`make lab6`: 600,000 weights each, the same 2.8 million tokens; a smoothed
# bigram has 5.80 nats a note; Δ of 20 continuations, drawn with top-p 0.95 but for the last row):
#
# | | nats a note | Δ H1 | Δ H4 | Δ GS | longest copy | reach END |
# |---|---|---|---|---|---|---|
# | real pieces, held out | | 0.030 | 0.023 | 0.000 | 19 | 1 |
# | GPT-2 | 5.02 | 0.534 | 0.062 | 0.038 | 5 | 0.60 |
# | LLaMA at GPT-2's training loss, after 4 of 18 epochs | 3.99 | 0.000 | 0.442 | 0.054 | 7 | 0.35 |
# | LLaMA after all epochs | 2.65 | 0.049 | 0.003 | 0.005 | 12 | 0.70 |
# | the same, greedy | 2.65 | 0.410 | 0.633 | 0.132 | 32 | 0 |
#
# As many real pieces get up to 0.073, 0.050 and 0.022 by chance, so the last but one row cannot be
# told from real music by these three measures. Greedy decoding repeats itself, and copies.
#
# | Pop1K7, an hour (`make lab6 PRESET=laptop`) | nats a note | Δ H1 | Δ H4 | Δ GS | longest copy |
# |---|---|---|---|---|---|
# | real pieces, the most by chance | | 0.192 | 0.137 | 0.058 | 9 |
# | a smoothed bigram | 10.30 | | | | |
# | GPT-2 | 7.78 | 0.182 | 0.053 | 0.015 | 7 |
# | LLaMA after all epochs | 6.62 | 0.191 | 0.173 | 0.025 | 8 |
# | the same, greedy | 6.62 | 1.384 | 1.965 | 0.194 | 16 |
#
# Here LLaMA predicts better, and no measure shows it.
#
# You should know Lab 4's attention and cache: `read` reads a primer, `step` one token. To catch up,
# read [Dive into Deep Learning, chapter
# 11](https://d2l.ai/chapter_attention-mechanisms-and-transformers/index.html). The sampling that
# you wrote in Lab 4 is given.
#
# **Questions**, 120 words each; they bring no points. *a* What are the drawbacks of H1, H4 and GS?
# *b* What are the limits of "closest to the training set wins"? *c* Which of the five differences
# mattered for models of your size?
#
# **Read.** Radford et al., [Language Models are Unsupervised Multitask
# Learners](https://openai.com/index/better-language-models/) (2019), section 2.3; Touvron et al.,
# "LLaMA", [arXiv:2302.13971](https://arxiv.org/abs/2302.13971), section 2.2; [The Illustrated
# GPT-2](https://jalammar.github.io/illustrated-gpt2/), with a picture of every part.

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
#
# Attention by itself does not know order. GPT-2 adds a learned vector for each of its 1,024
# positions, and must learn that 7 is near 8. But our training windows begin anywhere in a chorale:
# a position by itself says nothing, a distance does. Rotary positions need no weights. Each pair of
# a query's features is a point in a plane, and the position turns it, like the hand of a clock.
# Keys are turned too. A product of two vectors depends on the angle between them: if both are
# turned, only the difference of their positions remains. The pairs turn at different speeds, the
# first by 1 radian a position, the last by about 1/10,000.
#
# Picture (pictures/6_1_angles.png): Three clock faces. A pair that turns quickly, at positions 0 to 3. One that turns slowly: at
# position 100 it is where the first was at 1. A query at 3 and a key at 1, with the same angle
# between them as a query at 6 and a key at 4.
#
# $$
# \begin{aligned}
# \theta_i &= 10000^{-2i/d} && i = 0, \dots, d/2 - 1 \text{, with } d \text{ a head's width} \\
# x'_i &= x_i \cos p\theta_i - x_{i+d/2} \sin p\theta_i && (B, T, \text{heads}) \text{ each} \\
# x'_{i+d/2} &= x_{i+d/2} \cos p\theta_i + x_i \sin p\theta_i && p = \text{offset} + t
# \end{aligned}
# $$
#
# **By hand.** $d=4$, position 1, $x=(1, 2, 3, 4)$. The pairs are (1, 3), turned by 1, and (2, 4),
# turned by 0.01:
#
# | x'₀ | x'₁ | x'₂ | x'₃ |
# |---|---|---|---|
# | 0.540 − 3·0.841 = −1.984 | 2 − 4·0.01 = 1.960 | 3·0.540 + 0.841 = 2.462 | 4 + 2·0.01 = 4.020 |
#
# > **Predict.** A query of (1, 0, 0, 0) at position 3 meets a key of (1, 0, 0, 0) at 1: the product
# > is cos 2 = −0.416. What is it at positions 1003 and 1001?
# > make answer TASK=6.1 tells.
#
# **A different result?** First number −1.143: you paired neighbours, (1, 2) and (3, 4), as the
# paper does. Hugging Face pairs the halves; with the wrong pairs, published weights generate noise.
# Second number 1.591: your exponent is $-i/d$.
#
# **Read.** Su et al., "RoFormer", [arXiv:2104.09864](https://arxiv.org/abs/2104.09864), section
# 3.4.2; [Rotary Embeddings](https://blog.eleuther.ai/rotary-embeddings/), with more pictures.
#
# **`keras.ops` in ten lines.** From here on your code also runs while Keras traces a graph. Then
# tensors have no values yet, and some sizes are unknown. The same code runs on JAX.
#
# 1. `x.shape` may hold None. Inside a layer, `ops.shape(x)` gives every size.
# 2. On a `keras.Input` it gives None too: count with `ops.cumsum(ops.ones_like(ids), axis=1) - 1`.
# 3. One size of `ops.reshape` may be -1: `ops.reshape(x, (-1, 8, 64))`.
# 4. Compute with `ops.exp(x)`, not `np.exp(x)`. NumPy is fine for constants.
# 5. Compare with `ops.less(a, b)`, `ops.equal(a, b)`: `ids == 0` on a `keras.Input` is just False.
# 6. No Python `if` on values: `ops.where(test, a, b)` by element, `ops.cond` for two branches.
# 7. No Python `while` or `for` over a tensor: `ops.while_loop`. `for` over a `range` is fine.
# 8. No change in place: `x[:2] = y` fails, `ops.slice_update(x, [0, 0], y)` returns a new tensor.
# 9. In half precision x is 16 bits wide and x + y needs one dtype: `ops.cast(y, x.dtype)`.
# 10. New tensors are float32 unless you say `ops.zeros(shape, dtype=x.dtype)`.


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
        The position of x[:, 0]; x[:, t] is at position offset + t.

    Returns
    -------
    float (batch, length, heads, head_dim)
        Computed in float32, returned in x's dtype.

    Source: Su et al. (2021), section 3.4.2; the pairs are those of Hugging Face's `LlamaModel`.
    """
    raise NotImplementedError("6.1")


# %% [markdown]
# ## 6.2 Two networks
#
# After attention has mixed the positions, a network works on each position by itself: it has two
# thirds of a block's weights. GPT-2's network is two layers with GELU between them. LLaMA's has a
# third layer: one path, the gate, goes through SiLU and says how much of the other path passes. So
# a unit can multiply two of its inputs; a sum of units cannot.
#
# GELU and SiLU are smooth relatives of max(0, z): both let large z pass and make very negative z 0.
#
# Picture (pictures/6_2_networks.png): GELU's network: x goes through expand, gelu and contract to y. SwiGLU's: x goes through expand,
# and beside it through gate and silu; both are multiplied, then comes
# contract.
#
# $$
# \begin{aligned}
# \text{GELU:}\quad y &= W_2 \text{ gelu}(W_1 x + b_1) + b_2 && (B, T, d) \\
# \text{SwiGLU:}\quad y &= W_2 (\text{silu}(V x) \odot W_1 x) && (B, T, d) \\
# \text{silu}(z) &= z \sigma(z) = \frac{z}{1 + e^{-z}} && (B, T, f)
# \end{aligned}
# $$
#
# $V$ is the layer `gate`, $W_1$ `expand`, $W_2$ `contract`, $\odot$ a product number by number.
# Three matrices instead of two: with as many weights, a gated network has about two thirds of the
# width. With $d=192$ and $f=768$ units GPT-2's network has 295,872 weights; without biases, SwiGLU
# comes closest with 514 units.
#
# **By hand.** One unit: $x=1$, $V=2$, $W_1=3$, $W_2=1$, no biases.
#
# | SwiGLU | GELU |
# |---|---|
# | silu(2) = 2·0.881 = 1.762; times 3 is 5.285 | gelu(3) = 2.996 |
#
# > **Predict.** What do both give for $x=-1$? Which of the two can give a large number there?
# > make answer TASK=6.2 tells.
#
# **A different result?** 5.715: you used the wrong path as the gate. 2.642: your gate is a sigmoid,
# as in older gated networks; silu(z) is z times that.
#
# **Read.** Shazeer, "GLU Variants Improve Transformer",
# [arXiv:2002.05202](https://arxiv.org/abs/2002.05202), section 2.


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
        raise NotImplementedError("6.2")


# %% [markdown]
# ## 6.3 Attention in groups
#
# When a model generates, the keys and values of each token stay in the cache. They fill the memory,
# and reading them takes the time: 2,048 positions of 6 layers with 6 heads of 64 are 38 MB a piece.
# But heads can share them. With 2 heads of keys and values for 6 heads of queries, groups of three
# query heads look at the same keys, and the cache is a third as large.
#
# Picture (pictures/6_3_groups.png): Six query heads three times. In GPT-2 each looks at keys and values of its own, 37.7 MB; in two
# groups q0, q1, q2 look at kv0 and q3, q4, q5 at kv1, 12.6 MB; with multi-query all look at kv0,
# 6.3 MB.
#
# $$
# \begin{aligned}
# Q &= x W_Q && (B, T, H, d_h) \text{, turned if rotary} \\
# K, V &= x W_K, x W_V && (B, T, G, d_h) \text{, } K \text{ turned if rotary} \\
# g(h) &= \lfloor h G / H \rfloor && \text{the head that } h \text{ looks at} \\
# A_h &= \text{softmax}(Q_h K_{g(h)}^\top / \sqrt{d_h}) && (B, T, T) \\
# y &= [A_0 V_{g(0)}, \dots, A_{H-1} V_{g(H-1)}] W_O && (B, T, d)
# \end{aligned}
# $$
#
# Heads count from 0; later positions are masked before the softmax. With $G=H$ it is GPT-2's
# attention, with $G=1$ it is "multi-query". You need not copy the keys: reshape the queries to
# $(B, T, G, H/G, d_h)$, and one product is enough.
#
# **By hand.** Four query heads of width 1, two of keys, two positions; at the second one all
# queries are 1. Key head A is 0, then 2, with values 1, 5; key head B is 2, then 0, with values 10,
# 50.
#
# | head | looks at | weights | output |
# |---|---|---|---|
# | 0, 1 | A | 0.119, 0.881 | 0.119·1 + 0.881·5 = 4.523 |
# | 2, 3 | B | 0.881, 0.119 | 0.881·10 + 0.119·50 = 14.768 |
#
# > **Predict.** With rotary positions the keys are turned before they go into the cache. Why is
# > that allowed, although every later query is at a different distance?
# > make answer TASK=6.3 tells.
#
# **A different result?** 4.523, 14.768, 4.523, 14.768: head $h$ took key head $h \bmod G$. The
# shapes are right, but a published LLaMA generates noise. 5 and 50: your mask is transposed, so the
# second position sees only itself.
#
# **Read.** Ainslie et al., "GQA", [arXiv:2305.13245](https://arxiv.org/abs/2305.13245), section 2.2
# and figure 2.


# %%
class GroupedAttention(layers.Layer):
    """Causal self-attention whose query heads share keys and values in groups.

    Each position has `num_heads` queries and `num_kv_heads` keys and values, each of head_dim =
    d_model / num_heads numbers. Query head h looks at key and value head h // (num_heads /
    num_kv_heads). For each: A = softmax(Q Kᵀ / √head_dim), output = A V; the heads' outputs, side
    by side, go through `output_projection`. If both numbers are equal, this is GPT-2's attention.

    With `rotary`, queries and keys are turned by `rotate` before their product; the values are not.
    A position attends to itself and to all before it. Elsewhere the weight is 0: subtract 1e9 from
    the score, in float32, before the softmax, which is in float32 too.

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
    d_model). With `biases`, each has a bias of its output's width.

    Keras's own attention is not allowed, neither its layers nor `ops.dot_product_attention`: the
    task is to write it out.

    Raises
    ------
    ValueError
        If `num_heads` does not divide `d_model`, or `num_kv_heads` does not divide `num_heads`.

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
        """Attend, and return the keys and values too: later positions need them.

        Returns
        -------
        output (batch, length, d_model), and keys, values: (batch, num_kv_heads, length, head_dim);
        the keys as they are used, turned if `rotary`. x[:, 0] is at position 0.
        """
        raise NotImplementedError("6.3")

    def step(self, x, slot, old_keys, old_values, new_keys, new_values):
        """Do for one position what `call` does for all, from the cache of Lab 4.

        The old part holds all positions before slot 0 of the new part, from position 0 on; so x is
        at position old + slot. Slots after `slot` are still empty and must not be used.

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
        raise NotImplementedError("6.3")


# %% [markdown]
# ## 6.4 Two blocks
#
# A block makes two additions to a stream, the vectors that run from the embedding to the output.
# Inputs of attention and network are normalised; the stream itself never is. So there is a path
# from the loss back to the embedding with nothing but additions, and deep models can be trained.
#
# Picture (pictures/6_4_blocks.png): Two blocks. In GPT-2's the stream x runs straight through two sums; a first branch passes
# LayerNorm and attention with keys for each head, a second LayerNorm and the GELU network. LLaMA's
# has RMSNorm, attention with turned, shared keys, and the SwiGLU network.
#
# $$
# \begin{aligned}
# x &\leftarrow x + \text{dropout}(\text{attention}(\text{norm}_1(x))) && (B, T, d) \\
# x &\leftarrow x + \text{dropout}(\text{network}(\text{norm}_2(x))) && (B, T, d)
# \end{aligned}
# $$
#
# GPT-2's LayerNorm subtracts the features' mean and divides by their deviation; LLaMA's RMSNorm,
# that of Lab 4, only divides by the root mean square. With two features you can see what that does:
#
# Picture (pictures/6_4_norms.png): Seven points of two features. After LayerNorm only two places are left: a, b, c, f at (−1, 1),
# d, e, g at (1, −1). After RMSNorm all lie on a circle in their old directions; d and e, on one
# line through 0, fall together.
#
# **By hand.** $x=(1, 3)$. LayerNorm: mean 2, deviation 1, so (−1, 1). RMSNorm: √((1 + 9) / 2) =
# 2.236, so (0.447, 1.342). If attention and network return 0, the block returns (1, 3).
#
# > **Predict.** Add 10 to both numbers. What do the two norms give now, and what did LayerNorm
# > forget?
# > make answer TASK=6.4 tells.
#
# **A different result?** (−1, 1) instead of (1, 3): you normalised the sum, as the first
# Transformer did. (0, 0): the block returns what should be added.
#
# **Read.** Xiong et al., [arXiv:2002.04745](https://arxiv.org/abs/2002.04745), section 3, on the
# place of the norm; Zhang and Sennrich, [arXiv:1910.07467](https://arxiv.org/abs/1910.07467),
# section 4, on what it needs.


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
        raise NotImplementedError("6.4")

    def step(self, x, slot, *cache):
        """Do for one position what `call` does for all; as `GroupedAttention.step`.

        Returns x (batch, 1, d_model), and the new parts of the keys and of the values.
        """
        raise NotImplementedError("6.4")


# %% [markdown]
# ## 6.5 Two language models
#
# All parts are there; five switches decide which model they form. `LanguageModel(…, **GPT2)` is
# GPT-2, and with `**LLAMA` it is LLaMA; the experiment moves from one to the other, one switch at a
# time.
#
# $$
# \begin{aligned}
# h &= E[\text{ids}] + P[\text{position}] && (B, T, d) \text{, without } P \text{ if rotary} \\
# h &\leftarrow \text{block}_\ell(h) && \ell = 1, \dots, L \\
# \text{logits} &= \text{norm}(h) E^\top && (B, T, V) \text{, or another matrix if not tied}
# \end{aligned}
# $$
#
# $E$ is the embedding, a row for each of the $V$ ids. A tied model uses it twice: at the end each
# row is compared with $h$.
#
# A step must know its position. The cache tells it: the old part holds `old` positions, so the
# token in `slot` is at position old + slot. One published system added the vector of position 0 at
# every step: it trained well and generated badly, and no error was ever raised.
#
# Picture (pictures/6_5_cache.png): A cache of eleven places. The old part has positions 0 to 5 and is filled by read. The new part
# has slots 0 to 4, at positions 6 to 10: two are filled, slot 2 is written now, at position 6 + 2 =
# 8, and two are empty.
#
# **By hand.** Vocabulary 10, width 4, 1 layer, 2 heads, 8 positions, 8 hidden units. The numbers
# are weights; this LLaMA has one head of keys.
#
# | | embedding | positions | attention | network | norms | output | sum |
# |---|---|---|---|---|---|---|---|
# | GPT-2 | 40 | 32 | 4·16 + 16 = 80 | 32 + 8 + 32 + 4 = 76 | 3·8 = 24 | | 252 |
# | LLaMA | 40 | | 16 + 8 + 8 + 16 = 48 | 3·32 = 96 | 3·4 = 12 | 40 | 236 |
#
# > **Predict.** What would each model do one position after the last, if nothing checked the
# > length?
# > make answer TASK=6.5 tells.
#
# **A different result?** 292 for GPT-2: your output has its own matrix. If the first steps agree
# with `call` and steps after the first `slots` do not, your position is `slot` without `old`.
#
# **Read.** Press and Wolf, [arXiv:1608.05859](https://arxiv.org/abs/1608.05859), for tied weights.


# %%
class LanguageModel(keras.Model):
    """Score, after each token, what may come next: GPT-2, LLaMA, or a model between them.

    ids → embedding (+ the embedding of the position, if positions are "learned") → dropout →
    `num_layers` × `Block` → norm → the embedding in reverse. Logits are float32 whatever the
    precision. `LanguageModel(…, **GPT2)` is GPT-2, `LanguageModel(…, **LLAMA)` LLaMA.

    Parameters
    ----------
    vocab_size, d_model, num_heads, num_kv_heads, ff_dim, num_layers : int
    context_length : int
        Number of positions: no piece may be longer, its primer included.
    norm, positions, network, biases, dropout
        As in `Block`; the last norm is of the same kind.
    tied : bool
        Whether the output uses the embedding's weights.

    Call
    ----
    ids : int (batch, length), `PAD` to the right
        No mask is needed: attention looks back only, and `PAD` comes after everything that counts.
    training : bool or None
        Whether dropout acts. Keras hands it to every layer inside, `Block` among them.

    Returns
    -------
    float32 (batch, length, vocab_size)

    Raises
    ------
    ValueError
        If there are more ids, or in a step more positions in the cache, than `context_length`.

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
        """Raise an error if so many positions do not fit."""
        if length > self.context_length:
            raise ValueError(
                f"{length} positions, but context_length is {self.context_length}: give fewer "
                "tokens, or make the model longer"
            )

    def embed(self, ids, offset=0):
        """Embed ids (batch, length); the first is at position `offset`.

        Returns (batch, length, d_model).
        """
        raise NotImplementedError("6.5")

    def score(self, hidden):
        """Turn what the last block returns into logits, float32 (…, vocab_size)."""
        raise NotImplementedError("6.5")

    def call(self, ids, training=None):
        self.demand_room(ids.shape[1])
        raise NotImplementedError("6.5")

    def read(self, ids):
        """Read a primer: keys and values of each block in turn.

        ids: (batch, length). Returns a list of 2 × `num_layers` tensors (batch, num_kv_heads,
        length, head_dim), the first block's keys, its values, the second's keys, ….
        """
        self.demand_room(ids.shape[1])
        raise NotImplementedError("6.5")

    def step(self, ids, slot, old, new):
        """Score what may come after one more token: the logits of `call`, without its work.

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
        raise NotImplementedError("6.5")


# %% [markdown]
# ## 6.6 How a model begins
#
# Each block adds two results to the stream. If all N results have the same size, the stream's
# deviation grows with √N, and the last norm has to undo that. GPT-2 makes the added results smaller
# from the start, by 1/√N, so that in a deep model the stream starts as small as in a shallow one.
#
# Picture (pictures/6_6_stream.png): The stream's deviation over 12 blocks before training. As GPT-2 draws its weights it stays
# almost flat, from 0.028 to 0.034. Not divided by √N it grows to 0.105.
#
# $$
# \sigma = 0.02 \text{, and } 0.02 / \sqrt{2L} \text{ for what is added to the stream}
# $$
#
# **By hand.** 4 layers make 8 additions: 0.02 / √8 = 0.0071. With small weights the logits are near
# 0, all ids are equally likely, and the loss before training is ln V: 5.5 nats for 256 types of
# tokens. If yours starts at 8, look here.
#
# > **Predict.** Which of a block's two results would be lost if every weight started at 0?
# > make answer TASK=6.6 tells.
#
# **A different result?** 0.01 for 4 layers: you counted layers, not additions. 0.02: you divided
# nothing; do the names that you compare end as the layers' do?
#
# **Read.** Radford et al. (2019), section 2.3, one sentence long; [nanoGPT's
# `GPT.__init__`](https://github.com/karpathy/nanoGPT/blob/master/model.py) does the same in
# PyTorch.


# %%
def initialize(model: LanguageModel, seed: int) -> None:
    """Draw the weights of a built model as GPT-2 draws them.

    Every kernel and embedding is normal with mean 0 and deviation 0.02. Exceptions are the kernels
    whose results are added to x, `output_projection` and `contract`: their deviation is 0.02 / √N,
    with N = 2 × `num_layers` additions. Biases and a norm's `beta` are 0, a norm's `gamma` and
    `scale` are 1.

    Parameters
    ----------
    model : LanguageModel
        It is changed.
    seed : int
        The same seed gives the same weights; each weight has its own draws.

    Source: Radford et al. (2019), section 2.3; Radford et al. (2018), section 4.1, for 0.02.
    """
    raise NotImplementedError("6.6")


# %% [markdown]
# ## 6.7 Equal parameters
#
# "LLaMA is better than GPT-2" means little if it is larger. The fair question is which is better
# with the same number of weights, and the one size that you can choose finely is the network's
# width $f$. So count: everything but the networks is fixed, and each hidden unit costs the same in
# every layer.
#
# $$
# \begin{aligned}
# \text{GPT-2:}\quad & n = Vd + Cd + 2d + L (4d^2 + 9d + f (2d + 1)) \\
# \text{LLaMA:}\quad & n = 2Vd + d + L (2d^2 + 2 d d_{kv} + 2d + 3 d f)
# \end{aligned}
# $$
#
# $C$ is the context, $d_{kv} = dG/H$. For models between the two, mind biases and norms: the bias
# of a linear layer has the width of its output, a LayerNorm has two vectors and an RMSNorm one.
#
# **By hand.** 6.5's GPT-2 has 180 weights without its hidden units, and each costs 9. For 250
# weights: (250 − 180) / 9 = 7.8, so 8 units and 252 weights, 0.8 % too many.
#
# > **Predict.** At width 192 and 4 layers, how far off can the closest LLaMA be?
# > make answer TASK=6.7 tells.
#
# **A different result?** 9: you forgot that a hidden unit has a bias; without it, it costs 8.
#
# **Read.** Kaplan et al., [arXiv:2001.08361](https://arxiv.org/abs/2001.08361), table 1, counts
# this way.


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
    """Find the `ff_dim` with which `LanguageModel` comes closest to a number of parameters.

    Parameters
    ----------
    num_parameters : int
        Number of weights, embeddings included.
    vocab_size, …, tied
        As in `LanguageModel`.

    Returns
    -------
    int, at least 1. Of two that are equally close, either.

    Raises
    ------
    ValueError
        If the closest model is more than 1 % away from `num_parameters`.
    """
    raise NotImplementedError("6.7")


# %% [markdown]
# ## 6.8 A checkpoint's file
#
# Weights are published as files of named arrays. Python's pickle files can run any code when you
# load them; safetensors files cannot. They contain a length, a table of contents in JSON, and raw
# numbers.
#
# | bytes | what |
# |---|---|
# | 8 | n, the header's length, an unsigned integer, the lowest byte first |
# | n | JSON: {"x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …} |
# | rest | the arrays' numbers; offsets count from here |
#
# NumPy has no bfloat16. A bfloat16 is a float32 without its lower 16 bits: put them back as zeros.
#
# Picture (pictures/6_8_bits.png): The bits of π. float32 has 1 sign, 8 exponent and 23 fraction bits. bfloat16 is its first 16
# bits, 3.140625. The same 16 bits read as float16, with an exponent of 5 bits, are
# 2.142578.
#
# **By hand.** The bytes 2C 01 00 00 00 00 00 00 mean 300. The bfloat16 4049 becomes 40490000, as
# float32 3.140625.
#
# > **Predict.** bfloat16 kept all of float32's exponent. How many digits of π did it keep?
# > make answer TASK=6.8 tells.
#
# **A different result?** 2.142578 for 4049: you read it as float16. 16,457: you converted the
# integer instead of its bits.
#
# **Read.** [The format](https://github.com/huggingface/safetensors#format), half a page.


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
    raise NotImplementedError("6.8")


# %% [markdown]
# ## 6.9 Other people's weights
#
# This proves that your GPT-2 is GPT-2: it takes published weights and gives the published logits.
# Only names and layouts differ. `checkpoint_names` lists the names; the layouts are where errors
# hide. GPT-2 stores query, key and value in one matrix. LLaMA stores every kernel as (outputs,
# inputs), for products written $Wx$; ours are (inputs, outputs), for $xW$. Many of them are square:
# if you forget to transpose, you see no error, just noise.
#
# Picture (pictures/6_9_layouts.png): Left, GPT-2's c_attn.weight (d, 3d): query, key and value kernel side by side, to be cut on the
# last axis. Right, LLaMA's q_proj.weight, stored as (outputs, inputs), and ours, its
# transpose.
#
# So check everything before you change anything: missing names, extra names, shapes. A model that
# is half loaded is worse than an error.
#
# **By hand.** Stored: ((1, 2), (3, 4)), with outputs as rows; $x=(1, 2)$. The outputs are 1·1 + 2·2
# = 5 and 1·3 + 2·4 = 11.
#
# > **Predict.** The published file of GPT-2 holds `h.0.attn.bias` of shape (1, 1, 1024, 1024). A
# > bias of what?
# > make answer TASK=6.9 tells.
#
# **A different result?** 7 and 10: not transposed.
#
# **Read.** [`GPT.from_pretrained`](https://github.com/karpathy/nanoGPT/blob/master/model.py) in
# nanoGPT: the same work for PyTorch, where it is GPT-2's kernels that must be transposed.


# %%
def checkpoint_names(model: LanguageModel, is_gpt2: bool) -> dict[str, list[Any]]:
    """List the names under which a published GPT-2 or LLaMA stores the weights of a built model.

    Returns
    -------
    dict of str to list of weights, which are stored side by side under that name
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

    `checkpoint_names` gives the name of each weight. Names of a GPT-2 may begin with
    "transformer.", which is ignored. Arrays have the shapes of our weights, with three exceptions:
    h.i.attn.c_attn holds the kernels (or biases) of query, key and value side by side on the last
    axis; in a LLaMA the kernels of attention and network, whose names end with "_proj.weight", are
    transposed, (outputs, inputs); and so is lm_head.weight in both, (vocab_size, d_model).

    Parameters
    ----------
    model : LanguageModel
        It is changed, but not if there is an error.
    tensors : mapping of str to float array
        As `read_safetensors` returns them. It is a GPT-2 if it has wte.weight. Skip names that end
        with ".attn.bias", ".attn.masked_bias" or "rotary_emb.inv_freq", which are not weights, and
        in a tied model lm_head.weight.

    Raises
    ------
    ValueError
        If a weight's name is missing in the checkpoint, if the checkpoint has a name that the model
        does not have, or if an array has a wrong shape. The message gives the name, and for a shape
        the array's shape.

    Source: Hugging Face's `GPT2LMHeadModel` and `LlamaForCausalLM`, whose logits your model must
    give.
    """
    raise NotImplementedError("6.9")


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
    """Make the new part of a cache, with `slots` slots, for these old parts."""
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
        Gumbel distributed for sampling; zeros for greedy decoding.
    temperature, top_k, top_p
        As in `filter_logits`.
    slots : int
        Of the cache's new part.

    Returns
    -------
    int32 tensor (batch, steps)
        The ids generated after the primer, up to and including END, then PAD.
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
#
# Greedy decoding takes the likeliest token each time and cannot take it back: in the tree below it
# ends at a probability of 0.20, though 0.36 was there. Beam search keeps the best few
# continuations, the beams. But every library defines "best" differently; here the rules are exact.
# A sum of log-probabilities falls with each token, so it prefers short pieces: divide it by
# length^α. A finished continuation keeps its place among the beams and competes there. And the
# search stops when no open one can win; you can prove this: its sum only falls, and its divisor is
# at most steps^α.
#
# Picture (pictures/6_10_beams.png): A tree of two tokens. Greedy decoding takes A with 0.5, then A with 0.4: score −0.805. Two beams
# also keep B with 0.4, and find END after it with 0.9: score −0.511, the best of
# all.
#
# $$
# \begin{aligned}
# s(y) &= \frac{1}{|y|^\alpha} \sum_t \log p(y_t \mid y_{<t}) && |y| \text{ counts END} \\
# \max_{\text{finished}} s(y) &\ge \max_{\text{open}} \log p(y) / \text{steps}^\alpha && \text{stop}
# \end{aligned}
# $$
#
# **By hand.** Two beams, two steps, α = 1. First A has 0.5, B 0.4, END 0.1. After A: A 0.4, B 0.3,
# END 0.3. After B: END 0.9, A and B 0.05.
#
# | step | beams and scores |
# |---|---|
# | 1 | A log 0.5 = −0.693; B log 0.4 = −0.916 |
# | 2 | B END log(0.4·0.9) / 2 = −0.511; A A log(0.5·0.4) / 2 = −0.805 |
#
# Greedy decoding gets A A. The search finds B END.
#
# > **Predict.** α = 0 and a model that is hardly ever sure: how long are its best pieces?
# > make answer TASK=6.10 tells.
#
# **A different result?** −1.022: not divided. −0.805 and A A: at first all beams were alive, so
# both started with A.
#
# **Read.** Meister et al., [arXiv:2010.02650](https://arxiv.org/abs/2010.02650), section 1: an
# exact search often finds the empty sentence; [Dive into Deep Learning, beam
# search](https://d2l.ai/chapter_recurrent-modern/beam-search.html).


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
    log-softmax of its ids' logits, after PAD and START were set to -1e9; its score is its
    log-probability / length^alpha, its length counting END. It is finished if it ends with END, or
    has `steps` ids; else it is open.

    For each primer separately: begin with the empty continuation. At each step take all finished
    continuations that you kept, as they are, and all open ones, each continued by every id. Of all
    these keep the `num_beams` with the best scores (all of them if there are fewer). Stop when no
    open continuation can win any more, or none is open. An open one with the log-probability L
    cannot end with a better score than L / steps^alpha.

    Parameters
    ----------
    primers : int (batch, primer length), START first, without END or PAD
    steps : int
        The most ids in a continuation.
    num_beams : int, at least 1
        1 is greedy decoding. It may be larger than the vocabulary.
    alpha : float, at least 0
        0 compares sums, 1 means.
    slots : int
        Slots of the cache's new part; the result does not depend on it.

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
    its beams. A kept continuation needs the keys and values of the one that it continues: reorder
    the cache's rows in each step.

    Source: Wu et al. (2016), section 7, for the length; Graves (2012), algorithm 1.
    """
    raise NotImplementedError("6.10")


# %% [markdown]
# ## 6.11 The entropy of pitch classes
#
# Does a piece keep to a few notes, or use all twelve? A pitch class is a pitch without its octave:
# 60 and 72 are both C. Count the classes in each window of bars and take the entropy: how many bits
# it takes, on average, to say which class a note has. One bar (H1) shows the few classes of its
# chords, four bars (H4) those of the key. Pop1K7 has 1.94 and 2.53 bits, Bach's chorales 2.54 and
# 2.92. For a model that has not learned harmony the values are too high.
#
# Picture (pictures/6_11_entropy.png): How often each pitch class occurs in the first ten bars of a chorale in E minor, and each bar's
# entropy. Bar 6, a last chord of E, G and B, has 1.50 bits; bar 1, with eight classes, 2.79. F, G♯
# and A♯ never occur.
#
# $$
# H = -\frac{1}{|W|} \sum_{w \in W} \sum_{c=0}^{11} p_{wc} \log_2 p_{wc}
# $$
#
# $W$ are all windows that hold a note, each one bar later than the one before; $p_{wc}$ is the
# share of class $c$ in window $w$.
#
# **By hand.** A bar with C, E, G and the next higher C: shares 1/2, 1/4, 1/4, so 1/2·1 + 1/4·2 +
# 1/4·2 = 1.500 bits. All twelve equally often: 3.585.
#
# > **Predict.** Shuffle the notes inside every bar. What happens to H1 and H4, and to the music?
# > make answer TASK=6.11 tells.
#
# **A different result?** 1.040: natural logarithm. 1.585: you counted which classes occur, not how
# often. 2: the two Cs are different for you.
#
# When the check is green, `make show TASK=6.11` plays the chorale's four bars of lowest H1, then the
# four of highest. Do you hear a difference?
#
# **Read.** Wu and Yang, "The Jazz Transformer on the Front Line",
# [arXiv:2008.01307](https://arxiv.org/abs/2008.01307), section 5; their code is
# [MusDr](https://github.com/slSeanWU/MusDr).


# %%
def pitch_class_entropy(notes, num_bars: int, window: int) -> float:
    """Measure how evenly a piece uses the twelve pitch classes: H1 with a window of 1 bar, H4 of 4.

    For every `window` bars in a row count the notes of each pitch class, pitch mod 12; with the
    shares p_c of the counts the entropy is -Σ_c p_c log2 p_c, in bits, from 0 to log2 12 = 3.58. H
    is the mean over all such windows that hold a note.

    Parameters
    ----------
    notes : int array (notes, 3)
        Bar (from 0), position in it (0 to 15) and pitch of each note, in any order.
    num_bars : int
        Bars of the piece, including those without a note.
    window : int
        Number of bars; a piece with fewer bars is one window.

    Returns
    -------
    float, nan without a note

    Source: Wu and Yang (2020), section 5; MusDr's `compute_piece_pitch_entropy`.
    """
    raise NotImplementedError("6.11")


# %% [markdown]
# ## 6.12 The similarity of grooves
#
# Is there a rhythm that repeats? Mark where notes start in each bar, at 16 places, and compare the
# bars with each other. MusDr compares 1,000 random pairs, so its result changes each time, by up to
# 0.011. All pairs are cheaper: if c of n bars have an onset at a place, then c (n − c) pairs differ
# there.
#
# Picture (pictures/6_12_grooves.png): Three bars of 16 places. Bar 1 has onsets at 0, 4, 8 and 12, bar 2 at 0 and 8, bar 3 none; the
# similarity of each pair stands beside them.
#
# $$
# GS = 1 - \frac{1}{16 \binom{n}{2}} \sum_{i<j} \sum_{q=0}^{15} [g_{iq} \ne g_{jq}]
# $$
#
# $g_{iq}$ says whether a note starts at place $q$ of bar $i$; $[\dots]$ is 1 if it is true, else 0.
#
# **By hand.** The three bars above: the pairs differ at 2, 4 and 2 places: 0.875, 0.750, 0.875;
# their mean is 0.833.
#
# Neither H1 nor GS sees the order of the bars, or a melody:
#
# Picture (pictures/6_12_similarity.png): Which bars of a chorale are alike. Bach: two dark lines beside the diagonal, since bars 7 to 12
# repeat bars 1 to 6; H1 2.46, GS 0.82. Bars shuffled: no lines, the same H1 and GS. Pitches drawn
# anew: only the diagonal, H1 2.49, GS 0.82.
#
# > **Predict.** Four onsets a bar at random places: what GS do two such bars get on average? What
# > does Pop1K7's 0.78 mean, then?
# > make answer TASK=6.12 tells.
#
# **A different result?** 0.333: you divided by the number of places with an onset; empty places are
# equal, too. 0.917, or 0.889 with each pair twice: you compared each bar with itself.
#
# **Read.** Wu and Yang, [arXiv:2008.01307](https://arxiv.org/abs/2008.01307), section 5.


# %%
def grooving_similarity(notes, num_bars: int) -> float:
    """Measure how alike a piece's rhythms are: GS.

    A bar's groove is 16 truth values: for each position, whether a note starts there. The
    similarity of two bars is 1 - (positions at which they differ) / 16. GS is the mean over all
    pairs of different bars.

    Parameters
    ----------
    notes : int array (notes, 3)
        Bar (from 0), position in it (0 to 15) and pitch of each note, in any order.
    num_bars : int
        Bars of the piece; those without a note count too, with an empty groove.

    Returns
    -------
    float, from 0 to 1; nan with fewer than two bars, or without a note

    Source: Wu and Yang (2020), section 5; MusDr's `compute_piece_groove_similarity`, with all pairs
    instead of 1,000 random ones.
    """
    raise NotImplementedError("6.12")


# %% [markdown]
# ## 6.13 What was copied
#
# Exact copies of training pieces have Δ = 0 and would win the homework's ranking. So look for the
# copies themselves. How much is normal? In Pop1K7, 916 of 1,747 songs have a run of 8 notes that
# also occurs in another song; about 30 have such a run of 16. So a pop song with a run of 16 notes
# from the training set has copied. In a chorale 16 notes are only four chords: one held-out chorale
# in six has such a run.
#
# The longest run that ends with a note is one note longer than the run that ended with the previous
# note, at the previous place; or it starts again. So one pass through the piece finds everything:
#
# $$
# L_{ij} = [p_i = q_j] (1 + [w_i = v_j] L_{i-1,j-1}) \qquad \text{length}_i = \max_j L_{ij}
# $$
#
# with the pitches $p$, $q$ and the waits $w$, $v$ since the previous note, of piece and training
# set. With transposition, intervals replace pitches, and any first note fits.
#
# Picture (pictures/6_13_runs.png): A training piece of four notes, and a generated one with its lengths below. Its last three notes
# rise as the first three of the training piece do.
#
# **By hand.** Training: pitches 60, 62, 64, 65, a beat (4 steps) apart. The piece: 65, 61, 63, 64,
# likewise. The lengths are (1, 0, 0, 1), transposed (1, 1, 2, 3): the last three notes rise by 2
# and 1, like 62, 64, 65.
#
# > **Predict.** What are both rows if all waits of the piece are 8?
# > make answer TASK=6.13 tells.
#
# **A different result?** Transposed (1, 0, 0, 1): you still compare pitches. Transposed (1, 1, 1,
# 1): you count the intervals of a run, not its notes.
#
# When the check is green, `make show TASK=6.13` plays the longest run that two of Bach's settings of one
# melody share.
#
# **Read.** Carlini et al., [arXiv:2202.07646](https://arxiv.org/abs/2202.07646), section 3: the
# same question about text.


# %%
def copied_lengths(notes, training: Sequence, transposed: bool = False):
    """Find, for each note, the longest run of notes up to it that occurs in a training piece.

    A run is one or more notes in a row. It occurs in another piece if that has as many notes in a
    row with the same pitches, each the same number of steps after the note before it; a step is
    1/16 of a bar. The start of the first note does not matter. With `transposed`, only the
    differences of the pitches must be the same.

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
        Number of notes in the longest such run that ends with each note, that note included; 0 if
        there is none.
    pieces : int array (notes,)
        The number of the training piece in which it occurs, the first if there are several; -1 if
        there is none.
    """
    raise NotImplementedError("6.13")


# %% [markdown]
# ## 6.14 The share of copied runs
#
# One number for a table: of all runs of 16 notes in a piece, how many occur in the training set? A
# copy of 20 notes contains 5 of them. What is usual? A chorale of Bach shares 5.0 % of its runs
# with the other 359 on average, and 0 in the median, since some melodies are harmonised twice. We
# keep such pieces in one split, so held-out chorales share 0.2 %.
#
# Picture (pictures/6_14_plane.png): Distance to the training set against copied runs, in any key. Copies of training pieces have the
# lowest distance, 0.02, at 100 % copied. Pitches drawn anew have 0.10, real bars shuffled 0.13, and
# real pieces that no model has seen 0.14, all near 0 %.
#
# The homework's ranking looks at the height only: copies win, and pitches drawn at random beat real
# music. Where will your models be?
#
# **By hand.** A piece whose `copied_lengths` are 1, 2, 3, 1: runs of 2 notes end with the last
# three notes, and 2 of those 3 are copied, 0.667.
#
# **A different result?** 0.500: you divided by the number of notes. 0.333: you counted only longer
# runs.


# %%
def copied_runs(notes, training: Sequence, length: int = 16, transposed: bool = False) -> float:
    """Give the share of a piece's runs of `length` notes that occur in a training piece.

    A piece of n notes has n - length + 1 runs; `copied_lengths` says which of them occur in another
    piece.

    Parameters
    ----------
    notes, training, transposed
        As in `copied_lengths`.

    Returns
    -------
    float, from 0 to 1; nan if the piece has fewer than `length` notes
    """
    raise NotImplementedError("6.14")


# %% [markdown]
# ## 6.15 The share of copied bars
#
# A model may copy bar by bar, but never 16 notes in a row. Compare bars of four or more notes as
# sets of (position, pitch); simpler bars are equal by chance. In Pop1K7 a song shares 1.4 % of its
# bars with other songs; in 19 of 20 songs it is at most 7 %. Bach's held-out chorales share 4.1 %
# with the training set: there are only so many ways to end a line.
#
# **By hand.** Three bars, of 4, 4 and 2 notes; the first and the third occur in training. The third
# does not count: 0.500.
#
# **A different result?** 0.667: simple bars were counted.


# %%
def copied_bars(notes, training: Sequence) -> float:
    """Give the share of a piece's bars that are, note for note, a bar of a training piece.

    A bar is the set of its (position, pitch) pairs; only bars with 4 or more of them count.

    Parameters
    ----------
    notes : int array (notes, 3)
        Bar, position and pitch of each note, in any order.
    training : sequence of int arrays (notes, 3)

    Returns
    -------
    float, from 0 to 1; nan if the piece has no bar of 4 notes or more
    """

    raise NotImplementedError("6.15")


# %% [markdown]
# ## 6.16 How sure are we?
#
# Twenty other pieces would give a different figure. How different? Draw twenty of the twenty with
# replacement, again and again, and see how much the figure varies. H1 of single songs of Pop1K7 has
# a deviation of 0.23, so a mean of twenty has one of 0.23 / √20 = 0.052, and a Δ of .00 is luck.
# The same function gives the interval of a mean, that of Δ, and tells whether two models differ:
# draw their columns together, since both continued the same primers. It also gives a lower limit,
# the Δ of twenty real unseen pieces: no model can be called closer than real music is.
#
# Picture (pictures/6_16_draws.png): Means of H1 when chorales are drawn again: of 20, with bounds 2.46 and 2.57; of 80, half as
# wide, 2.50 and 2.56. A black line marks the mean of all 360, 2.54.
#
# $$
# \text{bounds} = Q_{(1 \mp \text{level}) / 2} [ T(x_{r_1}, \dots, x_{r_n}) ]
# $$
#
# $T$ is the statistic, $r_1, \dots, r_n$ the pieces of one draw, and $Q$ the quantile of $T$ over
# all draws.
#
# **By hand.** Two pieces, 0 and 1. The draws are 00, 01, 10, 11, their means 0, 0.5, 0.5, 1: at a
# level of 0.4 the bounds are 0.5 and 0.5, at 0.95 they are 0 and 1.
#
# > **Predict.** Two models differ by 0.02 in H1, and the intervals of both means overlap. Can the
# > difference be real?
# > make answer TASK=6.16 tells.
#
# **A different result?** 0.3 and 0.7 at a level of 0.4: these are quantiles of the pieces; you did
# not draw. 0.5 and 0.5 at 0.95: you drew without replacement.
#
# **Read.** Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13; [Seeing
# Theory](https://seeing-theory.brown.edu/frequentist-inference/index.html) draws it.


# %%
def bootstrap(
    values,
    statistic: Callable[[np.ndarray], float],
    size: int | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Find the bounds between which a statistic of pieces lies when the pieces are drawn again.

    `resamples` times draw `size` of the pieces, all equally likely every time (with replacement),
    and apply `statistic` to the drawn pieces. The bounds are the quantiles (1 - level) / 2 and (1 +
    level) / 2 of the results, by `np.quantile`.

    Parameters
    ----------
    values : float array (pieces,) or (pieces, columns)
        A measure of each piece; or several measures, side by side: then the pieces are drawn for
        all columns together. Pieces with a nan are left out.
    statistic : function of such an array, of `size` pieces, to a float
        `np.mean`; or `lambda drawn: abs(drawn.mean() - reference)`, the distance Δ to a training
        set's mean; or, for the columns of two models, the difference of their Δs.
    size : int or None
        Pieces in a draw; None for as many as there are. With values of real unseen pieces, with Δ,
        and with a model's number of pieces, the bounds say which Δ real music gets.
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
    raise NotImplementedError("6.16")
