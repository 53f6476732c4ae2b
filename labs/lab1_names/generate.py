"""Names for all countries at once, from nothing or from first letters."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from labs.lab1_names.data import Names
from toolkit.training.runtime import cpu_seconds


def generate_free(
    tasks: Any,
    settings: Any,
    stepper: keras.Model,
    vocabulary: Sequence[str],
    names: Names,
) -> tuple[dict[str, list[str]], dict[str, list[str]], float]:
    """Generate names with nothing given, one batch of all countries after another.

    Returns
    -------
    free : country -> the first batch's names, `names` of them
    judged : country -> those of all batches, `judged` of them
    seconds : CPU seconds that a batch took, the first aside, which compiles the step
    """
    starts = [""] * settings.names
    batches, seconds = [], []
    for number in range(max(2, -(-settings.judged // settings.names))):
        begin = cpu_seconds()
        seed = settings.seed + number
        batches.append(generate(tasks, settings, stepper, vocabulary, names, starts, seed))
        seconds.append(cpu_seconds() - begin)
    judged = {
        country: [name for batch in batches for name in batch[country]][: settings.judged]
        for country in names.countries
    }
    return batches[0], judged, float(np.median(seconds[1:]))


def generate(
    tasks: Any,
    settings: Any,
    stepper: keras.Model,
    vocabulary: Sequence[str],
    names: Names,
    starts: list[str],
    seed: int,
) -> dict[str, list[str]]:
    """Generate a name for each country and start, all in one batch."""
    wanted = [country for country in names.countries for _ in starts]
    made = tasks.generate_names(
        stepper,
        vocabulary,
        names.countries,
        wanted,
        starts * len(names.countries),
        settings.max_characters,
        settings.temperature,
        seed,
    )
    count = len(starts)
    return {
        country: made[place * count : (place + 1) * count]
        for place, country in enumerate(names.countries)
    }
