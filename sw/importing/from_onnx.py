"""ONNX files as primitive operations."""

from onnx import helper

from ..layers import Pixels
from .fusing import fuse, note_of_softmax, without_softmax
from .onnx_constants import plain
from .onnx_functions import READERS as FUNCTIONS
from .onnx_layers import READERS as LAYERS
from .onnx_moves import READERS as MOVES
from .onnx_nodes import OnnxNode
from .operations import Graph, no_layer

__all__ = ["import_onnx"]

READERS = LAYERS | FUNCTIONS | MOVES

#: ONNX dimensions of a map, and the order in which tf2onnx writes what TensorFlow calls channels last.
_CHANNELS_FIRST = (2, 0, 1)


def import_onnx(path, pixels=None, *, input_shape=None):
    """The trained network in an ONNX file of operator set 13 or later.

    Parameters
    ----------
    path : str or Path
    pixels : Pixels or None
        What the file's input is of an image; ``None`` is the pixel as it is, 0 to 255.
    input_shape : tuple of int, or None
        C, H and W of an image, where the file leaves them open.

    Returns
    -------
    Network
        ``network.notes`` says what was left out or assumed.

    Raises
    ------
    ValueError
        Naming the node, if a layer does not exist for an operation, or if the file is no such model.
    """
    graph, softmax = without_softmax(read_model(plain(path, input_shape)))
    notes = []
    if pixels is None:
        channels, height, width = _image(graph)
        pixels = Pixels(
            channels=channels,
            height=height,
            width=width,
            offset=(0.0,) * channels,
            gain=(1.0,) * channels,
        )
        notes.append(
            "pixels taken as they are, 0 to 255: give mean and std if the network was trained with others"
        )
    network = fuse(graph, pixels)
    if softmax is not None:
        notes.append(note_of_softmax(softmax))
    network.notes = notes
    return network


def _image(graph):
    """C, H and W: channels are last where the graph first puts them first."""
    tensor = graph.input
    for operation in graph.operations:
        if operation.inputs[:1] == (tensor,):
            if operation.kind == "transpose" and operation.attributes["order"] == _CHANNELS_FIRST:
                height, width, channels = graph.shape
                return channels, height, width
            if operation.kind != "affine":
                break
            tensor = operation.output
    return graph.shape


def read_model(model):
    """The primitive operations of a ``Plain`` model: a ``Graph``."""
    shapes = {name: shape[1:] for name, shape in model.shapes.items()}
    batch = model.shapes[model.input.name][0]
    operations = []
    for node in model.nodes:
        context = OnnxNode(
            node=node.name or node.output[0],
            source=node.op_type,
            layer=_label(node, model.constants),
            inputs=[model.constants.get(name, name) if name else None for name in node.input],
            outputs=list(node.output),
            attributes={
                attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute
            },
            shapes=shapes,
            operations=operations,
        )
        if node.op_type not in READERS or node.domain not in ("", "ai.onnx"):
            raise no_layer(context)
        shape = model.shapes.get(node.output[0])
        if not shape or None in shape or shape[0] != batch:
            raise context.refuse(
                f"expected an output of fixed size with the batch first, got {shape}",
                "export it for one size of image",
            )
        READERS[node.op_type](context)
    return Graph(
        input=model.input.name,
        shape=shapes[model.input.name],
        operations=tuple(operations),
        output=model.model.graph.output[0].name,
    )


def _label(node, constants):
    """A layer's name: that of its weights, else the node's."""
    for name in node.input:
        if name in constants and name.endswith(".weight"):
            return name.removesuffix(".weight")
    return (node.name or node.output[0]).strip("/")
