"""A bench whose only test is skipped, for test_runner.py."""

import cocotb


@cocotb.test(skip=True)
async def is_skipped(dut):
    raise AssertionError
