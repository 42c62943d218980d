"""What a stream that goes in must become: one payload for each that went in, in order, and soon."""

from amaranth.hdl import Mux, Signal, Value

__all__ = ["check_order", "packed"]


def check_order(harness, i, o, expected, *, latency, most):
    """One payload leaves ``o`` for each that enters ``i``, in order, and is ``expected`` of it.

    One payload is followed, any of them: the proof chooses freely which. It has its turn when all that were ahead of it
    have left. So the proof needs no queue, and holds for runs of any length.

    Parameters
    ----------
    harness : Harness
    i, o : stream
    expected : function
        Gives the payload that leaves, as bits, of the payload that enters.
    latency : int
        Cycles in which something is under way and nothing is offered: at most so many in a row.
    most : int
        Payloads that are under way: at most so many.
    """
    m = harness.module
    enters, leaves = i.valid & i.ready, o.valid & o.ready
    under_way, ahead = Signal(range(most + 2)), Signal(range(most + 2))
    m.d.sync += under_way.eq(under_way + enters - leaves)
    harness.check(under_way <= most, "more is under way than there is room for")
    harness.check(~o.valid | (under_way != 0), "something comes of nothing")

    chosen, follows, left = harness.free("chosen"), Signal(), Signal()
    value = Signal(len(Value.cast(o.payload)))
    with m.If(chosen & enters & ~follows & ~left):
        m.d.sync += [follows.eq(1), ahead.eq(under_way - leaves), value.eq(expected(i.payload))]
    with m.Elif(follows & leaves):
        m.d.sync += ahead.eq(ahead - 1)
        with m.If(ahead == 0):
            m.d.sync += [follows.eq(0), left.eq(1)]
    harness.check(
        ~(follows & (ahead == 0) & o.valid) | (Value.cast(o.payload) == value),
        "what leaves is not what entered",
    )
    harness.check(~follows | (ahead < under_way), "what was followed is lost")
    harness.cover(follows & leaves & (ahead == 0) & (value != 0), "followed to its end")

    quiet = Signal(range(latency + 2))
    m.d.sync += quiet.eq(Mux((under_way != 0) & ~o.valid, quiet + 1, 0))
    harness.check(quiet <= latency, "what is under way does not come")


def packed(mask, elements):
    """The elements under ``mask`` in order, zeros above them: by counting, for each place, who has so many before it."""
    width = len(mask)
    places = []
    for place in range(width):
        chosen = 0
        for lane in range(width):
            below = sum((mask[other] for other in range(lane)), start=mask[0] & 0)
            chosen = chosen | Mux(mask[lane] & (below == place), elements[lane], 0)
        places.append(chosen)
    return places
