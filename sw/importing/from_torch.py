"""PyTorch modules and saved programs as primitive operations, through ``torch.export``."""

import inspect
import operator
import warnings
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.fx.node import map_arg

from ..pixels import pixels_of
from .fusing import fuse, note_of_softmax, without_softmax
from .operations import Graph, no_layer
from .torch_operations import READERS, Ref, TorchNode

__all__ = ["import_program", "import_torch"]

#: Largest difference of an imported network's output from its source's, as a part of the largest output.
TOLERANCE = 1e-4
#: Images in the example: more than one, lest an axis of one be taken for another.
BATCH = 2


def import_torch(module, input_shape=None, pixels=None):
    """The trained network that a PyTorch module is in evaluation mode.

    Parameters
    ----------
    module : nn.Module
        Stays as it is.
    input_shape : tuple of int, or None
        C, H and W of an image; ``None`` takes those of ``pixels``.
    pixels : Pixels or None
        What the module sees of an image; ``None`` is ``pixel / 255``.

    Returns
    -------
    Network
        Its output was compared with the module's. ``network.notes`` says what was left out or assumed.

    Raises
    ------
    ValueError
        Naming the node, if a layer does not exist for an operation, or if the module cannot be traced.
    """
    if input_shape is None and pixels is None:
        raise ValueError(
            "expected the shape of an image, got none; give input_shape=(channels, height, width)"
        )
    input_shape = tuple(pixels.shape if input_shape is None else input_shape)
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    module = module.module if isinstance(module, parallel) else module
    with _evaluating(module):
        like = next(module.parameters(), torch.zeros(0))
        example = torch.zeros(BATCH, *input_shape, dtype=like.dtype, device=like.device)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                program = torch.export.export(module, (example,))
        except Exception as error:
            raise ValueError(
                f"expected a module that torch.export can trace with images of {input_shape}, got "
                f"{type(error).__name__}: {_first_line(error)}; make its forward free of decisions on values"
            ) from error
        return _import(program, pixels)


def import_program(path, pixels=None):
    """The trained network in a file of ``torch.export.save``.

    Parameters
    ----------
    path : str or Path
        As ``torch.export.save`` writes it (.pt2), of a module in evaluation mode.
    pixels : Pixels or None
        As for ``import_torch``.

    Raises
    ------
    ValueError
        As ``import_torch``, and if the file holds no program.
    """
    try:
        program = torch.export.load(Path(path))
    except Exception as error:
        raise ValueError(
            f"{path}: expected a program of torch.export.save, got {_first_line(error)}; save it anew"
        ) from error
    return _import(program, pixels)


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _evaluating(module):
    """The module in evaluation mode, and afterwards as it was."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _import(program, pixels):
    graph, image = read_program(program)
    graph, softmax = without_softmax(graph)
    notes = []
    if pixels is None:
        pixels = pixels_of(*graph.shape)
        notes.append("pixels taken as pixel / 255: give mean and std if the network was trained with others")
    network = fuse(graph, pixels)
    if softmax is not None:
        notes.append(note_of_softmax(softmax))
    network.notes = [*notes, _compare(program, image, network, pixels, softmax)]
    return network


@torch.no_grad()
def _compare(program, image, network, pixels, softmax):
    """Runs both on random images; what they differ by, in words."""
    count = image.shape[0] if isinstance(image.shape[0], int) else BATCH
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *pixels.shape), generator=generator).float()
    offset, gain = (torch.tensor(values)[:, None, None] for values in (pixels.offset, pixels.gain))
    seen = ((images - offset) * gain).to(image.device, image.dtype)
    expected = program.module()(seen)
    expected = (expected[0] if isinstance(expected, (tuple, list)) else expected).float().cpu()
    result = network(images).reshape(expected.shape)
    if softmax is not None:
        result = torch.log_softmax(result, 1) if "log" in softmax.source else torch.softmax(result, 1)
    part = float((result - expected).abs().max()) / max(float(expected.abs().max()), 1e-30)
    if not part < TOLERANCE:
        raise ValueError(
            f"expected an imported network that computes what its source does, got a difference of {part:.1e} of the "
            "largest output; report it with the network"
        )
    return f"largest difference from the source on {count} random images: {part:.1e} of the largest output"


def read_program(program):
    """The primitive operations of a ``torch.export.ExportedProgram``: a ``Graph``, and the example of its input."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Without operations that write over their input.
            program = program.run_decompositions({})
    except Exception as error:
        raise ValueError(
            f"expected a program that torch.export can decompose, got {_first_line(error)}; export it with this PyTorch"
        ) from error
    return _Reader(program).graph()


class _Reader:
    """Reads the nodes of a program; what does not depend on the image is computed at once."""

    def __init__(self, program):
        self._nodes = list(program.graph.nodes)
        signature = program.graph_signature
        stored = {**program.state_dict, **program.constants}
        targets = (
            signature.inputs_to_parameters
            | signature.inputs_to_buffers
            | signature.inputs_to_lifted_tensor_constants
        )
        #: Where a parameter is in its module, by its node.
        self._targets = targets
        #: Every node's result: a number or tensor, or a ``Ref`` or several if it depends on the image.
        self._results = {name: stored[target] for name, target in targets.items()}
        self._images = [node for node in self._nodes if node.name in signature.user_inputs]
        self._outputs = signature.user_outputs
        self._operations = []

    def graph(self):
        """The whole graph, and the example of its input."""
        for what, found in (("input", self._images), ("output", self._outputs)):
            if len(found) != 1:
                raise ValueError(
                    f"expected a module with one {what}, got {len(found)}; wrap it in a module that takes images alone and "
                    "returns logits alone"
                )
        (image,) = self._images
        shape = _shape(image.meta["val"])
        if len(shape) != 3 or not all(isinstance(extent, int) for extent in shape):
            raise ValueError(
                f"expected images [n, channels, height, width] of one size, got a shape of {tuple(image.meta['val'].shape)}; "
                "export the module with such images"
            )
        self._results[image.name] = Ref(image.name, shape)
        for node in self._nodes:
            if node.op == "call_function":
                self._results[node.name] = self._read(node)
        output = self._results[self._outputs[0]]
        if not isinstance(output, Ref):
            raise ValueError(
                "expected an output that depends on the image, got a constant; give a trained network"
            )
        graph = Graph(input=image.name, shape=shape, operations=tuple(self._operations), output=output.name)
        return graph, image.meta["val"]

    def _read(self, node):
        arguments = map_arg(node.args, lambda argument: self._results[argument.name])
        options = map_arg(node.kwargs, lambda argument: self._results[argument.name])
        if node.target is operator.getitem:
            return arguments[0] if isinstance(arguments[0], Ref) else arguments[0][arguments[1]]
        value = node.meta.get("val")
        if value is None:
            # An assertion.
            return None
        if isinstance(value, torch.SymInt):
            # Only the batch may be open.
            return BATCH
        if not any(isinstance(self._results[source.name], (Ref, list)) for source in node.all_input_nodes):
            with torch.no_grad():
                return node.target(*arguments, **options)
        return self._operation(node, value, arguments, options)

    def _operation(self, node, value, arguments, options):
        name = node.target.__name__.split(".")[0]
        shape = tuple(map(_shape, value)) if isinstance(value, (list, tuple)) else _shape(value)
        context = TorchNode(
            result=node.name,
            node=self._label(node),
            source=f"aten.{name}",
            shape=shape,
            operations=self._operations,
        )
        reader = READERS.get(name)
        if reader is None:
            raise no_layer(context)
        if isinstance(value, torch.Tensor) and not value.dtype.is_floating_point:
            raise context.refuse(
                f"expected real numbers, got {value.dtype}", "train a network of real numbers"
            )
        try:
            inspect.signature(reader).bind(context, *arguments, **options)
        except TypeError as error:
            raise context.refuse(str(error), "use the module of torch.nn that does it") from None
        return reader(context, *arguments, **options)

    def _label(self, node):
        """Name of the module that a node comes from, the node's own where a module has several."""
        weights = [self._targets.get(source.name, "") for source in node.all_input_nodes]
        named = [target.removesuffix(".weight") for target in weights if target.endswith(".weight")]
        if named:
            return named[0]
        path, kind = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())[-1]
        if str(kind).startswith("torch.nn."):
            return path or node.name
        return f"{path}.{node.name}" if path else node.name


def _shape(value):
    """Without the batch; numbers that are known."""
    return tuple(value.shape[1:]) if isinstance(value, torch.Tensor) else ()
