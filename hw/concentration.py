"""Concentration: lanes are filled with matched activations only, by looking ahead and aside."""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .dilution import diluted_layout
from .formats import tag_layout

__all__ = ["Concentration", "column_offsets", "lanes_layout"]


def lanes_layout(config):
    """One step: an activation for each lane, ``value`` zero where not ``valid``.

    ``last`` and ``end`` of the tag are set on the final step of the chunk that carried them only.
    """
    lane = data.StructLayout({"value": ACTIVATION_BITS, "negative": 1, "valid": 1})
    return data.StructLayout({"lanes": data.ArrayLayout(lane, config.lanes), "tag": tag_layout(config)})


def column_offsets(config):
    """Columns that a lane may take from, nearest first: 0, -1, +1, -2, +2, ..., each column once."""
    offsets = [0]
    for distance in range(1, config.lookaside + 1):
        for offset in (-distance, distance):
            if all((offset - other) % config.lanes for other in offsets):
                offsets.append(offset)
    return offsets


class Concentration(wiring.Component):
    """Drops unmatched activations: each step carries as many matched ones as the lanes can reach.

    Packed position ``p`` of a chunk sits at step ``p // lanes`` in column ``p % lanes``. Each cycle the window is
    the first step with a match still pending and ``lookahead`` steps after it. First each lane takes the first
    pending match of its own column in the window; then, for one offset after the other, lanes that are still free
    take the first one left in the column at that offset. All lanes work in parallel: at one offset no two lanes
    look at the same column. Activations stay where they are, each lane has a multiplexer over the positions it can
    reach.

    A chunk takes at least one cycle, and exactly one if its matches fit one step; the next chunk is taken in while
    the last matches leave. Latency 2 cycles: the chunk is held, then a step is registered.

    Look-ahead and look-aside are Bit-Tactical's (Delmas Lascorz et al., 2019), scheduled at run time as the matches
    depend on activations; in ESCALATE (Li et al., 2021) they make up concentration. Priorities are ours.

    Parameters
    ----------
    config : Config

    Members
    -------
    i : stream of diluted_layout(config), in
        Packed activations and which of them match.
    o : stream of lanes_layout(config), out
        Steps, one or more for each chunk.
    """

    def __init__(self, config):
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(diluted_layout(config))),
                "o": Out(stream.Signature(lanes_layout(config))),
            }
        )

    @staticmethod
    def model(config, diluted):
        """Steps of the chunks in a dictionary of arrays as ``Dilution.model`` gives it, one row a step, in order.

        One step is one cycle: ``{"lanes": {"value", "negative", "valid": [steps, L]}, "tag": {"basis", "last",
        "end": [steps]}}``.
        """
        grid = (-1, config.steps, config.lanes)
        values = np.asarray(diluted["values"]).astype(np.int64).reshape(grid)
        negative = np.asarray(diluted["negative"]).astype(np.int64).reshape(grid)
        pending = np.asarray(diluted["match"]).astype(bool).reshape(grid)
        tag = {name: np.asarray(field).astype(np.int64) for name, field in diluted["tag"].items()}

        chunk, rounds = np.arange(len(values)), []
        while len(chunk):
            first = np.argmax(pending.any(axis=2), axis=1)
            step = np.arange(config.steps)
            left = pending & (step <= first[:, np.newaxis] + config.lookahead)[..., np.newaxis]
            picked = np.zeros_like(left)
            lanes = {
                name: np.zeros((len(chunk), config.lanes), np.int64)
                for name in ("value", "negative", "valid")
            }
            for offset in column_offsets(config):
                # From here the last axis counts lanes, not columns: lane ``l`` looks at column ``l + offset``.
                seen = np.roll(left, -offset, axis=2)
                take = seen & (np.cumsum(seen, axis=1) == 1) & (lanes["valid"] == 0)[:, np.newaxis]
                lanes["value"] += (np.roll(values[chunk], -offset, axis=2) * take).sum(axis=1)
                lanes["negative"] += (np.roll(negative[chunk], -offset, axis=2) * take).sum(axis=1)
                lanes["valid"] += take.sum(axis=1)
                picked |= np.roll(take, offset, axis=2)
                left &= ~picked
            pending = pending & ~picked
            more = pending.any(axis=(1, 2))
            rounds.append((chunk, lanes, ~more))
            chunk, pending = chunk[more], pending[more]

        chunk = np.concatenate([np.zeros(0, np.int64)] + [chunk for chunk, _, _ in rounds])
        final = np.concatenate([np.zeros(0, bool)] + [final for _, _, final in rounds])
        order = np.argsort(chunk, kind="stable")
        chunk, final = chunk[order], final[order]
        none = np.zeros((0, config.lanes), np.int64)
        return {
            "lanes": {
                name: np.concatenate([none] + [lanes[name] for _, lanes, _ in rounds])[order]
                for name in ("value", "negative", "valid")
            },
            "tag": {
                "basis": tag["basis"][chunk],
                "last": tag["last"][chunk] * final,
                "end": tag["end"][chunk] * final,
            },
        }

    def elaborate(self, platform):
        m = Module()
        config = self._config
        columns, steps = range(config.lanes), range(config.steps)

        chunk = Signal(diluted_layout(config))
        chunk_valid = Signal()
        pending = chunk.match

        def position(step, column):
            return step * config.lanes + column

        def step_of(bits, step):
            return bits[step * config.lanes : (step + 1) * config.lanes]

        # A step lies beyond the window if a match is pending more than ``lookahead`` steps before it.
        left = Signal(config.chunk, name="window")
        beyond = Signal(config.chunk)
        for step in steps:
            before = pending[: max(step - config.lookahead, 0) * config.lanes]
            with m.If(before.any()):
                m.d.comb += step_of(beyond, step).eq(step_of(pending, step))
            with m.Else():
                m.d.comb += step_of(left, step).eq(step_of(pending, step))

        busy = Const(0, config.lanes)
        picks = [{} for _ in columns]
        for index, offset in enumerate(column_offsets(config)):
            still_left = Signal(config.chunk, name=f"left_{index}")
            still_busy = Signal(config.lanes, name=f"busy_{index}")
            for lane in columns:
                column = (lane + offset) % config.lanes
                seen = Cat(left[position(step, column)] for step in steps)
                pick = Signal(config.steps, name=f"pick_{index}_lane_{lane}")
                m.d.comb += still_busy[lane].eq(busy[lane] | seen.any())
                for step in steps:
                    m.d.comb += pick[step].eq(seen[step] & ~seen[:step].any() & ~busy[lane])
                    m.d.comb += still_left[position(step, column)].eq(seen[step] & ~pick[step])
                    picks[lane][position(step, column)] = pick[step]
            left, busy = still_left, still_busy

        still_pending = left | beyond
        final = Signal()
        m.d.comb += final.eq(still_pending == 0)

        def chosen(lane, field):
            """What the lane picked: an AND-OR, zero if it picked nothing."""
            value = Const(0)
            for at, pick in picks[lane].items():
                value |= Mux(pick, field[at], 0)
            return value

        with m.If(~self.o.valid | self.o.ready):
            m.d.comb += self.i.ready.eq(~chunk_valid | final)
            m.d.sync += self.o.valid.eq(chunk_valid)
            m.d.sync += pending.eq(still_pending)
            for lane in columns:
                m.d.sync += [
                    self.o.payload.lanes[lane].value.eq(chosen(lane, chunk.values)),
                    self.o.payload.lanes[lane].negative.eq(chosen(lane, chunk.negative)),
                    self.o.payload.lanes[lane].valid.eq(busy[lane]),
                ]
            m.d.sync += [
                self.o.payload.tag.basis.eq(chunk.tag.basis),
                self.o.payload.tag.last.eq(chunk.tag.last & final),
                self.o.payload.tag.end.eq(chunk.tag.end & final),
            ]
        with m.Else():
            m.d.comb += self.i.ready.eq(~chunk_valid)
        with m.If(self.i.ready):
            m.d.sync += [chunk_valid.eq(self.i.valid), chunk.eq(self.i.payload)]

        return m
