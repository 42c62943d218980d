import dataclasses
import random

import numpy as np
import pytest
from amaranth.lib.crc.catalog import CRC16_IBM_3740

from hw.config import Config
from hw.formats import LAYER_FIELDS, LAYER_WORDS, Bank, coefficient_layout
from hw.loader import Loader
from hw.protocol import (
    MAXIMUM_PAYLOAD,
    PROTOCOL_VERSION,
    REQUEST_START,
    RESPONSE_START,
    Opcode,
    Status,
    Target,
    Unit,
)
from sw import frames, sparsemap
from sw.compiler import compile_network
from sw.frames import DeviceStatus, LinkError, LinkFault, Response, ResponseParser
from sw.network import Convolution
from sw.ordering import reorder
from sw.program import Placement
from sw.records import records

from .networks import random_input, random_network
from .schedules import schedule_layer

TINY = Config.preset("tiny")


def checksum(data):
    return CRC16_IBM_3740(8).compute(data).to_bytes(2, "little")


def answer(status, payload=b""):
    body = bytes([status]) + len(payload).to_bytes(2, "little") + payload
    return bytes([RESPONSE_START]) + body + checksum(body)


def parse_request(frame):
    """(opcode, payload) of a request, taken apart with the checksum of the gateware's library."""
    assert frame[0] == REQUEST_START
    assert frame[-2:] == checksum(frame[1:-2])
    assert int.from_bytes(frame[2:4], "little") == len(frame) - 6
    return Opcode(frame[1]), frame[4:-2]


def loads(made):
    """(target, index, address, data) of LOAD requests."""
    parts = []
    for frame in made:
        opcode, payload = parse_request(frame)
        assert opcode is Opcode.LOAD
        address = int.from_bytes(payload[2:4], "little")
        parts.append((Target(payload[0]), payload[1], address, payload[4:]))
    return parts


def place(channels=6, height=3, width=2, signed=True, base=5):
    return Placement(
        bank=Bank.B,
        base=base,
        chunks=-(-channels // TINY.chunk),
        channels=channels,
        height=height,
        width=width,
        signed=signed,
        order=tuple(np.random.default_rng(channels).permutation(channels).tolist()),
        slot=0,
        pixel=-(-channels // TINY.chunk),
        row=width * -(-channels // TINY.chunk),
    )


def test_checksum_is_that_of_the_gateware():
    assert frames.encode_request(Opcode.RUN, b"123456789")[-2:] == checksum(b"\x03\x09\x00123456789")
    assert CRC16_IBM_3740(8).compute(b"123456789") == 0x29B1


def test_plain_requests():
    assert parse_request(frames.status_frame()) == (Opcode.STATUS, b"")
    assert parse_request(frames.clear_frame()) == (Opcode.CLEAR, b"")
    assert parse_request(frames.wait_frame()) == (Opcode.WAIT, b"")
    assert parse_request(frames.stalls_frame()) == (Opcode.STALLS, b"")
    assert parse_request(frames.run_frame(2, 258)) == (Opcode.RUN, b"\x02\x00\x02\x01")
    assert parse_request(frames.counters_frame(1, 3)) == (Opcode.COUNTERS, b"\x01\x00\x03\x00")
    assert parse_request(frames.read_frame(Bank.C, 0x1234, 7)) == (Opcode.READ, b"\x02\x00\x34\x12\x07\x00")


def test_too_long_a_payload_is_refused():
    frames.encode_request(Opcode.LOAD, bytes(MAXIMUM_PAYLOAD))
    with pytest.raises(ValueError, match="expected a payload of at most 65535 bytes, got 65536"):
        frames.encode_request(Opcode.LOAD, bytes(MAXIMUM_PAYLOAD + 1))


@pytest.mark.parametrize("payload", [140, MAXIMUM_PAYLOAD])
@pytest.mark.parametrize("seed", range(4))
def test_load_frames_carry_every_section(seed, payload):
    program = compile_network(random_network(seed, TINY, layers=7), TINY)
    made = frames.load_frames(program, payload)
    assert max(map(len, made)) <= payload + 6
    parts = loads(made)
    if payload == MAXIMUM_PAYLOAD:
        sections = [(each.target, each.index, each.address, each.data) for each in program.sections]
        assert parts == sections
        return
    joined = {}
    for target, index, address, data in parts:
        found = next(
            each
            for each in reversed(program.sections)
            if (each.target, each.index) == (target, index) and each.address <= address
        )
        start = joined.setdefault((target, index, found.address), [found.address, b""])
        assert address == start[0], "frames follow one another"
        cut = type(found)(target=target, index=index, address=address, data=data)
        start[0] += sum(words for words, _ in records(cut, TINY))
        start[1] += data
    assert [value[1] for value in joined.values()] == [each.data for each in program.sections]
    assert len(parts) > len(program.sections)
    assert all(address % LAYER_WORDS == 0 for target, _, address, _ in parts if target is Target.PROGRAM)


@pytest.mark.parametrize("payload", [16, MAXIMUM_PAYLOAD])
@pytest.mark.parametrize("signed", [False, True])
def test_activations_arrive(payload, signed):
    placement = place(signed=signed)
    generator = np.random.default_rng(3)
    tensor = generator.integers(-128 if signed else 0, 128 if signed else 256, placement.shape)
    tensor[generator.random(placement.shape) < 0.5] = 0
    memory = np.full((TINY.activation_words, TINY.chunk), 0xAA, np.uint8)
    for target, index, address, data in loads(frames.activation_frames(placement, tensor, TINY, payload)):
        assert (target, index) == (Target.ACTIVATION, Bank.B.value)
        at = 0
        while at < len(data):
            mask, at = data[at], at + 1
            for lane in range(TINY.chunk):
                memory[address, lane] = data[at] if mask >> lane & 1 else 0
                at += mask >> lane & 1
            address += 1
    inside = slice(placement.base, placement.base + placement.words)
    assert (memory[: placement.base] == 0xAA).all() and (
        memory[placement.base + placement.words :] == 0xAA
    ).all()
    slots = memory[inside].reshape(3, 2, -1)
    assert placement.order != tuple(range(6))
    for slot, channel in enumerate(placement.order):
        np.testing.assert_array_equal(slots[:, :, slot], tensor[channel] & 0xFF)
    np.testing.assert_array_equal(frames.decode_tensor(memory[inside].tobytes(), placement), tensor)
    flipped = frames.decode_tensor(memory[inside].tobytes(), placement, signed=not signed)
    np.testing.assert_array_equal(flipped & 0xFF, tensor & 0xFF)


def written(frames):
    """What LOAD requests of activations write: {address: bytes of a chunk}."""
    memory = {}
    for target, index, address, data in loads(frames):
        assert (target, index) == (Target.ACTIVATION, Bank.B.value)
        masks, values = sparsemap.from_bytes(data, TINY.chunk)
        for chunk in sparsemap.decode(masks, values):
            assert address not in memory
            memory[address] = chunk.tolist()
            address += 1
    return memory


def test_a_part_of_a_tensor_is_written_pixel_by_pixel():
    part = dataclasses.replace(place(), order=(3, -1, 0, 1, 5, 4, 2, -1), pixel=5, row=12)
    tensor = np.random.default_rng(4).integers(-128, 128, part.shape)
    expected = {
        5 + 12 * row + 5 * column + chunk: [
            int(tensor[part.order[slot], row, column]) & 0xFF if part.order[slot] >= 0 else 0
            for slot in range(4 * chunk, 4 * chunk + 4)
        ]
        for row in range(3)
        for column in range(2)
        for chunk in range(2)
    }
    assert written(frames.activation_frames(part, tensor, TINY)) == expected
    with pytest.raises(
        ValueError, match="expected a tensor that begins with a chunk, got one from lane 2 on"
    ):
        frames.activation_frames(dataclasses.replace(part, slot=2), tensor, TINY)


@pytest.mark.parametrize("slot", [0, 2])
@pytest.mark.parametrize("pixel", [3, 7])
def test_a_part_of_a_tensor_is_read_among_others(slot, pixel):
    part = dataclasses.replace(
        place(), order=(3, -1, 0, 1, 5, 4, 2, -1, -1), chunks=3, slot=slot, pixel=pixel, row=2 * pixel
    )
    random = np.random.default_rng(5)
    tensor = random.integers(-128, 128, part.shape)
    memory = random.integers(0, 256, (TINY.activation_words, TINY.chunk)).astype(np.uint8)
    for at, channel in enumerate(part.order):
        word, lane = divmod(slot + at, TINY.chunk)
        for row, column in np.ndindex(3, 2):
            if channel >= 0:
                memory[5 + row * 2 * pixel + column * pixel + word, lane] = (
                    tensor[channel, row, column] & 0xFF
                )
    data = b""
    for frame in frames.read_frames(part, TINY):
        _, payload = parse_request(frame)
        address, count = int.from_bytes(payload[2:4], "little"), int.from_bytes(payload[4:6], "little")
        data += memory[address : address + count].tobytes()
    np.testing.assert_array_equal(frames.decode_tensor(data, part), tensor)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (np.zeros((6, 2, 3), int), r"expected integers of shape \(6, 3, 2\), got int64 of \(6, 2, 3\)"),
        (np.zeros((6, 3, 2)), "expected integers of shape .* got float64"),
        (np.full((6, 3, 2), 128), "expected values from -128 to 127, got 128 to 128"),
    ],
)
def test_wrong_activations_are_refused(tensor, message):
    with pytest.raises(ValueError, match=message):
        frames.activation_frames(place(), tensor, TINY)


def test_input_of_a_random_network_is_sent():
    made = random_network(5, TINY)
    program = compile_network(made, TINY)
    assert frames.activation_frames(program.tensors["input"], random_input(5, made), TINY)


def test_reads_cover_a_tensor():
    placement = place(channels=16, height=10, width=5, base=9)
    parts = [parse_request(frame) for frame in frames.read_frames(placement, TINY, payload=300)]
    ranges = [(int.from_bytes(data[2:4], "little"), int.from_bytes(data[4:6], "little")) for _, data in parts]
    assert ranges == [(9, 75), (84, 75), (159, 50)]
    assert all(opcode is Opcode.READ and data[:2] == b"\x01\x00" for opcode, data in parts)


def test_answers_in_any_pieces():
    sent = [(Status.OK, b"abc"), (Status.BAD_LENGTH, b""), (Status.OK, bytes([RESPONSE_START] * 5))]
    stream = b"\x00\xff".join([b"", *(answer(status.value, payload) for status, payload in sent)])
    for seed in range(20):
        chooser, parser, got, rest = random.Random(seed), ResponseParser(), [], stream
        while rest:
            size = chooser.randint(1, 6)
            got += parser.feed(rest[:size])
            rest = rest[size:]
        assert got == [Response(status, payload) for status, payload in sent], f"seed {seed}"
        assert parser.pending == 0


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_refusals_are_told_in_words(status):
    name = status.name.lower().replace("_", " ")
    (response,) = ResponseParser().feed(answer(status.value))
    with pytest.raises(LinkError, match=f"^expected the answer ok, got {name}: .*[a-z]") as caught:
        frames.decode_answer(frames.status_frame(), response)
    assert caught.value.status is status
    lost = status in (Status.BAD_CHECKSUM, Status.TIMEOUT, Status.DAMAGED)
    assert isinstance(caught.value, LinkFault) == lost, "only what was lost is worth another try"


def test_answers_to_other_requests_are_noticed():
    wait = Response(Status.OK, bytes(4))
    assert frames.decode_answer(frames.wait_frame(), wait) == bytes(4)
    others = frames.run_frame(0, 1), frames.status_frame(), frames.clear_frame(), frames.stalls_frame()
    for request in others:
        with pytest.raises(
            LinkFault, match=r"expected (?:0|8|16) bytes in the answer to [A-Z]+, got 4: a request or"
        ):
            frames.decode_answer(request, wait)
    assert frames.decode_answer(frames.counters_frame(0, 3), Response(Status.OK, bytes(12))) == bytes(12)


def test_every_damaged_byte_of_an_answer_is_noticed():
    good = answer(0, b"\x10\x20\x30\x40")
    for at in range(len(good)):
        damaged = good[:at] + bytes([good[at] ^ 0x04]) + good[at + 1 :]
        parser = ResponseParser()
        try:
            assert parser.feed(damaged) == []
        except LinkFault as fault:
            assert "checksum" in str(fault)


def test_unknown_and_partial_answers():
    with pytest.raises(LinkFault, match="expected a status from 0 to 7 in the answer, got 77"):
        ResponseParser().feed(answer(77))
    parser = ResponseParser()
    assert parser.feed(answer(0, b"x")[:-1]) == [] and parser.pending == 6


def test_parser_goes_on_after_damage():
    parser = ResponseParser()
    with pytest.raises(LinkError, match="checksum"):
        parser.feed(answer(0, b"x")[:-1] + b"\x00")
    assert parser.feed(answer(0, b"y")) == [Response(Status.OK, b"y")]


def test_payloads():
    assert frames.decode_cycles(bytes([1, 2, 0, 0])) == 513
    assert frames.decode_counters(bytes([1, 0, 0, 0, 2, 0, 0, 0]), 2) == [1, 2]
    counts = [1, 256, 3, 4]
    stalls = frames.decode_stalls(b"".join(count.to_bytes(4, "little") for count in counts))
    assert stalls == dict(zip(Unit, counts, strict=True))
    data = (PROTOCOL_VERSION).to_bytes(2, "little") + TINY.digest.to_bytes(4, "little") + b"\x01\x00"
    assert frames.decode_status(data) == DeviceStatus(PROTOCOL_VERSION, TINY.digest, True)
    with pytest.raises(LinkFault, match="expected an answer of 8 bytes, got 4"):
        frames.decode_counters(bytes(4), 2)
    with pytest.raises(LinkError, match="expected 12 chunks of a tensor, got 5 bytes"):
        frames.decode_tensor(bytes(5), place())


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("seed", range(3))
def test_the_device_understands_every_load(seed, preset):
    config = Config.preset(preset).replace(tables=2)
    made = random_network(seed, config)
    program = compile_network(made, config)
    sent = frames.load_frames(program)
    sent += frames.activation_frames(program.tensors["input"], random_input(seed, made), config)
    memory = {}
    for frame in sent:
        writes, status = Loader.model(config, parse_request(frame)[1])
        assert status is Status.OK
        for target, index, address, word in writes:
            assert (target, index, address) not in memory, "nothing is loaded twice"
            memory[target, index, address] = word
    layout = coefficient_layout(config)
    orders = {name: placement.order for name, placement in program.tensors.items()}
    slots = reorder(made, orders)
    for number, fields in enumerate(program.layers):
        layer = slots.layers[program.step_layers[number]]
        for at, name in enumerate(LAYER_FIELDS):
            assert memory[Target.PROGRAM, 0, number * LAYER_WORDS + at] == fields[name] & 0xFFFF
        if not isinstance(layer, Convolution):
            continue
        schedule = schedule_layer(layer, config)
        for (pe, row), lists in schedule.lists.items():
            address, index = fields["coefficient_base"], pe * config.rows + row
            for words in lists:
                assert memory[Target.COEFFICIENT, index, address] == len(words)
                for word in words:
                    address += 1
                    assert (
                        memory[Target.COEFFICIENT, index, address] == layout.const(word._asdict()).as_bits()
                    )
                address += 1
