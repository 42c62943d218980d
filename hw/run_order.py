"""How registers begin a run, beside the requests of the host."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .formats import layer_range_layout

__all__ = ["RunOrder"]


class RunOrder(wiring.Signature):
    """An order to run layers, from whoever gives it. It ends in a run that begins, or in a refusal.

    It is refused where ``RUN`` would be: without layers, beyond the program, by a damaged device; and where ``RUN`` would
    wait: during a run, and from the head of a request of the host until its answer is on its way. So requests
    of the host come first, and what they write is never half there when a run begins.

    Members
    -------
    begin : out
        For one cycle.
    layers : ``layer_range_layout``, out
        Together with ``begin``.
    refused : in
        For one cycle, that of ``begin`` or one of the next three. Otherwise a run begins as soon as the sequencer takes it.
    """

    def __init__(self):
        super().__init__({"begin": Out(1), "layers": Out(layer_range_layout), "refused": In(1)})
