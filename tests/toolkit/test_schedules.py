"""Learning rates over a training, and what is said when its memory is full."""

import numpy as np
import pytest

from toolkit.errors import EtudeError
from toolkit.training.memory import enough_memory
from toolkit.training.schedules import Cooldown, warmup_cosine


def test_the_rate_rises_to_its_peak_and_falls_to_a_fiftieth_of_it():
    schedule = warmup_cosine(1.0, 100, 1 / 5)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[20] == max(rates) == pytest.approx(1)
    assert rates[10] == pytest.approx((0.02 + 1) / 2)
    assert rates[60] == pytest.approx((0.02 + 1) / 2)
    assert rates[100] == pytest.approx(0.02)


def test_the_rate_falls_to_nothing_in_the_end():
    rate = Cooldown(lambda step: 2.0, 6, 10)
    np.testing.assert_allclose(
        [float(rate(step)) for step in (0, 6, 8, 9, 10, 11)], [2, 2, 1, 0.5, 0, 0]
    )


@pytest.mark.parametrize(
    "error", [RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying"), MemoryError()]
)
def test_a_full_device_is_told_with_what_to_lower(error):
    with (
        pytest.raises(EtudeError, match=r'batch_size 8 .*SET="batch_size=4", then length'),
        enough_memory("batch_size", 8, "length"),
    ):
        raise error
    with pytest.raises(RuntimeError, match="something else"), enough_memory("a", 1, "b"):
        raise RuntimeError("something else")
