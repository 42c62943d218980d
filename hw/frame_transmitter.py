"""Response frames put together: start byte, head, payload and checksum."""

from amaranth import *
from amaranth.lib import crc, stream, wiring
from amaranth.lib.wiring import In, Out

from .frame_receiver import frame_head_layout
from .protocol import RESPONSE_START

__all__ = ["FrameTransmitter"]


class FrameTransmitter(wiring.Component):
    """Sends response frames.

    For each ``head`` one frame goes out, for which ``length`` bytes are taken from ``payload``.

    Latency: the start byte follows the head by one cycle; payload is wired through. Throughput: one byte per
    cycle, plus one cycle a frame.

    Members
    -------
    head : In(stream(frame_head_layout))
        Code (a ``Status``) and length of a frame.
    payload : In(stream(8))
        Its payload.
    o : Out(stream(8))
        Bytes to the host.
    """

    head: In(stream.Signature(frame_head_layout))
    payload: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.submodules.checksum = checksum = crc.catalog.CRC16_IBM_3740(8).create()

        head = Signal(frame_head_layout)
        transfer = self.o.valid & self.o.ready
        m.d.comb += checksum.data.eq(self.o.payload)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.head.ready.eq(1)
                with m.If(self.head.valid):
                    m.d.sync += head.eq(self.head.payload)
                    m.next = "START"

            with m.State("START"):
                m.d.comb += [
                    self.o.payload.eq(RESPONSE_START),
                    self.o.valid.eq(1),
                    checksum.start.eq(1),
                ]
                with m.If(transfer):
                    m.next = "CODE"

            for state, value, following in (
                ("CODE", head.code, "LENGTH_LOW"),
                ("LENGTH_LOW", head.length[:8], "LENGTH_HIGH"),
                ("LENGTH_HIGH", head.length[8:], "PAYLOAD"),
            ):
                with m.State(state):
                    m.d.comb += [
                        self.o.payload.eq(value),
                        self.o.valid.eq(1),
                        checksum.valid.eq(transfer),
                    ]
                    with m.If(transfer):
                        m.next = following
                        if following == "PAYLOAD":
                            with m.If(head.length == 0):
                                m.next = "CHECKSUM_LOW"

            with m.State("PAYLOAD"):
                m.d.comb += [
                    self.o.payload.eq(self.payload.payload),
                    self.o.valid.eq(self.payload.valid),
                    self.payload.ready.eq(self.o.ready),
                    checksum.valid.eq(transfer),
                ]
                with m.If(transfer):
                    m.d.sync += head.length.eq(head.length - 1)
                    with m.If(head.length == 1):
                        m.next = "CHECKSUM_LOW"

            for state, value, following in (
                ("CHECKSUM_LOW", checksum.crc[:8], "CHECKSUM_HIGH"),
                ("CHECKSUM_HIGH", checksum.crc[8:], "IDLE"),
            ):
                with m.State(state):
                    m.d.comb += [self.o.payload.eq(value), self.o.valid.eq(1)]
                    with m.If(transfer):
                        m.next = following

        return m
