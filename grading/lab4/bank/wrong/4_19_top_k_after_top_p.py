def filter_logits(logits, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0):
    if not temperature > 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            f"temperature {temperature} must be above 0, top_k {top_k} at least 0, and top_p "
            f"{top_p} above 0 and at most 1"
        )
    logits = ops.cast(logits, "float32") / temperature
    if top_p < 1:
        falling = -ops.sort(-logits, axis=-1)
        probabilities = ops.softmax(falling, axis=-1)
        before = ops.cumsum(probabilities, axis=-1) - probabilities
        kept = ops.where(before < top_p, falling, np.inf)
        logits = ops.where(logits < ops.min(kept, axis=-1, keepdims=True), -1e9, logits)
    if top_k and top_k < logits.shape[-1]:
        smallest = ops.top_k(logits, top_k)[0][:, -1:]
        logits = ops.where(logits < smallest, -1e9, logits)
    return logits
