"""What lies in the slots of a tensor that hold no channel.

Nothing that is computed depends on it, but cycles do: a value that is not zero takes a place among those that are.
"""

import numpy as np

from hw.formats import Operation
from hw.protocol import Target
from sw.network import INPUT
from sw.ordering import HOLE

__all__ = ["hole_values"]


def hole_values(program):
    """Values of all slots without a channel, the same for every image.

    Parameters
    ----------
    program : sw.program.Program

    Returns
    -------
    dict
        ``{name: int64 array [slots]}`` of every tensor, 0 where a slot holds a channel.
    """
    data = b"".join(section.data for section in program.sections if section.target is Target.TABLE)
    tables = np.frombuffer(data, np.uint8).reshape(-1, 256)
    values = {INPUT: np.zeros(len(program.tensors[INPUT].order), np.int64)}
    for number, (name, inputs) in enumerate(zip(program.layer_names, program.layer_inputs, strict=True)):
        place, steps = program.tensors[name], program.steps_of(number)
        if not steps:
            made = np.concatenate([values[part] for part in inputs])
        elif Operation(program.layers[steps[0]]["operation"]) is Operation.MAX_POOL:
            made = values[inputs[0]]
        else:
            made = _requantised(program.layers[steps[0]], values, inputs, tables, place.signed)
        values[name] = np.where(np.array(place.order) == HOLE, made, 0)
    return values


def _requantised(fields, values, inputs, tables, signed):
    """A result with multiplier and bias 0."""
    total = 1 << fields["shift"] - 1
    if fields["residual"]:
        total = total + values[inputs[1]] * fields["residual_multiplier"]
    result = np.clip(total >> fields["shift"], fields["low"], fields["high"])
    if fields["table"]:
        table = tables[fields["table"] - 1]
        result = (table.view(np.int8) if signed else table).astype(np.int64)[result & 0xFF]
    return result
