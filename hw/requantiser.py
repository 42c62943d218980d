"""Requantiser: results become 8-bit activations, with the residual added on the way."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from .activations import activation_write_layout
from .config import ACTIVATION_BITS
from .formats import Layer, Operation, dense_layout, read_layout, scale_layout
from .memory import WordMemory, word_write_layout

__all__ = ["Requantiser", "scale_write_layout"]

#: Results that wait for their residual to come out of memory: more than its latency.
_WAITING = 4


def scale_write_layout(config):
    """A requantisation entry on its way to its memory."""
    return word_write_layout(scale_layout(config), config.scale_words)


class Requantiser(wiring.Component):
    """``clamp((acc * multiplier + bias + residual * residual_multiplier + 2^(shift-1)) >> shift, low, high)``.

    Takes results in the order pass, row, column, unit, reads the entry of their (pass, unit), asks for the residual
    chunk and writes one activation a cycle into its lane of the output. After a global sum the
    units are the N lanes of a chunk and the passes its chunks, otherwise the units are the PEs.

    The arithmetic is a pipeline that never waits: operands, products, two sums, two halves of the shift, clamp.

    Members
    -------
    layer : in
        Stable while ``busy``.
    start : in
    busy : out
        Until the last activation is written.
    scale : stream of ``scale_write_layout``, in
        Always ready.
    results : array of streams of signed ``accumulator_bits``, in, one for each PE
    sums : stream of signed ``accumulator_bits``, in
        From the global sum.
    residual_request : stream of ``read_layout``, out
    residual_response : stream of ``dense_layout``, in
    write : stream of ``activation_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        result = stream.Signature(signed(config.accumulator_bits))
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "scale": In(stream.Signature(scale_write_layout(config))),
                "results": In(result).array(config.pes),
                "sums": In(result),
                "residual_request": Out(stream.Signature(read_layout)),
                "residual_response": In(stream.Signature(dense_layout(config))),
                "write": Out(stream.Signature(activation_write_layout(config))),
            }
        )

    @staticmethod
    def model(accumulators, multiplier, bias, shift, low, high, residual=0, residual_multiplier=0):
        """The formula above on int64 arrays that broadcast; returns int64 from ``low`` to ``high``."""
        total = np.asarray(accumulators, np.int64) * np.asarray(multiplier, np.int64)
        total = total + np.asarray(bias, np.int64)
        total = total + np.asarray(residual, np.int64) * np.int64(residual_multiplier)
        return np.clip((total + (1 << (shift - 1))) >> shift, low, high)

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        lane_bits = range(config.chunk)
        sum_bits = config.bias_bits + 8

        # Walk: which entry and which place every result belongs to.
        tag = data.StructLayout({"unit": range(max(config.pes, config.chunk)), "position": 16, "last": 1})
        m.submodules.scales = scales = WordMemory(scale_layout(config), config.scale_words, tag=tag)
        connect(m, flipped(self.scale), scales.write)
        request, entry = scales.request, scales.response

        pass_base, position = Signal(16), Signal(16)
        unit, column, row, passes_left = Signal(16), Signal(16), Signal(16), Signal(16)
        last_unit = unit == layer.units - 1
        last_column = column == layer.output_width - 1
        last_row = row == layer.output_height - 1
        last = last_unit & last_column & last_row & (passes_left == 1)
        m.d.comb += [
            request.p.address.eq(pass_base + unit),
            request.p.tag.unit.eq(unit),
            request.p.tag.position.eq(position),
            request.p.tag.last.eq(last),
        ]

        def next_result():
            m.d.sync += unit.eq(unit + 1)
            with m.If(last_unit):
                m.d.sync += [
                    unit.eq(0),
                    column.eq(column + 1),
                    position.eq(position + layer.output_chunks),
                ]
                with m.If(last_column):
                    m.d.sync += [column.eq(0), row.eq(row + 1)]
                    with m.If(last_row):
                        m.d.sync += [
                            row.eq(0),
                            position.eq(0),
                            pass_base.eq(pass_base + layer.units),
                            passes_left.eq(passes_left - 1),
                        ]

        written_last = Signal()
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += [
                    pass_base.eq(layer.scale_base),
                    position.eq(0),
                    unit.eq(0),
                    column.eq(0),
                    row.eq(0),
                    passes_left.eq(layer.passes),
                ]
                with m.If(self.start):
                    m.next = "Walk"
            with m.State("Walk"):
                m.d.comb += request.valid.eq(1)
                with m.If(request.ready):
                    next_result()
                    with m.If(last):
                        m.next = "Finish"
            with m.State("Finish"):
                with m.If(written_last):
                    m.next = "Idle"
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))

        # Join: the entry meets its result; both wait for the residual.
        work_layout = data.StructLayout(
            {
                "accumulator": signed(config.accumulator_bits),
                "scale": scale_layout(config),
                "address": range(config.activation_words),
                "lane": lane_bits,
                "last": 1,
            }
        )
        m.submodules.waiting = waiting = SyncFIFOBuffered(width=work_layout.size, depth=_WAITING)
        arriving, work = Signal(work_layout), data.View(work_layout, waiting.r_data)
        place = Signal(range(config.activation_words))
        lane_width = len(arriving.lane)
        averaging = layer.operation == Operation.GLOBAL_AVERAGE.value
        source_valid, joined = Signal(), Signal()
        asked = waiting.w_rdy & (~layer.residual[0] | self.residual_request.ready)
        m.d.comb += [
            place.eq(entry.p.tag.position + (entry.p.data.channel >> lane_width)),
            arriving.scale.eq(entry.p.data),
            arriving.address.eq(layer.output_base + place),
            arriving.lane.eq(entry.p.data.channel[:lane_width]),
            arriving.last.eq(entry.p.tag.last),
            joined.eq(entry.valid & source_valid & asked),
            entry.ready.eq(joined),
            waiting.w_data.eq(arriving),
            waiting.w_en.eq(joined),
            self.residual_request.p.bank.eq(layer.residual_bank),
            self.residual_request.p.address.eq(layer.residual_base + place),
            self.residual_request.valid.eq(layer.residual[0] & entry.valid & source_valid & waiting.w_rdy),
        ]
        with m.If(averaging):
            m.d.comb += [
                source_valid.eq(self.sums.valid),
                arriving.accumulator.eq(self.sums.payload),
                self.sums.ready.eq(joined),
            ]
        for index, source in enumerate(self.results):
            with m.If(~averaging & (entry.p.tag.unit == index)):
                m.d.comb += [
                    source_valid.eq(source.valid),
                    arriving.accumulator.eq(source.payload),
                    source.ready.eq(joined),
                ]

        residual_byte = self.residual_response.payload[work.lane]
        go = waiting.r_rdy & (~layer.residual[0] | self.residual_response.valid)
        m.d.comb += [
            waiting.r_en.eq(go),
            self.residual_response.ready.eq(waiting.r_rdy & layer.residual[0]),
        ]

        # Arithmetic: one stage a register, and registers on both sides of the multipliers.
        accumulator = Signal(signed(config.accumulator_bits))
        scale = Signal(scale_layout(config))
        residual = Signal(signed(ACTIVATION_BITS + 1))
        m.d.sync += [
            accumulator.eq(work.accumulator),
            scale.eq(work.scale),
            residual.eq(Cat(residual_byte, residual_byte[-1] & layer.residual_signed[0])),
        ]
        product = Signal(signed(config.accumulator_bits + config.multiplier_bits))
        residual_product = Signal(signed(ACTIVATION_BITS + 1 + config.multiplier_bits))
        residual_later = Signal.like(residual_product)
        offset = Signal(signed(config.bias_bits + 1))
        half_sum = Signal(signed(sum_bits))
        total, coarse, fine = Signal.like(half_sum), Signal.like(half_sum), Signal.like(half_sum)
        half = Signal(32)
        residual_multiplier = Signal(signed(config.multiplier_bits))
        m.d.sync += [
            half.eq((1 << layer.shift[:5]) >> 1),
            residual_multiplier.eq(Mux(layer.residual[0], layer.residual_multiplier, 0)),
            product.eq(accumulator * scale.multiplier),
            residual_product.eq(residual * residual_multiplier),
            offset.eq(scale.bias + half),
            half_sum.eq(product + offset),
            residual_later.eq(residual_product),
            total.eq(half_sum + residual_later),
            coarse.eq(total >> (layer.shift[3:5] << 3)),
            fine.eq(coarse >> layer.shift[:3]),
        ]
        value = Signal(ACTIVATION_BITS)
        with m.If(fine < layer.low):
            m.d.comb += value.eq(layer.low)
        with m.Elif(fine > layer.high):
            m.d.comb += value.eq(layer.high)
        with m.Else():
            m.d.comb += value.eq(fine)

        travel_layout = data.StructLayout(
            {"address": range(config.activation_words), "lane": lane_bits, "enable": 1, "last": 1}
        )
        travel = Signal(travel_layout)
        m.d.comb += [
            travel.address.eq(work.address),
            travel.lane.eq(work.lane),
            travel.enable.eq(go & work.scale.enable),
            travel.last.eq(go & work.last),
        ]
        for stage in range(6):
            following = Signal(travel_layout, name=f"travel_{stage}")
            m.d.sync += following.eq(travel)
            travel = following
        m.d.sync += [
            self.write.valid.eq(travel.enable),
            self.write.p.bank.eq(layer.output_bank),
            self.write.p.address.eq(travel.address),
            self.write.p.lanes.eq(1 << travel.lane),
            self.write.p.values.as_value().eq(value.replicate(config.chunk)),
            written_last.eq(travel.last),
        ]
        return m
