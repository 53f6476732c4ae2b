"""Memory of Lab 4's relative logits by the definition and by the skew, and what `remat` saves.

    python -m benchmarks.relative_memory

Each measurement is a process of its own, on the CPU: what its peak rose by while it computed. The
logits: 8 heads of 64, one piece, float32, a forward pass. A training step: the model and the batch
of `benchmarks.music_transformer` (6 layers, d 512, 8 heads, feed-forward 1,024, 2 pieces of 2,048),
its scores forgotten and computed again (`keras.remat`), or kept; the two take turns. Results go to
`benchmarks/results/relative_memory.json`.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.music_transformer import BATCH, LENGTH, build_ours, measured, train_ours
from toolkit import console
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "relative_memory.json"
LENGTHS = (256, 512, 1024, LENGTH)
HEADS, HEAD_DIM = 8, 64
WAYS = ("gather", "skew")


def main() -> None:
    """Measure, print tables, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--turns", type=int, default=3, help="of the training steps")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "LENGTH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, length = options.one
        found = measure_logits(what, int(length)) if what in WAYS else measure_training(what)
        print(json.dumps(found))
        return
    logits = {way: {length: run(way, length)["bytes"] for length in LENGTHS} for way in WAYS}
    console.table(
        "length", "by the definition, MB", "by the skew, MB", "share",
        rows=[
            (length, *(f"{logits[way][length] / 1e6:,.0f}" for way in WAYS),
             f"1/{logits['gather'][length] / logits['skew'][length]:.0f}")
            for length in LENGTHS
        ],
    )  # fmt: skip
    turns_of: dict[str, list[dict[str, Any]]] = {"remat": [], "kept": []}
    for _ in range(options.turns):
        for name, turns in turns_of.items():
            turns.append(run(name, LENGTH))
    training = {
        name: {
            "cpu_seconds": statistics.median(
                second for turn in turns for second in turn["seconds"]
            ),
            "bytes": statistics.median(turn["bytes"] for turn in turns),
        }
        for name, turns in turns_of.items()
    }
    console.table(
        "training step", "CPU seconds", "GB",
        rows=[
            (name, f"{of['cpu_seconds']:.2f}", f"{of['bytes'] / 1e9:.2f}")
            for name, of in training.items()
        ],
    )  # fmt: skip
    result = {"cores": os.cpu_count(), "logits": logits, "training": training}
    write_whole(RESULTS, json.dumps(result, indent=2) + "\n")


def run(what: str, length: int) -> dict[str, Any]:
    """Measure in a process of its own."""
    console.say(f"{what}, {length} ...")
    own = [sys.executable, "-m", "benchmarks.relative_memory"]
    return measured(what, [*own, "--one", what, str(length)])


def peak() -> int:
    """Bytes that this process held at most so far (of `getrusage`, a parent's would count)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def measure_logits(way: str, length: int) -> dict[str, Any]:
    """Compute a layer's relative logits once, compiled; the peak before is a tiny one's."""
    console.quiet_tensorflow()
    import numpy as np
    import tensorflow as tf
    from keras import ops

    from labs.lab4_performances import solution as lab

    def gather(queries: Any, embeddings: Any) -> Any:
        return lab.relative_logits(queries, embeddings, queries.shape[1])

    def skew(queries: Any, embeddings: Any) -> Any:
        return lab.skew(ops.einsum("bthk,dk->bhtd", queries, embeddings[::-1]))

    compute = tf.function({"gather": gather, "skew": skew}[way])
    rng = np.random.default_rng(0)
    before = 0
    for size in (8, length):
        queries = tf.constant(rng.normal(size=(1, size, HEADS, HEAD_DIM)), tf.float32)
        embeddings = tf.constant(rng.normal(size=(size, HEAD_DIM)), tf.float32)
        # the graph is made before the peak is read
        concrete = compute.get_concrete_function(queries, embeddings)
        before = peak()
        assert concrete(queries, embeddings).shape == (1, HEADS, size, size)
    return {"bytes": peak() - before}


def measure_training(way: str) -> dict[str, Any]:
    """Time training steps, in seconds of CPU, which a busy machine hardly changes.

    "kept" leaves every score in memory for the gradient.
    """
    model, ids = build_ours(BATCH)
    import keras

    if way == "kept":
        keras.remat = lambda function: function
    before = peak()
    seconds = train_ours(model, ids, time.process_time)
    return {"seconds": seconds, "bytes": peak() - before}


if __name__ == "__main__":
    console.run_command(main)
