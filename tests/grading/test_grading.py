"""How submissions are graded: outcomes, passes, limits, messages, exit statuses."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from grading.checks import assertions as checks
from grading.checks import hidden, losses
from grading.checks.assertions import as_text, assert_close, assert_equal, assert_raises
from grading.checks.networks import assert_changed, assert_same_in_steps, two_models
from grading.core.collect import collect, declared
from grading.core.inputs import DRAWINGS, public_inputs
from grading.core.passes import run_check
from grading.core.processes import zygote
from grading.core.results import Check, empty_result, messages, stamp
from grading.core.session import Session
from grading.doors.verdicts import show_task
from grading.lab2.beams import Script, assert_found
from grading.lab2.hidden.oracles import NEAR, search
from grading.lab2.networks import assert_zero_outside
from grading.lab2.public import test_decoding
from grading.sandbox.proxy import Code, StudentRaised, unwrapped
from grading.sandbox.spoken import SPOKEN
from grading.sandbox.worker.codec import MusicXML, Opaque
from grading.sandbox.workers import Raised, Refused, Worker, WorkerDied, Zygote
from labs.course.catalogue import load_lab
from labs.course.stubs import stubbed
from toolkit.console import console
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

pytestmark = pytest.mark.xdist_group("grading")
LAB = load_lab(3)
SOLUTION = LAB.solution_file.read_text(encoding="utf-8")
STUBS = stubbed(SOLUTION, {task.name: task.id for task in LAB.tasks})


@pytest.fixture
def worker():
    """A worker that loads any source and bounds it to three CPU seconds."""
    made = []

    def load(source):
        one = zygote(LAB).worker()
        made.append(one)
        one.allow(3)
        one.load(compile(source, "tasks.py", "exec"))
        return one

    yield load
    for one in made:
        one.remove()


@pytest.fixture
def graded(tmp_path):
    """Grade a source with checks of one's own: {"3.4": [test, ...]}; returns the result."""
    sessions = []

    def grade(source, tests, hidden=False, name="tasks.py"):
        path = tmp_path / name
        path.write_text(source, encoding="utf-8")
        checks, functions = [], {}
        for task, several in tests.items():
            for number, test in enumerate(several):
                name_ = f"check_{task}_{number}"
                checks.append(Check(name_, task, f"property {number}", 1, hidden, 2))
                functions[name_] = test
        session = Session(LAB, str(path), checks, accept_open=True)
        sessions.append(session)
        for check, test in functions.items():
            run_check(session, check, test)
        return session.result

    yield grade
    for session in sessions:
        session.close()


def call(worker, name, *args):
    return worker.ask(do="call", name=name, args=args, kwargs={})


def vocabulary(student, solution, rng):
    wanted = ["PAD", "START", "END", "UNKNOWN", "b", "a"]
    assert_equal(student.build_vocabulary([["b", "a", "b"]]), wanted)


def argmax(student, solution, rng):
    logits = rng.normal(size=(5, 7))
    assert_equal(student.sample_next(logits, 0.0), solution.sample_next(logits, 0.0))


def replaced(old, new, source=SOLUTION):
    assert old in source
    return source.replace(old, new)


def test_a_file_that_does_not_load_says_so_once(graded):
    tests = {"3.3": [vocabulary, vocabulary], "3.8": [argmax]}
    result = graded(SOLUTION + "\nWIDTHS = {}['a']\n", tests)
    first, *rest = [check.message for task in result.tasks for check in task.checks]
    assert first.startswith("loading ")
    assert "\n" not in first
    assert rest == [first, first]
    told: set[str] = set()
    with console.capture() as captured:
        for task in result.tasks:
            if task.checks:
                show_task(task, told)
    assert captured.get().count("KeyError") == 1
    assert captured.get().count("as above") == 1
    assert messages(result.task("3.3").checks) == [first, "as above"]


# Workers


def test_a_worker_answers_refuses_and_raises(worker):
    one = worker(
        "import numpy as np\n"
        "def double(x): return 2 * x\n"
        "def generator(): return (i for i in range(3))\n"
        "def objects(): return np.array([object()])\n"
        "def bad(): raise ValueError('no')\n"
    )
    np.testing.assert_array_equal(call(one, "double", np.arange(3)), [0, 2, 4])
    for name in ("generator", "objects"):
        with pytest.raises(Refused):
            call(one, name)
    with pytest.raises(Raised, match="no") as raised:
        call(one, "bad")
    assert raised.value.line == 5
    assert raised.value.functions == ["bad"]


def test_every_question_begins_with_the_same_random_numbers(worker):
    one = worker(
        "import random\n"
        "import keras, numpy as np, tensorflow as tf\n"
        "def python(): return random.random()\n"
        "def numpy(): return np.random.random()\n"
        "def of_keras(): return keras.random.normal((2,))\n"
        "def of_tensorflow(): return tf.random.normal((2,))\n"
        "def reseeded(): tf.random.set_seed(7); return of_tensorflow()\n"
    )
    names = ("python", "numpy", "of_keras", "of_tensorflow")
    first = {name: call(one, name) for name in names}
    other = call(one, "reseeded")
    again = {name: call(one, name) for name in reversed(names)}
    for name in names:
        np.testing.assert_array_equal(first[name], again[name])
    assert (other != first["of_tensorflow"]).all()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("while True: pass", "endless loop"),
        ("import time; time.sleep(1e6)", "did not come back"),
        ("import os; os._exit(0)", "ended"),
        ("import ctypes; ctypes.string_at(0)", "crashed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended"),
        (
            "import contextlib, os\n  for fd in range(3, 50):\n"
            "    with contextlib.suppress(OSError): os.write(fd, b'x' * 99)",
            "protocol",
        ),
    ],
    ids=["loop", "sleep", "exit", "segfault", "kill", "garbage"],
)
def test_what_ends_a_worker_is_told(worker, body, why):
    one = worker(f"def f():\n  {body}\n")
    one.allow(1, wall_seconds=4)
    with pytest.raises(WorkerDied, match=why):
        call(one, "f")
    with pytest.raises(WorkerDied):
        call(one, "f")


def test_memory_and_output_are_bounded(worker):
    one = worker(
        "def memory(): return len(bytearray(6 << 30))\n"
        "def flood():\n"
        "  for _ in range(300): print('x' * (1 << 20))\n"
        "def fine(): return 1\n"
    )
    with pytest.raises(Raised, match="MemoryError"):
        call(one, "memory")
    one.allow(5)
    with pytest.raises((Raised, WorkerDied)):
        call(one, "flood")
    assert one.num_printed() <= 64 << 20


def test_no_solution_can_be_imported_and_arguments_cannot_be_written(worker):
    one = worker(
        "def steal():\n  import labs.lab3_notes.solution\n"
        "def checks():\n  import grading.core.session\n"
        "def write(x):\n  x[0] = 9\n"
    )
    for name in ("steal", "checks"):
        with pytest.raises(Raised, match="ModuleNotFoundError"):
            call(one, name)
    with pytest.raises(Raised, match="read-only"):
        call(one, "write", np.zeros(3))


def test_a_model_stays_behind_and_does_what_a_handle_can(worker):
    one = worker(
        "import keras\n"
        "def build():\n"
        "  x = keras.Input((3,)); return keras.Model(x, keras.layers.Dense(2, name='d')(x))\n"
    )
    model = call(one, "build")

    def method(name, *args):
        return one.ask(do="method", target=model, name=name, args=args, kwargs={})

    weights = {"d/kernel": np.ones((3, 2), "f4"), "d/bias": np.array([0.0, 1.0], "f4")}
    assert {path: value.shape for path, value in method("get_weights").items()} == {
        "d/kernel": (3, 2),
        "d/bias": (2,),
    }
    method("set_weights", weights)
    np.testing.assert_allclose(method("call", np.ones((1, 3), "f4")), [[3, 4]])


def test_a_fresh_process_does_what_a_fork_does():
    fresh = Zygote((), fresh=True)
    try:
        one = fresh.worker()
        assert not fresh.forks
        one.allow(5)
        one.load(compile("def f(x): return x + 1", "tasks.py", "exec"))
        assert call(one, "f", 1) == 2
        scratch = one.scratch
        one.remove()
        assert not scratch.exists()
    finally:
        fresh.close()
    assert not fresh.folder.exists()


# Outcomes


def test_points_are_shared_60_to_40_and_sum_to_100():
    checks = [check for check, _ in collect(LAB)]
    result = empty_result(LAB, checks, "tasks.py", stamp(LAB), "open")
    assert result.possible == 100
    for task in result.tasks:
        public = sum(check.points for check in task.checks if not check.hidden)
        hidden = sum(check.points for check in task.checks if check.hidden)
        assert public == pytest.approx(0.6 * task.possible)
        assert hidden == pytest.approx(0.4 * task.possible)


def test_full_marks_are_exactly_full():
    for task in empty_result(LAB, [c for c, _ in collect(LAB)], "", {}, "open").tasks:
        for check in task.checks:
            check.outcome = "passed"
        assert task.earned == task.possible


def test_a_score_that_is_no_score_is_an_error_and_no_death(worker):
    one = worker("def f(score): return 1")
    with pytest.raises(Raised):
        call(one, "f", MusicXML("<not-music"))
    assert one.dead is None


def test_lists_of_arrays_are_compared_one_by_one():
    assert_equal((np.arange(3), [1]), (np.arange(3), [1]))
    with pytest.raises(AssertionError, match="first at"):
        assert_equal((np.arange(3),), (np.array([0, 1, 3]),))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_nothing_is_near_to_nan_or_infinity(odd):
    # a submission that could make the wanted numbers odd would be right whatever it returned
    with pytest.raises(AssertionError):
        assert_close(np.zeros(2), np.array([0.0, odd]))
    with pytest.raises(AssertionError):
        assert_close(np.array([0.0, odd]), np.array([0.0, odd]))


def test_what_is_nan_or_infinite_is_named_with_its_place():
    with pytest.raises(AssertionError, match=r"expected 1 at \[1\], got nan \(2 of 3 are\)$"):
        assert_close(np.array([0, np.nan, np.inf]), np.arange(3.0))
    with pytest.raises(AssertionError, match=r"came back: inf$"):  # both are the submission's
        assert_close(np.array(np.inf), np.array(np.inf))


def test_what_is_wrong_of_several_things_is_named():
    with pytest.raises(
        AssertionError, match=r"^keys: expected 0 at \[1\], got 1 \(1 of 2 differ\)$"
    ):
        checks.assert_each(("output", "keys"), (np.zeros(2), np.eye(2)[1]), np.zeros((2, 2)))
    with pytest.raises(AssertionError, match=r"^c': expected shape \(2,\), got \(1,\)$"):
        checks.assert_arrays([np.zeros(2), np.zeros(1)], **{"h'": (2,), "c'": (2,)})


def test_logits_at_padding_that_matter_are_told_as_before_and_after():
    told = r"^other logits at padding should change nothing: before \S+, after \S+$"
    with pytest.raises(AssertionError, match=told):
        losses.assert_padding_ignored(
            lambda _, logits: np.array(logits.mean()), np.random.default_rng(0)
        )


def test_steps_that_disagree_with_the_call_name_neither_as_expected():
    with pytest.raises(AssertionError, match=r"the call gives 2 at \[1\], the steps give 3"):
        assert_same_in_steps(np.array([1.0, 3]), np.array([1.0, 2]), atol=0)
    with pytest.raises(AssertionError, match="the same numbers"):
        assert_same_in_steps(np.zeros(2), np.zeros(2), atol=0)


def test_the_first_step_that_differs_is_told_whichever_row_it_is_in():
    call, steps = np.arange(24.0).reshape(2, 3, 4), np.arange(24.0).reshape(2, 3, 4)
    steps[0, 2], steps[1, 1, 3] = -1, -1
    with pytest.raises(AssertionError, match=r"8 at \[0, 2, 0\].*differs is at position 1$"):
        assert_same_in_steps(steps, call, atol=0)
    with pytest.raises(AssertionError, match=r"differs is at position 6$"):
        assert_same_in_steps(steps, call, atol=0, first=5)


def test_of_a_large_array_the_row_that_differs_is_shown():
    want = np.arange(60).reshape(5, 12)
    got = want.copy()
    got[3, 7] = 0
    row = want[3].tolist()
    told = f"row [3]: expected {row}, got {got[3].tolist()}; first at [3, 7]: 0 instead of 43"
    with pytest.raises(AssertionError, match=f"^{re.escape(told)}$"):
        assert_equal(got, want)


def test_a_weight_of_attention_that_should_be_0_is_told_with_its_query_and_key():
    allowed = np.tri(3, dtype=bool)[None, None]
    weights = np.full((1, 2, 3, 3), 0.25, "f4") * allowed
    weights[0, 1, 0, 2] = 0.5
    told = (
        r"weight at \[0, 1, 0, 2\], of query 0 for key 2, should be 0: the key is later; got 0.5$"
    )
    with pytest.raises(AssertionError, match=told):
        assert_zero_outside(weights, allowed, "is later")


def test_a_result_of_a_search_is_told_with_what_it_should_be():
    script, digits = Script(np.random.default_rng(0), 6, 0.0), np.array([1, 2, 3])
    best, second = ([3], script.score(digits, [3])), ([4], script.score(digits, [4]))
    with pytest.raises(AssertionError, match=r"result 0 should be \[3\], it is \[4\]; its score: "):
        assert_found([second], script, digits, [best])
    with pytest.raises(AssertionError, match=r"ids that go on after END, 2: \[2, 3\]"):
        assert_found([([2, 3], 0.0)], script, digits, [best])


def test_a_digit_that_comes_too_often_is_told_as_itself():
    told = "^in 900 numbers the first digit 1 came 900 times"
    with pytest.raises(AssertionError, match=told):
        checks.assert_frequencies(
            np.eye(9)[0] * 900, np.full(9, 1 / 9), "numbers the first digit", first=1
        )


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("complaint", ("encode_digits", [1234], 3), "encode_digits([1234], 3)"),
        ("loss_step", (1, 2), "a training step with your loss, targets 1, logits 2"),
        ("do", (0, "step", [1], "en"), "0.step([1], 'en')"),
        ("keras_used", ("cell", "GRUCell", []), "GRUCell"),
        ("read_score", ("x",), "read_score('x')"),
    ],
)
def test_a_builder_is_told_as_what_a_student_would_call(name, args, told):
    code = Code(lambda **_: None)
    code.build(name, *args)
    assert code.called == told


def test_every_sentence_is_of_a_builder_or_of_a_handles_method():
    builders = {
        name
        for path in (ROOT / "grading").glob("lab*/builders.py")
        for name in re.findall(r"^def (\w+)|import (\w+) as", path.read_text("utf-8"), re.MULTILINE)
        for name in name
    }
    assert set(SPOKEN) <= builders | {"get_weights", "set_weights", "describe", "train"}


def test_every_builder_that_a_student_may_read_of_has_a_sentence():
    asked = {
        name
        for pattern in ("*.py", "lab*/*.py", "lab*/public/*.py")
        for path in (ROOT / "grading").glob(pattern)
        for name in re.findall(r'\b(?:student|code)\.build\(\s*"(\w+)"', path.read_text("utf-8"))
    }
    assert len(asked) > 20
    assert asked <= set(SPOKEN)


def test_several_models_are_told_apart_and_a_look_at_weights_is_no_call():
    answers = iter([(Opaque(1), Opaque(2)), {"w": np.zeros(1)}, np.zeros(2), None])
    code = Code(lambda **_: next(answers))
    whole, stepper = two_models(code.build_lstm("gru", 3))
    assert repr(stepper) == "the stepper of build_lstm('gru', 3)"
    whole.get_weights()
    assert code.called == "build_lstm('gru', 3)"
    stepper([[1]])
    assert code.called == "the stepper of build_lstm('gru', 3), called with ([[1]])"
    whole.train([1], [2], 1, 0.1)
    assert code.called == "training of the model of build_lstm('gru', 3)"
    with pytest.raises(
        AssertionError, match=r"^expected \(model, stepper\), got one model or layer$"
    ):
        two_models(whole)


def test_spelling_a_value_costs_no_more_than_what_is_shown(monkeypatch):
    calls = []
    monkeypatch.setattr(checks.np, "array2string", lambda *_, **__: calls.append(1) or "[1]")
    arrays = [np.ones(1)] * 10_000
    for value in (arrays, {0: arrays}, [[arrays]], {"a": {"b": tuple(arrays)}}):
        assert len(as_text(value)) <= 120
    assert len(calls) < 200


def test_a_value_is_spelled_as_its_author_would():
    value = {"a": [1, (2.5, None)], 3: ["x", True]}
    assert as_text(value) == repr(value)
    assert as_text((1,)) == "(1,)"
    assert as_text(list(range(99))) == repr(list(range(99)))[:119] + "…"


def test_a_large_array_of_equal_rows_is_spelled_by_one_of_them():
    assert as_text(np.eye(3, dtype="f4")) == "float32 array (3, 3)"  # no wall of floats
    assert as_text(np.array([[1, 10]])) == "[[1, 10]]"
    assert as_text(np.array([0.5, 0.25])) == "[0.5, 0.25]"
    rows = np.tile([0.25, -np.inf], (2000, 1))
    assert as_text(rows) == "float64 array (2000, 2), each row [0.25, -inf]"
    rows[-1, 0] = 0.5
    assert as_text(rows) == "float64 array (2000, 2)"


def test_hidden_inputs_of_a_loss_always_tell_a_floor_under_the_probabilities():
    def floored(targets, logits):
        powers = np.exp(logits.astype("f8"))
        shares = powers / powers.sum(axis=-1, keepdims=True)
        rows, positions = np.nonzero(targets)
        return -np.log(shares[rows, positions, targets[rows, positions]] + 1e-7).mean()

    for seed in range(200):
        hidden.assert_any_loss(hidden.nats_per_token, np.random.default_rng(seed))
        with pytest.raises(checks.CheckFailed):
            hidden.assert_any_loss(floored, np.random.default_rng(seed))


def test_hidden_inputs_of_a_loss_always_tell_that_end_is_left_out():
    def without_end(targets, logits):
        return hidden.nats_per_token(np.where(targets == 2, 0, targets), logits)

    for seed in range(200):
        for check in (hidden.assert_any_loss, hidden.assert_no_overflow):
            check(hidden.nats_per_token, np.random.default_rng(seed))
            with pytest.raises(checks.CheckFailed):
                check(without_end, np.random.default_rng(seed))


def test_draws_without_a_seed_that_are_alike_by_chance_cost_no_points():
    class Student:
        """Draws all rows with one number, as a wrong answer does."""

        def __init__(self, unseeded):
            self.unseeded = iter(unseeded)

        def sample_next(self, logits, seed=None):
            number = next(self.unseeded) if seed is None else np.random.default_rng(seed).random()
            powers = np.exp(logits)
            shares = np.cumsum(powers / powers.sum(axis=-1, keepdims=True), axis=-1)
            return np.minimum((shares < number).sum(axis=-1), logits.shape[-1] - 1)

        def build(self, _, logits, seed, times):
            rng = np.random.default_rng(seed)
            return [self.sample_next(logits, rng) for _ in range(times)]

    hidden.assert_seeds(Student([0.5] * 2 + [0.7] * 6), np.random.default_rng(0))
    with pytest.raises(checks.CheckFailed, match="without a seed are the same"):
        hidden.assert_seeds(Student([0.5] * 8), np.random.default_rng(0))


def test_what_keras_and_tensorflow_put_around_a_message_is_taken_off():
    keras = (
        "Exception encountered when calling RMSNorm.call().\n\n\x1b[1mno such axis\x1b[0m\n\n"
        "Arguments received by RMSNorm.call():\n  • x=tf.Tensor(shape=(2, 8))"
    )
    assert unwrapped(keras) == "no such axis"
    node = "{{function_node __wrapped__Pack_N_3_device_/job:localhost/device:CPU:0}} Shapes differ"
    assert unwrapped(node) == "Shapes differ"
    graph = (
        "Shape must be rank 2 for '{{node map/MatMul}} = MatMul[T=DT_FLOAT](x, y)' with shapes [6]"
    )
    assert unwrapped(graph) == "Shape must be rank 2 with shapes [6]"
    assert unwrapped(graph[:60]) == "Shape must be rank 2"
    assert unwrapped("a message\n\nof two parts") == "a message\n\nof two parts"
    shapes = (
        "Exception encountered when calling B.call().\n\n\x1b[1mCould not automatically infer the "
        "output shape / dtype of 'block_0' (of type B). Either the `B.call()` method is incorrect, "
        "or you need to implement it. Error encountered:\n\nno such axis\x1b[0m"
    )
    assert unwrapped(shapes) == "no such axis"


def test_a_task_that_calls_one_not_written_yet_says_so():
    error = {"type": "NotImplementedError", "bases": ["NotImplementedError"], "message": "3.8"}
    raised = StudentRaised(Raised(error | {"line": None, "functions": []}), "generate()", str)
    assert str(raised) == "generate() raised NotImplementedError: 3.8 is not written yet"


def test_the_worker_of_a_task_ends_when_the_next_begins(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text(SOLUTION)
    checks = [Check(name, task, "p", 1, False, 9) for name, task in (("a", "3.3"), ("b", "3.8"))]
    session = Session(LAB, str(path), checks)
    run_check(session, "a", vocabulary)
    (first,) = session.workers.values()
    run_check(session, "b", argmax)
    assert first.dead
    assert [task for task, _ in session.workers] == ["3.8"]
    session.close()


def test_the_four_outcomes(graded):
    def broken(student, solution, rng):
        raise KeyError("in the grader")

    right = graded(SOLUTION, {"3.3": [vocabulary]}).task("3.3")
    assert (right.outcome, right.earned) == ("passed", pytest.approx(8 * 0.6))
    wrong = graded(replaced("-counts[token], token", "token"), {"3.3": [vocabulary]}).task("3.3")
    assert (wrong.outcome, wrong.earned) == ("failed", 0)
    stub = graded(STUBS, {"3.3": [vocabulary]}).task("3.3")
    assert (stub.outcome, stub.earned, stub.possible) == ("not started", 0, 8)
    with pytest.raises(KeyError):
        graded(SOLUTION, {"3.3": [broken]})


def test_a_failure_says_what_was_called_expected_and_got(graded):
    source = replaced("-counts[token], token", "token")
    (check,) = graded(source, {"3.3": [vocabulary]}).task("3.3").checks
    called = "build_vocabulary([['b', 'a', 'b']])"
    for words in (called, "expected", "first at [4]: 'a' instead of 'b'"):
        assert words in check.message


def test_a_hidden_failure_tells_the_property_and_a_fixed_reason_only(graded):
    source = replaced("counts = Counter(", 'raise ValueError(f"secret {list(pieces)}"); (')
    (check,) = graded(source, {"3.3": [vocabulary]}, hidden=True).task("3.3").checks
    assert check.outcome == "failed"
    assert check.message == "a hidden check of this property failed: the code raised an error"


def test_hidden_inputs_repeat_for_a_student_and_only_the_secret_tells_which(tmp_path, monkeypatch):
    path = tmp_path / "tasks.py"
    path.write_text(SOLUTION)
    check = Check("c", "3.8", "p", 1, True, None)

    session = Session(LAB, str(path), [check])

    def draws():
        found = []
        for number in range(100):
            session.student = f"student {number}"
            found.append(session.rng(check).random())
        return found

    first = draws()
    assert draws() == first
    assert len(set(first)) == DRAWINGS
    monkeypatch.setenv("ETUDE_SECRET", "another")
    assert not set(draws()) & set(first)


def test_one_endless_task_costs_that_task_alone(graded):
    source = replaced("return logits.argmax(axis=-1).astype(np.int32)", "while True: pass")
    result = graded(source, {"3.3": [vocabulary], "3.8": [argmax] * 4})
    assert result.task("3.3").outcome == "passed"
    assert result.task("3.8").outcome == "failed"
    messages = [check.message for check in result.task("3.8").checks]
    assert "endless loop" in messages[0]
    assert "not run" in messages[-1], "after two deaths the rest is not tried"


def test_a_task_is_graded_alone_when_its_own_chain_fails(graded):
    def generates(student, solution, rng):
        vocab_size = 5
        _, stepper = student.build_note_lstm(vocab_size, 4, 4, 1, 0.0)
        result = student.generate(stepper, np.array([[1]]), 3, 0.0)
        assert_equal(result[0][:1], [1])

    broken = replaced("return logits.argmax(axis=-1).astype(np.int32)", "raise RuntimeError('x')")
    result = graded(broken, {"3.8": [argmax], "3.9": [generates]})
    assert result.task("3.8").outcome == "failed"
    (check,) = result.task("3.9").checks
    assert (check.outcome, check.own_chain) == ("passed", False)
    assert check.message == "3.9 is right; your own chain fails at 3.8"
    wrong = replaced("results: list[list[int]] = primers.tolist()", "results = [[9]]", broken)
    assert graded(wrong, {"3.9": [generates]}).task("3.9").outcome == "failed"


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("np.array([object()])", "cannot take"),
        ("(i for i in range(3))", "cannot take"),
        ("np.zeros(5, np.int32)[:, None]", "shape"),
        ("np.full(5, np.nan)", "dtype"),
        ("None", "expected an array, got None"),
        ("'text'", "expected an array"),
        ("np.array(['a'])", "cannot take"),
    ],
)
def test_wrong_return_types_are_told(graded, returned, says):
    source = replaced("return logits.argmax(axis=-1).astype(np.int32)", f"return {returned}")
    (check,) = graded(source, {"3.8": [argmax]}).task("3.8").checks
    assert check.outcome == "failed"
    assert says in check.message
    assert "\n" not in check.message.split("\nin ")[0]


def test_what_it_printed_is_shown_bounded_and_plain(graded):
    source = replaced(
        "return logits.argmax(axis=-1).astype(np.int32)",
        "print('\\x1b[31mred' + 'x' * 9999, flush=True); return 0",
    )
    (check,) = graded(source, {"3.8": [argmax]}).task("3.8").checks
    assert "it printed" in check.message
    assert "\x1b" not in check.message
    assert len(check.message) < 1500


@pytest.mark.parametrize("found", ["argmax(axis=-1)", "argmin(axis=-1)"])
def test_what_it_printed_is_shown_whether_right_or_wrong_but_not_by_hidden_checks(graded, found):
    source = replaced(
        "return logits.argmax(axis=-1).astype(np.int32)",
        f"print('seen', logits.shape); return logits.{found}.astype(np.int32)",
    )
    (check,) = graded(source, {"3.8": [argmax]}).task("3.8").checks
    assert check.outcome == ("passed" if "max" in found else "failed")
    assert "it printed: seen (5, 7)" in check.message
    (check,) = graded(source, {"3.8": [argmax]}, hidden=True).task("3.8").checks
    assert "seen" not in check.message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SOLUTION + "\ndef f(:\n", "invalid syntax"),
        (SOLUTION + "\n1 / 0\n", "ZeroDivisionError"),
        (SOLUTION + "\nwhile True: pass\n", "endless loop"),
        (SOLUTION + "\nimport os; os._exit(1)\n", "ended the process"),
        (SOLUTION.replace("build_vocabulary", "make_vocabulary"), "is it make_vocabulary now?"),
    ],
    ids=["syntax", "raises", "loops", "exits", "renamed"],
)
def test_a_file_that_does_not_load_is_told_in_one_sentence(graded, source, words):
    (check,) = graded(source, {"3.3": [vocabulary]}).task("3.3").checks
    assert check.outcome == "failed"
    assert words in check.message


def test_two_deaths_while_loading_end_the_run(graded):
    tests = {"3.3": [vocabulary] * 3, "3.8": [argmax] * 3}
    result = graded("import os; os._exit(1)\n" + SOLUTION, tests)
    messages = [check.message for task in result.tasks for check in task.checks]
    assert ["loading" in message for message in messages] == [True, True] + [False] * 4
    assert all("not run" in message for message in messages[2:])


def test_a_notebook_is_graded_by_its_definitions(graded):
    cells = [
        {"cell_type": "markdown", "source": "# text"},
        {"cell_type": "code", "source": SOLUTION},
        {"cell_type": "code", "source": "%pip install x\nmodel.fit(1 / 0)\n"},
    ]
    notebook = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})
    result = graded(notebook, {"3.3": [vocabulary], "3.8": [argmax]}, name="lab3.ipynb")
    assert [result.task(task).outcome for task in ("3.3", "3.8")] == ["passed", "passed"]


def test_assert_raises_wants_the_error_and_takes_its_kinds(graded):
    def rejects(student, solution, rng):
        assert_raises(ValueError, student.sample_next, np.zeros((1, 3)), -1.0)

    assert graded(SOLUTION, {"3.8": [rejects]}).task("3.8").outcome == "passed"
    kind = replaced('raise ValueError(f"temperature', 'raise UnicodeError(f"temperature')
    assert graded(kind, {"3.8": [rejects]}).task("3.8").outcome == "passed"
    accepts = replaced("if not temperature >= 0:", "if False:")
    (check,) = graded(accepts, {"3.8": [rejects]}).task("3.8").checks
    assert "expected ValueError" in check.message


@pytest.mark.parametrize(
    "got",
    [1.0, np.zeros(()), np.zeros(0), np.full(3, np.nan), np.zeros((1, 3)), np.zeros(3, int), None],
    ids=str,
)
def test_nothing_broadcasts_its_way_through_a_comparison(got):
    with pytest.raises(AssertionError):
        assert_close(got, np.zeros(3))


# The commands

SMALL = ["grading", "--task=3.3", "--code=solution", "--accept-open"]


def grading(*options, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "grading", "--accept-open", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "120"} | environment,
    )
    return done.returncode, re.sub(r" +", " ", done.stdout + done.stderr)


@pytest.fixture
def results(tmp_path):
    """Where a command writes its JSON, so that a student's own stays."""
    return f"--results={tmp_path / 'results.json'}"


def test_results_are_written_into_a_pipe_and_do_not_replace_it(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDWR)  # a FIFO here, because as root a test could replace /dev/null
    empty_result(LAB, [], "", {}, "open").write(pipe)
    assert json.loads(os.read(end, 1 << 16))["possible"] == 100
    os.close(end)
    assert pipe.is_fifo()


def test_fresh_stubs_are_not_started_0_of_100_and_no_failure(tmp_path, results):
    (tmp_path / "tasks.py").write_text(STUBS)
    code, output = grading("--lab=3", f"--code={tmp_path / 'tasks.py'}", results)
    assert code == 0
    assert output.count("not started") == 9
    assert "0 of 100" in output
    assert "next: write 3.1 score_to_tokens" in output
    assert re.search(r"tasks\.py:\d+", output)


def test_the_solution_gets_100_of_100_from_a_grader_that_imports_no_keras(results, tmp_path):
    options = ["grading", "-k", "lab3", "--code", "solution", "--accept-open", results]
    program = (
        "import sys, pytest\n"
        f"code = pytest.main({options})\n"
        "assert not {'keras', 'tensorflow', 'music21'} & set(sys.modules)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "100 of 100" in output
    written = json.loads((tmp_path / "results.json").read_text())
    assert (written["earned"], written["possible"]) == (100, 100)
    assert len(written["tasks"]) == 9
    for task in written["tasks"]:  # what tells most is read first
        assert [check["hidden"] for check in task["checks"]] == sorted(
            check["hidden"] for check in task["checks"]
        )


COUNTING = """
import pytest
from labs.course import catalogue
read, paths = catalogue.read_lab, []
catalogue.read_lab = lambda path: paths.append(path) or read(path)
pytest.main(["grading", "--task=3.4", "--collect-only", "-q"])
print(max(map(paths.count, paths)), "times")
"""


def test_labs_are_not_read_again_for_each_check():
    done = subprocess.run(
        [sys.executable, "-c", COUNTING], cwd=ROOT, capture_output=True, text=True
    )
    found = re.search(r"(\d+) times", done.stdout)
    assert found, done.stdout + done.stderr
    assert int(found[1]) <= 4  # there are hundreds of checks


def test_a_wrong_answer_exits_with_1_and_a_mark_selects_one_task(tmp_path, results):
    (tmp_path / "tasks.py").write_text(replaced("-counts[token], token", "token"))
    options = ("--lab=3", f"--code={tmp_path / 'tasks.py'}", "-m", "task3_3", results)
    code, output = grading(*options)
    assert code == 1
    assert "3.3 build_vocabulary failed" in output
    assert "3.4" not in output


def test_a_lab_without_checks_says_so(tmp_path):
    bare = dataclasses.replace(LAB, number=0)
    with pytest.raises(EtudeError, match="lab 0 has no checks yet"):
        collect(bare)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--task", "3.44"], "3.1 … 3.9"),
        (["--lab", "9"], "there is no lab 9"),
        (["--code", "nowhere.py", "--lab", "3"], "CODE=nowhere.py"),
        (["--hint", "2"], "a hint belongs to a task"),
        (["--task", "3.3", "--hint", "9"], "HINT=9: give 1, 2 or 3"),
        (["--task", "3.3", "--lab", "1"], "task 3.3 is not in lab 1: leave out"),
        (["--code", "LICENSE", "--lab", "3"], "CODE=LICENSE: give"),
        (["--lab", "3", "--results", "LICENSE/x.json"], "written at LICENSE: File exists"),
        (["--lab", "3", "--results", "LICENSE/a/x.json"], "written at LICENSE/a: Not a directory"),
        (["--lab", "3", "--results", "docs"], "--results docs is a folder: name a file"),
    ],
)
def test_misspelt_options_get_one_sentence(options, words):
    code, output = grading(*options)
    assert code == 4
    assert words in output
    assert "Traceback" not in output
    assert "usage" not in output


def test_what_submit_wrote_gets_no_verdict_but_a_sentence(tmp_path):
    with zipfile.ZipFile(tmp_path / "eve.zip", "w") as archive:
        archive.writestr("tasks.py", SOLUTION)
    code, output = grading("--lab=3", f"--code={tmp_path / 'eve.zip'}")
    assert code == 4
    assert "eve.zip: give" in output
    assert "next:" not in output


def test_a_file_that_cannot_be_read_is_what_is_to_be_mended_and_no_task(tmp_path, results):
    (tmp_path / "tasks.py").write_bytes("# é".encode("latin-1"))
    code, output = grading("--task=3.3", f"--code={tmp_path / 'tasks.py'}", results)
    assert code == 1
    assert "is not UTF-8 text" in output
    assert f"next: fix {tmp_path / 'tasks.py'}" in output
    assert "fix 3.3" not in output


def test_hints_are_shown_when_asked_for(tmp_path, results):
    (tmp_path / "tasks.py").write_text(STUBS)
    code, output = grading("--task=3.4", f"--code={tmp_path / 'tasks.py'}", "--hint=2", results)
    assert code == 0
    assert output.count("hint ") == 2


def test_inprocess_says_that_it_is_not_how_grading_is_done(results):
    options = ("--task=3.3", "--code=solution", "--inprocess", results)
    code, output = grading(*options)
    assert code == 0, output
    assert "this is not how grading is done" in output


def first_is_text(student, solution, rng):
    assert student.build_vocabulary([["b"]])[0] + "" == "PAD"


def breaks_always(student, solution, rng):
    raise KeyError(student.build_vocabulary([["b"]])[0])


def test_a_check_that_breaks_over_an_answer_but_not_over_the_solutions_has_failed(graded):
    odd = replaced("    # BEGIN SOLUTION\n    counts =", "    return [7]\n    counts =")
    task = graded(odd, {"3.3": [first_is_text]}).task("3.3")
    assert task.outcome == "failed"
    assert "nothing to judge by (TypeError: unsupported operand" in task.checks[0].message
    with pytest.raises(KeyError):
        graded(SOLUTION, {"3.3": [breaks_always]})


def test_a_model_where_a_value_belongs_is_the_submissions_failure(graded):
    models = "    return [keras.layers.Dense(3)]\n    counts ="
    odd = replaced("    # BEGIN SOLUTION\n    counts =", models)

    def compared(student, solution, rng):
        assert student.build_vocabulary([["b"]])[0] == "PAD"

    def asked_of_another(student, solution, rng):
        solution.build_vocabulary([student.build_vocabulary([["b"]])])

    def inside_a_dictionary(student, solution, rng):
        student.sample_next({"a": student.build_vocabulary([["b"]])[0]}, 0.0)

    both = (compared, asked_of_another, inside_a_dictionary)
    task = graded(odd, {"3.3": both}).task("3.3")
    assert [check.outcome for check in task.checks] == ["failed"] * 3
    assert "a model or layer" in task.checks[0].message


def test_a_file_that_has_used_up_its_time_has_the_rest_not_run(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text(SOLUTION, encoding="utf-8")
    checks = [Check(f"check_{n}", "3.3", "property", 1, n > 2, None) for n in range(5)]
    session = Session(LAB, str(path), checks, accept_open=True)
    allowed = session.result.seconds_allowed
    assert allowed == 10 * LAB.grading_seconds
    try:
        for check in checks:
            if check is checks[2]:
                assert session.spent.wall > 0
                session.spent.wall += allowed  # as if it had slept
            run_check(session, check.name, vocabulary)
    finally:
        session.close()
    ran = [check.outcome for check in session.result.task("3.3").checks]
    assert ran == ["passed", "passed", "failed", "failed", "failed"]
    message = f"not run: the file has used up its {allowed} s by the clock"
    assert message in session.result.task("3.3").checks[2].message
    assert session.result.task("3.3").checks[2].died


def test_the_time_of_what_raises_counts_too(tmp_path):
    path = tmp_path / "tasks.py"
    burning = "    sum(range(20_000_000))\n    raise ValueError\n    counts ="
    path.write_text(replaced("    # BEGIN SOLUTION\n    counts =", burning), encoding="utf-8")
    session = Session(LAB, str(path), [Check("burns", "3.3", "property", 1, False, None)])
    try:
        run_check(session, "burns", vocabulary)
    finally:
        session.close()
    assert session.result.task("3.3").outcome == "failed"
    assert session.spent.cpu > 0


def test_what_is_borrowed_and_what_is_the_students_own_never_live_at_once(graded, monkeypatch):
    alive, most = set(), []
    begin, remove = Worker.begin, Worker.remove

    def born(self, *arguments):
        begin(self, *arguments)
        alive.add(self)
        most.append(len(alive))

    def gone(self):
        alive.discard(self)
        remove(self)

    def draws(student, solution, rng):
        student.generate(student.build("scripted_stepper", np.ones((5, 9), "f4"), 1, 1), [[3]], 3)

    graded(SOLUTION, {"3.3": [vocabulary]})  # the solution's worker is there from now on
    monkeypatch.setattr(Worker, "begin", born)
    monkeypatch.setattr(Worker, "remove", gone)
    wrong = replaced("def sample_next(", "def sample_next(*_): 1 / 0\ndef sample(")
    task = graded(wrong, {"3.9": [draws, draws]}).task("3.9")
    assert [check.own_chain for check in task.checks] == [False, False]
    assert most == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "{{function_node ",
            "{{function_node x}} ",
            "Exception encountered when calling ",
            "\n\n",
        ),
        *("\n\nArguments received by ", "Could not automatically infer the output shape "),
        *("\x1b[", "\x1b[3;", "<", "Error encountered:", "\ud800", "{{", "1."),
    ],
)
def test_of_a_message_of_1_mb_no_pattern_sees_more_than_a_line(piece):
    said = (piece * 1_000_000)[:1_000_000]
    names = [said, *["E"] * 1000]
    error = Raised(
        {"type": said, "message": said, "line": 2, "bases": names, "functions": names[::-1]}
    )
    assert max(map(len, (error.type, error.message, *error.bases, *error.functions))) <= 500
    assert max(len(error.bases), len(error.functions)) <= 20
    assert len(str(StudentRaised(error, "f()", "tasks.py:{}".format))) < 1500


def test_an_error_in_the_grader_is_not_the_students_and_exits_with_3(results):
    program = (
        "import sys, pytest\n"
        "from grading.core.passes import Passes\n"
        "def judge(*_): raise KeyError('broken check')\n"
        "Passes.judge = judge\n"
        f"sys.exit(pytest.main({[*SMALL, results]}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 3
    assert "it is not your fault" in done.stdout


def test_in_no_public_search_is_a_beam_kept_or_dropped_by_a_rounding():
    gaps = []

    class Searching:
        """A worker that searches in float64."""

        def ask(self, do, name, args, kwargs):
            if name == "scripted_networks":
                (self.table,) = args
                return Opaque(0), Opaque(1)
            if name == "num_calls":
                return 1
            *_, digits, max_length, width = args
            script = Script(np.random.default_rng(), 3, 0.0)
            script.table = self.table
            found = [search(script, number, max_length, width) for number in digits]
            gaps.extend(gap for _, gap in found)
            return [beams for beams, _ in found]

    for name in ("greedy", "values", "exhaustive", "calls"):
        test = getattr(test_decoding, f"test_beam_{name}")
        check = declared(test.__name__, test.pytestmark)
        test(Code(Searching().ask), Code(Searching().ask), public_inputs(check))
    assert len(gaps) >= 20
    assert min(gaps) > NEAR


def test_weights_that_are_not_there_have_not_changed():
    wanted = {("cell_0", "kernel"): np.zeros(2), ("cell_0", "bias"): np.zeros(1)}
    moved = {key: value + 1 for key, value in wanted.items()}
    assert_changed(wanted, moved, wanted)
    for before, after in (
        ({}, {}),
        (wanted, {}),
        (wanted, wanted),
        (moved, dict([*moved.items()][:1])),
    ):
        with pytest.raises(checks.CheckFailed):
            assert_changed(before, after, wanted)
