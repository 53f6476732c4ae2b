"""What every test shares: quiet TensorFlow, where the real data is, the verify switch."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from toolkit.console import quiet_tensorflow
from toolkit.paths import ROOT

quiet_tensorflow()
os.environ.setdefault("MPLBACKEND", "Agg")
# A shell starts what runs in the background (`make test &`) with Ctrl-C ignored, and children
# inherit that; the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

with contextlib.suppress(ModuleNotFoundError):  # a part of the suite runs on students' packages
    import hypothesis

    # the same examples each time: what passed here passes elsewhere
    hypothesis.settings.register_profile("etude", derandomize=True, deadline=None, database=None)
    hypothesis.settings.load_profile("etude")

SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--verify", action="store_true", help="run the full-size proofs too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "verify: a full-size proof, run by `make verify`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--verify"):
        for item in items:
            if item.get_closest_marker("verify"):
                item.add_marker(pytest.mark.skip(reason="a full-size proof: make verify"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data sets, where this checkout has them beside it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data sets are not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def trust() -> dict[str, str]:
    """Whom this machine trusts when it fetches packages: variables for a clean environment."""
    return {name: value for name, value in os.environ.items() if name.startswith("SSL_CERT_")}
