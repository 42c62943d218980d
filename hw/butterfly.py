"""Bit gather and bit scatter on a butterfly network, and the decoder that sets its switches.

A network of ``width`` lanes has log2(width) stages. Stage ``s`` joins lanes that are ``2**s`` apart with
``width / 2`` switches; a switch whose control bit is 1 swaps its two lanes. The controls follow from the mask
alone, so whoever holds a mask for long decodes it once and keeps the controls with it.

Control bit ``s * width / 2 + b * 2**s + i`` belongs to switch ``i`` of block ``b`` of stage ``s``, which joins
lanes ``b * 2**(s+1) + i`` and ``b * 2**(s+1) + 2**s + i``.

The method is parallel extract on the inverse butterfly and parallel deposit on the butterfly: Hilewitz and Lee,
"Fast bit gather, bit scatter and bit permutation instructions for commodity microprocessors", 2008.
"""

import numpy as np
from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

__all__ = ["BitGather", "BitScatter", "ControlDecoder"]


def _stages(width):
    """``(stage, distance, blocks)`` of each stage, in the order in which a gather passes them."""
    return [(stage, 1 << stage, width >> (stage + 1)) for stage in range(exact_log2(width))]


def _switch_count(width):
    return width // 2 * exact_log2(width)


def _check_width(width):
    if not isinstance(width, int) or width < 2 or width & (width - 1):
        raise ValueError(f"width must be a power of two from 2 on, not {width!r}")


class ControlDecoder(wiring.Component):
    """Switch controls for gathering or scattering under a mask.

    Combinational. The block of ``2 * distance`` lanes that starts at ``base`` must leave its selected elements
    rotated by the number ``r`` of elements selected below its upper half: the next stages then find both halves
    lined up. So switch ``i`` keeps its lanes straight exactly if bit ``i`` of ``distance`` zeros is set after
    rotating in ``r`` complements.

    Parameters
    ----------
    width : int
        Lanes of the network, a power of two from 2 on.

    Members
    -------
    mask : Signal(width), in
        Selected lanes.
    controls : Signal(width / 2 * log2(width)), out
        One bit for each switch, stage 0 lowest.
    """

    def __init__(self, width):
        _check_width(width)
        self._width = width
        super().__init__({"mask": In(width), "controls": Out(_switch_count(width))})

    @staticmethod
    def model(mask):
        """Controls (0 or 1) ``[..., width / 2 * log2(width)]`` of masks (0 or 1) ``[..., width]``."""
        mask = np.asarray(mask).astype(np.int64)
        width = mask.shape[-1]
        below = np.cumsum(mask, axis=-1)
        controls = []
        for _, distance, _ in _stages(width):
            rotation = below[..., distance - 1 :: 2 * distance, np.newaxis] % (2 * distance)
            straight = np.arange(distance) < rotation % distance
            swap = np.where(rotation < distance, ~straight, straight)
            controls.append(swap.reshape(*mask.shape[:-1], width // 2))
        return np.concatenate(controls, axis=-1).astype(np.int64)

    def elaborate(self, platform):
        m = Module()

        # Counts of aligned blocks, each the sum of two halves: they serve all prefix counts.
        counts = {(1, lane): self.mask[lane] for lane in range(self._width)}
        for _, distance, blocks in _stages(self._width):
            for base in range(0, blocks * 2 * distance, 2 * distance):
                count = Signal(range(2 * distance + 1), name=f"count_{base}_{2 * distance}")
                m.d.comb += count.eq(counts[distance, base] + counts[distance, base + distance])
                counts[2 * distance, base] = count

        below = {0: Const(0)}
        for end in range(1, self._width):
            size = end & -end
            if end == size:
                below[end] = counts[size, 0]
            else:
                below[end] = Signal(range(end + 1), name=f"below_{end}")
                m.d.comb += below[end].eq(below[end - size] + counts[size, end - size])

        for stage, distance, blocks in _stages(self._width):
            for block in range(blocks):
                count = below[(2 * block + 1) * distance]
                wrapped = count.bit_select(stage, 1)
                first = stage * self._width // 2 + block * distance
                for switch in range(distance):
                    # ``switch < count mod distance`` as a constant for each count: a small table for synthesis.
                    set_by_rotation = (count[:stage] > switch) if stage else Const(0)
                    m.d.comb += self.controls[first + switch].eq(set_by_rotation == wrapped)

        return m


def _switch_lanes(lanes, controls, stage, distance):
    """One stage of the model: ``lanes [..., width]`` after the switches of ``controls [..., switches]``."""
    width = lanes.shape[-1]
    pairs = lanes.reshape(*lanes.shape[:-1], -1, 2, distance)
    swap = controls[..., stage * width // 2 : (stage + 1) * width // 2]
    swap = swap.reshape(*swap.shape[:-1], -1, 1, distance).astype(bool)
    return np.where(swap, pairs[..., ::-1, :], pairs).reshape(lanes.shape)


def _build_stage(m, lanes, controls, stage, distance, blocks, shape):
    """One stage in gates: the signals of the lanes after its switches."""
    width = len(lanes)
    switched = [Signal(shape, name=f"stage_{stage}_lane_{lane}") for lane in range(width)]
    for block in range(blocks):
        for switch in range(distance):
            swap = controls[stage * width // 2 + block * distance + switch]
            lower = 2 * block * distance + switch
            upper = lower + distance
            m.d.comb += [
                switched[lower].eq(Mux(swap, lanes[upper], lanes[lower])),
                switched[upper].eq(Mux(swap, lanes[lower], lanes[upper])),
            ]
    return switched


class BitGather(wiring.Component):
    """Selected elements moved to the front in order, zeros above: an inverse butterfly.

    Combinational, one multiplexer an element in each of log2(width) stages. The caller masks the input: elements
    that are not selected must be zero, as non-zeros under their own mask are anyway.

    Parameters
    ----------
    width : int
        Lanes, a power of two from 2 on.
    shape : ShapeLike
        Shape of one element, plain bits: a width or ``signed(width)``.

    Members
    -------
    i : Signal(ArrayLayout(shape, width)), in
        Elements, zero where not selected.
    controls : Signal(width / 2 * log2(width)), in
        What ``ControlDecoder`` makes of the mask.
    o : Signal(ArrayLayout(shape, width)), out
        Selected elements from lane 0 on, zero above them.
    """

    def __init__(self, width, shape):
        _check_width(width)
        self._width = width
        self._shape = shape
        layout = data.ArrayLayout(shape, width)
        super().__init__({"i": In(layout), "controls": In(_switch_count(width)), "o": Out(layout)})

    @staticmethod
    def model(elements, controls):
        """Elements ``[..., width]`` after the switches set by ``controls [..., switches]``."""
        lanes, controls = np.asarray(elements).astype(np.int64), np.asarray(controls)
        for stage, distance, _ in _stages(lanes.shape[-1]):
            lanes = _switch_lanes(lanes, controls, stage, distance)
        return lanes

    def elaborate(self, platform):
        m = Module()
        lanes = [self.i[lane] for lane in range(self._width)]
        for stage, distance, blocks in _stages(self._width):
            lanes = _build_stage(m, lanes, self.controls, stage, distance, blocks, self._shape)
        m.d.comb += [self.o[lane].eq(value) for lane, value in enumerate(lanes)]
        return m


class BitScatter(wiring.Component):
    """Packed elements moved to the places under a mask, zeros elsewhere: the gather's switches in reverse order.

    Combinational, one multiplexer an element in each of log2(width) stages and a gate. Elements above the packed
    ones may be anything.

    Parameters
    ----------
    width : int
        Lanes, a power of two from 2 on.
    shape : ShapeLike
        Shape of one element, plain bits: a width or ``signed(width)``.

    Members
    -------
    i : Signal(ArrayLayout(shape, width)), in
        Packed elements, from lane 0 on.
    mask : Signal(width), in
        Places they go to.
    controls : Signal(width / 2 * log2(width)), in
        What ``ControlDecoder`` makes of the mask.
    o : Signal(ArrayLayout(shape, width)), out
        Elements in their places, zero elsewhere.
    """

    def __init__(self, width, shape):
        _check_width(width)
        self._width = width
        self._shape = shape
        layout = data.ArrayLayout(shape, width)
        super().__init__(
            {"i": In(layout), "mask": In(width), "controls": In(_switch_count(width)), "o": Out(layout)}
        )

    @staticmethod
    def model(elements, mask, controls):
        """Elements ``[..., width]`` after the reversed switches, where ``mask [..., width]`` is 1."""
        lanes, controls = np.asarray(elements).astype(np.int64), np.asarray(controls)
        for stage, distance, _ in reversed(_stages(lanes.shape[-1])):
            lanes = _switch_lanes(lanes, controls, stage, distance)
        return lanes * np.asarray(mask).astype(np.int64)

    def elaborate(self, platform):
        m = Module()
        lanes = [self.i[lane] for lane in range(self._width)]
        for stage, distance, blocks in reversed(_stages(self._width)):
            lanes = _build_stage(m, lanes, self.controls, stage, distance, blocks, self._shape)
        m.d.comb += [self.o[lane].eq(Mux(self.mask[lane], value, 0)) for lane, value in enumerate(lanes)]
        return m
