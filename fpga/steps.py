"""Named steps with a time each and a progress bar."""

import contextlib
import time

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["Steps"]


class Steps:
    """Runs the steps of something that takes minutes, and shows where it is.

    On a terminal the current step has a bar; elsewhere a line is printed as each step ends.

    Parameters
    ----------
    console : rich.console.Console

    Members
    -------
    seconds : dict
        Wall clock of each step that has ended.
    """

    def __init__(self, console):
        self._console = console
        self.seconds = {}

    @contextlib.contextmanager
    def step(self, name):
        """A step; gives ``show(fraction, what)``, to be called now and then: part of it that is done, and a word."""
        start = time.monotonic()
        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[what]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        with progress:
            # A bar without a total moves to and fro.
            task = progress.add_task(name, total=None, what="")

            def show(fraction, what=""):
                progress.update(task, total=1.0, completed=fraction, what=what)

            yield show
        self.seconds[name] = round(time.monotonic() - start, 2)
        self._console.print(f"{name}: {self.seconds[name]:.1f} s", highlight=False, markup=False)
