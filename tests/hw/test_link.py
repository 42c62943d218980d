"""The host link against a device written down in a few lines: every opcode, every status, broken and strange frames."""

import random
from itertools import cycle

import pytest

from hw.config import Config
from hw.loader import Loader
from hw.protocol import MAXIMUM_PAYLOAD, PROTOCOL_VERSION, Opcode, Status, Target, Unit

from .frames import Order, chunk_of, cycles_of, request, stalls_of, talk

TINY = Config.preset("tiny").replace(link_timeout=100)
SMALL = Config.preset("small").replace(link_timeout=100)
TRAFFIC = {"free": {}, "idle": {"idle": 0.4}, "back-pressure": {"back_pressure": 0.5}}
TRAFFIC["both"] = {"idle": 0.3, "back_pressure": 0.4}
GOOD_LOAD = bytes([Target.PROGRAM.value, 0, 5, 0, 1, 2, 3, 4])


def words(*numbers):
    return b"".join(number.to_bytes(2, "little") for number in numbers)


class Device:
    """What the host should see of a device, which is cleared first unless it is ``fresh``."""

    def __init__(self, config, *, fresh=False):
        self.config = config
        self.damaged = fresh
        self.opening = [] if fresh else [request(Opcode.CLEAR)]
        self.responses, self.writes, self.runs, self.reads, self.asked = [], [], [], [], []
        self.cycles = 0

    def take(self, opcode, payload=b"", *, intact=True, silent=False):
        """One request that came whole, or broken, or stopped within its payload or checksum."""
        status, answer = self.execute(opcode, bytes(payload), intact and not silent)
        if silent:
            status = Status.TIMEOUT
        elif not intact:
            status = Status.BAD_CHECKSUM
        self.responses.append((status.value, answer if status == Status.OK else b""))

    def execute(self, opcode, payload, intact):
        config, count = self.config, len(payload)
        code = getattr(opcode, "value", opcode)
        if code == Opcode.LOAD.value:
            writes, status = Loader.model(config, payload)
            self.writes += writes
            failed = not intact or status != Status.OK
            self.damaged |= failed and bool(writes)
            self.damaged |= intact and status == Status.BAD_LENGTH and count >= 4
            return status, b""
        if not intact:
            return Status.BAD_CHECKSUM, b""
        if code not in [known.value for known in Opcode]:
            return Status.BAD_OPCODE, b""
        opcode = Opcode(code)
        lengths = {Opcode.STATUS: 0, Opcode.CLEAR: 0, Opcode.RUN: 4, Opcode.READ: 6, Opcode.COUNTERS: 4}
        lengths |= {Opcode.WAIT: 0, Opcode.STALLS: 0}
        if count != lengths[opcode]:
            return Status.BAD_LENGTH, b""
        numbers = [int.from_bytes(payload[n : n + 2], "little") for n in range(0, count, 2)]
        return getattr(self, opcode.name.lower())(*numbers)

    def status(self):
        version = words(PROTOCOL_VERSION) + self.config.digest.to_bytes(4, "little")
        return Status.OK, version + words(int(self.damaged))

    def clear(self):
        self.damaged = False
        return Status.OK, b""

    def run(self, first, count):
        if count == 0:
            return Status.BAD_LENGTH, b""
        if first + count > self.config.layers:
            return Status.BAD_ADDRESS, b""
        if self.damaged:
            return Status.DAMAGED, b""
        self.runs.append((first, count))
        self.cycles += sum(cycles_of(layer) for layer in range(first, first + count))
        return Status.OK, b""

    def wait(self):
        cycles, self.cycles = self.cycles & 0xFFFFFFFF, 0
        return Status.OK, cycles.to_bytes(4, "little")

    def stalls(self):
        return Status.OK, b"".join(stalls_of(unit).to_bytes(4, "little") for unit in Unit)

    def read(self, bank, address, count):
        if count * self.config.chunk > MAXIMUM_PAYLOAD:
            return Status.BAD_LENGTH, b""
        if bank > 2:
            return Status.BAD_TARGET, b""
        if address + count > self.config.activation_words:
            return Status.BAD_ADDRESS, b""
        places = [(bank, address + n) for n in range(count)]
        self.reads += places
        return Status.OK, b"".join(chunk_of(*place, self.config.chunk) for place in places)

    def counters(self, first, count):
        if count * 4 > MAXIMUM_PAYLOAD:
            return Status.BAD_LENGTH, b""
        if first + count > self.config.layers:
            return Status.BAD_ADDRESS, b""
        layers = range(first, first + count)
        self.asked += layers
        return Status.OK, b"".join(cycles_of(layer).to_bytes(4, "little") for layer in layers)


def check(device, script, **traffic):
    """A conversation gives what the device says, on every side."""
    seen = talk(device.config, device.opening + script, **traffic)
    cleared = [(Status.OK.value, b"")] * len(device.opening)
    assert seen.responses == cleared + device.responses
    assert seen.writes == device.writes
    assert seen.runs == device.runs
    assert seen.reads == device.reads
    assert seen.counters == device.asked
    return seen


def converse(config, requests, **traffic):
    """Intact requests ``(opcode, payload)``; returns the statuses of the responses."""
    device = Device(config)
    for opcode, payload in requests:
        device.take(opcode, payload)
    check(device, [request(opcode, payload) for opcode, payload in requests], **traffic)
    return [Status(code) for code, _ in device.responses]


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("config", [TINY, SMALL], ids=["tiny", "small"])
def test_every_opcode(config, traffic):
    seed = 1
    print(f"seed {seed}")
    statuses = converse(
        config,
        [
            (Opcode.STATUS, b""),
            (Opcode.LOAD, GOOD_LOAD),
            (Opcode.RUN, words(1, 3)),
            (Opcode.WAIT, b""),
            (Opcode.READ, words(1, 9, 3)),
            (Opcode.COUNTERS, words(2, 3)),
            (Opcode.STALLS, b""),
            (Opcode.CLEAR, b""),
            (Opcode.LOAD, bytes([Target.ACTIVATION.value, 2, 7, 0, 3, *bytes(config.chunk > 8), 1, 2])),
        ],
        seed=seed,
        **TRAFFIC[traffic],
    )
    assert set(statuses) == {Status.OK}


def test_limits():
    last = TINY.layers, TINY.activation_words
    statuses = converse(
        TINY,
        [
            (Opcode.RUN, words(0, last[0])),
            (Opcode.RUN, words(last[0] - 1, 1)),
            (Opcode.READ, words(2, last[1] - 2, 2)),
            (Opcode.READ, words(0, last[1], 0)),
            (Opcode.COUNTERS, words(0, last[0])),
            (Opcode.COUNTERS, words(last[0], 0)),
        ],
    )
    assert set(statuses) == {Status.OK}


def test_bad_opcode():
    statuses = converse(TINY, [(len(Opcode), b""), (255, bytes(9)), (0xA5, bytes(4)), (Opcode.STATUS, b"")])
    assert statuses == [Status.BAD_OPCODE] * 3 + [Status.OK]


def test_bad_length():
    right = {Opcode.STATUS: 0, Opcode.CLEAR: 0, Opcode.LOAD: None, Opcode.RUN: 4, Opcode.READ: 6}
    right |= {Opcode.COUNTERS: 4, Opcode.WAIT: 0, Opcode.STALLS: 0}
    requests = [
        (opcode, bytes(length))
        for opcode, good in right.items()
        for length in ((0, 1, 3) if good is None else (0, 1, good - 1, good + 1, 20))
        if length >= 0 and length != good
    ]
    requests += [
        (Opcode.RUN, words(0, 0)),
        (Opcode.READ, words(0, 0, MAXIMUM_PAYLOAD // TINY.chunk + 1)),
        (Opcode.COUNTERS, words(0, MAXIMUM_PAYLOAD // 4 + 1)),
    ]
    assert set(converse(TINY, requests)) == {Status.BAD_LENGTH}


def test_bad_target_and_address():
    statuses = converse(
        TINY,
        [
            (Opcode.READ, words(3, 0, 1)),
            (Opcode.READ, words(0x100, 0, 1)),
            (Opcode.LOAD, bytes([9, 0, 0, 0, 1, 2])),
            (Opcode.RUN, words(0, TINY.layers + 1)),
            (Opcode.RUN, words(0xFFFF, 0xFFFF)),
            (Opcode.READ, words(0, TINY.activation_words, 1)),
            (Opcode.READ, words(0, 0xFFFF, 2)),
            (Opcode.COUNTERS, words(TINY.layers, 1)),
            (Opcode.LOAD, bytes([Target.PROGRAM.value, 0, 0xFF, 0xFF, 1, 2])),
            (Opcode.STATUS, b""),
        ],
    )
    assert statuses == [Status.BAD_TARGET] * 3 + [Status.BAD_ADDRESS] * 6 + [Status.OK]


def test_precedence():
    statuses = converse(
        TINY,
        [
            (Opcode.LOAD, bytes([9, 0, 0])),  # length before target
            (Opcode.LOAD, bytes([9, 0, 0xFF, 0xFF, 1])),  # target before address
            (Opcode.LOAD, bytes([0, 0, 0xFF, 0xFF, 1])),  # length before address
            (Opcode.CLEAR, b""),
            (Opcode.READ, words(3, 0xFFFF, 0xFFFF)),  # length before target
            (Opcode.READ, words(3, 0xFFFF, 1)),  # target before address
            (Opcode.RUN, words(0xFFFF, 0)),  # length before address
            (9, bytes([9, 0, 0])),  # opcode before length
        ],
    )
    expected = [Status.BAD_LENGTH, Status.BAD_TARGET, Status.BAD_LENGTH, Status.OK]
    expected += [Status.BAD_LENGTH, Status.BAD_TARGET, Status.BAD_LENGTH, Status.BAD_OPCODE]
    assert statuses == expected


@pytest.mark.parametrize("wrong", [1 << bit for bit in (0, 7, 8, 15)])
def test_bad_checksum_comes_first(wrong):
    device, script = Device(TINY), []
    for opcode, payload in (
        (Opcode.RUN, words(0, 1)),
        (Opcode.READ, words(0, 0, 1)),
        (Opcode.CLEAR, b""),
        (77, b""),
        (Opcode.READ, b""),
        (Opcode.LOAD, bytes([9, 0, 0, 0])),
        (Opcode.LOAD, bytes([0, 0, 0xFF, 0xFF, 0, 0])),
    ):
        script.append(request(opcode, payload, wrong=wrong))
        device.take(opcode, payload, intact=False)
    script.append(request(Opcode.STATUS))
    device.take(Opcode.STATUS)
    assert not device.damaged
    check(device, script)


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param((GOOD_LOAD, {"intact": False}), id="checksum"),
        pytest.param((GOOD_LOAD, {"silent": True}), id="timeout"),
        pytest.param((GOOD_LOAD[:7], {}), id="cut word"),
        pytest.param((GOOD_LOAD[:5], {}), id="cut first word"),
        pytest.param((bytes([0, 0, 0xFF, 3, 1, 2, 3, 4]), {}), id="end of memory"),
    ],
)
def test_damaged_until_cleared(cause):
    (payload, fault), device = cause, Device(TINY)
    load = request(Opcode.LOAD, payload, wrong="intact" in fault)
    script = [load[:-1], TINY.link_timeout + 20] if "silent" in fault else [load]
    device.take(Opcode.LOAD, payload, **fault)
    assert device.damaged
    for opcode, more in (
        (Opcode.STATUS, b""),
        (Opcode.RUN, words(0, 1)),
        (Opcode.RUN, words(0, 0)),
        (Opcode.LOAD, GOOD_LOAD),
        (Opcode.READ, words(0, 0, 1)),
        (Opcode.RUN, words(0, 1)),
        (Opcode.CLEAR, b""),
        (Opcode.RUN, words(0, 1)),
        (Opcode.STATUS, b""),
    ):
        script.append(request(opcode, more))
        device.take(opcode, more)
    assert Status.DAMAGED.value in [code for code, _ in device.responses]
    check(device, script)


def test_nothing_runs_before_it_was_cleared():
    device, script = Device(TINY, fresh=True), []
    for opcode, payload in (
        (Opcode.STATUS, b""),
        (Opcode.RUN, words(0, 1)),
        (Opcode.LOAD, GOOD_LOAD),
        (Opcode.RUN, words(0, 1)),
        (Opcode.CLEAR, b""),
        (Opcode.RUN, words(0, 1)),
    ):
        script.append(request(opcode, payload))
        device.take(opcode, payload)
    assert [code for code, _ in device.responses].count(Status.DAMAGED.value) == 2
    check(device, script)


@pytest.mark.parametrize(
    "load", [GOOD_LOAD, bytes([3, 1, 0, 0, 1, 0, 0, 3, 1])], ids=["program", "coefficient"]
)
def test_cut_anywhere_then_good(load):
    frame = request(Opcode.LOAD, load)
    device, script = Device(TINY.replace(link_timeout=20)), []
    for length in range(1, len(frame)):
        script += [frame[:length], 30, request(Opcode.STATUS), request(Opcode.CLEAR)]
        device.take(Opcode.LOAD, frame[4:][: max(0, min(length - 4, len(load)))], silent=True)
        device.take(Opcode.STATUS)
        device.take(Opcode.CLEAR)
    check(device, script)


def test_timeout_is_exact():
    frame = request(Opcode.STATUS)
    patient, hasty = Device(TINY), Device(TINY)
    patient.take(Opcode.STATUS)
    pauses = [frame[:2], TINY.link_timeout - 1, frame[2:4], TINY.link_timeout - 1, frame[4:]]
    check(patient, pauses)
    hasty.take(Opcode.STATUS, silent=True)
    check(hasty, [frame[:2], TINY.link_timeout, bytes(9)])


def test_bytes_between_frames():
    device = Device(TINY)
    script = [
        bytes(20),
        request(Opcode.STATUS),
        b"\x5a\xff\x00",
        request(Opcode.RUN, words(0, 1)),
        b"\x5a" * 9,
    ]
    device.take(Opcode.STATUS)
    device.take(Opcode.RUN, words(0, 1))
    check(device, script)


def test_stalled_response_is_not_silence():
    # Nobody takes the responses for longer than the timeout, with a request waiting behind.
    device = Device(TINY.replace(link_timeout=20))
    for _ in range(2):
        device.take(Opcode.COUNTERS, words(0, 4))
    check(device, [request(Opcode.COUNTERS, words(0, 4))] * 2, back_pressure=0.97, seed=3)


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("seed", [1, 2])
def test_random_frames(seed, traffic):
    print(f"seed {seed}")
    rng = random.Random(seed)
    device, script = Device(TINY), []
    for _ in range(30):
        opcode = rng.choice([*Opcode, Opcode.LOAD, Opcode.LOAD, rng.randrange(len(Opcode), 256)])
        payload = {
            Opcode.LOAD: lambda: (
                bytes([rng.randrange(6), rng.randrange(2), 0, 0]) + rng.randbytes(rng.randrange(20))
            ),
            Opcode.RUN: lambda: words(rng.randrange(12), rng.randrange(6)),
            Opcode.READ: lambda: words(rng.randrange(4), rng.randrange(100), rng.randrange(4)),
            Opcode.COUNTERS: lambda: words(rng.randrange(12), rng.randrange(6)),
        }.get(opcode, bytes)()
        if rng.random() < 0.15:
            payload = rng.randbytes(rng.randrange(9))
        intact = rng.random() > 0.1
        device.take(opcode, payload, intact=intact)
        script.append(request(opcode, payload, wrong=0 if intact else rng.randrange(1, 0x10000)))
        if rng.random() < 0.3:
            script.append(rng.randbytes(rng.randrange(6)).replace(b"\xa5", b"\x00"))
    check(device, script, seed=seed, **TRAFFIC[traffic])


def activation_load(rng):
    chunks = b"".join(
        bytes([mask]) + rng.randbytes(mask.bit_count())
        for mask in (rng.randrange(16) for _ in range(rng.randrange(1, 6)))
    )
    return bytes([Target.ACTIVATION.value, rng.randrange(3), rng.randrange(100), 0]) + chunks


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("run_cycles", [3, 150])
def test_requests_during_runs(run_cycles, traffic):
    """Whatever is asked of a device that runs is done, in order, and only when its time has come."""
    seed = 5
    print(f"seed {seed}")
    rng = random.Random(seed)
    device, script = Device(TINY), []
    loads = cycle((GOOD_LOAD, activation_load(rng), bytes([9, 0, 0, 0, 1])))
    payloads = {
        Opcode.STATUS: bytes,
        Opcode.CLEAR: bytes,
        Opcode.WAIT: bytes,
        Opcode.STALLS: bytes,
        Opcode.LOAD: lambda: next(loads),
        Opcode.READ: lambda: words(rng.randrange(3), rng.randrange(100), rng.randrange(3)),
        Opcode.COUNTERS: lambda: words(rng.randrange(12), rng.randrange(3)),
        Opcode.RUN: lambda: words(rng.randrange(12), rng.randrange(1, 4)),
    }
    for opcode in rng.sample([*Opcode] * 4, 4 * len(Opcode)):
        for asked in (Opcode.RUN, opcode):
            payload = payloads[asked]()
            device.take(asked, payload)
            script.append(request(asked, payload))
    check(device, script, run_cycles=run_cycles, seed=seed, limit_cycles=60000, **TRAFFIC[traffic])
    assert {status for status, _ in device.responses} == {Status.OK.value, Status.BAD_TARGET.value}


def test_input_is_loaded_while_the_device_runs():
    seed = 6
    print(f"seed {seed}")
    rng = random.Random(seed)
    device, script = Device(TINY), []
    for _ in range(20):
        for opcode, payload in (
            (Opcode.RUN, words(0, 1)),
            (Opcode.LOAD, activation_load(rng)),
            (Opcode.WAIT, b""),
        ):
            device.take(opcode, payload)
            script.append(request(opcode, payload))
    seen = check(device, script, run_cycles=400, seed=seed, limit_cycles=60000)
    assert seen.overlapped > len(seen.writes) // 3


def test_orders_begin_the_runs_that_requests_would():
    """Or are refused: without layers, beyond the program, by a damaged device."""
    device, script = Device(TINY, fresh=True), []
    last, orders = TINY.layers, []
    for first, count in ((0, 1), (0, 0), (1, last - 1), (last - 1, 2), (0, last), (0xFFFF, 0xFFFF)) * 2:
        status, _ = device.run(first, count)
        orders.append([0, int(status is not Status.OK)])
        script += [Order(first, count), 60]
        if len(orders) == 6:
            assert all(refused for _, refused in orders)
            device.take(Opcode.CLEAR)
            script += [request(Opcode.CLEAR), 60]
    device.take(Opcode.WAIT)
    seen = check(device, [*script, request(Opcode.WAIT)])
    assert seen.orders == orders and sum(refused for _, refused in orders) == 6 + 3


def test_orders_never_wait():
    """During a run, and while a request is carried out, they are refused, and nothing else happens."""
    device, script = Device(TINY), []
    for _ in range(3):
        device.take(Opcode.RUN, words(2, 1))
        device.take(Opcode.LOAD, GOOD_LOAD)
        load = request(Opcode.LOAD, GOOD_LOAD)
        # The run is over when the load has begun.
        script += [request(Opcode.RUN, words(2, 1)), 5, Order(0, 1), load[:9], 90, Order(0, 1), load[9:], 60]
        device.run(1, 2)
        device.take(Opcode.WAIT)
        script += [Order(1, 2), request(Opcode.WAIT), 60]
    seen = check(device, script, run_cycles=40, seed=7)
    assert [refused for _, refused in seen.orders] == [1, 1, 0] * 3
    assert [running for running, _ in seen.orders[1:3]] == [0, 0]


@pytest.mark.parametrize("seed", [1, 2])
def test_orders_among_requests(seed):
    """Whatever comes first, each order is refused or is a run of its own, and never during another."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    device, script, requested = Device(TINY), [], []
    for _ in range(60):
        script += [Order(3, 4), rng.randrange(1, 30)]
        if rng.random() < 0.5:
            opcode, payload = rng.choice(
                [
                    (Opcode.RUN, words(5, 1)),
                    (Opcode.STATUS, b""),
                    (Opcode.STALLS, b""),
                    (Opcode.LOAD, GOOD_LOAD),
                ]
            )
            device.take(opcode, payload)
            requested += [opcode] * (opcode is Opcode.RUN)
            script.append(request(opcode, payload))
    seen = talk(TINY, device.opening + script, seed=seed)
    assert seen.responses[1:] == device.responses and seen.writes == device.writes
    accepted = [running for running, refused in seen.orders if not refused]
    assert seen.runs.count((3, 4)) == len(accepted) and not any(accepted)
    assert seen.runs.count((5, 1)) == len(requested)
    assert len(seen.runs) == len(accepted) + len(requested) > len(requested) > 0
    assert len(accepted) < len(seen.orders)
