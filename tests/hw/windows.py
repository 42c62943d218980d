"""Pooling layers for component tests, and what their windows hold by plain loops."""

import numpy as np

from hw.window_reader import WindowReader

from .layers import layer_fields

__all__ = ["PAST_THE_MAP", "plain_places", "plain_windows", "pool_layer", "read_windows", "window_payloads"]

#: Windows that reach beyond every edge of a map smaller than themselves.
PAST_THE_MAP = {"window": (5, 4), "stride": 2, "pad": (3, 2), "map_size": (2, 3)}


def pool_layer(rng, *, window, stride, pad=(0, 0), map_size=None, tile=False, **fields):
    """A pooling layer.

    Without ``map_size`` the map has as many rows and columns as its windows reach, and up to one less at the end, which
    is padding, or one more. As a ``tile``, input and output are parts of larger tensors.
    """
    sizes, maps = [], []
    for side in range(2):
        size = int(rng.integers(1, 4))
        extent = (
            (size - 1) * stride
            + window[side]
            - pad[side]
            + int(rng.integers(-1 if window[side] > 1 else 0, 2))
        )
        extent = max(1, extent)
        if map_size:
            extent = map_size[side]
            size = (extent + pad[side] - 1) // stride + 1
        sizes.append(size)
        maps.append(extent)
    chunks = int(rng.integers(1, 4))
    more = rng.integers(1, 3, 4).tolist() if tile else [0] * 4
    pixel, output_chunks = chunks + more[0], chunks + more[1]
    row = (maps[1] + more[2]) * pixel
    return layer_fields(
        input_bank=int(rng.integers(3)),
        input_base=int(rng.integers(9)),
        input_row=row,
        input_pixel=pixel,
        input_chunks=chunks,
        map_height=(maps[0] - 1) * row,
        map_width=(maps[1] - 1) * pixel,
        pad_top=pad[0] * row,
        pad_left=pad[1] * pixel,
        step_row=stride * row,
        step_pixel=stride * pixel,
        window_row=(window[0] - 1) * row,
        window_pixel=(window[1] - 1) * pixel,
        output_height=sizes[0],
        output_width=sizes[1],
        output_bank=int(rng.integers(3)),
        output_base=int(rng.integers(100)),
        output_chunks=output_chunks,
        output_row=(sizes[1] + more[3]) * output_chunks,
        **fields,
    )


def plain_places(layer, side):
    """For each window along one side (0: rows, 1: columns) its places in the map."""
    words = layer[("input_row", "input_pixel")[side]]
    pad, extent = layer[("pad_top", "pad_left")[side]], layer[("map_height", "map_width")[side]]
    size, step = layer[("window_row", "window_pixel")[side]], layer[("step_row", "step_pixel")[side]]
    return [
        [
            place
            for place in range(extent // words + 1)
            if window * step <= place * words + pad <= window * step + size
        ]
        for window in range(layer[("output_height", "output_width")[side]])
    ]


def plain_windows(layer):
    """For each output chunk, in order, its address and the addresses of its window."""
    made = []
    for chunk in range(layer["input_chunks"]):
        for row, down in enumerate(plain_places(layer, 0)):
            for column, right in enumerate(plain_places(layer, 1)):
                addresses = [
                    layer["input_base"] + y * layer["input_row"] + x * layer["input_pixel"] + chunk
                    for y in down
                    for x in right
                ]
                place = row * layer["output_row"] + column * layer["output_chunks"] + chunk
                made.append((layer["output_base"] + place, addresses))
    return made


def read_windows(memory, layer):
    """``(address, values int64 [chunks of the window, N])`` of each output chunk, in order."""
    values = memory[layer["input_bank"]]
    if layer["input_signed"]:
        values = values.astype(np.int8).astype(np.int64)
    return [(address, values[places]) for address, places in plain_windows(layer)]


def window_payloads(memory, layer):
    """What is read as payloads of ``window_layout``, in order."""
    payloads = WindowReader.model(layer)
    return [
        {name: value for name, value in chunk.items() if name != "place"}
        | {"values": memory[layer["input_bank"], chunk["place"]].tolist()}
        for chunk in payloads
    ]
