"""How fast MAESTRO becomes performance events, beside note-seq in the same run.

    python -m benchmarks.performance_encoding [--maestro PATH]

The ratio compares CPU time on one core, so that other work on the machine hardly counts.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from toolkit.console import run_command, say
from toolkit.data.parallel import available_cores, map_items
from toolkit.errors import EtudeError
from toolkit.music.midi import import_note_seq
from toolkit.music.performance import encode_file
from toolkit.paths import ROOT, write_whole

RESULTS = ROOT / "benchmarks" / "results" / "performance_encoding.json"
SAMPLE = 40  # files that note-seq encodes too: it takes 0.3 s for each


def encode_with_note_seq(path: Path) -> np.ndarray:
    """Encode a file as `encode_file` does, with note-seq alone."""
    note_seq = import_note_seq()
    from note_seq.performance_encoder_decoder import PerformanceOneHotEncoding

    sequence = note_seq.midi_file_to_note_sequence(str(path))
    sustained = note_seq.apply_sustain_control_changes(sequence)
    quantized = note_seq.quantize_note_sequence_absolute(sustained, 100)
    performance = note_seq.Performance(quantized, num_velocity_bins=32)
    encoding = PerformanceOneHotEncoding(num_velocity_bins=32)
    return np.array([encoding.encode_event(event) for event in performance], np.uint16)


def cpu_seconds(encode: Callable[[Path], np.ndarray], paths: list[Path]) -> tuple[float, list]:
    """Encode files one after another: CPU seconds a file, and the events."""
    encode(paths[0])  # imports and compilation
    begin = time.process_time()
    events = [encode(path) for path in paths]
    return (time.process_time() - begin) / len(paths), events


def main() -> None:
    """Measure, print one line, write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maestro", type=Path, default=ROOT.parent / "shared/data/maestro-v3.0.0")
    maestro = parser.parse_args().maestro
    paths = sorted(maestro.rglob("*.midi"))
    if not paths:
        raise EtudeError(f"There are no MAESTRO files in {maestro}: give its folder by --maestro.")
    sample = [paths[i * len(paths) // SAMPLE] for i in range(min(SAMPLE, len(paths)))]

    theirs, expected = cpu_seconds(encode_with_note_seq, sample)
    ours_on_sample, events = cpu_seconds(encode_file, sample)
    identical = sum(map(np.array_equal, events, expected))
    ours, events = cpu_seconds(encode_file, paths)
    begin = time.perf_counter()
    map_items(encode_file, paths, "performances")
    wall = time.perf_counter() - begin

    figures = {
        "files": len(paths),
        "events": sum(map(len, events)),
        "sample": len(sample),
        "identical in sample": identical,
        "note-seq CPU ms a file (sample)": round(1000 * theirs, 2),
        "Etude CPU ms a file (sample)": round(1000 * ours_on_sample, 3),
        "Etude CPU ms a file (all)": round(1000 * ours, 3),
        "times as fast per core (sample)": round(theirs / ours_on_sample, 1),
        "cores": available_cores(),
        "wall seconds for all files on all cores": round(wall, 2),
    }
    write_whole(RESULTS, json.dumps(figures, indent=2) + "\n")
    say(
        f"{len(paths)} files: {1000 * ours:.2f} CPU ms a file, "
        f"{theirs / ours_on_sample:.0f} times as fast as note-seq ({identical} of {len(sample)} "
        f"identical), all in {wall:.1f} s on {figures['cores']} cores"
    )


if __name__ == "__main__":
    run_command(main)
