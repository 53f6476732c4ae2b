"""A training run's folder: settings, log, best weights, plots, music, report; without Keras."""

import contextlib
import csv
import json
import math
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Self

from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import RUNS, hold, shown, write_whole

Log = dict[str, list[float]]
# what the best weights are best at: least of it
MONITOR = "val_nats_per_token"
WEIGHTS = "best.weights.h5"
# states in status.json of a run that RESUME goes on with; others are "preparing", "finished" and
# "crashed before training"
UNFINISHED = ("training", "interrupted", "crashed")


@dataclass
class Run:
    """One run of one lab, in a folder of its own.

    As a context it is finished at the end. If the block fails, `status.json` says so; before
    training began the folder goes, unless it holds the traceback of a student's error.

    Attributes
    ----------
    folder : `runs/<lab>/<time>-<preset>/`
    settings : what the run was asked to do, as it stands in settings.json
    resumed : whether this process goes on with a run that another began
    interrupted : None, or such as "interrupted in epoch 3 of 10"
    begun : whether this process has begun to train
    reported : whether this process has written the run's report
    whole : the run that this is a part of
    callbacks : Keras's, in training after all others
    """

    folder: Path
    lab: str
    preset: str
    settings: dict[str, Any]
    resumed: bool = False
    interrupted: str | None = None
    lock: IO | None = field(default=None, repr=False)
    begun: bool = False
    reported: bool = False
    whole: "Run | None" = field(default=None, repr=False)
    callbacks: tuple[Any, ...] = field(default=(), repr=False)

    @classmethod
    def create(
        cls,
        lab_slug: str,
        preset: str,
        settings: Mapping[str, Any],
        resume: bool | Path = False,
        stamp: Mapping[str, str] | None = None,
        root: Path | None = None,
    ) -> "Run":
        """Make the folder of a new run, or find the one to go on with.

        Parameters
        ----------
        lab_slug : the name of the lab's folder; the run's is named after its first part
        settings : what must agree for a run to be the same run; JSON values or others
        resume : go on with the newest unfinished run of this lab, preset and settings, or with
            that in this folder
        stamp : the parity stamp

        Raises
        ------
        EtudeError
            If `resume` finds nothing to go on with, or only a run with other settings.
        """
        lab = lab_slug.split("_")[0]
        folder = (root or RUNS) / lab
        plain = json.loads(json.dumps(dict(settings), default=str))
        if resume:
            chosen = resume if isinstance(resume, Path) else None
            run = _unfinished(folder, lab, preset, plain, chosen)
        else:
            run = cls(_new_folder(folder, preset), lab, preset, plain)
            run.lock = hold(run.folder / ".lock")
            run.write_json("settings.json", {"preset": preset, **plain})
            run.write_json("status.json", {"state": "preparing"})
        if stamp:
            run.write_json("stamp.json", dict(stamp))
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            self.finish()
            return
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "crashed"
        status = {"state": state, "reason": str(error) or type(error).__name__}
        with contextlib.suppress(OSError):  # a full disk is what it may have failed of
            if self.begun:
                self.write_json("status.json", status)
            elif not self.resumed and (self.folder / "error.txt").exists():
                self.write_json("status.json", {**status, "state": "crashed before training"})
            elif not self.resumed:
                shutil.rmtree(self.folder)
        if self.lock:
            self.lock.close()

    def part(self, name: str) -> "Run":
        """Make a part, such as one of several networks, with a folder in this run's."""
        part = replace(self, folder=self.path(name), lock=None, whole=self)
        part.folder.mkdir(exist_ok=True)
        return part

    def begin(self) -> None:
        """Note that training begins: from now on RESUME finds the run."""
        if self.whole:
            self.whole.begin()
        elif not self.begun:
            self.begun = True
            self.write_json("status.json", {"state": "training"})

    def mark_reported(self) -> None:
        """Note that the report is written: from now on the run is `latest`."""
        self.reported = True
        _point_latest(self.folder)

    def path(self, name: str) -> Path:
        """Where the file or folder called `name` goes; folders above it are made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write_json(self, name: str, value: Any) -> None:
        """Write a value beside the run's other files, whole or not at all."""
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
        write_whole(self.path(name), text + "\n")

    @property
    def stamp(self) -> dict[str, str]:
        """The parity stamp, empty if none was written."""
        return _read_json(self.folder / "stamp.json")

    def log(self) -> Log:
        """The training log: "epoch" (from 1) and one column a measure, empty before the first."""
        return read_log(self.folder / "log.csv")

    @property
    def best_weights(self) -> Path:
        """The weights of the epoch with the best monitored value."""
        return self.folder / WEIGHTS

    def interrupt(self, reason: str) -> None:
        """Note that training stopped early; the run stays one that RESUME=1 goes on with."""
        self.interrupted = reason
        self.write_json("status.json", {"state": "interrupted", "reason": reason})

    def finish(self) -> None:
        """Note that all is done and drop the backup; an interrupted run stays unfinished."""
        if self.interrupted is None:
            self.write_json("status.json", {"state": "finished"})
            shutil.rmtree(self.folder / "backup", ignore_errors=True)
        if self.lock:
            self.lock.close()


def read_log(path: Path) -> Log:
    """Read Keras's CSV log; a row that a killed run left torn is dropped.

    Returns
    -------
    dict of lists
        "epoch" counted from 1, and every measure; a missing value is NaN. Empty without a log.
    """
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return {}
    log: Log = {}
    for row in rows:
        if None in row.values() or None in row:
            continue
        for name, text in row.items():
            log.setdefault(name, []).append(int(text) + 1 if name == "epoch" else _number(text))
    return log


def load_weights(model: Any, path: Path) -> None:
    """Load a trained model's weights.

    Raises
    ------
    EtudeError
        If the file is damaged, or of another model.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:150]
        raise EtudeError(
            f"{shown(path)} is damaged or holds another model's weights ({reason}): train again"
        ) from None


def best_epoch(log: Log) -> int | None:
    """Give the epoch (from 1) with the lowest `MONITOR`; None without a finite value."""
    values = [
        (value, log["epoch"][index])
        for index, value in enumerate(log.get(MONITOR, []))
        if math.isfinite(value)
    ]
    return int(min(values)[1]) if values else None


def trim_log(path: Path, epochs: int) -> None:
    """Cut Keras's CSV log down to its first `epochs` epochs: what the backup knows of."""
    if not path.exists():
        return
    head, *rows = path.read_text().splitlines(keepends=True) or [""]
    kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) < epochs]
    write_whole(path, "".join([head, *kept]) if kept else "")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _new_folder(lab_folder: Path, preset: str) -> Path:
    name = time.strftime("%Y%m%d-%H%M%S-") + re.sub(r"[^\w.-]", "_", preset)
    for suffix in ("", *(f"-{count}" for count in range(2, 1000))):
        folder = lab_folder / (name + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise EtudeError(f"{shown(lab_folder / name)} already exists a thousand times: wait a second.")


def _point_latest(folder: Path) -> None:
    fresh = folder.parent / f".latest.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    os.replace(fresh, folder.parent / "latest")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _unfinished(
    lab_folder: Path, lab: str, preset: str, settings: dict[str, Any], chosen: Path | None
) -> Run:
    """Find the newest unfinished run with these settings, or the chosen one."""
    wanted = {"preset": preset, **settings}
    refused: tuple[Path, str] | None = None
    folders = sorted(lab_folder.glob("*-*"), reverse=True) if chosen is None else [chosen.resolve()]
    for folder in folders:
        if not (folder / "settings.json").exists():
            continue
        if _read_json(folder / "status.json").get("state") not in UNFINISHED:
            continue
        theirs = _read_json(folder / "settings.json")
        differing = [
            f"{name} was {theirs.get(name)!r}, now {wanted.get(name)!r}"
            for name in {**theirs, **wanted}
            if theirs.get(name) != wanted.get(name)
        ]
        if differing:
            more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
            refused = refused or (folder, "; ".join(differing[:3]) + more)
            continue
        lock = hold(folder / ".lock")
        if lock is None:
            refused = refused or (folder, "it is running now in another process")
            continue
        console.say(f"Going on with {shown(folder)}")
        return Run(folder, lab, preset, settings, resumed=True, lock=lock)
    if refused:
        folder, reason = refused
        raise EtudeError(
            f"RESUME={chosen or 1} cannot continue {shown(folder)}: {reason}. "
            "Give the settings it was started with, or leave out RESUME to start a new run."
        )
    if chosen:
        raise EtudeError(
            f"RESUME={chosen} is not an unfinished run: give 1 for the newest of {lab}, or a "
            f"folder below {shown(lab_folder)}."
        )
    raise EtudeError(
        f"RESUME=1 found no unfinished run of {lab} below {shown(lab_folder)}: "
        "leave out RESUME to start one."
    )
