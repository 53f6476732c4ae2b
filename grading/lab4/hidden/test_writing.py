"""Tasks 4.19 and 4.20: what may come next, and playing on."""

from typing import Any

import numpy as np

from grading.checks.assertions import (
    CheckFailed,
    assert_close,
    assert_equal,
    assert_holds,
    check,
    float32,
    int32,
)
from grading.lab4.hidden.oracles import Script, filtered, playable
from grading.lab4.performances import (
    END,
    NOTE_OFF,
    NOTE_ON,
    PAD,
    START,
    TIME_SHIFT,
    VOCAB_SIZE,
)
from grading.sandbox.proxy import Code, Handle, model

NEAR = 1e-3  # what is nearer may change places by rounding
WINDOW = 6

# Task 4.19: what may come next


@check("4.19", says="temperature, top-k and top-p, for any logits", weight=2, hidden=True)
def test_filter_random(student, rng):
    for number in range(4):
        logits = (2 * rng.normal(size=(4, int(rng.integers(5, 20))))).astype("f4")
        temperature = float(rng.uniform(0.5, 2))
        # a top_k beyond all, one where it matters that top_p comes after it, any two
        ranges = [(20, 25), (2, 4), (1, 12), (1, 12)]
        top_k = int(rng.integers(*ranges[number]))
        while True:
            top_p = any_top_p(rng, logits, temperature, top_k)
            want = all_filtered(logits, temperature, top_k, top_p)
            other = all_filtered(all_filtered(logits, temperature, 0, top_p), 1.0, top_k, 1.0)
            if number != 1 or not np.array_equal(want, other):
                break
        for k, p in ((top_k, top_p), (0, any_top_p(rng, logits, temperature, 0)), (top_k, 1.0)):
            got = float32(student.filter_logits(logits, temperature, k, p), logits.shape)
            assert_close(got, all_filtered(logits, temperature, k, p))


def all_filtered(logits: np.ndarray, temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """Filter row by row."""
    return np.array([filtered(row, temperature, top_k, top_p) for row in logits])


def any_top_p(
    rng: np.random.Generator, logits: np.ndarray, temperature: float, top_k: int
) -> float:
    """Draw a top_p that no sum of probabilities reaches by a rounding."""
    while True:
        top_p = float(rng.uniform(0.05, 0.99))
        less, more = (
            all_filtered(logits, temperature, top_k, p) for p in (top_p - NEAR, top_p + NEAR)
        )
        if np.array_equal(less, more):
            return top_p


@check("4.19", says="what equals the smallest kept logit stays", hidden=True)
def test_filter_equals(student, rng):
    equals = int(rng.integers(5, 8))
    row = np.repeat([2.0, 0.0, -2.0], [1, equals, 11 - equals])
    # rows that differ by a constant: the cut is another one in each
    logits = rng.permuted(np.tile(row, (4, 1)), axis=1) + 10 * rng.permutation(4)[:, None]
    # the cut is among the equals, with one or more of them on either side
    kept = int(rng.integers(3, equals + 1))
    powers = np.exp(row)
    top_p = float((powers[:kept].sum() - powers[kept - 1] / 2) / powers.sum())
    for k, p in ((kept, 1.0), (0, top_p)):
        got = float32(student.filter_logits(logits.astype("f4"), 1.0, k, p), logits.shape)
        assert_close(got, all_filtered(logits, 1.0, k, p))


# Task 4.20: playing on, with the script of the public checks


def decided(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    vocab_size: int,
    end: float,
    **options: Any,
) -> tuple[Script, np.ndarray, np.ndarray, np.ndarray]:
    """Draw a script, primers and noise so that no id is chosen by a rounding; and what is written.

    shape: batch, primer's length, steps.
    """
    batch, length, steps = shape
    while True:
        table = rng.normal(0, 2, (31, vocab_size)).astype("f4")
        table[:, END] += end
        table[:, [PAD, START]] = 8.0  # the likeliest, but forbidden
        noise = rng.gumbel(size=(batch, steps, vocab_size)).astype("f4")
        primers = NOTE_ON + rng.integers(0, min(vocab_size - NOTE_ON, 5), (batch, length))
        primers[:, 0] = START
        if options.get("grammar"):  # nearly all that is written ends a note
            noise[:, :, NOTE_OFF:TIME_SHIFT] += 6
            noise[:, :, NOTE_OFF : NOTE_OFF + 5] += 6
        script = Script(table, WINDOW)
        written, gap = script.play(primers, noise, **options)
        if "top_p" in options:
            less = {**options, "top_p": options["top_p"] - NEAR}
            more = {**options, "top_p": options["top_p"] + NEAR}
            tries = [script.play(primers, noise, **other)[0] for other in (less, more)]
            if not np.array_equal(tries[0], tries[1]):
                continue
        if gap > NEAR:
            return script, primers.astype("i4"), noise, written


def uneven(rng: np.random.Generator, shape: tuple[int, int, int], **options: Any) -> tuple:
    """Draw until one row ends in the first half and another is written to the last step."""
    while True:
        found = decided(rng, shape, 20, 0.0, **options)
        lengths = (found[-1] != PAD).sum(axis=1)
        if lengths.min() <= shape[-1] / 2 and lengths.max() == shape[-1]:
            return found


def build(code: Code, script: Script) -> Handle:
    """Build a script in the worker."""
    return model(code.build("scripted_music", script.table, WINDOW))


@check(
    "4.20",
    says="the generated ids, for any primers, noise, slots and filter",
    weight=3,
    hidden=True,
)
def test_generate_random(student, rng):
    choices: list[dict] = [
        {},
        {"temperature": 1.7, "top_k": int(rng.integers(2, 9))},
        {"temperature": 0.6, "top_p": float(rng.uniform(0.3, 0.95))},
    ]
    for options in choices:
        slots = int(rng.integers(2, 5))
        # the last round of slots is not a whole one
        steps = 2 * slots + int(rng.integers(1, slots))
        script, primers, noise, want = uneven(rng, (3, int(rng.integers(1, 9)), steps), **options)
        got = student.generate(build(student, script), primers, noise, **options, slots=slots)
        assert_equal(int32(got, want.shape), want)


@check(
    "4.20", says="with grammar no NOTE_OFF for a pitch that is not sounding", weight=2, hidden=True
)
def test_generate_random_grammar(student, rng):
    script, primers, noise, want = decided(rng, (3, 5, 10), VOCAB_SIZE, -50.0, grammar=True)
    got = student.generate(build(student, script), primers, noise, grammar=True, slots=4)
    for row, primer in zip(int32(got, want.shape).tolist(), primers.tolist(), strict=True):
        assert_holds(playable(primer, row), "a NOTE_OFF of what does not sound")
    assert_equal(got, want)


def num_steps(code: Code, music: Handle) -> int:
    """How often a script's step was called."""
    steps = code.build("num_steps", music)
    if type(steps) is not int:
        raise CheckFailed("type", "expected a number of calls")
    return steps


@check(
    "4.20", says="a step of the model is one for the batch; it ends when all are done", hidden=True
)
def test_generate_steps(student, rng):
    script, primers, noise, want = decided(rng, (3, 3, 9), 20, -50.0)
    music = build(student, script)
    assert_equal(student.generate(music, primers, noise, slots=4), want)
    few = num_steps(student, music) <= 10
    assert_holds(few, "more steps of the model than ids")
    lengths = [30]
    while max(lengths) > 15 or min(lengths) == max(lengths):  # until all end early, not at once
        script, primers, noise, want = decided(rng, (3, 3, 30), 20, 4.0)
        lengths = (want != PAD).sum(axis=1).tolist()
    music = build(student, script)
    assert_equal(student.generate(music, primers, noise, slots=30), want)
    few = num_steps(student, music) <= max(lengths) + 1
    assert_holds(few, "steps of the model after all rows are done")


@check("4.20", says="compiled as a whole it generates the same, and is traced once", hidden=True)
def test_generate_program(student, rng):
    script, primers, noise, want = uneven(rng, (3, 4, 12))
    music = build(student, script)
    got = student.build("generate_in_graph", music, primers, noise, {"slots": 6})
    assert_equal(int32(got, want.shape), want)
    # twelve steps as two loops, whose bodies are traced once or a few times
    few = num_steps(student, music) < 12
    assert_holds(few, "the steps are not one loop")
