"""Notes on the grid: rounding, ids and back, what a piano can play."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.lab5_long_context import solution as lab5
from toolkit.music import grid
from toolkit.music.piece import Piece
from toolkit.music.remi import SCORE


def piece(*notes):
    """A piece of (start, end, pitch, velocity) in ticks."""
    return Piece(np.array(notes, int).reshape(-1, 4))


NOTES = st.lists(
    st.tuples(
        st.integers(0, 200), st.integers(1, 16), st.integers(0, 127), st.integers(1, 127)
    ).map(lambda note: (note[0] * 120, (note[0] + note[1]) * 120, *note[2:])),
    min_size=1,
    max_size=40,
)


def test_notes_are_rounded_to_steps_and_counted_from_the_first_bar():
    rows = grid.to_grid(piece((3840, 4320, 60, 64), (3899, 3850, 64, 64), (5820, 9000, 62, 70)))
    # 3899 is nearest to step 0, and a note lasts a step at least; 5820 lies half way, 48.5
    assert rows.tolist() == [[0, 0, 64, 1, 64], [0, 0, 60, 4, 64], [1, 0, 62, 16, 70]]


@given(NOTES, st.booleans())
def test_ids_hold_all_but_the_fine_velocity(notes, velocities):
    rows = grid.to_grid(piece(*notes))
    back, broken = grid.decode(grid.encode(rows, velocities), velocities)
    assert broken == 0
    assert back[:, :4].tolist() == rows[:, :4].tolist()
    if velocities:
        assert np.abs(back[:, 4] - rows[:, 4]).max() <= 2


@given(NOTES)
def test_the_words_are_those_of_lab_5s_remi_without_chords(notes):
    found = piece(*notes)
    words = ["EOS_None", "Bar_None", *(f"Beat_{step}" for step in range(16))]
    words += [f"Note_Pitch_{pitch}" for pitch in range(128)]
    words += [f"Note_Duration_{120 * steps}" for steps in range(1, 17)]
    ids = grid.encode(grid.to_grid(found), velocities=False)
    assert [words[id - grid.END] for id in ids] == lab5.encode_remi(found, SCORE)


def test_a_piece_without_notes_is_a_bar_and_an_end():
    ids = grid.encode(grid.to_grid(piece()), False)
    assert ids.tolist() == [grid.BAR, grid.END]
    assert len(grid.to_piece(grid.decode(ids, False)[0], 90).notes) == 0


def test_what_makes_no_sense_is_counted_and_left_out():
    note = [grid.PITCH + 60, grid.DURATION + 4]
    ids = [note[0], grid.BAR, *note, grid.POSITION + 8, note[0], *note, grid.POSITION, grid.END, 9]
    rows, broken = grid.decode(np.array(ids), False)
    assert rows.tolist() == [[0, 8, 60, 4, 64]]
    # a pitch and a note without a position, a pitch without a duration, a position that goes back
    assert broken == 1 + 2 + 1 + 1


def test_moving_moves_pitches_only_and_within_midi():
    ids = np.array([grid.BAR, grid.POSITION, grid.PITCH + 60, grid.DURATION + 1, grid.PITCH + 126])
    moved = grid.transpose(ids, 3) - ids
    assert moved.tolist() == [0, 0, 3, 0, 1]


def test_a_key_struck_again_ends_its_note_and_struck_twice_sounds_once():
    rows = np.array([[0, 0, 60, 8, 64], [0, 0, 60, 4, 64], [0, 2, 60, 8, 64], [0, 0, 62, 8, 64]])
    played = grid.to_piece(rows, 90)
    assert sorted(map(tuple, played.notes[:, :3].tolist())) == [
        (0, 240, 60), (0, 960, 62), (240, 1200, 60)
    ]  # fmt: skip


@pytest.mark.parametrize("velocities", [False, True])
def test_ids_stay_below_the_size_of_the_vocabulary(velocities):
    loud = piece((0, 9999, 127, 127))
    assert grid.encode(grid.to_grid(loud), velocities).max() < grid.vocab_size(velocities)
