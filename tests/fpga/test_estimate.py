"""``farthing estimate``: what it counts, what it says of boards, what it refuses."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fpga.boards import find_board
from fpga.cli import main
from fpga.ecp5 import ECP5
from fpga.estimate import estimate, fit, network_cycles, random_image
from fpga.presets import find_config, write_config
from fpga.resources import Resources, count_resources
from hw.config import Config
from sim.cycle_model import layer_cycles
from sim.reference import run
from sw.compiler import compile_network
from sw.network_file import write_network
from tests.sw.networks import random_network

CONFIG = Config.preset("tiny")


@pytest.fixture
def network():
    return random_network(3, CONFIG, layers=3)


def farthing(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="farthing")


def test_cycles_are_those_of_the_cycle_model(network):
    image = random_image(network)
    expected = layer_cycles(compile_network(network, CONFIG), run(network, image))[0]
    result = estimate(CONFIG, network)
    assert list(result.layers.values()) == expected.tolist()
    assert result.cycles == expected.sum()
    assert list(result.layers) == [layer.name for layer in network.layers]


def test_parts_add_up():
    for name in ("tiny", "ulx3s-85f"):
        config = Config.preset(name)
        whole, found = count_resources(config, ECP5), ECP5.count_parts(config).values()
        assert whole.luts == round(sum(part.luts for part in found))
        assert whole.dsps == config.multipliers + config.requantisers


def test_more_of_anything_takes_more():
    base = count_resources(Config.preset("small"), ECP5)
    for changes in (
        {"pes": 4},
        {"rows": 4},
        {"chunk": 32},
        {"z_bits": 18},
        {"tables": 1},
        {"kernel_height": 5},
    ):
        more = count_resources(Config.preset("small").replace(**changes), ECP5)
        assert more.luts > base.luts and more.registers > base.registers, changes
    assert count_resources(Config.preset("small").replace(z_bits=19), ECP5).dsps == 2 * 18 + 2
    # Four classes of rows, of which each has its place in a square of 2 x 2 pixels worked out with a multiplier.
    assert count_resources(Config.preset("small").replace(rows=4), ECP5).dsps == 18 + 2 + 4


def test_what_runs_out_first():
    board = find_board("ulx3s-85f")
    found = fit(
        Resources(luts=1000, registers=0, dsps=board.dsps + 1, block_rams=board.block_rams), board, 500
    )
    assert (found.first, found.fits) == ("dsps", False)
    assert found.inferences_per_second == board.frequency / 500
    assert fit(Resources(luts=board.luts, dsps=1), board).fits


def test_command(tmp_path, network):
    path, images = tmp_path / "net.farthing", tmp_path / "images.npy"
    write_network(path, network)
    np.save(images, random_image(network))
    shown = farthing("estimate", "--preset", "tiny", "--network", path, "--images", images, "--json")
    found = json.loads(shown.stdout)
    assert found["layers"] == estimate(CONFIG, network).layers
    assert list(found["boards"]) == ["ulx3s-25f", "ulx3s-85f", "ecpix5-85f", "tang-nano-9k"]
    assert found["resources"]["dsps"] == 20
    table = farthing("estimate", "--preset", "tiny", "--network", path).stdout
    assert all(text in table for text in (*found["layers"], *found["boards"], "runs out first"))
    assert json.loads(farthing("estimate", "--json").stdout)["cycles"] is None


def test_a_serial_machine_is_for_an_ice40(tmp_path):
    path, config = tmp_path / "net.farthing", Config.preset("icebreaker")
    network = random_network(3, config, layers=3)
    write_network(path, network)
    found = json.loads(farthing("estimate", "--preset", "icebreaker", "--network", path, "--json").stdout)
    assert found["layers"] == network_cycles(network, config)
    board = found["boards"].pop("icebreaker")
    assert found["boards"] == {} and board["fits"] and board["runs_out_first"] in ("block_rams", "large_rams")
    assert board["inferences_per_second"] == 24e6 / found["cycles"]
    table = farthing("estimate", "--preset", "icebreaker").stdout
    assert all(text in table for text in ("iCE40 UltraPlus", "large RAMs", "icebreaker", "tang-nano-9k"))


def test_one_board():
    found = json.loads(farthing("estimate", "--preset", "nano", "--board", "tang-nano-9k", "--json").stdout)
    board = found["boards"].pop("tang-nano-9k")
    assert found["boards"] == {} and found["family"] == "GW1N"
    assert board["fits"] and board["runs_out_first"] == "luts"
    assert board["shares"]["luts"] == round(found["resources"]["luts"] / 8640, 4)
    assert "resources on GW1N" in farthing("estimate", "--preset", "nano", "--board", "tang-nano-9k").stdout
    refused = farthing("estimate", "--preset", "nano", "--board", "icebreaker")
    assert refused.exit_code == 1 and "expected a serial machine for this board" in refused.stderr


def test_what_a_board_has_none_of():
    board = find_board("ulx3s-25f")
    assert "large_rams" not in fit(Resources(luts=1), board).shares
    found = fit(Resources(luts=1, large_rams=1), board)
    assert (found.first, found.fits) == ("large_rams", False)


def test_refusals(tmp_path):
    result = farthing("estimate", "--images", tmp_path / "x.npy")
    assert result.exit_code == 1 and "expected --network with --images" in result.stderr
    network = tmp_path / "net.farthing"
    write_network(network, random_network(1, Config.preset("small").replace(channels=64), layers=2))
    result = farthing("estimate", "--preset", "tiny", "--network", network)
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1


def test_preset_files(tmp_path):
    path = tmp_path / "mine.json"
    config = CONFIG.replace(name="mine", pes=4)
    write_config(path, config)
    assert find_config(str(path)) == config
    assert find_config("tiny") is CONFIG
    for text in ("{}", "[]", "no JSON"):
        path.write_text(text)
        with pytest.raises(
            ValueError, match=r"expected a configuration in the preset file .*mine\.json, got"
        ):
            find_config(str(path))
    with pytest.raises(ValueError, match=r"expected a preset from tiny, .*, not 'none'"):
        find_config("none")
