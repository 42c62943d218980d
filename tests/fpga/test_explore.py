"""``farthing explore``: where it goes, what it keeps, what it writes, what it refuses."""

import json
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

pytest.importorskip("distributed")

from distributed import LocalCluster

from fpga.boards import find_board
from fpga.cli import main
from fpga.estimate import fit, network_cycles
from fpga.explore import Candidate, Shape, explore, fastest, front, neighbours, shrink
from fpga.presets import find_config
from fpga.resources import Resources, count_resources
from hw.config import Config
from sw.compiler import compile_network
from sw.network_file import write_network
from tests.sw.networks import random_network

BOARD = find_board("ulx3s-25f")
SMALL = Config.preset("small")
SHAPE = Shape(chunk=8, lanes=0, rows=2, pes=4, requantisers=4)


@pytest.fixture(scope="module")
def network():
    return random_network(3, Config.preset("tiny"), layers=3)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="localhost:0"
    ) as started:
        yield started


def candidate(luts, cycles):
    return Candidate(shape=SHAPE, config=SMALL, resources=Resources(luts=luts), cycles=cycles)


def test_the_front_is_what_none_beats():
    every = [candidate(*pair) for pair in ((5, 10), (4, 20), (4, 21), (6, 10), (9, 3), (7, 12))]
    assert [(one.resources.luts, one.cycles) for one in front(every)] == [(4, 20), (5, 10), (9, 3)]
    assert fastest([*every, candidate(8, 3)]).resources.luts == 8


def test_neighbours_differ_and_are_possible():
    found = neighbours(SHAPE)
    assert SHAPE not in found and len(set(found)) == len(found)
    for shape in found:
        assert shape.pes % shape.requantisers == 0 and shape.chunk % shape.requantisers == 0
        assert shape.lanes == 0 or shape.lanes < shape.chunk
    for name in ("chunk", "lanes", "rows", "pes", "requantisers", "z_fifo", "ring", "output_fifo"):
        assert {getattr(shape, name) for shape in found} > {getattr(SHAPE, name)}, name
    # There is a way back.
    assert all(SHAPE in neighbours(shape) for shape in found if shape.rows != SHAPE.rows)


def test_memories_are_as_deep_as_the_network_needs(network):
    roomy = SMALL.replace(activation_words=4096, coefficient_words=4096, basis_words=512, layers=64)
    config = shrink(compile_network(network, roomy))
    assert network_cycles(network, config) == network_cycles(network, roomy)
    for name in ("activation_words", "coefficient_words", "basis_words", "scale_words"):
        words = getattr(config, name)
        assert words < getattr(roomy, name) or name == "scale_words"
        if words > 16:
            with pytest.raises(ValueError, match=name if name != "activation_words" else "expected"):
                compile_network(network, config.replace(**{name: words // 2}))


def test_search(network, cluster):
    done = []
    found = explore(
        network, BOARD, SMALL, evaluations=24, scheduler=cluster.scheduler_address, progress=done.append
    )
    again = explore(network, BOARD, SMALL, evaluations=24, scheduler=cluster.scheduler_address)
    assert found == again
    assert done[-1] == 24 and len(found) <= 24
    for one in found:
        assert one.resources == count_resources(one.config, BOARD.family)
        assert one.resources.luts <= BOARD.luts and one.resources.dsps <= BOARD.dsps
        half = one.config.activation_words // 2
        if half >= 16:
            with pytest.raises(ValueError, match="activation_words"):
                compile_network(network, one.config.replace(activation_words=half))
    best = fastest(found)
    assert best.cycles == sum(network_cycles(network, best.config).values())
    assert best.cycles < max(one.cycles for one in found)
    with pytest.raises(
        ValueError, match=r"runs .* on ulx3s-25f, got none of 10; the last one: expected at most"
    ):
        nothing = BOARD.replace(luts=1000)
        explore(network, nothing, SMALL, evaluations=10, scheduler=cluster.scheduler_address)


def test_command(tmp_path, network, cluster):
    file, output = tmp_path / "net.farthing", tmp_path / "mine.json"
    write_network(file, network)
    arguments = ["explore", "--network", file, "--board", "ulx3s-25f", "--evaluations", 6, "-o", output]
    arguments += ["--scheduler", cluster.scheduler_address]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="farthing")
    assert result.exit_code == 0, result.output
    config = find_config(str(output))
    assert config.name == "mine"
    assert (
        f"{BOARD.frequency / sum(network_cycles(network, config).values()):,.0f} inferences" in result.output
    )
    assert "inferences a second" in result.output
    ElementTree.fromstring(output.with_suffix(".svg").read_text())
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    shown = CliRunner().invoke(main, ["estimate", "--preset", str(output), "--json"], prog_name="farthing")
    assert json.loads(shown.stdout)["preset"] == "mine"


@pytest.mark.parametrize("name, preset", [("tang-nano-9k", "nano"), ("icebreaker", "icebreaker")])
def test_boards_of_other_families(cluster, name, preset):
    board, base = find_board(name), Config.preset(preset)
    network = random_network(3, base, layers=3)
    found = explore(network, board, base, evaluations=12, scheduler=cluster.scheduler_address)
    for one in found:
        assert one.config.serial == base.serial and fit(one.resources, board).fits
        assert one.resources == count_resources(one.config, board.family)
        assert one.cycles == sum(network_cycles(network, one.config).values())
    assert len({one.shape.chunk for one in found}) > 1


def test_a_board_is_for_one_machine(tmp_path, network):
    write_network(tmp_path / "net.farthing", network)
    for board, preset, expected in (
        ("icebreaker", "small", "expected a serial machine for this board, got one with PEs, preset small"),
        ("ulx3s-25f", "icebreaker", "expected a machine with PEs for this board"),
    ):
        arguments = ["explore", "--network", tmp_path / "net.farthing", "--board", board, "--preset", preset]
        result = CliRunner().invoke(
            main, [*map(str, arguments), "-o", str(tmp_path / "x.json")], prog_name="farthing"
        )
        assert result.exit_code == 1 and expected in result.output
        assert not (tmp_path / "x.json").exists()


@pytest.mark.slow
def test_processes_of_its_own(network, cluster):
    alone = explore(network, BOARD, SMALL, evaluations=4, jobs=1)
    there = explore(network, BOARD, SMALL, evaluations=4, scheduler=cluster.scheduler_address)
    assert alone == there
