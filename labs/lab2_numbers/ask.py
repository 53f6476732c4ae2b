"""What `make lab2-ask NUMBERS="1033 90210"` does: a trained run's models put numbers into words."""

from pathlib import Path
from typing import Any

from labs.lab2_numbers.data import FURTHER, check_numbers, in_words, load_numbers
from labs.lab2_numbers.generate import WordGenerator
from labs.lab2_numbers.train import BUILDERS, build, packed
from toolkit import console
from toolkit.paths import make_folder, shown
from toolkit.report.plots import plot_attention
from toolkit.training.runs import WEIGHTS, load_weights
from toolkit.training.runtime import configure

QUESTIONS = {"numbers": '"1033 90210"'}
SHOWN = 5  # numbers whose attention is drawn


def ask(tasks: Any, settings: Any, trained: Path, numbers: str) -> None:
    """Print each model's words, right or wrong, and draw where it looked.

    A model is asked twice: as it was trained, and after the remedy.
    """
    asked = numbers.split()
    check_numbers(asked)
    configure(settings.seed, settings.precision)
    known = load_numbers(tasks, settings)
    right = [words for _, words in in_words([int(text) for text in asked], known.language)]
    said: dict[str, list[str]] = {}
    pictures = []
    for name in BUILDERS:
        folders = {name: name.lower(), f"{name}, remedied": f"{name.lower()}_remedy"}
        found = {who: trained / folder / WEIGHTS for who, folder in folders.items()}
        if not any(path.is_file() for path in found.values()):  # left out, or not reached
            continue
        parts = build(tasks, settings, known, name)
        generator = WordGenerator(tasks, name, parts, known, min(len(asked), settings.decode_batch))
        for who, path in found.items():
            if not path.is_file():
                continue
            load_weights(packed(generator.model, FURTHER, known.length), path)
            said[who] = generator.words(asked)
            picture = make_folder(trained / "asked") / f"attention_{folders[who]}.png"
            plot_attention(generator.maps(asked[:SHOWN]), picture, who)
            pictures.append(picture)
    rows = []
    for at, number in enumerate(asked):
        rows.append((number, "num2words", "", right[at]))
        for who, words in said.items():
            rows.append((number, who, "right" if words[at] == right[at] else "wrong", words[at]))
    console.table("number", "who", "", "words", rows=rows)
    first = f" (the first {SHOWN} numbers)" if len(asked) > SHOWN else ""
    console.say(f"where they look{first}: {', '.join(map(shown, pictures))}")
