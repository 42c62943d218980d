"""A compiled network: what the device is loaded with, and what the host must know to use it."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np

from hw.config import Config
from hw.formats import Bank
from hw.protocol import Target

from .pixels import Pixels

__all__ = ["LayerSchedule", "Placement", "Program", "Section"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a tensor lies: chunk ``i`` of pixel (y, x) is at ``base + y * row + x * pixel + i``.

    Lane ``(slot + s) % N`` of chunk ``(slot + s) // N`` holds channel ``order[s]``. A part of a concatenation lies in
    the words of the whole, so other tensors may lie between its pixels and in other lanes of its chunks.
    """

    bank: Bank
    base: int
    #: Chunks of one pixel, from that of the first slot to that of the last.
    chunks: int
    channels: int
    height: int
    width: int
    signed: bool
    #: The channel in each slot, each channel once; -1 where a slot holds none.
    order: tuple[int, ...]
    #: Lane of the first slot in the first chunk of a pixel.
    slot: int
    #: Words between two pixels, and between two rows.
    pixel: int
    row: int

    @property
    def shape(self):
        return (self.channels, self.height, self.width)

    @property
    def words(self):
        """Chunks of the whole tensor."""
        return self.chunks * self.height * self.width

    @property
    def slots(self):
        """Lanes from the first of the first chunk of a pixel to the last slot."""
        return self.slot + len(self.order)

    def meets(self, other):
        """Whether any word from the first to the last of this tensor is among those of the other."""
        return self.bank is other.bank and self.base < other._end and other.base < self._end

    @property
    def _end(self):
        return self.base + (self.height - 1) * self.row + (self.width - 1) * self.pixel + self.chunks


@dataclass(frozen=True, kw_only=True)
class Section:
    """Data of one ``LOAD``, byte for byte as ``hw.protocol`` defines it for the target."""

    target: Target
    index: int
    address: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class LayerSchedule:
    """How the work of one layer was spread; nothing that the device needs."""

    name: str
    #: Multiply-adds of the layer before it was compressed.
    multiply_adds: int
    #: Steps that each unit of each pass needs for one pixel, 0 for a unit without a channel.
    work: tuple[tuple[int, ...], ...] = ()

    @property
    def steps(self):
        """Steps that all passes need for one pixel: the slowest unit sets the time of its pass."""
        return sum(max(units) for units in self.work)

    @property
    def imbalance(self):
        """Slowest over mean unit, weighted over the passes: 1 if no unit ever waits for another."""
        busy = sum(map(sum, self.work))
        return self.steps * len(self.work[0]) / busy if busy else 1.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """One network for one accelerator configuration."""

    name: str
    config: Config
    #: Every layer of the network, whether it takes no step, one or several.
    layer_names: tuple[str, ...]
    #: Names of the tensors that each layer reads: its input, then what it adds; or the parts that it joins.
    layer_inputs: tuple[tuple[str, ...], ...]
    #: Fields of each step's descriptor, as ``hw.formats.LAYER_FIELDS`` names them: what the device calls a layer.
    layers: tuple[dict[str, int], ...]
    #: Which of ``layer_names`` each step belongs to; never less than that of the step before.
    step_layers: tuple[int, ...]
    #: Every tensor, ``"input"`` first. Only the input before, and the last layer's output after a run
    #: are sure to be there: other tensors give up their place after their last reader.
    tensors: dict[str, Placement]
    #: Real value of one unit of the input.
    input_scale: float
    sections: tuple[Section, ...]
    schedule: tuple[LayerSchedule, ...]
    #: How the integers of the input are made from an image, or ``None`` where images are such integers.
    pixels: Pixels | None = None

    @property
    def output_name(self):
        """Name of the tensor that is the result."""
        return self.layer_names[-1]

    def steps_of(self, number):
        """Steps of one layer, a ``range`` of indices into ``layers``."""
        return range(bisect_left(self.step_layers, number), bisect_right(self.step_layers, number))

    def layer_sums(self, steps):
        """Int64 [..., layers]: what was counted for each step, [..., steps], added up for each layer of the network."""
        steps = np.asarray(steps, np.int64)
        sums = np.zeros((*steps.shape[:-1], len(self.layer_names)), np.int64)
        for step, number in enumerate(self.step_layers):
            sums[..., number] += steps[..., step]
        return sums

    @property
    def bits(self):
        """Bits that inference needs: program, bases, scales and coefficients with their padding to bytes."""
        return 8 * sum(len(section.data) for section in self.sections)

    def section_bits(self, target):
        """Bits of the sections of one ``Target``."""
        return 8 * sum(len(section.data) for section in self.sections if section.target is target)
