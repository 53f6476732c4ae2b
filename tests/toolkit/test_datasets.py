"""Data sets arrive whole and checked, or not at all, and a user's own copy is used as it is."""

import hashlib
import io
import json
import os
import random
import socketserver
import stat
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from toolkit.data import datasets
from toolkit.data.datasets import CHUNK, dataset_folder, fetch, groove_table, maestro_table, unpack
from toolkit.errors import EtudeError
from toolkit.paths import ROOT

ENTRY = """
[{name}]
title = "Tunes"
url = "{url}"
bytes = {bytes}
sha256 = "{sha256}"
unpacked_bytes = 10_000
marker = "{marker}"
pattern = "*.mid"
files = {files}
table = {table}
licence = "CC0"
citation = "Nobody, Nothing, 2020"
"""


def zip_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


# noise does not shrink, so that the archive takes several packets
NOISE = random.Random(1).randbytes(300_000)
ARCHIVE = zip_of({"tunes/list.txt": "two tunes", "tunes/a.mid": NOISE, "tunes/b.mid": b"MThd"})


class Server(ThreadingHTTPServer):
    """Serves one archive, as badly as a test wants it, and remembers what was asked for."""

    daemon_threads = True
    body = ARCHIVE
    status = 200
    drops: tuple[int, ...] = ()  # after how many bytes each of the first answers breaks off
    ranges = True
    honest_length = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []
        self.sent = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/tunes.zip"

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if start >= len(server.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        rest = server.body[start:]
        self.send_response(206 if wanted and server.ranges else 200)
        if wanted and server.ranges:
            last = len(server.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.body)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        answer = len(server.asked) - 1
        if answer < len(server.drops):
            rest = rest[: server.drops[answer]]
        self.wfile.write(rest)
        server.sent += len(rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a registry to write; nothing waits between tries."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets, "CACHE", folder)
    monkeypatch.setattr(datasets, "REGISTRY", tmp_path / "registry.toml")
    monkeypatch.setattr(datasets, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


@pytest.fixture
def server(cache):
    with Server() as server:
        yield server
        server.shutdown()


def register(url="http://127.0.0.1:9/", archive=ARCHIVE, name="tunes", **changes):
    entry = {
        "name": name,
        "url": url,
        "bytes": len(archive),
        "sha256": hashlib.sha256(archive).hexdigest(),
        "marker": "list.txt",
        "files": 2,
        "table": "false",
        **changes,
    }
    with open(datasets.REGISTRY, "a") as file:
        file.write(ENTRY.format(**entry))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


TUNES = {"list.txt": b"two tunes", "a.mid": NOISE, "b.mid": b"MThd"}


# Fetching


def test_a_fetched_data_set_is_here_and_fetched_once(server, cache):
    register(server.url)
    with pytest.raises(EtudeError, match="tunes is not here: run make data NAME=tunes"):
        dataset_folder("tunes")
    folder = fetch("tunes")
    assert contents(folder) == TUNES
    assert dataset_folder("tunes") == folder
    assert fetch("tunes") == folder
    assert server.asked == [None]
    left = {path.name for path in cache.iterdir()}
    assert left == {"tunes", "tunes.json", ".tunes.lock"}


def test_a_dropped_connection_is_taken_up_where_it_broke(server):
    register(server.url)
    server.drops = (12 * CHUNK, 6 * CHUNK)
    assert contents(fetch("tunes")) == TUNES
    first, second, third = server.asked
    assert first is None
    assert (second, third) == (f"bytes={12 * CHUNK}-", f"bytes={18 * CHUNK}-")
    assert server.sent == len(ARCHIVE)


def test_what_an_earlier_run_received_is_kept(server):
    register(server.url)
    server.drops = (12 * CHUNK, 0, 0, 0)
    with pytest.raises(
        EtudeError, match=rf"{12 * CHUNK:,} bytes received\): run the command again"
    ):
        fetch("tunes")
    assert len(server.asked) == 4  # then three tries brought no byte more
    server.drops = ()
    fetch("tunes")
    assert server.asked[-1] == f"bytes={12 * CHUNK}-"
    assert server.sent == len(ARCHIVE)


def test_a_server_without_ranges_is_asked_from_the_start(server):
    register(server.url)
    server.ranges = False
    server.drops = (12 * CHUNK,)
    assert contents(fetch("tunes")) == TUNES
    assert server.sent == 12 * CHUNK + len(ARCHIVE)


@pytest.mark.parametrize("left", [ARCHIVE, ARCHIVE + b"and more"], ids=["all", "too much"])
def test_a_run_killed_after_the_last_byte_is_taken_up(server, cache, left):
    register(server.url)
    workspace = cache / ".tunes.fetching"
    workspace.mkdir(parents=True)
    (workspace / "tunes.zip.part").write_bytes(left)
    (workspace / "unpacked").mkdir()
    assert contents(fetch("tunes")) == TUNES


def wrong(body):
    return body[:1000] + b"x" + body[1001:]


def truncated(body):
    return body[: len(body) // 2]


@pytest.mark.parametrize("spoil", [wrong, truncated])
def test_an_archive_that_fails_its_check_is_deleted_and_never_unpacked(server, cache, spoil):
    register(server.url)
    server.body = spoil(ARCHIVE)
    with pytest.raises(EtudeError, match=r"is not the archive of tunes .* and was deleted"):
        fetch("tunes")
    assert [path.name for path in cache.rglob("*")] == [".tunes.lock"]
    server.body = ARCHIVE
    assert contents(fetch("tunes")) == TUNES


@pytest.mark.parametrize(("status", "times"), [(404, 1), (403, 1), (503, 4)])
def test_a_server_that_refuses_is_named_with_its_answer(server, status, times):
    register(server.url)
    server.status = status
    with pytest.raises(EtudeError, match=rf"{server.url} answers {status} .*FROM=path"):
        fetch("tunes")
    assert len(server.asked) == times


def test_no_server_at_all_is_one_sentence(cache):
    with socketserver.TCPServer(("127.0.0.1", 0), None) as closed:
        port = closed.server_address[1]
    register(f"http://127.0.0.1:{port}/tunes.zip")
    with pytest.raises(EtudeError, match=r"fails \(ConnectionError, 0 bytes received\)"):
        fetch("tunes")


def test_a_disk_that_is_full_is_told_before_anything_is_asked_for(server):
    register(server.url, bytes=10**18)
    with pytest.raises(EtudeError, match=r"tunes needs .* MB and the disk of .* left: make room"):
        fetch("tunes")
    assert server.asked == []


def test_without_a_published_checksum_size_is_checked_and_sha256_recorded(server, cache, capsys):
    register(server.url, sha256="", bytes=len(ARCHIVE) + 2000)
    fetch("tunes")
    assert "no checksum is published for tunes" in capsys.readouterr().out
    record = json.loads((cache / "tunes.json").read_text())
    assert record["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()


def test_without_a_published_checksum_another_size_is_refused(server, cache):
    register(server.url, sha256="")
    server.body = truncated(ARCHIVE)
    with pytest.raises(EtudeError, match="received for tunes has 150,"):
        fetch("tunes")
    assert not list(cache.rglob("tunes.zip*"))


def test_two_commands_do_not_fetch_at_once(server):
    register(server.url)
    with (
        datasets._workspace(datasets.find("tunes")),
        pytest.raises(EtudeError, match="another command is fetching tunes"),
    ):
        fetch("tunes")


# Fetches from a zip again and again, each time killed at one more line of the module.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from toolkit.data import datasets

folder = Path(sys.argv[1])
datasets.REGISTRY = folder / "registry.toml"
datasets.CACHE = folder / "cache"

def kill_at(line):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        if frame.f_code.co_filename != datasets.__file__:
            return None
        seen += event == "line"
        if seen == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)

def state():
    try:
        return sorted(path.name for path in datasets.dataset_folder("tunes").iterdir())
    except datasets.EtudeError:
        return None

whole = ["a.mid", "b.mid", "list.txt"]
line, found, status = 0, [], 9
while status:
    line += 1
    child = os.fork()
    if not child:
        kill_at(line)
        datasets.fetch("tunes", folder / "tunes.zip")
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert state() in (None, whole), state()
    found.append("01"[state() == whole])
    datasets.fetch("tunes", folder / "tunes.zip")
    assert state() == whole
    if line % 2:  # over an old one every second time
        shutil.rmtree(datasets.CACHE)
print("".join(found))
"""


def test_a_killed_run_leaves_the_data_set_whole_or_none_and_the_next_one_mends_it(cache, tmp_path):
    register()
    (tmp_path / "tunes.zip").write_bytes(ARCHIVE)
    run = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    moments = run.stdout.split()[-1]
    assert len(moments) > 100
    assert "0" in moments
    assert moments.endswith("1")


# Unpacking


def entry(name, mode=0o100644):
    info = zipfile.ZipInfo("placeholder")
    info.filename = info.orig_filename = name
    info.external_attr = mode << 16
    return info


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ([entry("../evil.mid")], "leaves its folder"),
        ([entry("tunes/../../evil.mid")], "leaves its folder"),
        ([entry("/evil.mid")], "absolute or foreign path"),
        ([entry("C:/evil.mid")], "absolute or foreign path"),
        ([entry("..\\evil.mid")], "absolute or foreign path"),
        ([entry("evil.mid\0.txt")], "absolute or foreign path"),
        ([entry("link", stat.S_IFLNK | 0o777)], "a link or a device"),
        ([entry("device", stat.S_IFCHR | 0o666)], "a link or a device"),
        ([entry("pipe", stat.S_IFIFO | 0o666)], "a link or a device"),
        ([entry("a.mid"), entry("a.mid")], "twice"),
        ([entry("a.mid"), entry("./a.mid")], "twice"),
        ([entry("a.mid"), entry("a.mid/b.mid")], "twice"),
    ],
)
def test_an_archive_that_reaches_out_is_refused_whole(server, cache, tmp_path, entries, what):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("list.txt", "an honest file first")
        for info in entries:
            zipped.writestr(info, "/etc/passwd")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(EtudeError, match=f"is not unpacked: it holds .*{what}"):
        fetch_archive(server, buffer.getvalue())
    assert [path.name for path in cache.rglob("*")] == [".tunes.lock"]
    assert {path.name for path in tmp_path.iterdir()} <= before | {"cache", "registry.toml"}


def fetch_archive(server, archive):
    server.body = archive
    register(server.url, archive)
    return fetch("tunes")


def test_absurd_expansion_is_refused(server):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("list.txt", bytes(10_000_000))
    with pytest.raises(EtudeError, match="10,000,000 bytes in"):
        fetch_archive(server, buffer.getvalue())


def test_a_damaged_or_foreign_archive_is_one_sentence(tmp_path):
    good = zip_of({"a.mid": NOISE})
    encrypted = bytearray(zip_of({"a.mid": b"MThd"}))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    for body in (b"", b"<html>", good[:-10], wrong(good), bytes(encrypted)):
        path = tmp_path / "it.zip"
        path.write_bytes(body)
        with pytest.raises(EtudeError, match=r"it\.zip cannot be unpacked .*: get it again"):
            unpack(path, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_an_archive_of_something_else_is_told(server, cache):
    with pytest.raises(EtudeError, match=r"does not hold tunes: there is no list\.txt in it"):
        fetch_archive(server, zip_of({"other.txt": "x"}))
    assert not (cache / "tunes").exists()


# A copy of one's own


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "mine" / "tunes"
    folder.mkdir(parents=True)
    for name, content in TUNES.items():
        (folder / name).write_bytes(content)
    return folder


def test_a_complete_folder_is_used_where_it_is(cache, copy, capsys):
    register()
    assert fetch("tunes", copy) == copy
    assert dataset_folder("tunes") == copy
    assert capsys.readouterr().out == ""
    assert {path.name for path in cache.iterdir()} == {"tunes.json", ".tunes.lock"}
    assert fetch("tunes", copy.parent) == copy  # also found below what is given


def test_a_partial_folder_works_and_says_what_is_missing(cache, copy, capsys):
    register()
    (copy / "a.mid").unlink()
    assert fetch("tunes", copy) == copy
    assert "1 of 2 files of tunes are missing" in capsys.readouterr().out
    assert "1 of 2 files missing" in datasets.describe(datasets.find("tunes"))


def test_a_folder_that_has_gone_is_not_here(cache, copy):
    register()
    fetch("tunes", copy)
    copy.rename(copy.with_name("elsewhere"))
    with pytest.raises(EtudeError, match="tunes is not here"):
        dataset_folder("tunes")


def test_the_official_zip_is_checked_unpacked_and_kept(cache, tmp_path):
    register()
    mine = tmp_path / "mine.zip"
    mine.write_bytes(ARCHIVE)
    assert contents(fetch("tunes", mine)) == TUNES
    assert mine.read_bytes() == ARCHIVE


@pytest.mark.parametrize("spoil", [wrong, truncated])
def test_another_zip_is_refused_and_left_alone(cache, tmp_path, spoil):
    register()
    mine = tmp_path / "mine.zip"
    mine.write_bytes(spoil(ARCHIVE))
    with pytest.raises(EtudeError, match=r"mine\.zip .* is not the archive of tunes"):
        fetch("tunes", mine)
    assert mine.read_bytes() == spoil(ARCHIVE)
    assert not (cache / "tunes").exists()


def test_a_new_copy_takes_the_place_of_the_old(server, cache, copy):
    register(server.url)
    fetch("tunes")
    assert fetch("tunes", copy) == copy
    assert dataset_folder("tunes") == copy


def test_a_copy_that_is_none_is_one_sentence(cache, copy, tmp_path):
    register()
    with pytest.raises(EtudeError, match="there is nothing at FROM=nowhere"):
        fetch("tunes", "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EtudeError, match="does not hold tunes"):
        fetch("tunes", tmp_path / "empty")
    (copy / "a.mid").unlink()
    (copy / "b.mid").unlink()
    with pytest.raises(EtudeError, match="none of the files of tunes"):
        fetch("tunes", copy)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "midi_filename\na.mid\n", b"\xff\xfe"])
def test_a_spoilt_table_is_one_sentence(cache, copy, content):
    register(name="groove", marker="info.csv", table="true")
    table = copy / "info.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(EtudeError, match=r"is not the table of groove|none of the files"):
        fetch("groove", copy)


# The real registry


def test_an_unknown_name_is_offered_the_nearest():
    with pytest.raises(EtudeError, match="no data set named 'Maestr': did you mean maestro"):
        fetch("Maestr")
    with pytest.raises(EtudeError, match="there are maestro, groove, names18, pop1k7"):
        dataset_folder("zzz")


@pytest.fixture
def real(monkeypatch, tmp_path, shared_data):
    monkeypatch.setattr(datasets, "CACHE", tmp_path / "cache")
    return shared_data


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("maestro", "maestro-v3.0.0"),
        ("groove", "groove"),
        ("names18", "names"),
        ("pop1k7", "pop1k7"),
    ],
)
def test_the_real_data_sets_are_complete_where_they_are(real, capsys, name, folder):
    assert fetch(name, real / folder) == (real / folder).resolve()
    assert "missing" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "folder", "read", "splits"),
    [
        (
            "maestro",
            "maestro-v3.0.0",
            maestro_table,
            {"train": 962, "validation": 137, "test": 177},
        ),
        ("groove", "groove", groove_table, {"train": 897, "validation": 124, "test": 129}),
    ],
)
def test_tables_give_paths_and_splits(real, name, folder, read, splits):
    fetch(name, real / folder)
    recordings = read()
    assert all(recording.path.is_file() for recording in recordings)
    counts = {split: sum(row.split == split for row in recordings) for split in splits}
    assert counts == splits
    assert len(recordings) == sum(splits.values())


def test_a_part_of_groove_as_its_zip_unpacks_works(real, tmp_path, monkeypatch, capsys):
    files = {
        f"groove/{path.relative_to(real / 'groove')}": path.read_bytes()
        for path in [real / "groove" / "info.csv", *(real / "groove" / "drummer9").rglob("*.mid")]
    }
    archive = tmp_path / "groove.zip"
    archive.write_bytes(zip_of(files))
    monkeypatch.setattr(datasets, "_sha256", lambda _: datasets.find("groove").sha256)
    folder = fetch("groove", archive)
    assert folder == tmp_path / "cache" / "groove"
    assert f"{1150 - len(files) + 1:,} of 1,150 files of groove are missing" in (
        capsys.readouterr().out
    )
    assert {row.path.parts[-3] for row in groove_table()} == {"drummer9"}
    assert len(groove_table()) == len(files) - 1
