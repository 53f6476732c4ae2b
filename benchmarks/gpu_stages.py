"""The stages of `benchmarks.gpu`, in a process of their own: `run` there starts it and ends it."""

import dataclasses
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.gpu import CORPORA, FULL, MORE, STAGES, read_state, unpack_ids, write_state
from labs.course.run import make_settings
from labs.lab4_performances import solution as tasks
from labs.lab4_performances import train
from labs.lab4_performances.generate import generate_pieces
from labs.lab4_performances.settings import MAESTRO, Settings
from toolkit import console
from toolkit.data.corpus import Split
from toolkit.errors import EtudeError
from toolkit.training.fit import Interrupted
from toolkit.training.memory import is_out_of_memory
from toolkit.training.runs import Run
from toolkit.training.runtime import Runtime, configure, parity_stamp

# generation is compiled for each event of the primer and each 256 written ones: both are short
BRIEF = dataclasses.replace(MAESTRO, primer_seconds=8.0, max_events=1024)
PLANS = {
    "maestro": BRIEF,
    # 1.7 million tokens to train on: a quarter of the weights, and more dropout
    "groove": dataclasses.replace(
        BRIEF,
        data="groove",
        semitones=(0,),
        length=1024,
        context=512,
        d_model=256,
        num_heads=4,
        ff_dim=1024,
        max_distance=1023,
        window=1024,
        dropout=0.25,
        steps_per_epoch=200,
        warmup=500,
    ),
}
PLANS["drums"] = dataclasses.replace(PLANS["groove"], data="drums")
STEPS = 40  # of each of two epochs that are measured
LEAST = 30.0  # seconds that a stage needs at least
# the lab's attention forgets what it computed and computes it again for the gradient
AS_IT_IS, REMEMBERING = "as it is", "without keras.remat"
# bfloat16 without sparsity, in FLOP/s, by the beginning of what the driver calls the card
PEAKS = {
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H200": 989e12,
}


def main() -> int:
    """Do one stage after the other until the time is up; returns 0, MORE or FULL."""
    folder, data, soft, hard, stages, minutes, overrides = sys.argv[1:]
    # `fit` stops between two batches at SIGTERM; anything else is begun anew in the next call
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, max(float(hard) - time.time(), 0.001))
    state = read_state(Path(folder))
    jobs = [Job(Path(folder), name, state, float(soft), overrides) for name in data.split(",")]
    trained = _minutes(minutes)
    worked = False
    wanted = stages.split(",")
    for stage in wanted:
        if stage not in STAGES:
            raise EtudeError(f"there is no stage {stage}: give some of {', '.join(STAGES)}")
    # pieces come last of all: generation takes long to compile, and the figures do not need it
    order = [(job, stage) for job in jobs for stage in wanted if stage != "write"]
    order += [(job, stage) for job in jobs for stage in wanted if stage == "write"]
    for job, stage in order:
        if stage in job.own["done"]:
            continue
        if worked and time.time() + LEAST > float(soft):
            return MORE
        worked = True
        try:
            finished = getattr(job, stage)(trained.get(job.data, 5.0))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            job.lower()
            return FULL
        if not finished:
            return MORE
        job.own["done"].append(stage)
        job.save()
    return 0


def _minutes(text: str) -> dict[str, float]:
    try:
        pairs = (word.split("=") for word in text.split(",") if word)
        return {name: float(value) for name, value in pairs}
    except ValueError:
        raise EtudeError(f'train is "{text}": write it like maestro=15,groove=3') from None


class Timer(keras.callbacks.Callback):
    """Notes when batches and epochs end, and begins no epoch that would not end in time.

    Attributes
    ----------
    ends : when the first and the last batch of each epoch were done, on the device too
    epochs : seconds of each epoch, from the last one's end: validation and backup included
    """

    def __init__(self, until: float, noted: Callable[[int, float], None] = lambda *_: None):
        super().__init__()
        self.until, self.noted = until, noted
        self.ends: list[float] = []
        self.epochs: list[float] = []
        self.begin = self.last = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note when the device has done an epoch's first batch, and its last."""
        if batch in (0, self.params["steps"] - 1):
            jax.block_until_ready(logs)  # JAX comes back before the device has finished
            self.ends.append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note how long the epoch took, and stop if there is no time for another."""
        now = time.perf_counter()
        seconds, self.last = now - self.last, now
        self.epochs.append(seconds)
        self.noted(epoch, seconds)
        if epoch + 1 < self.params["epochs"] and time.time() + seconds > self.until:
            raise Interrupted


class Job:
    """All stages of one data set, and what they found.

    A stage is given the minutes that training may take, and says whether it has finished.
    """

    def __init__(self, folder: Path, data: str, state: dict, until: float, overrides: str):
        self.folder, self.data, self.state, self.until = folder, data, state, until
        plans = {data: PLANS.get(data, dataclasses.replace(BRIEF, data=data))}
        settings = make_settings(SimpleNamespace(PRESETS=plans), data, {}, overrides)  # type: ignore[arg-type]
        if settings.max_pieces:
            raise EtudeError("max_pieces is for the bundle: give it --max-pieces")
        self.own = state.setdefault(data, {"asked": overrides, "done": [], "notes": []})
        if self.own["asked"] != overrides:
            raise EtudeError(
                f'this folder was begun with --set "{self.own["asked"]}": give the same, or '
                "another folder"
            )
        self.planned = bool(re.search(r"\bepochs=", overrides))
        batch_size = self.own.setdefault("batch_size", settings.batch_size)
        self.settings: Settings = dataclasses.replace(settings, batch_size=batch_size)
        self.runtime: Runtime | None = None
        self.model: keras.Model | None = None
        self.splits: dict[str, Split] = {}

    def save(self) -> None:
        """Write what was found."""
        write_state(self.folder, self.state)

    def open(self) -> Runtime:
        """Seed, choose the precision, open the data."""
        runtime = configure(self.settings.seed, self.settings.precision)
        train.check(self.settings, runtime)
        self.splits = self.splits or open_splits(self.data, self.folder)
        self.state["stamp"] = parity_stamp("", runtime)
        return runtime

    def lower(self) -> None:
        """Ask for less of the device's memory from now on."""
        if self.own.get("trying", self.own.get("way")) == REMEMBERING:
            self.own["measured"][REMEMBERING] = {"fits": False}
            self.own["way"] = AS_IT_IS
            note = "too little memory without keras.remat"
        elif self.settings.batch_size == 1:
            raise EtudeError("the device has too little memory for a batch of 1: lower length")
        else:
            self.own["batch_size"] = self.settings.batch_size // 2
            note = f"too little memory for a batch of {self.settings.batch_size}: halved"
            for found in ("measured", "planned"):
                self.own.pop(found, None)
            self.own["done"] = [stage for stage in self.own["done"] if stage != "measure"]
        self.own["notes"].append(note)
        console.warn(f"{self.data}: {note}")
        self.save()

    # The stages

    def measure(self, minutes: float) -> bool:
        """Time the lab's training, as it is and without remat, and plan the epochs."""
        found = self.own.setdefault("measured", {})
        for way in (AS_IT_IS, REMEMBERING):
            if way not in found:
                self.own["trying"] = way
                self.save()
                found[way] = self.time_steps(way)
                del self.own["trying"]
                self.save()
        # what is no faster beyond chance does not change the lab's way
        usual, other = found[AS_IT_IS], found[REMEMBERING]
        faster = other["fits"] and other["seconds_a_step"] < 0.98 * usual["seconds_a_step"]
        way = REMEMBERING if faster else AS_IT_IS
        self.own["way"], epochs = way, self.settings.epochs
        if not self.planned:
            one = self.settings.steps_per_epoch * found[way]["seconds_a_step"]
            epochs = max(1, int(60 * minutes / (one + found[way]["seconds_an_epoch_besides"])))
        self.own["planned"] = epochs
        console.say(f"{self.data}: {epochs} epochs are planned, {way}")
        return True

    def time_steps(self, way: str) -> dict[str, Any]:
        """Train two short epochs."""
        runtime = self.open()
        steps = min(STEPS, self.settings.steps_per_epoch)
        short = dataclasses.replace(self.settings, epochs=2, steps_per_epoch=steps)
        folder = self.folder / self.data / "measure"
        shutil.rmtree(folder, ignore_errors=True)
        timer = Timer(float("inf"))
        self.fit(short, runtime, Run(folder, "lab4", self.data, {}, callbacks=(timer,)), way)
        step = (timer.ends[-1] - timer.ends[-2]) / max(steps - 1, 1)  # of the second epoch
        tokens = short.batch_size * short.length
        flops = flops_a_token(short, tasks.VOCAB_SIZE) * tokens / step
        card = jax.devices()[0]
        peak = next((PEAKS[name] for name in PEAKS if card.device_kind.startswith(name)), None)
        memory = card.memory_stats() or {}
        found = {
            "fits": True,
            "card": card.device_kind,
            "batch": [short.batch_size, short.length],
            "seconds_a_step": step,
            "tokens_a_second": tokens / step,
            "teraflops": flops / 1e12,
            "share_of_peak": flops / peak if peak and "MIG" not in card.device_kind else None,
            "peak_gigabytes": memory.get("peak_bytes_in_use", 0) / 1e9 or None,
            "seconds_to_first_step": timer.ends[0] - timer.begin,
            "seconds_an_epoch_besides": max(timer.epochs[1] - steps * step, 0.0),
        }
        share, gigabytes = found["share_of_peak"], found["peak_gigabytes"]
        console.say(
            f"{self.data}, {way}: {1000 * step:.1f} ms a step of {short.batch_size} x "
            f"{short.length} tokens, {tokens / step:,.0f} tokens a second, {flops / 1e12:.3g} "
            f"TFLOP/s{f', {share:.1%} of the peak' if share else ''}"
            f"{f', {gigabytes:.1f} GB at most' if gigabytes else ''}; first step after "
            f"{found['seconds_to_first_step']:.1f} s"
        )
        return found

    def train(self, minutes: float) -> bool:
        """Train until all planned epochs are done, or the time is up."""
        return self.trained() is not None

    def trained(self) -> keras.Model | None:
        """Give the model with its best weights; None if there was no time to finish."""
        if self.model is None:
            runtime = self.open()
            epochs = self.own.setdefault("planned", self.settings.epochs)  # if none was measured
            whole = dataclasses.replace(self.settings, epochs=epochs)
            self.own["settings"] = dataclasses.asdict(whole)
            taken = self.own.setdefault("epochs", {})

            def note(epoch: int, seconds: float) -> None:
                taken[str(epoch + 1)] = seconds
                self.save()

            folder = self.folder / self.data / "run"
            timer = Timer(self.until, note)
            run = Run(folder, "lab4", self.data, {}, resumed=True, callbacks=(timer,))
            model = self.fit(whole, runtime, run, self.own.get("way", AS_IT_IS))
            self.model = None if run.interrupted else model
        return self.model

    def fit(self, settings: Settings, runtime: Runtime, run: Run, way: str) -> keras.Model:
        """Build and train, with the lab's own functions."""
        model = train.build(tasks, settings, runtime)
        with remembering(way == REMEMBERING):
            train.train(tasks, settings, run, runtime, model, self.splits)
        return model

    def evaluate(self, minutes: float) -> bool:
        """Score validation and test whole, with the weights that were best."""
        model = self.trained()
        if model is None:
            return False
        rows = train.evaluate(tasks, self.settings, model, self.splits)
        self.own["scores"] = [dict(zip(train.SCORES, row, strict=True)) for row in rows]
        for name, nats, _, accuracy, *_ in rows:
            console.say(f"{self.data}, {name}: {nats:.4f} nats a token, accuracy {accuracy:.4f}")
        return True

    def write(self, minutes: float) -> bool:
        """Write pieces from a test piece's beginning, and from nothing."""
        model = self.trained()
        if model is None:
            return False
        pieces, begin = {}, time.perf_counter()
        primers = {"continuation": self.primer(), "from-nothing": np.array([tasks.START], np.int32)}
        for name, primer in primers.items():
            played = generate_pieces(tasks, model, self.settings, primer, self.settings.samples)
            pieces |= {f"{name}-{number}": ids for number, ids in enumerate(played, 1)}
        with open(self.folder / self.data / "pieces.npz", "wb") as file:
            np.savez_compressed(file, **pieces)
        self.own["written"] = {
            "events": sum(map(len, pieces.values())),
            "primer": len(primers["continuation"]) - 1,
            "seconds": time.perf_counter() - begin,
        }
        return True

    def primer(self) -> np.ndarray:
        """Take START and the first `primer_seconds` of a test piece that the seed chooses."""
        split = self.splits["test"]
        index = int(np.random.default_rng(self.settings.seed).integers(len(split)))
        ids = split.piece(index)[: self.settings.window - 1]
        is_shift = (ids >= tasks.TIME_SHIFT) & (ids < tasks.VELOCITY)
        steps = np.cumsum(np.where(is_shift, ids - tasks.TIME_SHIFT + 1, 0))
        seconds = steps / tasks.STEPS_PER_SECOND
        return np.concatenate([[tasks.START], ids[seconds <= self.settings.primer_seconds]])


@contextmanager
def remembering(wanted: bool) -> Iterator[None]:
    """Let the layers keep all they computed for the gradient: the same result, more memory."""
    forgets = keras.remat
    if wanted:
        keras.remat = lambda function: function
    try:
        yield
    finally:
        keras.remat = forgets


def open_splits(data: str, folder: Path) -> dict[str, Split]:
    """Open the bundle's data set, or the lab's where all of Etude is.

    Raises
    ------
    EtudeError
        If the bundle does not hold it.
    """
    if not CORPORA.is_dir():
        from labs.lab4_performances.data import load_splits

        return load_splits(data)
    if not (CORPORA / f"{data}.json").exists():
        raise EtudeError(f"the bundle holds no data set {data}: give another with --data")
    path = folder / f"{data}.npy"
    if not path.exists():
        fresh = folder / f".{data}.npy"
        np.save(fresh, unpack_ids((CORPORA / f"{data}.xz").read_bytes()))
        os.replace(fresh, path)
    tokens, begin, splits = np.load(path, mmap_mode="r"), 0, {}
    for name, part in json.loads((CORPORA / f"{data}.json").read_text()).items():
        offsets = begin + np.cumsum([0, *part["lengths"]])
        splits[name] = Split(tokens, offsets, part["names"])
        begin = int(offsets[-1])
    return splits


def flops_a_token(settings: Settings, vocab_size: int) -> float:
    """Count the floating-point operations of the model in training, a token.

    6 N, with N the weights of the matrices: num_layers × (4 d² + 2 d ff_dim) + vocab_size × d, two
    operations a weight forward and four backward. And attention: a token looks at (length + 1) / 2
    tokens in the mean, and scores by content, scores by distance and mixed values are d
    multiplications with each, in each layer: 6 × 3 × num_layers × d × (length + 1) / 2. What is
    computed again to save memory does not count, nor what a chunk computes above the diagonal.
    The window is taken to hold all of `length`.
    """
    width = settings.d_model
    matrices = settings.num_layers * (4 * width**2 + 2 * width * settings.ff_dim)
    attention = 3 * settings.num_layers * width * (settings.length + 1) / 2
    return 6.0 * (matrices + vocab_size * width + attention)


if __name__ == "__main__":
    console.run_command(main)
