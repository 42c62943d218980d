"""Pooling layers for component tests, and what their windows hold by plain loops."""

import numpy as np

from .layers import layer_fields

__all__ = ["PAST_THE_MAP", "plain_windows", "pool_layer", "read_windows", "window_payloads"]

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
    return layer_fields(
        input_bank=int(rng.integers(3)),
        input_base=int(rng.integers(9)),
        input_row=(maps[1] + more[2]) * pixel,
        input_pixel=pixel,
        input_chunks=chunks,
        map_height=maps[0],
        map_width=maps[1],
        pad_top=pad[0],
        pad_left=pad[1],
        stride=stride,
        window_height=window[0],
        window_width=window[1],
        output_height=sizes[0],
        output_width=sizes[1],
        output_bank=int(rng.integers(3)),
        output_base=int(rng.integers(100)),
        output_chunks=output_chunks,
        output_row=(sizes[1] + more[3]) * output_chunks,
        **fields,
    )


def plain_windows(layer):
    """For each output chunk, in order, its address and the addresses of its window."""
    made = []
    for chunk in range(layer["input_chunks"]):
        for row in range(layer["output_height"]):
            for column in range(layer["output_width"]):
                addresses = []
                for down in range(layer["window_height"]):
                    for right in range(layer["window_width"]):
                        y = row * layer["stride"] + down - layer["pad_top"]
                        x = column * layer["stride"] + right - layer["pad_left"]
                        if y in range(layer["map_height"]) and x in range(layer["map_width"]):
                            place = y * layer["input_row"] + x * layer["input_pixel"] + chunk
                            addresses.append(layer["input_base"] + place)
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
    """The same as payloads of ``window_layout``."""
    return [
        {
            "values": memory[layer["input_bank"], place].tolist(),
            "first": int(index == 0),
            "last": int(index == len(places) - 1),
            "address": address,
        }
        for address, places in plain_windows(layer)
        for index, place in enumerate(places)
    ]
