"""Requantiser: results become 8-bit activations, with the residual added on the way."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from .activations import activation_write_layout
from .config import ACTIVATION_BITS
from .double_buffer import DoubleBuffer
from .formats import Layer, Operation, dense_layout, read_layout, scale_word_layout
from .memory import WordMemory, word_write_layout
from .output_walk import OutputWalk
from .scaling import ScaleUnit
from .settled import settled
from .tables import ActivationTable, table_write_layout

__all__ = ["Requantiser", "scale_write_layout"]

#: Groups that may be on their way: more than the cycles in which activation memory answers.
_JOBS = 8
#: Cycles in which the memory of entries answers.
_LOOKUP = 2


def scale_write_layout(config):
    """Requantisation entries on their way to their memory."""
    return word_write_layout(scale_word_layout(config), config.scale_words)


class Requantiser(wiring.Component):
    """Requantises ``requantisers`` results a cycle, all of one position.

    Takes results in the order pass, row, column, group. For each group it fetches the chunk with the
    residuals, if the layer adds a tensor; when that is there and every PE of the group has its result, they leave together,
    meet their requantisation entries, pass the scale units and are written to their lanes of the output chunk together. The channels of
    a layer lie in the order in which PEs make them: group ``g`` of pass ``p`` makes the lanes from ``output_slot + (p *
    groups + g) * requantisers`` on, counted from the first chunk of a pixel. In average pooling the lanes of a chunk take
    the place of the PEs, and the passes are its chunks. The residual lies like the output. With tables in
    the configuration, outputs go through that of the layer, if it has one.

    Members
    -------
    layer : in
        Stable while ``busy``.
    start : in
    busy : out
        Until the last activation is written.
    stalled : out
        A group of results is to be requantised, and one of them, or the residual, is not there.
    scale : stream of ``scale_write_layout``, in
        Always ready.
    table : stream of ``table_write_layout``, in
        Always ready.
    results : array of streams of signed ``accumulator_bits``, in, one for each PE
    sums : stream of array of signed ``accumulator_bits``, in
        From average pooling, ``requantisers`` at a time.
    residual_request : stream of ``read_layout``, out
    residual_response : stream of ``dense_layout``, in
    write : stream of ``activation_write_layout``, out
        Must always be ready.
    """

    def __init__(self, config):
        self._config = config
        result = signed(config.accumulator_bits)
        super().__init__(
            {
                "layer": In(Layer),
                "start": In(1),
                "busy": Out(1),
                "stalled": Out(1),
                "scale": In(stream.Signature(scale_write_layout(config))),
                "table": In(stream.Signature(table_write_layout(config))),
                "results": In(stream.Signature(result)).array(config.pes),
                "sums": In(stream.Signature(data.ArrayLayout(result, config.requantisers))),
                "residual_request": Out(stream.Signature(read_layout)),
                "residual_response": In(stream.Signature(dense_layout(config))),
                "write": Out(stream.Signature(activation_write_layout(config))),
            }
        )

    @staticmethod
    def latency(config):
        """Cycles from results that enter the scale units to their write."""
        return _LOOKUP + ScaleUnit.LATENCY + (ActivationTable.LATENCY if config.tables else 0)

    @staticmethod
    def model(results, multiplier, bias, layer, residual=0):
        """Activations int64 [passes, output_height, output_width, slots of a pass], all of them as if enabled.

        Parameters
        ----------
        results : int array [passes, output_height, output_width, slots of a pass]
            What PEs, or average pooling, give.
        multiplier, bias : int array [passes, slots of a pass]
        layer : mapping
            ``LAYER_FIELDS``.
        residual : int array of the shape of ``results``, optional
            Real values of the tensor that is added.
        """
        return ScaleUnit.model(
            results,
            np.asarray(multiplier)[:, None, None],
            np.asarray(bias)[:, None, None],
            layer["shift"],
            layer["low"],
            layer["high"],
            residual,
            layer["residual_multiplier"],
        )

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, self.layer
        units = config.requantisers
        slots = config.chunk // units
        slot_bits = (slots - 1).bit_length()
        residual_wanted = settled(m, layer.residual[0])
        averaging = settled(m, layer.operation == Operation.AVERAGE_POOL.value)

        # Walk: where every group of results belongs.
        place_layout = data.StructLayout(
            {"address": range(config.activation_words), "slot": range(slots), "last": 1}
        )
        job_layout = data.StructLayout(
            {"group": 8, "entry": range(config.scale_words), "place": place_layout}
        )
        m.submodules.jobs = jobs = SyncFIFOBuffered(width=job_layout.size, depth=_JOBS)
        m.submodules.pixels = pixels = OutputWalk(config)
        asked_job, job = Signal(job_layout), data.View(job_layout, jobs.r_data)

        # Slots are counted in groups of lanes; entries follow one another as slots do.
        slot, pass_slot = Signal(16), Signal(16)
        first_slot = layer.output_slot >> (units.bit_length() - 1)
        scale_offset = settled(m, layer.scale_base - first_slot, width=16)
        group, passes_left = Signal(8), Signal(range(config.channels + 1))
        last_group = group == settled(m, layer.groups - 1, width=len(group))
        pass_ends = last_group & pixels.last_column & pixels.last_row
        last = pass_ends & (passes_left == 1)
        place = pixels.offset + (slot >> slot_bits)

        # A group is on its way when its job is noted and memory has taken its request, in whichever order.
        job_asked, residual_asked = Signal(), Signal()
        free = (~job_asked | jobs.w_rdy) & (~residual_asked | self.residual_request.ready)
        m.d.comb += [
            jobs.w_en.eq(job_asked),
            jobs.w_data.eq(asked_job),
            self.residual_request.valid.eq(residual_asked),
            self.residual_request.p.bank.eq(layer.residual_bank),
            pixels.layer.eq(layer),
        ]
        with m.If(jobs.w_rdy):
            m.d.sync += job_asked.eq(0)
        with m.If(self.residual_request.ready):
            m.d.sync += residual_asked.eq(0)

        def ask():
            m.d.sync += [
                job_asked.eq(1),
                residual_asked.eq(residual_wanted),
                asked_job.entry.eq(slot + scale_offset),
                asked_job.group.eq(group),
                asked_job.place.address.eq(layer.output_base + place),
                asked_job.place.slot.eq(slot[:slot_bits]),
                asked_job.place.last.eq(last),
                self.residual_request.p.address.eq(layer.residual_base + place),
                group.eq(group + 1),
                slot.eq(slot + 1),
            ]
            m.d.comb += pixels.advance.eq(last_group)
            with m.If(last_group):
                m.d.sync += [group.eq(0), slot.eq(pass_slot)]
            with m.If(pass_ends):
                m.d.sync += [slot.eq(slot + 1), pass_slot.eq(slot + 1), passes_left.eq(passes_left - 1)]

        written_last = Signal()
        with m.FSM() as fsm:
            with m.State("Idle"):
                m.d.sync += [
                    slot.eq(first_slot),
                    pass_slot.eq(first_slot),
                    group.eq(0),
                    passes_left.eq(layer.passes),
                ]
                with m.If(self.start):
                    m.next = "Walk"
            with m.State("Walk"):
                with m.If(free):
                    ask()
                    with m.If(last):
                        m.next = "Finish"
            with m.State("Finish"):
                with m.If(written_last):
                    m.next = "Idle"
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))

        # Join: jobs, residuals and results of a group leave together. PEs are far away.
        residual = self.residual_response
        residual_there = residual.valid | ~residual_wanted
        results_there, joined = Signal(), Signal()
        accumulators = Signal(data.ArrayLayout(signed(config.accumulator_bits), units))
        results = []
        for index, source in enumerate(self.results):
            m.submodules[f"result_{index}"] = near = DoubleBuffer(signed(config.accumulator_bits))
            connect(m, far=flipped(source), near=near.i)
            results.append(near)
        m.d.comb += [
            joined.eq(jobs.r_rdy & residual_there & results_there),
            jobs.r_en.eq(residual_there & results_there),
            self.stalled.eq(jobs.r_rdy & ~jobs.r_en),
            residual.ready.eq(residual_wanted & jobs.r_rdy & results_there),
        ]
        with m.If(averaging):
            m.d.comb += [
                results_there.eq(self.sums.valid),
                accumulators.eq(self.sums.payload),
                self.sums.ready.eq(jobs.r_rdy),
            ]
        for index in range(config.pes // units):
            sources = results[index * units : (index + 1) * units]
            # Whether all of them are valid, worked out a cycle ahead: many have a say in it.
            all_there, leave = Signal(name=f"all_there_{index}"), Signal(name=f"leave_{index}")
            coming = Cat(source.i.valid | ~source.i.ready for source in sources)
            staying = Cat(source.o.valid for source in sources)
            m.d.sync += all_there.eq(Mux(leave, coming.all(), (coming | staying).all()))
            with m.If(~averaging & (job.group == index)):
                m.d.comb += [results_there.eq(all_there), leave.eq(joined)]
                for unit, source in enumerate(sources):
                    m.d.comb += accumulators[unit].eq(source.o.payload)
            m.d.comb += [source.o.ready.eq(leave) for source in sources]

        residual_word = data.View(
            data.ArrayLayout(data.ArrayLayout(ACTIVATION_BITS, units), slots),
            residual.payload.as_value(),
        )
        operands = Signal(
            data.StructLayout(
                {
                    "accumulators": accumulators.shape(),
                    "residuals": data.ArrayLayout(signed(ACTIVATION_BITS + 1), units),
                }
            )
        )
        m.d.comb += operands.accumulators.eq(accumulators)
        for byte, value in zip(residual_word[job.place.slot], operands.residuals, strict=True):
            sign = byte[-1] & layer.residual_signed[0]
            m.d.comb += value.eq(Mux(residual_wanted, Cat(byte, sign).as_signed(), 0))

        # What has left never waits again, so the memory of entries does not either.
        m.submodules.scales = scales = WordMemory(
            scale_word_layout(config), config.scale_words, tag=place_layout
        )
        connect(m, flipped(self.scale), scales.write)
        entry, target = scales.response, scales.response.p.tag
        m.d.comb += [
            scales.request.valid.eq(joined),
            scales.request.p.address.eq(job.entry),
            scales.request.p.tag.eq(job.place),
            entry.ready.eq(1),
        ]
        for stage in range(_LOOKUP):
            following = Signal(operands.shape(), name=f"operands_{stage}")
            m.d.sync += following.eq(operands)
            operands = following

        write = self.write
        m.d.comb += self.table.ready.eq(1)
        for unit in range(units):
            m.submodules[f"scale_unit_{unit}"] = scale_unit = ScaleUnit(config)
            m.d.comb += [
                scale_unit.layer.eq(layer),
                scale_unit.accumulator.eq(operands.accumulators[unit]),
                scale_unit.scale.eq(entry.p.data[unit]),
                scale_unit.residual.eq(operands.residuals[unit]),
            ]
            value = scale_unit.value
            if config.tables:
                m.submodules[f"table_{unit}"] = table = ActivationTable(config)
                m.d.comb += [table.layer.eq(layer), table.i.eq(value)]
                m.d.comb += [
                    table.store.payload.eq(self.table.payload),
                    table.store.valid.eq(self.table.valid),
                ]
                value = table.o
            m.d.comb += [write.p.values[index * units + unit].eq(value) for index in range(slots)]

        travel_layout = data.StructLayout({"place": place_layout, "enable": units})
        travel = Signal(travel_layout)
        m.d.comb += [
            travel.place.eq(target),
            travel.place.last.eq(entry.valid & target.last),
            travel.enable.eq(Mux(entry.valid, Cat(scale.enable for scale in entry.p.data), 0)),
        ]
        for stage in range(self.latency(config) - _LOOKUP):
            following = Signal(travel_layout, name=f"travel_{stage}")
            m.d.sync += following.eq(travel)
            travel = following
        m.d.comb += [
            write.valid.eq(travel.enable.any()),
            write.p.bank.eq(layer.output_bank),
            write.p.address.eq(travel.place.address),
            written_last.eq(travel.place.last),
        ]
        for index in range(slots):
            m.d.comb += write.p.lanes[index * units : (index + 1) * units].eq(
                Mux(travel.place.slot == index, travel.enable, 0)
            )
        return m
