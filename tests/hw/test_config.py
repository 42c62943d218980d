"""Combinations of values that no machine can have are refused with what was expected and what came."""

import pytest

from hw.config import Config

SERIAL = Config.preset("icebreaker")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accumulation": "lanes"}, "accumulation must be 'concentration', 'tree' or 'serial', not 'lanes'"),
        ({"pes": 2}, "pes must be 1 in a serial machine, not 2"),
        ({"rows": 2}, "rows must be 1 in a serial machine, not 2"),
        ({"pes": 2, "requantisers": 2}, "pes must be 1 in a serial machine, not 2"),
        ({"tables": 1}, "tables must be 0 in a serial machine, not 1"),
        ({"pool_columns": 8}, "pool_columns must be 0 in a serial machine, not 8"),
        (
            {"kernel_height": 1},
            "kernel_height must be 1 in a serial machine if kernel_width = 3 is, and more if that is, not 1",
        ),
    ],
)
def test_what_a_serial_machine_cannot_have(changes, message):
    with pytest.raises(ValueError) as error:
        SERIAL.replace(**changes)
    assert str(error.value) == message


def test_what_a_serial_machine_is():
    assert (SERIAL.serial, SERIAL.multipliers, SERIAL.adders, SERIAL.plane_words) == (True, 1, 4, 1024)
    assert SERIAL.replace(kernel_height=1, kernel_width=1).taps == 1
    assert not Config.preset("nano").serial
