"""A run's folder: its own, found again by RESUME=1, and never half written."""

import json
import math
from pathlib import Path

import pytest

from toolkit.errors import EtudeError
from toolkit.runs import Run, best_epoch, read_log, trim_log

SETTINGS = {"epochs": 3, "folder": Path("data"), "sizes": (1, 2)}


def create(root: Path, resume: bool = False, preset: str = "quick", **changes) -> Run:
    return Run.create("lab3_notes", preset, {**SETTINGS, **changes}, resume=resume, root=root)


def test_each_run_has_its_own_folder_and_latest_points_to_the_newest(tmp_path):
    first, second = create(tmp_path), create(tmp_path)
    assert first.folder != second.folder
    assert first.folder.parent == tmp_path / "lab3"
    assert first.folder.name.split("-")[2] == "quick"
    assert (tmp_path / "lab3" / "latest").resolve() == second.folder.resolve()


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
    assert (tmp_path / "lab3" / "latest").resolve() == run.folder.resolve()


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
    log = {"epoch": [1, 2, 3, 4], "val_loss": [math.nan, 2.0, 1.5, 1.75]}
    assert best_epoch(log, "val_loss") == 3
    assert best_epoch({}, "val_loss") is None


def test_a_log_is_cut_back_to_what_the_backup_knows(tmp_path):
    path = tmp_path / "log.csv"
    trim_log(path, 1)
    path.write_text("epoch,loss\n0,3\n1,2\n2,1\n3,0.")
    trim_log(path, 2)
    assert path.read_text() == "epoch,loss\n0,3\n1,2\n"
    trim_log(path, 0)
    assert read_log(path) == {}
