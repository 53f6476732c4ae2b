"""What attention heads look back at, drawn over a piano roll."""

from typing import Any

import numpy as np
from keras import ops

from labs.lab4_performances.data import DRUMS
from toolkit.data.corpus import Split
from toolkit.report.plots import plot_attention_roll
from toolkit.report.report import Picture
from toolkit.training.runs import Run

EVENTS = 200


def attention_weights(tasks: Any, model: Any, ids: np.ndarray) -> np.ndarray:
    """Compute every head's weights over a short piece, by the definition.

    Returns
    -------
    float32 array (layers, heads, length, length): row t says where position t looks
    """
    length = len(ids)
    hidden = model.embedding(ids[None]) * model.d_model**0.5
    seen = np.tril(np.ones((length, length), bool))
    maps = []
    for block in model.blocks:
        layer, normed = block.attention, block.norm_1(hidden)
        # the weight of the distances is float32 even where layers compute in 16 bits
        queries, keys = (ops.cast(part(normed), "float32") for part in (layer.query, layer.key))
        by_content = ops.einsum("bqhk,bshk->bhqs", queries, keys)
        by_distance = tasks.relative_logits(queries, layer.distances, length)
        scores = layer.head_dim**-0.5 * (by_content + by_distance)
        weights = ops.softmax(ops.where(seen, scores, -1e9), axis=-1)
        maps.append(ops.convert_to_numpy(weights)[0])
        hidden = block(hidden)
    return np.stack(maps)


def draw_attention(tasks: Any, model: Any, split: Split, run: Run, settings: Any) -> list[Picture]:
    """Draw, for each layer's nearest- and farthest-looking head, what a note looks back at."""
    piece = split.piece(0)[: min(EVENTS, settings.window - 1)]
    ids = np.concatenate([[tasks.START], piece]).astype(np.int32)
    onsets = np.flatnonzero((ids >= tasks.NOTE_ON) & (ids < tasks.NOTE_OFF))
    if len(onsets) < 2:
        return []
    weights = attention_weights(tasks, model, ids)
    last = int(onsets[-1])
    ago = last - np.arange(len(ids))
    reach = (weights[:, :, last] * np.clip(ago, 0, None)).sum(-1)  # (layers, heads)
    owner = note_of_each_event(tasks, ids)
    sequence = tasks.decode_performance(ids)
    order = notes_by_onset(sequence)
    if len(order) != len(onsets):
        return []  # a note that lasts no time is left out: nothing to lay the weights over
    heads = {}
    for layer in sorted({0, len(weights) // 2, len(weights) - 1}):
        for head in sorted({int(reach[layer].argmin()), int(reach[layer].argmax())}):
            by_note = np.bincount(
                owner[owner >= 0], weights[layer, head, last][owner >= 0], len(onsets)
            )
            shown = np.zeros(len(onsets))
            shown[order] = by_note
            name = (
                f"layer {layer + 1}, head {head + 1}: {reach[layer, head]:.0f} events back on "
                f"average, {by_note.sum():.0%} of the weight on notes"
            )
            heads[name] = shown
    path = run.path("attention.png")
    title = f"{'drums' if settings.data in DRUMS else split.names[0]}: where the red note looks"
    plot_attention_roll(sequence, heads, int(order[-1]), path, title)
    return [Picture(path, "attention of several heads over a piano roll")]


def note_of_each_event(tasks: Any, ids: np.ndarray) -> np.ndarray:
    """Number the note, by onset, that each event starts or ends; -1 for every other event."""
    owner = np.full(len(ids), -1)
    sounding: dict[int, list[int]] = {}
    count = 0
    for place, token in enumerate(ids.tolist()):
        if tasks.NOTE_ON <= token < tasks.NOTE_OFF:
            sounding.setdefault(token - tasks.NOTE_ON, []).append(count)
            owner[place] = count
            count += 1
        elif tasks.NOTE_OFF <= token < tasks.TIME_SHIFT and sounding.get(token - tasks.NOTE_OFF):
            owner[place] = sounding[token - tasks.NOTE_OFF].pop(0)
    return owner


def notes_by_onset(sequence: Any) -> np.ndarray:
    """Give the places of a decoded piece's notes in the order in which they were struck.

    Notes struck at one time come by pitch, as `encode_performance` writes them.
    """
    keys = [(round(note.start_time * 100), note.pitch) for note in sequence.notes]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__))
