import dataclasses

import pytest

from hw.config import Config
from hw.protocol import PROTOCOL_VERSION
from sw.compiler import compile_network
from sw.frames import DeviceStatus, LinkError
from sw.matching import check_device, check_fit

from .networks import random_network

TINY = Config.preset("tiny")


def test_a_device_is_what_it_should_be():
    status = DeviceStatus(PROTOCOL_VERSION, TINY.digest, True)
    check_device(status, TINY)
    with pytest.raises(LinkError, match=rf"configuration small .* got tiny \({TINY.digest:08x}\): compile"):
        check_device(status, Config.preset("small"))
    with pytest.raises(LinkError, match="expected a device of protocol version 4, got version 9: build"):
        check_device(status._replace(version=9), TINY)
    with pytest.raises(LinkError, match=r"got none of the presets \(00000007\)"):
        check_device(status._replace(digest=7), TINY)


def test_what_does_not_fit_is_told():
    program = compile_network(random_network(1, TINY), TINY)
    check_fit(program)
    for section in program.sections:
        moved = dataclasses.replace(section, address=0xFFFF)
        message = f"expected at most [0-9]+ words in {section.target.name.lower()} memory {section.index}, got [0-9]+"
        with pytest.raises(ValueError, match=message):
            check_fit(dataclasses.replace(program, sections=(moved,)))
    other = dataclasses.replace(section, index=200)
    with pytest.raises(ValueError, match=r"expected [0-9]+ memories of"):
        check_fit(dataclasses.replace(program, sections=(other,)))
    with pytest.raises(ValueError, match="expected at most 16 steps, got 17"):
        check_fit(dataclasses.replace(program, layers=program.layers[:1] * 17))
