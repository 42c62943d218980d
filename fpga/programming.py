"""A bitstream onto a board, with openFPGALoader."""

import json
import tempfile
from pathlib import Path

from fpga.boards import find_board
from fpga.build import products
from fpga.tools import find_tool, run_tool

__all__ = ["find_bitstream", "program_board"]


def find_bitstream(path, board_name=None):
    """``(file, Board)`` of a bitstream, or of the folder of a build, which says what board it is for.

    Parameters
    ----------
    path : path
        A file, or the folder of a build.
    board_name : str, optional
        Needed where no report of a build lies beside the bitstream.

    Raises
    ------
    ValueError
        If there is no bitstream, no board, an unknown one, or the bitstream is for another.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"expected a bitstream, got no file {path}; make one with: farthing build")
    report = (path if path.is_dir() else path.parent) / "report.json"
    built = None
    if report.is_file():
        try:
            built = json.loads(report.read_text())["board"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"expected the report of a build, got something else in {report}; build again"
            ) from None
    if board_name is None and built is None:
        raise ValueError(
            f"expected the report of a build in {report.parent}, got none; name the board with --board"
        )
    board = find_board(board_name or built)
    file = path / products(board)[0] if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"expected a bitstream, got no file {file}; make one with: farthing build")
    if built not in (None, board.name):
        raise ValueError(f"expected a bitstream for {board.name}, got one for {built} in {file}")
    return file, board


def program_board(file, board, *, time_limit=300):
    """Load a bitstream into a board that is connected. It is lost with the power, unless the board takes it from its ``flash``.

    Raises
    ------
    BuildFailure
        If openFPGALoader is not there, or fails, as it does without a board; its log then is kept.
    """
    tool = find_tool("openFPGALoader")
    folder = Path(tempfile.gettempdir())
    run_tool(
        [tool, "-b", board.loader, *(["-f"] if board.flash else []), str(Path(file).absolute())],
        folder=folder,
        log=folder / "farthing-openFPGALoader.log",
        time_limit=time_limit,
    )
