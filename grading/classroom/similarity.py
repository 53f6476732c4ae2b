"""Pairs of submissions that share an unusual answer: a reason to look, never a verdict.

An answer is compared task by task as the sequence of its tokens, without what the stub gave,
without comments and layout, and with the author's own names made alike. What many have is no
evidence: there are few ways to write a short function right.
"""

import ast
import io
import keyword
import tokenize
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from labs.course.catalogue import Lab
from labs.course.definitions import DefinitionNode, definitions
from labs.course.stubs import stubbed

ALIKE = 0.9  # of the tokens in the same order: a renaming, a line moved
MIN_TOKENS = 30  # shorter answers are alike by chance
MAX_TOKENS = 5_000  # of an answer are compared; no lab's whole solution has as many
MAX_SHARE = 0.01  # of a class, or a pair: what more have is common
LETTERS = 0xD000  # of Unicode, below what no text may hold; each stands for one token


@dataclass(frozen=True)
class Shared:
    """A task whose answer two submissions share."""

    task: str
    alike: float
    tokens: int
    students: int  # that have it, in all


@dataclass(frozen=True)
class Pair:
    """Two students, and what they share; the most telling pair has the most evidence."""

    one: str
    other: str
    shared: tuple[Shared, ...]
    evidence: float


@cache
def given_statements(lab: Lab) -> set[str]:
    """What the stubs hold already, statement by statement."""
    solution = lab.solution_file.read_text(encoding="utf-8")
    stub = stubbed(solution, {task.name: task.id for task in lab.tasks})
    return {ast.dump(node) for node in ast.walk(ast.parse(stub)) if isinstance(node, ast.stmt)}


def fingerprint(source: str, lab: Lab, tasks: Collection[str] | None = None) -> dict[str, str]:
    """Spell each task's answer as one letter a token; tasks that are not written are left out.

    With `tasks`, only those with these ids.
    """
    given = given_statements(lab)
    found = definitions(source)
    prints = {}
    for task in lab.tasks:
        wanted = tasks is None or task.id in tasks
        if wanted and task.name in found and not found[task.name].stub:
            tokens = tokens_of(found[task.name].node, given)[:MAX_TOKENS]
            letters = "".join(map(letter, tokens))
            if len(letters) >= MIN_TOKENS:
                prints[task.id] = letters
    return prints


def tokens_of(node: DefinitionNode, given: set[str]) -> list[str]:
    """The tokens of what a definition adds to its stub."""
    parts = statements(node)
    if isinstance(node, ast.ClassDef):
        parts = [inner for part in parts for inner in statements(part)]
    text = "\n".join(ast.unparse(part) for part in parts if ast.dump(part) not in given)
    tokens, before = [], ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING):
            is_own = token.type == tokenize.NAME and before != "."
            is_own = is_own and not keyword.iskeyword(token.string)
            tokens.append("name" if is_own else token.string)
            before = token.string
    return tokens


def statements(node: ast.stmt) -> list[ast.stmt]:
    """What stands in a definition, but its docstring; any other statement is itself."""
    if not isinstance(node, DefinitionNode):
        return [node]
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def letter(token: str) -> str:
    """Give a token its letter, the same on every machine."""
    return chr(0x100 + zlib.crc32(token.encode()) % LETTERS)


def similar_pairs(prints: dict[str, dict[str, str]]) -> list[Pair]:
    """Find the pairs of students that share what few have, the most telling first.

    Parameters
    ----------
    prints
        Each student's `fingerprint`.
    """
    shared: dict[tuple[str, str], list[Shared]] = defaultdict(list)
    tasks = sorted({task for answers in prints.values() for task in answers})
    few = max(2, round(MAX_SHARE * len(prints)))
    for task in tasks:
        answers = {who: one[task] for who, one in prints.items() if task in one}
        for one, other, alike, students in rare(answers, few):
            tokens = min(len(answers[one]), len(answers[other]))
            shared[one, other].append(Shared(task, alike, tokens, students))
    pairs = [
        Pair(one, other, tuple(what), sum(each.alike * each.tokens for each in what))
        for (one, other), what in shared.items()
    ]
    return sorted(pairs, key=lambda pair: (-pair.evidence, pair.one, pair.other))


def rare(answers: dict[str, str], few: int) -> list[tuple[str, str, float, int]]:
    """Pairs whose answers to one task are alike, and like those of few others."""
    students = defaultdict(list)
    for student, text in answers.items():
        students[text].append(student)
    texts = list(students)
    alike: Any = cdist(
        texts, texts, scorer=Indel.normalized_similarity, score_cutoff=ALIKE, dtype=np.float32
    )
    counts = Counter({text: len(students[text]) for text in texts})
    total = (alike >= ALIKE) @ np.array([counts[text] for text in texts])
    found = []
    for i, j in zip(*np.nonzero(np.triu(alike >= ALIKE)), strict=True):
        if max(total[i], total[j]) > few:
            continue
        if i == j:
            couples = list(combinations(sorted(students[texts[i]]), 2))
        else:
            couples = [
                (min(a, b), max(a, b)) for a in students[texts[i]] for b in students[texts[j]]
            ]
        found += [(a, b, float(alike[i, j]), int(max(total[i], total[j]))) for a, b in couples]
    return found
