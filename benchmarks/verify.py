"""Run every full-size proof, one at a time; what passed in this state of the tree is not run again.

The proofs are the tests marked `verify`. Results go to `benchmarks/results/verify.json` after each,
so that an interrupted run goes on where it stopped.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from toolkit import console
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "verify.json"
# The outcome of a skipped test matters: "untested" is not "passed".
OUTCOMES = {"passed": "passed", "skipped": "skipped", "failed": "failed", "error": "failed"}


def main() -> int:
    """Run what has not passed yet; return 1 if a proof fails."""
    parser = argparse.ArgumentParser(prog="make verify", description=__doc__)
    parser.add_argument("--again", action="store_true", help="run what has passed, too")
    parser.add_argument("-k", default="", help="only proofs whose name contains this")
    options = parser.parse_args()
    state = tree_state()
    results = {} if options.again else read_results(RESULTS, state)
    proofs = [name for name in collect() if options.k in name]
    for number, name in enumerate(proofs, 1):
        if results.get(name, {}).get("outcome") == "passed":
            console.say(f"{number} of {len(proofs)}: {name}: passed before")
            continue
        console.say(f"{number} of {len(proofs)}: {name} ...")
        results[name] = run_proof(name)
        write_results(RESULTS, state, results)
        console.say(f"  {results[name]['outcome']} in {results[name]['seconds']} s")
    console.table(
        "proof",
        "outcome",
        "reason",
        rows=[(name, results[name]["outcome"], results[name].get("reason", "")) for name in proofs],
    )
    failed = [name for name in proofs if results[name]["outcome"] == "failed"]
    console.say(f"{len(proofs) - len(failed)} of {len(proofs)} proofs hold: {shown(RESULTS)}")
    return 1 if failed else 0


def tree_state() -> str:
    """Hash what git tracks as it stands in the working tree, results apart."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        raise EtudeError("make verify needs a git checkout, to know what has changed since")
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        path = ROOT / name
        if path.is_file() and RESULTS.parent not in path.parents:
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()[:16]


def collect() -> list[str]:
    """Return the test ids of all proofs."""
    command = [sys.executable, "-m", "pytest", "tests", "--verify", "-m", "verify"]
    done = subprocess.run(
        [*command, "-o", "addopts=", "--collect-only", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 5):
        raise EtudeError(f"the proofs cannot be collected: {done.stdout[-1000:]}")
    return [line for line in done.stdout.splitlines() if "::" in line]


def run_proof(name: str) -> dict[str, Any]:
    """Run one proof in a process of its own; return outcome, seconds, reason and properties."""
    report = RESULTS.with_name(f".{os.getpid()}.json")
    report.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", name, "--verify", "-p", "benchmarks.verify"]
    environment = {**os.environ, "ETUDE_VERIFY_REPORT": str(report)}
    begin = time.monotonic()
    output = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = round(time.monotonic() - begin, 1)
    try:
        result = json.loads(report.read_text())
    except (OSError, ValueError):
        # The test took its process down.
        result = {"outcome": "failed", "reason": f"exit status {output.returncode}"}
    report.unlink(missing_ok=True)
    if result["outcome"] == "failed":
        console.say(output.stdout[-3000:])
    return {**result, "seconds": seconds}


def pytest_runtest_logreport(report: Any) -> None:
    """Write a proof's outcome where `run_proof` reads it (this module is its pytest plugin)."""
    target = os.environ.get("ETUDE_VERIFY_REPORT")
    if not target or (report.when != "call" and report.outcome == "passed"):
        return
    result: dict[str, Any] = {"outcome": OUTCOMES[report.outcome]}
    if report.user_properties:
        result["figures"] = dict(report.user_properties)
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        result["reason"] = report.longrepr[2].removeprefix("Skipped: ")
    elif report.outcome == "failed":
        result["reason"] = str(report.longrepr).splitlines()[-1]
    Path(target).write_text(json.dumps(result))


def read_results(path: Path, state: str) -> dict[str, Any]:
    """Return the results so far, if they are of this state of the tree."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known["proofs"] if known.get("tree") == state else {}


def write_results(path: Path, state: str, results: dict[str, Any]) -> None:
    """Write all results, whole or not at all."""
    write_whole(path, json.dumps({"tree": state, "proofs": results}, indent=2) + "\n")


if __name__ == "__main__":
    console.run_command(main)
