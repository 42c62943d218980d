"""Request frames taken apart: head, payload and verdict as three streams."""

from amaranth import *
from amaranth.lib import crc, data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from .protocol import REQUEST_START

__all__ = ["FrameReceiver", "Verdict", "frame_head_layout"]


class Verdict(enum.Enum, shape=2):
    """What is known of a frame once it is over."""

    #: The checksum matches.
    INTACT = 0
    #: The checksum does not match.
    BROKEN = 1
    #: The bytes stopped coming.
    SILENT = 2


#: Start of a frame: its code (an ``Opcode``, or any other byte) and the bytes of its payload.
frame_head_layout = data.StructLayout({"code": 8, "length": 16})


class FrameReceiver(wiring.Component):
    """Finds request frames in a byte stream and takes them apart.

    Bytes between frames are skipped. For each frame comes one ``head``, then ``length`` bytes of ``payload``,
    then one ``verdict``, in this order. A frame that falls silent is given up: ``SILENT`` then comes at once, in
    place of what was missing, be it payload or the head itself.

    Latency: none for payload (wired through), one cycle for head and verdict. Throughput: one byte per cycle,
    plus two cycles a frame.

    Parameters
    ----------
    timeout : int
        Cycles without a byte, within a frame, after which the frame is given up. Cycles in which this component
        itself holds bytes back do not count.

    Members
    -------
    i : In(stream(8))
        Bytes from the host.
    head : Out(stream(frame_head_layout))
        Code and length of a frame.
    payload : Out(stream(8))
        Its payload.
    verdict : Out(stream(Verdict))
        Its end.
    """

    def __init__(self, timeout):
        if not isinstance(timeout, int) or timeout < 1:
            raise ValueError(f"expected a timeout of at least one cycle, got {timeout!r}")
        self.timeout = timeout
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "head": Out(stream.Signature(frame_head_layout)),
                "payload": Out(stream.Signature(8)),
                "verdict": Out(stream.Signature(Verdict)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.checksum = checksum = crc.catalog.CRC16_IBM_3740(8).create()

        head = Signal(frame_head_layout)
        remaining = Signal(16)
        verdict = Signal(Verdict)
        silence = Signal(range(self.timeout))
        transfer = self.i.valid & self.i.ready

        m.d.comb += [
            checksum.data.eq(self.i.payload),
            self.head.payload.eq(head),
            self.payload.payload.eq(self.i.payload),
            self.verdict.payload.eq(verdict),
        ]

        def give_up_when_silent():
            with m.If(self.i.valid):
                m.d.sync += silence.eq(0)
            with m.Elif(silence == self.timeout - 1):
                m.d.sync += [silence.eq(0), verdict.eq(Verdict.SILENT)]
                m.next = "VERDICT"
            with m.Else():
                m.d.sync += silence.eq(silence + 1)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.i.ready.eq(1), checksum.start.eq(1)]
                with m.If(transfer & (self.i.payload == REQUEST_START)):
                    m.next = "CODE"

            for state, field, following in (
                ("CODE", head.code, "LENGTH_LOW"),
                ("LENGTH_LOW", head.length[:8], "LENGTH_HIGH"),
                ("LENGTH_HIGH", head.length[8:], "HEAD"),
            ):
                with m.State(state):
                    m.d.comb += [self.i.ready.eq(1), checksum.valid.eq(transfer)]
                    give_up_when_silent()
                    with m.If(transfer):
                        m.d.sync += field.eq(self.i.payload)
                        m.next = following

            with m.State("HEAD"):
                m.d.comb += self.head.valid.eq(1)
                m.d.sync += remaining.eq(head.length)
                with m.If(self.head.ready):
                    m.next = "CHECKSUM_LOW"
                    with m.If(head.length != 0):
                        m.next = "PAYLOAD"

            with m.State("PAYLOAD"):
                m.d.comb += [
                    self.payload.valid.eq(self.i.valid),
                    self.i.ready.eq(self.payload.ready),
                    checksum.valid.eq(transfer),
                ]
                give_up_when_silent()
                with m.If(transfer):
                    m.d.sync += remaining.eq(remaining - 1)
                    with m.If(remaining == 1):
                        m.next = "CHECKSUM_LOW"

            with m.State("CHECKSUM_LOW"):
                m.d.comb += self.i.ready.eq(1)
                give_up_when_silent()
                with m.If(transfer):
                    m.d.sync += verdict.eq(
                        Mux(self.i.payload == checksum.crc[:8], Verdict.INTACT, Verdict.BROKEN)
                    )
                    m.next = "CHECKSUM_HIGH"

            with m.State("CHECKSUM_HIGH"):
                m.d.comb += self.i.ready.eq(1)
                give_up_when_silent()
                with m.If(transfer):
                    with m.If(self.i.payload != checksum.crc[8:]):
                        m.d.sync += verdict.eq(Verdict.BROKEN)
                    m.next = "VERDICT"

            with m.State("VERDICT"):
                m.d.comb += self.verdict.valid.eq(1)
                with m.If(self.verdict.ready):
                    m.next = "IDLE"

        return m
