"""Render a MIDI file with symusic's synthesizer: `python synthesizer.py MIDI SOUNDFONT RATE WAV`.

A program of its own, because a crash in the C++ library must not take a run down, and importing no
module of the toolkit, because it is started for every piece.
"""

import itertools
import struct
import sys
from pathlib import Path

import numpy as np
import soundfile
import symusic

ROOT_KEY, SAMPLE = 58, 53  # generators of SoundFont 2.04, section 8.1.2
COMPRESSED = 0x10
GENERATOR = np.dtype([("oper", "<u2"), ("amount", "<u2")])
BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
HEADER = np.dtype(
    [
        ("name", "V20"),
        ("start", "<u4"),
        ("end_loop_rate", "V16"),
        ("key", "u1"),
        ("correction_link", "V3"),
        ("type", "<u2"),
    ]
)


def with_root_keys(soundfont: bytes) -> bytes:
    """Write the root key that a zone overrides into its sample's header.

    symusic's synthesizer reads it only there, and would play most instruments of pretty_midi's
    SoundFont up to three octaves too high. A sample that zones use with several root keys gets a
    header for each. Such headers start one sample apart, because the synthesizer's cache knows a
    sample by its start.
    """
    lists = {body[:4]: body[4:] for name, body in _chunks(soundfont[12:]) if name == b"LIST"}
    parts = dict(_chunks(lists[b"pdta"]))
    generators = np.frombuffer(parts[b"igen"], GENERATOR).copy()
    headers = list(np.frombuffer(parts[b"shdr"], HEADER))
    last = headers.pop()
    number: dict[tuple[int, int], int] = {}  # of the header for a sample and root key
    for first, end in itertools.pairwise(np.frombuffer(parts[b"ibag"], BAG)["generator"]):
        zone = generators[first:end]
        key = zone["amount"][zone["oper"] == ROOT_KEY]
        place = np.flatnonzero(zone["oper"] == SAMPLE)
        if not len(place) or not len(key) or key[0] > 127:
            continue
        sample = int(zone["amount"][place[0]])
        if (sample, int(key[0])) not in number:
            header = headers[sample].copy()
            header["key"] = key[0]
            if not header["type"] & COMPRESSED:
                header["start"] += 1 + sum(known == sample for known, _ in number)
            number[sample, int(key[0])] = len(headers)
            headers.append(header)
        zone["amount"][place[0]] = number[sample, int(key[0])]
    parts[b"igen"] = generators.tobytes()
    parts[b"shdr"] = np.array([*headers, last], HEADER).tobytes()
    lists[b"pdta"] = b"".join(_chunk(name, body) for name, body in parts.items())
    body = b"".join(_chunk(b"LIST", name + body) for name, body in lists.items())
    return _chunk(b"RIFF", b"sfbk" + body)


def _chunks(data: bytes):
    """Yield the RIFF chunks that follow each other in `data`: name, body."""
    at = 0
    while at + 8 <= len(data):
        name, size = struct.unpack("<4sL", data[at : at + 8])
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("<4sL", name, len(body)) + body + b"\0" * (len(body) % 2)


def main(midi: str, soundfont: str, rate: str, wav: str) -> None:
    """Render one file."""
    repaired = Path(wav).with_suffix(".sf2")
    repaired.write_bytes(with_root_keys(Path(soundfont).read_bytes()))
    synthesizer = symusic.Synthesizer(str(repaired), int(rate), 0)
    audio = synthesizer.render(symusic.Score(midi), stereo=True)  # (2, samples)
    soundfile.write(wav, audio.T, int(rate), subtype="FLOAT")


if __name__ == "__main__":
    main(*sys.argv[1:])
