"""The model file: a ``sw.model.Network`` with its real numbers, as a safetensors file; any method of compression goes on from it.

Tensors are those of units, called ``place of the layer/name``; everything else is JSON under ``farthing-model`` in the metadata. It holds no code.
"""

import dataclasses
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from ..files import replace_file
from ..json_header import read_header, with_tuples
from ..layers import Activation, AverageLayer, ConvolutionLayer
from ..model import Affine, DenseConvolution, Network
from ..network import Concatenation, MaxPool
from ..pixels import Pixels
from .decomposed import DecomposedConvolution
from .deep.shared import SharedConvolution
from .masked import MaskedConvolution

__all__ = ["MODEL_SUFFIX", "model_bytes", "parse_model", "read_model", "write_model"]

#: Of the name of such a file.
MODEL_SUFFIX = ".model"
_VERSION = 1
_KEY = "farthing-model"
_LAYERS = {kind.__name__: kind for kind in (ConvolutionLayer, MaxPool, AverageLayer, Concatenation)}
#: Units by name, and what their constructors take besides tensors.
_UNITS = {
    "dense": (DenseConvolution, ()),
    "masked": (MaskedConvolution, ()),
    "decomposed": (DecomposedConvolution, ()),
    "shared": (SharedConvolution, ("bits", "gap_bits")),
}
_NAMES = {kind: name for name, (kind, _) in _UNITS.items()}


def model_bytes(network, report=None):
    """The file's content; the same network gives the same bytes.

    ``report`` is a mapping of plain values, as of how the network was made; it is kept and changes nothing.

    Raises
    ------
    ValueError
        If a layer is neither dense, masked, decomposed nor shared.
    """
    tensors, units = {}, {}
    places = {layer.name: place for place, layer in enumerate(network.layers)}
    for layer, unit in network.units():
        if type(unit) not in _NAMES:
            raise ValueError(
                f"layer {layer.name}: expected one of {', '.join(_UNITS)}, got {type(unit).__name__}; write its integers"
            )
        name = _NAMES[type(unit)]
        tensors |= {
            f"{places[layer.name]}/{key}": value.contiguous() for key, value in unit.state_dict().items()
        }
        units[layer.name] = {"kind": name} | {option: getattr(unit, option) for option in _UNITS[name][1]}
        if isinstance(unit.normalise, nn.BatchNorm2d):
            units[layer.name]["eps"] = unit.normalise.eps
    header = {
        "version": _VERSION,
        "pixels": dataclasses.asdict(network.pixels),
        "layers": [{"kind": type(layer).__name__} | dataclasses.asdict(layer) for layer in network.layers],
        "units": units,
        "report": report,
    }
    return save(tensors, {_KEY: json.dumps(header, sort_keys=True)})


def parse_model(content):
    """``(Network, report)`` of a file's content; the network is in inference.

    Raises
    ------
    ValueError
        If it is damaged, of another version, or no model file.
    """
    try:
        tensors = load(content)
        header = read_header(content, _KEY)
        version = header["version"]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected a model file of farthing, got something else ({type(error).__name__}); make one with farthing compress"
        ) from None
    if version != _VERSION:
        raise ValueError(
            f"expected a model file of version {_VERSION}, got version {version}; make it anew with farthing compress"
        )
    try:
        layers = [_layer(dict(values)) for values in header["layers"]]
        units = {
            layer.name: _unit(layer, dict(header["units"][layer.name]), tensors, f"{place}/")
            for place, layer in enumerate(layers)
            if isinstance(layer, ConvolutionLayer)
        }
        network = Network(Pixels(**with_tuples(header["pixels"])), layers, units)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected a model file that is whole, got one in which {str(error).splitlines()[0]}; make it anew"
        ) from None
    return network.eval(), header["report"]


def read_model(path):
    """``(Network, report)`` of a file; raises like ``parse_model``, with its name, or ``OSError``."""
    try:
        return parse_model(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def write_model(path, network, report=None):
    """Write the file; an error leaves what was there before."""
    replace_file(path, model_bytes(network, report))


def _layer(values):
    kind = _LAYERS[values.pop("kind")]
    if "activation" in values:
        values["activation"] = Activation(**values["activation"])
    return kind(**with_tuples(values))


def _unit(layer, values, tensors, begin):
    kind, options = _UNITS[values["kind"]]
    own = {name.removeprefix(begin): value for name, value in tensors.items() if name.startswith(begin)}
    inner = {name: value for name, value in own.items() if not name.startswith("normalise.")}
    normalise = Affine(layer.outputs)
    if "eps" in values:
        normalise = nn.BatchNorm2d(layer.outputs, eps=values["eps"])
    unit = kind(layer, normalise=normalise, **inner, **{option: values[option] for option in options})
    with torch.no_grad():
        unit.load_state_dict(own)
    return unit
