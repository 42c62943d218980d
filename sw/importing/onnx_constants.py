"""ONNX models made plain: one size of image, no functions, and constants where nothing depends on the image."""

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

__all__ = ["Plain", "plain"]

#: Oldest operator set that is read.
OLDEST = 13


class Plain:
    """A model whose shapes and constants are known.

    Parameters
    ----------
    model : ModelProto
        With an input of fixed size.
    """

    def __init__(self, model):
        self.model = model
        #: Arrays by name.
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        #: Nodes that depend on the image.
        self.nodes = list(model.graph.node)
        (self.input,) = images_of(model.graph)
        while True:
            self.shapes = self._inferred()
            before = len(self.nodes)
            self.nodes = [node for node in self.nodes if not self._folded(node)]
            if len(self.nodes) == before:
                break

    def _inferred(self):
        """Shapes of all tensors that are known."""
        graph = helper.make_graph(
            self.nodes,
            "plain",
            [self.input],
            list(self.model.graph.output),
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        for output in graph.output:
            # What the file says of its size may be of another image.
            output.type.tensor_type.ClearField("shape")
        model = helper.make_model(graph, opset_imports=self.model.opset_import)
        try:
            graph = shape_inference.infer_shapes(model, data_prop=True).graph
        except shape_inference.InferenceError as error:
            raise ValueError(
                f"expected a graph whose shapes fit, got {str(error).splitlines()[0]}; check the model with onnx.checker"
            ) from error
        shapes = {}
        for info in (*graph.input, *graph.value_info, *graph.output):
            if info.type.tensor_type.HasField("shape"):
                shapes[info.name] = tuple(
                    dimension.dim_value if dimension.HasField("dim_value") else None
                    for dimension in info.type.tensor_type.shape.dim
                )
        return shapes

    def _folded(self, node):
        """Whether all that a node makes is a constant, which is then known."""
        if node.op_type == "Shape" and None not in self.shapes.get(node.input[0], (None,)):
            shape = self.shapes[node.input[0]]
            options = {attribute.name: attribute.i for attribute in node.attribute}
            cut = shape[options.get("start", 0) : options.get("end", len(shape))]
            self.constants[node.output[0]] = np.array(cut, np.int64)
            return True
        if not all(name in self.constants for name in node.input if name):
            return False
        names = [name for name in node.input if name]
        graph = helper.make_graph(
            [node],
            "constant",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(self.constants[name].dtype), None
                )
                for name in names
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)
                for name in node.output
                if name
            ],
        )
        model = helper.make_model(graph, opset_imports=self.model.opset_import)
        results = ReferenceEvaluator(model).run(None, {name: self.constants[name] for name in names})
        self.constants.update(zip([name for name in node.output if name], results, strict=True))
        return True


def plain(path, input_shape=None):
    """Reads an ONNX file.

    Parameters
    ----------
    path : str or Path
    input_shape : tuple of int, or None
        C, H and W, for a file that leaves them open.

    Returns
    -------
    Plain

    Raises
    ------
    ValueError
        If it is no such file, is older than operator set 13, or leaves the size of images open.
    OSError
        If it cannot be read.
    """
    try:
        model = onnx.load(path)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path}: expected an ONNX file, got {str(error).splitlines()[0]}; export it anew"
        ) from error
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if version < OLDEST:
        raise ValueError(
            f"{path}: expected operator set {OLDEST} or later, got {version}; convert it with onnx.version_converter"
        )
    if model.functions:
        model = inliner.inline_local_functions(model)
    images = images_of(model.graph)
    for what, found in (("input", images), ("output", model.graph.output)):
        if len(found) != 1:
            raise ValueError(
                f"{path}: expected one {what}, got {len(found)}; export the part from images to logits alone"
            )
    _fix(path, images[0], input_shape)
    return Plain(model)


def images_of(graph):
    """Inputs that are no parameters."""
    parameters = {tensor.name for tensor in graph.initializer}
    return [info for info in graph.input if info.name not in parameters]


def _fix(path, image, input_shape):
    """Gives open sizes of the input their number, the batch 1."""
    dimensions = image.type.tensor_type.shape.dim
    if len(dimensions) != 4:
        raise ValueError(
            f"{path}: expected images of four axes, got {len(dimensions)}; export a network of images"
        )
    if not dimensions[0].dim_value:
        dimensions[0].dim_value = 1
    sizes = [dimension.dim_value for dimension in dimensions][1:]
    if input_shape is not None:
        channels, height, width = input_shape
        fitting = [
            wanted
            for wanted in ((channels, height, width), (height, width, channels))
            if all(size in (0, extent) for size, extent in zip(sizes, wanted, strict=True))
        ]
        if not fitting:
            raise ValueError(
                f"{path}: expected images of {tuple(sizes)}, as the file has them, got {tuple(input_shape)}; leave "
                "input_shape out"
            )
        sizes = fitting[0]
    if not all(sizes):
        raise ValueError(
            f"{path}: expected images of a fixed size, got {tuple(size or '?' for size in sizes)}; give "
            "input_shape=(channels, height, width)"
        )
    for dimension, size in zip(dimensions[1:], sizes, strict=True):
        dimension.dim_value = size
