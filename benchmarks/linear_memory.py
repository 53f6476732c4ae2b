"""Memory and time of Lab 5's linear attention by the definition and in chunks, by length.

    python -m benchmarks.linear_memory

One layer's attention: 8 heads of 64, one piece, float32, on the CPU, with its gradient, as in
training. Each measurement is a process of its own: what its peak rose by, and the CPU seconds of a
second call. Results go to `benchmarks/results/linear_memory.json`.
"""

import argparse
import json
import os
import sys
import time
from typing import Any

from benchmarks.music_transformer import measured
from benchmarks.relative_memory import HEAD_DIM, HEADS, peak
from toolkit import console
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "linear_memory.json"
LENGTHS = {"definition": (512, 1024, 2048, 4096), "chunks": (512, 1024, 2048, 4096, 8192)}


def main() -> None:
    """Measure, print a table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--one", nargs=2, metavar=("WAY", "LENGTH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], int(options.one[1]))))
        return
    found = {
        way: {length: run(way, length) for length in lengths} for way, lengths in LENGTHS.items()
    }
    console.table(
        "length", "definition, MB", "s", "chunks, MB", "s",
        rows=[
            (length, *(cell for way in LENGTHS for cell in cells(found[way].get(length))))
            for length in LENGTHS["chunks"]
        ],
    )  # fmt: skip
    write_whole(RESULTS, json.dumps({"cores": os.cpu_count(), **found}, indent=2) + "\n")


def cells(one: dict[str, float] | None) -> tuple[str, str]:
    """Format one measurement."""
    return (f"{one['bytes'] / 1e6:,.0f}", f"{one['cpu_seconds']:.2f}") if one else ("–", "–")


def run(way: str, length: int) -> dict[str, float]:
    """Measure in a process of its own."""
    console.say(f"{way}, {length} ...")
    own = [sys.executable, "-m", "benchmarks.linear_memory", "--one", way, str(length)]
    return measured(way, own)


def measure(way: str, length: int) -> dict[str, Any]:
    """Attend and differentiate twice, compiled; the peak before is a tiny one's."""
    console.quiet_tensorflow()
    import numpy as np
    import tensorflow as tf

    from labs.lab5_long_context import solution as lab

    def gradient(*parts: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(parts)
            heard = (
                lab.linear_attention(*parts)
                if way == "definition"
                else lab.causal_linear_attention(*parts)[0]
            )
            total = tf.reduce_sum(heard**2)
        return tape.gradient(total, parts)

    compute = tf.function(gradient)
    rng, before = np.random.default_rng(0), 0
    for size in (8, length):
        shape = (1, HEADS, size, HEAD_DIM)
        parts = [tf.constant(rng.normal(size=shape), tf.float32) for _ in range(3)]
        concrete = compute.get_concrete_function(*parts)
        before = peak()
        concrete(*parts)
    highest, start = peak(), time.process_time()
    concrete(*parts)
    return {"bytes": highest - before, "cpu_seconds": time.process_time() - start}


if __name__ == "__main__":
    main()
