"""Lab 4's own answers, held to note-seq, to definitions, and to each other."""

import keras
import note_seq
import numpy as np
import pytest
from keras import ops

from labs.lab4_performances import solution as lab
from tests.on_jax import check_on_jax
from toolkit.data.parallel import map_items
from toolkit.music.midi import read_midi, read_notes, sequence_to_notes
from toolkit.music.performance import encode_performance
from toolkit.training.runtime import compiled

SMALL = {
    "vocab_size": lab.VOCAB_SIZE,
    "d_model": 16,
    "num_heads": 4,
    "ff_dim": 24,
    "num_layers": 2,
    "max_distance": 9,
    "window": 12,
}


def made_sequence(seed, notes=60, instruments=2):
    """Notes and pedal at random, some struck at one time, some drums."""
    rng = np.random.default_rng(seed)
    sequence = note_seq.NoteSequence()
    for _ in range(notes):
        start = rng.integers(0, 60) / 7
        sequence.notes.add(
            pitch=int(rng.integers(40, 52)),
            velocity=int(rng.integers(1, 128)),
            start_time=start,
            end_time=start + rng.choice([0.003, 0.1, 0.5, 2.5]),
            instrument=int(rng.integers(instruments)),
            is_drum=bool(rng.random() < 0.1),
        )
    for _ in range(30):
        sequence.control_changes.add(
            time=rng.integers(0, 60) / 7,
            control_number=int(rng.choice([64, 67])),
            control_value=int(rng.choice([0, 63, 64, 127])),
            instrument=int(rng.integers(instruments)),
        )
    sequence.total_time = max(note.end_time for note in sequence.notes)
    return sequence


def same_events(path):
    """Whether the lab's events of a file are the toolkit's."""
    events = lab.encode_performance(read_midi(path))
    return bool(np.array_equal(events, encode_performance(read_notes(path)) + 3))


def in_steps(sequence):
    """Notes in steps, in order."""
    return sorted(
        (round(100 * note.start_time), round(100 * note.end_time), note.pitch, note.velocity)
        for note in sequence.notes
    )


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    made = lab.MusicTransformer(**SMALL)
    made.build((None, None))
    return made


@pytest.fixture(scope="module")
def ids():
    rng = np.random.default_rng(2)
    return rng.integers(lab.NOTE_ON, lab.VOCAB_SIZE, (3, 40)).astype(np.int32)


# Events


@pytest.mark.parametrize("seed", range(20))
def test_the_pedal_is_note_seqs(seed):
    sequence = made_sequence(seed)
    before = sequence.SerializeToString(deterministic=True)
    ours = lab.apply_sustain(sequence)
    theirs = note_seq.apply_sustain_control_changes(sequence)
    assert sequence.SerializeToString(deterministic=True) == before
    assert sorted(map(str, ours.notes)) == sorted(map(str, theirs.notes))


@pytest.mark.parametrize("seed", range(20))
def test_events_are_the_toolkits(seed):
    sequence = made_sequence(seed)
    expected = encode_performance(sequence_to_notes(sequence))
    assert lab.encode_performance(sequence).tolist() == (expected + 3).tolist()


def test_events_of_real_files_are_the_toolkits(shared_data):
    files = sorted((shared_data / "maestro-v3.0.0").rglob("*.midi"))[::400]
    assert files
    for path in files:
        assert same_events(path)


@pytest.mark.verify
def test_events_of_every_maestro_file_are_the_toolkits(shared_data):
    files = sorted((shared_data / "maestro-v3.0.0").rglob("*.midi"))
    assert len(files) == 1276
    same, failures = map_items(same_events, files, "MAESTRO by the readable encoder")
    assert not failures
    assert all(same)


@pytest.mark.parametrize("seed", range(5))
def test_the_round_trip_is_exact_on_the_grid(seed):
    events = lab.encode_performance(made_sequence(seed, instruments=1))
    once = lab.decode_performance(events)
    again = lab.decode_performance(lab.encode_performance(once))
    assert once.notes
    assert in_steps(once) == in_steps(again)


def test_what_no_pianist_could_play_is_decoded_all_the_same():
    on, off, shift = lab.NOTE_ON + 60, lab.NOTE_OFF + 60, lab.TIME_SHIFT
    sequence = lab.decode_performance([off, shift + 4, on, off, on, shift + 9, on, lab.END, off])
    assert [(note.start_time, note.end_time) for note in sequence.notes] == [
        (0.05, 0.15),
        (0.15, 0.16),
    ]
    assert {note.velocity for note in sequence.notes} == {100}
    with pytest.raises(ValueError, match="391"):
        lab.decode_performance([391])


def test_stretching_does_not_drift():
    ids = np.tile([lab.TIME_SHIFT + 2, lab.NOTE_ON + 60, lab.NOTE_OFF + 60], 1000)
    moved = lab.augment(ids, 0, 1.05)
    steps = np.where((moved >= lab.TIME_SHIFT) & (moved < lab.VELOCITY), moved - 258, 0)
    assert steps.sum() == 3150


def test_nothing_is_changed_by_no_transposition_and_no_stretch():
    events = lab.encode_performance(made_sequence(3))
    assert lab.augment(events, 0, 1.0).tolist() == events.tolist()


def test_notes_that_leave_the_piano_come_back_by_an_octave():
    on = lab.NOTE_ON + np.array([21, 60, 108, 5])
    assert (lab.augment(on, 2, 1.0) - lab.NOTE_ON).tolist() == [23, 62, 98, 5]
    assert (lab.augment(on, -3, 1.0) - lab.NOTE_ON).tolist() == [30, 57, 105, 5]


# Crops and windows


def corpus(sizes, seed=0):
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return np.arange(3, 3 + offsets[-1], dtype=np.uint16), offsets


def test_every_token_is_equally_likely_to_be_a_target():
    tokens, offsets = corpus([3, 30, 7])
    counts = np.zeros(64)
    for _, (_, targets) in zip(
        range(400), lab.make_batches(tokens, offsets, 8, 64, seed=5), strict=False
    ):
        counts += np.bincount(targets.flatten(), minlength=64)
    # 25,600 crops of 64: a target's count is binomial; 6 sigma, false alarms below 1e-7
    crops, chance = 400 * 64, 8 / (40 + 3 * 8)
    expected, sigma = crops * chance, np.sqrt(crops * chance * (1 - chance))
    assert abs(counts[3:43] - expected).max() < 6 * sigma
    assert abs(counts[lab.END] - 3 * expected).max() < 6 * np.sqrt(3) * sigma
    assert counts[lab.START] == 0


def test_targets_follow_inputs_and_the_same_seed_gives_the_same():
    tokens, offsets = corpus([20, 30])
    first = next(lab.make_batches(tokens, offsets, 8, 16, seed=1))
    again = next(lab.make_batches(tokens, offsets, 8, 16, seed=1))
    other = next(lab.make_batches(tokens, offsets, 8, 16, seed=2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    for inputs, targets in zip(*first, strict=True):
        size = (targets != lab.PAD).sum()
        assert inputs[1:size].tolist() == targets[: size - 1].tolist()
        assert not inputs[size:].any()


@pytest.mark.parametrize("context", [0, 3, 7])
def test_windows_score_every_token_once(context):
    tokens, offsets = corpus([1, 8, 9, 25, 0])
    inputs, targets = lab.evaluation_windows(tokens, offsets, 8, context)
    scored = targets[targets != lab.PAD]
    assert sorted(scored) == sorted([*tokens, *[lab.END] * 5])
    # the target of each input that is not the last is the next input
    follows = (targets[:, :-1] == inputs[:, 1:]) | (targets[:, :-1] == lab.PAD)
    follows |= targets[:, :-1] == lab.END
    assert follows.all()


# The model


@pytest.mark.parametrize(("target", "source", "distance"), [(5, 5, 9), (3, 8, 2), (1, 6, 4)])
def test_the_skew_agrees_with_the_definition(target, source, distance):
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(2, target, 3, 4)).astype("float32")
    embeddings = rng.normal(size=(distance + 1, 4)).astype("float32")
    defined = ops.convert_to_numpy(lab.relative_logits(queries, embeddings, source))
    by_distance = embeddings[np.minimum(np.arange(source)[::-1], distance)]
    skewed = lab.skew(ops.einsum("bthk,sk->bhts", queries, by_distance))
    seen = np.tril(np.ones((target, source)), source - target).astype(bool)
    np.testing.assert_allclose(
        ops.convert_to_numpy(skewed)[..., seen], defined[..., seen], atol=1e-5
    )


@pytest.mark.verify
def test_the_skew_takes_a_third_of_the_definitions_memory_at_most(record_property):
    from benchmarks.relative_memory import run

    megabytes = {way: run(way, 1024)["bytes"] / 1e6 for way in ("gather", "skew")}
    record_property("megabytes", megabytes)
    assert megabytes["skew"] < megabytes["gather"] / 3
    # the vectors of all pairs, float32, are in the one and not in the other
    assert megabytes["gather"] > 1024**2 * 64 * 4 / 1e6 > megabytes["skew"]


def test_attention_is_the_definition_whatever_the_chunks(monkeypatch):
    keras.utils.set_random_seed(3)
    layer = lab.RelativeAttention(16, 4, 9, 12)
    x = np.random.default_rng(4).normal(size=(2, 21, 16)).astype("float32")
    mask = np.arange(21) < np.array([[21], [15]])
    queries, keys, values = (
        np.einsum("btd,dhk->bhtk", x, part.kernel) + np.asarray(part.bias)[:, None]
        for part in (layer.query, layer.key, layer.value)
        for _ in [layer.build(x.shape) if not layer.built else None]
    )
    relative = lab.relative_logits(queries.transpose(0, 2, 1, 3), layer.distances, 21)
    scores = (queries @ keys.transpose(0, 1, 3, 2) + np.asarray(relative)) / 2
    distance = np.arange(21)[:, None] - np.arange(21)
    scores[
        ~np.broadcast_to((distance >= 0) & (distance < 12) & mask[:, None, None], scores.shape)
    ] = -1e9
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    expected = np.asarray(layer.output_projection((weights @ values).transpose(0, 2, 1, 3)))
    for chunk in (256, 21, 5, 1):
        monkeypatch.setattr(lab.RelativeAttention, "CHUNK", chunk)
        ours = ops.convert_to_numpy(layer(x, mask=mask))
        np.testing.assert_allclose(ours[mask], expected[mask], atol=1e-5)


@pytest.mark.parametrize("primer", [1, 5, 30])
def test_a_step_from_the_cache_scores_as_the_full_pass_does(model, ids, primer):
    full = ops.convert_to_numpy(model(ids))
    cache = lab.KeyValueCache(model.window)
    kept = model.read(ids[:, :primer])
    old = [cache.move(part[:, :, :-1], part[:, :, :0]) for part in kept]
    position = primer - 1
    while position < 40:
        new = [ops.zeros((3, part.shape[1], 4, part.shape[3])) for part in old]
        for slot in range(min(4, 40 - position)):
            logits, new = model.step(ids[:, position : position + 1], slot, old, new)
            np.testing.assert_allclose(logits, full[:, position], atol=2e-5)
            position += 1
        old = [cache.move(*parts) for parts in zip(old, new, strict=True)]
        assert old[0].shape[2] <= model.window - 1


def test_the_loss_starts_near_that_of_guessing(model, ids):
    nats = float(lab.masked_cross_entropy(ids[:, 1:], model(ids)[:, :-1]))
    assert nats == pytest.approx(np.log(lab.VOCAB_SIZE), rel=0.2)


def test_dropout_acts_in_training(ids):
    model = lab.MusicTransformer(lab.VOCAB_SIZE, 16, 2, 16, 1, 31, 64, dropout=0.9)
    model.compile(
        keras.optimizers.SGD(0.0),
        lambda targets, logits: lab.masked_cross_entropy(ops.cast(targets, "int32"), logits),
    )
    ids = np.asarray(ids)
    losses = {float(model.train_on_batch(ids, ids)) for _ in range(3)}
    assert len(losses) == 3


def test_half_precision_bears_what_the_norm_must():
    x = np.full((1, 8), 60_000, np.float16)
    y = lab.RMSNorm(dtype="mixed_float16")(x)
    assert y.dtype == "float16"
    np.testing.assert_allclose(ops.convert_to_numpy(y), 1, rtol=1e-3)


def test_the_loss_scale_is_kerass():
    scale, good = 8.0, 0
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.0), initial_scale=8.0, dynamic_growth_steps=3
    )
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    for finite in [1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1]:
        gradient = ops.convert_to_tensor([1.0 if finite else np.inf])
        optimizer.apply([gradient], [weight])
        scale, good = lab.update_loss_scale(scale, good, bool(finite), 3)
        assert float(ops.convert_to_numpy(optimizer.dynamic_scale)) == scale


def test_the_schedule_peaks_at_the_end_of_the_warm_up():
    schedule = lab.WarmupSchedule(2.0, 10)
    rates = [float(schedule(step)) for step in range(40)]
    assert np.argmax(rates) == 9
    assert rates[9] == pytest.approx(2.0)
    assert rates[0] == pytest.approx(0.2)
    assert rates[39] == pytest.approx(1.0)


def test_smoothing_is_kerass():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 5, 7)).astype("float32")
    targets = rng.integers(1, 7, (2, 5))
    targets[1, 3:] = lab.PAD
    each = keras.losses.categorical_crossentropy(
        keras.utils.to_categorical(targets, 7), logits, from_logits=True, label_smoothing=0.1
    )
    expected = ops.convert_to_numpy(each)[targets != lab.PAD].mean()
    assert float(lab.masked_cross_entropy(targets, logits, 0.1)) == pytest.approx(
        expected, rel=1e-5
    )


# Writing


def generated(model, batch=4, steps=20, seed=0, **options):
    noise = np.random.default_rng(seed).gumbel(size=(batch, steps, lab.VOCAB_SIZE))
    primers = np.full((batch, 3), lab.NOTE_ON + 60, np.int32)
    primers[:, 0] = lab.START
    return ops.convert_to_numpy(lab.generate(model, primers, noise.astype("float32"), **options))


def test_slots_change_nothing_and_rows_end_at_end(model):
    whole = generated(model)
    for slots in (7, 20):
        assert np.array_equal(generated(model, slots=slots), whole)
    assert not np.isin(whole[:, 0], (lab.PAD, lab.START)).any()
    for row in whole:
        ends = np.flatnonzero(row == lab.END)
        if len(ends):
            assert not row[ends[0] + 1 :].any()


def test_the_grammar_releases_only_what_sounds(model):
    wild, tame = (generated(model, batch=8, steps=30, grammar=g) for g in (False, True))

    def silent_releases(rows):
        count = 0
        for row in rows:
            sounding = np.zeros(128, int)
            sounding[60] = 2
            for token in row:
                if lab.NOTE_ON <= token < lab.NOTE_OFF:
                    sounding[token - lab.NOTE_ON] += 1
                elif lab.NOTE_OFF <= token < lab.TIME_SHIFT:
                    count += sounding[token - lab.NOTE_OFF] == 0
                    sounding[token - lab.NOTE_OFF] -= sounding[token - lab.NOTE_OFF] > 0
        return count

    assert silent_releases(wild) > 10
    assert silent_releases(tame) == 0


def test_what_is_written_is_what_the_full_pass_finds_likeliest(model):
    noise = np.zeros((1, 20, lab.VOCAB_SIZE), np.float32)
    row = list(ops.convert_to_numpy(lab.generate(model, [[lab.START]], noise))[0])
    line = np.array([[lab.START, *row]])
    logits = ops.convert_to_numpy(model(line))[0]
    logits[:, [lab.PAD, lab.START]] = -np.inf
    assert logits[:-1].argmax(-1).tolist() == row


def logits_and_pieces(ids, noise):
    """Give what a model with weights that are always the same says and writes."""
    model = lab.MusicTransformer(**SMALL)
    model.build((None, None))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.2, weight.shape) for weight in model.weights])

    def write(primers, noise):
        return lab.generate(model, primers, noise, 0.9, 50, 0.95, True, slots=8)

    written = compiled(write, model)(ids[:, :9], noise)
    return {"logits": ops.convert_to_numpy(model(ids)), "written": written}


def test_the_same_weights_give_the_same_logits_and_pieces_on_jax(ids, tmp_path):
    noise = np.random.default_rng(9).gumbel(size=(3, 20, lab.VOCAB_SIZE)).astype("float32")
    check_on_jax(logits_and_pieces, tmp_path, 2e-5, ids=ids, noise=noise)
