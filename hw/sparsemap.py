"""SparseMap, the form in which sparse chunks are stored: a bit mask of non-zeros and the non-zeros packed in front.

The form is SparTen's: Gondimalla et al., "SparTen: A Sparse Tensor Accelerator for Convolutional Neural Networks",
2019.
"""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .butterfly import BitGather, BitScatter, ControlDecoder
from .formats import dense_layout, ring_layout

__all__ = ["SparseMapDecoder", "SparseMapEncoder", "ring_chunks"]


class SparseMapEncoder(wiring.Component):
    """Dense chunks to SparseMap chunks, with the butterfly controls of their mask.

    Latency 3 cycles: the mask is registered, then its controls, then the gathered values. Throughput one chunk a cycle.

    Parameters
    ----------
    config : Config

    Members
    -------
    i : stream of dense_layout(config), in
        N activations, channel 0 lowest.
    o : stream of ring_layout(config), out
        Mask of the non-zeros, non-zeros packed to the front (zero above them), controls of the mask.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(dense_layout(config))),
                "o": Out(stream.Signature(ring_layout(config))),
            }
        )

    @staticmethod
    def model(dense):
        """``{"mask": [..., N], "values": [..., N], "controls": [..., switches]}`` of activations ``[..., N]``."""
        dense = np.asarray(dense).astype(np.int64)
        mask = (dense != 0).astype(np.int64)
        controls = ControlDecoder.model(mask)
        return {"mask": mask, "values": BitGather.model(dense, controls), "controls": controls}

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = ControlDecoder(self._config.chunk)
        m.submodules.gather = gather = BitGather(self._config.chunk, self.i.payload.shape().elem_shape)

        # In the first two stages values are still dense.
        dense, mask = Signal.like(self.i.payload), Signal(self._config.chunk)
        decoded = Signal.like(self.o.payload)
        dense_valid, decoded_valid = Signal(), Signal()
        decoded_free = ~decoded_valid | ~self.o.valid | self.o.ready
        with m.If(~dense_valid | decoded_free):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [
                dense_valid.eq(self.i.valid),
                dense.eq(self.i.payload),
                mask.eq(Cat(value.any() for value in self.i.payload)),
            ]

        m.d.comb += decoder.mask.eq(mask)
        with m.If(decoded_free):
            m.d.sync += [
                decoded_valid.eq(dense_valid),
                decoded.mask.eq(mask),
                decoded.values.eq(dense),
                decoded.controls.eq(decoder.controls),
            ]

        m.d.comb += [gather.i.eq(decoded.values), gather.controls.eq(decoded.controls)]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(decoded_valid)
            m.d.sync += [
                self.o.payload.mask.eq(decoded.mask),
                self.o.payload.values.eq(gather.o),
                self.o.payload.controls.eq(decoded.controls),
            ]

        return m


def ring_chunks(config, dense):
    """Fields of ``ring_layout``, arrays ``[..., bits or lanes]``, of the activations ``dense`` ``[..., N]``."""
    if config.accumulation == "tree":
        return {"values": np.asarray(dense).astype(np.int64)}
    return SparseMapEncoder.model(dense)


class SparseMapDecoder(wiring.Component):
    """SparseMap chunks to dense chunks.

    Latency 2 cycles: the controls of the mask are registered, then the scattered values. Throughput one chunk a
    cycle.

    Parameters
    ----------
    width : int
        Elements of a chunk, a power of two from 2 on.
    shape : ShapeLike
        Shape of an element: 8 for activations, 1 for signs.

    Members
    -------
    i : stream of StructLayout({"mask": width, "values": ArrayLayout(shape, width)}), in
        Mask and packed elements; what is above them does not matter.
    o : stream of the same struct, out
        Mask and elements in their places, zero where the mask is zero.
    """

    def __init__(self, width, shape):
        self._width = width
        self._shape = shape
        layout = data.StructLayout({"mask": width, "values": data.ArrayLayout(shape, width)})
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(layout))})

    @staticmethod
    def model(mask, values):
        """Dense elements ``[..., width]`` of masks (0 or 1) ``[..., width]`` and packed elements ``[..., width]``."""
        return BitScatter.model(values, mask, ControlDecoder.model(mask))

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = ControlDecoder(self._width)
        m.submodules.scatter = scatter = BitScatter(self._width, self._shape)

        packed = Signal.like(self.i.payload)
        packed_controls = Signal.like(decoder.controls)
        packed_valid = Signal()
        m.d.comb += decoder.mask.eq(self.i.payload.mask)
        with m.If(~packed_valid | ~self.o.valid | self.o.ready):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += packed_valid.eq(self.i.valid)
            m.d.sync += [packed.eq(self.i.payload), packed_controls.eq(decoder.controls)]

        m.d.comb += [
            scatter.i.eq(packed.values),
            scatter.mask.eq(packed.mask),
            scatter.controls.eq(packed_controls),
        ]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(packed_valid)
            m.d.sync += [self.o.payload.mask.eq(packed.mask), self.o.payload.values.eq(scatter.o)]

        return m
