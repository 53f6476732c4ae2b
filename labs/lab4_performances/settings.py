"""Lab 4's settings and presets, apart: they are needed where no MIDI library is, too."""

from dataclasses import dataclass, replace

from toolkit.training.settings import (
    Count,
    CountOrZero,
    Fraction,
    FractionAboveZero,
    FractionBelowOne,
    MusicSettings,
    Positive,
)


@dataclass(frozen=True)
class Settings(MusicSettings):
    """What a run does; any field can be set on the command line.

    Without an instrument a piano plays, or drums.
    """

    data: str = "keyboard"
    # a MIDI file to go on from; None takes a test piece
    primer: str | None = None
    primer_seconds: Positive = 8.0
    # each piece is moved by one of these in each epoch; the experiment does not transpose drums
    semitones: tuple[int, ...] = (-1, 0, 1)
    stretches: tuple[Positive, ...] = (0.95, 0.975, 1.0, 1.025, 1.05)
    length: Count = 256
    # overlap of validation and test windows, and how many of validation at most
    context: CountOrZero = 64
    eval_windows: Count | None = 150
    d_model: Count = 128
    num_heads: Count = 2
    ff_dim: Count = 256
    num_layers: Count = 2
    # distances beyond the length of the crops are never trained
    max_distance: Count = 255
    window: Count = 256
    # a run of three minutes learns too little to need any: with 0.1 it ends 0.1 nats higher
    dropout: FractionBelowOne = 0.0
    tied: bool = True
    smoothing: FractionBelowOne = 0.0
    epochs: Count = 8
    steps_per_epoch: Count = 120
    batch_size: Count = 8
    learning_rate: Positive = 3e-3
    warmup: Count = 200
    # share of the steps, the last ones, over which the rate falls to 0 besides
    cooldown: Fraction = 0.0
    temperature: Positive = 0.95
    top_k: CountOrZero = 0
    top_p: FractionAboveZero = 0.92
    grammar: bool = True
    # pieces with a primer, and as many without
    samples: Count = 4
    max_events: Count = 768
    # real excerpts that generated pieces are measured beside
    compared: Count = 32


# the field's usual model: Huang et al. (2018), gwinndr's sizes
MAESTRO = Settings(
    data="maestro",
    primer_seconds=20.0,
    semitones=(-3, -2, -1, 0, 1, 2, 3),
    length=2048,
    context=1024,
    eval_windows=400,
    d_model=512,
    num_heads=8,
    ff_dim=2048,
    num_layers=6,
    max_distance=2047,
    window=2048,
    dropout=0.1,
    epochs=40,
    steps_per_epoch=500,
    batch_size=16,
    learning_rate=1e-3,
    warmup=2000,
    cooldown=0.4,
    temperature=1.0,
    top_p=0.95,
    samples=8,
    max_events=4096,
    compared=137,
)
# an hour without a GPU
LAPTOP = replace(
    MAESTRO,
    length=512,
    context=256,
    eval_windows=150,
    d_model=192,
    num_heads=3,
    ff_dim=512,
    num_layers=3,
    max_distance=511,
    window=512,
    dropout=0.0,
    epochs=20,
    steps_per_epoch=250,
    batch_size=8,
    learning_rate=2e-3,
    warmup=500,
    samples=4,
    max_events=1536,
)
PRESETS = {"quick": Settings(), "laptop": LAPTOP, "maestro": MAESTRO, "full": MAESTRO}
