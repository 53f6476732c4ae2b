"""A run's folder: its own, found again by RESUME=1, and never half written."""

import json
import math
from pathlib import Path

import pytest

from toolkit.errors import EtudeError
from toolkit.report.report import Report
from toolkit.training.runs import MONITOR, Run, best_epoch, read_log, trim_log

SETTINGS = {"epochs": 3, "folder": Path("data"), "sizes": (1, 2)}


def prepare(root: Path, resume: bool | Path = False, preset: str = "quick", **changes) -> Run:
    return Run.create("lab3_notes", preset, {**SETTINGS, **changes}, resume=resume, root=root)


def create(*arguments, **options) -> Run:
    """A run that trains."""
    run = prepare(*arguments, **options)
    run.begin()
    return run


def status(run: Run) -> dict:
    return json.loads((run.folder / "status.json").read_text())


def latest(root: Path) -> Path:
    return (root / "lab3" / "latest").resolve()


def test_each_run_has_its_own_folder_and_latest_is_the_newest_with_a_report(tmp_path):
    first, second = create(tmp_path), create(tmp_path)
    Report(second, "Notes").write()
    create(tmp_path)
    prepare(tmp_path)
    assert first.folder != second.folder
    assert first.folder.parent == tmp_path / "lab3"
    assert first.folder.name.split("-")[2] == "quick"
    assert latest(tmp_path) == second.folder.resolve()
    assert (second.reported, first.reported) == (True, False)


def test_settings_and_stamp_are_written(tmp_path):
    run = Run.create("lab3_notes", "quick", SETTINGS, stamp={"Etude": "0"}, root=tmp_path)
    assert json.loads((run.folder / "settings.json").read_text()) == {
        "preset": "quick",
        "epochs": 3,
        "folder": "data",
        "sizes": [1, 2],
    }
    assert run.stamp == {"Etude": "0"}


def test_a_path_in_a_run_has_its_folder_made(tmp_path):
    assert create(tmp_path).path("midi/one.mid").parent.is_dir()


def test_resume_finds_the_unfinished_run_with_the_same_settings(tmp_path):
    unfinished = create(tmp_path)
    unfinished.interrupt("interrupted in epoch 2 of 3")
    unfinished.finish()
    finished = create(tmp_path)
    finished.finish()
    run = create(tmp_path, resume=True)
    assert run.folder == unfinished.folder
    assert run.resumed
    assert run.interrupted is None


def test_resume_names_the_setting_that_differs(tmp_path):
    create(tmp_path).lock.close()
    with pytest.raises(EtudeError, match="epochs was 3, now 4"):
        create(tmp_path, resume=True, epochs=4)
    with pytest.raises(EtudeError, match="preset was 'quick', now 'full'"):
        create(tmp_path, resume=True, preset="full")


def test_resume_without_an_unfinished_run_says_so(tmp_path):
    with pytest.raises(EtudeError, match="no unfinished run of lab3"):
        create(tmp_path, resume=True)
    create(tmp_path).finish()
    with pytest.raises(EtudeError, match="no unfinished run of lab3"):
        create(tmp_path, resume=True)


def test_resume_leaves_a_run_alone_that_is_still_running(tmp_path):
    running = create(tmp_path)
    with pytest.raises(EtudeError, match="running now"):
        create(tmp_path, resume=True)
    running.lock.close()
    assert create(tmp_path, resume=True).folder == running.folder


@pytest.mark.parametrize("error", [EtudeError("no"), KeyError("no"), KeyboardInterrupt()])
def test_a_run_that_fails_before_it_trains_leaves_nothing_and_the_one_before_is_found(
    tmp_path, error
):
    unfinished = create(tmp_path)
    unfinished.lock.close()
    with pytest.raises(type(error)), prepare(tmp_path) as run:
        raise error
    assert not run.folder.exists()
    with pytest.raises(type(error)), prepare(tmp_path, resume=True) as run:
        raise error
    assert status(unfinished) == {"state": "training"}
    assert create(tmp_path, resume=True).folder == unfinished.folder


def test_a_students_error_before_training_keeps_its_traceback_and_is_not_gone_on_with(tmp_path):
    run = prepare(tmp_path)
    run.path("error.txt").touch()
    with pytest.raises(EtudeError), run:
        raise EtudeError("in your function")
    assert status(run) == {"state": "crashed before training", "reason": "in your function"}
    assert not (tmp_path / "lab3" / "latest").exists()
    with pytest.raises(EtudeError, match="no unfinished run"):
        prepare(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("error", "state"), [(MemoryError(), "crashed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_run_that_fails_while_it_trains_says_so_and_can_be_gone_on_with(tmp_path, error, state):
    run = prepare(tmp_path)
    run.part("lstm").begin()
    with pytest.raises(type(error)), run:
        raise error
    assert status(run) == {"state": state, "reason": type(error).__name__}
    with create(tmp_path, resume=True) as again:
        assert again.folder == run.folder
    assert status(run) == {"state": "finished"}


def test_a_resumed_run_that_ends_before_it_trains_can_be_gone_on_with_again(tmp_path):
    unfinished = create(tmp_path)
    unfinished.lock.close()
    for error in (KeyboardInterrupt, MemoryError):
        with pytest.raises(error), prepare(tmp_path, resume=True):
            raise error
    prepare(tmp_path, resume=True).lock.close()  # killed: nothing was written at its end
    assert prepare(tmp_path, resume=True).folder == unfinished.folder


def test_a_named_run_is_gone_on_with(tmp_path):
    first, second = create(tmp_path), create(tmp_path)
    for run in (first, second):
        run.interrupt("interrupted in epoch 2 of 3")
        run.finish()
    assert create(tmp_path, resume=first.folder).folder == first.folder
    with pytest.raises(EtudeError, match="epochs was 3, now 4"):
        create(tmp_path, resume=second.folder, epochs=4)
    with create(tmp_path, resume=second.folder):
        pass
    for name in (second.folder, tmp_path, tmp_path / "none"):
        with pytest.raises(EtudeError, match=rf"RESUME={name} is not an unfinished run: give 1"):
            create(tmp_path, resume=name)


def test_finishing_drops_the_backup_and_an_interruption_keeps_it(tmp_path):
    run = create(tmp_path)
    run.path("backup/after-000001.npz").touch()
    run.interrupt("interrupted in epoch 2 of 3")
    run.finish()
    assert run.path("backup/after-000001.npz").exists()
    run = create(tmp_path, resume=True)
    run.finish()
    assert not (run.folder / "backup").exists()


def test_a_log_is_read_with_epochs_from_one_and_without_a_torn_row(tmp_path):
    path = tmp_path / "log.csv"
    assert read_log(path) == {}
    path.write_text("epoch,loss,val_loss\n0,3.5,NA\n1,2.5,2.75\n2,1.")
    log = read_log(path)
    assert log["epoch"] == [1, 2]
    assert log["loss"] == [3.5, 2.5]
    assert math.isnan(log["val_loss"][0])
    assert log["val_loss"][1] == 2.75


def test_the_best_epoch_is_the_lowest_finite_one():
    log = {"epoch": [1, 2, 3, 4], MONITOR: [math.nan, 2.0, 1.5, 1.75]}
    assert best_epoch(log) == 3
    assert best_epoch({}) is None


def test_a_log_is_cut_back_to_what_the_backup_knows(tmp_path):
    path = tmp_path / "log.csv"
    trim_log(path, 1)
    path.write_text("epoch,loss\n0,3\n1,2\n2,1\n3,0.")
    trim_log(path, 2)
    assert path.read_text() == "epoch,loss\n0,3\n1,2\n"
    trim_log(path, 0)
    assert read_log(path) == {}
