"""Channel accumulation (CA), the first part of a row: ``z = sum_c q[c] * a[c]`` with ternary ``q``."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .accumulation import LaneAccumulator, connect_terms
from .concentration import Concentration
from .dilution import Dilution
from .formats import pair_layout, z_layout

__all__ = ["ChannelAccumulation"]


class ChannelAccumulation(wiring.Component):
    """Dilution, concentration and accumulation, one after the other.

    Latency 5 cycles from the pair that carries ``last`` if its matches fit one step. Throughput one pair a cycle
    while matches fit one step, otherwise one step a cycle.

    Parameters
    ----------
    config : Config

    Members
    -------
    signed_values : Signal(1), in
        1 if activations are two's complement, 0 if unsigned; may change only while the component is empty.
    i : stream of pair_layout(config), in
        Activation chunks met by coefficient chunks.
    o : stream of z_layout(config), out
        Must always be taken. Intermediate elements; a zero travels only where it closes the pixel.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "signed_values": In(1),
                "i": In(stream.Signature(pair_layout(config))),
                "o": Out(stream.Signature(z_layout(config), always_ready=True)),
            }
        )

    @staticmethod
    def model(config, pairs, signed_values):
        """``{"z", "nonzero", "basis", "end": [n]}`` of pairs as ``Dilution.model`` takes them."""
        steps = Concentration.model(config, Dilution.model(pairs))
        return LaneAccumulator.model(config, steps, signed_values)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dilution = dilution = Dilution(self._config)
        m.submodules.concentration = concentration = Concentration(self._config)
        m.submodules.accumulator = accumulator = LaneAccumulator(self._config)

        connect(m, row=flipped(self.i), dilution=dilution.i)
        connect(m, dilution=dilution.o, concentration=concentration.i)
        connect(m, accumulator=accumulator.o, row=flipped(self.o))
        steps = concentration.o
        m.d.comb += [
            accumulator.i.valid.eq(steps.valid),
            accumulator.i.p.tag.eq(steps.p.tag),
            *connect_terms(steps.p.lanes, accumulator.i.p.terms, self.signed_values),
            steps.ready.eq(accumulator.i.ready),
        ]

        return m
