# amaranth: UnusedElaboratable=no
"""The accelerator on a bus: registers, streams, and a whole network through them, with the models of cocotbext-axi."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fpga.cli import main
from fpga.verilog import generate
from hw.axi_accelerator import AxiAccelerator, axi_ports
from hw.axi_registers import REGISTERS, Address, register_table
from hw.config import Config
from sim import reference
from sim.runner import run_bench
from sw.compiler import compile_network
from sw.image import write_image
from tests.sw.networks import random_input, random_network

ROOT = Path(__file__).parents[2]
#: Quick to build: one PE of one row.
CONFIG = Config.preset("tiny").replace(name="bus", pes=1, rows=1, requantisers=1, pool_columns=0)


def system():
    """The accelerator within the design of the example."""
    return generate(CONFIG, bus="axi") + (ROOT / "examples" / "axi" / "system.v").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("pauses", [0, 0.4])
def test_a_network_runs_over_the_bus(pauses, tmp_path):
    seed = 5
    print(f"seed {seed}")
    network = random_network(seed, CONFIG)
    images = np.stack([random_input(image, network, zeros=0.3) for image in range(2)])
    write_image(tmp_path / "program.farthing", compile_network(network, CONFIG))
    np.savez(tmp_path / "tensors.npz", **reference.run(network, images))
    result = run_bench(
        system(),
        "tests.hw.axi_bench",
        toplevel="farthing_system",
        parameters={"folder": str(tmp_path), "pauses": pauses, "digest": CONFIG.digest},
        work_dir=tmp_path / "run",
    )
    assert len(result.tests) == 5
    assert json.loads((tmp_path / "done.json").read_text()) == {"images": 2}


def test_registers_are_words_of_the_port():
    addresses = [register.address for register in REGISTERS]
    assert addresses == sorted(set(addresses)) and not any(address % 4 for address in addresses)
    assert max(addresses) < 256
    assert Address.DIGEST == 8
    for register in REGISTERS:
        assert register.content and register.name.isupper()


def test_the_page_shows_the_registers_and_the_ports():
    page = (ROOT / "docs" / "axi.md").read_text()
    assert register_table() in page
    groups = {re.match(r"[sm]_axi[sl]|irq", name)[0] for name in axi_ports(4)}
    assert all(f"`{group}" in page for group in groups)


def test_widths_are_those_of_the_bus():
    with pytest.raises(ValueError, match=r"^expected a width of 1, 2, 4 or 8 bytes, got 3$"):
        AxiAccelerator(CONFIG, width=3)


@pytest.mark.slow
def test_the_example_in_amaranth_is_built(tmp_path):
    """With the ports of the bus, and without a clock port of its own."""
    output = tmp_path / "system.v"
    subprocess.run(
        [sys.executable, str(ROOT / "examples" / "axi" / "system.py"), str(output)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=300,
        check=True,
    )
    text = output.read_text()
    module = re.search(r"^module system\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)[0]
    for port in [*axi_ports(4), "clk", "rst", "waiting"]:
        assert re.search(rf"^  (in|out)put (\[\d+:0\] )?{port};", module, re.MULTILINE), port


@pytest.mark.slow
def test_the_command_writes_the_module(tmp_path):
    output = tmp_path / "farthing_axi.v"
    result = CliRunner().invoke(
        main, ["verilog", "--preset", "tiny", "--bus", "axi", "-o", str(output)], prog_name="farthing"
    )
    assert result.exit_code == 0 and result.output.endswith("lines, module farthing_axi\n")
    text = output.read_text()
    assert f"configuration digest {Config.preset('tiny').digest:08x}\n" in text
    module = re.search(r"^module farthing_axi\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)[0]
    ports = re.findall(r"^  (?:in|out)put (?:\[\d+:0\] )?(\w+);", module, re.MULTILINE)
    assert sorted(ports) == sorted(["aclk", "aresetn", *axi_ports(4)])


def test_an_unknown_bus_is_refused():
    result = CliRunner().invoke(main, ["verilog", "--bus", "isa", "-o", "x.v"], prog_name="farthing")
    assert result.exit_code == 2 and "'isa' is not one of 'bytes', 'axi'" in result.output
