# %% [markdown]
# # Lab 1: names from countries
#
# A network reads a name letter by letter and predicts the next letter. Given a country, it
# generates names that could come from there. These are in no list (the solution's GRU,
# `make lab1`):
#
# | country | names |
# |---|---|
# | Finland | Nikola, Karkpanen, Aivanen, Antonen |
# | Georgia | Rogakhidze, Avaladze, Shomuradze, Avadze |
# | Greece | Arggilas, Deranidis, Petrousos, Polakaris |
# | Italy | Poccioni, Guillero, Bagaini, Posto |
# | South Africa | Nkipano, Mazi, Sigongwani, Dabhasha |
#
# You build the network four times behind one interface, so that the four can be compared: as a
# plain recurrent network, an LSTM, a GRU and a Transformer.
#
# ![The loop of generation. Letters become ids, the country joins them, a cell or block computes,
# logits score each letter, one is drawn and read next.](pictures/0_frame.png)
#
# | tasks | what you write | hours |
# |---|---|---|
# | 1.1 to 1.3 | names as numbers; the country | 1 |
# | 1.4 to 1.6 | three recurrent cells | 2 |
# | 1.7, 1.8 | attention and a Transformer block | 2 |
# | 1.9 to 1.12 | four models, loss, sampling, names | 2 |
#
# You should know Python and NumPy, and that training follows gradients ([Dive into Deep Learning,
# linear networks](https://d2l.ai/chapter_linear-regression/index.html) catches you up). Hours are a
# guess.
#
# The names come with Faker, one locale for each language, written in ASCII by anyascii;
# `DATA=names18` takes the 18 languages of PyTorch's tutorial. A feminine form counts as the same
# name and is left out. A name is in one split only, even if two countries share it.
#
# After `make lab1`, `make lab1-ask COUNTRY=Greece LETTERS=ABC` asks your networks for more names.
#
# Results of the solution (`make lab1`: 16 countries, 1,200 updates and about 82,000 parameters
# each; nats a character on test names; fidelity is how often a classifier assigns a new name to the
# country asked for; of real names that it never saw it gets 75.6 % right):
#
# | | RNN | LSTM | GRU | Transformer |
# |---|---|---|---|---|
# | nats | 1.961 | 1.909 | 1.924 | 1.926 |
# | new names | 97 % | 95 % | 96 % | 96 % |
# | fidelity (each ± 2 points) | 64 % | 69 % | 67 % | 72 % |
#
# Gates help a little: names are short. The loss counts every letter; the classifier looks for
# typical runs of letters. The two need not agree.
#
# On 18 languages (`make lab1 PRESET=full`: 1,500 updates and about 500,000 parameters each), at the
# epoch with the best validation loss:
#
# | | RNN | LSTM | GRU | Transformer |
# |---|---|---|---|---|
# | training, without dropout | 1.944 | 1.636 | 1.714 | 1.735 |
# | validation | 2.208 | 2.117 | 2.141 | 2.134 |
# | test | 2.202 | 2.111 | 2.133 | 2.134 |
# | best epoch of 10 | 10 | 6 | 5 | 10 |
# | training, after the last epoch | 1.944 | 1.541 | 1.551 | 1.735 |
# | test, 1st letter | 2.825 | 2.842 | 2.854 | 2.807 |
# | 2nd | 2.014 | 1.902 | 1.928 | 1.861 |
# | 3rd | 2.522 | 2.461 | 2.487 | 2.515 |
# | 4th, 5th | 2.279 | 2.266 | 2.235 | 2.258 |
# | later | 1.606 | 1.394 | 1.470 | 1.487 |
#
# A published solution of the same task ends training at 2.2, 1.7 and 1.6 nats (RNN, LSTM, GRU).
#
# The Transformer is better on the first two letters, which depend on the country, and worse than
# the GRU from the third on, where the order of the letters matters. A recurrent network has that
# order in its state; the Transformer has to learn what each of its 19 positions means, from 14,379
# names.
#
# **Three questions to answer in writing** (at most 120 words each; no points):
#
# 1. What are the drawbacks of fidelity as a measure of names?
# 2. Two networks have equal loss and different fidelity. How can that be?
# 3. What might a generator of names by country be misused for?
#
# **Further reading.** [PyTorch's
# tutorial](https://docs.pytorch.org/tutorials/intermediate/char_rnn_generation_tutorial.html),
# where the 18 languages come from. [Karpathy on recurrent
# networks](https://karpathy.github.io/2015/05/21/rnn-effectiveness/).

# %%
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

import keras
import numpy as np
from keras import layers, ops

PAD, START, END = range(3)
SPECIALS = ["PAD", "START", "END"]
ARCHITECTURES = ("rnn", "lstm", "gru", "transformer")

# %% [markdown]
# ## 1.1 The vocabulary
#
# A network computes with numbers, so every character gets one, its id: its place in a list. Three
# entries are no letters: `PAD` fills rows up to one length, `START` is what the network reads
# first, and with `END` it says that a name is over. Faker's training names have 55 different
# characters, so the list has 58 entries.
#
# **By hand.** "Ada" and "Bo" give `PAD START END A B a d o`: capitals come before small letters,
# and "o" has id 7.
#
# **A different result?** `A d a B o` after the specials: you kept the order of appearance.
# `A B a d o PAD START END`: the specials come first.


# %%
def build_vocabulary(names: Iterable[str]) -> list[str]:
    """List the characters of the training names; a character's id is its position in the list.

    Parameters
    ----------
    names : iterable of str
        May be a generator: it is read once.

    Returns
    -------
    list of str
        `SPECIALS` first, then every character that occurs, once, by rising code point (as `sorted`
        orders them). "A" and "a" are two characters, and a space, hyphen or apostrophe is a
        character like any other.

    Raises
    ------
    ValueError
        If there are no characters: no names, or only empty ones.
    """
    # BEGIN SOLUTION
    characters = sorted({character for name in names for character in name})
    if not characters:
        raise ValueError("the list of names is empty: there is nothing to learn from")
    return SPECIALS + characters
    # END SOLUTION


# %% [markdown]
# ## 1.2 From names to ids
#
# At every position the network predicts the next character. So one name gives many small exercises:
# a name of n letters has n + 1 predictions, the last of which is `END`. The 10,753 training names
# give 87,867 of them. Names are computed in batches, and the rows of a batch must be equally long:
# with the longest name at 18 letters, 57 % of all places are padding. The mask says which are not.
#
# ![Two names, each as inputs, targets and mask. For Ada the inputs are START, A, d, a and the
# targets A, d, a, END. Bo is shorter, so its last place is grey padding in all
# three.](pictures/1_2_names.png)
#
# **By hand.** With the ids of 1.1:
#
# | | inputs | targets | mask |
# |---|---|---|---|
# | Ada | (1, 3, 6, 5) | (3, 6, 5, 2) | 1111 |
# | Bo | (1, 4, 7, 0) | (4, 7, 2, 0) | 1110 |
#
# > **Predict.** You batch 100 names. 99 have 5 letters, one has 18. How many columns do the arrays
# > have, and what share of the places holds a target?
#
# **A different result?** Targets (1, 3, 6, 5): inputs and targets are exchanged. Masks 1110 and
# 1100: `END` counts as a target, too. Without it a network never learns to stop.


# %%
def encode_names(
    names: Sequence[str], vocabulary: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encode names as ids: inputs, and as targets the characters that follow them.

    A name is framed first: `framed = [START] + ids + [END]`. Its inputs are `framed[:-1]`, its
    targets `framed[1:]`: the target at a position is the input of the next one. Shorter rows are
    filled on the right with `PAD`.

    Parameters
    ----------
    names : sequence of str
        At least one. An empty name is framed like any other.
    vocabulary : sequence of str
        As `build_vocabulary` returns it.

    Returns
    -------
    inputs : int32 array, shape (names, length)
        One row a name, in their order; `length` is the longest name's number of characters + 1.
    targets : int32 array, shape (names, length)
        `inputs` shifted by one, END included.
    mask : bool array, shape (names, length)
        True where there is a target, False where there is padding.

    Raises
    ------
    ValueError
        If there are no names, or a character is not in the vocabulary (the names in `SPECIALS` are
        not characters); the message names the character and the name.
    """
    # BEGIN SOLUTION
    if not len(names):
        raise ValueError("the list of names is empty: there is nothing to encode")
    numbers = {character: number for number, character in enumerate(vocabulary)}
    length = max(map(len, names)) + 1
    inputs = np.full((len(names), length), PAD, np.int32)
    targets = inputs.copy()
    for row, name in enumerate(names):
        for character in name:
            if character not in numbers:
                raise ValueError(f"{character!r} of {name!r} is not in the vocabulary")
        ids = [numbers[character] for character in name]
        inputs[row, : len(ids) + 1] = [START, *ids]
        targets[row, : len(ids) + 1] = [*ids, END]
    return inputs, targets, targets != PAD
    # END SOLUTION


# %% [markdown]
# ## 1.3 Telling the network the country
#
# One network serves all countries. It has to know which one is meant: 18 % of the Greek training
# names begin with K, and not one Italian name does. 96 % of the Greek ones end in s, where the
# first letter is long past. So the country comes with every character, and no step has to remember
# it.
#
# The network does not read ids themselves, since id 6 is not twice id 3. An embedding layer looks
# up a vector of `dim` numbers for each id, and learns these vectors. The country is glued to each
# of them as a one-hot vector: 1 at the country's place, 0 elsewhere.
#
# ![Four columns for START, A, d and a. In each the letter's own two numbers stand on top, and under
# them 0 for Finland, 0 for Greece and 1 for Italy, the same in every
# column.](pictures/1_3_country.png)
#
# $$
# \begin{aligned}
# e_k &= (0, \dots, 0, 1, 0, \dots, 0) && (\text{countries}) \text{, the 1 at place } k \\
# x'_{bt} &= [x_{bt}, e_{k_b}] && (\text{dim} + \text{countries}) \\
# x' & && (B, T, \text{dim} + \text{countries})
# \end{aligned}
# $$
#
# $B$ is the number of names in a batch, $T$ the number of steps, $k_b$ the country of row $b$.
#
# **By hand.** The input (0.5, −1), with country 2 of three (they count from 0), becomes (0.5, −1,
# 0, 0, 1).
#
# > **Predict.** The country's number 2 itself would take one place instead of three. What would the
# > network have to believe about countries 0, 1 and 2?
#
# **A different result?** (0, 0, 1, 0.5, −1): the country comes after the input. (0.5, −1, 2): that
# is the number, not the one-hot vector.
#
# **Read.** Mirza and Osindero, [arXiv:1411.1784](https://arxiv.org/abs/1411.1784), section 3.2: a
# condition as additional input, there for images.
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
def condition_on_country(inputs, countries, num_countries: int):
    """Append the country's one-hot vector to the input at every step.

    Parameters
    ----------
    inputs : float tensor, shape (batch, length, dim)
    countries : int tensor, shape (batch,)
        Each row's country, from 0 to `num_countries` − 1.
    num_countries : int

    Returns
    -------
    tensor of the dtype of `inputs`, shape (batch, length, dim + num_countries)
        At every step of row b: `inputs[b, t]`, then 1 at place `dim + countries[b]` and 0 at the
        places of the other countries.

    Notes
    -----
    It is used within a functional `keras.Model`, where batch and length are not known yet (None):
    use `keras.ops` only, and neither `inputs.shape[1]` nor `ops.shape`.

    Source: a conditional language model, as in Mirza and Osindero, "Conditional Generative
    Adversarial Nets" (2014), section 3.2: the condition enters as additional input.
    """
    # BEGIN SOLUTION
    one_hot = ops.one_hot(countries, num_countries, dtype=inputs.dtype)  # (batch, num_countries)
    every_step = ops.ones_like(inputs[..., :1])  # (batch, length, 1)
    return ops.concatenate([inputs, every_step * one_hot[:, None, :]], axis=-1)
    # END SOLUTION


# %% [markdown]
# ## 1.4 A recurrent cell
#
# Names have 2 to 18 letters, and a layer has a fixed number of inputs. So a recurrent network reads
# one letter at a time and keeps what it has read in a vector of $n$ numbers, the state $h$. The
# cell is one step: input and old state in, new state out. The matrix $W$ turns the input into $n$
# numbers, $U$ mixes those of the old state, and tanh keeps every number between −1 and 1.
# `keras.layers.RNN(cell)` walks the cell along the name.
#
# ![The same cell four times in a row. It reads START, A, d, a and predicts the next letter. Arrows
# carry the state from step to step; the first is zeros.](pictures/1_4_unrolled.png)
#
# $$
# \begin{aligned}
# a &= xW + hU + b && (B, n) \\
# h' &= \tanh a && (B, n)
# \end{aligned}
# $$
#
# $x$ is $(B, \text{input's width})$, $W$ is $(\text{input's width}, n)$, $h$ is $(B, n)$, $U$ is
# $(n, n)$. Vectors are rows.
#
# Training follows gradients: by how much would the loss change if a number did? On its way back to
# an earlier letter, a gradient is multiplied at every step by $U$ and by tanh's slope, at most 1.
# Many factors below 1 make it vanish, factors above 1 make it explode.
#
# ![Three falling lines: the gradient from 0 to 9 letters back, highest in the GRU; from 7 back on
# the RNN rises again.](pictures/1_4_gradient.png)
#
# (The gradient of the tenth letter's loss by the vector of each input before it, over test names of
# ten letters or more; that of the nearest input is 1. START, 9 back, says where the name begins.)
#
# Seven letters back, 13 % is left in the trained RNN, 12 % in the LSTM and 28 % in the GRU. Names
# are short: here a plain network does well.
#
# **By hand.** $x = 1$, $h = (0.5, -0.5)$, $W = (1, 0.5)$, $U$ has the rows $(0.5, 1)$ and
# $(0, -1)$, $b = (0, -0.5)$. Then $hU = (0.25, 1)$, $a = (1.25, 1)$ and $h'$ = (0.848, 0.762).
#
# > **Predict.** One unit, and tanh's slope is about 1. What share of the gradient is left after ten
# > steps with $U = 0.9$, and with $U = 1.1$?
#
# **A different result?** (0.635, 0.462): $U$ is transposed. (0.848, 0.905): the bias is missing.
#
# **Read.** Pascanu, Mikolov and Bengio, [arXiv:1211.5063](https://arxiv.org/abs/1211.5063), section
# 2: why gradients vanish and explode. [Dive into Deep Learning,
# RNNs](https://d2l.ai/chapter_recurrent-neural-networks/rnn.html): with a language model of
# letters.


# %%
class RNNCell(keras.layers.Layer):
    """One step of a plain recurrent network; `keras.layers.RNN` walks it along a sequence.

    h' = tanh(x · W + h · U + b)

    Attributes
    ----------
    kernel : W, shape (input_dim, units)
    recurrent_kernel : U, shape (units, units)
    bias : b, shape (units,)

    Keras's own cells are not allowed, neither inherited nor called: the task is to write one out.

    Source: Elman, "Finding Structure in Time" (1990); weights as in `keras.layers.SimpleRNNCell`.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        """Make the weights, named and shaped as `keras.layers.SimpleRNNCell` has them."""
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs : x, float tensor (batch, input_dim)
        states : [h], a list of one float tensor (batch, units)

        Returns
        -------
        output : h', (batch, units)
        states : [h'], a list, as on input
        """
        # BEGIN SOLUTION
        (h,) = states
        new_h = ops.tanh(
            ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel) + self.bias
        )
        return new_h, [new_h]
        # END SOLUTION


# %% [markdown]
# ## 1.5 An LSTM cell
#
# A plain cell multiplies its memory by the same matrix at every step, so what it read early fades
# (in names of ten letters hardly; in longer sequences soon).
# In our run a plain network costs 1.961 nats a letter, an LSTM 1.909 (1.10 says what a nat is). The
# LSTM keeps a second state, the cell $c$, that is never multiplied by a matrix: a gate scales it,
# and something is added. Gates are numbers between 0 and 1, computed anew at each step. Forget: how
# much stays? Input: how much is new? Output: how much is shown to the next layer?
#
# ![An LSTM cell. The cell line runs straight from left to right. It meets one product, with the
# forget gate, and one sum, with input gate times candidate. Only a copy of it passes tanh and the
# output gate and becomes the new h.](pictures/1_5_lstm.png)
#
# $$
# \begin{aligned}
# z &= xW + hU + b && (B, 4n) \text{, cut into } z_i, z_f, z_g, z_o \\
# i, f, o &= \sigma(z_i), \sigma(z_f), \sigma(z_o) && (B, n) \text{ each} \\
# g &= \tanh(z_g) && (B, n) \\
# c' &= f \odot c + i \odot g && (B, n) \\
# h' &= o \odot \tanh(c') && (B, n)
# \end{aligned}
# $$
#
# $\sigma(z) = 1 / (1 + e^{-z})$ grows from 0 to 1; $\odot$ multiplies number by number. The
# candidate $g$ is what may be added.
#
# Back along $c$, with the gates held fixed, the gradient is multiplied by $f$ alone. So $f$ begins
# open: its bias is 1. At $z_f = 1$, 4.4 % of $c$ is left after ten steps ($\sigma(1)^{10}$); at 0
# it would be 0.1 %.
#
# **By hand.** One unit: $x = 1$, $h = 0.5$, $c = 2$, $W = (-1, 1, 0.5, 1)$, $U = (0, 0, 1, -2)$,
# $b = (0, 1, 0, 0)$. Then $z = (-1, 2, 1, 0)$.
#
# | i | f | g | o | c' | h' |
# |---|---|---|---|---|---|
# | 0.269 | 0.881 | 0.762 | 0.500 | 0.881·2 + 0.269·0.762 = 1.966 | 0.5·tanh(1.966) = 0.481 |
#
# > **Predict.** $z_f = 20$ and $z_i = -20$: what is $c$ after 100 steps? What can such a cell do,
# > and what not?
#
# **A different result?** $c'$ = 1.762 and $h'$ = 0.689: your last two blocks are exchanged; the
# order is i, f, g, o. $h'$ = 0.983: $h$ takes $c'$ without tanh.
#
# **Read.** Greff et al., *LSTM: A Search Space Odyssey*,
# [arXiv:1503.04069](https://arxiv.org/abs/1503.04069), section II, and which parts matter; [Dive
# into Deep Learning, LSTM](https://d2l.ai/chapter_recurrent-modern/lstm.html), four pictures of one
# cell.


# %%
class LSTMCell(keras.layers.Layer):
    """One step of a long short-term memory; `keras.layers.RNN` walks it along a sequence.

    With the four blocks of `units` columns of kernel, recurrent kernel and bias in the order
    input gate, forget gate, candidate, output gate:

    i = σ(x · W_i + h · U_i + b_i)
    f = σ(x · W_f + h · U_f + b_f)
    g = tanh(x · W_g + h · U_g + b_g)
    o = σ(x · W_o + h · U_o + b_o)
    c' = f ⊙ c + i ⊙ g
    h' = o ⊙ tanh(c')

    Attributes
    ----------
    kernel : W, shape (input_dim, 4 · units)
    recurrent_kernel : U, shape (units, 4 · units)
    bias : b, shape (4 · units,)

    Keras's own cells are not allowed, neither inherited nor called: the task is to write one out.

    Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000), section
    3; weights as in `keras.layers.LSTMCell`.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = [units, units]

    def build(self, input_shape):
        """Make the weights, named and shaped as `keras.layers.LSTMCell` has them."""
        width = 4 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        # the forget gate begins open (Jozefowicz et al. 2015, section 3)
        self.bias = self.add_weight(shape=(width,), initializer=self.open_forget_gate, name="bias")

    def open_forget_gate(self, shape, dtype=None):
        """Give the bias its first value: 1 for the forget gate, 0 for the others."""
        return ops.repeat(ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0], dtype), self.units)

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs : x, float tensor (batch, input_dim)
        states : [h, c], two float tensors (batch, units)

        Returns
        -------
        output : h', (batch, units)
        states : [h', c'], a list, as on input
        """
        # BEGIN SOLUTION
        h, c = states
        blocks = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel) + self.bias
        i, f, g, o = ops.split(blocks, 4, axis=-1)
        new_c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        new_h = ops.sigmoid(o) * ops.tanh(new_c)
        return new_h, [new_h, new_c]
        # END SOLUTION


# %% [markdown]
# ## 1.6 A GRU cell, by either convention
#
# Can fewer gates do it? The GRU has one state and two gates, and in our run it is as good as the
# LSTM within 0.02 nats, with more units for the same number of weights. The update gate $z$ says
# how much of the old state stays. The candidate $g$ takes the rest. The reset gate $r$ says how
# much of the old state the candidate may see.
#
# There are two ways to reset, and they are different networks: the weights of one do not fit the
# other. **Before** the product is the published GRU. **After** the product is what cuDNN does (the
# library of NVIDIA's GPUs), and so do Keras and PyTorch: the three products with $h$ become one,
# which is fast on a GPU. It needs a second bias, $b'$, inside the brackets.
#
# ![The candidate's path twice. Above, h meets the reset gate first and U second. Below, h meets U
# and the second bias first and the reset gate second. Both then add the input's part and pass
# tanh.](pictures/1_6_reset.png)
#
# $$
# \begin{aligned}
# z &= \sigma(xW_z + b_z + hU_z + b'_z) && (B, n) \\
# r &= \sigma(xW_r + b_r + hU_r + b'_r) && (B, n) \\
# g &= \tanh(xW_g + b_g + r \odot (hU_g + b'_g)) && (B, n) \text{, reset after} \\
# g &= \tanh(xW_g + b_g + (r \odot h)U_g) && (B, n) \text{, reset before: no } b' \\
# h' &= z \odot h + (1 - z) \odot g && (B, n)
# \end{aligned}
# $$
#
# In the code $W_z$, $W_r$, $W_g$ are the columns of one matrix, side by side; so are $U$'s.
#
# **By hand.** $x = 1$, $h = (0.5, -0.5)$. $W_z = (1, 1)$, $W_r = (0, 2)$, $W_g = (0, 0)$. $U_g$ has
# the rows $(2, 1)$ and $(1, -2)$, $b'_g = (0.5, 0.5)$, all else is 0. Then $z = (0.731, 0.731)$ and
# $r = (0.5, 0.881)$.
#
# | reset | inside tanh | g | h' |
# |---|---|---|---|
# | before | (r ⊙ h) U_g = (0.25, −0.440) U_g = (0.060, 1.131) | (0.059, 0.811) | (0.382, −0.147) |
# | after | r ⊙ (hU_g + b'_g) = r ⊙ (1, 2) = (0.5, 1.762) | (0.462, 0.943) | (0.49, −0.112) |
#
# > **Predict.** $z = 1$ at every step: what does the cell do? Which gate of the LSTM is it like?
#
# **A different result?** Reset after gives (0.562, −0.333): your blocks are in the order r, z, g.
# (0.472, 0.555): $z$ and $1 - z$ are exchanged. (0.536, −0.11): $b'_g$ is outside the brackets.
# Reset before gives (0.431, −0.132): `reset_after` is ignored.
#
# **Read.** Cho et al., [arXiv:1406.1078](https://arxiv.org/abs/1406.1078), section 2.3. [Dive into
# Deep Learning, GRU](https://d2l.ai/chapter_recurrent-modern/gru.html).


# %%
class GRUCell(keras.layers.Layer):
    """One step of a gated recurrent unit, with the reset gate before or after the product.

    `keras.layers.RNN` walks it along a sequence. With the three blocks of `units` columns of
    kernel, recurrent kernel and bias in the order update gate, reset gate, candidate:

    z = σ(x · W_z + b_z + h · U_z + b'_z)
    r = σ(x · W_r + b_r + h · U_r + b'_r)
    g = tanh(x · W_g + b_g + r ⊙ (h · U_g + b'_g))    if `reset_after`
    g = tanh(x · W_g + b_g + (r ⊙ h) · U_g)           otherwise
    h' = z ⊙ h + (1 − z) ⊙ g

    Without `reset_after` there is no b'.

    Attributes
    ----------
    kernel : W, shape (input_dim, 3 · units)
    recurrent_kernel : U, shape (units, 3 · units)
    bias : [b, b'], shape (2, 3 · units), if `reset_after`; else b, shape (3 · units,)

    Keras's own cells are not allowed, neither inherited nor called: the task is to write one out.

    Source: Cho et al. (2014), section 2.3, resets before; `keras.layers.GRUCell`, whose weights
    these are, resets after by default. In both, z is the share of the old state that stays.
    """

    def __init__(self, units: int, reset_after: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.reset_after = reset_after
        self.state_size = units

    def build(self, input_shape):
        """Make the weights, named and shaped as `keras.layers.GRUCell` has them."""
        width = 3 * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        shape = (2, width) if self.reset_after else (width,)
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, inputs, states, training=False):
        """Take one step.

        Parameters
        ----------
        inputs : x, float tensor (batch, input_dim)
        states : [h], a list of one float tensor (batch, units)

        Returns
        -------
        output : h', (batch, units)
        states : [h'], a list, as on input
        """
        # BEGIN SOLUTION
        (h,) = states
        bias = self.bias[0] if self.reset_after else self.bias
        x_z, x_r, x_g = ops.split(ops.matmul(inputs, self.kernel) + bias, 3, axis=-1)
        if self.reset_after:
            recurrent = ops.matmul(h, self.recurrent_kernel) + self.bias[1]
            h_z, h_r, h_g = ops.split(recurrent, 3, axis=-1)
            g = ops.tanh(x_g + ops.sigmoid(x_r + h_r) * h_g)
        else:
            gates = ops.matmul(h, self.recurrent_kernel[:, : 2 * self.units])
            h_z, h_r = ops.split(gates, 2, axis=-1)
            reset = ops.sigmoid(x_r + h_r) * h
            g = ops.tanh(x_g + ops.matmul(reset, self.recurrent_kernel[:, 2 * self.units :]))
        z = ops.sigmoid(x_z + h_z)
        new_h = z * h + (1 - z) * g
        return new_h, [new_h]
        # END SOLUTION


# %% [markdown]
# ## 1.7 Causal attention
#
# A Transformer has no state: each position looks at all earlier ones. It asks with a query; every
# position offers a key and a value. The better a key fits the query, the more of its value is
# taken. It must not look ahead, or it would read the answer, so the scores of later positions are
# hidden.
#
# ![Three tables of four queries by four keys. First all scores. Then the scores above the diagonal
# are hatched: hidden. Last the weights, 0 where the score is hidden, and each row sums to
# 1.](pictures/1_7_attention.png)
#
# $$
# \begin{aligned}
# s_{ij} &= \frac{q_i \cdot k_j}{\sqrt{d}} && (B, \text{heads}, \text{queries}, \text{keys}) \\
# w_{ij} &= \frac{\exp s_{ij}}{\sum_{r \le i} \exp s_{ir}} \text{ if } j \le i \text{, else } 0
# && (B, \text{heads}, \text{queries}, \text{keys}) \\
# o_i &= \textstyle\sum_j w_{ij} v_j && (B, \text{heads}, \text{queries}, d)
# \end{aligned}
# $$
#
# The middle line is a softmax: positive numbers that sum to 1. $d$ is `head_dim`, the width of a
# head. Heads are several attentions side by side, each with its own queries, keys and values.
#
# Scores are hidden before the softmax, so that the weights of the others still sum to 1. Dividing
# by $\sqrt{d}$ keeps the spread of the scores the same for heads of any width: a sum of more
# products spreads wider, and a softmax of widely spread scores has almost no gradient. Rows are
# padded on the right, so a name's characters never see padding, and no other mask is needed.
#
# **By hand.** $d = 4$. $q_1 = (1, 1, 0, 0)$, $q_2 = (0, 2, 0, 0)$, $k_1 = (2, 1, 0, 0)$,
# $k_2 = (1, 2, 0, 0)$. Query 1 sees key 1 only: weights (1, 0). Query 2 has the products 2 and 4,
# the scores 1 and 2, and the weights (0.269, 0.731).
#
# > **Predict.** All keys are alike. What does the third position's output become?
#
# **A different result?** (0.119, 0.881): the scores are not divided. (0.5, 0) for query 1: you hid
# after the softmax.
#
# **Read.** Vaswani et al., [arXiv:1706.03762](https://arxiv.org/abs/1706.03762), sections 3.2.1 and
# 3.2.3. [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/), with
# code.


# %%
def causal_attention(query, key, value, positions=None):
    """Scaled dot-product attention in which no position sees a later one.

    softmax(Q · Kᵀ / √head_dim, over the keys that are seen) · V

    Parameters
    ----------
    query : float tensor, shape (batch, heads, queries, head_dim)
    key, value : float tensors, shape (batch, heads, keys, head_dim)
        Key and value j are at position j.
    positions : int tensor, shape (batch, queries), optional
        The position of each query: it sees the keys from 0 to its own position, included. Without
        it, query i is at position i. A step of generation has one query; slots after its position
        are for future keys, and their contents (finite) must not matter.

    Returns
    -------
    tensor of the dtype of `query`, shape (batch, heads, queries, head_dim)
        Each query's mean of the values it sees, weighted by the softmax of its scores. Finite
        for scores up to ±1e4.

    Notes
    -----
    It is used within layers, when batch, queries and keys are not known yet (None): use
    `keras.ops` only, and `ops.shape(query)[2]`, not `query.shape[2]`. Keras's own attention is not
    allowed, neither its layers nor `ops.dot_product_attention`: the task is to write it out.

    Source: Vaswani et al., "Attention Is All You Need" (2017), sections 3.2.1 and 3.2.3.
    """
    # BEGIN SOLUTION
    head_dim = query.shape[-1]
    scores = ops.einsum("bhqd,bhkd->bhqk", query, key) / head_dim**0.5
    if positions is None:
        positions = ops.arange(ops.shape(query)[2])[None]
    places = ops.arange(ops.shape(key)[2], dtype=positions.dtype)
    seen = places <= positions[:, None, :, None]  # (batch or 1, 1, queries, keys)
    # softmax in 32 bits, where −1e9 is a number even if the layers compute in 16
    scores = ops.where(seen, ops.cast(scores, "float32"), -1e9)
    weights = ops.cast(ops.softmax(scores, axis=-1), value.dtype)
    return ops.einsum("bhqk,bhkd->bhqd", weights, value)
    # END SOLUTION


# %% [markdown]
# ## 1.8 A Transformer block
#
# Attention moves information between positions; the feed-forward network after it (two layers, with
# max(0, x) between them) works on each position by itself. Both add to their input. So the gradient
# always has a path around them, however many blocks are stacked.
#
# ![A straight line, the residual stream. Twice a branch leaves it, is normalised, passes attention
# or the feed-forward network, and is added back. Attention also reads a cache of earlier keys and
# values.](pictures/1_8_block.png)
#
# $$
# \begin{aligned}
# y &= x + \text{Attention}(\text{norm}_1(x)) && (B, T, d) \\
# x' &= y + \text{FeedForward}(\text{norm}_2(y)) && (B, T, d) \\
# \text{norm}(x) &= \gamma \odot \frac{x - \text{mean}(x)}{\sqrt{\text{var}(x) + 10^{-5}}} + \beta
# && \text{over the } d \text{ numbers of a position}
# \end{aligned}
# $$
#
# $d$ is the width `dim`. $\gamma$ and $\beta$ are learned and begin as 1 and 0.
#
# The key and the value of a position depend only on it and earlier positions, so they never change
# as the name grows. Kept in a cache, they make a step as cheap as a recurrent network's. To
# generate nine letters, ten positions are computed; read anew for every letter, 1 + 2 + … + 10 = 55
# would be.
#
# **By hand.** One position, one head, x = (1, 3). The matrices of value and output leave a vector
# as it is; expand copies it and fills up with zeros, contract takes the copy; biases are 0. norm_1
# gives (−1, 1). A position that sees only itself has weight 1, so y = (1, 3) + (−1, 1) = (0, 4).
# norm_2 gives (−1, 1), relu leaves (0, 1), and x' = (0, 5).
#
# > **Predict.** The matrices and biases of `output` and `contract` are all zeros. What does the
# > block do?
#
# **A different result?** (0, 1): the second sum is missing. (−1, 1): you normalised the sums, not
# what goes into the branches.
#
# **Read.** Xiong et al., [arXiv:2002.04745](https://arxiv.org/abs/2002.04745), section 3, where to
# normalise. [The Annotated Transformer](https://nlp.seas.harvard.edu/annotated-transformer/).


# %%
class TransformerBlock(keras.layers.Layer):
    """Causal self-attention in several heads, then a network on each position by itself.

    x = x + dropout(Attention(norm_1(x)))
    x = x + dropout(FeedForward(norm_2(x)))

    FeedForward(x) = contract(relu(expand(x))). Attention projects its input by `query`, `key` and
    `value`; head k has columns k · head_dim to (k + 1) · head_dim of each, with head_dim = dim /
    num_heads; `causal_attention` works on each head; the heads' results are joined again, in order,
    and go through `output`. Dropout comes after `output` and after `contract`, only in training.

    Attributes
    ----------
    norm_1, norm_2 : LayerNormalization
    query, key, value, output_projection : Dense (dim → dim), with bias
    expand, contract : Dense (dim → 4 · dim, relu) and Dense (4 · dim → dim)
    drop : Dropout

    Keras's own attention is not allowed, neither its layers nor `ops.dot_product_attention`.

    Source: Vaswani et al. (2017), section 3; normalised first as in Xiong et al., "On Layer
    Normalization in the Transformer Architecture" (2020), section 3, which trains without warm-up.
    """

    def __init__(self, num_heads: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.dropout = dropout

    def build(self, input_shape):
        """Make the layers; `dim` is the input's, which `num_heads` must divide."""
        dim = input_shape[-1]
        if dim % self.num_heads:
            raise ValueError(f"{self.num_heads} heads do not divide {dim} dimensions")
        self.norm_1 = layers.LayerNormalization(epsilon=1e-5, name="norm_1")
        self.query = layers.Dense(dim, name="query")
        self.key = layers.Dense(dim, name="key")
        self.value = layers.Dense(dim, name="value")
        self.output_projection = layers.Dense(dim, name="output")
        self.norm_2 = layers.LayerNormalization(epsilon=1e-5, name="norm_2")
        self.expand = layers.Dense(4 * dim, activation="relu", name="expand")
        self.contract = layers.Dense(dim, name="contract")
        self.drop = layers.Dropout(self.dropout, name="drop")
        of_dim = (self.norm_1, self.query, self.key, self.value, self.output_projection)
        for layer in (*of_dim, self.norm_2, self.expand):
            layer.build((None, None, dim))
        self.contract.build((None, None, 4 * dim))

    def call(self, inputs, cache=None, position=None, training=False):
        """Transform a whole sequence, or its next position from a cache of the earlier ones.

        Parameters
        ----------
        inputs : x, float tensor (batch, length, dim)
            With a cache: (batch, 1, dim), the one position to compute.
        cache : [keys, values], two float tensors (batch, max_length, dim), optional
            The outputs of `key` and `value` at earlier positions, heads side by side.
        position : int tensor (batch, 1)
            With a cache: the position of the input, from 0.

        Returns
        -------
        outputs : (batch, length, dim)
            The outputs at a position depend on it and earlier ones only. Computed position by
            position, from a cache of zeros, they equal those of the whole sequence.
        keys, values : (batch, length, dim), or with a cache (batch, max_length, dim)
            The outputs of `key` and `value`, heads side by side; with a cache, the cache, with the
            new keys and values written at `position`.
        """
        # BEGIN SOLUTION
        normed = self.norm_1(inputs)
        keys, values = self.key(normed), self.value(normed)
        if cache is not None:
            places = ops.arange(ops.shape(cache[0])[1], dtype=position.dtype)
            here = (places[None] == position)[..., None]  # (batch, max_length, 1)
            keys = ops.where(here, keys, ops.cast(cache[0], keys.dtype))
            values = ops.where(here, values, ops.cast(cache[1], values.dtype))

        def split(x):
            batch, length, dim = ops.shape(x)
            heads = ops.reshape(x, (batch, length, self.num_heads, dim // self.num_heads))
            return ops.transpose(heads, (0, 2, 1, 3))  # (batch, heads, length, head_dim)

        attended = causal_attention(split(self.query(normed)), split(keys), split(values), position)
        attended = ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), ops.shape(inputs))
        x = inputs + self.drop(self.output_projection(attended), training=training)
        fed_forward = self.contract(self.expand(self.norm_2(x)))
        outputs = x + self.drop(fed_forward, training=training)
        return outputs, keys, values
        # END SOLUTION


# %% [markdown]
# ## 1.9 Four models behind one interface
#
# Training uses whole names: one call predicts at all positions. Generation goes step by step: the
# next input is not known until a character is drawn. So there are two models over the same layers.
# The step passes on a recurrent state or a cache, as a list that the caller need not understand. A
# layer called twice has one set of weights, so what the model learns, the stepper knows.
#
# ![One row of layers: embedding, country, cell or blocks, logits. From above the model sends whole
# names through them and gets logits for each position. From below the stepper sends one letter and
# states, and gets logits and new states.](pictures/1_9_two_models.png)
#
# A logit is a score: any number, the higher the likelier. Softmax turns the logits of a position
# into probabilities. Dropout sets a share of the numbers to 0 in training, a different one each
# time, so that the network does not rely on single ones.
#
# The length of a name is not known while a model is built: count positions with a running sum over
# the ids' axis, not with `ops.arange`.
#
# **By hand.** How many weights has the GRU of `make lab1`? 58 ids, vectors of 32, 16 countries, 132
# units, one layer.
#
# | layer | weights |
# |---|---|
# | embedding | 58·32 = 1,856 |
# | GRU | 3·132·(48 + 132 + 2) = 72,072 |
# | logits | (132 + 1)·58 = 7,714 |
# | together | 81,642 |
#
# The Transformer, with 56 units and two blocks, has 85,802.
#
# > **Predict.** Before training, what is the loss near, and why does the country not matter to it?
#
# **A different result?** 153,714 over both models: the stepper has cells of its own, untrained.
# 85,690: the Transformer's last norm is missing.
#
# **Read.** [Keras, the functional API](https://keras.io/guides/functional_api/): models that share
# layers.


# %%
def build_name_model(
    architecture: str,
    vocab_size: int,
    num_countries: int,
    embedding_dim: int,
    units: int,
    num_layers: int,
    dropout: float,
    max_length: int,
    num_heads: int = 4,
) -> tuple[keras.Model, keras.Model]:
    """Build the network twice over the same layers: for whole names, and for one step.

    `Embedding` of the ids → `condition_on_country` → `Dropout` → the architecture's layers, each
    of `units` → `Dropout` → `Dense` logits.

    - "rnn", "lstm", "gru": `num_layers` times `keras.layers.RNN` over your `RNNCell`, `LSTMCell` or
      `GRUCell` (which resets after the product).
    - "transformer": a `Dense` to `units`, to which an `Embedding` of the position is added; then
      `num_layers` times your `TransformerBlock`, with the dropout given; then a
      `LayerNormalization` (epsilon 1e-5).

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    vocab_size, num_countries : int
        Number of ids, and of countries.
    embedding_dim, units : int
        Width of the embedding, and of every layer after it.
    num_layers : int
        How many layers are stacked.
    dropout : float
        Share that each `Dropout` drops in training.
    max_length : int
        The most inputs of a name, START included, for which the Transformer has positions. The
        other architectures take any length.
    num_heads : int
        Heads of a Transformer block.

    Returns
    -------
    model : keras.Model
        [ids int (batch, length), countries int (batch,)] → logits (batch, length, vocab_size).
        Logits, not probabilities: no softmax. The logits at a position depend on the country, that
        id and earlier ones.
    stepper : keras.Model
        [id int (batch, 1), countries int (batch,), *states] → [logits (batch, vocab_size),
        *states]: as many states come out as went in, in the same order and shapes. Fed
        with zeros and then with its own states, it gives the logits of `model`, position by
        position. States, layer after layer: "rnn" and "gru" h, "lstm" h and c, each float
        (batch, units); "transformer" first the position, int32 (batch, 1), then keys and values of
        each block, float (batch, max_length, units).

    Both are functional models that share their layers, hence their weights. Before training, the
    loss is near ln `vocab_size`. Training changes every weight, and can learn a small batch by
    heart. Layers with weights are named "embedding", then "rnn_0", "rnn_1", … (for all three cells;
    the cells themselves "cell_0", …), or "widen", "positions", "block_0", "block_1", …, "norm";
    then "logits".

    Raises
    ------
    ValueError
        If there is no such architecture; the message names it.
    """
    # BEGIN SOLUTION
    if architecture not in ARCHITECTURES:
        raise ValueError(f"there is no architecture {architecture!r}: {', '.join(ARCHITECTURES)}")
    embedding = layers.Embedding(vocab_size, embedding_dim, name="embedding")
    drop = layers.Dropout(dropout, name="dropout")
    to_logits = layers.Dense(vocab_size, name="logits")
    country = keras.Input((), dtype="int32", name="country")
    ids = keras.Input((None,), dtype="int32", name="ids")
    one_id = keras.Input((1,), dtype="int32", name="id")

    def begin(some_ids):
        return drop(condition_on_country(embedding(some_ids), country, num_countries))

    hidden, step = begin(ids), begin(one_id)
    states, new_states = [], []
    if architecture == "transformer":
        widen = layers.Dense(units, name="widen")
        place = layers.Embedding(max_length, units, name="positions")
        norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        position = keras.Input((1,), dtype="int32", name="position")
        states, new_states = [position], [position + 1]
        hidden = widen(hidden) + place(ops.cumsum(ops.ones_like(ids), axis=1) - 1)
        step = widen(step) + place(position)
        for i in range(num_layers):
            block = TransformerBlock(num_heads, dropout, name=f"block_{i}")
            hidden, _, _ = block(hidden)
            cache = [keras.Input((max_length, units), name=f"{what}_{i}") for what in ("k", "v")]
            step, *new_cache = block(step, cache=cache, position=position)
            states += cache
            new_states += new_cache
        hidden, step = norm(hidden), norm(step)[:, 0]
    else:
        cells: dict[str, Callable[..., keras.layers.Layer]]
        cells = {"rnn": RNNCell, "lstm": LSTMCell, "gru": GRUCell}
        step = step[:, 0]
        for i in range(num_layers):
            cell = cells[architecture](units, name=f"cell_{i}")
            rnn = layers.RNN(cell, return_sequences=True, name=f"rnn_{i}")
            hidden = rnn(hidden)
            names = ("h", "c") if architecture == "lstm" else ("h",)
            old = [keras.Input((units,), name=f"{name}_{i}") for name in names]
            step, new = cell(step, old)
            states += old
            new_states += new
    model = keras.Model([ids, country], to_logits(drop(hidden)), name=architecture)
    stepper = keras.Model(
        [one_id, country, *states],
        [to_logits(drop(step)), *new_states],
        name=f"{architecture}_step",
    )
    return model, stepper
    # END SOLUTION


# %% [markdown]
# ## 1.10 The loss
#
# Training needs one number to lower. At each position the network gives every character a
# probability; the loss is −ln of the probability that it gave the right one. The unit is the nat. A
# sure and right guess costs 0, a chance of one in two 0.69, one in ten 2.30.
#
# The exponential of the mean loss says among how many equally likely characters the network
# hesitates. A uniform guess among the 56 possible answers (55 characters and `END`) costs ln 56 =
# 4.03. The GRU's 1.924 on test names is as if it hesitated among 6.8.
#
# ![Bars of nats for each letter of the Greek test name Afroudakis. The first two letters cost about
# 3 each, the ending i, s, END together less than 0.2. A dashed line marks the mean,
# 1.56.](pictures/1_10_letters.png)
#
# $$
# \begin{aligned}
# p &= \text{softmax}(\text{logits}) && (B, T, V) \\
# L &= -\frac{1}{N} \sum_{b,t} m_{bt} \ln p_{bt}[\text{target}_{bt}] && \text{a number}
# \end{aligned}
# $$
#
# $V$ is `vocab_size`. The mask $m$ is 0 at padding, else 1, and $N$ is the sum of $m$.
#
# **By hand.** Two names, "Bo" and "A". The right characters have the probabilities 0.5, 0.25, 0.5
# and 0.1, 0.5; one place is padding. L = (0.693 + 1.386 + 0.693 + 2.303 + 0.693) / 5 = 1.154.
#
# > **Predict.** Padding is counted as targets, and the network learns to predict it. What happens
# > to the loss of a batch of 99 short names and one long one?
#
# **A different result?** 0.961: you divide by all six places. 1.211: a mean of the names' means, in
# which the letters of short names weigh more.
#
# **Read.** [Dive into Deep Learning, language
# models](https://d2l.ai/chapter_recurrent-neural-networks/language-model.html): perplexity, the
# exponential of this loss.


# %%
def nats_per_character(targets, logits):
    """Average the cross-entropy over the characters, END among them, that are not padding.

    −(1/N) Σ log softmax(logits)[target], over the N positions with `target != PAD`.

    Parameters
    ----------
    targets : tensor of ids, shape (batch, length)
        Any numeric dtype (Keras hands targets to a loss as float32).
    logits : float tensor, shape (batch, length, vocab_size)
        Finite, of any size: no overflow at ±1e4.

    Returns
    -------
    scalar float32 tensor
        Nats (natural logarithm) a character. Every character counts the same: this is not a mean
        of the rows' means, in which a short name's characters would weigh more. 0 if all is
        padding. Logits at padding change neither the value nor its gradient.
    """
    # BEGIN SOLUTION
    targets = ops.cast(targets, "int32")
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    is_character = ops.not_equal(targets, PAD)
    total = ops.sum(ops.where(is_character, -chosen, 0.0))
    count = ops.sum(ops.cast(is_character, "float32"))
    return total / ops.maximum(count, 1.0)
    # END SOLUTION


# %% [markdown]
# ## 1.11 Sampling
#
# Always taking the likeliest character gives one name for each country. Drawing in proportion to
# the probabilities generates what the network has learned, its mistakes included: if a step goes
# wrong once in twenty, every third name of eight letters is spoiled. A temperature $\tau$ below 1
# draws likely characters even more often, one above 1 less often.
#
# ![Bars of the letters drawn after Mc, England, at three temperatures. At 0.5 three draws in four
# are h; at 1 two in five; at 2 the bars are nearly even.](pictures/1_11_temperature.png)
#
# $$
# \begin{aligned}
# p_i &= \frac{\exp(l_i / \tau)}{\sum_j \exp(l_j / \tau)} && (B, V) \text{, without PAD and START}
# \end{aligned}
# $$
#
# $l$ are the logits. Subtracting each row's largest logit first changes nothing, and no exponential
# overflows.
#
# **By hand.** PAD and START have the logit ln 9, END ln 4, a ln 2, b ln 1 = 0. At temperature 1
# END, a and b are drawn as 4 : 2 : 1. At 0.5 the numbers are squared, 16 : 4 : 1; at 2 they are
# roots, 2 : 1.41 : 1. Shares of a million draws:
#
# | temperature | END a b |
# |---|---|
# | 0.5 | 0.76 0.19 0.05 |
# | 1 | 0.57 0.29 0.14 |
# | 2 | 0.45 0.32 0.23 |
#
# > **Predict.** What is drawn at temperature 0.001, and at 1,000?
#
# **A different result?** 0.45 0.32 0.23 at temperature 0.5: you multiply by the temperature. 0.16
# 0.08 0.04 at 1: PAD and START are drawn too.
#
# **Read.** Hinton, Vinyals and Dean, [arXiv:1503.02531](https://arxiv.org/abs/1503.02531), section
# 2, for a softmax with a temperature. Holtzman et al.,
# [arXiv:1904.09751](https://arxiv.org/abs/1904.09751): why the likeliest text is dull, and what
# else one may draw from.


# %%
def sample_next(
    logits: np.ndarray,
    temperature: float = 1.0,
    seed: int | np.random.Generator | None = None,
) -> np.ndarray:
    """Draw one id a row from softmax(logits / temperature), `PAD` and `START` left out.

    Parameters
    ----------
    logits : float array, shape (batch, vocab_size)
        −inf means never. Every row has a finite entry besides `PAD` and `START`. Not changed.
    temperature : float
        Below 1 sharpens, above 1 flattens. 0 is argmax (the lowest id among equals), and so is
        the limit: very small temperatures neither overflow nor give NaN.
    seed : int, numpy.random.Generator or None
        As `numpy.random.default_rng` takes it: an int gives the same draw each time, a generator
        goes on from where it is.

    Returns
    -------
    int32 array, shape (batch,)
        Rows are drawn independently. `PAD` and `START` are never drawn, whatever their logits; the
        others keep their proportions.

    Raises
    ------
    ValueError
        If `temperature < 0` or not a number.

    Source: Ackley, Hinton and Sejnowski (1985), section 2, for the temperature.
    """
    # BEGIN SOLUTION
    if not temperature >= 0:
        raise ValueError(f"temperature {temperature}: must be 0 or more")
    logits = np.array(logits, np.float64)
    logits[:, [PAD, START]] = -np.inf
    if temperature == 0:
        return logits.argmax(axis=-1).astype(np.int32)
    with np.errstate(over="ignore"):
        weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    cumulative = np.cumsum(weights, axis=-1)
    draw = np.random.default_rng(seed).random((len(logits), 1)) * cumulative[:, -1:]
    return (cumulative <= draw).sum(axis=-1).astype(np.int32)
    # END SOLUTION


# %% [markdown]
# ## 1.12 Names for countries
#
# Ten names for each country are one batch: 160 names take the network hardly longer than one. Names
# end at different steps, so a name that is over keeps its row, and nothing more is written into it.
# A start letter is fed as if it had been drawn.
#
# **By hand.** Instead of a network, take a chain in which each letter has one successor: START → A,
# A → d, d → a, B → r → u → n → o, J → o; after a and o comes END. With the starts "", "B" and "J":
#
# | step | 1 | 2 | 3 | 4 | 5 | 6 |
# |---|---|---|---|---|---|---|
# | Ada | A | d | a | END | | |
# | Bruno | B | r | u | n | o | END |
# | Jo | J | o | END | | | |
#
# > **Predict.** How many calls of the stepper are these three names, and how many are a thousand
# > names of at most 18 letters?
#
# **A different result?** BAda and JAda: the start is put before a name that was drawn without it.
# Bda: it is written, but the network reads what it drew. Bru: the first name's end ended them all.
#
# **Read.** Karpathy, [The Unreasonable Effectiveness of Recurrent Neural
# Networks](https://karpathy.github.io/2015/05/21/rnn-effectiveness/): the same loop, for
# Shakespeare and C code.


# %%
def generate_names(
    stepper: keras.Model,
    vocabulary: Sequence[str],
    countries: Sequence[str],
    wanted: Sequence[str],
    starts: Sequence[str] | None = None,
    max_length: int = 20,
    temperature: float = 1.0,
    seed: int | np.random.Generator | None = None,
) -> list[str]:
    """Generate one name for each country wanted, all at once.

    Feed START, from states of zeros; then draw the next id from the logits with `sample_next`, feed
    it with the states that came back, and so on. Nothing is read twice: every position costs one
    call of the stepper for the whole batch. While a row's start has characters left, feed them
    instead of what is drawn.

    Parameters
    ----------
    stepper : keras.Model
        As `build_name_model` returns it; call it with `predict_on_batch`. The states' shapes and
        dtypes follow from `stepper.inputs[2:]`.
    vocabulary, countries : sequences of str
        What ids and country numbers mean.
    wanted : sequence of str
        A country for each name to generate; the same one ten times gives ten names.
    starts : sequence of str, optional
        For each name the letter or letters it begins with; "" means any. Without `starts`, any for
        all.
    max_length : int
        The most characters of a name, at least 1: a name that has not ended by then ends there.
    temperature
        As in `sample_next`.
    seed : int, numpy.random.Generator or None
        One generator serves all steps: the same int gives the same names.

    Returns
    -------
    list of str
        The names, in the order of `wanted`, without START and END. No name is empty: END is never
        drawn as the first character. One name's end does not end the others. If no countries are
        wanted, the list is empty.

    Raises
    ------
    ValueError
        If a country wanted is not in `countries` (the message names it, and the nearest country if
        `difflib.get_close_matches` finds one), a start has a character that is not in the
        vocabulary (the message names it) or more than `max_length` characters, or there are not as
        many starts as countries.
    """
    # BEGIN SOLUTION
    starts = [""] * len(wanted) if starts is None else list(starts)
    if len(starts) != len(wanted):
        raise ValueError(f"{len(starts)} starts for {len(wanted)} names: give one for each")
    for country in wanted:
        if country not in countries:
            near = get_close_matches(country, countries, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(countries)}"
            raise ValueError(f"there is no country {country!r}: {hint}")
    numbers = {character: number for number, character in enumerate(vocabulary)}
    for start in starts:
        if unknown := [character for character in start if character not in numbers]:
            raise ValueError(f"{unknown[0]!r} is not in the vocabulary: no name has that letter")
        if len(start) > max_length:
            raise ValueError(f"{start!r} is longer than a name may be, {max_length}")
    if not wanted:
        return []
    rng = np.random.default_rng(seed)
    batch = len(wanted)
    country_ids = np.array([countries.index(country) for country in wanted], np.int32)
    states = [np.zeros((batch, *state.shape[1:]), state.dtype) for state in stepper.inputs[2:]]
    ids = np.full(batch, START, np.int32)
    names = [""] * batch
    ended = np.zeros(batch, bool)
    for position in range(max_length):
        logits, *states = stepper.predict_on_batch([ids[:, None], country_ids, *states])
        if position == 0:
            logits = np.array(logits)
            logits[:, END] = -np.inf
        ids = sample_next(logits, temperature, rng)
        for row, start in enumerate(starts):
            if position < len(start):
                ids[row] = numbers[start[position]]
        ended |= ids == END
        names = [
            name if done else name + vocabulary[int(number)]
            for name, done, number in zip(names, ended, ids, strict=True)
        ]
        if ended.all():
            break
    return names
    # END SOLUTION
