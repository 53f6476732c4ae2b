"""What a student reads must say where to look: the words of Labs 3's and 4's public checks."""

from types import SimpleNamespace

import numpy as np
import pytest

from grading.checks.assertions import CheckFailed
from grading.lab3.networks import assert_kept, assert_rows, assert_rows_ids, continuations
from grading.lab3.public import test_model as lab3_model
from grading.lab3.public import test_tokens as lab3_tokens
from grading.lab3.scores import assert_heard, score
from grading.lab4.performances import assert_ids, assert_notes, ids_of, notes, pedals, playing
from grading.lab4.public import test_music as lab4_music
from grading.lab4.public import test_training as lab4_training
from grading.lab4.public import test_writing as lab4_writing
from grading.sandbox.worker.codec import MusicXML


def message(check, *args):
    """What a failing check or demand says."""
    with pytest.raises(CheckFailed) as failure:
        check(*args)
    return str(failure.value)


# Lab 3


def test_a_score_comes_with_the_meaning_of_its_marks():
    assert score("60:3 62~:1 | ~62:4").label == (
        "score('60:3 62~:1 | ~62:4') [pitch:quarters, ~ tie, | barline]"
    )
    assert score("60:4").label == "score('60:4') [pitch:quarters]"


def test_what_sounds_in_a_score_is_named():
    reader = SimpleNamespace(build=lambda *_: [("0", "1", [60])])
    said = message(assert_heard, reader, MusicXML("<score/>"), [("1", "1", [60])])
    assert said.startswith("the score's (start, length, pitches): expected [('1', '1', [60])]")


def test_windows_name_the_mask():
    mask = np.ones((2, 2), bool)
    student = SimpleNamespace(make_windows=lambda *_: (None, None, ~mask))
    solution = SimpleNamespace(make_windows=lambda *_: (None, None, mask))
    said = message(lab3_tokens.test_windows_mask, student, solution)
    assert said.startswith("mask: expected [[")
    assert said.endswith("first at [0, 0]: False instead of True")


def test_argmax_shows_the_row_with_its_logits():
    logits = np.array([[1.0, 0.0], [0.25, 2.75]])
    said = message(assert_rows_ids, np.array([0, 0]), np.array([0, 1]), logits)
    assert said == "row 1, logits [0.25, 2.75]: expected id 1, got 0"
    assert_rows_ids(np.array([0, 1]), np.array([0, 1]), logits)


def test_a_cut_says_what_it_keeps_of_what():
    share = np.array([0, 4, 0, 3]) / 7
    said = message(assert_kept, np.full(700, 2), share, 700)
    assert said.startswith("of ids with probabilities 0.1, 0.4, 0.2, 0.3 keep [1, 3]: in 700 draws")
    assert_kept(np.repeat([1, 3], [400, 300]), share, 700)


def test_seeds_say_that_two_calls_are_compared():
    draws = iter(range(3))
    student = SimpleNamespace(
        sample_next=lambda logits, seed: np.full(len(logits), next(draws), np.int32)
    )
    said = message(lab3_model.test_sample_seed, student)
    assert said == "two calls with seed 3 differ: first at [0]: 2 instead of 1"


def test_generated_rows_differ_one_at_a_time():
    said = message(assert_rows, [[1, 4], [1, 5, 2]], [[1, 4], [1, 6, 2]])
    assert said == "row 1: expected [1, 6, 2], got [1, 5, 2]; first at [1]: 5 instead of 6"


def test_an_array_in_the_place_of_lists_is_called_one():
    primers = np.array([[1, 5]])
    assert message(continuations, np.array([[1, 5, 6]]), primers, 3) == (
        "expected a list of 1 lists, got an array of shape (1, 3)"
    )
    assert message(continuations, [[6]], primers, 3) == "expected the primer [1, 5] to begin [6]"


def test_generated_rows_of_a_wrong_length_are_counted_in_ids():
    student = SimpleNamespace(
        build=lambda *_: None, generate=lambda _, primers, *__, **___: primers.tolist()
    )
    rng = np.random.default_rng(1)
    said = message(lab3_model.test_generate_contract, student, rng)
    assert said == "expected 4 ids in a row, got 3"


# Lab 4


def test_ids_are_named_as_events():
    want = ids_of("loud19 on60 wait100 off60")
    assert message(assert_ids, ids_of("loud19 on60 wait99 off60"), want) == (
        "at [2], after VELOCITY 19, NOTE_ON 60: expected TIME_SHIFT 100 (id 358), "
        "got TIME_SHIFT 99 (id 357)"
    )
    assert message(assert_ids, ids_of("start"), ids_of("pad end")) == (
        "at [0]: expected PAD (id 0), got START (id 1) (expected 2 ids in all, got 1)"
    )
    longer = message(assert_ids, np.r_[want, 391], want)
    assert longer.endswith(
        "expected no more, got 391, which is not an event (id 391) (expected 4 ids in all, got 5)"
    )
    assert_ids(want, want)


def test_notes_are_paired_by_pitch_and_none_is_left_unnamed():
    two = notes((60, 80, 0, 1), (62, 80, 0, 2))
    assert message(assert_notes, notes((60, 80, 0, 5), (62, 80, 0, 2)), two) == (
        "expected pitch 60, velocity 80, from 0 to 1; got pitch 60, velocity 80, from 0 to 5"
    )
    one = two[:1]
    assert message(assert_notes, one, two).endswith(
        "expected 2 notes, got 1; missing: pitch 62, velocity 80, from 0 to 2"
    )
    assert message(assert_notes, two, one).endswith(
        "got 2; not expected: pitch 62, velocity 80, from 0 to 2"
    )


def test_what_was_played_is_said_in_words():
    def fail():
        with playing(notes((60, 80, 0, 1)), pedals((0.5, 64), (2, 0, 1))):
            raise CheckFailed("value", "wrong")

    assert message(fail) == (
        "wrong\nplayed: pedal 64 at 0.5; pedal 0 at 2, instrument 1; "
        "pitch 60, velocity 80, from 0 to 1"
    )


def test_decoding_says_which_events_and_that_it_is_about_the_total_time():
    student = SimpleNamespace(build=lambda *_: (notes((60, 77, 0, 0.5)), 0.75))
    said = message(lab4_music.test_decode_notes, student)
    assert said == (
        "total_time: expected 0.5, got 0.75\n"
        "events: VELOCITY 19, NOTE_ON 60, TIME_SHIFT 50, NOTE_OFF 60"
    )


def test_a_target_scored_twice_is_counted():
    targets = np.zeros((6, 8), "i4")
    targets.ravel()[:] = [*range(3, 46), *[2] * 4, 9]
    student = SimpleNamespace(evaluation_windows=lambda *_: (targets, targets))
    said = message(lab4_music.test_evaluation_once, student)
    assert said == "token 2 should be a target 5 times, it is 4 times"


def test_windows_say_whether_inputs_or_targets_differ():
    inputs = np.array([[1, 5], [6, 7], [1, 0], [1, 8], [9, 0]], "i4")
    student = SimpleNamespace(evaluation_windows=lambda *_: (inputs, inputs))
    said = message(lab4_music.test_evaluation_plain, student)
    assert said.startswith("targets: expected [[5, 6], [7, 2]")
    student = SimpleNamespace(evaluation_windows=lambda *_: (inputs[:4], inputs))
    said = message(lab4_music.test_evaluation_plain, student)
    assert said == "inputs: expected shape (5, 2), got (4, 2)"


def test_the_scale_and_the_count_are_told_apart():
    student = SimpleNamespace(update_loss_scale=lambda *_: (8.0, 0))
    assert message(lab4_training.test_scale_grows, student) == "good_steps: expected 1, got 0"
    student = SimpleNamespace(update_loss_scale=lambda *_: (16.0, 1))
    assert message(lab4_training.test_scale_grows, student) == "scale: expected 8, got 16"


def test_a_rate_comes_with_its_step():
    student = SimpleNamespace(build=lambda *_: [0.2] * 6)
    said = message(lab4_training.test_rate_ends, student)
    assert said == "at step 9: expected 2, got 0.2"


def test_nats_a_note_names_the_events():
    student = SimpleNamespace(nats_per_note=lambda *_: 0.5)
    said = message(lab4_training.test_note_none, student)
    assert said == "expected 4, got 0.5\nevents: TIME_SHIFT 5, NOTE_ON 60"


def test_a_filter_says_what_it_should_keep():
    student = SimpleNamespace(filter_logits=lambda logits, **_: logits)
    said = message(lab4_writing.test_filter_top_k, student)
    assert said.startswith("of ids with probabilities 0.1, 0.4, 0.2, 0.3 keep [1]: expected -1e+09")
