"""Combinations of values that no machine can have are refused with what was expected and what came."""

import pytest

from hw.config import Config
from hw.formats import coefficient_layout

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


def test_a_list_can_say_how_long_it_is():
    narrow = {"chunk": 2, "lanes": 2, "channels": 16, "bases": 4}
    config = SERIAL.replace(**narrow, coefficient_words=1 << 10)
    assert config.coefficient_bits == coefficient_layout(config).size == 10
    message = "coefficient_words must be at most 1024, which a word of 10 bits can count, not 2048"
    with pytest.raises(ValueError, match=message):
        config.replace(coefficient_words=2048)


def test_what_a_serial_machine_is():
    assert (SERIAL.serial, SERIAL.multipliers, SERIAL.adders, SERIAL.plane_words) == (True, 1, 4, 1024)
    assert SERIAL.replace(kernel_height=1, kernel_width=1).taps == 1
    assert not Config.preset("nano").serial
