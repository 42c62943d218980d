"""What every way to a device has in common: bytes there and back."""

from abc import ABC, abstractmethod

__all__ = ["Link"]


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
        """Drop what comes until nothing has come for ``cycles``, counted as in ``read``."""
        while self.read(cycles):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
