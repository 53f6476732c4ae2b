"""Lab 5's settings and presets, and which networks they train."""

from dataclasses import dataclass

from toolkit.errors import EtudeError
from toolkit.training.settings import (
    Count,
    CountOrZero,
    FractionAboveZero,
    FractionBelowOne,
    MusicSettings,
    Positive,
)


@dataclass(frozen=True)
class Network:
    """A network by its words ("REMI" or "CP") and what it is ("xl", "plain" or "linear").

    The plain one is Transformer-XL's network trained without memory.
    """

    name: str
    words: str
    kind: str


XL = Network("REMI + XL", "REMI", "xl")
PLAIN = Network("REMI, no memory", "REMI", "plain")
LINEAR = Network("CP + linear", "CP", "linear")
NETWORKS = {
    "three": (XL, PLAIN, LINEAR),
    "all": (
        *(XL, PLAIN, LINEAR),
        Network("REMI + linear", "REMI", "linear"),
        Network("CP + XL", "CP", "xl"),
    ),
}


@dataclass(frozen=True)
class Settings(MusicSettings):
    """What a run does; any field can be set on the command line."""

    data: str = "chorales"
    # which networks, a key of `NETWORKS`
    models: str = "three"
    # each piece is moved by one of these in each epoch
    semitones: tuple[int, ...] = (-3, -2, -1, 0, 1, 2, 3)
    d_model: Count = 128
    num_heads: Count = 2
    ff_dim: Count = 512
    num_layers: Count = 3
    dropout: FractionBelowOne = 0.0
    same_length: bool = False
    # Transformer-XL reads segments, with a memory of so many words before them
    length: Count = 256
    memory_length: CountOrZero = 256
    batch_size: Count = 8
    learning_rate: Positive = 2e-3
    # the linear Transformer reads pieces of so many rows at most (of twice as many words of REMI,
    # half as many pieces at a time); longer ones it does not learn
    linear_length: Count = 512
    linear_batch_size: Count = 4
    linear_learning_rate: Positive = 2e-3
    epochs: Count = 8
    # batches an epoch, so that each network costs as much
    xl_steps: Count = 65
    plain_steps: Count = 110
    linear_steps: Count = 140
    remi_linear_steps: Count = 140
    cp_xl_steps: Count = 65
    # validation batches after each epoch at most
    eval_batches: Count | None = None
    # lengths of memory that networks over segments are evaluated with
    memories: tuple[CountOrZero, ...] = (0, 256, 1024)
    temperature: Positive = 1.0
    top_p: FractionAboveZero = 0.95
    # songs a network, and how many notes they may have
    songs: Count = 8
    max_notes: Count = 1000
    # of those songs so many are shown, and as many go on from the primer
    samples: Count = 2
    # a MIDI file to go on from; None takes a test piece; and which of its bars, from 1
    primer: str | None = None
    primer_bars: tuple[Count, ...] = (1, 4)
    # the network that `make lab5-continue` goes on with
    network: str = "CP + linear"


# the sizes of the published table
FULL = Settings(
    data="pop1k7",
    d_model=512,
    num_heads=8,
    ff_dim=2048,
    num_layers=12,
    dropout=0.1,
    same_length=True,
    length=512,
    memory_length=512,
    batch_size=10,
    learning_rate=2e-4,
    linear_length=3584,
    linear_batch_size=4,
    linear_learning_rate=1e-4,
    epochs=50,
    xl_steps=800,
    plain_steps=800,
    linear_steps=350,
    remi_linear_steps=350,
    cp_xl_steps=800,
    eval_batches=200,
    memories=(0, 512, 1024, 2048),
    songs=50,
    max_notes=4000,
    samples=4,
    primer_bars=(1, 8),
)
# an hour without a GPU; the linear Transformer learns the shorter half of the pieces
LAPTOP = Settings(
    data="maestro",
    max_pieces=200,
    d_model=192,
    num_heads=3,
    ff_dim=768,
    num_layers=4,
    linear_length=8192,
    linear_batch_size=1,
    epochs=10,
    xl_steps=120,
    plain_steps=190,
    linear_steps=25,
    eval_batches=30,
    songs=4,
    max_notes=600,
)
PRESETS = {"quick": Settings(), "laptop": LAPTOP, "full": FULL}


def networks(settings: Settings) -> tuple[Network, ...]:
    """Give the networks to train.

    Raises
    ------
    EtudeError
        If there is no such set of networks.
    """
    if settings.models not in NETWORKS:
        raise EtudeError(f'models is "{settings.models}": give {" or ".join(NETWORKS)}')
    return NETWORKS[settings.models]


def batch_shape(settings: Settings, network: Network) -> tuple[int, int]:
    """Give the rows and the length of a network's batches."""
    if network.kind != "linear":
        return settings.batch_size, settings.length
    if network.words == "CP":
        return settings.linear_batch_size, settings.linear_length
    return max(1, settings.linear_batch_size // 2), 2 * settings.linear_length


def steps_per_epoch(settings: Settings, network: Network) -> int:
    """Give how many batches an epoch of a network has."""
    fields = {("REMI", "linear"): "remi_linear_steps", ("CP", "xl"): "cp_xl_steps"}
    return getattr(settings, fields.get((network.words, network.kind), f"{network.kind}_steps"))


def check(settings: Settings) -> None:
    """Refuse settings that do not fit together.

    Raises
    ------
    EtudeError
        Which, and what to give.
    """
    networks(settings)
    if settings.d_model % (2 * settings.num_heads):
        raise EtudeError(
            f"d_model {settings.d_model} cannot be shared by {settings.num_heads} heads of even "
            "size: give a multiple of twice as many"
        )
    if settings.devices is not None:
        raise EtudeError("Lab 5 trains on one device, which holds the memory: leave out DEVICES")
    bars = settings.primer_bars
    if len(bars) != 2 or bars[0] > bars[1]:
        raise EtudeError(
            f"primer_bars is {','.join(map(str, bars))}, which is not a bar: give the first and "
            'the last, like SET="primer_bars=1,4"'
        )
