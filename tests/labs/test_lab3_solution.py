"""Lab 3's solution does what its docstrings say."""

from fractions import Fraction
from itertools import pairwise

import keras
import music21
import numpy as np
import pytest

from labs.lab3_notes import solution as lab
from tests.on_jax import check_on_jax
from toolkit.music.chorales import load_chorale, score_names, split_of

STRATIFIED = score_names()[::20]


@pytest.fixture(scope="module")
def chorales():
    """Every twentieth score: name -> tokens."""
    loaded = {name: load_chorale(name) for name in STRATIFIED}
    return {name: (score, lab.score_to_tokens(score)) for name, score in loaded.items() if score}


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(1)
    return lab.build_note_lstm(vocab_size=11, embedding_dim=5, units=7, num_layers=2, dropout=0.5)


def part(*events):
    """Make a part from (what, quarter length) or music21 elements."""
    made = music21.stream.Part()
    for event in events:
        made.append(event)
    return made


def note(pitch, length, tie=None, cls=music21.note.Note):
    made = cls(pitch)
    made.quarterLength = length
    made.tie = music21.tie.Tie(tie) if tie else None
    return made


def sounding(score):
    """Give (onset, duration, pitches) of every slice, found without tokens: by looking at cuts."""
    notes = []
    for element in score.stripTies().flatten().notes:
        if element.quarterLength > 0:
            start = Fraction(element.offset)
            end = start + Fraction(element.quarterLength)
            notes += [(start, end, pitch.midi) for pitch in element.pitches]
    cuts = sorted({start for start, _, _ in notes} | {end for _, end, _ in notes})
    slices = [
        (a, b - a, sorted({p for start, end, p in notes if start <= a and b <= end}))
        for a, b in pairwise(cuts)
    ]
    return [cut for cut in slices if cut[2]]


# 3.1 and 3.2


def test_tokens_of_every_twentieth_chorale_say_what_sounds_when(chorales):
    assert len(chorales) > 15
    for name, (score, tokens) in chorales.items():
        assert sounding(lab.tokens_to_score(tokens)) == sounding(score), name


def test_a_score_made_of_tokens_has_the_same_tokens(chorales):
    for name, (_, tokens) in chorales.items():
        assert lab.score_to_tokens(lab.tokens_to_score(tokens)) == tokens, name


@pytest.mark.verify
def test_tokens_of_every_chorale_say_what_sounds_when():
    for name in score_names():
        score = load_chorale(name)
        if score is not None:
            tokens = lab.score_to_tokens(score)
            again = lab.tokens_to_score(tokens)
            assert sounding(again) == sounding(score), name
            assert lab.score_to_tokens(again) == tokens, name


def test_a_held_note_is_struck_again_at_the_next_onset():
    score = music21.stream.Score([part(note(72, 2)), part(note(60, 1), note(62, 1))])
    assert lab.score_to_tokens(score) == [
        "NOTE_60", "NOTE_72", "DUR_1", "NOTE_62", "NOTE_72", "DUR_1",
    ]  # fmt: skip


def test_a_tie_makes_no_cut_and_belongs_to_its_part():
    tied = part(note(60, 1, "start"), note(60, 1, "continue"), note(60, 0.5, "stop"))
    assert lab.score_to_tokens(music21.stream.Score([tied])) == ["NOTE_60", "DUR_5/2"]
    struck = part(note(60, 1), note(60, 1))
    assert lab.score_to_tokens(music21.stream.Score([struck])) == ["NOTE_60", "DUR_1"] * 2


def test_a_tied_chord_holds_the_tied_pitch_only():
    chord = music21.chord.Chord([note(60, 1, "start"), note(64, 1)])
    chord.quarterLength = 1
    score = music21.stream.Score([part(chord, note(60, 1, "stop"))])
    assert lab.score_to_tokens(score) == [
        "NOTE_60", "NOTE_64", "DUR_1", "NOTE_60", "DUR_1",
    ]  # fmt: skip


def test_silence_is_a_rest_before_and_between_notes_but_not_after():
    rest = music21.note.Rest(quarterLength=1.5)
    score = music21.stream.Score([part(rest, note(60, 1), music21.note.Rest(), note(62, 1))])
    score.parts[0].append(music21.note.Rest())
    assert lab.score_to_tokens(score) == [
        "REST", "DUR_3/2", "NOTE_60", "DUR_1", "REST", "DUR_1", "NOTE_62", "DUR_1",
    ]  # fmt: skip


def test_grace_notes_and_unpitched_notes_are_left_out():
    grace = note(61, 1).getGrace()
    drum = music21.note.Unpitched(quarterLength=1)
    score = music21.stream.Score([part(grace, note(60, 1)), part(drum)])
    assert lab.score_to_tokens(score) == ["NOTE_60", "DUR_1"]


def test_triplets_are_exact_fractions():
    score = music21.stream.Score([part(*(note(60 + i, Fraction(1, 3)) for i in range(3)))])
    assert lab.score_to_tokens(score)[1::2] == ["DUR_1/3"] * 3


def test_an_empty_score_has_no_tokens():
    assert lab.score_to_tokens(music21.stream.Score()) == []
    assert lab.score_to_tokens(lab.tokens_to_score([])) == []


@pytest.mark.parametrize(
    ("tokens", "meaning"),
    [
        (["START", "NOTE_60", "PAD", "DUR_1", "END"], ["NOTE_60", "DUR_1"]),
        (["NOTE_67", "NOTE_60", "NOTE_67", "DUR_1"], ["NOTE_60", "NOTE_67", "DUR_1"]),
        (["REST", "NOTE_60", "DUR_1"], ["NOTE_60", "DUR_1"]),
        (["DUR_4", "NOTE_60", "DUR_1", "DUR_2"], ["NOTE_60", "DUR_1"]),
        (["NOTE_60", "DUR_1", "NOTE_62"], ["NOTE_60", "DUR_1"]),
    ],
)
def test_ill_formed_tokens_have_the_stated_meaning(tokens, meaning):
    assert lab.score_to_tokens(lab.tokens_to_score(tokens)) == meaning


@pytest.mark.parametrize(
    "token", ["NOTE_128", "NOTE_x", "DUR_0", "DUR_", "DUR_1/", "DUR_1/0", "BAR", ""]
)
def test_an_unknown_spelling_is_named(token):
    with pytest.raises(ValueError, match=repr(token)):
        lab.tokens_to_score(["NOTE_60", token])


# 3.3 and 3.4


def test_the_vocabulary_is_ordered_by_count_then_alphabetically():
    pieces = [["b", "a", "c", "c"], ["PAD", "b", "c", "a", "d"]]
    assert lab.build_vocabulary(pieces) == [*lab.SPECIALS, "c", "a", "b", "d"]
    assert lab.build_vocabulary(pieces, min_count=2) == [*lab.SPECIALS, "c", "a", "b"]
    assert lab.build_vocabulary([]) == lab.SPECIALS


def test_chorales_need_few_types_and_leave_few_unknown(chorales):
    train = [tokens for name, (_, tokens) in chorales.items() if split_of(name) == "train"]
    held = [t for n, (_, tokens) in chorales.items() if split_of(n) != "train" for t in tokens]
    vocabulary = lab.build_vocabulary(train)
    assert len(vocabulary) < 200
    assert held
    assert np.mean([token not in vocabulary for token in held]) < 0.005


@pytest.mark.parametrize(("length", "stride"), [(4, 4), (4, 3), (5, 1), (1, 1), (50, 50)])
def test_windows_hold_each_piece_shifted_by_one_and_nothing_else(length, stride):
    pieces = [list(range(4, 4 + size)) for size in (0, 1, 3, 4, 7, 8, 20)]
    inputs, targets, mask = lab.make_windows(pieces, length, stride)
    assert inputs.dtype == targets.dtype == np.int32
    assert mask.dtype == bool
    assert inputs.shape == targets.shape == mask.shape
    row = 0
    for piece in pieces:
        framed = [lab.START, *piece, lab.END]
        start = 0
        while True:
            size = min(length, len(framed) - 1 - start)
            assert inputs[row, :size].tolist() == framed[start : start + size]
            assert targets[row, :size].tolist() == framed[start + 1 : start + 1 + size]
            assert mask[row].tolist() == [True] * size + [False] * (length - size)
            assert not inputs[row, size:].any()
            assert not targets[row, size:].any()
            row += 1
            if start + length >= len(framed) - 1:
                break
            start += stride
    assert row == len(inputs)


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (4, 0), (4, 5), (-1, -1)])
def test_windows_refuse_impossible_strides(length, stride):
    with pytest.raises(ValueError, match="stride"):
        lab.make_windows([[4]], length, stride)


def test_no_pieces_give_no_windows():
    assert [array.shape for array in lab.make_windows([], 6, 2)] == [(0, 6)] * 3


# 3.5


def test_the_stepper_gives_the_models_logits_position_by_position(models):
    model, stepper = models
    ids = np.random.default_rng(0).integers(0, 11, (3, 9))
    whole = model.predict_on_batch(ids)
    states = [np.zeros((3, 7), np.float32)] * 4
    for position in range(9):
        logits, *states = stepper.predict_on_batch([ids[:, position : position + 1], *states])
        np.testing.assert_allclose(logits, whole[:, position], atol=1e-5)


def test_model_and_stepper_share_their_weights(models):
    model, stepper = models
    assert {id(weight) for weight in model.weights} == {id(weight) for weight in stepper.weights}
    assert {w.path.split("/")[0] for w in model.weights} == {
        "embedding", "lstm_0", "lstm_1", "logits",
    }  # fmt: skip


def test_later_tokens_do_not_change_earlier_logits(models):
    model, _ = models
    ids = np.random.default_rng(0).integers(0, 11, (2, 8))
    changed = ids.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % 11
    before, after = model.predict_on_batch(ids), model.predict_on_batch(changed)
    np.testing.assert_allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-4


def test_it_learns_one_batch_by_heart():
    keras.utils.set_random_seed(0)
    model, _ = lab.build_note_lstm(9, 16, 48, 1, 0.0)
    inputs, targets, _ = lab.make_windows([[4, 5, 6, 7, 8, 4, 6], [8, 7, 5]], 8, 8)
    assert abs(float(lab.masked_cross_entropy(targets, model(inputs))) - np.log(9)) < 0.3
    model.compile(keras.optimizers.Adam(0.02), loss=lab.masked_cross_entropy)
    model.fit(inputs, targets, epochs=80, verbose=0)
    # which of the two pieces begins cannot be known: 2 ln 2 nats over 12 tokens, 0.116
    assert float(lab.masked_cross_entropy(targets, model(inputs))) < 0.13


def logits_and_loss(ids):
    """Give what a model with weights that are always the same says, and its loss."""
    model, _ = lab.build_note_lstm(11, 5, 7, 2, 0.1)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.4, weight.shape) for weight in model.weights])
    logits = model.predict_on_batch(ids)
    return {"logits": logits, "loss": np.asarray(lab.masked_cross_entropy(ids, logits))}


def test_the_same_weights_give_the_same_logits_on_jax(tmp_path):
    ids = np.random.default_rng(0).integers(0, 11, (3, 9))
    check_on_jax(logits_and_loss, tmp_path, 1e-5, ids=ids)


# 3.6 and 3.7


def test_every_token_counts_the_same_and_padding_never():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 6)).astype(np.float32)
    targets = np.array([[3, 5, 1, 2], [4, 0, 0, 0]])
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    real = [(row, position) for row in range(2) for position in range(4) if targets[row, position]]
    loss = -np.mean([np.log(shares[*place, targets[place]]) for place in real])
    right = np.mean([logits[place].argmax() == targets[place] for place in real])
    for kind in (np.int32, np.float32):
        got = lab.masked_cross_entropy(targets.astype(kind), logits)
        np.testing.assert_allclose(np.asarray(got), loss, rtol=1e-5)
        got = lab.masked_accuracy(targets.astype(kind), logits)
        np.testing.assert_allclose(np.asarray(got), right, rtol=1e-6)
    logits[1, 1:] = 1e4
    np.testing.assert_allclose(
        np.asarray(lab.masked_cross_entropy(targets, logits)), loss, rtol=1e-5
    )


def test_all_padding_is_zero_and_large_logits_are_finite():
    targets = np.zeros((2, 3), np.int32)
    logits = np.full((2, 3, 5), 1e4, np.float32)
    logits[..., 1] = -1e4
    assert float(lab.masked_cross_entropy(targets, logits)) == 0
    assert float(lab.masked_accuracy(targets, logits)) == 0
    assert float(lab.masked_cross_entropy(targets + 1, logits)) == pytest.approx(
        2e4 + np.log(4), rel=1e-5
    )


# 3.8


LOGITS = np.log(np.array([0.4, 0.1, 0.3, 0.15, 0.05]))
DRAWS = 20_000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.4, 0.1, 0.3, 0.15, 0.05]),
        ({"temperature": 0.5}, [0.16, 0.01, 0.09, 0.0225, 0.0025]),
        ({"temperature": 2.0}, np.sqrt([0.4, 0.1, 0.3, 0.15, 0.05])),
        ({"top_k": 2}, [4, 0, 3, 0, 0]),
        ({"top_k": 99}, [0.4, 0.1, 0.3, 0.15, 0.05]),
        ({"top_p": 0.75}, [0.4, 0, 0.3, 0.15, 0]),
        ({"top_p": 0.69}, [4, 0, 3, 0, 0]),
        ({"top_k": 3, "top_p": 0.75}, [4, 0, 3, 0, 0]),
        ({"temperature": 0.5, "top_p": 0.55}, [1, 0, 0, 0, 0]),
    ],
)
def test_draws_follow_the_stated_distribution(options, expected):
    """Hoeffding: a share is off by 0.02 with odds of at most 2 exp(-2 · 20000 · 0.02²) = 2.3e-7."""
    expected = np.array(expected) / np.sum(expected)
    ids = lab.sample_next(np.tile(LOGITS, (DRAWS, 1)), **options, seed=0)
    assert ids.dtype == np.int32
    assert ids.shape == (DRAWS,)
    shares = np.bincount(ids, minlength=5) / DRAWS
    assert np.abs(shares - expected).max() < 0.02
    assert not shares[expected == 0].any()


def test_temperature_zero_and_its_limit_are_argmax():
    logits = np.array([[1.0, 3.0, 3.0, -np.inf], [5.0, 4.999, 0.0, 1.0]])
    assert lab.sample_next(logits, 0).tolist() == [1, 0]
    for temperature in (1e-6, 1e-300, 5e-324):
        drawn = lab.sample_next(np.repeat(logits, 50, axis=0), temperature, seed=0)
        assert set(drawn[:50]) <= {1, 2}
        assert set(drawn[50:]) == {0}


def test_ids_that_cannot_be_are_never_drawn():
    logits = np.tile([0.0, -np.inf, 0.0], (500, 1))
    assert 1 not in lab.sample_next(logits, 5.0, seed=0)


def test_an_int_seed_repeats_and_a_generator_goes_on():
    logits = np.zeros((50, 20))
    assert (lab.sample_next(logits, seed=3) == lab.sample_next(logits, seed=3)).all()
    rng = np.random.default_rng(3)
    assert (lab.sample_next(logits, seed=rng) != lab.sample_next(logits, seed=rng)).any()


@pytest.mark.parametrize(
    "options",
    [{"temperature": -0.1}, {"temperature": np.nan}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        lab.sample_next(np.zeros((1, 3)), **options)


# 3.9


class Counting:
    """A stepper that continues by one, ends after 8, and notes what it is fed."""

    def __init__(self):
        self.inputs = [np.zeros((1, 1)), np.zeros((1, 2)), np.zeros((1, 3))]
        self.fed = []

    def predict_on_batch(self, inputs):
        ids, sums, counts = inputs
        assert sums.shape == (len(ids), 2)
        assert counts.shape == (len(ids), 3)
        self.fed.append(ids[:, 0].tolist())
        logits = np.full((len(ids), 12), -50.0, np.float32)
        logits[np.arange(len(ids)), np.where(ids[:, 0] >= 8, lab.END, ids[:, 0] + 1)] = 50
        return [logits, sums + ids, counts + 1]


def test_each_row_goes_on_to_its_own_end_and_nothing_is_read_twice():
    stepper = Counting()
    pieces = lab.generate(stepper, np.array([[1, 4], [1, 7]]), 20, seed=0)
    assert pieces == [[1, 4, 5, 6, 7, 8, lab.END], [1, 7, 8, lab.END]]
    assert [row[0] for row in stepper.fed] == [1, 4, 5, 6, 7, 8]


def test_a_piece_has_at_most_max_length_ids():
    assert lab.generate(Counting(), np.array([[1, 4]]), 4) == [[1, 4, 5, 6]]
    assert lab.generate(Counting(), np.array([[1, 4]]), 2) == [[1, 4]]
    with pytest.raises(ValueError, match="max_length"):
        lab.generate(Counting(), np.array([[1, 4]]), 1)


def test_argmax_continues_as_the_model_says(models):
    model, stepper = models
    primers = np.array([[1, 4, 5], [1, 9, 3]])
    for row, piece in zip(primers, lab.generate(stepper, primers, 12, 0), strict=True):
        expected = row.tolist()
        while len(expected) < 12 and (len(expected) == 3 or expected[-1] != lab.END):
            expected.append(int(model.predict_on_batch(np.array([expected]))[0, -1].argmax()))
        assert piece == expected


def test_a_seed_decides_the_pieces(models):
    _, stepper = models
    primers = np.full((4, 1), lab.START)
    drawn = [lab.generate(stepper, primers, 30, 1.0, seed=seed) for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]
