"""Stream components as Python functions: lists of payloads in, lists of payloads out, under random traffic."""

import random
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Const, Shape, Value
from amaranth.lib import data
from amaranth.sim import Simulator

__all__ = ["TRAFFIC", "Run", "bits", "payloads", "stream_run", "stream_transform"]

#: Traffic patterns by name: probabilities that the source idles and that the sink is not ready.
TRAFFIC = {
    "free": {"idle": 0.0, "back_pressure": 0.0},
    "idle": {"idle": 0.4, "back_pressure": 0.0},
    "back-pressure": {"idle": 0.0, "back_pressure": 0.4},
    "both": {"idle": 0.3, "back_pressure": 0.3},
}


@dataclass
class Run:
    """What one simulation of a stream component gave."""

    #: Output payloads as plain integers, lists and dictionaries.
    payloads: list = field(default_factory=list)
    #: Cycle in which each input was transferred.
    accepted: list = field(default_factory=list)
    #: Cycle in which each output was transferred.
    emitted: list = field(default_factory=list)


def encode(shape, value):
    """The bits of a payload given as plain integers, lists and dictionaries."""
    if isinstance(shape, data.Layout):
        return shape.const(value).as_bits()
    shape = Shape.cast(shape)
    return Const(value, shape).value & ((1 << shape.width) - 1)


def decode(shape, raw):
    """Plain integers, lists and dictionaries of a payload's bits."""
    if isinstance(shape, data.StructLayout):
        return {
            name: decode(member.shape, raw >> member.offset & ((1 << member.width) - 1))
            for name, member in shape
        }
    if isinstance(shape, data.ArrayLayout):
        return [decode(member.shape, raw >> member.offset & ((1 << member.width) - 1)) for _, member in shape]
    return Const(raw, Shape.cast(shape)).value


def bits(array):
    """Integers whose bits are the last axis of an array of 0 and 1, lowest first: ``[..., n]`` to nested lists."""
    array = np.asarray(array)
    if array.ndim > 1:
        return [bits(row) for row in array]
    return sum(int(bit) << index for index, bit in enumerate(array))


def payloads(shape, arrays):
    """Payloads of a struct from one array a field, one row a payload; nested structs take dictionaries of arrays.

    An integer field takes one number a row, or one row of bits a row. An array of structs takes its members' arrays
    with one more axis.
    """
    if isinstance(shape, data.StructLayout):
        columns = {name: payloads(member.shape, arrays[name]) for name, member in shape}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if isinstance(shape, data.ArrayLayout) and isinstance(shape.elem_shape, data.StructLayout):
        length = len(next(iter(arrays.values())))
        return [
            payloads(shape.elem_shape, {name: array[row] for name, array in arrays.items()})
            for row in range(length)
        ]
    if isinstance(shape, data.ArrayLayout) or np.ndim(arrays) == 1:
        return np.asarray(arrays).tolist()
    return bits(arrays)


def stream_run(
    dut,
    inputs,
    *,
    i="i",
    o="o",
    static=None,
    outputs=None,
    idle=0.0,
    back_pressure=0.0,
    seed=0,
    settle=32,
    limit_cycles=None,
):
    """Simulate a component with one input and one output stream.

    The source shows random bits while it idles. Where there is back-pressure, the sink waits to see the first
    payload before it is ever ready, so a component whose valid waits for ready is found out.

    Parameters
    ----------
    dut : Component
        Device under test; used up by the simulation.
    inputs : list
        Payloads to drive: integers, lists, dictionaries.
    i, o : str
        Names of the two stream members.
    static : dict, optional
        Values of other input members by name, set once.
    outputs : int, optional
        Payloads to wait for. Left out, the run ends ``settle`` cycles without an output after the last input.
    idle, back_pressure : float
        Probability, each cycle, that the source idles or the sink is not ready; a sink that must be ready always is.
    seed : int
        Of the random traffic.
    settle : int
        See ``outputs``; with ``outputs`` given, cycles in which no further output may come.
    limit_cycles : int, optional
        Cycles after which the watchdog fails the run; the default suits components of a few cycles per payload.

    Returns
    -------
    Run
    """
    source, sink = getattr(dut, i), getattr(dut, o)
    always_ready = isinstance(sink.ready, Const)
    if always_ready:
        back_pressure = 0.0
    source_shape, sink_shape = source.payload.shape(), sink.payload.shape()
    source_payload, sink_payload = Value.cast(source.payload), Value.cast(sink.payload)
    queue = [encode(source_shape, payload) for payload in inputs]
    if limit_cycles is None:
        limit_cycles = 200 + 2 * settle + 40 * (len(queue) + (outputs or 0))
    rng = random.Random(seed)
    run = Run()

    def finished(cycle):
        quiet = cycle - max(run.accepted[-1:] + run.emitted[-1:], default=0)
        return (
            len(run.accepted) == len(queue)
            and (outputs is None or len(run.payloads) >= outputs)
            and quiet > settle
        )

    async def testbench(ctx):
        for name, value in (static or {}).items():
            ctx.set(getattr(dut, name), value)
        cycle, offered, seen, held = 0, False, back_pressure == 0, None
        while not finished(cycle):
            assert cycle < limit_cycles, (
                f"watchdog: after {cycle} cycles {len(run.accepted)} of {len(queue)} inputs were accepted and "
                f"{len(run.payloads)} of {'any number of' if outputs is None else outputs} outputs came"
            )
            if not offered:
                offered = len(run.accepted) < len(queue) and rng.random() >= idle
                ctx.set(source.valid, offered)
                ctx.set(
                    source_payload,
                    queue[len(run.accepted)] if offered else rng.getrandbits(len(source_payload)),
                )
            ready = seen and rng.random() >= back_pressure
            if not always_ready:
                ctx.set(sink.ready, ready)
            _, _, accept, valid, payload = await ctx.tick().sample(source.ready, sink.valid, sink_payload)
            if held is not None:
                assert valid, f"cycle {cycle}: valid fell before the transfer"
                assert payload == held, (
                    f"cycle {cycle}: payload changed from {held:#x} to {payload:#x} before the transfer"
                )
            held = payload if valid and not ready else None
            seen = seen or bool(valid)
            if offered and accept:
                run.accepted.append(cycle)
                offered = False
            if valid and ready:
                run.emitted.append(cycle)
                run.payloads.append(decode(sink_shape, payload))
            cycle += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return run


def stream_transform(dut, inputs, **traffic):
    """Output payloads of a component for a list of input payloads; parameters as ``stream_run``."""
    return stream_run(dut, inputs, **traffic).payloads
