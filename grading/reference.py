"""What the solution answers: asked once, then remembered, because it answers the same each time.

Random seeds are set before each question, so an answer depends on nothing but the questions that
were asked before it within the same check. Public checks ask every submission the same.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from grading.worker import codec
from grading.workers import Worker

REMEMBERED = 64 << 20  # bytes of answers
RENEWED = 20_000  # questions after which the worker is replaced: what libraries cache adds up

Answer = tuple[str, bytes]  # the value as the codec writes it: JSON and the bytes of its arrays


class Reference:
    """The solution in a worker of its own, which never loads student code.

    Parameters
    ----------
    start
        Starts a worker that has loaded the solution.
    """

    def __init__(self, start: Callable[[], Worker]):
        self.start = start
        self.worker: Worker | None = None
        self.answers: OrderedDict[bytes, Answer] = OrderedDict()
        self.size = 0
        self.asked = 0
        self.speaker: Dialogue | None = None  # whose questions the worker has answered

    def dialogue(self, cpu: int) -> "Dialogue":
        """Begin a check; it may use so many CPU seconds."""
        return Dialogue(self, cpu)

    def living(self, cpu: int) -> tuple[Worker, bool]:
        """The worker, and whether it is a new one."""
        if self.worker is not None and (self.worker.dead or self.asked >= RENEWED):
            self.worker.remove()
            self.worker = None
        new = self.worker is None
        if self.worker is None:
            self.worker, self.asked = self.start(), 0
        self.worker.allow(cpu)
        return self.worker, new

    def remember(self, key: bytes, value: Any) -> None:
        """Keep an answer; of too many, those go that were not used for longest."""
        tree, buffers = codec.pack(value)
        self.answers[key] = answer = json.dumps(tree), b"".join(buffers)
        self.size += sum(map(len, answer))
        while self.size > REMEMBERED:
            _, gone = self.answers.popitem(last=False)
            self.size -= sum(map(len, gone))

    def recall(self, key: bytes) -> Any:
        """Give an answer that is remembered, as new.

        Raises
        ------
        KeyError
            If it is not.
        """
        tree, payload = self.answers[key]
        self.answers.move_to_end(key)
        return codec.unpack(json.loads(tree), payload)

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
        tree, buffers = codec.pack(question)
        text = json.dumps(tree).encode()
        self.key = hashlib.sha256(b"\0".join((self.key, text, *buffers))).digest()
        self.questions.append(question)
        try:
            return self.reference.recall(self.key)
        except KeyError:
            value = self.catch_up()
            self.reference.remember(self.key, value)
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
