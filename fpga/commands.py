"""What all commands share: expected errors in one line, packages that may be missing, the terminal."""

import importlib.util
from pathlib import Path

import click

__all__ = ["Commands", "Failure", "console", "output_option", "preset_option", "require", "time_limit_option"]


def preset_option(help="Configuration of the accelerator, or a preset file."):
    """The option ``--preset`` of a command that needs one."""
    return click.option("--preset", default="small", show_default=True, help=help)


def output_option(help):
    """The option ``-o`` of a command that writes one file."""
    return click.option(
        "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help=help
    )


def time_limit_option(seconds, help):
    """The option ``--time-limit`` of a command that waits for other programs."""
    return click.option(
        "--time-limit", default=seconds, show_default=True, type=click.FloatRange(min=1), help=help
    )


class Failure(click.ClickException):
    """An expected failure: one line on standard error and exit status 1."""

    def show(self, file=None):
        click.echo(f"farthing: {' '.join(self.message.split())}", err=True)


class Commands(click.Group):
    """Commands whose expected errors end in one line instead of a traceback, unless ``--debug`` is given."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except click.exceptions.Exit:
            raise
        except Exception as error:
            message = _describe(error)
            if message is None or context.params["debug"]:
                raise
            raise Failure(message) from None


def _describe(error):
    """One sentence for an error that a user can cause, ``None`` for an error of the program."""
    from fpga.tools import BuildFailure
    from sim.runner import BenchFailure, ToolMissing
    from sw.frames import LinkError

    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"expected a file that can be used, got {error.strerror!r} for {error.filename}; check its name"
        )
    if isinstance(error, BenchFailure):
        # The rest is the tail of the simulator's log.
        return f"{str(error).splitlines()[0]}; --debug shows the log"
    if isinstance(error, (ValueError, OSError, BuildFailure, LinkError, ToolMissing)):
        return str(error)
    return None


def require(extra, modules):
    """Refuse a command whose packages, of the optional ``extra``, are not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise Failure(
            f"expected the package {missing[0]}, got none; install it with: pip install 'farthing[{extra}]'"
        )


def console():
    """The terminal; a file or a pipe gets lines that are long enough for every table."""
    from rich.console import Console

    made = Console()
    return made if made.is_terminal else Console(width=120)
