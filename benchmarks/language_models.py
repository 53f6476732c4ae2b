"""What a token costs Lab 6's models, beside Hugging Face's `generate()`, on one core.

    python -m benchmarks.language_models [PEERS/bin/python]

The models have random weights and never end, GPT-2 with 6 layers of 384 and LLaMA likewise: about
11 million parameters. PEERS is an environment with torch and transformers (see
benchmarks/hugging_face.py); without it only ours are measured.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.hugging_face import (
    BATCH,
    BATCH_TOKENS,
    LARGE,
    LARGE_FF,
    LARGE_KV,
    TOKENS,
)
from toolkit.console import hushed, quiet_tensorflow, run_command, say
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "language_models.json"
SLOTS = 64  # each step copies them: a batch takes two thirds of the time with 256


def compiled(function: Callable, *inputs: Any) -> Callable[[], Any]:
    """Compile a function of a model as Keras's `predict` does, and do it once."""
    import tensorflow as tf

    made = tf.function(function, autograph=False)
    made(*inputs)
    return lambda: made(*inputs)


def noise(batch: int, tokens: int, scale: float) -> Any:
    """Draw noise with which no piece ends."""
    import numpy as np

    from labs.lab6_language_models.solution import END

    drawn = scale * np.random.default_rng(0).gumbel(size=(batch, tokens, LARGE["vocab_size"]))
    drawn[:, :, END] = -1e9
    return drawn.astype("f4")


def measure() -> dict[str, Any]:
    """Time each model and way of decoding: CPU and wall milliseconds a token."""
    import numpy as np

    with hushed():
        from keras import ops

    from labs.lab6_language_models import solution as lab

    figures: dict[str, Any] = {}
    for kind, settings in (("gpt2", lab.GPT2), ("llama", lab.LLAMA)):
        kv = LARGE["num_heads"] if kind == "gpt2" else LARGE_KV
        model = lab.LanguageModel(**LARGE, ff_dim=LARGE_FF[kind], num_kv_heads=kv, **settings)
        model.build((None, None))
        lab.initialize(model, 0)
        figures[kind] = {"parameters": model.count_params()}

        def sample(primers, noise, top_p=1.0, model=model):
            return lab.generate(model, primers, noise, top_p=top_p, slots=SLOTS)

        def nucleus(primers, noise, model=model):
            return lab.generate(model, primers, noise, top_p=0.95, slots=SLOTS)

        def beams(primers, model=model):
            return lab.beam_search(model, primers, TOKENS, 3, slots=SLOTS)

        one, eight = (ops.full((batch, 1), lab.START, "int32") for batch in (1, BATCH))
        ways = {
            "greedy": (sample, (one, noise(1, TOKENS, 0.0)), TOKENS),
            "top_p": (nucleus, (one, noise(1, TOKENS, 1.0)), TOKENS),
            "beam_3": (beams, (one,), TOKENS),
            "batch_8": (sample, (eight, noise(BATCH, BATCH_TOKENS, 0.0)), BATCH * BATCH_TOKENS),
        }
        for way, (function, inputs, tokens) in ways.items():
            run = compiled(function, *inputs)
            cpu, wall = time.process_time(), time.perf_counter()
            made = run()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            ids = np.asarray(made[0] if way == "beam_3" else made)
            assert (ids != lab.PAD).all(), "a piece ended early"
            each = tokens / 1000
            figures[kind][way] = {"cpu_ms": round(cpu / each, 3), "wall_ms": round(wall / each, 3)}
            say(f"{kind} {way}: {figures[kind][way]}")
    return figures


def main() -> None:
    """Measure ours and, if there is an environment for them, the peers; write the JSON file."""
    for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[threads] = "1"  # before TensorFlow is imported
    quiet_tensorflow()
    figures = {"ours": measure()}
    if len(sys.argv) > 1:
        command = [sys.argv[1], str(ROOT / "benchmarks" / "hugging_face.py"), "speed"]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        figures["hugging_face"] = json.loads(found.stdout.splitlines()[-1])
        say(str(figures["hugging_face"]))
    write_whole(RESULTS, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    run_command(main)
