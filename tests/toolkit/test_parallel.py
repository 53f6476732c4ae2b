"""`map_items` loses broken items, never others, and leaves no process behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from toolkit.data.parallel import available_cores, map_items
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

offset = 0


def set_offset(value: int) -> None:
    global offset
    offset = value


def add_offset(number: int) -> int:
    return number + offset


def meet(folder: str, number: int) -> int:
    """Wait until as many processes as there are cores have come here."""
    (Path(folder) / str(os.getpid())).touch()
    deadline = time.monotonic() + 30
    while len(os.listdir(folder)) < available_cores() and time.monotonic() < deadline:
        time.sleep(0.01)
    return os.getpid()


def misbehave(item: str) -> object:
    if item == "raises":
        raise ValueError("first line\nsecond line")
    if item == "tells":
        raise EtudeError("the file is empty: give one with notes")
    if item == "segfaults":
        ctypes.string_at(0)
    if item == "leaves":
        os._exit(7)
    if item == "exits":
        sys.exit("no more")
    if item == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "returns a function":
        return lambda: None
    return item.upper()


def fail_to_start() -> None:
    raise OSError("no such SoundFont")


def sleep_for_ever(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def test_results_come_in_the_order_of_the_items():
    results, failures = map_items(
        add_offset, range(50), "adding", processes=2, initializer=set_offset, initargs=(100,)
    )
    assert results == list(range(100, 150))
    assert failures == {}


def test_all_available_cores_work_by_default(tmp_path):
    results, _ = map_items(partial(meet, str(tmp_path)), range(2 * available_cores()), "working")
    assert len(set(results)) == available_cores()
    assert os.getpid() not in results


def test_nothing_to_do_is_done_at_once():
    assert map_items(add_offset, [], "adding") == ([], {})


def test_a_broken_item_costs_itself_alone_and_is_named_with_its_reason():
    reasons = {
        "raises": "ValueError: first line",
        "tells": "the file is empty: give one with notes",
        "segfaults": "its process died: Segmentation fault",
        "leaves": "its process died: exit status 7",
        "exits": "SystemExit: no more",
        "is killed": "its process died: Killed",
        "returns a function": "its result cannot be sent back:",
    }
    items = [f"{place} {name}" for name in reasons for place in ("before", "after")]
    items[1::2] = reasons  # every second one is broken
    results, failures = map_items(misbehave, items, "trying", processes=2)
    assert list(failures) == list(reasons)
    for item, reason in reasons.items():
        assert failures[item].startswith(reason)
    for item, result in zip(items, results, strict=True):
        assert result == (None if item in reasons else item.upper())


def test_skipped_items_are_told_on_the_console(capsys):
    map_items(misbehave, ["well", "tells"], "trying", processes=1)
    assert "skipped tells: the file is empty: give one with notes" in capsys.readouterr().out


def test_a_process_that_cannot_start_is_an_error_and_not_a_broken_item():
    with pytest.raises(RuntimeError, match="OSError: no such SoundFont"):
        map_items(add_offset, [1, 2], "adding", initializer=fail_to_start)


SLEEPERS = """
import sys
from tests.toolkit.test_parallel import sleep_for_ever
from toolkit.console import run_command
from toolkit.data.parallel import map_items
if __name__ == "__main__":
    run_command(lambda: map_items(sleep_for_ever, [sys.argv[1]] * 4, "sleeping", processes=2))
"""


@pytest.mark.parametrize(
    ("stop", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_stopping_leaves_no_process_behind(tmp_path, stop, status):
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    started = tmp_path / "started"
    started.mkdir()
    parent = subprocess.Popen(
        [sys.executable, script, started],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while len(list(started.iterdir())) < 2 and parent.poll() is None:
        time.sleep(0.02)
    if stop == signal.SIGINT:
        os.killpg(parent.pid, stop)  # as a terminal does: to the children too
    else:
        parent.send_signal(stop)
    # The pipe reaches its end when no process holds it any more, neither parent nor child.
    _, complaints = parent.communicate(timeout=60)
    assert parent.returncode == status
    assert complaints == b""
