"""What the labs' tests share."""

import dataclasses

import pytest

from toolkit.music import pieces


def map_here(function, items, description, processes=None, initializer=None, initargs=()):
    """Do `map_items`' work in this process: children would import more than they do."""
    if initializer is not None:
        initializer(*initargs)
    return [function(item) for item in items], {}


@pytest.fixture(scope="module")
def few_chorales(tmp_path_factory):
    """Have the corpus hold a few scores, prepared in a cache of its own."""
    names = [f"bwv{number}" for number in (253, 254, 255, 256, 257, 258, 259, 260, 261, 263)]
    listed = [pieces.Item(name, name, "train") for name in names]
    few = dataclasses.replace(pieces.SOURCES["chorales"], items=lambda: listed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pieces.SOURCES, "chorales", few)
        patch.setattr("toolkit.data.preparation.CACHE", tmp_path_factory.mktemp("cache"))
        patch.setattr("toolkit.data.preparation.map_items", map_here)
        yield
