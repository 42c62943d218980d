"""Everything that may go wrong on the way to the RTL, in random order: it then still answers, and still computes the right result."""

import random

import numpy as np
import pytest

from fpga.device import Device
from hw.config import Config
from hw.formats import LAYER_WORDS
from hw.protocol import MAXIMUM_PAYLOAD, Opcode, Status, Target
from sim import reference
from sim.simulated_link import SimulatedLink
from sw import conversation, frames
from sw.compiler import compile_network
from sw.frames import LinkError, ResponseParser
from sw.network import INPUT
from tests.fpga.model_device import LossyLink, terminal
from tests.hw.frames import request
from tests.sw.networks import random_input, random_network

#: Compiling simulators takes a minute.
pytestmark = pytest.mark.slow

CONFIG = Config.preset("tiny")
#: As little as there can be, as each more takes time to compile.
SMALLEST = CONFIG.replace(name="smallest", pes=1, rows=1, requantisers=1, pool_columns=0, link_timeout=2000)
#: A byte each cycle, or the pins of the fastest serial line.
LINES = {"streams": (CONFIG, None), "pins": (SMALLEST, 4)}


class Conversation:
    """A device with a network in it, and what can be said to it."""

    def __init__(self, link, config, rng):
        self.link, self.config, self.rng = link, config, rng
        self.network = random_network(1, config)
        self.program = compile_network(self.network, config)
        self.image = random_input(rng.randrange(100), self.network)
        self.expected = reference.run(self.network, self.image[None])[self.program.output_name][0]
        self.loads = frames.load_frames(self.program)
        self.inputs = frames.activation_frames(self.program.tensors[INPUT], self.image, config)
        self.steps = range(len(self.program.layers))
        self.hold(conversation.load(self.program))

    def hold(self, words):
        turns = conversation.Turns(words)
        for requests in turns:
            answers = self.say(b"".join(requests), len(requests))
            turns.answer([frames.decode_answer(*pair) for pair in zip(requests, answers, strict=True)])
        return turns.result

    def say(self, data, answers):
        """Send bytes and take so many answers."""
        self.link.write(data)
        parser, got = ResponseParser(), []
        while len(got) < answers:
            came = self.link.read(100_000)
            assert came, f"expected {answers} answers to {data.hex(' ', 1)}, got {got}"
            got += parser.feed(came)
        assert len(got) == answers and not parser.pending
        return got

    def statuses(self, data):
        """Statuses of whatever comes until the device is silent, after bytes that may make no sense."""
        self.link.write(data)
        parser, got = ResponseParser(), []
        while came := self.link.read(2 * self.config.link_timeout):
            got += parser.feed(came)
        return [response.status for response in got]

    def some(self):
        """A good request."""
        makers = [
            lambda: self.rng.choice(self.loads),
            lambda: self.rng.choice(self.inputs),
            lambda: frames.run_frame(0, len(self.steps)),
            lambda: self.rng.choice(frames.read_frames(self.program.tensors[INPUT], self.config)),
            lambda: frames.counters_frame(0, 1),
            frames.stalls_frame,
            frames.wait_frame,
            frames.status_frame,
        ]
        return self.rng.choice(makers)()

    def check(self):
        """It answers, says whether it is damaged, and its next result is right."""
        status = self.hold(conversation.greet(self.config))
        if status.damaged:
            (refused,) = self.say(frames.run_frame(0, 1), 1)
            assert refused.status is Status.DAMAGED
            self.hold(conversation.load(self.program))
        self.hold(conversation.run(self.steps, before=self.inputs))
        output = self.hold(conversation.read(self.program, self.program.output_name))
        assert (output == self.expected).all()


def dropped_byte(device):
    frame = device.some()
    at = device.rng.randrange(len(frame))
    assert Status.OK not in device.statuses(frame[:at] + frame[at + 1 :])


def changed_byte(device):
    frame = bytearray(device.some())
    frame[device.rng.randrange(len(frame))] ^= 1 << device.rng.randrange(8)
    assert Status.OK not in device.statuses(bytes(frame))


def wrong_length(device):
    frame = bytearray(device.some())
    length = int.from_bytes(frame[2:4], "little")
    other = device.rng.choice([max(0, length - 1), 0, length + 1, length + 300, MAXIMUM_PAYLOAD])
    frame[2:4] = (other if other != length else length + 2).to_bytes(2, "little")
    assert Status.OK not in device.statuses(bytes(frame))


def wrong_checksum(device):
    frame = bytearray(device.some())
    frame[-device.rng.randint(1, 2)] ^= device.rng.randrange(1, 256)
    assert device.statuses(bytes(frame)) == [Status.BAD_CHECKSUM]


def nonsense(device):
    code, length = device.rng.randrange(len(Opcode), 256), device.rng.randrange(40)
    assert device.statuses(request(code, device.rng.randbytes(length))) == [Status.BAD_OPCODE]


def cut_frame_before_a_good_one(device):
    frame = device.some()
    cut = frame[: device.rng.randrange(1, len(frame))]
    statuses = device.statuses(cut + frames.status_frame() + frames.wait_frame())
    assert statuses.count(Status.OK) < 2, "the cut one swallows some of what follows"


def noise(device):
    """Without a start byte noise harms nothing."""
    harmless = bytes(byte for byte in device.rng.randbytes(30) if byte != 0xA5)
    (status,) = device.say(harmless + frames.status_frame(), 1)
    assert status.status is Status.OK
    assert Status.OK not in device.statuses(device.rng.randbytes(20) + b"\xa5" + device.rng.randbytes(20))


def back_to_back(device):
    """What a host may send without waiting for answers."""
    requests = [*device.loads[:2], *device.inputs, frames.clear_frame(), *device.inputs]
    requests += [frames.run_frame(0, len(device.steps)), frames.wait_frame()]
    assert {answer.status for answer in device.say(b"".join(requests), len(requests))} == {Status.OK}


def oversized(device):
    config, address = device.config, device.config.layers - 1
    beyond = [
        (frames.run_frame(0, config.layers + 1), Status.BAD_ADDRESS),
        (frames.run_frame(address, 2), Status.BAD_ADDRESS),
        (frames.counters_frame(0, config.layers + 1), Status.BAD_ADDRESS),
        (
            request(Opcode.READ, b"\x00\x00" + config.activation_words.to_bytes(2, "little") + b"\x01\x00"),
            Status.BAD_ADDRESS,
        ),
        (request(Opcode.LOAD, bytes([Target.COEFFICIENT.value, 255, 0, 0, 0, 0])), Status.BAD_TARGET),
        (
            request(Opcode.LOAD, bytes([Target.BASIS.value, 0, config.basis_words - 1, 0, *bytes(90)])),
            Status.BAD_ADDRESS,
        ),
        (request(Opcode.LOAD, bytes([Target.ACTIVATION.value, 3, 0, 0, 0])), Status.BAD_TARGET),
    ]
    frame, status = device.rng.choice(beyond)
    assert device.statuses(frame) == [status]
    other = Config.preset("small")
    larger = compile_network(random_network(1, other), other)
    with pytest.raises(LinkError, match="expected a device of configuration small"):
        device.hold(conversation.load(larger))


def reset_within_a_request(device):
    frame = device.some()
    device.link.write(frame[: device.rng.randrange(1, len(frame))])
    device.link.read(device.rng.randrange(1, 500))
    device.link.reset()


def reset_within_an_answer(device):
    device.link.write(frames.read_frames(device.program.tensors[INPUT], device.config)[0])
    device.link.read(device.rng.randrange(1, 300))
    device.link.reset()


def reset_within_a_run(device):
    device.hold(conversation.run(device.steps, before=device.inputs))
    device.link.write(b"".join(device.inputs) + frames.run_frame(0, len(device.steps)))
    device.link.read(device.rng.randrange(1, 2000))
    device.link.reset()


def reset_out_of_a_run_without_end(device):
    """No compiler makes such a program; the device still says what it is."""
    nothing = request(Opcode.LOAD, bytes([Target.PROGRAM.value, 0, 0, 0, *bytes(2 * LAYER_WORDS)]))
    answers = device.say(nothing + frames.run_frame(0, 1) + frames.status_frame(), 3)
    assert {answer.status for answer in answers} == {Status.OK}
    assert device.statuses(frames.wait_frame()) == []
    device.link.reset()


FAULTS = (
    dropped_byte,
    changed_byte,
    wrong_length,
    wrong_checksum,
    nonsense,
    cut_frame_before_a_good_one,
    noise,
    back_to_back,
    oversized,
    reset_within_a_request,
    reset_within_an_answer,
    reset_within_a_run,
    reset_out_of_a_run_without_end,
)


@pytest.fixture(scope="module", params=LINES)
def line(request):
    config, divisor = LINES[request.param]
    with SimulatedLink(config, divisor=divisor, limit_seconds=60) as link:
        yield link, config


def test_every_fault_in_random_order(line):
    seed = 1
    print(f"seed {seed}")
    link, config = line
    link.reset()
    rng = random.Random(seed)
    device = Conversation(link, config, rng)
    device.check()
    for fault in rng.sample(FAULTS * 2, 2 * len(FAULTS)):
        print(fault.__name__, link.cycles)
        fault(device)
        link.drain(2 * config.link_timeout)
        device.check()


def test_the_driver_gets_over_what_is_lost(line):
    link, config = line
    network = random_network(2, config)
    program = compile_network(network, config)
    images = np.stack([random_input(number, network) for number in range(6)])
    expected = reference.run(network, images)[program.output_name]
    link.reset()
    device = Device(LossyLink(link, 3, rate=1 / 1500), config, attempts=20)
    device.load(program)
    results = [result.output for result in device.run_all(images)]
    assert (np.stack(results) == expected).all()
    assert device.faults > 0


def test_the_same_orders_take_the_same_cycles(line):
    link, config = line
    cycles = []
    for _ in range(2):
        link.reset()
        before = link.cycles
        Conversation(link, config, random.Random(1)).check()
        cycles.append(link.cycles - before)
    assert cycles[0] == cycles[1] > 0


def test_waits_are_limited(line, monkeypatch):
    link, _ = line
    monkeypatch.setattr(link, "limit_seconds", 0.3)
    before = link.cycles
    assert link.read(3000) == b"" and link.cycles >= before + 3000
    assert link.read() == b""


def test_through_a_serial_port():
    """The driver, a terminal, and the RTL behind it; once closed, the simulation says so."""
    with SimulatedLink(CONFIG) as link:

        def feed(data):
            link.write(data)
            return link.read(500)

        network = random_network(1, CONFIG)
        program = compile_network(network, CONFIG)
        image = random_input(1, network)
        # Time passes slowly where nothing comes, or a busy machine would look like a silent host.
        with terminal(feed, lambda: link.read(50)) as port, Device.open(port, config=CONFIG) as device:
            device.load(program)
            result = device.run(image)
            assert (result.output == reference.run(network, image[None])[program.output_name][0]).all()
            assert sum(device.counters().values()) <= result.cycles
            assert 0 < device.stalls()["requantiser"] < result.cycles
    with pytest.raises(LinkError, match=r"expected the simulation to run, got none .* open the device again"):
        link.read(1)
