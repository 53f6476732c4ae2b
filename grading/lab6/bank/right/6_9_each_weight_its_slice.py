"""Every weight takes its columns of an array by itself."""

import numpy as np


def load_checkpoint(model, tensors):
    """Give a built model the weights of a published GPT-2 or LLaMA."""
    start = "transformer."
    given = {n[len(start) :] if n.startswith(start) else n: np.array(a) for n, a in tensors.items()}
    kind = "gpt2" if "wte.weight" in given else "llama"
    wanted = checkpoint_names(model, kind == "gpt2")
    for name in sorted(set(wanted) ^ set(given)):
        useless = name.split(".")[-1] in ("inv_freq", "masked_bias") or name.endswith(".attn.bias")
        if name in wanted or not (useless or name == "lm_head.weight"):
            raise ValueError(f"{name} is only in the {'model' if name in wanted else 'checkpoint'}")
    jobs = []
    for name, weights in wanted.items():
        array, begin = given[name], 0
        if name == "lm_head.weight" or (kind == "llama" and "proj" in name):
            array = np.swapaxes(array, 0, 1)
        for weight in weights:
            part = array[..., begin : begin + weight.shape[-1]]
            begin += weight.shape[-1]
            if tuple(part.shape) != tuple(weight.shape):
                raise ValueError(
                    f"{name} is {given[name].shape}, which does not fit {weight.shape}"
                )
            jobs.append((weight, part))
        if begin != array.shape[-1]:
            raise ValueError(f"{name} is {given[name].shape}, too wide")
    for weight, part in jobs:
        weight.assign(part)
