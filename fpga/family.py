"""What a family of FPGAs has in common: its tools, what its cells are called, its clock."""

from abc import ABC, abstractmethod

__all__ = ["Family"]


class Family(ABC):
    """How a design gets into the parts of one family.

    Attributes
    ----------
    name : str
        As its maker calls it.
    steps : dict of str to str
        The tools of a build in their order, as the build plan calls them, and what each does.
    products : tuple of str
        Endings of the files that the last tool writes; the first is what a board is programmed with.
    bels : dict of str to str
        What nextpnr's report calls ``luts``, ``registers``, ``dsps`` and ``block_rams``; ``registers`` only where they are
        not part of what it calls LUTs, and ``large_rams`` only where there are some.
    least : dict of str to dict
        Of the same, without registers: cells of Yosys' statistics, and how many of the resource each takes at least.
    netlist : str or None
        The file between synthesis and place and route in which a floorplan gives cells their places.
    choices : bool
        Place and route heeds ``placer`` and ``rip_up`` of a ``Board``.
    resets : bool
        The component that drives the ``sync`` domain resets it, asynchronously, until the clock is up. Otherwise the domain has no reset.
    serial : bool
        The machine that ``count_parts`` counts is the serial one.
    """

    name: str
    steps: dict
    products: tuple
    bels: dict
    least: dict
    netlist: str | None = None
    choices: bool = False
    resets: bool = False
    serial: bool = False

    def create_platform(self, platform):
        """The Amaranth platform of the class ``platform``, for the tools in ``steps``."""
        return platform()

    def prepare_source(self, text):
        """RTLIL as Amaranth writes it, made ready for synthesis."""
        return text

    @abstractmethod
    def check_clock(self, crystal, frequency):
        """Raise ``ValueError`` unless a part makes ``frequency`` of ``crystal``, both in Hz."""

    @abstractmethod
    def create_clock(self, board):
        """The component that drives the ``sync`` domain of a ``Board``; its member ``runs`` says that the clock is up."""

    @abstractmethod
    def count_parts(self, config):
        """``Resources`` by name of the part, of the accelerator of a ``Config`` with a serial line; raises ``ValueError`` if the machine is the other."""

    @abstractmethod
    def overrides(self, board, name, seed):
        """What differs from Amaranth's own templates for a design called ``name``: options and scripts of the tools."""
