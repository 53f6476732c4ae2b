"""Judging names: which country a classifier takes them for, and which of them are new."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labs.lab1_names.data import SPLITS, Names

ORDERS = (1, 2, 3)
SMOOTHING = 0.05  # chosen on validation names; 0.02 to 0.1 make a point's difference
Z = 1.96


class CountryClassifier:
    """Naive Bayes over a name's runs of one, two and three characters.

    Source: McCallum and Nigam, "A Comparison of Event Models for Naive Bayes Text Classification"
    (1998), the multinomial model; every country is as likely as any other beforehand.

    Parameters
    ----------
    names : country -> names to learn from
    """

    def __init__(self, names: Mapping[str, Sequence[str]]):
        self.countries = list(names)
        self.columns: dict[str, int] = {}
        counts: list[np.ndarray] = []
        for theirs in names.values():
            columns = [
                self.columns.setdefault(gram, len(self.columns))
                for name in theirs
                for gram in _grams(name)
            ]
            counts.append(np.bincount(columns))
        table = np.full((len(counts), len(self.columns)), SMOOTHING)
        for row, count in zip(table, counts, strict=True):
            row[: len(count)] += count
        self.log_probabilities = np.log(table / table.sum(axis=1, keepdims=True))

    def guess(self, name: str) -> str:
        """Name the likeliest country; runs of characters never seen say nothing."""
        columns = [self.columns[gram] for gram in _grams(name) if gram in self.columns]
        return self.countries[int(self.log_probabilities[:, columns].sum(axis=1).argmax())]


def _grams(name: str) -> Iterator[str]:
    text = f"^{name.lower()}$"
    for order in ORDERS:
        for start in range(len(text) - order + 1):
            yield text[start : start + order]


@dataclass(frozen=True)
class Share:
    """A share, averaged evenly over countries, with half the width of its 95 % interval."""

    value: float
    margin: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.1%} ± {self.margin:.1%}"


def share(hits: Mapping[str, Sequence[bool]]) -> Share:
    """Average the countries' shares of hits; countries without a name stay out.

    The interval is the normal one for a stratified sample (Cochran, "Sampling Techniques", 1977,
    section 5.10), each country's share p of n taken as (np + 1) / (n + 2) in the variance, so that
    a country without a miss is not held to be certain.
    """
    shares, variances = [], []
    for found in hits.values():
        if n := len(found):
            moderate = (sum(found) + 1) / (n + 2)
            shares.append(sum(found) / n)
            variances.append(moderate * (1 - moderate) / n)
    if not shares:
        return Share(float("nan"), float("nan"), 0)
    margin = Z * float(np.sqrt(np.sum(variances))) / len(shares)
    return Share(float(np.mean(shares)), margin, sum(map(len, hits.values())))


def fidelity(
    classifier: CountryClassifier, names: Mapping[str, Sequence[str]], left_out: frozenset[str]
) -> Share:
    """How often names are taken for the country they stand under; `left_out` are not judged."""
    return share(
        {
            country: [classifier.guess(name) == country for name in theirs if name not in left_out]
            for country, theirs in names.items()
        }
    )


def new_names(
    names: Mapping[str, Sequence[str]], known: frozenset[str]
) -> tuple[Share, dict[str, list[str]]]:
    """Give the share of names that are in no list, and these names by country."""
    fresh = {country: [name not in known for name in theirs] for country, theirs in names.items()}
    kept = {
        country: [name for name in theirs if name not in known] for country, theirs in names.items()
    }
    return share(fresh), kept


@dataclass(frozen=True)
class Judgement:
    """What became of an architecture's names: how many are new, how many fit their country."""

    new: Share
    faithful: Share
    faithful_new: Share


def judge(
    names: Names, generated: Mapping[str, Mapping[str, Sequence[str]]]
) -> tuple[Share, dict[str, Judgement]]:
    """Judge real held-out names and each architecture's by a classifier of the training names.

    Names that several countries have are neither learnt from nor judged.

    Parameters
    ----------
    generated : architecture -> country -> names

    Returns
    -------
    real : the classifier's accuracy on held-out names
    judgements : by architecture
    """
    own = {
        split: {
            country: [name for name in theirs if name not in names.shared]
            for country, theirs in names.split[split].items()
        }
        for split in SPLITS
    }
    classifier = CountryClassifier(own["train"])
    held_out = {name: own["validation"][name] + own["test"][name] for name in names.countries}
    judgements = {}
    for architecture, theirs in generated.items():
        new, fresh = new_names(theirs, names.known)
        judgements[architecture] = Judgement(
            new,
            fidelity(classifier, theirs, names.shared),
            fidelity(classifier, fresh, names.shared),
        )
    return fidelity(classifier, held_out, names.shared), judgements
