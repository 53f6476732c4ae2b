"""Where Transformer-XL's heads look, in their memory and before it, drawn over a piano roll."""

from typing import Any

import numpy as np
from keras import ops

from labs.lab5_long_context.data import Words
from labs.lab5_long_context.settings import Settings
from toolkit.music.pieces import to_sequence
from toolkit.report.plots import plot_attention_roll
from toolkit.report.report import Picture
from toolkit.training.runs import Run


def attention_weights(tasks: Any, inner: Any, ids: np.ndarray, memory: list) -> np.ndarray:
    """Compute the heads' weights over memory and a segment, by the definition.

    Returns
    -------
    float32 array (layers, heads, length, memory + length): row t says where position t looks
    """
    known, *hiddens = memory
    hidden = inner.embedding(ids[None]) * inner.d_model**0.5
    reach, length = known.shape[1], len(ids)
    keys = np.arange(reach + length)
    distances = keys[reach:, None] - keys
    maps = []
    for block, old in zip(inner.blocks, hiddens, strict=True):
        both = block.norm_1(ops.concatenate([old, hidden], axis=1))
        scores = tasks.relative_scores(
            block.query(both[:, reach:]),
            block.key(both),
            block.place(np.arange(reach + length)[::-1]),
            inner.biases[0],
            inner.biases[1],
        )
        scores = ops.cast(scores, "float32") * block.head_dim**-0.5
        weights = ops.softmax(ops.where(distances >= 0, scores, -1e9), axis=-1)
        maps.append(ops.convert_to_numpy(weights)[0])
        hidden = block(hidden, old, known, inner.biases)
    return np.stack(maps)


def note_owners(words: Words, ids: np.ndarray) -> np.ndarray:
    """Number the note that each word of REMI belongs to; -1 for all other words."""
    kinds = [words.spelling.words[word][0] for word in words.spelling.to_words(ids)]
    begun = np.cumsum([kind == words.spelling.parts[0] for kind in kinds]) - 1
    return np.where([kind in words.spelling.parts for kind in kinds], begun, -1)


def draw_attention(
    tasks: Any, settings: Settings, inner: Any, words: Words, run: Run
) -> list[Picture]:
    """Draw where the last note of a validation piece's second segment looks, half its way in."""
    split, reach = words.splits["validation"], settings.memory_length
    long = np.flatnonzero(np.diff(split.offsets) > reach + 8)
    if not len(long) or not reach:
        return []
    ids = split.piece(int(long[0]))[: reach + min(settings.length // 2, reach)]
    owners = note_owners(words, ids)
    found, _ = words.decode(tasks, ids)
    begins = np.flatnonzero(np.diff(owners, prepend=-1) > 0)
    begins = begins[: len(found.notes)]  # the last note may be cut off
    last = int(begins[-1])
    if last <= reach:
        return []
    inputs = np.concatenate([[tasks.START_ID], ids])[: last + 1].astype(np.int32)
    _, memory = inner.read(inputs[None, :reach], inner.empty_memory(1, reach))
    weights = attention_weights(tasks, inner, inputs[reach:], memory)[:, :, -1]
    # position s holds the word before the s-th
    owner = np.concatenate([[-1], owners])[: last + 1]
    heads = {}
    ago = last - np.arange(last + 1)
    for layer in range(len(weights)):
        head = int((weights[layer] * ago).sum(-1).argmax())
        shares = np.bincount(owner[owner >= 0], weights[layer, head][owner >= 0], len(found.notes))
        name = (
            f"layer {layer + 1}, head {head + 1}: {weights[layer, head, :reach].sum():.0%} of its "
            f"weight in memory, {shares.sum():.0%} on notes"
        )
        heads[name] = shares
    note = int(owners[last])
    path = run.path("attention.png")
    shown = found._replace(notes=found.notes[: note + 1])
    heads = {name: shares[: note + 1] for name, shares in heads.items()}
    name = split.names[int(long[0])]
    plot_attention_roll(to_sequence(shown), heads, note, path, f"{name}: before the red note")
    return [Picture(path, "attention of one head a layer over a piano roll")]
