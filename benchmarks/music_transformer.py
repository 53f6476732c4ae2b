"""Training and generation of Lab 4's model beside gwinndr/MusicTransformer-Pytorch, on the CPU.

    git clone https://github.com/gwinndr/MusicTransformer-Pytorch peer
    python -m venv peer-env && peer-env/bin/pip install torch numpy
    python -m benchmarks.music_transformer --peer peer --peer-python peer-env/bin/python

Both at the same sizes: 6 layers, d 512, 8 heads, feed-forward 1,024, 2,048 positions. Each
measurement is a process of its own; ours and theirs take turns. Ours trains on TensorFlow, and
writes on TensorFlow and on JAX. The peer is run as it is, but for two signatures that do not fit
torch 2 and a submodule of which only four constants are needed. Results go to
`benchmarks/results/music_transformer.json`.
"""

import argparse
import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toolkit import console
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "music_transformer.json"
BATCH, LENGTH, PRIMER, TOTAL = 2, 2048, 256, 1024
STEPS = 3
BACKENDS = ("tensorflow", "jax")
SLOTS = 128  # of the cache's new part, instead of 256: less of it is copied at each event

PEER = """
import json, resource, sys, time, types
folder, what = sys.argv[1:3]
batch, length, primer, total, steps = map(int, sys.argv[3:])
sys.path.insert(0, folder)
processor = types.ModuleType("third_party.midi_processor.processor")
processor.RANGE_NOTE_ON = processor.RANGE_NOTE_OFF = 128
processor.RANGE_TIME_SHIFT, processor.RANGE_VEL = 100, 32
for name in ("third_party", "third_party.midi_processor"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["third_party.midi_processor.processor"] = processor
import torch
from model import music_transformer, rpr
encode, ignore = rpr.TransformerEncoderRPR.forward, music_transformer.DummyDecoder.forward
rpr.TransformerEncoderRPR.forward = (
    lambda self, src, mask=None, src_key_padding_mask=None, **_: encode(
        self, src, mask, src_key_padding_mask
    )
)
music_transformer.DummyDecoder.forward = lambda self, tgt, memory, *_, **__: memory
torch.manual_seed(0)
model = music_transformer.MusicTransformer(max_sequence=length, rpr=True)
tokens = torch.randint(0, 388, (batch, length))
seconds = []
if what == "train":
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    loss = torch.nn.CrossEntropyLoss()
    for _ in range(steps + 1):
        begin = time.perf_counter()
        optimizer.zero_grad()
        logits = model(tokens)
        loss(logits.reshape(-1, logits.shape[-1]), tokens.reshape(-1)).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
    seconds = seconds[1:]
else:
    model.eval()
    with torch.no_grad():
        begin = time.perf_counter()
        written = model.generate(tokens[0, :primer], total)
        taken = time.perf_counter() - begin
        seconds.append(taken * (total - primer) / (written.shape[1] - primer))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "bytes": peak}))
"""


def main() -> None:
    """Measure in turns, print ratios, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", type=Path, help="the peer's checkout")
    parser.add_argument("--peer-python", default=sys.executable, help="a Python with torch")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--ours", nargs=2, metavar=("WHAT", "PIECES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        what, pieces = options.ours
        print(json.dumps(measure_ours(what, int(pieces))))
        return
    jobs: dict[str, list[str]] = {"ours, training": ours("train", BATCH)}
    for backend in BACKENDS:
        jobs[f"ours, generation, {backend}"] = ours("generate", 1, backend)
        jobs[f"ours, generation of 8, {backend}"] = ours("generate", 8, backend)
    if options.peer:
        sizes = [str(size) for size in (BATCH, LENGTH, PRIMER, TOTAL, STEPS)]
        for name, what in (("peer, training", "train"), ("peer, generation", "generate")):
            peer = [options.peer_python, "-c", PEER, str(options.peer), what]
            jobs[name] = [*peer, *sizes]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    for turn in range(options.turns):
        for name, command in jobs.items():
            console.say(f"turn {turn + 1} of {options.turns}: {name} ...")
            found[name].append(measured(name, command))
    report(options.peer, found)


def ours(what: str, pieces: int, backend: str = "tensorflow") -> list[str]:
    """Say how to start a process that measures ours."""
    module = [sys.executable, "-m", "benchmarks.music_transformer"]
    return ["env", f"KERAS_BACKEND={backend}", *module, "--ours", what, str(pieces)]


def measured(name: str, command: list[str]) -> dict[str, Any]:
    """Run a process that measures something, and read the JSON in its last line."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def build_ours(pieces: int) -> tuple[Any, Any]:
    """Build the lab's model at the common sizes, and draw a batch: int32 (pieces, LENGTH)."""
    console.quiet_tensorflow()
    import keras
    import numpy as np

    from labs.lab4_performances import solution as lab

    keras.utils.set_random_seed(0)
    model = lab.MusicTransformer(lab.VOCAB_SIZE, 512, 8, 1024, 6, LENGTH - 1, LENGTH, 0.1)
    model.build((None, LENGTH))
    ids = np.random.default_rng(0).integers(lab.NOTE_ON, lab.VOCAB_SIZE, (pieces, LENGTH))
    return model, ids.astype(np.int32)


def train_ours(model: Any, ids: Any, clock: Callable[[], float]) -> list[float]:
    """Take `STEPS` training steps after a first one; return what each took."""
    import keras

    from labs.lab4_performances import solution as lab

    def loss(targets: Any, logits: Any) -> Any:
        return lab.masked_cross_entropy(keras.ops.cast(targets, "int32"), logits)

    model.compile(
        keras.optimizers.Adam(1e-4), loss=loss, jit_compile=keras.backend.backend() == "jax"
    )
    seconds = []
    for _ in range(STEPS + 1):
        begin = clock()
        model.train_on_batch(ids, ids)
        seconds.append(clock() - begin)
    return seconds[1:]


def measure_ours(what: str, pieces: int) -> dict[str, Any]:
    """Time training steps, or the writing of `TOTAL` - `PRIMER` events, compiled before."""
    model, ids = build_ours(pieces)
    if what == "train":
        seconds = train_ours(model, ids, time.perf_counter)
    else:
        import numpy as np

        from labs.lab4_performances import solution as lab
        from toolkit.training.runtime import compiled

        shape = (pieces, TOTAL - PRIMER, lab.VOCAB_SIZE)
        noise = np.random.default_rng(1).gumbel(size=shape).astype(np.float32)
        noise[:, :, lab.END] = -1e9  # no piece ends early
        primers = ids[:, :PRIMER].copy()
        primers[:, 0] = lab.START
        write = compiled(functools.partial(lab.generate, model, slots=SLOTS), model)
        write(primers, noise)
        begin = time.perf_counter()
        written = write(primers, noise)
        seconds = [time.perf_counter() - begin]
        assert written.shape == (pieces, TOTAL - PRIMER)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "bytes": peak}


def report(peer: Path | None, found: dict[str, list[dict[str, Any]]]) -> None:
    """Print a table and write the results; ratios are of medians."""
    seconds = {
        name: statistics.median(second for turn in turns for second in turn["seconds"])
        for name, turns in found.items()
    }
    gigabytes = {name: max(turn["bytes"] for turn in turns) / 1e9 for name, turns in found.items()}
    ratios = {
        f"a batch of 8 costs, {backend}": seconds[f"ours, generation of 8, {backend}"]
        / seconds[f"ours, generation, {backend}"]
        for backend in BACKENDS
    }
    if peer:
        ratios |= {
            "training, times the peer's speed": seconds["peer, training"]
            / seconds["ours, training"],
            "training, share of the peer's memory": gigabytes["ours, training"]
            / gigabytes["peer, training"],
        } | {
            f"generation, times the peer's speed, {backend}": seconds["peer, generation"]
            / seconds[f"ours, generation, {backend}"]
            for backend in BACKENDS
        }
    console.table(
        "what", "seconds", "peak GB",
        rows=[(name, f"{seconds[name]:.2f}", f"{gigabytes[name]:.2f}") for name in found],
    )  # fmt: skip
    console.table("ratio", "", rows=[(name, f"{ratio:.2f}") for name, ratio in ratios.items()])
    commit = ""
    if peer:
        asked = ["git", "-C", str(peer), "rev-parse", "HEAD"]
        commit = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    result = {
        "peer": f"gwinndr/MusicTransformer-Pytorch {commit}",
        "cores": os.cpu_count(),
        "slots": SLOTS,
        "seconds": seconds,
        "gigabytes": gigabytes,
        "ratios": ratios,
    }
    write_whole(RESULTS, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    console.run_command(main)
