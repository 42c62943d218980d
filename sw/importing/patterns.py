"""Activation functions that a source has written out as several operations, found and put into one.

An expression is a nested tuple in a form in which equal functions are equal tuples: scalings in a row are one, clamps in a row
are one, a factor of a product stands before it. Formulas of the functions are those of the papers that ``torch.nn`` names.
"""

import math
from dataclasses import replace

import numpy as np

from ..layers import IDENTITY, Activation
from .drafts import merged

__all__ = ["gather_activations"]

#: Operations that a written-out function may be made of, and how many of them in a row.
_PARTS = ("activation", "affine", "erf", "multiply")
_DEPTH = 8

_X = "x"


def gather_activations(graph):
    """The same graph in which ``x * sigmoid(x)`` and the like are activations."""
    producers, uses = graph.producers(), graph.uses()
    operations = []
    # The largest first: what is inside of a match stays behind, unused.
    for operation in reversed(graph.operations):
        if operation.kind in ("affine", "multiply") and uses[operation.output]:
            function, tensor = _match(operation.output, producers)
            if function is not None:
                operation = replace(
                    operation,
                    kind="activation",
                    inputs=(tensor,),
                    attributes={"activation": Activation(function=function)},
                )
        operations.append(operation)
    return replace(graph, operations=tuple(reversed(operations))).without_identities()


def _match(tensor, producers):
    """The function of what tensor ``tensor`` is, or ``(None, None)``."""
    ancestors, level = {}, {tensor}
    for _ in range(_DEPTH):
        parts = [producers[name] for name in level if name in producers and producers[name].kind in _PARTS]
        level = {name for operation in parts for name in operation.inputs}
        ancestors |= dict.fromkeys(sorted(level))
    for ancestor in ancestors:
        expression = _expression(tensor, ancestor, producers, _DEPTH)
        for function, written in _WRITTEN:
            if expression is not None and _same(expression, written):
                return function, ancestor
    return None, None


def _expression(tensor, leaf, producers, depth):
    """What ``tensor`` is of ``leaf``, or ``None`` if it is more than that."""
    if tensor == leaf:
        return _X
    operation = producers.get(tensor)
    if operation is None or operation.kind not in _PARTS or depth == 0:
        return None
    inner = [_expression(name, leaf, producers, depth - 1) for name in operation.inputs]
    if None in inner:
        return None
    if operation.kind == "affine":
        gain, offset = (np.unique(operation.attributes[name]) for name in ("gain", "offset"))
        return _scaled(float(gain[0]), float(offset[0]), inner[0]) if len(gain) == len(offset) == 1 else None
    if operation.kind == "activation":
        return _activated(operation.attributes["activation"], inner[0])
    return _product(*inner) if operation.kind == "multiply" else ("erf", inner[0])


def _scaled(gain, offset, inner):
    if inner[0] == "affine":
        _, first_gain, first_offset, inner = inner
        gain, offset = gain * first_gain, gain * first_offset + offset
    return inner if (gain, offset) == (1, 0) else ("affine", gain, offset, inner)


def _activated(activation, inner):
    if inner[0] == "activation":
        both = merged(inner[1], activation)
        if both is not None:
            return ("activation", both, inner[2])
    return inner if activation == IDENTITY else ("activation", activation, inner)


def _product(*factors):
    gain, rest = 1.0, []
    for factor in factors:
        if factor[0] == "affine" and factor[1] != 0:
            gain *= factor[1]
            factor = _scaled(1.0, factor[2] / factor[1], factor[3])
        rest.append(factor)
    return _scaled(gain, 0.0, ("multiply", *sorted(rest, key=repr)))


def _same(first, second):
    """Equality of expressions in which numbers of a source are rounded to float32."""
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-5, abs_tol=1e-6)
    return first == second


def _clamped(inner):
    return _activated(Activation(low=0.0, high=6.0), _scaled(1.0, 3.0, inner))


def _function(name, inner):
    return _activated(Activation(function=name), inner)


_WRITTEN = (
    ("silu", _product(_X, _function("sigmoid", _X))),
    ("hard_sigmoid", _scaled(1 / 6, 0.0, _clamped(_X))),
    ("hard_swish", _scaled(1 / 6, 0.0, _product(_X, _clamped(_X)))),
    ("hard_swish", _product(_X, _function("hard_sigmoid", _X))),
    ("mish", _product(_X, _function("tanh", _function("softplus", _X)))),
    (
        "gelu",
        _scaled(0.5, 0.0, _product(_X, _scaled(1.0, 1.0, ("erf", _scaled(math.sqrt(0.5), 0.0, _X))))),
    ),
)
