"""Primitive operations: what PyTorch programs and ONNX files are read into before they become layers."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

__all__ = ["KINDS", "Graph", "Operation", "no_layer", "refuse"]

#: What an operation may be, and its attributes. Axes and shapes leave out the batch; 0 is the axis after it.
KINDS = {
    "activation": ("activation",),
    "adaptive_pool": ("size", "maximum"),
    "add": (),
    "affine": ("gain", "offset"),
    "average_pool": ("window", "stride", "padding", "ceil"),
    "batch_norm": ("eps",),
    "concatenate": ("axis",),
    "constant": (),
    "convolution": ("stride", "padding", "dilation", "groups"),
    "erf": (),
    "identity": (),
    "linear": (),
    "max_pool": ("window", "stride", "padding", "dilation", "ceil"),
    "mean": ("axes",),
    "multiply": (),
    "pad": ("amounts", "value"),
    "reshape": (),
    "slice": ("axis", "start", "stop", "step"),
    "softmax": ("axis",),
    "transpose": ("order",),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """One operation on tensors, with everything constant in it.

    ``gain`` and ``offset`` of an affine are arrays that broadcast to the tensor; ``padding`` is (top, left, bottom, right);
    ``amounts`` are (before, after) by axis. Parameters: ``weight`` [K, C / groups, R, S] of a convolution or [K, F] of a
    linear operation and ``bias`` [K]; ``weight``, ``bias``, ``mean`` and ``variance`` of a batch norm; ``value`` of a
    constant.
    """

    #: One of ``KINDS``.
    kind: str
    #: The node's name in the source, and what the source calls the operation: for messages.
    node: str
    source: str
    #: Names of tensors.
    inputs: tuple[str, ...]
    output: str
    #: Of the output, without the batch.
    shape: tuple[int, ...]
    attributes: dict = field(default_factory=dict)
    #: float32 arrays by name.
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    #: What a layer that comes of it is called, unless the name is taken.
    layer: str = ""

    def __post_init__(self):
        if self.kind not in KINDS or set(self.attributes) != set(KINDS[self.kind]):
            raise TypeError(
                f"{self.kind}: expected attributes {KINDS.get(self.kind)}, got {tuple(self.attributes)}"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """Operations in the order they run, from one tensor to another."""

    input: str
    #: Of the input, without the batch.
    shape: tuple[int, ...]
    operations: tuple[Operation, ...]
    output: str

    def uses(self):
        """How often each tensor is read, the graph's output once more."""
        return Counter(name for operation in self.operations for name in operation.inputs) + Counter(
            [self.output]
        )

    def producers(self):
        """The operation that makes each tensor, by the tensor's name."""
        return {operation.output: operation for operation in self.operations}

    def without_identities(self):
        """The same graph without operations that do nothing, and without those that nothing needs."""
        same = {}
        kept = []
        for operation in self.operations:
            inputs = tuple(same.get(name, name) for name in operation.inputs)
            if operation.kind == "identity":
                same[operation.output] = inputs[0]
            else:
                kept.append(replace(operation, inputs=inputs))
        output = same.get(self.output, self.output)
        needed, alive = {output}, []
        for operation in reversed(kept):
            if operation.output in needed:
                needed.update(operation.inputs)
                alive.append(operation)
        return replace(self, operations=tuple(reversed(alive)), output=output)


def refuse(operation, reason, remedy):
    """The error that stops an import, in one line.

    Parameters
    ----------
    operation : object
        Anything with ``node`` and ``source``.
    reason, remedy : str
        What was expected and came, and what to do.
    """
    return ValueError(f"node {operation.node} ({operation.source}): {reason}; {remedy}")


def no_layer(operation, kind=None):
    """The error for an operation that no layer does, whatever its attributes; ``kind`` says what it is if the source's word does not."""
    word = (kind or operation.source).lower().replace("_", "")
    remedy = next(
        (remedy for words, remedy in _REMEDIES if any(part in word for part in words)),
        "train without it; docs/importing.md lists what there is",
    )
    return refuse(operation, "no layer does this", remedy)


#: What to do instead, by parts of the word that a source has for an operation, without ``_``.
_REMEDIES = (
    (
        ("convtranspose", "upsample", "resize", "pixelshuffle", "depthtospace"),
        "give the part of the network before the map grows",
    ),
    (("conv1d", "conv3d"), "convolve maps [channels, height, width]"),
    (("lstm", "gru", "rnn"), "give the convolutional part of the network alone"),
    (("attention", "matmul", "einsum", "bmm", "softmax"), "give the convolutional part of the network alone"),
    (("groupnorm", "layernorm", "instancenorm", "lrn", "localresponse", "lpnorm"), "train with batch norm"),
    (("batchnorm",), "export the network in evaluation mode, with running statistics"),
    (("dropout", "bernoulli"), "export the network in evaluation mode"),
    (("quantize", "qlinear"), "give the network before it was quantised"),
    (
        ("selu", "celu", "softsign", "threshold", "abs", "sqrt", "exp", "log", "pow"),
        "train with an activation of docs/importing.md",
    ),
    (("max", "min"), "clamp with constants"),
)
