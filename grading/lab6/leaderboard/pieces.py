"""Find the MIDI files of one student, and let workers read them; what comes back is not believed.

The grader opens files and counts bytes; what is in them a worker reads, a fresh one for each file.
"""

import stat
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grading.lab6.leaderboard import reader
from grading.sandbox.files import Files, Refusal, in_folder, in_zip, read_file
from grading.sandbox.workers import Raised, Refused, WorkerDied, Zygote
from labs.lab6_language_models.measure import RUN, Excerpt, excerpt
from labs.lab6_language_models.settings import Settings
from toolkit.errors import EtudeError
from toolkit.music import grid
from toolkit.music.piece import Piece
from toolkit.plain import plain, printable

MIDI = (".mid", ".midi")
MOST = 20  # pieces of a student
LARGEST = 250_000  # bytes of a file; a song of Pop1K7 has 40,000
SECONDS = 5  # of CPU for a file
NOTES = 10_000
BARS = 500
LAST = 1 << 40  # tick
HELD = 4  # steps: a beat
CHORD = 3  # notes


def midi_files(path: Path) -> tuple[Files, list[str]]:
    """List the MIDI files in a folder, also in its zips, or in a zip; or the one that `path` is.

    Also say what of it is refused.
    """
    problems = []
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            files = in_folder(path, (*MIDI, ".zip"))
            zips = sorted(name for name in files if name.lower().endswith(".zip"))
            files = {name: read for name, read in files.items() if name not in zips}
            for name in zips[:MOST]:
                try:
                    inner = in_zip(path / name, MIDI)
                    files |= {f"{name}/{member}": read for member, read in inner.items()}
                except Refusal as refusal:
                    problems.append(printable(str(refusal)))
            return files, problems
        if path.suffix.lower() == ".zip":
            return in_zip(path, MIDI), problems
        return {path.name: partial(read_file, path)}, problems
    except Refusal as refusal:
        return {}, [printable(str(refusal))]
    except OSError as error:
        return {}, [f"{printable(path.name)} cannot be read: {error.strerror}"]


class Reader:
    """Reads MIDI files in workers.

    Parameters
    ----------
    settings : whose `primer_bars` and `bars` say which bars of a piece count
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self.zygote = Zygote(("mido", "toolkit.music.piece"), Path(reader.__file__))

    def close(self) -> None:
        """End the processes."""
        self.zygote.close()

    def read(self, files: Files) -> tuple[list[Excerpt], list[str]]:
        """Read a student's files, by name, as far as they count; also say why others do not.

        An excerpt is called what its file is called.
        """
        found: dict[bytes, Excerpt] = {}
        names = sorted(files)
        problems = []
        for name in names[:MOST]:
            try:
                one = self.read_one(printable(name), files[name])
                if twin := found.get(one.notes.tobytes()):
                    raise unusable(one.name, f"it holds the same as {plain(twin.name, 100)}")
                found[one.notes.tobytes()] = one
            except (EtudeError, Refusal) as problem:
                problems.append(printable(str(problem)))
        if len(names) > MOST:
            problems.append(f"Of {len(names)} files only the first {MOST}, by name, are read.")
        return list(found.values()), problems

    def read_one(self, name: str, file: Any) -> Excerpt:
        """Read a file and cut what counts.

        Raises
        ------
        EtudeError, Refusal
            If it cannot be used.
        """
        content = file()
        if not content:
            raise unusable(name, "it is empty")
        if len(content) > LARGEST:
            raise unusable(name, f"it is larger than {LARGEST // 1000} kB")
        worker = self.zygote.worker()
        try:
            worker.allow(SECONDS)
            argument = np.frombuffer(content, np.uint8)
            notes = worker.ask(do="build", name="read", args=(argument,), kwargs={})
        except Raised as error:
            if "EtudeError" not in error.bases:
                raise unusable(name, "it is broken") from None
            told = plain(error.message).replace(str(reader.FILE), plain(name, 100), 1)
            raise EtudeError(told) from None
        except (Refused, WorkerDied):
            raise unusable(name, f"no process can read it within {SECONDS} s") from None
        finally:
            worker.remove()
        return cut(name, notes, self.settings)


def unusable(name: str, reason: str) -> EtudeError:
    """Say why a file does not count, as the toolkit says it."""
    return EtudeError(f"{plain(name, 100)} cannot be used, {reason}: choose another MIDI file.")


def cut(name: str, notes: Any, settings: Settings) -> Excerpt:
    """Cut from a piece the bars that count.

    Parameters
    ----------
    notes : whatever a worker returned for what `reader.read` returns

    Raises
    ------
    EtudeError
        If it is none, or there is too little or too much of it.
    """
    if not is_notes(notes):
        raise unusable(name, "what was read from it makes no sense")
    if len(notes) > NOTES:
        raise unusable(name, f"it has {len(notes):,} notes, and a piece may have {NOTES:,}")
    rows = grid.to_grid(Piece(notes))
    bars = int(rows[-1, 0]) + 1
    if bars > BARS:
        raise unusable(name, f"it is {bars:,} bars long, and a piece may have {BARS}")
    first = settings.primer_bars
    one = excerpt(name, grid.encode(rows, velocities=True), first, settings.bars)
    if one.bars < 2 or len(one.rows) < RUN:
        after = f"too little comes after its first {first} bars"
        raise unusable(name, f"{after}, a piece needs 2 bars and {RUN} notes there")
    return replace(one, ends=is_ended(rows))


def is_notes(notes: Any) -> bool:
    """Whether a value is what `reader.read` returns."""
    if type(notes) is not np.ndarray or notes.dtype != np.int64 or notes.shape[1:] != (4,):
        return False
    start, end, pitch, velocity = notes.T
    return len(notes) > 0 and bool(
        (start >= 0).all()
        and (start <= end).all()
        and (end <= LAST).all()
        and (pitch >= 0).all()
        and (pitch <= 127).all()
        and (velocity >= 1).all()
        and (velocity <= 127).all()
    )


def is_ended(rows: np.ndarray) -> bool:
    """Whether a piece closes with a chord that is held; no MIDI file says where END was.

    `CHORD` notes or more stop with the piece, and none began in the `HELD` steps before. So close
    98 % of Bach's chorales, and 20 % of them when cut anywhere in their second half.

    Parameters
    ----------
    rows : int array (notes, 5), as `grid.to_grid` gives them
    """
    step = grid.STEPS_PER_BAR * rows[:, 0] + rows[:, 1]
    stop = step + rows[:, 3]
    return bool((stop == stop.max()).sum() >= CHORD and stop.max() - step.max() >= HELD)
