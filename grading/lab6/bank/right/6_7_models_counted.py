"""Two models are built and counted; the line through both says the rest."""


def ff_dim_for(
    num_parameters,
    vocab_size,
    d_model,
    num_heads,
    num_kv_heads,
    num_layers,
    context_length,
    norm="layer",
    positions="learned",
    network="gelu",
    biases=True,
    tied=True,
):
    """Find the `ff_dim` whose model comes closest to a number of parameters."""
    shared = num_kv_heads * (d_model // num_heads)

    def shapes(ff_dim):
        sizes = [(vocab_size, d_model)] * (1 if tied else 2) + [(d_model,)]
        if positions == "learned":
            sizes.append((context_length, d_model))
        linears = [(d_model, d_model)] * 2 + [(d_model, shared)] * 2
        linears += [(d_model, ff_dim)] * (1 if network == "gelu" else 2) + [(ff_dim, d_model)]
        block = [*linears, (d_model,), (d_model,)]
        if biases:
            block += [(outputs,) for _, outputs in linears]
        if norm == "layer":
            sizes.append((d_model,))
            block += [(d_model,), (d_model,)]
        return sizes + num_layers * block

    def count(ff_dim):
        return sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in shapes(ff_dim))

    low, high = 1, 2
    while count(high) < num_parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= num_parameters else (low, middle)
    best = min((low, high), key=lambda ff_dim: abs(count(ff_dim) - num_parameters))
    if abs(count(best) / num_parameters - 1) > 0.01:
        raise ValueError(f"no model has {num_parameters} parameters: {count(best)} is the closest")
    return best
