"""Progress of a command that takes long: on stderr, where that is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def counting(what: str, task: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A counter of `what` that is told how many are done, with a bar where the `total` is known."""
    console = Console(stderr=True)
    of_total = "" if total is None else f" of {total:,}"
    columns = [
        SpinnerColumn(),
        *([BarColumn()] if total else []),
        TextColumn("{task.completed:,.0f}" + of_total + " " + what),
        TimeElapsedColumn(),
    ]
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        shown_task = shown.add_task(task, total=total)
        yield lambda done: shown.update(shown_task, completed=done)
