# amaranth: UnusedElaboratable=no
"""Whether a changed file of ``hw/`` still makes the same gateware: what no test can tell apart is proved equal.

``python -m bench.equality NAME FOLDER`` writes the netlists of the components of ``hw/NAME.py``, or of the whole accelerator if it has none, in some
small configurations. ``proved_equal`` compares two such folders: netlists that are not the same text go to Yosys, which proves
that registers, which begin with the same values, have the same next ones, and outputs are the same.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import click
from amaranth.back import rtlil
from amaranth.hdl import Const, Value

from fpga.tools import find_tool
from hw.config import Config

from .interfaces import components

__all__ = ["proved_equal", "write_netlists"]

#: Memories become registers in proofs, so there are few words; widths are no powers of two.
_SMALL = Config.preset("tiny").replace(
    pes=3,
    requantisers=1,
    bases=3,
    line=5,
    channels=12,
    ring=16,
    activation_words=16,
    coefficient_words=8,
    basis_words=5,
    scale_words=7,
    layers=3,
    pool_columns=8,
    z_fifo=11,
    output_fifo=13,
    z_bits=13,
    accumulator_bits=21,
    multiplier_bits=11,
    bias_bits=27,
    link_timeout=40,
)
CONFIGURATIONS = {
    "concentration": _SMALL,
    "tree": _SMALL.replace(accumulation="tree", rows=3, tables=1),
    "one": _SMALL.replace(pes=1, rows=1, kernel_height=1, kernel_width=1, pool_columns=0),
    "serial": _SMALL.replace(accumulation="serial", rows=1, pes=1, requantisers=1, pool_columns=0),
}
#: Files whose components are part of both machines, and what the files of the serial machine begin with.
_BOTH, _SERIAL = ("accelerator", "output_walk"), "serial_"
#: What a file without a component is part of.
_WHOLE = ("Accelerator", "AxiTop")
_PREPARE = "hierarchy -top {top}; proc; flatten; memory; async2sync; dffunmap; opt_clean"
_SCRIPT = f"""\
read_rtlil first.il; {_PREPARE}; design -stash first
read_rtlil second.il; {_PREPARE}; design -stash second
design -copy-from first -as gold {{top}}
design -copy-from second -as gate {{top}}
equiv_make gold gate equiv
hierarchy -top equiv
equiv_struct
equiv_simple
equiv_status -assert
"""
#: Ports that carry a net from one module to another.
_NAMELESS = re.compile(r"(\\port\$)(\d+)")
#: Values that registers begin with, and their names, if they have any.
_INITIAL = re.compile(r"attribute \\init (\S+)\n(?:\s*attribute .*\n)*\s*wire .*?(\\\S+|\$)")
_MODULE = re.compile(r"^module \\(\S+)\n(.*?)^end$", re.DOTALL | re.MULTILINE)


def write_netlists(name, folder):
    """RTLIL of what ``hw/name.py`` makes, a file for each component and configuration.

    Parameters
    ----------
    name : str
        Of a file of ``hw/``, without its ending.
    folder : Path
    """
    folder.mkdir(parents=True)
    for label, config in CONFIGURATIONS.items():
        found = components(config)
        own = [part for part in found.values() if type(part).__module__ == f"hw.{name}"]
        if own and name not in _BOTH and config.serial != name.startswith(_SERIAL):
            continue
        for part in own or [found[whole] for whole in _WHOLE]:
            text = rtlil.convert(part, ports=_ports(part), emit_src=False)
            (folder / f"{type(part).__name__}-{label}.il").write_text(_numbered(text))


def _numbered(text):
    """With its nameless ports numbered by their order: Amaranth counts everything that comes before."""
    numbers = {}
    return _NAMELESS.sub(lambda found: f"{found[1]}{numbers.setdefault(found[2], len(numbers))}", text)


def _ports(part):
    """By name; what is always ready is no port."""
    values = {"__".join(map(str, path)): Value.cast(value) for path, _, value in part.signature.flatten(part)}
    return {name: (value, None) for name, value in values.items() if not isinstance(value, Const)}


def proved_equal(first, second, *, seconds=120):
    """Whether two folders of ``write_netlists`` have the same modules, or such that do the same, each proved within ``seconds``.

    False says that no proof was found.
    """
    names = sorted(path.name for path in first.iterdir())
    return names == sorted(path.name for path in second.iterdir()) and all(
        _equal((first / name).read_text(), (second / name).read_text(), seconds) for name in names
    )


def _equal(first, second, seconds):
    modules, others = dict(_MODULE.findall(first)), dict(_MODULE.findall(second))
    # What a module is made of is looked at by itself: where only a part of it differs, it is equal if the part is.
    differ = [name for name in modules if modules[name] != others.get(name)]
    return modules.keys() == others.keys() and all(
        _INITIAL.findall(modules[name]) == _INITIAL.findall(others[name])
        and _proved(first, second, name, seconds)
        for name in differ
    )


def _proved(first, second, module, seconds):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "first.il").write_text(first)
        (Path(folder) / "second.il").write_text(second)
        (Path(folder) / "prove.ys").write_text(_SCRIPT.format(top=module))
        try:
            done = subprocess.run(
                [find_tool("yosys"), "-q", "prove.ys"], cwd=folder, capture_output=True, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


@click.command()
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
def main(name, folder):
    """Write the netlists of one file."""
    write_netlists(name, folder)


if __name__ == "__main__":
    main()
