"""Generation as one compiled program: ids in, ids out."""

import warnings
from typing import Any

import keras
import numpy as np

from labs.lab4_performances.settings import Settings
from toolkit.training.runtime import compiled


def generate_pieces(
    tasks: Any, model: keras.Model, settings: Settings, primer: np.ndarray, samples: int
) -> list[np.ndarray]:
    """Generate `samples` pieces from one primer (only START: from nothing) in one batch.

    Returns
    -------
    list of int32 arrays: each piece's events, the primer's without START first
    """
    rng = np.random.default_rng([settings.seed, len(primer)])
    shape = (samples, settings.max_events, model.embedding.input_dim)
    noise = rng.gumbel(size=shape).astype(np.float32)

    def generate(primers: Any, noise: Any) -> Any:
        return tasks.generate(
            model,
            primers,
            noise,
            settings.temperature,
            settings.top_k,
            settings.top_p,
            settings.grammar,
        )

    with warnings.catch_warnings():
        # Keras warns of a softmax over one position: START, read alone
        warnings.simplefilter("ignore", UserWarning)
        rows = compiled(generate, model)(np.tile(primer, (samples, 1)), noise)
    return [np.concatenate([primer[1:], row[row != tasks.PAD]]) for row in rows]
