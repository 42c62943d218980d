"""The nodes of a PyTorch program as primitive operations."""

import inspect
import operator
import warnings

import torch
from torch.fx.node import map_arg

from .operations import Graph, no_layer
from .torch_functions import READERS as FUNCTIONS
from .torch_layers import READERS as LAYERS
from .torch_moves import READERS as MOVES
from .torch_nodes import Ref, TorchNode

__all__ = ["BATCH", "first_line", "read_program"]

READERS = LAYERS | FUNCTIONS | MOVES
#: Images in the example: more than one, lest an axis of one be taken for another.
BATCH = 2


def first_line(error):
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def read_program(program):
    """The primitive operations of a ``torch.export.ExportedProgram``: a ``Graph``, and the example of its input."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Without operations that write over their input.
            program = program.run_decompositions({})
    except Exception as error:
        raise ValueError(
            f"expected a program that torch.export can decompose, got {first_line(error)}; export it with this PyTorch"
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
            return self._item(node, *arguments)
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

    def _item(self, node, results, index):
        """One of an operator's results; of those that only have one that matters, the first."""
        if not isinstance(results, Ref):
            return results[index]
        if index:
            operator_name = node.args[0].target.__name__.split(".")[0]
            label = self._label(node.args[0])
            context = TorchNode(
                result="", node=label, source=f"aten.{operator_name}", shape=(), operations=[]
            )
            raise context.refuse(
                "expected that its first result alone is used, got another", "use the first alone"
            )
        return results

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
