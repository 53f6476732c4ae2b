"""One place for seeds, device, precision and compilation.

Keras and its backend are imported inside the functions: a command that trains nothing never waits
for them.
"""

import json
import os
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from toolkit import __version__
from toolkit.errors import EtudeError
from toolkit.paths import CACHE, write_whole

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
# Below this many seconds of training, XLA costs more than it can win: a step of a small network
# takes 0.8 of the time with it, and compiling 10 s more, once to try it and once in earnest.
WORTH_MEASURING = 120.0


@dataclass(frozen=True)
class Runtime:
    """What a run runs on.

    Attributes
    ----------
    backend : "tensorflow" or "jax"
    device : what the device is called, such as "Tesla T4" or "CPU, 2 cores"
    precision : "float32", "bfloat16" or "float16"
    devices : the names of the devices that share each batch
    seed : what every seed is derived from
    """

    backend: str
    device: str
    precision: str
    devices: tuple[str, ...]
    seed: int
    strategy: Any = field(default=None, repr=False, compare=False)

    def scope(self) -> AbstractContextManager:
        """Where a model must be built and compiled, so that its weights are on every device."""
        return self.strategy.scope() if self.strategy is not None else nullcontext()


def configure(seed: int, precision: str = "auto", devices: str | None = None) -> Runtime:
    """Seed everything, choose the precision, and set up data-parallel training if it is asked for.

    Parameters
    ----------
    seed : 0 to 2**32 - 1
    precision : "auto" is bfloat16 on GPUs that have it, float16 on those that do not (Keras then
        scales the loss), float32 on a CPU
    devices : None for one device, "all" to share each batch between all GPUs (or, where there is
        none, all CPU devices the backend was told to simulate)

    Raises
    ------
    EtudeError
        If a value is none of these.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise EtudeError(f"SEED is {seed!r}: give a whole number from 0 to {2**32 - 1}.")
    if precision not in PRECISIONS:
        raise EtudeError(f"PRECISION is {precision!r}: choose one of {', '.join(PRECISIONS)}.")
    if devices not in (None, "all"):
        raise EtudeError(f'DEVICES is {devices!r}: leave it out for one device or give "all".')
    import keras

    backend = keras.backend.backend()
    if backend not in _BACKENDS:
        raise EtudeError(f"KERAS_BACKEND is {backend!r}: Etude runs on tensorflow and on jax.")
    device, has_bfloat16, names = _BACKENDS[backend]()
    if precision == "auto":
        on_cpu = device.startswith("CPU")
        precision = "float32" if on_cpu else "bfloat16" if has_bfloat16 else "float16"
    used = names if devices == "all" else names[:1]
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    strategy = _share_batches(backend, used)
    return Runtime(backend, device, precision, tuple(used), seed, strategy)


def _tensorflow_devices() -> tuple[str, bool, list[str]]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    logical = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = [device.name for device in logical]
    if not gpus:
        return _cpu(), False, names
    details = tf.config.experimental.get_device_details(gpus[0])
    capability = details.get("compute_capability", (0, 0))
    return details.get("device_name", "GPU"), capability >= (8, 0), names


def _jax_devices() -> tuple[str, bool, list[str]]:
    import jax

    devices = jax.devices()
    names = [f"{device.platform}:{device.id}" for device in devices]
    if devices[0].platform == "cpu":
        return _cpu(), False, names
    if devices[0].platform == "tpu":
        return devices[0].device_kind, True, names
    return devices[0].device_kind, float(devices[0].compute_capability) >= 8, names


_BACKENDS = {"tensorflow": _tensorflow_devices, "jax": _jax_devices}


def _cpu() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU, {cores} core{'' if cores == 1 else 's'}"


def _share_batches(backend: str, names: list[str]) -> Any:
    import keras

    if backend == "tensorflow":
        if len(names) == 1:
            return None
        # Keras accepts keras.distribution on TensorFlow and then silently uses one device.
        return _mirrored(tuple(names))
    parallel = None
    if len(names) > 1:
        parallel = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    keras.distribution.set_distribution(parallel)
    return None


@cache
def _mirrored(names: tuple[str, ...]) -> Any:
    """Make one strategy a process: the sums of a second one get mixed up with the first's."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def check_shards(runtime: Runtime, model: Any, counted: Any) -> None:
    """Make sure that every device did its share of the training.

    Parameters
    ----------
    model : the model after at least one training step
    counted : a metric's sum variable that each device adds to (TensorFlow), see `PerToken.count`

    Raises
    ------
    RuntimeError
        If a device holds no copy of the weights or saw no data.
    """
    if len(runtime.devices) == 1:
        return
    weight = model.trainable_variables[0].value
    if runtime.backend == "tensorflow":
        copies = {copy.device for copy in getattr(weight, "values", ())}
        # the metric's variable has one part a device, summed only when it is read
        shares = [float(part) for part in getattr(counted.value, "values", ())]
    else:
        import keras

        copies = weight.sharding.device_set
        count = len(runtime.devices)
        parallel = keras.distribution.distribution()
        layout = parallel and parallel.get_data_layout((count, 1)).backend_layout
        shards = layout.devices_indices_map((count, 1)).values() if layout else ()
        shares = [float(rows.stop - rows.start) for rows, _ in shards if rows.stop]
    if len(copies) != len(runtime.devices) or len(shares) != len(copies) or not all(shares):
        raise RuntimeError(
            f"DEVICES=all: {len(runtime.devices)} devices, but {len(copies)} hold the weights and "
            f"{sum(map(bool, shares))} saw data"
        )


def share_of_tokens(count: Any) -> Any:
    """Weight that makes the sum of the devices' means the mean over all tokens.

    On TensorFlow each device computes the mean over its own rows, and the devices' gradients are
    added up; rows hold different numbers of tokens, so each mean is weighted by its device's share
    of the batch's tokens. One elsewhere (JAX sees the whole batch).
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return 1.0
    import tensorflow as tf

    if not tf.distribute.has_strategy() or tf.distribute.in_cross_replica_context():
        return 1.0
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return 1.0
    total = replica.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return count / tf.maximum(total, 1.0)


def choose_jit(
    runtime: Runtime,
    seconds_per_step: Callable[[bool], float],
    steps: int,
    key: str,
    cache: Path = CACHE / "jit.json",
) -> bool:
    """Decide by measurement whether a model trains faster compiled by XLA.

    On JAX it always does. On TensorFlow a step is timed without and with XLA, and both times are
    kept in `cache`, so that only the first run of a model on a machine pays. Training that takes
    less than two minutes without XLA is never compiled by it; with several devices XLA is left
    off, since the devices' sums cross it.

    Parameters
    ----------
    seconds_per_step : times a training step, given whether to use XLA
    steps : training steps in the whole run
    key : what the outcome depends on: the model and the shape of its batches
    """
    if runtime.backend == "jax":
        return True
    if len(runtime.devices) > 1:
        return False
    key = " · ".join((key, "TensorFlow", version("tensorflow"), runtime.device, runtime.precision))
    try:
        known = json.loads(cache.read_text())
        plain, compiled = map(float, known[key])
    except (OSError, ValueError, TypeError, KeyError):
        plain = seconds_per_step(False)
        if plain * steps < WORTH_MEASURING:
            return False
        compiled = seconds_per_step(True)
        _remember(cache, key, [plain, compiled])
    return compiled < plain and plain * steps >= WORTH_MEASURING


def _remember(cache: Path, key: str, seconds: list[float]) -> None:
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        known = {}
    write_whole(cache, json.dumps({**known, key: seconds}, indent=1))


def cpu_seconds() -> float:
    """CPU seconds that this process has used so far, with its children that have ended.

    User and system time, to a hundredth of a second. What a promise of time is judged by: other
    work on a shared machine slows the clock much more than this.
    """
    return sum(os.times()[:4])


def parity_stamp(checks_hash: str, runtime: Runtime | None = None) -> dict[str, str]:
    """Say what must agree for two runs to agree: versions, backend, device, the lab's checks.

    Without a `runtime` the device is the one the machine shows, so that Keras stays unloaded.
    """
    backend = runtime.backend if runtime else os.environ.get("KERAS_BACKEND", "tensorflow")
    device = f"{runtime.device} ({runtime.precision})" if runtime else _visible_device()
    if runtime and len(runtime.devices) > 1:
        device = f"{len(runtime.devices)} × {device}"
    return {
        "Etude": __version__,
        "Python": platform.python_version(),
        "Keras": version("keras"),
        "backend": f"{backend} {version(backend)}",
        "device": device,
        "checks": checks_hash[:12],
    }


def _visible_device() -> str:
    for card in Path("/proc/driver/nvidia/gpus").glob("*/information"):
        for line in card.read_text().splitlines():
            if line.startswith("Model:"):
                return line.removeprefix("Model:").strip()
    return _cpu()


def compiled(function: Callable[..., Any], *models: Any, xla: bool = False) -> Callable[..., Any]:
    """Compile `function(*arrays)` as a whole, so that loops in it do not run in Python.

    Parameters
    ----------
    function : written with `keras.ops`; it reads the models' weights and changes none
    models : built; those whose weights it reads
    xla : whether XLA compiles on TensorFlow as well: quicker where a batch is large, while a step
        of one event takes longer with it on a CPU

    Returns
    -------
    arrays -> result, or several of them in a list, as NumPy arrays. A `tf.function` on TensorFlow,
    `jax.jit` on JAX, where weights are arguments, not constants.
    """
    import keras

    def as_arrays(result: Any) -> Any:
        return keras.tree.map_structure(np.asarray, result)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # without AutoGraph: it reads the source anew, which may have been edited in the meantime
        run = tf.function(function, autograph=False, jit_compile=xla or None)
        return lambda *arrays: as_arrays(run(*map(tf.convert_to_tensor, arrays)))
    import jax

    variables = list({id(v): v for model in models for v in model.variables}.values())

    def stateless(values: Any, *arrays: Any) -> Any:
        with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
            return function(*arrays)

    jitted = jax.jit(stateless)
    return lambda *arrays: as_arrays(jitted([v.value for v in variables], *arrays))
