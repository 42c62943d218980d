"""The network file: an ``IntegerNetwork`` for any configuration of the accelerator, as a safetensors file.

Arrays are the tensors, called ``layer/field``; everything else is JSON under ``farthing`` in the metadata. It holds no code, and
what is read is checked like any other network.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from .files import replace_file
from .json_header import read_header, with_tuples
from .network import AveragePool, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo
from .pixels import Pixels

__all__ = [
    "NETWORK_VERSION",
    "NetworkFileError",
    "network_bytes",
    "parse_network",
    "read_network",
    "write_network",
]

NETWORK_VERSION = 1
_KEY = "farthing"
_KINDS = {kind.__name__: kind for kind in (Convolution, MaxPool, AveragePool, Concatenation)}


class NetworkFileError(ValueError):
    """A file is not a network that this version can use; the message is one line."""


def network_bytes(network, report=None):
    """The file's content; the same network gives the same bytes.

    ``report`` is a mapping of plain values, as of how the network was made; it is kept and changes nothing.
    """
    arrays, layers = {}, []
    for layer in network.layers:
        values = {"kind": type(layer).__name__}
        for field in dataclasses.fields(layer):
            value = getattr(layer, field.name)
            if isinstance(value, np.ndarray):
                arrays[f"{layer.name}/{field.name}"] = np.ascontiguousarray(value)
            else:
                values[field.name] = value
        layers.append(values)
    header = {
        "version": NETWORK_VERSION,
        "name": network.name,
        "input": dataclasses.asdict(network.input),
        "input_scale": network.input_scale,
        "pixels": None if network.pixels is None else dataclasses.asdict(network.pixels),
        "layers": layers,
        "report": report,
    }
    return save(arrays, {_KEY: json.dumps(header, sort_keys=True)})


def parse_network(content):
    """``(IntegerNetwork, report)`` of a file's content.

    Raises
    ------
    NetworkFileError
        If it is damaged, of another version, or no network.
    """
    try:
        arrays = load(content)
        header = read_header(content, _KEY)
        version = header["version"]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise NetworkFileError(
            f"expected a network file of farthing, got something else ({type(error).__name__}); make one with farthing compress"
        ) from None
    if version != NETWORK_VERSION:
        raise NetworkFileError(
            f"expected a network file of version {NETWORK_VERSION}, got version {version}; make it anew with farthing compress"
        )
    try:
        layers = tuple(_layer(values, arrays) for values in header["layers"])
        pixels = header["pixels"]
        network = IntegerNetwork(
            name=header["name"],
            input=TensorInfo(**header["input"]),
            input_scale=header["input_scale"],
            layers=layers,
            pixels=None if pixels is None else Pixels(**with_tuples(pixels)),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NetworkFileError(
            f"expected a network file that is whole, got one in which {error}; make it anew"
        ) from None
    return network, header["report"]


def read_network(path):
    """``(IntegerNetwork, report)`` of a file; raises like ``parse_network``, with its name, or ``OSError``."""
    try:
        return parse_network(Path(path).read_bytes())
    except NetworkFileError as error:
        raise NetworkFileError(f"{path}: {error}") from None


def write_network(path, network, report=None):
    """Write the file; an error leaves what was there before."""
    replace_file(path, network_bytes(network, report))


def _layer(values, arrays):
    values = with_tuples(values)
    kind = _KINDS[values.pop("kind")]
    for field in dataclasses.fields(kind):
        array = arrays.get(f"{values['name']}/{field.name}")
        if array is not None:
            values[field.name] = array
    return kind(**values)
