"""A device with a network in it, simulated or on a board: one way to use both."""

import time
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from fpga.boards import BOARDS, Board
from hw.config import Config
from hw.protocol import Opcode
from sw import conversation, frames
from sw.frames import LinkError, LinkFault, ResponseParser
from sw.image import read_image
from sw.inputs import input_integers
from sw.matching import check_fit
from sw.network import INPUT
from sw.program import Program

__all__ = ["SIMULATION", "Device", "Result"]

#: What to open for a simulated device.
SIMULATION = "sim"
#: Times that something is tried before a link is given up.
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a device made of one input."""

    #: int64 [K, H, W].
    output: np.ndarray
    #: Of the device's clock, from the start of the run to its end.
    cycles: int
    #: Wall clock at the host, from the first byte sent to the last received.
    seconds: float

    @property
    def label(self):
        """Place of the largest value: the class, if there is one value a channel."""
        return int(self.output.argmax())


class Device:
    """An accelerator and the network that was loaded into it.

    Whatever is lost or changed on the way to the device is noticed: by its checksums, by the host's, or because no answer comes.
    The host then lets the device give up what it has half of, clears it, loads everything again and repeats what it did.

    ::

        with Device.open("/dev/ttyUSB0") as device:
            device.load("net.image")
            result = device.run(image)

    Parameters
    ----------
    link : Link
        Closed with the device.
    config : Config, optional
        What the device must be; without it any will do.
    attempts : int
        Times that something is tried before the link is given up.

    Members
    -------
    link : Link
        Bytes to and from the device.
    program : Program or None
        What was loaded.
    faults : int
        Times that something had to be repeated.

    Raises
    ------
    LinkError
        From here and every method: if the device does not answer, refuses a request, or is not ``config``.
    """

    def __init__(self, link, config=None, *, attempts=ATTEMPTS):
        if attempts < 1:
            raise ValueError(f"expected at least one attempt, got {attempts}")
        self.link = link
        self.program = None
        self.faults = 0
        self._attempts = attempts
        self._patience = (config or Config()).link_timeout
        #: Requests that wrote what lies in the input of the device, before the run that reads it.
        self._written = None
        try:
            self._persist(conversation.greet, config)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, target=SIMULATION, *, config=None, baud=None, limit_seconds=None, attempts=ATTEMPTS):
        """The device behind ``target``.

        Parameters
        ----------
        target : str
            ``"sim"``, or the name of a serial port, as ``/dev/ttyUSB0``.
        config : Config or name of a preset, optional
            What to simulate (by default ``small``), or what the board must be.
        baud : int, optional
            Of a serial port; by default that of the board that the configuration is named after, or of all boards.
        limit_seconds : float, optional
            Wall clock that a run may take; by default 600 in simulation, 10 on a board.
        attempts : int

        Raises
        ------
        LinkError
            If there is no such port, no answer, or another configuration.
        ToolMissing, BenchFailure
            If the simulator cannot be built or started.
        """
        if isinstance(config, str):
            config = Config.preset(config)
        limit = {} if limit_seconds is None else {"limit_seconds": limit_seconds}
        if target == SIMULATION:
            if baud is not None:
                raise ValueError(f"expected no baud rate for a simulation, got {baud}; name a serial port")
            from sim.simulated_link import SimulatedLink

            config = config or Config.preset("small")
            link = SimulatedLink(config, **limit)
        else:
            from fpga.serial_link import SerialLink

            board = BOARDS.get(config.name) if config else None
            link = SerialLink(target, baud=baud or (board or Board).baud, **limit)
        return cls(link, config, attempts=attempts)

    def status(self):
        """``DeviceStatus``: version of the protocol, digest of the configuration, and whether it is damaged."""
        return self._persist(conversation.greet)

    def load(self, image):
        """Load a network: the name of an image file, or a ``Program``.

        Raises
        ------
        ImageError
            If the file is not an image, or damaged.
        ValueError
            If the image is larger than its configuration.
        """
        program = image if isinstance(image, Program) else read_image(image)
        check_fit(program)
        self.program = None
        self._patience = program.config.link_timeout
        self._persist(conversation.load, program, self.link.payload)
        self.program = program

    def run(self, image):
        """``Result`` of one input, [C, H, W]: pixels (uint8) or the network's integers, see ``sw.inputs``."""
        tensors = self._tensors(image)
        if len(tensors) != 1:
            raise ValueError(f"expected one input, got {len(tensors)}; run_all takes several")
        return self._run(self._requests(tensors[0]))

    def run_all(self, images):
        """``Result`` of each input, [n, C, H, W], one after the other as they are there.

        The next input is loaded while the device works on the one before, where link and network allow that.
        """
        inputs = map(self._requests, self._tensors(images))
        overlap = self.link.holds_back and any(step["input_free"] for step in self._loaded.layers)
        for requests, following in pairwise(chain(inputs, [()])):
            yield self._run(requests, following if overlap else ())

    def counters(self):
        """Cycles of each layer in the last run: ``{name: cycles}``."""
        cycles = self._persist(conversation.counters, self._loaded)
        return dict(zip(self._loaded.layer_names, map(int, cycles), strict=True))

    def stalls(self):
        """Cycles of the last run in which each unit had work to do and waited: ``{name: cycles}``.

        Names are those of ``hw.protocol.Unit`` in lower case; ``hw.protocol.STALLS`` says what each waits for.
        """
        cycles = self._persist(conversation.stalls)
        return {unit.name.lower(): count for unit, count in cycles.items()}

    def reset(self):
        """Let the device give up what it has half of, wait for the end of a run, and clear it; gives its ``DeviceStatus``.

        What was loaded is still there if nothing had been damaged.
        """
        self._written = None
        self.link.drain(2 * self._patience)
        return self._hold(conversation.recover())

    def close(self):
        """Give the device back."""
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def _loaded(self):
        if self.program is None:
            raise ValueError("expected a device with a network, got one without: load an image first")
        return self.program

    def _tensors(self, images):
        return input_integers(self._loaded, images)

    def _requests(self, tensor):
        program = self._loaded
        return frames.activation_frames(program.tensors[INPUT], tensor, program.config, self.link.payload)

    def _run(self, requests, following=()):
        return self._persist(self._run_once, requests, following)

    def _run_once(self, requests, following):
        program, begin = self._loaded, time.monotonic()
        before = () if self._written is requests else requests
        self._written = None
        steps = range(len(program.layers))
        cycles = yield from conversation.run(steps, before=before, during=following)
        self._written = following or None
        output = yield from conversation.read(program, program.output_name, self.link.payload)
        return Result(output=output, cycles=cycles, seconds=time.monotonic() - begin)

    def _persist(self, converse, *arguments):
        """Result of the conversation ``converse(*arguments)``, begun anew after a fault."""
        fault = None
        for _ in range(self._attempts):
            try:
                if fault is not None:
                    self.reset()
                    if self.program is not None:
                        self._hold(conversation.load(self.program, self.link.payload))
                return self._hold(converse(*arguments))
            except LinkFault as error:
                self.faults += 1
                fault = error
        raise LinkError(f"{fault} (tried {self._attempts} times)", fault.status) from fault

    def _hold(self, words):
        turns = conversation.Turns(words)
        for requests in turns:
            turns.answer(self._exchange(requests))
        return turns.result

    def _exchange(self, requests):
        """Payloads of the answers to requests, sent at once."""
        self.link.drain(0)
        self.link.write(b"".join(requests))
        opcodes = [request[1] for request in requests]
        parser, payloads, received = ResponseParser(), [], 0
        while len(payloads) < len(requests):
            # Only a run takes long: a device that has half a request answers when it has given that up.
            ends = Opcode.RUN.value in opcodes[: len(payloads)] or opcodes[len(payloads)] == Opcode.WAIT.value
            data = self.link.read(None if ends else 2 * self._patience)
            if not data:
                got = "the beginning of one" if parser.pending else "none"
                raise LinkFault(
                    f"expected an answer from {self.link.name}, got {got}: check that the device is powered and programmed, "
                    "and that port and baud rate are right"
                )
            received += len(data)
            if received > len(requests) * frames.LONGEST_ANSWER:
                raise self.link.babble()
            for response in parser.feed(data):
                payloads.append(
                    frames.decode_answer(requests[min(len(payloads), len(requests) - 1)], response)
                )
        return payloads
