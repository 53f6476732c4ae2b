"""What the solution answers: asked once, then remembered, because it answers the same each time.

Random seeds are set before each question, so an answer depends on nothing but the questions that
were asked before it within the same check. Public checks ask every submission the same: a student's
copy of the course has no solution, and grades with their answers, recorded by `make handout`.
"""

import base64
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from grading.sandbox.worker import codec
from grading.sandbox.workers import Worker
from labs.course.catalogue import Lab
from toolkit.errors import EtudeError
from toolkit.paths import ROOT, shown

REMEMBERED = 64 << 20  # bytes of answers
RENEWED = 20_000  # questions after which the worker is replaced: what libraries cache adds up

Answer = tuple[str, bytes]  # the value as the codec writes it: JSON and the bytes of its arrays


class NotRecordedError(Exception):
    """A check asked what was not asked when the answers were recorded: the grader's error."""


class Answers:
    """What was answered, by all questions of its check until then; of too many the oldest go."""

    def __init__(self) -> None:
        self.known: OrderedDict[bytes, Answer] = OrderedDict()
        self.size = 0
        self.lock = threading.Lock()

    def remember(self, key: bytes, value: Any) -> None:
        """Keep an answer; of too many, those go that were not used for longest."""
        tree, buffers = codec.pack(value)
        answer = json.dumps(tree), b"".join(buffers)
        with self.lock:
            self.size += sum(map(len, answer)) - sum(map(len, self.known.pop(key, ())))
            self.known[key] = answer
            while self.size > REMEMBERED:
                _, gone = self.known.popitem(last=False)
                self.size -= sum(map(len, gone))

    def recall(self, key: bytes) -> Any:
        """Give an answer that is remembered, as new.

        Raises
        ------
        KeyError
            If it is not.
        """
        with self.lock:
            tree, payload = self.known[key]
            self.known.move_to_end(key)
        return codec.unpack(json.loads(tree), payload)


class Reference:
    """The solution in a worker of its own, which never loads student code.

    Parameters
    ----------
    start
        Starts a worker that has loaded the solution; None where there is none.
    answers
        What is known already, and to whom else.
    """

    def __init__(self, start: Callable[[], Worker] | None, answers: Answers | None = None):
        self.start = start
        self.answers = answers or Answers()
        self.worker: Worker | None = None
        self.asked = 0
        self.speaker: Dialogue | None = None  # whose questions the worker has answered

    def clone(self) -> "Reference":
        """Another worker with the same answers, for another thread."""
        return Reference(self.start, self.answers)

    def dialogue(self, cpu: int) -> "Dialogue":
        """Begin a check; it may use so many CPU seconds."""
        return Dialogue(self, cpu)

    @classmethod
    def recorded(cls, path: Path) -> "Reference":
        """Answers that `record` made, and nobody to ask for others.

        Raises
        ------
        EtudeError
            If the file is missing or not whole.
        """
        answers = Answers()
        try:
            for key, (text, payload) in json.loads(path.read_text(encoding="utf-8")).items():
                answer = text, base64.b64decode(payload, validate=True)
                answers.known[bytes.fromhex(key)] = answer
        except (OSError, ValueError, TypeError, AttributeError):
            raise EtudeError(
                f"{shown(path)} is missing or damaged, and there is no solution.py to ask instead: "
                "take it from the handout again"
            ) from None
        return cls(None, answers)

    def record(self) -> str:
        """Everything that was answered, as text: the same answers give the same text."""
        plain = {
            key.hex(): [text, base64.b64encode(payload).decode()]
            for key, (text, payload) in sorted(self.answers.known.items())
        }
        return json.dumps(plain, indent=0) + "\n"

    def living(self, cpu: int) -> tuple[Worker, bool]:
        """The worker, and whether it is a new one."""
        if self.start is None:
            raise NotRecordedError(
                "this question to the solution is not among those recorded for this copy of the "
                "course: tell your instructor"
            )
        if self.worker is not None and (self.worker.dead or self.asked >= RENEWED):
            self.worker.remove()
            self.worker = None
        new = self.worker is None
        if self.worker is None:
            self.worker, self.asked = self.start(), 0
        self.worker.allow(cpu)
        return self.worker, new

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.remove()
            self.worker = None


class Dialogue:
    """The questions of one check to the solution, in order."""

    def __init__(self, reference: Reference, cpu: int):
        self.reference = reference
        self.cpu = cpu
        self.key = b""
        self.questions: list[dict[str, Any]] = []
        self.told = 0  # how many of the questions the worker has answered

    def ask(self, **question: Any) -> Any:
        """Ask one question; what `Worker.ask` raises, this raises."""
        tree, buffers = codec.pack(coarse(question))
        text = json.dumps(tree).encode()
        self.key = hashlib.sha256(b"\0".join((self.key, text, *buffers))).digest()
        self.questions.append(question)
        try:
            return self.reference.answers.recall(self.key)
        except KeyError:
            value = self.catch_up()
            self.reference.answers.remember(self.key, value)
            return value

    def catch_up(self) -> Any:
        """Ask the worker all that it has not been asked yet; the last answer."""
        worker, new = self.reference.living(self.cpu)
        if new or self.reference.speaker is not self:
            worker.ask(do="forget")
            self.reference.speaker, self.told = self, 0
        value = None
        for question in self.questions[self.told :]:
            self.told += 1
            self.reference.asked += 1
            value = worker.ask(**question)
        return value


def coarse(value: Any) -> Any:
    """Round float64 to float32: another machine's last bit must not make another question."""
    if type(value) in (list, tuple):
        return type(value)(coarse(item) for item in value)
    if type(value) is dict:
        return {key: coarse(item) for key, item in value.items()}
    if type(value) is float or (isinstance(value, np.ndarray) and value.dtype == np.float64):
        with np.errstate(over="ignore"):
            rounded = np.asarray(value, np.float32)
        return float(rounded) if type(value) is float else ("float64", rounded)
    return value


def answers_file(lab: Lab) -> Path:
    """Where a student's copy of the course has a lab's recorded answers."""
    return ROOT / "grading" / f"lab{lab.number}" / "answers.json"
