"""Plots say what they show: axes with units, baselines, the best epoch, pitches and shades."""

from itertools import pairwise

import pytest
from note_seq.protobuf import music_pb2

from toolkit.errors import EtudeError
from toolkit.report import plots
from toolkit.report.plots import (
    pitch_name,
    plot_comparison,
    plot_curves,
    plot_measures,
    plot_piano_roll,
)

LOG = {
    "epoch": [1, 2, 3],
    "nats_per_token": [3.0, 2.0, 1.0],
    "val_nats_per_token": [3.1, 2.2, 2.4],
}


@pytest.fixture
def figure(monkeypatch, tmp_path):
    """`figure(draw)` calls draw(path) and returns the matplotlib figure it drew."""
    kept = []
    save = plots._save
    monkeypatch.setattr(plots, "_save", lambda drawn, path: (kept.append(drawn), save(drawn, path)))

    def drawn_by(draw):
        path = tmp_path / "plots" / "figure.png"
        draw(path)
        assert path.read_bytes().startswith(b"\x89PNG")
        assert [file.name for file in path.parent.iterdir()] == ["figure.png"]
        return kept[-1]

    return drawn_by


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def sequence(*notes, drums=()):
    made = music_pb2.NoteSequence()
    made.tempos.add(qpm=90)
    for pitch, start, end, velocity, program in notes:
        made.notes.add(
            pitch=pitch, start_time=start, end_time=end, velocity=velocity, program=program,
            instrument=program,
        )  # fmt: skip
    for pitch, start in drums:
        made.notes.add(
            pitch=pitch, start_time=start, end_time=start + 0.1, velocity=90, is_drum=True
        )
    return made


def test_a_comparison_has_two_lines_a_model_and_names_each_by_its_last_loss(figure):
    other = {**LOG, "val_nats_per_token": [2.9, 1.9, 1.5]}
    axes = figure(
        lambda path: plot_comparison(
            {"RNN": LOG, "GRU": other}, path, "nats_per_token", "loss (nats a character)"
        )
    ).axes[0]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()]
    for log in (LOG, other):
        for column in ("nats_per_token", "val_nats_per_token"):
            assert (log["epoch"], log[column]) in drawn
    assert {"RNN 2.400", "GRU 1.500"} <= set(texts(axes))
    assert axes.get_xlabel() == "epoch"
    assert axes.get_ylabel() == "loss (nats a character)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["validation", "training"]
    colours = {line.get_color() for line in axes.get_lines() if len(line.get_xdata())}
    assert len(colours) == 2


def test_curves_show_training_validation_baselines_and_the_best_epoch(figure):
    axes = figure(
        lambda path: plot_curves(
            LOG, path, "nats_per_token", "loss (nats per token)", {"bigram": 2.5}
        )
    ).axes[0]
    training, validation, baseline, best = axes.lines
    assert list(training.get_ydata()) == [3.0, 2.0, 1.0]
    assert list(validation.get_ydata()) == [3.1, 2.2, 2.4]
    assert set(baseline.get_ydata()) == {2.5}
    assert set(best.get_xdata()) == {2}
    assert {"best epoch 2", "training 1", "validation 2.40", "bigram 2.50"} == set(texts(axes))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss (nats per token)")


def test_names_at_the_lines_ends_do_not_overlap(figure):
    baselines = {f"baseline {number}": 2.4 + number / 1000 for number in range(4)}
    drawn = figure(lambda path: plot_curves(LOG, path, "nats_per_token", "loss", baselines))
    boxes = [text.get_window_extent() for text in drawn.axes[0].texts if "best" not in str(text)]
    edges = sorted((box.y0, box.y1) for box in boxes)
    assert all(below[1] <= above[0] for below, above in pairwise(edges))


def test_one_epoch_and_nan_can_be_drawn(figure):
    log = {"epoch": [1], "loss": [float("nan")]}
    assert figure(lambda path: plot_curves(log, path, "loss", "loss"))


@pytest.mark.parametrize("log", [LOG, {}])
def test_a_column_that_is_not_logged_is_named(log, tmp_path):
    with pytest.raises(EtudeError, match="no column 'accuracy'"):
        plot_curves(log, tmp_path / "x.png", "accuracy", "accuracy")


def test_measures_are_bars_beside_their_reference(figure):
    measures = {
        "repetition": {"argmax": 0.9, "temperature 1": 0.2},
        "entropy": {"argmax": 0.0, "temperature 1": float("nan")},
    }
    left, right = figure(
        lambda path: plot_measures(measures, path, {"repetition": 0.25, "entropy": float("nan")})
    ).axes
    assert [bar.get_width() for bar in left.patches] == [0.9, 0.2]
    assert [label.get_text() for label in left.get_yticklabels()] == ["argmax", "temperature 1"]
    assert "real music 0.25" in texts(left)
    assert right.get_title(loc="left") == "entropy"


def test_a_piano_roll_places_notes_by_pitch_and_time_and_shades_them_by_velocity(figure):
    notes = sequence((60, 0.0, 1.0, 30, 0), (67, 1.0, 2.0, 120, 0))
    axes = figure(lambda path: plot_piano_roll(notes, path, "two notes")).axes[0]
    soft, loud = axes.collections[0].get_facecolors()
    assert soft[3] < loud[3]
    (first, second) = axes.collections[0].get_paths()
    assert first.get_extents().bounds == pytest.approx((0, 59.56, 1, 0.88))
    assert second.get_extents().bounds == pytest.approx((1, 66.56, 1, 0.88))
    assert axes.get_xlabel() == "time (seconds)"
    assert {"C4", "G4"} <= {label.get_text() for label in axes.get_yticklabels()}


def test_a_piano_roll_counts_quarter_notes_at_the_pieces_tempo(figure):
    notes = sequence((60, 0.0, 2.0, 80, 0))
    axes = figure(lambda path: plot_piano_roll(notes, path, unit="quarter notes")).axes[0]
    assert axes.get_xlim()[1] == pytest.approx(3.0)
    assert axes.get_xlabel() == "time (quarter notes)"
    with pytest.raises(EtudeError, match="bars"):
        plot_piano_roll(notes, None, unit="bars")


def test_instruments_differ_in_colour_and_are_named(figure):
    notes = sequence((60, 0, 1, 80, 0), (40, 0, 1, 80, 32))
    axes = figure(lambda path: plot_piano_roll(notes, path)).axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["acoustic grand piano", "acoustic bass"]
    first, second = (tuple(part.get_facecolors()[0][:3]) for part in axes.collections)
    assert first != second


def test_drums_have_a_panel_with_their_names(figure):
    notes = sequence((60, 0, 1, 80, 0), drums=[(36, 0.0), (38, 0.5), (99, 0.7)])
    _, drums = figure(lambda path: plot_piano_roll(notes, path)).axes
    names = [label.get_text() for label in drums.get_yticklabels()]
    assert names == ["bass drum", "snare", "drum 99"]
    assert len(figure(lambda path: plot_piano_roll(sequence(drums=[(36, 0.0)]), path)).axes) == 1


def test_a_piece_without_notes_says_so(figure):
    axes = figure(lambda path: plot_piano_roll(sequence(), path)).axes[0]
    assert "no notes" in texts(axes)


def test_pitches_are_named_with_middle_c_as_c4():
    assert [pitch_name(pitch) for pitch in (60, 61, 70, 21, 0)] == ["C4", "C♯4", "B♭4", "A0", "C-1"]
