"""What host and device say to each other, whatever carries it.

Each conversation is a generator that yields lists of requests and is sent the list of the answers' payloads. The requests of
one list may be sent without waiting for answers, even to a device that cannot hold bytes back: only the last of them may
have a payload in its answer, or have to wait. ``Turns`` leads through one, whether its exchanges block or are awaited.
"""

from . import frames
from .matching import check_device

__all__ = ["Turns", "counters", "greet", "load", "read", "recover", "run", "stalls"]


class Turns:
    """The turns of a conversation: iterating gives requests, to be answered before the next turn.

    ::

        turns = Turns(conversation)
        for requests in turns:
            turns.answer(exchange(requests))
        return turns.result

    Members
    -------
    result
        What came out, once there is no other turn.
    """

    def __init__(self, conversation):
        self._conversation = conversation
        self._payloads = None
        self.result = None

    def answer(self, payloads):
        """Payloads of the answers to the requests of this turn."""
        self._payloads = payloads

    def __iter__(self):
        while True:
            try:
                requests = self._conversation.send(self._payloads)
            except StopIteration as end:
                self.result = end.value
                return
            yield requests


def greet(config=None):
    """``DeviceStatus`` of a device, which must have the configuration ``config`` if that is given."""
    (payload,) = yield [frames.status_frame()]
    status = frames.decode_status(payload)
    if config is not None:
        check_device(status, config)
    return status


def load(program, longest=frames.MAXIMUM_PAYLOAD):
    """Clear the device, see that it is the right one, and load a program."""
    yield [frames.clear_frame()]
    yield from greet(program.config)
    for frame in frames.load_frames(program, longest):
        yield [frame]


def run(steps, *, before=(), during=()):
    """Run ``steps``, a range, to their end; gives the cycles of all runs since they were last asked for.

    ``before`` are requests without a payload in their answers, as those that write the input; ``during`` such that the device takes
    while it runs, only where it can hold bytes back.
    """
    *_, payload = yield [*before, frames.run_frame(steps.start, len(steps)), *during, frames.wait_frame()]
    return frames.decode_cycles(payload)


def read(program, name, longest=frames.MAXIMUM_PAYLOAD):
    """The tensor ``name`` of a program, int64 [C, H, W]."""
    placement, data = program.tensors[name], b""
    for frame in frames.read_frames(placement, program.config, longest):
        (payload,) = yield [frame]
        data += payload
    return frames.decode_tensor(data, placement)


def counters(program):
    """Cycles of each layer of a program in the last run of all of them, int64 [layers]."""
    count = len(program.layers)
    (payload,) = yield [frames.counters_frame(0, count)]
    return program.layer_sums(frames.decode_counters(payload, count))


def stalls():
    """Cycles in which each ``Unit`` waited in the last run, by unit."""
    (payload,) = yield [frames.stalls_frame()]
    return frames.decode_stalls(payload)


def recover():
    """See that a device is there, wait for the end of a run, and clear it; gives its ``DeviceStatus``."""
    yield from greet()
    yield [frames.wait_frame()]
    yield [frames.clear_frame()]
    return (yield from greet())
