"""One look for every command: short, quiet, fine without colour and in a log file."""

import logging
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from toolkit.errors import EtudeError
from toolkit.paths import shown

console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:  # a log file, a notebook's cell: no table need be cut there
    console.width = 200


def quiet_tensorflow() -> None:
    """Silence TensorFlow's start-up messages and warnings; call before anything imports Keras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "3")
    # it warns of a program that is compiled for many shapes, as pieces of many lengths need it
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def hushed() -> Iterator[None]:
    """Hold back what C++ code writes to standard error, unless the block fails.

    TensorFlow writes a few lines while it is imported, before its own log level counts.
    """
    sys.stderr.flush()
    error_output = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(error_output, held_back.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(error_output, 2)
            os.close(error_output)


def stamp(facts: Mapping[str, str]) -> None:
    """Print the parity stamp: what must agree for two runs to agree, on one line."""
    line = " · ".join(f"{name} {value}" for name, value in facts.items())
    console.print(f"[dim]{escape(line)}[/dim]")


def say(message: str) -> None:
    """Print one plain line."""
    console.print(escape(message))


def heading(message: str) -> None:
    """Print a line that opens a section."""
    console.print(f"\n[bold]{escape(message)}[/bold]")


def warn(message: str) -> None:
    """Print what the user should know but need not fix now."""
    console.print(f"[yellow]note:[/yellow] {escape(message)}")


def next_step(message: str, place: Path | str = "", line: int | None = None) -> None:
    """Print the next thing to do, with `file:line` or another place where there is one."""
    where = shown(place) if isinstance(place, Path) else place
    where = f" {where}{f':{line}' if line else ''}" if where else ""
    console.print(f"[bold green]next:[/bold green] {escape(message)}[cyan]{escape(where)}[/cyan]")


def format_cell(value: Any) -> str:
    """Format a value for a table: numbers other than whole ones have three digits."""
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "–"}[value]
    if not hasattr(value, "__float__"):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return "–"
    whole = number.is_integer() or abs(number) >= 1000
    return f"{number:,.0f}" if whole else f"{number:#.3g}".rstrip(".")


def table(*columns: str, rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print a table of plain values, as wide as it is where no terminal ends the line."""
    sheet = Table(title=title, box=None, title_justify="left", pad_edge=False)
    for column in columns:
        sheet.add_column(column, overflow="fold")  # rather than to end in dots
    for row in rows:
        sheet.add_row(*(escape(format_cell(value)) for value in row))
    console.print(sheet)


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar; the block calls what it is given once for each thing done.

    In a log file, where bars make no sense, one line says what was done when it is.
    """
    if not console.is_terminal:
        done = 0

        def count() -> None:
            nonlocal done
            done += 1

        try:
            yield count
        finally:
            say(f"{description}: {done} of {total}")
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


def run_command(main: Callable[[], int | None]) -> None:
    """Run `main` and exit: 0 or what it returns, 2 for a user's mistake, 130 for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as `toolkit.__main__` leaves it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main() or 0
    except EtudeError as error:
        sys.stdout.flush()
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[bold red]stopped:[/bold red] {escape(str(error))}"
        )
        code = 2
    except KeyboardInterrupt:
        console.print("\nstopped by you.")
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
