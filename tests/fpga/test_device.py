"""The driver against a model of the device: right results whatever happens to bytes, and errors that say what to do."""

import dataclasses

import numpy as np
import pytest

from fpga.boards import BOARDS
from fpga.device import Device
from fpga.serial_link import SerialLink
from hw.config import Config
from hw.protocol import Opcode, Target
from sim import reference
from sw.compiler import compile_network
from sw.frames import LinkError
from sw.image import ImageError, write_image
from sw.network import INPUT
from sw.pixels import pixels_of
from tests.hw.frames import request
from tests.sw.networks import random_input, random_network

from .model_device import STALLS, STEP_CYCLES, LossyLink, ModelDevice, ModelLink, terminal

CONFIG = Config.preset("tiny")
SEED = 3


class _Babbler(ModelLink):
    """Another device, or another baud rate."""

    def __init__(self, device, *, word, always):
        super().__init__(device)
        self._word, self._always = word, always

    def read(self, cycles=None):
        return self._word * 1000 if self._always or cycles != 0 else b""


class _Silent(ModelLink):
    """Nobody is there."""

    def write(self, data):
        pass


@pytest.fixture(scope="module")
def made():
    """Program, network, inputs and the results of the reference."""
    network = random_network(SEED, CONFIG)
    images = np.stack([random_input(number, network) for number in range(5)])
    program = compile_network(network, CONFIG)
    return program, network, images, reference.run(network, images)[program.output_name]


def model(made):
    return ModelDevice(*made[:2])


def test_results_counters_and_status(made, tmp_path):
    program, _, images, expected = made
    write_image(tmp_path / "net.image", program)
    with Device(ModelLink(model(made)), CONFIG) as device:
        assert device.status().digest == CONFIG.digest and device.status().damaged
        device.load(tmp_path / "net.image")
        assert not device.status().damaged
        one = device.run(images[0])
        assert (one.output == expected[0]).all() and one.label == expected[0].argmax()
        assert one.cycles == STEP_CYCLES * len(program.layers) and one.seconds > 0
        results = [result.output for result in device.run_all(images)]
        assert (np.stack(results) == expected).all()
        counters = device.counters()
        assert list(counters) == list(program.layer_names)
        assert sum(counters.values()) == STEP_CYCLES * len(program.layers)
        assert device.stalls() == STALLS
        assert device.faults == 0
    assert device.link.closed


@pytest.mark.parametrize("holds_back", [True, False])
def test_the_next_input_is_loaded_during_a_run_where_bytes_can_wait(made, holds_back):
    program, _, images, expected = made
    assert any(step["input_free"] for step in program.layers)
    link = ModelLink(model(made), holds_back=holds_back)
    link.payload = 1000
    with Device(link) as device:
        device.load(program)
        link.device.log.clear()
        results = [result.output for result in device.run_all(images[:3])]
    names = "".join(opcode.name[0] if opcode is not Opcode.READ else "r" for opcode in link.device.log)
    loaded_ahead = names.replace("LL", "L").replace("rr", "r").replace("LL", "L")
    assert loaded_ahead == ("LRLWrRLWrRWr" if holds_back else "LRWrLRWrLRWr")
    assert (np.stack(results) == expected[:3]).all()


@pytest.mark.parametrize("seed", range(8))
def test_lost_changed_and_additional_bytes_change_no_result(made, seed):
    print(f"seed {seed}")
    program, _, images, expected = made
    link = LossyLink(ModelLink(model(made)), seed, rate=1 / 700)
    with Device(link, CONFIG, attempts=40) as device:
        device.load(program)
        results = [result.output for result in device.run_all(images)]
        assert (np.stack(results) == expected).all()
        assert device.faults > 0


def test_what_was_damaged_is_loaded_again(made):
    program, _, images, expected = made
    link = ModelLink(model(made))
    with Device(link) as device:
        device.load(program)
        link.write(request(Opcode.LOAD, bytes([Target.PROGRAM.value, 0, 0, 0, *bytes(20)]), wrong=1))
        assert (device.run(images[0]).output == expected[0]).all()
        assert device.faults == 1


def test_a_link_that_is_too_bad_is_given_up(made):
    link = LossyLink(ModelLink(model(made)), 1, rate=0.3)
    with pytest.raises(LinkError, match=r"\(tried 3 times\)$"):
        Device(link)


def test_nobody_answers(made):
    link = _Silent(model(made))
    with pytest.raises(
        LinkError, match=r"expected an answer from the model, got none: check that .* programmed"
    ):
        Device(link)
    assert link.closed


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("word", [b"$GPGGA,", b"\x5a\x00\xff\xff"])
def test_bytes_without_end(made, word, always):
    with pytest.raises(
        LinkError, match=r"bytes without end: check port and baud rate|expected an answer with checksum"
    ):
        Device(_Babbler(model(made), word=word, always=always))


def test_device_of_another_configuration(made):
    program, *_ = made
    link = ModelLink(model(made))
    with pytest.raises(
        LinkError, match=r"configuration small .* got tiny .*: compile the network for what the"
    ):
        Device(link, Config.preset("small"))
    assert link.closed
    other = dataclasses.replace(program, config=CONFIG.replace(name="other", link_timeout=5000))
    device = Device(ModelLink(model(made)))
    with pytest.raises(LinkError, match="expected a device of configuration other"):
        device.load(other)
    with pytest.raises(ValueError, match="expected a device with a network, got one without: load"):
        device.run(made[2][0])


def test_reset(made):
    program, _, images, expected = made
    link = ModelLink(model(made))
    with Device(link) as device:
        device.load(program)
        link.write(b"\xa5\x02\x09\x00\x00")
        status = device.reset()
        assert not status.damaged and status.digest == CONFIG.digest
        assert (device.run(images[1]).output == expected[1]).all() and device.faults == 0


def test_damaged_image_file(made, tmp_path):
    path = tmp_path / "net.image"
    write_image(path, made[0])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ImageError, match="checksum mismatch"):
        Device(ModelLink(model(made))).load(path)


def test_what_does_not_fit_is_not_sent(made):
    program, *_ = made
    link = ModelLink(model(made))
    device = Device(link)
    with pytest.raises(ValueError, match="expected at most 16 steps, got 17: compile"):
        device.load(dataclasses.replace(program, layers=program.layers[:1] * 17))
    assert Opcode.LOAD not in link.device.log


def test_wrong_inputs(made):
    program, _, images, _ = made
    device = Device(ModelLink(model(made)))
    device.load(program)
    shape = list(images.shape[1:])
    for wrong, got in (
        (images[0][:, 1:], r"got int64 \["),
        (images[0].astype(np.float32), "got float32"),
        (images[0, 0], "got int64"),
    ):
        with pytest.raises(ValueError, match="expected images of integers") as caught:
            device.run(wrong)
        assert str(shape)[1:-1] in str(caught.value) and caught.match(got)
    with pytest.raises(ValueError, match=r"expected values from .* got .*300"):
        device.run(np.full(images.shape[1:], 300))
    with pytest.raises(ValueError, match="expected one input, got 5; run_all takes several"):
        device.run(images)


def test_pixels_become_what_the_network_reads(made):
    program, _, images, _ = made
    signed = program.tensors[INPUT].signed
    pixels = pixels_of(*images.shape[1:], mean=0.5 if signed else 0, std=0.25)
    program = dataclasses.replace(program, pixels=pixels)
    bytes_ = np.random.default_rng(SEED).integers(0, 256, images.shape, dtype=np.uint8)
    expected = reference.run(made[1], pixels.integers(bytes_))[program.output_name]
    with Device(ModelLink(model(made))) as device:
        device.load(program)
        assert all(
            (got.output == want).all() for got, want in zip(device.run_all(bytes_), expected, strict=True)
        )


@pytest.mark.parametrize("baud", [1_000_000, 3_000_000])
def test_through_a_serial_port(made, baud):
    program, _, images, expected = made
    with terminal(model(made).feed) as port, Device.open(port, baud=baud) as device:
        assert f"{port} at {baud} baud" in device.link.name
        device.load(program)
        results = [result.output for result in device.run_all(images)]
        assert (np.stack(results) == expected).all()


def test_noise_on_a_serial_port(made):
    program, _, images, expected = made
    behind = model(made)
    with terminal(behind.feed, behind.silence, seconds=0.15) as port:
        # The driver is silent for longer than the model waits.
        link = SerialLink(port, baud=1_000_000, clock=100_000, limit_seconds=0.5)
        with Device(LossyLink(link, 2, rate=1 / 1200), CONFIG, attempts=40) as device:
            device.load(program)
            results = [result.output for result in device.run_all(images[:3])]
            assert (np.stack(results) == expected[:3]).all()
            assert device.faults > 0


@pytest.fixture
def hasty(monkeypatch):
    """Nobody is there, so nobody needs time."""
    monkeypatch.setattr("fpga.serial_link._LATENCY", 0.02)
    with terminal(lambda data: b"") as port:
        yield port


def test_silent_serial_port(hasty):
    with pytest.raises(LinkError, match=f"expected an answer from {hasty} at 1000000 baud, got none: check"):
        Device.open(hasty, config=CONFIG)


def test_a_board_has_its_baud_rate(hasty, monkeypatch):
    board = BOARDS["ulx3s-85f"].replace(baud=2_000_000)
    monkeypatch.setitem(BOARDS, board.name, board)
    for config, baud in ((board.name, 2_000_000), ("small", 1_000_000)):
        with pytest.raises(LinkError, match=f"at {baud} baud"):
            Device.open(hasty, config=config, attempts=1)


def test_lost_serial_port(made):
    with terminal(model(made).feed) as port:
        device = Device.open(port)
    with pytest.raises(LinkError, match=f"expected {port} at 1000000 baud to stay, got .*: check the cable"):
        device.status()
    device.close()


def test_what_cannot_be_opened():
    with pytest.raises(
        LinkError, match=r"expected a serial port .* got /nowhere \(.*No such file.*\); ports there are"
    ):
        Device.open("/nowhere")
    with pytest.raises(ValueError, match="expected no baud rate for a simulation, got 9600"):
        Device.open("sim", baud=9600)
    with pytest.raises(ValueError, match="expected at least one attempt"):
        Device(None, attempts=0)
    with pytest.raises(ValueError, match="expected a preset from"):
        Device.open("sim", config="vast")
