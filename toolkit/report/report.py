"""A run's report: one self-contained HTML page, built from plain data section by section."""

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from toolkit.console import format_cell
from toolkit.errors import EtudeError
from toolkit.paths import write_whole
from toolkit.report.page import render, today
from toolkit.training.runs import Run


@dataclass(frozen=True)
class Promise:
    """A figure that the lab's README promises, beside the one obtained.

    Attributes
    ----------
    promised : in words, such as "at most 2.1 nats a token"
    obtained : as it is to be read, such as "1.87"
    kept : None if it was not measured, or is promised of another preset
    """

    name: str
    promised: str
    obtained: str
    kept: bool | None


@dataclass(frozen=True)
class Picture:
    """A PNG and what it shows, for readers who see it and for those who do not."""

    path: Path
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Sample:
    """A generated piece: how it was made, what was measured, and where its files are."""

    name: str
    settings: str
    measures: Mapping[str, Any] = field(default_factory=dict)
    midi: Path | None = None
    wav: Path | None = None
    roll: Picture | None = None


class Report:
    """Sections in the order they are added; `write` adds settings, stamp and what stopped the run.

    A part that is missing (a plot never drawn, a piece without sound) is left out or named; the
    page is written all the same.

    Parameters
    ----------
    run : whose folder the page goes into
    title : the page's heading
    lead : one sentence below it

    Attributes
    ----------
    stopped : why the run stopped early, None if it did not
    """

    def __init__(self, run: Run, title: str, lead: str = ""):
        self.run, self.title, self.lead = run, title, lead
        self.stopped: str | None = None
        self.sections: list[dict[str, Any]] = []

    def add_promises(self, heading: str, promises: Iterable[Promise]) -> None:
        """Add the table of promised and obtained figures, each marked within or outside."""
        promises = list(promises)
        judged = [promise for promise in promises if promise.kept is not None]
        kept = sum(bool(promise.kept) for promise in judged)
        verdict = f"{kept} of {len(judged)} promised figures reached." if judged else ""
        self._add("promises", heading, promises=promises, note=verdict)

    def add_text(self, heading: str, *paragraphs: str) -> None:
        """Add plain paragraphs."""
        self._add("text", heading, paragraphs=paragraphs)

    def add_pictures(self, heading: str, pictures: Iterable[Picture], note: str = "") -> None:
        """Add one picture, or several side by side; those whose file is missing are left out."""
        shown = [_embedded(picture) for picture in pictures if picture.path.exists()]
        self._add("pictures", heading, pictures=shown, note=note)

    def add_table(
        self, heading: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], note: str = ""
    ) -> None:
        """Add a table; the first column names the rows, numbers stand to the right."""
        shown = [[_cell(value) for value in row] for row in rows]
        self._add("table", heading, columns=columns, rows=shown, note=note)

    def add_samples(self, heading: str, samples: Iterable[Sample], note: str = "") -> None:
        """Add a table of pieces to listen to, with piano rolls where samples have one."""
        samples = list(samples)
        measures = list(dict.fromkeys(name for sample in samples for name in sample.measures))
        shown = [
            {
                "name": sample.name,
                "settings": sample.settings,
                "measures": [_cell(sample.measures.get(name, "")) for name in measures],
                "sound": _sound(sample.wav),
                "links": [
                    (kind, self._link(path))
                    for kind, path in (("MIDI", sample.midi), ("WAV", sample.wav))
                    if path and path.exists()
                ],
                "roll": _embedded(sample.roll)
                if sample.roll and sample.roll.path.exists()
                else None,
            }
            for sample in samples
        ]
        self._add("samples", heading, measures=measures, samples=shown, note=note)

    def add_code(self, heading: str, tasks: Iterable[tuple[str, str, str]]) -> None:
        """Add whose code ran: (task id, name, "yours" | "borrowed" | "solution") per task."""
        tasks = list(tasks)
        counts = {
            whose: sum(task[2] == whose for task in tasks)
            for whose in dict.fromkeys(task[2] for task in tasks)
        }
        words = {"borrowed": "borrowed from the solution", "solution": "the solution's"}
        parts = [f"{count} {words.get(whose, whose)}" for whose, count in counts.items()]
        note = f"Of {len(tasks)} tasks: {', '.join(parts)}." if tasks else ""
        self._add("code", heading, tasks=tasks, note=note)

    def write(self) -> Path:
        """Write report.html into the run's folder, whole or not at all; the run is `latest` then.

        Returns the page's path.
        """
        page = render(
            "report.html",
            title=self.title,
            lead=self.lead,
            sections=self.sections,
            run=self.run,
            stopped=self.stopped,
            written=today(),
        )
        path = self.run.path("report.html")
        write_whole(path, page)
        self.run.mark_reported()
        return path

    def _add(self, kind: str, heading: str, **content: Any) -> None:
        self.sections.append({"kind": kind, "heading": heading, "note": "", **content})

    def _link(self, path: Path) -> str:
        return quote(Path(os.path.relpath(path, self.run.folder)).as_posix())


def _embedded(picture: Picture) -> dict[str, str]:
    data = base64.b64encode(picture.path.read_bytes()).decode()
    return {"data": data, "alt": picture.alt, "caption": picture.caption}


def _sound(wav: Path | None) -> dict[str, str]:
    """Compress a WAV for the page; a piece that cannot be heard says why."""
    if wav is None or not wav.exists():
        return {"data": "", "missing": "no sound"}
    from toolkit.music.sound import to_mp3

    try:
        return {"data": base64.b64encode(to_mp3(wav)).decode(), "missing": ""}
    except EtudeError as error:
        return {"data": "", "missing": str(error)}


def _cell(value: Any) -> dict[str, Any]:
    is_number = hasattr(value, "__float__") and not isinstance(value, bool)
    return {"text": format_cell(value), "number": is_number}
