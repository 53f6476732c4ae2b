"""The two data sets of Lab 1: lists of surnames, cleaned and split by name."""

import dataclasses
import difflib
import importlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from anyascii import anyascii

from toolkit.data.datasets import dataset_folder
from toolkit.errors import EtudeError

DATA_SETS = ("faker", "names18")
SPLITS = ("train", "validation", "test")
HELD_OUT = 0.1  # share of a country's names in each of validation and test

# Faker's locales, one a language, that list at least 390 different surnames. Where a locale lists
# men's and women's surnames apart, the men's are read: a feminine form is the same name again.
# Russian's 500 are then 250.
LOCALES = {
    "Croatia": ("hr_HR", "last_names"),
    "England": ("en_GB", "last_names"),
    "Estonia": ("et_EE", "last_names"),
    "Finland": ("fi_FI", "last_names"),
    "France": ("fr_FR", "last_names"),
    "Georgia": ("ka_GE", "last_names"),
    "Germany": ("de_DE", "last_names"),
    "Greece": ("el_GR", "last_names_male"),
    "Italy": ("it_IT", "last_names"),
    "Netherlands": ("nl_NL", "last_names"),
    "Poland": ("pl_PL", "unisex_last_names male_last_names"),
    "Russia": ("ru_RU", "last_names_male"),
    "South Africa": ("zu_ZA", "last_names_male"),
    "Spain": ("es_ES", "last_names"),
    "Sweden": ("sv_SE", "last_names"),
    "Ukraine": ("uk_UA", "last_names_male"),
}
# feminine endings and the masculine ones they stand for, where one list mixes both
FEMININE = {
    "ova": ("ov", "", "a"),
    "eva": ("ev", "evi"),
    "ina": ("in",),
    "aya": ("y", "iy", "oy"),
    "ska": ("sky", "ski"),
    "cka": ("cky", "cki"),
}
WITH_FEMININE = frozenset(
    ["Croatia", "Czech", "Georgia", "Poland", "Polish", "Russia", "Russian", "Slovakia", "Ukraine"]
)
# what a transliteration letter by letter would make "oy"
DIGRAPHS = {"ου": "ou", "Ου": "Ou", "ού": "ou", "Ού": "Ou"}
NAME = re.compile(r"[A-Z][A-Za-z]*(?:[ '-]+[A-Za-z]+)+|[A-Z][A-Za-z]+")


@dataclass(frozen=True)
class Names:
    """Surnames by country, no name in two splits.

    Attributes
    ----------
    countries : in alphabetical order; a country's id is its place
    split : "train", "validation" or "test" -> country -> its names
    shared : names that several countries have
    dropped : reason -> how many lines were dropped for it
    repaired : how many lines lost a stray character and stayed
    """

    countries: tuple[str, ...]
    split: dict[str, dict[str, list[str]]]
    shared: frozenset[str]
    dropped: Counter[str]
    repaired: int

    @property
    def known(self) -> frozenset[str]:
        """Every name of every country and split."""
        return frozenset(
            name for lists in self.split.values() for theirs in lists.values() for name in theirs
        )

    def within(self, vocabulary: Iterable[str]) -> "Names":
        """Leave out the held-out names that have a character no training name has."""
        characters = set(vocabulary)
        split = {
            part: {
                country: [name for name in theirs if characters.issuperset(name)]
                for country, theirs in lists.items()
            }
            for part, lists in self.split.items()
        }
        return dataclasses.replace(self, split=split)

    def describe(self) -> str:
        """Say in two lines what there is, and what was dropped and why."""
        counts = [f"{sum(map(len, self.split[split].values())):,} {split}" for split in SPLITS]
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.most_common())
        return (
            f"{len(self.countries)} countries; names: {', '.join(counts)}; {len(self.shared)} are "
            f"shared between countries\nlines dropped: {dropped or 'none'}; fixed: {self.repaired}"
        )


def load_vocabulary(tasks: Any, settings: Any) -> tuple[Names, list[str]]:
    """Load the names of the settings' countries, and the characters of those in training."""
    chosen = settings.countries and [name.strip() for name in settings.countries.split(",")]
    names = load_names(settings.data, chosen or None, settings.max_characters, settings.seed)
    vocabulary = tasks.build_vocabulary(
        name for theirs in names.split["train"].values() for name in theirs
    )
    return names.within(vocabulary), vocabulary


def check_starts(letters: str, vocabulary: Sequence[str]) -> None:
    """Make sure before training that names can begin with the letters asked for.

    Raises
    ------
    EtudeError
        If no name has one of them.
    """
    if unknown := [letter for letter in letters if letter not in vocabulary]:
        known = "".join(vocabulary[3:])
        raise EtudeError(f"no name has {unknown[0]!r}: choose letters from {known}")


def load_names(
    data: str, countries: Sequence[str] | None = None, max_characters: int = 18, seed: int = 0
) -> Names:
    """Read a data set, clean it and split it by name.

    Parameters
    ----------
    data : "faker" or "names18"
    countries : which to take; None takes all
    max_characters : longer names are left out
    seed : decides the split

    Raises
    ------
    EtudeError
        If the data set is not here, a country is unknown, or has too few names to be split.
    """
    lists = {"faker": _faker, "names18": _names18}[data]()
    for country in countries or ():
        if country not in lists:
            near = difflib.get_close_matches(country.title(), lists, 2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(lists)}"
            raise EtudeError(f"there is no country {country!r} in {data}: {hint}")
    return split_names({name: lists[name] for name in countries or lists}, max_characters, seed)


def split_names(lists: Mapping[str, Iterable[str]], max_characters: int, seed: int) -> Names:
    """Clean each country's lines and share its names out to the splits.

    A tenth of a country's names, one at least, is for validation and as many for test. A name that
    several countries have is in the same split in all of them.

    Raises
    ------
    EtudeError
        If there are no countries, or one has fewer than three names.
    """
    dropped: Counter[str] = Counter()
    repaired = 0
    cleaned: dict[str, list[str]] = {}
    for country in sorted(lists):
        cleaned[country], changed = _clean(country, lists[country], max_characters, dropped)
        repaired += changed
    if not cleaned:
        raise EtudeError("the list of countries is empty: name at least one")
    owners = Counter(name for names in cleaned.values() for name in names)
    shared = frozenset(name for name, count in owners.items() if count > 1)
    rng = np.random.default_rng(seed)
    place: dict[str, str] = {}
    split: dict[str, dict[str, list[str]]] = {name: {} for name in SPLITS}
    for country, names in cleaned.items():
        if len(names) < len(SPLITS):
            count = {0: "no names", 1: "one name"}.get(len(names), f"{len(names)} names")
            raise EtudeError(
                f"{country} has {count}: at least three are needed, "
                "one to train on, one for validation and one for test"
            )
        # names that only this country has come last, so that it can hold out enough of its own
        order = sorted(rng.permutation(names).tolist(), key=lambda name: name not in place)
        wanted = max(1, round(HELD_OUT * len(names)))
        here = Counter(place[name] for name in order if name in place)
        for name in order:
            if name not in place:
                short = [part for part in SPLITS[1:] if here[part] < wanted]
                place[name] = short[0] if short else "train"
                here[place[name]] += 1
        for part in SPLITS:
            split[part][country] = [name for name in names if place[name] == part]
    for part in SPLITS:
        if empty := [country for country, names in split[part].items() if not names]:
            raise EtudeError(f"{empty[0]} shares all its {part} names: leave it out of countries")
    return Names(tuple(cleaned), split, shared, dropped, repaired)


# Reading


def _faker() -> dict[str, list[str]]:
    lists = {}
    for country, (locale, attributes) in LOCALES.items():
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        lists[country] = [name for key in attributes.split() for name in getattr(provider, key)]
    return lists


def _names18() -> dict[str, list[str]]:
    files = sorted(dataset_folder("names18").glob("*.txt"))
    return {path.stem: path.read_text(encoding="utf-8").splitlines() for path in files}


# Cleaning


def _clean(
    country: str, lines: Iterable[str], max_characters: int, dropped: Counter[str]
) -> tuple[list[str], int]:
    """Return a country's names in alphabetical order, and how many were repaired."""
    names: set[str] = set()
    repaired = 0
    for line in lines:
        name, changed = to_ascii(line)
        if "first page" in name.lower():
            dropped["page furniture"] += 1
        elif not NAME.fullmatch(name):
            dropped["no name"] += 1
        elif len(name) > max_characters:
            dropped[f"longer than {max_characters} characters"] += 1
        elif name in names:
            dropped["the same again"] += 1
        else:
            names.add(name)
            repaired += changed
    if country in WITH_FEMININE:
        feminine = {name for name in names if _masculine(name) & names}
        names -= feminine
        if feminine:
            dropped["feminine of another"] += len(feminine)
    return sorted(names), repaired


def to_ascii(line: str) -> tuple[str, bool]:
    """Transliterate a line to ASCII, and say whether something stray was cut off it.

    Spaces, digits and punctuation are cut off both ends, runs of spaces become one, the first
    letter becomes a capital. An apostrophe stays if the line is in Latin letters ("O'Brien"); one
    that transliteration makes of a soft sign or an ejective consonant goes.
    """
    text = " ".join(unicodedata.normalize("NFC", line).split())
    for digraph, letters in DIGRAPHS.items():
        text = text.replace(digraph, letters)
    latin = all("LATIN" in unicodedata.name(letter, "") for letter in text if letter.isalpha())
    name = anyascii(text) if latin else anyascii(text).replace("'", "")
    kept = re.sub(r"^[^A-Za-z]+|[^A-Za-z]+$", "", name)
    return kept[:1].upper() + kept[1:], kept != name


def _masculine(name: str) -> set[str]:
    """Name the masculine forms that a name may be the feminine of."""
    forms = FEMININE.get(name[-3:], ())
    return {name[:-3] + ending for ending in forms}


# Drawing


def draw_rows(counts: Mapping[str, int], balance: float, seed: int) -> list[tuple[str, int]]:
    """Say which names an epoch may draw from, so that countries come as often as wanted.

    Parameters
    ----------
    counts : country -> number of its names
    balance : 1 draws every country equally often, 0 as often as it has names; between them a
        country with n names weighs n ** (1 − balance)

    Returns
    -------
    list of (country, index of a name)
        Each of a country's names as often as any other of its names, give or take one.
    """
    most = max(counts.values())
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, int]] = []
    for country, count in counts.items():
        wanted = max(1, round(most * (count / most) ** (1 - balance)))
        turns = [rng.permutation(count) for _ in range(-(-wanted // count))]
        rows += [(country, int(index)) for index in np.concatenate(turns)[:wanted]]
    return rows


def at_most(names: Mapping[str, Sequence[str]], limit: int) -> dict[str, list[str]]:
    """Draw at most `limit` names of each country, always the same."""
    rng = np.random.default_rng(0)
    return {
        country: [theirs[index] for index in rng.permutation(len(theirs))[:limit]]
        for country, theirs in names.items()
    }
