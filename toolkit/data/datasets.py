"""Data sets: fetched, checked and unpacked safely, or used where the user has them."""

import csv
import difflib
import hashlib
import json
import os
import shutil
import stat
import time
import tomllib
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from toolkit.console import progress, warn
from toolkit.errors import EtudeError
from toolkit.paths import CACHE, DATASETS, hold, shown, write_whole

REGISTRY = DATASETS / "registry.toml"
MB = 1_000_000
PAUSES = (1, 2, 4, 8)  # seconds before each further try of a connection that failed
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 13  # bytes; a dropped connection costs what it received of the last one
SLACK = 0.1  # how far from `bytes` an archive without a published checksum may be
MAX_EXPANSION = 50  # times the archive's size: these zips reach 4, a zip bomb a thousand


@dataclass(frozen=True)
class DataSet:
    """An entry of `datasets/registry.toml`, whose head explains the fields."""

    name: str
    title: str
    url: str
    bytes: int
    sha256: str
    unpacked_bytes: int
    marker: str
    pattern: str
    files: int
    table: bool
    licence: str
    citation: str


class Recording(NamedTuple):
    """A file that a data set's table names: its path, its split, and the row as it stands."""

    path: Path
    split: str
    row: dict[str, str]


def registry() -> dict[str, DataSet]:
    """Read what data sets there are, by name."""
    entries = tomllib.loads(REGISTRY.read_text(encoding="utf-8"))
    return {name: DataSet(name, **entry) for name, entry in entries.items()}


def find(name: str) -> DataSet:
    """Look a data set up; an unknown name is an EtudeError that offers the nearest."""
    known = registry()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.4)
        offer = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise EtudeError(f"there is no data set named {name!r}: {offer}")
    return known[name]


def dataset_folder(name: str) -> Path:
    """Give the folder of a data set that is here.

    Raises
    ------
    EtudeError
        If the name is unknown, or the data set is not here (any more).
    """
    record = _record(find(name))
    if record is None:
        raise EtudeError(
            f"the data set {name} is not here: run make data NAME={name}, "
            f"or make data NAME={name} FROM=path if you have a copy"
        )
    return record.folder


def maestro_table() -> list[Recording]:
    """List MAESTRO's recordings that are here; splits are train, validation and test."""
    return _recordings("maestro")


def groove_table() -> list[Recording]:
    """List Groove's recordings that are here; splits are train, validation and test.

    A row's `duration` counts the silence at the end, and pitches are the drum kit's own
    (Roland TD-11), not all of them General MIDI's.
    """
    return _recordings("groove")


def fetch(name: str, source: str | Path | None = None) -> Path:
    """Make a data set available and give its folder.

    Parameters
    ----------
    name
        Its name in the registry.
    source
        The user's own copy: a folder, which is used where it is, or the official zip. By
        default the official archive is fetched, unless the data set is here, complete.

    Raises
    ------
    EtudeError
        For an unknown name, no such copy, no connection, an archive that fails its check.
    """
    data_set = find(name)
    record = _record(data_set)
    if source is None and record is not None and not record.missing:
        return record.folder
    with _workspace(data_set) as workspace:
        try:
            if source is None:
                archive = _download(data_set, workspace)
                return _install(data_set, archive, workspace, data_set.url)
            source = Path(source).expanduser()
            if source.is_dir():
                folder = _locate(data_set, source, f"the folder {shown(source)}").resolve()
                return _write_record(data_set, folder, str(source.resolve()))
            if not source.exists():
                raise EtudeError(f"there is nothing at FROM={source}: give a folder or the zip")
            _check_archive(data_set, source)
            return _install(data_set, source, workspace, str(source.resolve()))
        except OSError as error:
            raise EtudeError(
                f"{name} cannot be stored in {shown(CACHE)} ({error.strerror or error}): "
                "fix that and run the command again"
            ) from error


# Where a data set is


def describe(data_set: DataSet) -> str:
    """Say in a few words whether a data set is here."""
    record = _record(data_set)
    if record is None:
        return f"not here ({data_set.bytes / MB:,.0f} MB to fetch)"
    lacking = f", {record.missing:,} of {data_set.files:,} files missing" if record.missing else ""
    return f"{shown(record.folder)}{lacking}"


class _Record(NamedTuple):
    folder: Path
    missing: int


def _record_path(data_set: DataSet) -> Path:
    return CACHE / f"{data_set.name}.json"


def _record(data_set: DataSet) -> _Record | None:
    """Read where a data set is and how many files it lacks; None if it is not there."""
    try:
        fields = json.loads(_record_path(data_set).read_text(encoding="utf-8"))
        record = _Record(CACHE / fields["folder"], int(fields["missing"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return record if (record.folder / data_set.marker).exists() else None


def _write_record(data_set: DataSet, folder: Path, source: str, sha256: str = "") -> Path:
    missing = max(0, data_set.files - _count_files(data_set, folder))
    if missing == data_set.files:
        raise EtudeError(
            f"{shown(folder)} has {data_set.marker} and none of the files of {data_set.name}: "
            "give the folder that holds them"
        )
    place = folder.relative_to(CACHE) if folder.is_relative_to(CACHE) else folder
    fields = {"folder": str(place), "missing": missing, "source": source, "sha256": sha256}
    write_whole(_record_path(data_set), json.dumps(fields, indent=1))
    if missing > 0:
        warn(
            f"{missing:,} of {data_set.files:,} files of {data_set.name} are missing in "
            f"{shown(folder)}: what is there will be used"
        )
    return folder


def _locate(data_set: DataSet, top: Path, what: str) -> Path:
    """Find the data set's own folder: the shallowest at or below `top` that has its marker."""
    if (top / data_set.marker).exists():
        return top
    candidates = [path.parent for path in top.rglob(data_set.marker)]
    if not candidates:
        raise EtudeError(
            f"{what} does not hold {data_set.name}: there is no {data_set.marker} in it"
        )
    return min(candidates, key=lambda folder: (len(folder.parts), folder))


def _count_files(data_set: DataSet, folder: Path) -> int:
    if data_set.table:
        return sum(recording.path.is_file() for recording in _read_table(data_set, folder))
    return sum(1 for _ in folder.glob(data_set.pattern))


def _read_table(data_set: DataSet, folder: Path) -> list[Recording]:
    path = folder / data_set.marker
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [
                Recording(folder / row["midi_filename"], row["split"], row)
                for row in csv.DictReader(file)
            ]
    except (KeyError, TypeError, UnicodeDecodeError, csv.Error) as error:
        raise EtudeError(
            f"{shown(path)} is not the table of {data_set.name} ({error}): fetch it again"
        ) from None


def _recordings(name: str) -> list[Recording]:
    recordings = _read_table(find(name), dataset_folder(name))
    here = [recording for recording in recordings if recording.path.is_file()]
    if len(here) < len(recordings):
        warn(f"{len(recordings) - len(here):,} of {len(recordings):,} files of {name} are missing")
    return here


# Fetching


@contextmanager
def _workspace(data_set: DataSet) -> Iterator[Path]:
    """Give a folder for what is not finished, to this process alone.

    It goes when the data set is in place. After a failure it stays: what was received of the
    archive is where the next try goes on.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    workspace = CACHE / f".{data_set.name}.fetching"
    lock = hold(CACHE / f".{data_set.name}.lock")
    if lock is None:
        raise EtudeError(f"another command is fetching {data_set.name}: wait until it is done")
    with lock:
        workspace.mkdir(exist_ok=True)
        try:
            yield workspace
        except BaseException:
            with suppress(OSError):
                workspace.rmdir()  # if nothing was received
            raise
        shutil.rmtree(workspace)


def _download(data_set: DataSet, workspace: Path) -> Path:
    """Fetch the archive, unless an earlier try did, and check it; one that fails is deleted."""
    _check_room(data_set.bytes + data_set.unpacked_bytes, data_set.name)
    archive = workspace / f"{data_set.name}.zip"
    if not archive.exists():
        part = archive.with_suffix(".zip.part")
        _receive(data_set, part)
        os.replace(part, archive)
    if data_set.sha256 and _sha256(archive) != data_set.sha256:
        archive.unlink()
        raise EtudeError(
            f"what {data_set.url} sent is not the archive of {data_set.name} "
            "(its SHA-256 differs) and was deleted: run the command again, "
            "and if it stays so use a copy from elsewhere with FROM=path"
        )
    try:
        _check_archive(data_set, archive)
    except EtudeError:
        archive.unlink()
        raise
    return archive


def _receive(data_set: DataSet, part: Path) -> None:
    """Receive the archive into `part`, going on where an earlier try stopped."""
    import requests

    furthest = part.stat().st_size if part.exists() else 0
    failures = 0
    with progress(f"fetching {data_set.name} (MB)", data_set.bytes // MB) as count:
        advance = _megabytes(count, data_set.bytes // MB)
        while True:
            try:
                _receive_rest(data_set.url, part, advance)
                return
            except requests.HTTPError as error:
                status = error.response.status_code  # type: ignore[union-attr]
                reason = error.response.reason  # type: ignore[union-attr]
                if status < 500 or failures == len(PAUSES):
                    raise EtudeError(
                        f"{data_set.url} answers {status} {reason}: try later, "
                        "or use a copy from elsewhere with FROM=path"
                    ) from None
            except requests.RequestException as error:
                received = part.stat().st_size if part.exists() else 0
                if received > furthest:
                    furthest, failures = received, 0
                if failures == len(PAUSES):
                    raise EtudeError(
                        f"the connection to {data_set.url} fails ({type(error).__name__}, "
                        f"{received:,} bytes received): run the command again to go on, "
                        "or use a copy from elsewhere with FROM=path"
                    ) from None
            warn(f"the connection was lost: trying again in {PAUSES[failures]} s")
            time.sleep(PAUSES[failures])
            failures += 1


def _receive_rest(url: str, part: Path, advance: Callable[[int], None]) -> None:
    import requests

    received = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if received:
        headers["Range"] = f"bytes={received}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # nothing follows: complete, or more than there is
            if response.headers.get("Content-Range") == f"bytes */{received}":
                return
            part.unlink()
            raise requests.ConnectionError("the rest that is asked for is not there")
        response.raise_for_status()
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {received}-")
        if not (response.status_code == 206 and goes_on):
            received = 0
        with open(part, "ab" if received else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                received += len(chunk)
                advance(received)


def _megabytes(count: Callable[[], None], total: int) -> Callable[[int], None]:
    """Turn positions in bytes into steps of a progress bar, which never goes back."""
    shown_megabytes = 0

    def advance(position: int) -> None:
        nonlocal shown_megabytes
        while shown_megabytes < min(position // MB, total):
            shown_megabytes += 1
            count()

    return advance


def _check_room(needed: int, name: str) -> None:
    # a fresh clone has no cache yet
    free = shutil.disk_usage(CACHE if CACHE.is_dir() else CACHE.parent).free
    if free < needed:
        raise EtudeError(
            f"{name} needs {needed / MB:,.0f} MB and the disk of {shown(CACHE)} has "
            f"{free / MB:,.0f} MB left: make room, or use a copy from elsewhere with FROM=path"
        )


def _check_archive(data_set: DataSet, archive: Path) -> None:
    """Compare an archive with the registry: SHA-256, or size where none is published."""
    size = archive.stat().st_size
    if data_set.sha256:
        if _sha256(archive) != data_set.sha256:
            raise EtudeError(
                f"{shown(archive)} ({size:,} bytes) is not the archive of {data_set.name} "
                f"({data_set.bytes:,} bytes, SHA-256 {data_set.sha256[:12]}…): get it again, "
                "or unpack it yourself and give the folder with FROM=path"
            )
        return
    warn(
        f"no checksum is published for {data_set.name}: only the archive's size is checked, "
        f"and the SHA-256 seen is recorded in {shown(_record_path(data_set))}"
    )
    if abs(size - data_set.bytes) > SLACK * data_set.bytes:
        raise EtudeError(
            f"the archive received for {data_set.name} has {size:,} bytes instead of about "
            f"{data_set.bytes:,}: get it again"
        )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Unpacking


def _install(data_set: DataSet, archive: Path, workspace: Path, source: str) -> Path:
    """Unpack a checked archive, put the data set in place in one step, record it."""
    unpacked = workspace / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)  # a killed run's
    try:
        unpack(archive, unpacked)
    except EtudeError:
        if archive.parent == workspace:
            archive.unlink()
        raise
    found = _locate(data_set, unpacked, f"the archive of {data_set.name}")
    folder = CACHE / data_set.name
    if folder.exists():
        old = workspace / "old"
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)
    os.rename(found, folder)
    return _write_record(data_set, folder, source, _sha256(archive))


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip into a new folder, with nothing outside of it; look first, write then.

    Raises
    ------
    EtudeError
        If it is not a zip, is damaged or encrypted, or holds a path that leaves the folder, a
        link or device, a path twice, or absurdly much. Nothing is left of it then.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            entries = zipped.infolist()
            _check_entries(entries, archive)
            _check_room(sum(entry.file_size for entry in entries), f"unpacking {archive.name}")
            with progress(f"unpacking {archive.name}", len(entries)) as count:
                for entry in entries:
                    zipped.extract(entry, folder)
                    count()
    # RuntimeError is how zipfile tells of encryption, NotImplementedError of odd compression
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise EtudeError(f"{shown(archive)} cannot be unpacked ({error}): get it again") from None


def _check_entries(entries: list[zipfile.ZipInfo], archive: Path) -> None:
    def refuse(what: str) -> None:
        raise EtudeError(f"{shown(archive)} is not unpacked: it holds {what}")

    for entry in entries:
        # zipfile shows names with the system's separator and cut at a NUL: judge the original
        name = entry.orig_filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if name.startswith("/") or "\\" in name or "\0" in name or name[1:2] == ":":
            refuse(f"the absolute or foreign path {name!r}")
        if ".." in PurePosixPath(name).parts:
            refuse(f"the path {name!r}, which leaves its folder")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            refuse(f"{name!r}, which is a link or a device")
    paths = Counter(PurePosixPath(entry.filename) for entry in entries)
    parents = {parent for path in paths for parent in path.parents}
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if paths[path] > 1 or (path in parents and not entry.is_dir()):
            refuse(f"the path {entry.filename!r} twice")
    size = sum(entry.file_size for entry in entries)
    if size > MAX_EXPANSION * archive.stat().st_size:
        refuse(f"{size:,} bytes in {archive.stat().st_size:,}, which no data set does")
