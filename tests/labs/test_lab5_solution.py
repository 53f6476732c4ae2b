"""Lab 5's own answers, held to the authors' words, to definitions, and to each other."""

import json
import re
from functools import partial

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from labs.lab5_long_context import solution as lab
from tests.on_jax import check_on_jax
from toolkit.data.parallel import map_items
from toolkit.errors import EtudeError
from toolkit.music.piece import CHORDS, Piece, read_piece
from toolkit.music.remi import (
    AUTHORS,
    BEFORE_COMPOUND,
    COMPOUND,
    FIELDS,
    SCORE,
    SPELLINGS,
    TALK,
)
from toolkit.training.runtime import compiled

ATOL = 2e-5  # the same sums in another order, on numbers of about 1 to 10


def numpy(*tensors):
    found = [ops.convert_to_numpy(one) for one in tensors]
    return found[0] if len(found) == 1 else found


# The authors' words


class Reference:
    """The authors' words of Pop1K7, by song."""

    def __init__(self, shared_data):
        self.songs = shared_data / "pop1k7" / "midi_analyzed"
        folder = shared_data / "pop1k7" / "reference_tokens"
        self.remi, self.compound = (
            dict(np.load(folder / f"{kind}_words.npz")) for kind in ("remi", "cp")
        )
        remi, compound = (
            json.loads((folder / f"{kind}_vocab_id_to_token.json").read_text())
            for kind in ("remi", "cp")
        )
        self.remi_words = np.array(remi)
        self.compound_ids = [
            np.array([COMPOUND[field].index(str(word)) for word in compound[field]])
            for field in FIELDS
        ]
        self.names = self.remi["names"].tolist()

    def path(self, name):
        return self.songs / f"{name}.mid"

    def of(self, kind, name):
        number, held = self.names.index(name), getattr(self, kind)
        rows = held["tokens"][held["offsets"][number] : held["offsets"][number + 1]]
        if kind == "remi":
            return self.remi_words[rows].tolist()
        return np.stack([ids[rows[:, i]] for i, ids in enumerate(self.compound_ids)], axis=1)


@pytest.fixture(scope="module")
def reference(shared_data):
    return Reference(shared_data)


def encoded(path):
    """A song's REMI, its compound words, and whether nothing is lost between them."""
    piece = read_piece(path)
    words = lab.encode_remi(piece, AUTHORS)
    rows = lab.remi_to_compound(lab.encode_remi(piece, BEFORE_COMPOUND))
    again, broken = lab.compound_to_remi(lab.remi_to_compound(words))
    _, none = lab.decode_remi(words, AUTHORS)
    return words, rows, again == words and broken == none == 0


def assert_the_authors(reference, name, words, rows, lossless):
    assert words == reference.of("remi", name)
    assert np.array_equal(rows, reference.of("compound", name))
    assert lossless


def test_words_are_the_authors_on_forty_songs(reference):
    names = reference.names[:: len(reference.names) // 40]
    for name in names:
        assert_the_authors(reference, name, *encoded(reference.path(name)))


@pytest.mark.verify
def test_words_are_the_authors_on_every_song(reference):
    paths = [reference.path(name) for name in reference.names]
    assert len(paths) == 1747
    found, failures = map_items(encoded, paths, "Pop1K7 by Lab 5's encoder")
    assert not failures
    for name, one in zip(reference.names, found, strict=True):
        assert_the_authors(reference, name, *one)


def test_chords_are_the_markers_on_thirty_songs(reference):
    for name in reference.names[:: len(reference.names) // 29]:
        piece = read_piece(reference.path(name))
        chords = lab.recognise_chords(piece.notes)
        marked, current = dict(piece.chords), None
        wanted = [current := marked.get(beat * 480, current) for beat in range(len(chords))]
        assert chords == wanted
        assert max(marked) < 480 * len(chords)


# The talk's event list: a bar and what begins the second, as published
PUBLISHED = """
Bar_None | Position_1/16 Chord_N:N | Position_1/16 Tempo Class_mid Tempo Value_30
Position_5/16 Tempo Class_slow Tempo Value_0 | Position_9/16 Chord_G:maj
Position_9/16 Tempo Class_mid Tempo Value_56
Position_9/16 Note Velocity_13 Note On_59 Note Duration_9
Position_13/16 Tempo Class_mid Tempo Value_49
Position_13/16 Note Velocity_14 Note On_60 Note Duration_9
Bar_None | Position_1/16 Tempo Class_mid Tempo Value_56 | Position_1/16
"""


def test_words_are_the_talks():
    notes = [[960, 960 + 574, 59, 55], [1440, 1440 + 578, 60, 57], [1920, 2400, 62, 60]]
    tempi = [[0, 120], [480, 30], [960, 146], [1440, 139], [1920, 146]]
    piece = Piece(np.array(notes), np.array(tempi, float), ((0, "N_N"), (960, "G_M")))
    words = lab.encode_remi(piece, TALK)
    wanted = re.findall(r"(?:Tempo |Note )?\w+_\S+", PUBLISHED)
    assert words[: len(wanted)] == wanted


# Music at random: nothing is unknown, nothing fails

ticks = st.integers(0, 20_000)
pieces = st.builds(
    lambda notes, tempi, chords: Piece(
        np.array([[start, start + length, *rest] for start, length, *rest in notes]),
        np.array(sorted(tempi), float).reshape(-1, 2),
        tuple(sorted(chords)),
    ),
    st.lists(
        st.tuples(ticks, st.integers(0, 9_000), st.integers(0, 127), st.integers(1, 127)),
        min_size=1,
        max_size=30,
    ),
    st.lists(st.tuples(ticks, st.floats(1, 2_000)), max_size=8),
    st.lists(st.tuples(ticks, st.sampled_from(CHORDS)), max_size=8),
)


def held(piece, spelling):
    """Notes by step, as words; a piece's content whatever the order within a step."""
    return sorted(
        (round(start / 120), *spelling.note(pitch, velocity, end - start))
        for start, end, pitch, velocity in piece.notes.tolist()
    )


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@given(piece=pieces)
def test_any_music_is_encoded_in_the_closed_vocabulary_and_comes_back(spelling, piece):
    words = lab.encode_remi(piece, spelling)
    assert set(words) <= set(spelling.vocabulary)
    again, broken = lab.decode_remi(words, spelling)
    assert broken == 0
    first = round(int(piece.notes[:, 0].min()) / 120) // 16 * 1920
    moved = piece.notes - [first, first, 0, 0]
    if not spelling.drops_end:
        played = lab.decode_remi(lab.encode_remi(piece, spelling), spelling)[0]
        assert len(played.notes) == len(moved)
        starts = sorted((np.round(moved[:, 0] / 120) * 120).astype(int).tolist())
        assert sorted(played.notes[:, 0].tolist()) == starts
    # what was decoded is on the grid: from there on nothing changes any more
    if len(again.notes) and not spelling.drops_end:
        twice, _ = lab.decode_remi(lab.encode_remi(again, spelling), spelling)
        assert held(twice, spelling) == held(again, spelling)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@given(data=st.data())
def test_whatever_a_model_writes_is_decoded(spelling, data):
    words = data.draw(st.lists(st.sampled_from(spelling.vocabulary), max_size=60))
    piece, broken = lab.decode_remi(words, spelling)
    said = words[: words.index("EOS_None")] if "EOS_None" in words else words
    items = len(piece.chords) + len(piece.tempi) * (2 if spelling is TALK else 1)
    items += len(piece.notes) * len(spelling.parts)
    bars = said.count("Bar_None")
    positions = sum(spelling.words[word][0] == "position" for word in said)
    assert items + bars <= len(said) - broken <= items + bars + positions


@given(rows=st.lists(st.tuples(*(st.integers(0, len(COMPOUND[f]) - 1) for f in FIELDS))))
def test_whatever_rows_a_model_writes_are_spelled_out(rows):
    words, broken = lab.compound_to_remi(np.array(rows).reshape(-1, 7))
    assert set(words) <= set(AUTHORS.vocabulary)
    lab.decode_remi(words, AUTHORS)
    assert 0 <= broken <= len(rows)


def test_a_last_onset_on_a_bar_line_stays_but_with_the_authors():
    piece = Piece(np.array([[0, 480, 60, 80], [1920, 2400, 62, 80]]))
    assert lab.encode_remi(piece, AUTHORS).count("Note_Pitch_62") == 0
    assert lab.encode_remi(piece, SCORE).count("Note_Pitch_62") == 1
    assert lab.encode_remi(piece, SCORE).count("Bar_None") == 3


def test_bad_input_is_told_in_a_sentence():
    with pytest.raises(EtudeError, match="no notes"):
        lab.encode_remi(Piece(np.zeros((0, 4), int)), AUTHORS)
    with pytest.raises(EtudeError, match="'Note On_60'"):
        lab.decode_remi(["Note On_60"], AUTHORS)
    with pytest.raises(EtudeError, match="'Note On_60'"):
        lab.remi_to_compound(["Note On_60"])
    with pytest.raises(EtudeError, match="field 'pitch'"):
        lab.compound_to_remi(np.array([[0, 0, 0, 2, 129, 1, 1]]))
    with pytest.raises(EtudeError, match="at least 1"):
        next(lab.stream_batches(np.arange(3), np.array([0, 3]), 0, 1))


# The models

SMALL = (20, 16, 2, 24, 2, 6)
FIELD_SIZES = (5, 6, 4, 3, 7, 5, 4)


def with_large_weights(model, shape):
    """Build a model whose every weight matters."""
    model.build(shape)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.normal("gamma" in weight.path, 0.2, weight.shape))
    return model


def made_xl(**options):
    return with_large_weights(lab.TransformerXL(*SMALL, **options), (None, None))


def made_compound():
    model = lab.CompoundTransformer(FIELD_SIZES, (4, 4, 2, 2, 6, 4, 4), 16, 2, 24, 2)
    return with_large_weights(model, (None, None, 7))


@pytest.fixture(scope="module")
def xl():
    return made_xl()


@pytest.fixture(scope="module")
def compound():
    return made_compound()


@pytest.fixture(scope="module")
def ids():
    return np.random.default_rng(2).integers(0, 20, (3, 18)).astype(np.int32)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    return np.stack([rng.integers(0, size, (3, 14)) for size in FIELD_SIZES], axis=-1)


def test_parameters_are_those_of_the_published_table():
    xl = lab.TransformerXL(332, 512, 8, 2048, 12, 512)
    xl.build((None, None))
    assert xl.count_params() == 41_291_084
    sizes, widths = (56, 135, 18, 3, 87, 18, 25), (128, 256, 64, 32, 512, 128, 128)
    compound = lab.CompoundTransformer(sizes, widths, 512, 8, 2048, 12)
    compound.build((None, None, 7))
    assert compound.count_params() == 39_016_630


@pytest.mark.parametrize(("target", "source"), [(5, 5), (3, 8), (1, 6), (2, 3)])
def test_the_four_terms_are_the_definition(target, source):
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, 3, target, 4)), rng.normal(size=(2, 3, source, 4))
    r, (u, v) = rng.normal(size=(3, source, 4)), rng.normal(size=(2, 3, 4))
    got = numpy(lab.relative_scores(*(x.astype("float32") for x in (queries, keys, r, u, v))))
    for b, h, t in np.ndindex(2, 3, target):
        for s in range(source - target + t + 1):
            distance = source - target + t - s
            place = r[h, source - 1 - distance]
            content, q = keys[b, h, s], queries[b, h, t]
            wanted = q @ content + q @ place + u[h] @ content + v[h] @ place
            assert got[b, h, t, s] == pytest.approx(wanted, abs=ATOL)


@pytest.mark.parametrize("length", [1, 3, 7])
def test_segments_with_memory_are_the_whole_at_once(xl, ids, length):
    memory, logits = xl.empty_memory(3, 18), []
    for begin in range(0, 18, length):
        some, memory = xl.read(ids[:, begin : begin + length], memory)
        logits.append(numpy(some))
    np.testing.assert_allclose(np.concatenate(logits, 1), numpy(xl(ids)), atol=ATOL)


def test_with_same_length_it_does_not_matter_where_segments_are_cut(ids):
    xl, found = made_xl(same_length=True), []
    for length in (1, 4):
        memory, logits = xl.empty_memory(3), []
        for begin in range(0, 18, length):
            some, memory = xl.read(ids[:, begin : begin + length], memory)
            logits.append(numpy(some))
        found.append(np.concatenate(logits, axis=1))
    np.testing.assert_allclose(*found, atol=ATOL)


def test_what_is_unknown_does_not_matter_and_a_row_forgets_alone(xl, ids):
    _, memory = xl.read(ids, xl.empty_memory(3))
    fresh = np.array([False, True, False])
    memory[0] = ops.logical_and(memory[0], ~fresh[:, None])
    after, _ = xl.read(ids, memory)
    alone = xl(ids)
    np.testing.assert_allclose(numpy(after)[1], numpy(alone)[1], atol=ATOL)
    assert np.abs(numpy(after) - numpy(alone))[[0, 2]].max() > 0.01


def test_no_gradient_goes_into_the_memory(xl, ids):
    tf = pytest.importorskip("tensorflow")
    _, (known, *hiddens) = xl.read(ids, xl.empty_memory(3))
    with tf.GradientTape(persistent=True) as tape:
        for hidden in hiddens:
            tape.watch(hidden)
        logits, kept = xl.read(ids, [known, *hiddens])
        total, of_memory = ops.sum(logits), sum(ops.sum(part) for part in kept[1:])
    assert all(one is None or not np.any(one) for one in tape.gradient(total, hiddens))
    weights = [weight.value for weight in xl.trainable_variables]
    assert all(one is not None for one in tape.gradient(total, weights))
    assert all(one is None for one in tape.gradient(of_memory, weights))


@pytest.mark.parametrize("primer", [1, 4, 11])
def test_a_step_of_xl_scores_as_a_segment_of_one_does(xl, ids, primer):
    memory, wanted = xl.empty_memory(3), []
    _, memory = xl.read(ids[:, : primer - 1], memory) if primer > 1 else (None, memory)
    for position in range(primer - 1, 18):
        logits, memory = xl.read(ids[:, position : position + 1], memory)
        wanted.append(numpy(logits)[:, 0])
    cache, state = xl.start(ids[:, :primer], 4)
    for number, position in enumerate(range(primer - 1, 18)):
        if number and number % 4 == 0:
            cache, state = xl.move(cache, state)
        hidden, state = xl.step(ids[:, position], cache, state)
        np.testing.assert_allclose(numpy(xl.output_layer(hidden)), wanted[number], atol=ATOL)


@pytest.mark.parametrize("chunk", [1, 4, 5, 13, 64])
def test_linear_attention_has_three_ways_to_one_result(chunk):
    rng = np.random.default_rng(4)
    queries, keys, values = (2 * rng.normal(size=(2, 3, 13, 4)).astype("f4") for _ in range(3))
    wanted = numpy(lab.linear_attention(queries, keys, values))
    output, *kept = numpy(*lab.causal_linear_attention(queries, keys, values, chunk))
    np.testing.assert_allclose(output, wanted, atol=ATOL)
    state = [np.zeros((2, 3, 4, 4), "f4"), np.zeros((2, 3, 4), "f4")]
    for t in range(13):
        one, *state = lab.linear_attention_step(
            queries[:, :, t], keys[:, :, t], values[:, :, t], *state
        )
        np.testing.assert_allclose(numpy(one), wanted[:, :, t], atol=ATOL)
    for one, other in zip(kept, numpy(*state), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_long_sums_bear_half_precision():
    ones = np.ones((1, 1, 20_000, 2), "float16") * np.float16(8)
    output, sums, _ = numpy(*lab.causal_linear_attention(ones, ones, ones))
    assert output.dtype == np.float16
    np.testing.assert_allclose(output, 8, rtol=1e-3)
    np.testing.assert_allclose(sums, 20_000 * 9 * 8, rtol=1e-4)


@pytest.mark.parametrize("primer", [1, 5])
def test_a_step_of_compound_words_scores_as_the_call_does(compound, rows, primer):
    types = np.roll(rows[..., lab.TYPE], -1, axis=1)
    wanted = numpy(*compound(rows, types))
    _, state = compound.start(rows[:, :primer], 3)
    for position in range(primer - 1, 14):
        hidden, state = compound.step(rows[:, position], [], state)
        vectors = compound.embedding.of_types(types[:, position])
        for one, other in zip(numpy(*compound.heads(hidden, vectors)), wanted, strict=True):
            np.testing.assert_allclose(one, other[:, position], atol=ATOL)


def test_streams_hold_every_word_once_and_fit_the_memory():
    sizes = np.random.default_rng(5).integers(1, 30, 12)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    tokens = np.arange(1, offsets[-1] + 1).astype(np.uint16)
    seen, last = [], np.zeros(4, int)
    for inputs, targets, fresh in lab.stream_batches(tokens, offsets, 7, 4, seed=1):
        for row in range(4):
            words = targets[row][targets[row] != lab.PAD]
            seen += words.tolist()
            if len(words):
                assert inputs[row, 0] == (0 if fresh[row] else last[row])
                assert inputs[row, 1 : len(words)].tolist() == words[:-1].tolist()
                assert fresh[row] == (words[0] - 1 in offsets)
                last[row] = words[-1]
    assert sorted(seen) == tokens.tolist()


# The loss


def test_losses_begin_near_those_of_guessing(ids, rows):
    keras.utils.set_random_seed(6)
    xl = lab.TransformerXL(*SMALL)
    nats, count = lab.masked_cross_entropy(ids, xl(ids))
    assert float(nats / count) == pytest.approx(np.log(20), rel=0.2)
    compound = lab.CompoundTransformer(FIELD_SIZES, (8,) * 7, 16, 2, 24, 2)
    loss = lab.compound_loss(rows, compound(rows, rows[..., lab.TYPE]))
    assert float(loss) == pytest.approx(np.log(FIELD_SIZES).mean(), rel=0.3)


def test_the_loss_of_a_row_is_kerass_field_by_field(rows):
    rng = np.random.default_rng(7)
    logits = [rng.normal(size=(3, 14, size)).astype("f4") for size in FIELD_SIZES]
    targets = rows.copy()
    targets[1, 5:] = lab.PAD
    means = [
        numpy(keras.losses.sparse_categorical_crossentropy(rows[..., i], one, from_logits=True))[
            targets[..., i] != lab.PAD
        ].mean()
        for i, one in enumerate(logits)
    ]
    assert float(lab.compound_loss(targets, logits)) == pytest.approx(np.mean(means), rel=1e-5)


# Generation


def generated(model, primers, sizes, steps=20, **options):
    noise = np.random.default_rng(8).gumbel(size=(primers.shape[0], steps, sum(sizes)))
    heats, shares = ([value] * len(sizes) for value in (0.9, 0.95))
    return lab.generate(model, primers, noise.astype("f4"), heats, shares, **options)


@pytest.mark.parametrize("slots", [1, 7, 20])
def test_slots_change_nothing_and_rows_end_at_their_end(xl, compound, ids, rows, slots):
    for model, primers, sizes in ((xl, ids[:, :4], (20,)), (compound, rows[:, :4], FIELD_SIZES)):
        whole = numpy(generated(model, primers, sizes))
        assert np.array_equal(numpy(generated(model, primers, sizes, slots=slots)), whole)
        for row in whole if whole.ndim == 2 else whole[..., lab.TYPE]:
            ends = np.flatnonzero(row == 0)
            assert not len(ends) or not row[ends[0] :].any()


def logits_and_songs(ids, rows):
    """Give what both models say and write, with weights that are always the same."""
    xl, compound = made_xl(), made_compound()
    memory, found = xl.empty_memory(3), {}
    for number, begin in enumerate((0, 9)):
        logits, memory = xl.read(ids[:, begin : begin + 9], memory)
        found[f"xl {number}"] = numpy(logits)
    for number, logits in enumerate(compound(rows, rows[..., lab.TYPE])):
        found[f"compound {number}"] = numpy(logits)
    for name, model, primers, sizes in (
        ("ids", xl, ids[:, :5], (20,)),
        ("rows", compound, rows[:, :5], FIELD_SIZES),
    ):
        write = partial(generated, model, sizes=sizes, steps=9, slots=6)
        found[name] = compiled(write, model)(primers)
    return found


def test_the_same_weights_give_the_same_logits_and_songs_on_jax(ids, rows, tmp_path):
    check_on_jax(logits_and_songs, tmp_path, ATOL, ids=ids, rows=rows)
