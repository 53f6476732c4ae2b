"""Lab 5 at the published sizes on one core: generation, training memory by length, encoding.

    python -m venv peer-env && peer-env/bin/pip install torch==2.14.1 transformers==4.39.3 numpy
    python -m benchmarks.long_context --peer peer-env/bin/python
    python -m benchmarks.long_context --only encoding     # or generation, memory

Each measurement is a process of its own, on one core, in CPU-seconds; ours and the peers take
turns. The peers have random weights: Hugging Face's TransfoXL with its memories, one word at a
time, and the recurrent linear Transformer of Hsiao et al. transcribed to plain PyTorch, with seven
draws a word in NumPy, as theirs. Encoding needs Pop1K7 (`make data NAME=pop1k7`). Results go to
`benchmarks/results/long_context.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from toolkit import console
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "long_context.json"
WORDS, SIZES = 332, (56, 135, 18, 3, 87, 18, 25)
WIDTHS = (128, 256, 64, 32, 512, 128, 128)
SHAPE = (512, 8, 2048, 12)  # d_model, heads, feed-forward, layers
MEMORY = 512
STEPS = 256
LENGTHS = (1024, 2048, 4096, 8192)
ONE_CORE = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    ),
    "1",
)

PEER_XL = """
import json, sys, time
import torch
from transformers import TransfoXLConfig, TransfoXLLMHeadModel
torch.set_num_threads(1)
old = torch.Tensor.type_as
torch.Tensor.type_as = lambda self, other=None, dtype=None: (
    self.to(dtype) if other is None else old(self, other)
)
config = TransfoXLConfig(
    vocab_size=332, cutoffs=[], d_model=512, d_embed=512, n_head=8, d_head=64, d_inner=2048,
    n_layer=12, mem_len=512, pre_lnorm=True, div_val=1, same_length=True, clamp_len=-1,
    adaptive=False,
)
model = TransfoXLLMHeadModel(config).eval()
steps = int(sys.argv[1])
with torch.no_grad():
    mems, word = None, torch.randint(0, 332, (1, 512))
    out = model(word, mems=mems)
    mems = out.mems
    begin = time.process_time()
    for _ in range(steps):
        out = model(torch.randint(0, 332, (1, 1)), mems=mems)
        mems = out.mems
    print(json.dumps({"seconds": [(time.process_time() - begin) / steps]}))
"""

PEER_LINEAR = """
import json, sys, time
import numpy as np, torch
from torch import nn
torch.set_num_threads(1)
sizes, widths = (56, 135, 18, 3, 87, 18, 25), (128, 256, 64, 32, 512, 128, 128)
d, heads, ff, layers = 512, 8, 2048, 12
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
        self.a, self.b = nn.Linear(d, ff), nn.Linear(ff, d)
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)
    def forward(self, x, state):
        s, z = state
        shape = (x.shape[0], heads, d // heads)
        q, k = (nn.functional.elu(f(x).view(shape)) + 1 for f in (self.q, self.k))
        v = self.v(x).view(shape)
        z = z + k
        s = s + torch.einsum("nhd,nhm->nhdm", k, v)
        total = torch.einsum("nhd,nhd->nh", q, z) + 1e-6
        mixed = torch.einsum("nhd,nhdm->nhm", q, s) / total[..., None]
        x = self.n1(x + self.o(mixed.reshape(x.shape)))
        return self.n2(x + self.b(nn.functional.gelu(self.a(x)))), (s, z)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, w) for n, w in zip(sizes, widths))
        self.join = nn.Linear(sum(widths), d)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.norm, self.heads = nn.LayerNorm(d), nn.ModuleList(nn.Linear(d, n) for n in sizes)
        self.blend = nn.Linear(d + widths[3], d)
    def hidden(self, rows, wave, states):
        parts = [t(rows[:, i]) * widths[i] ** 0.5 for i, t in enumerate(self.tables)]
        x = self.join(torch.cat(parts, -1)) + wave
        new = []
        for layer, state in zip(self.layers, states):
            x, state = layer(x, state)
            new.append(state)
        return self.norm(x), new
def draw(logits, p=0.9):
    chances = np.exp(logits - logits.max()); chances /= chances.sum()
    order = np.argsort(-chances)
    kept = order[: int((np.cumsum(chances[order]) < p).sum()) + 1]
    return int(np.random.choice(kept, p=chances[kept] / chances[kept].sum()))
steps, batch = map(int, sys.argv[1:3])
model = Model().eval()
with torch.no_grad():
    sums, normaliser = torch.zeros(batch, heads, 64, 64), torch.zeros(batch, heads, 64)
    states = [(sums, normaliser) for _ in range(layers)]
    rows, wave = torch.zeros(batch, 7, dtype=torch.long), torch.randn(512)
    begin = time.process_time()
    for _ in range(steps):
        hidden, states = model.hidden(rows, wave, states)
        kinds = [draw(row) for row in model.heads[3](hidden).numpy()]
        types = model.tables[3](torch.tensor(kinds)) * 32**0.5
        mixed = model.blend(torch.cat([hidden, types], -1))
        fields = [model.heads[i](mixed).numpy() for i in range(7)]
        rows = torch.tensor([
            [kinds[b] if i == 3 else draw(fields[i][b]) for i in range(7)] for b in range(batch)
        ])
    print(json.dumps({"seconds": [(time.process_time() - begin) / steps]}))
"""


def main() -> None:
    """Measure in turns, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", help="a Python with torch and transformers")
    parser.add_argument("--only", choices=("generation", "memory", "encoding"))
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--ours", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        name, *values = options.ours
        print(json.dumps(MEASURES[name](*map(int, values))))
        return
    jobs = {
        name: command
        for name, command in all_jobs(options.peer).items()
        if options.only in (None, name.split(":")[0])
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    for turn in range(options.turns):
        for name, command in jobs.items():
            console.say(f"turn {turn + 1} of {options.turns}: {name} ...")
            found[name].append(measured(name, command))
    report(found)


def all_jobs(peer: str | None) -> dict[str, list[str]]:
    """Say how to start each measurement, by its name."""
    jobs = {
        "generation: XL": ours("xl", 1, STEPS),
        "generation: XL, four times as far": ours("xl", 1, 4 * STEPS),
        "generation: XL without a cache": ours("xl_anew", 8),
        "generation: linear": ours("linear", 1, STEPS),
        "generation: linear, four times as far": ours("linear", 1, 4 * STEPS),
        "generation: linear, batch of 8": ours("linear", 8, STEPS),
        "encoding: Pop1K7": ours("encoding"),
    }
    for length in LENGTHS:
        jobs[f"memory: linear, {length:,}"] = ours("linear_memory", length)
        jobs[f"memory: by the definition, {length:,}"] = ours("definition_memory", length)
    for memory in (0, 512, 1024, 2048):
        jobs[f"memory: XL, 512 after {memory:,}"] = ours("xl_memory", memory)
    if peer:
        jobs["generation: Hugging Face's TransfoXL"] = [peer, "-c", PEER_XL, "64"]
        for batch in (1, 8):
            name = f"generation: PyTorch's linear, batch of {batch}"
            jobs[name] = [peer, "-c", PEER_LINEAR, str(STEPS), str(batch)]
    return jobs


def ours(*what: Any) -> list[str]:
    """Say how to start a process that measures ours."""
    return [sys.executable, "-m", "benchmarks.long_context", "--ours", *map(str, what)]


def measured(name: str, command: list[str]) -> dict[str, Any]:
    """Run a process that measures something on one core, and read the JSON in its last line."""
    environment = {**os.environ, **ONE_CORE}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    if done.returncode:
        console.warn(f"{name} failed: {done.stderr.splitlines()[-1:]}")
        return {}
    return json.loads(done.stdout.splitlines()[-1])


# What is measured


def _networks() -> tuple[Any, Any, Any]:
    """Give the lab, and what builds its two networks."""
    console.quiet_tensorflow()
    import keras

    from labs.lab5_long_context import solution as lab

    keras.utils.set_random_seed(0)

    def xl() -> Any:
        model = lab.TransformerXL(WORDS, *SHAPE, MEMORY)
        model.build((None, None))
        return model

    def linear() -> Any:
        model = lab.CompoundTransformer(SIZES, WIDTHS, *SHAPE)
        model.build((None, None, len(SIZES)))
        return model

    return lab, xl, linear


def generation(model: Any, lab: Any, primer: Any, sizes: tuple[int, ...], steps: int) -> dict:
    """Time a generated word: a long song less a short one, both compiled before."""
    import numpy as np

    from toolkit.training.runtime import compiled

    fields = len(sizes)
    options = ((1.0,) * fields, (0.9,) * fields)

    def taken(steps: int) -> float:
        noise = np.random.default_rng(1).gumbel(size=(len(primer), steps, sum(sizes)))
        noise = noise.astype(np.float32)
        noise[..., sum(sizes[: lab.TYPE]) if fields > 1 else 0] = -1e9  # no song ends early

        def generate(primers: Any, noise: Any) -> Any:
            return lab.generate(model, primers, noise, *options, slots=256)

        program = compiled(generate, model)
        program(primer, noise)
        begin = time.process_time()
        program(primer, noise)
        return time.process_time() - begin

    return {"seconds": [(taken(steps) - taken(steps // 4)) / (steps - steps // 4) / len(primer)]}


def generate_xl(batch: int, steps: int) -> dict:
    """Time Transformer-XL's words after a full memory."""
    import numpy as np

    lab, xl, _ = _networks()
    primer = np.random.default_rng(0).integers(1, WORDS, (batch, MEMORY + 1)).astype(np.int32)
    return generation(xl(), lab, primer, (WORDS,), steps)


def generate_linear(batch: int, steps: int) -> dict:
    """Time the linear Transformer's rows."""
    import numpy as np

    lab, _, linear = _networks()
    primer = np.ones((batch, 2, len(SIZES)), np.int32)
    return generation(linear(), lab, primer, SIZES, steps)


def generate_anew(steps: int) -> dict:
    """Time Transformer-XL's words if the last 513 are read anew for each: plain Keras."""
    import numpy as np

    _, xl, _ = _networks()
    model = xl()
    ids = np.random.default_rng(0).integers(1, WORDS, (1, MEMORY + 1)).astype(np.int32)
    model.predict_on_batch(ids)
    begin = time.process_time()
    for _ in range(steps):
        word = model.predict_on_batch(ids)[:, -1].argmax(-1)
        ids = np.concatenate([ids[:, 1:], word[:, None].astype(np.int32)], axis=1)
    return {"seconds": [(time.process_time() - begin) / steps]}


def training_step(model: Any, inputs: Any, targets: Any, loss: Any) -> dict:
    """Measure the peak memory of a process's first training step, tracing it included.

    A second step would use again, unseen, what the first one took.
    """
    import keras

    from toolkit.training.memory import peak_bytes

    model.compile(keras.optimizers.SGD(0.0), loss=loss, jit_compile=False)
    return {"bytes": peak_bytes(lambda: model.train_on_batch(inputs, targets), fresh=True)}


def linear_memory(length: int, by_definition: bool = False) -> dict:
    """Measure the linear Transformer's step over one piece, four layers of the published twelve."""
    import keras
    import numpy as np

    lab, _, _ = _networks()
    if by_definition:
        lab.causal_linear_attention = lambda q, k, v: (
            lab.linear_attention(q, k, v),
            keras.ops.zeros(()),
            keras.ops.zeros(()),
        )
    from labs.lab5_long_context.train import Whole
    from toolkit.training.fit import PerTokenLoss

    inner = lab.CompoundTransformer(SIZES, WIDTHS, *SHAPE[:3], 4)
    inner.build((None, None, len(SIZES)))
    rows = np.ones((1, length, len(SIZES)), np.int32)
    splits = np.cumsum(SIZES)[:-1].tolist()

    def loss(targets: Any, logits: Any) -> Any:
        return lab.compound_loss(targets, keras.ops.split(logits, splits, axis=-1))

    return training_step(Whole(inner), (rows, rows[..., 3]), rows, PerTokenLoss(loss))


def definition_memory(length: int) -> dict:
    """Measure the same with attention by its definition; None where it would take too much."""
    return linear_memory(length, by_definition=True) if length <= 4096 else {"bytes": None}


def xl_memory(memory_length: int) -> dict:
    """Measure Transformer-XL's step over a segment of 512 after a memory, four layers."""
    import keras
    import numpy as np

    lab, _, _ = _networks()
    from labs.lab5_long_context.train import Streaming
    from toolkit.training.fit import PerTokenLoss

    inner = lab.TransformerXL(WORDS, *SHAPE[:3], 4, memory_length)
    inner.build((None, None))
    ids = np.ones((1, 512), np.int32)

    def loss(targets: Any, logits: Any) -> Any:
        nats, words = lab.masked_cross_entropy(targets, logits)
        return nats / keras.ops.maximum(words, 1.0)

    inputs = (ids, ids * 0, np.zeros(1, bool))
    return training_step(Streaming(inner, 1, memory_length), inputs, ids, PerTokenLoss(loss))


def encoding() -> dict:
    """Time the encoding of all of Pop1K7, in memory, as REMI and as compound words."""
    from labs.lab5_long_context import solution as lab
    from toolkit.music.pieces import piece_corpus, unpack_piece
    from toolkit.music.remi import AUTHORS, BEFORE_COMPOUND

    corpus = piece_corpus("pop1k7")
    found = [unpack_piece(corpus[index]) for index in range(len(corpus))]
    begin = time.process_time()
    for piece in found:
        AUTHORS.to_ids(lab.encode_remi(piece, AUTHORS))
    middle = time.process_time()
    for piece in found:
        lab.remi_to_compound(lab.encode_remi(piece, BEFORE_COMPOUND))
    return {
        "songs": len(found),
        "remi_seconds": middle - begin,
        "compound_seconds": time.process_time() - middle,
    }


MEASURES = {
    "xl": generate_xl,
    "xl_anew": generate_anew,
    "linear": generate_linear,
    "linear_memory": linear_memory,
    "definition_memory": definition_memory,
    "xl_memory": xl_memory,
    "encoding": encoding,
}


def report(found: dict[str, list[dict[str, Any]]]) -> None:
    """Print a table and write the medians."""
    results: dict[str, dict[str, float]] = {}
    rows = []
    for name, turns in found.items():
        keys = dict.fromkeys(key for turn in turns for key in turn)
        for key in keys:
            values = [turn[key] for turn in turns if turn.get(key) is not None]
            flat = [value for one in values for value in (one if isinstance(one, list) else [one])]
            if flat:
                results.setdefault(name, {})[key] = statistics.median(flat)
                rows.append((name, key, f"{statistics.median(flat):,.4g}"))
    console.table("what", "of", "median", rows=rows)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    write_whole(RESULTS, json.dumps({**known, **results, "cores": 1}, indent=2) + "\n")


if __name__ == "__main__":
    console.run_command(main)
