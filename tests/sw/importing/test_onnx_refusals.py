"""What no layer does is refused in one line that names the node, its operator, the reason and what to do."""

import re

import numpy as np
import onnx
import pytest

from sw.importing import import_onnx

from .onnx_models import Model


def stem(**options):
    model = Model(**options)
    model.convolution(3, 8)
    return model


def _node(operator, *more, opset=17, **attributes):
    """A network that ends in one node, ``more`` its constants."""

    def build():
        model = stem(opset=opset)
        constants = [value if isinstance(value, str) else model.constant(value) for value in more]
        model.add(operator, model.last, *constants, **attributes)
        return model

    return build


def _convolution(**attributes):
    def build():
        model = stem()
        model.convolution(8, 8, **attributes)
        return model

    return build


def _gate():
    model = stem()
    model.add("Mul", model.last, model.add("Sigmoid", model.add("GlobalAveragePool")))
    return model


def _own_weights():
    model = stem()
    model.add("Conv", model.last, model.add("GlobalAveragePool"))
    return model


def _product():
    model = stem()
    model.add("MatMul", model.last, model.add("Transpose", perm=[0, 1, 3, 2]))
    return model


def _division():
    model = stem()
    model.add("Div", model.constant(1.0), model.last)
    return model


def _transposed_matrix():
    # As many numbers as images: shapes alone tell nothing.
    model = Model((2, 3, 12, 10))
    model.convolution(3, 2)
    model.add("Flatten", model.add("GlobalAveragePool"))
    model.add("Gemm", model.last, model.constant((2, 2)), transA=1)
    return model


def _maximum():
    model = stem()
    first = model.last
    model.add("Max", first, model.convolution(8, 8))
    return model


def _other_domain():
    model = stem()
    model.add("Relu", domain="somebody")
    return model


STRIDED = {"kernel_shape": [2, 2], "strides": [2, 2]}
REFUSED = {
    "dilation": (_convolution(dilations=[2, 2]), "Conv.*dilation of 1, got 2"),
    "stride": (_convolution(strides=[3, 3]), "stride of 1 or 2, got 3.*MaxPool2d"),
    "strides": (_convolution(strides=[2, 1]), "same stride"),
    "weights of the image": (_own_weights, "Conv.*constant weight, got one computed"),
    "transposed": (_node("ConvTranspose", (8, 4, 2, 2)), "ConvTranspose.*before the map grows"),
    "gate": (_gate, "Mul.*squeeze and excitation"),
    "product": (_product, "MatMul.*convolutional part"),
    "division by a tensor": (_division, "Div.*no layer"),
    "batch norm in training": (
        _node("BatchNormalization", *[np.ones(8)] * 4, training_mode=1, outputs=3),
        "training_mode=1; export it for inference",
    ),
    "dropout in training": (_node("Dropout", np.float32(0.5), np.array(True)), "training_mode=1"),
    "instance norm": (_node("InstanceNormalization", np.ones(8), np.ones(8)), "train with batch norm"),
    "resize": (_node("Resize", "", np.array([1.0, 1.0, 2.0, 2.0])), "Resize.*before the map grows"),
    "quantised": (_node("QuantizeLinear", np.float32(1), np.uint8(0)), "before it was quantised"),
    "activation": (_node("Softsign"), "Softsign.*docs/importing.md"),
    "approximate gelu": (_node("Gelu", opset=20, approximate="tanh"), "exact GELU"),
    "slopes": (_node("PRelu", (8, 1, 1)), "one slope, got 8"),
    "empty clamp": (_node("Clip", np.float32(2), np.float32(1)), "range from low to high"),
    "softmax over rows": (_node("Softmax", axis=2), "Softmax.*end of the network"),
    "transposed matrix": (_transposed_matrix, "images as rows, got transA=1"),
    "reflection": (_node("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect"), "got mode reflect"),
    "padded batch": (_node("Pad", np.array([1, 0, 0, 0, 0, 0, 0, 0])), "along the batch|batch first"),
    "padded average": (_node("AveragePool", pads=[1, 1, 1, 1], **STRIDED), "without padding"),
    "dilated pooling": (_node("MaxPool", dilations=[2, 2], **STRIDED), "dilation of 1"),
    "mean of all": (_node("ReduceMean"), "batch first|no layer"),
    "mean of rows": (_node("ReduceMean", axes=[2]), "mean over height and width"),
    "batch moved": (_node("Transpose", perm=[1, 0, 2, 3]), "batch"),
    "loop": (_node("CumSum", np.array(1)), "CumSum.*no layer does this"),
    "other domain": (_other_domain, "no layer does this"),
    "maximum of tensors": (_maximum, "clamp with constants"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name, tmp_path):
    build, message = REFUSED[name]
    with pytest.raises(ValueError) as error:
        import_onnx(build().save(tmp_path / "model.onnx"))
    text = str(error.value)
    assert re.search(message, text), text
    assert re.match(r"node node\d+ \(\w+\): .+; .+", text) and "\n" not in text, text


@pytest.mark.parametrize(
    ("options", "arguments", "message"),
    [
        ({"opset": 12}, {}, "operator set 13 or later, got 12; convert"),
        ({"shape": ("n", 3, "h", "w")}, {}, r"fixed size, got \(3, '\?', '\?'\); give input_shape"),
        (
            {"shape": ("n", 3, 12, 10)},
            {"input_shape": (3, 8, 8)},
            r"images of \(3, 12, 10\).*got \(3, 8, 8\)",
        ),
        ({"shape": ("n", 3, 12)}, {}, "images of four axes, got 3"),
    ],
)
def test_files_that_are_no_network(tmp_path, options, arguments, message):
    with pytest.raises(ValueError, match=message):
        import_onnx(stem(**options).save(tmp_path / "model.onnx"), **arguments)


def test_other_files(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"model\.onnx: expected an ONNX file"):
        import_onnx(tmp_path / "model.onnx")


def test_nothing_that_has_weights(tmp_path):
    model = Model()
    model.add("GlobalAveragePool")
    with pytest.raises(
        ValueError, match=r"^expected a convolution or a fully connected layer, got none: there is nothing"
    ):
        import_onnx(model.save(tmp_path / "model.onnx"))


def test_several_outputs(tmp_path):
    model = onnx.load(stem().save(tmp_path / "model.onnx"))
    model.graph.output.append(model.graph.input[0])
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="one output, got 2"):
        import_onnx(tmp_path / "model.onnx")


def test_shapes_that_do_not_fit(tmp_path):
    model = stem()
    model.convolution(9, 8)
    with pytest.raises(ValueError, match=r"node|shapes fit"):
        import_onnx(model.save(tmp_path / "model.onnx"))
