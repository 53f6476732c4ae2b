"""The chorales: which there are, and how they are split."""

from collections import defaultdict

import pytest

from toolkit.errors import EtudeError
from toolkit.music import chorales


def test_the_corpus_holds_over_four_hundred_scores_by_bach():
    names = chorales.score_names()
    assert len(names) > 400
    assert "bwv269" in names


def test_most_pieces_are_for_training_and_each_is_in_one_split():
    splits = [chorales.split_of(name) for name in chorales.score_names()]
    shares = {split: splits.count(split) / len(splits) for split in set(splits)}
    assert set(shares) == {"train", "validation", "test"}
    assert 0.7 < shares["train"] < 0.9
    assert min(shares.values()) > 0.05


def test_variants_movements_and_twins_of_a_work_share_a_split():
    by_work = defaultdict(set)
    for name in chorales.score_names():
        by_work[name.removeprefix("bwv").split(".")[0].split("-")[0]].add(chorales.split_of(name))
    assert all(len(splits) == 1 for splits in by_work.values())
    for work, twins in chorales.TWINS.items():
        assert {by_work[str(twin)].copy().pop() for twin in twins} == by_work[str(work)]


def test_an_unknown_chorale_is_named():
    with pytest.raises(EtudeError, match="bwv9999"):
        chorales.load_chorale("bwv9999")


def test_a_score_that_is_not_in_four_parts_is_none():
    assert chorales.load_chorale("bwv112.5-sc") is None
