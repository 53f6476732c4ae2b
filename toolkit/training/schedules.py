"""Learning rates over the steps of a training."""

from typing import Any

import keras
from keras import ops

WARMUP = 1 / 20  # share of the steps


def warmup_cosine(
    peak: float, steps: int, warmup: float = WARMUP
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Rise in a line from a fiftieth of the peak to it, then fall as a cosine to as little.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017),
    equation 5, without restarts.

    Parameters
    ----------
    steps : of the whole training
    warmup : share of the steps in which the rate rises
    """
    rising = int(steps * warmup)
    return keras.optimizers.schedules.CosineDecay(
        peak / 50, steps - rising, alpha=0.02, warmup_target=peak, warmup_steps=rising
    )


class Cooldown(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule times what falls in a line from 1 at step `begin` to 0 at step `end`.

    Source: Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
    Durations" (2024), section 3.
    """

    def __init__(self, schedule: Any, begin: int, end: int):
        super().__init__()
        self.schedule, self.begin, self.end = schedule, begin, end

    def __call__(self, step: Any) -> Any:
        left = (self.end - ops.cast(step, "float32")) / max(self.end - self.begin, 1)
        return self.schedule(step) * ops.clip(left, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "begin": self.begin, "end": self.end}
