"""Values that are worked out from the description of a layer, ahead of their use."""

from amaranth import *

__all__ = ["settled"]


def settled(m, value, *, width=None):
    """Register of ``value``, which depends only on the description of the layer.

    The sequencer completes a description two cycles before it starts a unit, so the register holds what the unit needs
    when it starts, and arithmetic on the description is in no path of the unit.

    Parameters
    ----------
    m : Module
        Gets the register, in its ``sync`` domain.
    value : value-castable
    width : int, optional
        Bits that can differ from zero; all of them if not given.
    """
    value = Value.cast(value)
    register = Signal(value.shape() if width is None else width, name="settled")
    m.d.sync += register.eq(value)
    return register
