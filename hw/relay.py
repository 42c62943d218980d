"""Relay: a register on the way from the centre of a part to a few PEs."""

from amaranth import *
from amaranth.hdl import ShapeLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["NEAR", "Relay"]

#: PEs that lie near enough to one another to share a relay.
NEAR = 4


class Relay(wiring.Component):
    """Passes a value on, a cycle later.

    It is a component so that synthesis leaves it whole: registers of the same value become one otherwise, whose wires cross the part again.

    Parameters
    ----------
    shape : shape-like

    Members
    -------
    i : in
    o : out
    """

    def __init__(self, shape: ShapeLike):
        super().__init__({"i": In(shape), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m
