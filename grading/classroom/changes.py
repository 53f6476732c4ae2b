"""What changed since a class was last graded: whose points moved, where and why."""

import time
from dataclasses import dataclass
from typing import Any

Result = dict[str, Any]
Record = dict[str, Any]  # of one student: what a later run compares with


@dataclass(frozen=True)
class Change:
    """A student whose points moved, or who came or went."""

    student: str
    before: float | None
    after: float | None
    why: str
    tasks: tuple[tuple[str, float, float], ...] = ()  # (id, before, after)
    checks: tuple[str, ...] = ()  # those whose outcome changed, in words


def record(result: Result) -> Record:
    """What of a student's result a later run is compared with."""
    return {
        "digest": result["digest"],
        "state": result["state"],
        "secret": result["secret"],
        "again": result["again"],
        "stamp": result["stamp"],
        "isolation": result["isolation"],
        "earned": result["earned"],
        "tasks": {task["id"]: task["earned"] for task in result["tasks"]},
        "checks": {
            check["name"]: [check["says"], check["outcome"]]
            for task in result["tasks"]
            for check in task["checks"]
        },
    }


def class_record(results: list[Result], earlier: Record | None) -> Record:
    """The class as it is now, and as it was before something changed.

    Parameters
    ----------
    earlier
        What this function returned after the last run.
    """
    now = {result["student"]: record(result) for result in results}
    if earlier is not None and earlier["students"] == now:
        return earlier
    before = None if earlier is None else {key: earlier[key] for key in ("when", "students")}
    return {"when": time.strftime("%Y-%m-%d %H:%M"), "students": now, "before": before}


def changes(record: Record) -> tuple[list[Change], int]:
    """Who gained or lost since the run before, and how many were graded again without that."""
    if record["before"] is None:
        return [], 0
    old, new = record["before"]["students"], record["students"]
    moved = [
        Change(who, old[who]["earned"], None, "no longer there") for who in old if who not in new
    ]
    same = 0
    for who, after in new.items():
        before = old.get(who)
        if before is None:
            moved.append(Change(who, None, after["earned"], "handed in since"))
        elif abs(before["earned"] - after["earned"]) > 1e-6:
            moved.append(change(who, before, after))
        elif before != after:
            same += 1
    return sorted(moved, key=lambda one: (loss(one), one.student)), same


def loss(change: Change) -> float:
    """What sorts changes: who lost most comes first."""
    return (change.after or 0) - (change.before or 0)


def change(who: str, before: Record, after: Record) -> Change:
    """One student's change."""
    tasks = tuple(
        (id, before["tasks"].get(id, 0.0), points)
        for id, points in after["tasks"].items()
        if abs(before["tasks"].get(id, 0.0) - points) > 1e-6
    )
    checks = tuple(
        f"{says}: {before['checks'].get(name, ['', 'not run'])[1]}, now {outcome}"
        for name, (says, outcome) in after["checks"].items()
        if before["checks"].get(name, ["", "not run"])[1] != outcome
    )
    return Change(who, before["earned"], after["earned"], why(before, after), tasks, checks)


def why(before: Record, after: Record) -> str:
    """Say what is different beside the points."""
    reasons = []
    if before["digest"] != after["digest"]:
        reasons.append("another file was handed in")
    for name, value in after["stamp"].items():
        if (old := before["stamp"].get(name)) != value:
            reasons.append(f"{name} {old} → {value}")
    if before["state"] != after["state"] and before["stamp"] == after["stamp"]:
        reasons.append("hidden checks, solution or points changed")
    if before.get("secret", after["secret"]) != after["secret"]:  # older records have none
        reasons.append("the course's secret changed")
    if before["isolation"] != after["isolation"]:
        reasons.append(f"isolation {before['isolation']} → {after['isolation']}")
    return "; ".join(reasons) or "the same file and the same checks, graded again"
