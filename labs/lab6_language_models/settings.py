"""Lab 6's settings and presets."""

from dataclasses import dataclass

from toolkit.training.settings import (
    Count,
    CountOrZero,
    Fraction,
    FractionAboveZero,
    FractionBelowOne,
    MusicSettings,
    Positive,
    PositiveOrZero,
)


@dataclass(frozen=True)
class Settings(MusicSettings):
    """What a run does; any field can be set on the command line.

    The network's width is what makes both models as large as `num_parameters`.
    """

    data: str = "chorales"
    instrument: str | None = "church organ"
    # quarter notes a minute, for what is played
    tempo: Positive = 84.0
    # pieces are moved by one of these in each epoch
    semitones: tuple[int, ...] = (-3, -2, -1, 0, 1, 2, 3)
    num_parameters: Count = 600_000
    d_model: Count = 128
    num_heads: Count = 2
    # LLaMA's: heads that share keys and values; GPT-2 has as many as heads
    num_kv_heads: Count = 1
    num_layers: Count = 2
    # positions there are, of training and of generation
    context: Count = 1024
    dropout: FractionBelowOne = 0.0
    epochs: Count = 18
    steps_per_epoch: Count = 150
    # validation windows that are scored, evenly spread over the pieces; None takes all
    eval_windows: Count | None = None
    batch_size: Count = 1
    learning_rate: Positive = 2e-3
    # of the steps in which the rate rises
    warmup: Fraction = 0.05
    # a MIDI file to continue; None takes held-out pieces
    primer: str | None = None
    # held-out pieces that each model and decoding continues, and their bars
    primers: Count = 20
    primer_bars: Count = 2
    # bars after the primer, at most
    bars: Count = 24
    temperature: Positive = 0.95
    top_p: FractionAboveZero = 0.95
    num_beams: Count = 3
    alpha: PositiveOrZero = 1.0
    # of the cache's new part, which each step copies: fewer are quicker, and compile longer
    slots: Count = 96
    # networks of each kind between GPT-2 and LLaMA, trained with seeds of their own; 0 leaves out
    step_seeds: CountOrZero = 0
    step_epochs: Count = 5
    # pieces of each model and decoding that the report embeds
    shown: CountOrZero = 1


FULL = Settings(
    data="pop1k7",
    instrument=None,
    tempo=110.0,
    num_parameters=20_000_000,
    d_model=512,
    num_heads=8,
    num_kv_heads=2,
    num_layers=6,
    context=2048,
    dropout=0.1,
    epochs=30,
    steps_per_epoch=500,
    batch_size=16,
    learning_rate=1e-3,
    bars=32,
    step_seeds=3,
    step_epochs=10,
    shown=2,
)
# an hour without a GPU; the context holds about ten bars
LAPTOP = Settings(
    data="pop1k7",
    instrument=None,
    tempo=110.0,
    num_parameters=1_200_000,
    d_model=192,
    num_heads=3,
    num_layers=3,
    epochs=30,
    steps_per_epoch=240,
    eval_windows=100,
    bars=8,
)
PRESETS = {"quick": Settings(), "laptop": LAPTOP, "full": FULL}
