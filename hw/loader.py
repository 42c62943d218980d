"""Bytes of a load turned into memory words."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ACTIVATION_BITS
from .formats import dense_layout
from .link_words import LoadFormat, write_layout
from .protocol import Status, Target
from .sparsemap import SparseMapDecoder

__all__ = ["Loader", "load_head_layout", "load_result_layout", "write_layout"]

#: Where a load goes. ``target`` may be no ``Target``: the loader says so.
load_head_layout = data.StructLayout({"target": 8, "index": 8, "address": 16})

#: What became of a load, and whether it wrote anything.
load_result_layout = data.StructLayout({"status": Status, "written": 1})


def _population(mask):
    """How many bits of ``mask`` are set, as a balanced tree of adders."""
    if len(mask) == 1:
        return mask
    half = len(mask) // 2
    return _population(mask[:half]) + _population(mask[half:])


class Loader(wiring.Component):
    """Assembles words from the data of a ``LOAD`` and writes them, each as soon as it is complete.

    A load is a ``head``, bytes at ``i``, ``finish``, and one ``result``. Its status is the first that applies of

    * ``BAD_TARGET``: no such target, or no such index (which is 0 where there is one memory only);
      all data are dropped;
    * ``BAD_LENGTH``: data ended within a word, a record or a list; the words before are written;
    * ``BAD_ADDRESS``: words lay beyond the memory; these are dropped, the others are written;
    * ``OK``.

    SparseMap values and packed signs share one decoder of bits: values pass it as eight bit planes.

    Latency, from the last byte of a word to its write: 2 cycles, coefficient records 3, activations 11, and one more
    where the mask is empty. Throughput: one byte per cycle within a word, then 3 more cycles for the word, 5 for a
    coefficient record, 13 for activations, as long as words are taken at once.

    Parameters
    ----------
    config : Config
        Configuration.

    Members
    -------
    head : In(stream(load_head_layout))
        Starts a load.
    i : In(stream(8))
        Data of the load as in a frame.
    finish : In(1)
        No more data come. To be high from after the last byte until ``result`` is taken.
    result : Out(stream(load_result_layout))
        Status; ``written`` is set if any word was written.
    write : Out(stream(write_layout(config)))
        One memory word.
    """

    def __init__(self, config):
        self.config = config
        super().__init__(
            {
                "head": In(stream.Signature(load_head_layout)),
                "i": In(stream.Signature(8)),
                "finish": In(1),
                "result": Out(stream.Signature(load_result_layout)),
                "write": Out(stream.Signature(write_layout(config))),
            }
        )

    @staticmethod
    def model(config, payload):
        """What a ``LOAD`` with this payload does.

        Parameters
        ----------
        config : Config
            Configuration.
        payload : bytes
            Target, index, address and data, as in a frame.

        Returns
        -------
        writes : list of (Target, index, address, data)
            Words in the order they are written, ``data`` as the integer of the word's bits.
        status : Status
            Status of the load.
        """
        load = LoadFormat(config)
        if len(payload) < 4:
            return [], Status.BAD_LENGTH
        target, index, address = payload[0], payload[1], int.from_bytes(payload[2:4], "little")
        if target not in [known.value for known in Target] or index >= load.indices[Target(target)]:
            return [], Status.BAD_TARGET
        target = Target(target)
        words, complete = load.words(target, bytes(payload[4:]))
        fitting = max(0, load.depths[target] - address)
        writes = [(target, index, address + n, word) for n, word in enumerate(words[:fitting])]
        if not complete:
            return writes, Status.BAD_LENGTH
        return writes, Status.OK if len(words) <= fitting else Status.BAD_ADDRESS

    def elaborate(self, platform):
        config = self.config
        load = LoadFormat(config)
        m = Module()
        m.submodules.decoder = decoder = SparseMapDecoder(config.chunk, 1)

        # A word as it comes. Its bytes, or packed values, lie where a memory expects them, control and mask of a
        # packed word above: so most words go out as they are.
        control_start = max(
            config.chunk, *(load.fixed_bytes[plain] for plain in (Target.PROGRAM, Target.BASIS, Target.SCALE))
        )
        mask_start = control_start + load.control_bytes
        buffer = Signal(data.ArrayLayout(8, mask_start + load.mask_bytes))
        position = Signal(range(len(buffer)))
        remaining = Signal(range(len(buffer) + 1))
        word = buffer.as_value()[: 8 * control_start]
        values = data.View(dense_layout(config), word[: config.chunk * ACTIVATION_BITS])
        control = buffer.as_value()[8 * control_start :][: load.control_bits]
        mask = buffer.as_value()[8 * mask_start :][: config.chunk]

        target = Signal(Target)
        index = Signal(8)
        # One bit more than in the frame: the last address may be followed by one that is beyond.
        address = Signal(17)
        limit = Signal(17)
        fits = Signal()
        # Coefficient records that are due before the next list.
        records = Signal(16)
        status = Signal(Status)
        beyond = Signal()
        written = Signal()

        is_header = Signal()
        is_record = Signal()
        is_activation = Signal()
        m.d.comb += [
            is_header.eq((target == Target.COEFFICIENT) & (records == 0)),
            is_record.eq((target == Target.COEFFICIENT) & (records != 0)),
            is_activation.eq(target == Target.ACTIVATION),
        ]

        # Values are scattered in place, a bit plane at a time, lowest first: each leaves at the low end of the
        # packed values and returns at the high end, and eight of them are once around. Signs are a single plane.
        leaving = Signal(range(ACTIVATION_BITS + 1))
        returning = Signal(range(ACTIVATION_BITS + 1))
        plane = Cat(value[0] for value in values)
        m.d.comb += [
            decoder.i.payload.mask.eq(mask),
            decoder.i.payload.values.eq(Mux(is_record, word[: config.chunk], plane)),
        ]

        m.d.comb += [
            self.write.payload.target.eq(target),
            self.write.payload.index.eq(index),
            self.write.payload.address.eq(address),
            self.write.payload.data.eq(word),
        ]
        with m.If(is_header):
            m.d.comb += self.write.payload.data.eq(word[: load.word_bits[Target.COEFFICIENT]])
        with m.If(is_record):
            m.d.comb += self.write.payload.data.eq(Cat(mask, decoder.o.payload.values, control))
        with m.If(target == Target.SCALE):
            m.d.comb += self.write.payload.data.eq(word[: load.word_bits[Target.SCALE]])

        def take_bytes(following):
            m.d.comb += self.i.ready.eq(1)
            with m.If(self.i.valid):
                m.d.sync += [
                    buffer[position].eq(self.i.payload),
                    position.eq(position + 1),
                    remaining.eq(remaining - 1),
                ]
                with m.If(remaining == 1):
                    m.next = following
            with m.Elif(self.finish):
                m.d.sync += status.eq(Status.BAD_LENGTH)
                m.next = "RESULT"

        def write_word():
            m.d.comb += self.write.valid.eq(fits)
            with m.If(self.write.ready | ~fits):
                m.d.sync += [address.eq(address + 1), written.eq(written | fits), beyond.eq(beyond | ~fits)]
                with m.If(is_header):
                    m.d.sync += records.eq(word[:16])
                with m.Elif(is_record):
                    m.d.sync += records.eq(records - 1)
                m.next = "START"

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.head.ready.eq(1)
                head = self.head.payload
                m.d.sync += [
                    target.eq(head.target),
                    index.eq(head.index),
                    address.eq(head.address),
                    records.eq(0),
                    beyond.eq(0),
                    written.eq(0),
                ]
                with m.If(self.head.valid):
                    m.next = "DROP"
                    with m.Switch(head.target):
                        for known, count in load.indices.items():
                            with m.Case(known):
                                m.d.sync += limit.eq(load.depths[known])
                                with m.If(head.index < count):
                                    m.next = "START"

            with m.State("START"):
                m.d.sync += [buffer.eq(0), position.eq(0), fits.eq(address < limit)]
                with m.Switch(target):
                    for known, count in load.fixed_bytes.items():
                        with m.Case(known):
                            m.d.sync += remaining.eq(count)
                with m.If(is_header):
                    m.d.sync += remaining.eq(2)
                with m.If(is_record):
                    m.d.sync += position.eq(control_start)
                with m.If(is_activation):
                    m.d.sync += position.eq(mask_start)
                with m.If(self.i.valid):
                    m.next = "FIXED"
                with m.Elif(self.finish):
                    m.d.sync += status.eq(Mux(beyond, Status.BAD_ADDRESS, Status.OK))
                    with m.If(is_record):
                        m.d.sync += status.eq(Status.BAD_LENGTH)
                    m.next = "RESULT"

            with m.State("FIXED"):
                take_bytes(following="COUNT")

            with m.State("COUNT"):
                ones = Signal(range(config.chunk + 1))
                m.d.comb += ones.eq(_population(mask))
                m.d.sync += [
                    position.eq(0),
                    remaining.eq(ones),
                    leaving.eq(ACTIVATION_BITS),
                    returning.eq(ACTIVATION_BITS),
                ]
                with m.If(is_record):
                    m.d.sync += [remaining.eq((ones + 7) >> 3), leaving.eq(1)]
                m.next = "WRITE"
                with m.If(is_record | is_activation):
                    m.next = "PACKED"
                    with m.If(mask == 0):
                        m.next = "SCATTER"

            with m.State("PACKED"):
                take_bytes(following="SCATTER")

            with m.State("SCATTER"):
                # The decoder takes a plane each cycle and values never stall, so the last plane has left the packed
                # values before the first one is back at its place.
                m.d.comb += [
                    decoder.i.valid.eq(leaving != 0),
                    decoder.o.ready.eq(~is_record | self.write.ready | ~fits),
                ]
                with m.If(decoder.i.valid & decoder.i.ready):
                    m.d.sync += leaving.eq(leaving - 1)
                with m.If(is_activation & (decoder.i.valid | decoder.o.valid)):
                    for lane, value in enumerate(values):
                        m.d.sync += value.eq(Cat(value[1:], decoder.o.payload.values[lane]))
                with m.If(decoder.o.valid):
                    m.d.sync += returning.eq(returning - 1)
                    with m.If(is_record):
                        write_word()
                    with m.Elif(returning == 1):
                        m.next = "WRITE"

            with m.State("WRITE"):
                write_word()

            with m.State("DROP"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.finish & ~self.i.valid):
                    m.d.sync += status.eq(Status.BAD_TARGET)
                    m.next = "RESULT"

            with m.State("RESULT"):
                m.d.comb += [
                    self.result.valid.eq(1),
                    self.result.payload.status.eq(status),
                    self.result.payload.written.eq(written),
                ]
                with m.If(self.result.ready):
                    m.next = "IDLE"

        return m
