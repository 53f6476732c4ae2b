"""Run every full-size proof, two at a time; what passed is run again when what it reads changes.

The proofs are the tests marked `verify`; `benchmarks/reads.py` says what each reads. Results go to
`benchmarks/results/verify.json` as they come, so that an interrupted run goes on where it stopped.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest

from benchmarks import reads
from benchmarks.reads import Proof
from labs.course.catalogue import Lab
from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown, write_whole

RESULTS = ROOT / reads.RESULTS
AT_ONCE = 2
WORST = ("failed", "skipped", "passed")  # "untested" is not "passed"
Result = dict[str, Any]


def main() -> int:
    """Run what has not passed yet; return 1 if a proof fails."""
    parser = argparse.ArgumentParser(prog="make verify", description=__doc__)
    parser.add_argument("--again", action="store_true", help="run what has passed, too")
    parser.add_argument("-k", default="", help="only proofs whose name contains this")
    options = parser.parse_args()
    began = time.monotonic()
    proofs = {proof.name: proof for proof in collect()}
    states = {name: reads.state_of(proof) for name, proof in proofs.items()}
    kept = {name: known for name, known in read_results().items() if name in proofs}
    chosen = [proof for proof in proofs.values() if options.k in proof.name]
    left = [
        proof
        for proof in chosen
        if options.again
        or kept.get(proof.name, {}).get("outcome") != "passed"
        or kept[proof.name]["state"] != states[proof.name]
    ]
    console.say(f"{len(chosen)} proofs, of which {len(chosen) - len(left)} passed before")
    for name, result in run_all(left, kept):
        kept[name] = {**result, "state": states[name]}
        write_results(kept)
        console.say(f"{result['outcome']} in {result['seconds']} s: {name}")
    rows = [
        (proof.name, kept[proof.name]["outcome"], kept[proof.name].get("reason", ""))
        for proof in chosen
        if kept[proof.name]["outcome"] != "passed"
    ]
    if rows:
        console.table("proof", "outcome", "reason", rows=rows)
    failed = [proof for proof in chosen if kept[proof.name]["outcome"] == "failed"]
    minutes = (time.monotonic() - began) / 60
    console.say(
        f"{len(chosen) - len(failed)} of {len(chosen)} proofs hold, after {minutes:.1f} minutes: "
        f"{shown(RESULTS)}"
    )
    return 1 if failed else 0


def collect() -> list[Proof]:
    """All proofs there are, in the order of their files."""
    files = [name for name in reads.tracked() if name.startswith("tests/")]
    marked = [name for name in files if "mark.verify" in (ROOT / name).read_text("utf-8")]
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        done = run_pytest([*marked, "-m", "verify", "--collect-only"], Path(report.name))
        if done.returncode not in (0, 5):
            raise EtudeError(f"the proofs cannot be collected: {done.stdout[-1000:]}")
        rows = json.loads(Path(report.name).read_text(encoding="utf-8"))
    return [
        Proof(name, group, tuple(labs), None if read is None else tuple(read))
        for name, group, labs, read in rows
    ]


def run_all(proofs: list[Proof], known: dict[str, Result]) -> Iterator[tuple[str, Result]]:
    """Run proofs, what took longest first; yield each result as it comes."""
    units: dict[tuple[str, str], list[Proof]] = {}
    for proof in proofs:
        units.setdefault((proof.file, proof.group), []).append(proof)

    def seconds(unit: list[Proof]) -> float:
        return sum(known.get(proof.name, {}).get("seconds", 60.0) for proof in unit)

    ended = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        in_order = sorted(units.values(), key=seconds, reverse=True)
        running = [
            pool.submit(run_unit, [proof.name for proof in unit], ended) for unit in in_order
        ]
        try:
            for done in as_completed(running):
                yield from done.result().items()
        except KeyboardInterrupt:
            ended.set()
            for done in running:
                if not done.cancel():
                    yield from done.result().items()
            raise


def run_unit(names: list[str], ended: threading.Event) -> dict[str, Result]:
    """Run proofs one after another in one process, and in a new one what follows a death."""
    results: dict[str, Result] = {}
    while (left := [name for name in names if name not in results]) and not ended.is_set():
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            done = run_pytest(left, Path(report.name))
            lines = Path(report.name).read_text(encoding="utf-8").splitlines()
        results |= dict(map(json.loads, lines))
        died = [name for name in left if name not in results]
        if died and not ended.is_set():
            reason = f"exit status {done.returncode}"
            results[died[0]] = {"outcome": "failed", "reason": reason, "seconds": 0.0}
        if any(results[name]["outcome"] == "failed" for name in left if name in results):
            console.say(done.stdout[-3000:])
    return results


def run_pytest(words: list[str], report: Path) -> subprocess.CompletedProcess:
    """Run pytest with this module as its plugin, which writes a report."""
    options = ["--verify", "-p", "benchmarks.verify", "-o", "addopts=", "-q"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *words],
        cwd=ROOT,
        env={**os.environ, "ETUDE_VERIFY_REPORT": str(report)},
        capture_output=True,
        text=True,
    )


def read_results() -> dict[str, Result]:
    """The results so far, by the proofs' names."""
    try:
        return json.loads(RESULTS.read_text(encoding="utf-8"))["proofs"]
    except (OSError, ValueError, KeyError):
        return {}


def write_results(results: dict[str, Result]) -> None:
    """Write all results, whole or not at all."""
    proofs = {name: results[name] for name in sorted(results)}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_whole(RESULTS, json.dumps({"proofs": proofs}, indent=1) + "\n")


# In pytest's process


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write what proofs there are, if only that is asked for."""
    if session.config.getoption("--collect-only") and (target := report_file()):
        proofs = [item for item in session.items if item.get_closest_marker("verify")]
        target.write_text(json.dumps(list(map(facts, proofs))), encoding="utf-8")


def facts(item: pytest.Item) -> tuple[str, str, list[int], list[str] | None]:
    """A proof's name, group, labs, and what its mark says that it reads."""
    marks = {mark.name: mark for mark in item.iter_markers()}
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    labs = sorted({value.number for value in values if isinstance(value, Lab)})
    group = marks["xdist_group"].args[0] if "xdist_group" in marks else "".join(map(str, labs))
    return item.nodeid, group, labs, marks["verify"].kwargs.get("reads")


_so_far: dict[str, Any] = {}  # of the proof that runs now


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write a proof's outcome when its last phase has ended."""
    if not (target := report_file()):
        return
    if report.when == "setup":
        _so_far.clear()
        _so_far.update(outcome="passed", seconds=0.0)
    _so_far["seconds"] = round(_so_far["seconds"] + report.duration, 1)
    if WORST.index(report.outcome) < WORST.index(_so_far["outcome"]):
        _so_far["outcome"] = report.outcome
        if isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
        else:
            reason = str(report.longrepr).splitlines()[-1]
        _so_far["reason"] = without_places(reason)
    if report.when == "teardown":
        if report.user_properties:
            _so_far["figures"] = dict(report.user_properties)
        with target.open("a", encoding="utf-8") as file:
            file.write(json.dumps([report.nodeid, _so_far]) + "\n")


def without_places(text: str) -> str:
    """Leave nothing of this machine's folders in a text: the results are committed.

    A path in the repository becomes relative to its root, another one its last part.
    """
    return re.sub(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+", "", text.replace(f"{ROOT}/", ""))


def report_file() -> Path | None:
    """Where `make verify` reads what this process reports."""
    name = os.environ.get("ETUDE_VERIFY_REPORT")
    return Path(name) if name else None


if __name__ == "__main__":
    console.run_command(main)
