"""Lab 6's own answers, held to Hugging Face's, to brute force, and to MusDr's definitions."""

import itertools
import json
import re

import numpy as np
import pytest
from keras import ops

from labs.lab4_performances import solution as lab4
from labs.lab6_language_models import solution as lab
from tests.on_jax import check_on_jax
from toolkit.paths import ROOT
from toolkit.training.runtime import compiled

PEERS = ROOT / "benchmarks" / "results" / "hugging_face"
SIZES = {
    "vocab_size": 20,
    "d_model": 16,
    "num_heads": 4,
    "num_kv_heads": 4,
    "ff_dim": 24,
    "num_layers": 2,
    "context_length": 40,
}
KINDS = {"gpt2": SIZES | lab.GPT2, "llama": SIZES | lab.LLAMA | {"num_kv_heads": 2}}


def small(settings, seed=1, scale=0.5):
    """A model with large random weights."""
    made = lab.LanguageModel(**settings)
    made.build((None, None))
    rng = np.random.default_rng(seed)
    for weight in made.weights:
        weight.assign(rng.normal(0, scale, weight.shape))
    return made


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return small(KINDS[request.param])


@pytest.fixture(scope="module")
def primers():
    drawn = np.random.default_rng(2).integers(3, 20, (3, 5))
    drawn[:, 0] = lab.START
    return drawn


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


# Hugging Face's models


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_published_weights_give_the_published_logits(kind):
    facts, recorded = (
        json.loads((PEERS / "versions.json").read_text()),
        np.load(PEERS / "logits.npz"),
    )
    sizes = facts["sizes"] | {
        "ff_dim": facts["ff_dim"][kind],
        "num_kv_heads": facts["num_kv_heads"][kind],
    }
    made = lab.LanguageModel(**sizes, **{"gpt2": lab.GPT2, "llama": lab.LLAMA}[kind])
    made.build((None, None))
    lab.load_checkpoint(made, lab.read_safetensors(PEERS / f"{kind}.safetensors"))
    np.testing.assert_allclose(numpy(made(recorded["ids"])), recorded[kind], rtol=0, atol=1e-5)


def test_the_wrong_model_is_refused_with_the_names_that_do_not_fit():
    tensors = lab.read_safetensors(PEERS / "gpt2.safetensors")
    for settings, name in ((KINDS["llama"], "bias"), (KINDS["gpt2"], "(24, 16)")):
        made = small(settings | {"vocab_size": 40, "ff_dim": 64})
        before = made.get_weights()
        with pytest.raises(ValueError, match=re.escape(name)):
            lab.load_checkpoint(made, tensors)
        assert all(map(np.array_equal, made.get_weights(), before))


# The models


def test_a_step_from_the_cache_scores_as_the_full_pass_does(model, primers):
    ids = np.random.default_rng(3).integers(3, 20, (3, 30))
    full = numpy(model(ids))
    old, position = [part[:, :, :-1] for part in model.read(ids[:, :5])], 4
    while position < 30:
        new = lab.room(old, 4)
        for slot in range(min(4, 30 - position)):
            logits, new = model.step(ids[:, position : position + 1], slot, old, new)
            np.testing.assert_allclose(logits, full[:, position], atol=2e-5)
            position += 1
        old = [ops.concatenate(parts, axis=2) for parts in zip(old, new, strict=True)]


def test_lab_4s_generate_writes_the_same(model, primers):
    noise = np.random.default_rng(4).gumbel(size=(3, 30, 20)).astype("float32")
    for options in ({}, {"top_k": 5}, {"temperature": 0.8, "top_p": 0.9}):
        ours = numpy(lab.generate(model, primers, noise, slots=7, **options))
        theirs = numpy(lab4.generate(model, primers, noise, slots=11, **options))
        assert np.array_equal(ours, theirs)


def test_both_models_are_built_to_a_number_of_parameters():
    sizes = {name: size for name, size in SIZES.items() if name != "ff_dim"}
    sizes |= {"d_model": 96, "num_layers": 4, "vocab_size": 256, "context_length": 512}
    for wanted in (500_000, 1_900_000):
        for settings in (lab.GPT2, lab.LLAMA):
            ff_dim = lab.ff_dim_for(wanted, **sizes, **settings)
            made = lab.LanguageModel(ff_dim=ff_dim, **sizes, **settings)
            made.build((None, None))
            assert made.count_params() == pytest.approx(wanted, rel=0.01)


def test_the_loss_starts_near_that_of_guessing():
    ids = np.random.default_rng(5).integers(0, 20, (4, 30))
    for settings in KINDS.values():
        made = lab.LanguageModel(**settings)
        made.build((None, None))
        lab.initialize(made, 0)
        logits = numpy(ops.log_softmax(made(ids[:, :-1])))
        nats = -np.take_along_axis(logits, ids[:, 1:, None], axis=-1).mean()
        assert nats == pytest.approx(np.log(20), abs=0.05)


# Beam search


def log_probabilities(model, primer, continuations):
    """Sum the log-probabilities of each continuation's ids, from one full pass for all."""
    longest = max(map(len, continuations))
    rows = np.array([[*primer, *ids, *[lab.PAD] * (longest - len(ids))] for ids in continuations])
    logits = numpy(model(rows)).astype(float)
    logits[:, :, [lab.PAD, lab.START]] = -1e9
    logits -= logits.max(axis=-1, keepdims=True)
    found = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return [
        sum(row[len(primer) - 1 + place, id] for place, id in enumerate(ids))
        for row, ids in zip(found, continuations, strict=True)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_beams_enough_find_the_best_of_all_continuations(kind):
    made, steps = small(KINDS[kind] | {"vocab_size": 6}, scale=0.7), 3
    primers = np.array([[1, 4, 3], [1, 5, 5]])
    every = [
        [*before, last]
        for length in range(1, steps + 1)
        for before in itertools.product(range(3, 6), repeat=length - 1)
        for last in (range(2, 6) if length == steps else [lab.END])
    ]
    sums = [log_probabilities(made, primer, every) for primer in primers.tolist()]
    for alpha in (0.0, 0.7, 1.0):
        ids, scores = lab.beam_search(made, primers, steps, 100, alpha, slots=2)
        for own, row, score in zip(sums, numpy(ids), numpy(scores), strict=True):
            rated = [total / len(ids) ** alpha for total, ids in zip(own, every, strict=True)]
            assert row[row != lab.PAD].tolist() == every[int(np.argmax(rated))]
            assert score == pytest.approx(max(rated), abs=1e-5)


def test_one_beam_is_greedy_and_slots_change_nothing(model, primers):
    greedy = numpy(lab.generate(model, primers, np.zeros((3, 25, 20), "float32")))
    for alpha in (0.0, 1.0):
        assert np.array_equal(numpy(lab.beam_search(model, primers, 25, 1, alpha)[0]), greedy)
    whole, scores = lab.beam_search(model, primers, 25, 4)
    for slots in (3, 8):
        again, others = lab.beam_search(model, primers, 25, 4, slots=slots)
        assert np.array_equal(numpy(again), numpy(whole))
        np.testing.assert_allclose(numpy(others), numpy(scores), atol=1e-5)


def test_a_search_is_as_good_as_it_says(model, primers):
    ids, scores = (numpy(part) for part in lab.beam_search(model, primers, 25, 3, 0.8))
    for primer, row, score in zip(primers, ids, scores, strict=True):
        kept = row[row != lab.PAD].tolist()
        (total,) = log_probabilities(model, primer.tolist(), [kept])
        assert total / len(kept) ** 0.8 == pytest.approx(score, abs=1e-4)


def test_bad_beams_are_refused(model, primers):
    for options in ({"num_beams": 0}, {"num_beams": 2, "alpha": -1.0}):
        with pytest.raises(ValueError, match="at least"):
            lab.beam_search(model, primers, 3, **options)
    with pytest.raises(ValueError, match="context_length is 40"):
        lab.beam_search(model, primers, 99, 2)


def decoded(primers):
    """Give each model's logits, a greedy continuation and a search."""
    found = {}
    for kind, settings in KINDS.items():
        made = small(settings)
        noise = np.zeros((len(primers), 20, 20), "float32")

        def greedily(primers, noise, made=made):
            return lab.generate(made, primers, noise, slots=8)

        def search(primers, made=made):
            return lab.beam_search(made, primers, 20, 3, slots=8)

        found[f"{kind}: logits"] = numpy(made(primers))
        found[f"{kind}: greedy"] = compiled(greedily, made)(primers, noise)
        found[f"{kind}: beams"], found[f"{kind}: scores"] = compiled(search, made)(primers)
    return found


def test_the_same_weights_give_the_same_on_jax(primers, tmp_path):
    check_on_jax(decoded, tmp_path, 2e-5, primers=primers)


# Measures, after MusDr's definitions (slSeanWU/MusDr, eval_metrics.py)


def events_of(notes, num_bars):
    """Write a piece as MusDr reads one: a bar, then positions before pitches."""
    events = []
    for bar in range(num_bars):
        events.append("Bar")
        for _, position, pitch in sorted(notes[notes[:, 0] == bar].tolist()):
            events += [("Position", position), ("Pitch", pitch)]
    return events


def crops(events):
    """Cut a piece into its bars."""
    begins = [place for place, event in enumerate(events) if event == "Bar"]
    return [events[a:b] for a, b in itertools.pairwise([*begins, len(events)])]


def entropy_as_musdr(events, window):
    bars, found = crops(events), []
    window = min(window, len(bars))
    for first in range(len(bars) - window + 1):
        inside = [event for bar in bars[first : first + window] for event in bar]
        classes = [event[1] % 12 for event in inside if event[0] == "Pitch"]
        if classes:
            shares = [classes.count(one) / len(classes) for one in range(12)]
            found.append(-sum(share * np.log2(share) for share in shares if share))
    return np.mean(found) if found else np.nan


def groove_as_musdr(events):
    vectors = []
    for bar in crops(events):
        vectors.append(np.zeros(16, bool))
        for event, following in itertools.pairwise(bar):
            if event[0] == "Position" and following[0] == "Pitch":
                vectors[-1][event[1]] = True
    pairs = list(itertools.combinations(vectors, 2))
    return np.mean([1 - np.sum(one ^ other) / 16 for one, other in pairs])


def homework_grid(path):
    """Put a song on the grid of the homework: bars without a note are left out.

    A start goes to the nearest 1/16, of two as near to the earlier one, but to none that is not
    before the last note's start.
    """
    from symusic import Score

    notes = [note for track in Score(str(path)).tracks for note in track.notes]
    starts, pitches = (np.array([getattr(n, what) for n in notes]) for what in ("time", "pitch"))
    last = -(-starts.max() // 120) - 1
    steps = np.clip(np.ceil(starts / 120 - 0.5).astype(int), 0, last)
    used, bars = np.unique(steps // 16, return_inverse=True)
    notes = np.stack([bars, steps % 16, pitches], axis=1)
    return notes[np.lexsort((-pitches, steps))], len(used)


def songs(shared_data, every=1):
    return sorted((shared_data / "pop1k7" / "midi_analyzed").rglob("*.mid"))[::every]


def test_measures_are_musdrs_on_real_songs(shared_data):
    for path in songs(shared_data, 120):
        notes, num_bars = homework_grid(path)
        events = events_of(notes, num_bars)
        for window in (1, 4):
            want = entropy_as_musdr(events, window)
            assert lab.pitch_class_entropy(notes, num_bars, window) == pytest.approx(
                want, abs=1e-12
            )
        want = groove_as_musdr(events)
        assert lab.grooving_similarity(notes, num_bars) == pytest.approx(want, abs=1e-12)


@pytest.mark.verify
def test_pop1k7_has_the_published_figures(shared_data):
    pieces = [homework_grid(path) for path in songs(shared_data)]
    assert len(pieces) == 1747
    h1, h4 = (
        np.mean([lab.pitch_class_entropy(*piece, window) for piece in pieces]) for window in (1, 4)
    )
    gs = np.mean([lab.grooving_similarity(*piece) for piece in pieces])
    assert h1 == pytest.approx(1.93551465, abs=5e-9)
    assert h4 == pytest.approx(2.52727317, abs=5e-9)
    assert gs == pytest.approx(0.7789, abs=5e-5)  # the homework drew its pairs


def test_one_song_of_pop1k7_is_there_twice(shared_data):
    folder = shared_data / "pop1k7" / "midi_analyzed" / "src_004"
    one, same = (homework_grid(folder / f"{number}.mid")[0] for number in (889, 1737))
    others = [homework_grid(path)[0] for path in songs(shared_data, 400)]
    lengths, pieces = lab.copied_lengths(one, [*others, same])
    assert pieces[lengths.argmax()] == len(others)
    assert lengths.max() > 100
    assert lab.copied_runs(one, [*others, same]) > 0.9
    assert lab.copied_bars(one, [*others, same]) > 0.9
    assert lab.copied_runs(one, others) == 0


def test_a_piece_copies_itself_in_every_key():
    rng = np.random.default_rng(6)
    piece = np.stack([np.arange(60) // 16, np.arange(60) % 16, rng.integers(50, 70, 60)], axis=1)
    higher = piece + np.array([0, 0, 3])
    assert lab.copied_lengths(piece, [piece])[0].tolist() == [*range(1, 61)]
    assert lab.copied_lengths(higher, [piece], transposed=True)[0].tolist() == [*range(1, 61)]
    assert lab.copied_runs(higher, [piece], 8) == 0


def test_intervals_hold_what_they_say():
    rng, inside = np.random.default_rng(7), 0
    for seed in range(200):
        low, high = lab.bootstrap(rng.normal(2.0, 0.5, 40), np.mean, resamples=300, seed=seed)
        inside += low <= 2.0 <= high
    # about 94 % with 40 pieces; 200 draws are off by 3.4
    assert 165 <= inside <= 199


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 2)])
def test_bounds_of_no_pieces_are_nan(shape):
    assert np.isnan(lab.bootstrap(np.full(shape, np.nan), np.mean)).all()
