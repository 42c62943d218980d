import numpy as np
import pytest

from hw.config import Config
from hw.formats import LAYER_FIELDS, Bank, Operation
from hw.protocol import Target
from sim.holes import hole_values
from sw.ordering import HOLE
from sw.program import Placement, Program, Section


def place(order, signed=False):
    return Placement(
        bank=Bank.A,
        base=0,
        chunks=2,
        channels=sum(channel != HOLE for channel in order),
        height=1,
        width=1,
        signed=signed,
        order=order,
        slot=0,
        pixel=2,
        row=2,
    )


def step(operation=Operation.CONVOLUTION, **fields):
    plain = dict.fromkeys(LAYER_FIELDS, 0) | {"operation": operation.value, "shift": 4, "high": 255}
    return plain | fields


@pytest.mark.parametrize("signed", [False, True])
def test_what_every_layer_makes_of_nothing(signed):
    """A hole is a sum of 0: clamped, looked up, added to, pooled; it lies where its part does."""
    table = np.full(256, 200, np.uint8)
    orders = {
        "input": (0, HOLE),
        "zero": (0, 1, HOLE),
        "clamped": (HOLE, 0, 1, HOLE),
        "looked up": (0, HOLE),
        "added": (HOLE, 0, 1, HOLE),
        "joined": (0, 1, HOLE, HOLE, 2, 3, HOLE),
        "pooled": (0, 1, HOLE, HOLE, 2, 3, HOLE),
        "averaged": (0, 1, HOLE, HOLE, 2, 3, HOLE),
    }
    steps = [
        step(),
        step(low=9),
        step(table=2),
        step(residual=1, residual_multiplier=24),
        step(Operation.MAX_POOL),
        step(Operation.AVERAGE_POOL, low=3),
    ]
    tables = np.concatenate([np.zeros(256, np.uint8), table]).tobytes()
    program = Program(
        name="holes",
        config=Config.preset("tiny"),
        layer_names=tuple(orders)[1:],
        layer_inputs=(
            ("input",),
            ("input",),
            ("zero",),
            ("zero", "clamped"),
            ("zero", "clamped"),
            ("joined",),
            ("joined",),
        ),
        layers=tuple(steps),
        step_layers=(0, 1, 2, 3, 5, 6),
        tensors={name: place(order, signed and name == "looked up") for name, order in orders.items()},
        input_scale=1.0,
        sections=(Section(target=Target.TABLE, index=0, address=0, data=tables),),
        schedule=(),
    )
    assert {name: values.tolist() for name, values in hole_values(program).items()} == {
        "input": [0, 0],
        "zero": [0, 0, 0],
        "clamped": [9, 0, 0, 9],
        "looked up": [0, 200 - 256 * signed],
        # 9 * 24 / 16, rounded half up.
        "added": [14, 0, 0, 14],
        "joined": [0, 0, 0, 9, 0, 0, 9],
        "pooled": [0, 0, 0, 9, 0, 0, 9],
        "averaged": [0, 0, 3, 3, 0, 0, 3],
    }
