"""Lab 4 on a data-centre GPU: throughput, memory, a real training run; unattended, in slices.

Where the data sets are (`make data NAME=maestro`, `NAME=groove`), pack all that the GPU's machine
needs besides Keras, JAX (with CUDA) and NumPy, no TensorFlow and no MIDI library among it:

    python -m benchmarks.gpu bundle etude-gpu.zip

Unpack it there. If Keras is not installed, carry it beside the rest, in a folder `site`:

    pip install --target site --no-compile --no-deps --only-binary=:all: --python-version 3.12 \\
        --platform manylinux_2_28_x86_64 keras namex optree typing-extensions

Then give this command, as often as it takes:

    python -m benchmarks.gpu run --folder work --minutes 9.5 --out results

For MAESTRO, then for Groove, it goes through the stages: measure (step time and memory of the
lab's training as it is, and without `keras.remat`), train (the faster way, for as many epochs as
`--train` minutes hold at the measured speed), evaluate (validation and test, whole); at last, for
both, write (pieces, as events). Whatever is finished, each epoch included, is kept in `work`, and
the next call goes on from there; so is what was compiled. Where the GPU's memory is too small the
batch is halved, and the results say so. What comes back lies in `results`: `results.json`, the best
weights in float16 in parts of 15 MiB, the pieces. Where Etude is whole again,
`python -m benchmarks.gpu unpack results to` makes `.weights.h5` and MIDI of them.

Exit status of `run`: 0 all is done; 75 there is more to do, call again; 1 a stage broke, and its
traceback stands above; 2 a mistake on the command line.

On paper, for an H100 (80 GB, 989 TFLOP/s, 3.3 TB/s) and PRESET=maestro, 20 million weights and 16 x
2,048 tokens a step: 171 MFLOP a token, 5.6 TFLOP a step, at least 6 ms. Attention's scores, 300
million a layer, go through memory some twenty times: 50 to 70 ms more. So about 80 ms and 400,000
tokens a second are to be expected, and in 15 minutes some 16 passes over MAESTRO. Memory: XLA
plans 37 GB for the step on a CPU, where all is float32; in bfloat16 some 20 GB, and 12 GB more
without `keras.remat`.
"""

import argparse
import json
import lzma
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, hold, shown, write_whole

DATA = "maestro,groove"
CORPORA = ROOT / "corpora"
SITE = ROOT / "site"
STAGES = ("measure", "train", "evaluate", "write")
MORE, FULL = 75, 76  # exit statuses: call again; the device's memory was full
STOPPED = (130, -signal.SIGTERM, -signal.SIGKILL)
GRACE = 10.0  # seconds from the request to stop to the end by force
MEBIBYTE = 1 << 20
PART = 15 * MEBIBYTE
# the lab's file names it in signatures, and calls nothing of it that a run on events needs
STUB = '"""In the place of note-seq."""\n\n\nclass NoteSequence:\n    """Only a name."""\n'


def main() -> int | None:
    """Do one of the three commands."""
    console.quiet_tensorflow()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("bundle", help="pack sources and prepared data")
    pack.add_argument("to", type=Path, metavar="TO.zip")
    pack.add_argument("--data", default=DATA, help=f"data sets ({DATA})")
    pack.add_argument("--max-pieces", type=int, help="training pieces to take at most")
    go = commands.add_parser("run", help="go on with the stages until the time is up")
    go.add_argument("--folder", type=Path, required=True, help="what is kept between calls")
    go.add_argument("--out", type=Path, help="where results go (out, in the folder)")
    go.add_argument("--minutes", type=float, default=9.5, help="of this call, all in all (9.5)")
    go.add_argument(
        "--reserve", type=float, default=0.5, help="minutes of them to begin nothing new in (0.5)"
    )
    go.add_argument("--data", default=DATA, help=f"data sets ({DATA})")
    go.add_argument(
        "--train", default="maestro=15,groove=3", help="minutes of training (maestro=15,groove=3)"
    )
    go.add_argument(
        "--stages", default=",".join(STAGES), help="which (measure,train,evaluate,write)"
    )
    go.add_argument("--set", default="", help='settings of the lab: "epochs=3 batch_size=8"')
    back = commands.add_parser("unpack", help="make weights and MIDI files of results")
    back.add_argument("out", type=Path, help="the folder with results.json")
    back.add_argument("to", type=Path, help="where to write")
    options = parser.parse_args()
    if options.command == "bundle":
        bundle(options.to, options.data.split(","), options.max_pieces)
    elif options.command == "unpack":
        unpack(options.out, options.to)
    else:
        return run(options)
    return None


# The bundle


def bundle(to: Path, data: list[str], max_pieces: int | None = None) -> None:
    """Write a zip of the sources and of data sets as ids, prepared by the lab's `load_splits`.

    Raises
    ------
    EtudeError
        If a data set is unknown or not here.
    """
    from labs.lab4_performances.data import DATA_SETS, load_splits

    for name in data:
        if name not in DATA_SETS:
            raise EtudeError(f"there is no data set {name}: give some of {', '.join(DATA_SETS)}")
    fresh = to.with_name(f".{to.name}.{os.getpid()}")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as file:
        for folder in ("toolkit/**", "labs", "labs/course", "labs/lab4_performances", "benchmarks"):
            for path in sorted(ROOT.glob(f"{folder}/*.py")):
                file.write(path, path.relative_to(ROOT))
        file.writestr("note_seq.py", STUB)
        for name in data:
            splits = load_splits(name, max_pieces)
            parts = [
                split.tokens[split.offsets[0] : split.offsets[-1]] for split in splits.values()
            ]
            packed = pack_ids(np.concatenate(parts))
            contents = {
                split: {"names": part.names, "lengths": np.diff(part.offsets).tolist()}
                for split, part in splits.items()
            }
            file.writestr(f"corpora/{name}.json", json.dumps(contents))
            file.writestr(f"corpora/{name}.xz", packed, zipfile.ZIP_STORED)
            tokens = sum(map(len, parts))
            console.say(f"{name}: {tokens:,} tokens in {len(packed) / MEBIBYTE:.2f} MiB")
    os.replace(fresh, to)
    console.say(f"{shown(to)}: {to.stat().st_size / MEBIBYTE:.2f} MiB")


def pack_ids(ids: np.ndarray) -> bytes:
    """Compress ids below 65,536; a higher level takes ten times as long for a tenth less."""
    return lzma.compress(ids.astype("<u2").tobytes(), preset=1)


def unpack_ids(packed: bytes) -> np.ndarray:
    """Undo `pack_ids`: uint16 array."""
    return np.frombuffer(lzma.decompress(packed), "<u2")


# A call


def run(options: argparse.Namespace) -> int:
    """Let a process go on with the stages, end it in time, and hand out what there is.

    The stages have a process of their own because compilation heeds no signal, and because what
    ran out of the device's memory leaves some of it taken.
    """
    begin = time.time()
    if not 0 <= options.reserve <= options.minutes:
        raise EtudeError(f"reserve {options.reserve:g}: give 0 to {options.minutes:g} minutes")
    options.folder.mkdir(parents=True, exist_ok=True)
    lock = hold(options.folder / "lock")  # until the process ends
    if lock is None:
        raise EtudeError(f"another call is working in {shown(options.folder)}: wait")
    # the results are written in the last seconds
    end = begin + 60 * options.minutes - GRACE
    command = [sys.executable, "-m", "benchmarks.gpu_stages", str(options.folder), options.data]
    command += [str(begin + 60 * (options.minutes - options.reserve)), str(end - GRACE)]
    command += [options.stages, options.train, options.set]
    code = FULL
    while code == FULL and time.time() < end:
        with subprocess.Popen(command, cwd=ROOT, env=environment(options.folder)) as process:
            try:
                code = process.wait(max(end - time.time(), 0))
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
    names = options.data.split(",")
    state = read_state(options.folder)
    export(options.folder, options.out or options.folder / "out", names, state)
    done, left = summary(names, options.stages.split(","), state)
    console.say(f"done: {'; '.join(done) or 'nothing'}. left: {'; '.join(left) or 'nothing'}")
    if code in (0, 2):
        return code
    return MORE if code in (MORE, FULL, *STOPPED) else 1


def environment(folder: Path) -> dict[str, str]:
    """Give a stage's process JAX, what is carried beside, and what was compiled before."""
    paths = [str(SITE)] if SITE.is_dir() else []
    paths += [path for path in [os.environ.get("PYTHONPATH")] if path]
    # JAX takes three quarters of the memory unless told otherwise; it refuses two names at once
    given = "XLA_PYTHON_CLIENT_MEM_FRACTION" in os.environ
    return {
        **({} if given else {"XLA_CLIENT_MEM_FRACTION": "0.92"}),
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "KERAS_BACKEND": "jax",
        "JAX_COMPILATION_CACHE_DIR": str((folder / "compiled").resolve()),
    }


def read_state(folder: Path) -> dict[str, Any]:
    """Read what the stages have found so far; empty before the first."""
    path = folder / "state.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Write it, whole or not at all."""
    write_whole(folder / "state.json", json.dumps(state, indent=1) + "\n")


def summary(
    names: list[str], stages: list[str], state: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """Say in words what is done and what is left of the stages asked for."""
    done, left = [], []
    for name in names:
        own = state.get(name, {})
        finished = [stage for stage in STAGES if stage in own.get("done", ())]
        rest = [stage for stage in stages if stage not in finished]
        epochs, planned = len(own.get("epochs", ())), own.get("planned")
        so_far = f" ({epochs} of {planned} epochs trained)" if planned else ""
        if finished or epochs:
            done.append(f"{name} {', '.join(finished) or 'begun'}{so_far}")
        if rest:
            left.append(f"{name} {', '.join(rest)}")
    return done, left


# What comes back


def export(folder: Path, out: Path, names: list[str], state: dict[str, Any]) -> None:
    """Write results, the best weights so far as float16, and pieces: few and small files."""
    from toolkit.training.runs import read_log

    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {**state}
    for name in names:
        own = results.setdefault(name, {})
        own["log"] = read_log(folder / name / "run" / "log.csv")
        best = folder / name / "run" / "best.weights.h5"
        if best.exists():
            own["weights"] = export_weights(best, out, name)
        pieces = folder / name / "pieces.npz"
        if pieces.exists():
            (out / f"{name}-pieces.npz").write_bytes(pieces.read_bytes())
    write_whole(out / "results.json", json.dumps(results, indent=1) + "\n")


def export_weights(path: Path, out: Path, name: str) -> list[list]:
    """Write a Keras weights file as float16 in parts; returns each weight's path and shape."""
    import h5py

    listed: list[list] = []
    values: list[np.ndarray] = []

    def take(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not path.startswith("optimizer"):
            listed.append([path, list(item.shape)])
            # by NumPy: HDF5, asked for float16, halves what rounds up to a power of two
            values.append(item[()].astype(np.float16).ravel())

    try:
        with h5py.File(path) as file:
            file.visititems(take)
    except OSError:  # a call that was killed while it wrote them
        return []
    packed = np.concatenate(values).astype("<f2").tobytes()
    for number, begin in enumerate(range(0, len(packed), PART), 1):
        (out / f"{name}-weights-{number}.f16").write_bytes(packed[begin : begin + PART])
    return listed


def unpack(out: Path, to: Path) -> None:
    """Make `.weights.h5` files and MIDI files of what came back.

    Raises
    ------
    EtudeError
        If there are no results.
    """
    if not (out / "results.json").exists():
        raise EtudeError(
            f"there is no results.json in {shown(out)}: give the folder of the results"
        )
    to.mkdir(parents=True, exist_ok=True)
    for name, own in json.loads((out / "results.json").read_text()).items():
        if isinstance(own, dict) and own.get("weights"):
            join_weights(out, name, own["weights"], to / f"{name}.weights.h5")
        if (out / f"{name}-pieces.npz").exists():
            write_pieces(out / f"{name}-pieces.npz", name, to)


def join_weights(out: Path, name: str, listed: list[list], to: Path) -> None:
    """Write the parts as one file that `load_weights` reads."""
    import h5py

    numbers = range(1, 1 + len(list(out.glob(f"{name}-weights-*.f16"))))
    packed = b"".join((out / f"{name}-weights-{number}.f16").read_bytes() for number in numbers)
    values, begin = np.frombuffer(packed, "<f2").astype(np.float32), 0
    with h5py.File(to, "w") as file:
        for path, shape in listed:
            size = int(np.prod(shape))
            file.create_dataset(path, data=values[begin : begin + size].reshape(shape))
            begin += size
    console.say(f"{shown(to)}: {len(values):,} weights")


def write_pieces(path: Path, name: str, to: Path) -> None:
    """Write pieces of events as MIDI files."""
    from labs.lab4_performances import solution
    from labs.lab4_performances.measure import to_sequence
    from toolkit.music.midi import write_midi

    with np.load(path) as pieces:
        for piece in pieces.files:
            target = to / f"{name}-{piece}.mid"
            write_midi(to_sequence(solution, pieces[piece], name), target)
            console.say(shown(target))


if __name__ == "__main__":
    console.run_command(main)
