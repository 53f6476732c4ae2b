"""Beams as sums and scores; what is put in order goes through products with one-hot rows."""

import keras
from keras import ops


def beam_search(model, primers, steps, num_beams, alpha=1.0, slots=256):
    """Find likely continuations."""
    if num_beams < 1:
        raise ValueError(f"num_beams {num_beams}: at least 1")
    if alpha < 0:
        raise ValueError(f"alpha {alpha}: at least 0")
    low = -1e30
    primers = ops.convert_to_tensor(primers, "int32")
    batch = ops.shape(primers)[0]
    kept = [ops.repeat(part, num_beams, axis=0)[:, :, :-1] for part in model.read(primers)]
    number = len(kept)
    ids = ops.zeros((batch, num_beams, steps), "int32")
    last = ops.repeat(primers[:, -1:], num_beams, axis=1)
    sums = ops.zeros((batch, num_beams)) + low * ops.cast(ops.arange(num_beams) > 0, "float32")
    sizes, ended = ops.zeros((batch, num_beams)), ops.zeros((batch, num_beams), "bool")
    going, step = ops.ones((batch,), "bool"), ops.zeros((), "int32")
    for begin in range(0, steps, slots):
        end = min(steps, begin + slots)
        new = [ops.zeros((batch * num_beams, p.shape[1], end - begin, p.shape[3])) for p in kept]

        def go_on(step, going, *rest, end=end):
            return ops.logical_and(ops.any(going), step < end)

        def take_step(step, going, last, ids, sums, sizes, ended, *cache, begin=begin):
            old, new = [*cache[:number]], [*cache[number:]]
            logits, new = model.step(ops.reshape(last, (-1, 1)), step - begin, old, new)
            logits = ops.concatenate([0 * logits[:, :2] - 1e9, logits[:, 2:]], axis=-1)
            costs = logits - ops.logsumexp(logits, axis=-1, keepdims=True)
            costs = ops.reshape(costs, (batch, num_beams, -1))
            width = costs.shape[-1]
            nothing = ops.cast(ops.arange(width) > 0, "float32") * low
            more = sums[..., None] + ops.where(ended[..., None], nothing, costs)
            sizes = ops.where(ended, sizes, sizes + 1)
            scores, places = ops.top_k(
                ops.reshape(more / ops.power(sizes, alpha)[..., None], (batch, -1)), num_beams
            )
            parents = ops.one_hot(ops.floor_divide(places, width), num_beams)  # batch, to, from
            last = ops.cast(ops.mod(places, width), "int32")

            def order(part):
                return ops.einsum("bij,bj->bi", parents, ops.cast(part, "float32"))

            def order_rows(part):
                shape = ops.shape(part)
                rows = ops.reshape(part, (batch, num_beams, -1))
                return ops.reshape(ops.einsum("bij,bjn->bin", parents, rows), shape)

            sizes, ended = order(sizes), order(ended) > 0.5
            sums = scores * ops.power(sizes, alpha)
            ids = ops.cast(ops.einsum("bij,bjn->bin", parents, ops.cast(ids, "float32")), "int32")
            ids = ids + last[..., None] * ops.one_hot(step, steps, dtype="int32")
            ended = ops.logical_or(ended, ops.equal(last, 2))
            best_ended = ops.max(ops.where(ended, scores, 2 * low), axis=-1)
            best_open = ops.max(ops.where(ended, 3 * low, sums / steps**alpha), axis=-1)
            going = best_ended < best_open
            return step + 1, going, last, ids, sums, sizes, ended, *map(order_rows, [*old, *new])

        state = (step, going, last, ids, sums, sizes, ended, *kept, *new)
        step, going, last, ids, sums, sizes, ended, *cache = ops.while_loop(go_on, take_step, state)
        kept = [ops.concatenate([cache[i], cache[number + i]], axis=2) for i in range(number)]
    return ids[:, 0], ops.cast((sums / ops.power(sizes, alpha))[:, 0], keras.config.floatx())
