"""Log-sum-exp less the target's logit, found by a one-hot product."""


def masked_cross_entropy(targets, logits):
    logits = ops.cast(logits, "float32")
    one_hot = ops.one_hot(ops.cast(targets, "int32"), ops.shape(logits)[-1])
    nats = ops.logsumexp(logits, axis=-1) - ops.sum(one_hot * logits, axis=-1)
    share = ops.cast(ops.cast(targets, "int32") != PAD, "float32")
    share = share / ops.maximum(ops.sum(share), 1.0)
    return ops.sum(share * nats)
