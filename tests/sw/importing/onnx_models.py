"""Small ONNX models, and what onnxruntime computes with them."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


class Model:
    """Nodes and constants that are added one after the other.

    Parameters
    ----------
    shape : sequence
        Of the input ``"images"``; a string is an open size.
    opset : int
    """

    def __init__(self, shape=("n", 3, 12, 10), opset=17, seed=0):
        self.shape, self.opset = shape, opset
        self.nodes, self.constants = [], {}
        self.random = np.random.default_rng(seed)
        self.last = "images"

    def constant(self, array, name=None):
        """A constant's name; a shape as tuple draws random numbers."""
        name = name or f"constant{len(self.constants)}"
        if isinstance(array, tuple):
            fan = max(1, int(np.prod(array[1:])))
            array = self.random.uniform(-1, 1, array) * (6 / fan) ** 0.5
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        self.constants[name] = array
        return name

    def add(self, operator, *inputs, outputs=1, **attributes):
        """Adds a node, by default on the last tensor; the name of its output, or names."""
        names = [f"{operator.lower()}{len(self.nodes)}_{index}" for index in range(outputs)]
        inputs = () if operator == "Constant" else inputs or (self.last,)
        self.nodes.append(
            helper.make_node(operator, inputs, names, name=f"node{len(self.nodes)}", **attributes)
        )
        self.last = names[0]
        return names[0] if outputs == 1 else names

    def convolution(self, inputs, outputs, *, tensor=None, kernel=3, groups=1, **attributes):
        """Adds a convolution with bias."""
        attributes = attributes if "auto_pad" in attributes else {"pads": [kernel // 2] * 4} | attributes
        weight = self.constant((outputs, inputs // groups, kernel, kernel))
        return self.add(
            "Conv", tensor or self.last, weight, self.constant((outputs,)), group=groups, **attributes
        )

    def batch_norm(self, channels, **attributes):
        """Adds a batch norm."""
        statistics = [
            self.constant(self.random.uniform(low, high, channels))
            for low, high in ((0.5, 1.5), (-1, 1), (-1, 1), (0.5, 1.5))
        ]
        return self.add("BatchNormalization", self.last, *statistics, **attributes)

    def save(self, path):
        """Writes the file, the last tensor its output."""
        graph = helper.make_graph(
            self.nodes,
            "model",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("somebody", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.save(model, path)
        return path


def run(path, images):
    """The output of ``images``, one by one."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate(
        [session.run(None, {name: image[None]})[0] for image in np.asarray(images, np.float32)]
    )
