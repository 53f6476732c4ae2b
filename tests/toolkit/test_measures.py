"""Measures of pieces that can be counted by hand, and copies found in whatever key."""

import note_seq
import numpy as np
import pytest

from toolkit.music.copying import SeenRuns, ngram_hashes, repeated_share
from toolkit.music.measures import distributions, overlap, pitch_class_entropy, sounding


def test_entropy_is_that_of_the_pitch_classes():
    assert pitch_class_entropy(np.array([60, 72])) == 0
    assert pitch_class_entropy(np.arange(60, 72)) == pytest.approx(np.log2(12))
    assert pitch_class_entropy(np.array([])) == 0


def test_what_sounds_at_an_onset_has_begun_and_not_ended():
    assert sounding(np.array([0.0, 0.0, 1.5]), np.array([1.0, 2.0, 2.0])).tolist() == [2, 2, 2]


def test_a_distribution_overlaps_itself_wholly():
    sequence = note_seq.NoteSequence()
    for pitch, velocity, start, end in ((60, 50, 0, 1), (64, 70, 0.5, 2)):
        sequence.notes.add(pitch=pitch, velocity=velocity, start_time=start, end_time=end)
    for shares in distributions([sequence]).values():
        assert shares.sum() == pytest.approx(1)
        assert overlap(shares, shares) == pytest.approx(1)


# Copying


def test_equal_runs_and_only_they_have_equal_hashes():
    sequence = np.random.default_rng(0).integers(0, 3, 400)
    for n in (1, 2, 3, 7, 8, 13):
        hashes = ngram_hashes(sequence, n)
        runs = [tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1)]
        assert len(hashes) == len(runs)
        assert len(set(zip(hashes.tolist(), runs, strict=True))) == len(set(runs))
        assert len(set(hashes.tolist())) == len(set(runs))
    assert len(ngram_hashes(sequence, 401)) == 0


def test_copied_runs_are_found_in_whatever_key():
    rng = np.random.default_rng(0)
    melody = rng.integers(50, 70, 30)
    seen = SeenRuns([np.diff(melody)])
    assert seen.share(np.diff(melody + 3), 7) == 1
    assert seen.longest(np.diff(melody[10:] + 3)) == 19
    assert seen.share(np.diff(rng.integers(50, 70, 30)), 7) == 0
    assert SeenRuns([]).share(np.diff(melody), 7) == 0


def test_a_run_does_not_cross_from_one_piece_to_the_next():
    one, other = np.arange(6), np.arange(10, 14)
    seen = SeenRuns([one, other])
    assert seen.longest(np.concatenate([one, other])) == 6
    assert seen.share(np.concatenate([one[-2:], other[:2]]), 4) == 0


def test_a_piece_repeats_what_has_already_occurred_in_it():
    assert repeated_share(np.array([1, 2, 3] * 4), 3) == pytest.approx(7 / 10)
    assert repeated_share(np.arange(9), 3) == 0
    assert repeated_share(np.arange(2), 3) == 0
