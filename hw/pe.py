"""Processing element: a few rows and one MAC make one output channel at a time."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .bases import basis_write_layout, loaded_layout
from .coefficients import coefficient_write_layout
from .formats import Layer
from .mac import BasisMac
from .ring import ReaderSignature
from .row import Row

__all__ = ["ProcessingElement"]


class ProcessingElement(wiring.Component):
    """G rows of channel accumulation feed one basis MAC.

    The description of the layer passes a register of the PE's own; ``busy`` follows by as much.

    Members
    -------
    layer : in
        Stable from the cycle before ``start``, and while ``busy``.
    start : in
    busy : out
    coefficients : array of streams of ``coefficient_write_layout``, in, one for each row
    basis : stream of ``basis_write_layout``, in
    loaded : stream of ``loaded_layout``, in
    needed : 2 bits, out
    readers : array of ``ReaderSignature``, out, one for each row
    o : stream of signed ``accumulator_bits``, out
        Results of the PE's output channel of each pass, in raster order.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "coefficients": In(stream.Signature(coefficient_write_layout(config))).array(config.rows),
                "basis": In(stream.Signature(basis_write_layout(config))),
                "loaded": In(stream.Signature(loaded_layout)),
                "needed": Out(2),
                "readers": Out(ReaderSignature(config)).array(config.rows),
                "o": Out(stream.Signature(signed(config.accumulator_bits))),
            }
        )

    @staticmethod
    def model(config, chunks, lists, bases, layer):
        """Results of every pass, int64 [passes, output_height, output_width].

        Parameters
        ----------
        chunks : dict of arrays
            The map in the order in which it is fed, as ``Row.model`` takes it.
        lists : list, one for each row, of what ``Row.model`` takes
        bases : int array [M, R, S]
        layer : mapping
            ``LAYER_FIELDS``.
        """
        classes, shares = config.classes, 4 // config.classes if layer["squares"] else 1
        positions = (len(lists[0]), layer["height"], layer["width"])
        z = np.zeros((np.prod(positions), classes, shares, len(bases)), np.int64)
        for row, row_lists in enumerate(lists):
            number = row % classes
            first = number ^ (2 * layer["last_upper"] + layer["last_left"]) % classes
            own = slice(first, None, classes) if layer["squares"] else slice(None)
            seen = {name: field[own] for name, field in chunks.items()}
            made = Row.model(config, seen, row_lists, layer["input_signed"])
            position, share = np.divmod(np.cumsum(made["end"]) - made["end"], shares)
            np.add.at(z, (position, number, share, made["basis"]), made["z"])
        return BasisMac.model(config, z.reshape(*positions, classes, shares, -1), bases, layer)

    def elaborate(self, platform):
        m = Module()
        m.submodules.mac = mac = BasisMac(self._config)
        layer = Signal.like(self.layer)
        m.d.sync += [layer.eq(self.layer), self.busy.eq(self.start | mac.busy)]
        m.d.comb += [mac.layer.eq(layer), mac.start.eq(self.start), self.needed.eq(mac.needed)]
        connect(m, basis=flipped(self.basis), mac=mac.basis)
        connect(m, loaded=flipped(self.loaded), mac=mac.loaded)
        connect(m, mac=mac.o, results=flipped(self.o))
        for index in range(self._config.rows):
            m.submodules[f"row_{index}"] = row = Row(self._config)
            m.d.comb += [row.layer.eq(layer), row.start.eq(self.start)]
            connect(m, coefficients=flipped(self.coefficients[index]), row=row.coefficients)
            connect(m, row=row.reader, ring=flipped(self.readers[index]))
            connect(m, row=row.z, mac=mac.z[index])
        return m
