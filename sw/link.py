"""What every way to a device has in common: bytes there and back."""

from abc import ABC, abstractmethod

from .frames import LONGEST_ANSWER, LinkFault

__all__ = ["Link"]

#: Bytes that a device may still have to say, generously: that it says more shows that it is none.
_MOST_DROPPED = 4 * LONGEST_ANSWER


class Link(ABC):
    """Bytes to and from one device, simulated or real.

    A context manager; leaving it closes the link. A link that has failed for good raises ``LinkError``.

    Members
    -------
    name : str
        For messages.
    holds_back : bool
        Bytes that the device does not take yet wait at the host. Otherwise they are lost, as on a serial line.
    payload : int
        Longest payload of a request that goes through in one piece.
    limit_seconds : float
        Wall clock that a run may take.
    """

    name: str
    holds_back: bool
    payload: int
    limit_seconds: float

    @abstractmethod
    def write(self, data):
        """Send ``data``; may return before all of it has been taken."""

    @abstractmethod
    def read(self, cycles=None):
        """Bytes that have come, at least one, or none if none came in time.

        ``cycles`` are cycles of the device's clock, beside what sending takes: with 0 the link gives what is there. Without
        them it waits as long as it waits for a run, its ``limit_seconds``.
        """

    @abstractmethod
    def close(self):
        """Give the device back; may be called more than once."""

    def drain(self, cycles):
        """Drop what comes until nothing has come for ``cycles``, counted as in ``read``; ``LinkFault`` if that has no end."""
        dropped = 0
        while data := self.read(cycles):
            dropped += len(data)
            if dropped > _MOST_DROPPED:
                raise self.babble()

    def babble(self):
        """The error that says that bytes came without end."""
        return LinkFault(
            f"expected silence or an answer from {self.name}, got bytes without end: check port and baud rate"
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
