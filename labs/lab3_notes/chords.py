"""What one token a chord would cost: the figures that lesson 3.1 quotes."""

from collections import Counter

import numpy as np

from labs.course.catalogue import load_lab
from labs.course.code import load_tasks
from labs.lab3_notes.data import chorales_as_notes
from toolkit import console
from toolkit.data.preparation import prepare


def main() -> None:
    """Count types, and what validation does not know, for chords whole and note by note."""
    console.quiet_tensorflow()
    corpus = prepare(chorales_as_notes(load_tasks(load_lab(3))))
    vocabulary = np.array(corpus.header["vocabulary"])
    by_note = [vocabulary[corpus[index]].tolist() for index in range(len(corpus))]
    chords = [whole_chords(piece) for piece in by_note]
    rows = []
    for name, pieces in (("one token a chord", chords), ("one token a note", by_note)):
        by_split: dict[str, Counter] = {split: Counter() for split in corpus.header["split"]}
        for piece, split in zip(pieces, corpus.header["split"], strict=True):
            by_split[split].update(piece)
        train, held = by_split["train"], by_split["validation"]
        unknown = sum(count for token, count in held.items() if token not in train)
        types = len(set().union(*by_split.values()))
        total = sum(counts.total() for counts in by_split.values())
        once = sum(count == 1 for count in train.values()) / len(train)
        share = unknown / held.total()
        rows.append((name, f"{total:,}", f"{types:,}", f"{once:.0%}", f"{share:.1%}"))
    console.table("", "tokens", "types", "seen once", "unknown in validation", rows=rows)


def whole_chords(tokens: list[str]) -> list[str]:
    """Make one token of each chord and its length."""
    chords, start = [], 0
    for end, token in enumerate(tokens, 1):
        if token.startswith("DUR_"):
            chords.append(" ".join(tokens[start:end]))
            start = end
    return chords


if __name__ == "__main__":
    console.run_command(main)
