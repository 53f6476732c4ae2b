"""The generated pieces as a report shows them: MIDI, piano rolls, sound, similarity of bars."""

from collections.abc import Sequence

from labs.lab6_language_models.data import VELOCITIES
from labs.lab6_language_models.generate import Primers
from labs.lab6_language_models.measure import Group, self_similarity
from labs.lab6_language_models.settings import Settings
from toolkit.music import grid
from toolkit.music.midi import write_midi
from toolkit.music.pieces import to_sequence
from toolkit.report.plots import plot_attention
from toolkit.report.report import Picture, Sample
from toolkit.report.samples import Generated, write_samples
from toolkit.training.runs import Run


def write_pieces(
    run: Run, settings: Settings, primers: Primers, groups: Sequence[Group]
) -> list[Sample]:
    """Write all pieces as MIDI, and the first of each group with piano roll and sound."""
    velocities = VELOCITIES[settings.data]
    beats = 4 * 60 / settings.tempo  # seconds a bar
    pieces = []
    for group in groups:
        for number, ids in enumerate(group.ids):
            rows, _ = grid.decode(ids, velocities)
            sequence = to_sequence(grid.to_piece(rows, settings.tempo))
            name = f"{group.name}, piece {number + 1}"
            if sequence.notes:
                write_midi(
                    sequence, run.path(f"midi/{name.replace(', ', '-').replace(' ', '-')}.mid")
                )
            if number < settings.shown:
                one = group.excerpts[number]
                measured = {
                    "bars": one.bars,
                    "notes": len(one.notes),
                    "runs copied": float(group.runs[number]),
                    "ends": one.ends,
                }
                seam = primers.bars[number] * beats
                pieces.append(Generated(name, group.name, sequence, measured, seam))
    return write_samples(run, pieces, settings.instrument, settings.soundfont)


def draw_similarity(run: Run, real: Group, groups: Sequence[Group]) -> list[Picture]:
    """Draw which bars are alike in a real continuation and in sampled ones of the same primer."""
    shown = [real, *(group for group in groups if "top-p" in group.name)]
    first = [next((one for one in group.excerpts if one.bars > 1), None) for group in shown]
    maps = []
    for one in first:
        if one is not None:
            bars = [str(bar + 1) for bar in range(one.bars)]
            maps.append((bars, bars, self_similarity(one)))
    path = run.path("similarity.png")
    if maps:
        titles = ", ".join(group.name for group in shown)
        plot_attention(maps, path, f"from left to right: {titles}")
    return [Picture(path, "similarity of each bar with each, in a real and in generated pieces")]
