"""Commands on network files: tables of complexity, the roofline as a picture."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from fpga import network_report
from fpga.cli import main
from fpga.complexity_tables import storage_rows, work_rows
from hw.config import Config
from sw.compiler import compile_network
from sw.complexity import integer_complexity, total
from sw.image import write_image
from sw.network_file import write_network
from sw.roofline import Point, Roofline, make_machine
from tests.sw.networks import random_network

CONFIG = Config.preset("small")


@pytest.fixture
def network():
    return random_network(5, CONFIG, layers=6, kinds=("clamp", "depthwise", "windows", "concatenation"))


@pytest.fixture
def file(tmp_path, network):
    write_network(tmp_path / "net.farthing", network)
    return tmp_path / "net.farthing"


def farthing(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def number(text):
    return int(text.replace(",", "") or 0)


def test_rows_end_in_their_sums(network):
    layers = integer_complexity(network)
    for rows, columns in ((storage_rows(layers), (3, 4, 6, 7, 8)), (work_rows(layers), range(1, 8))):
        assert [row[0] for row in rows] == [*(layer.name for layer in network.layers), "network"]
        for column in columns:
            parts = [number(row[column]) for row in rows]
            assert sum(parts[:-1]) == pytest.approx(parts[-1], abs=len(rows))
    zeros = storage_rows(layers)[-1][5]
    coefficients = sum(layer.coefficients for layer in layers)
    assert zeros == f"{1 - sum(layer.nonzero for layer in layers) / coefficients:.1%}"


def test_inspect_shows_every_layer_of_a_network(file, network):
    result = farthing("inspect", file)
    assert result.exit_code == 0, result.output
    for layer in network.layers:
        assert len(re.findall(rf"│ {layer.name} +│", result.stdout)) == 2
    whole = total(integer_complexity(network))
    for value in (whole.bits, whole.bits_zeros_free, whole.adds, whole.multiply_adds, whole.operations):
        assert f" {value:,} │" in result.stdout
    assert all(len(line) <= 120 for line in result.stdout.splitlines())


def test_inspect_counts_the_bits_of_an_image(file, network):
    result = farthing("inspect", file, "--preset", "small")
    assert result.exit_code == 0, result.output
    assert f" {compile_network(network, CONFIG).bits:,} │" in result.stdout


def test_an_image_has_its_preset(tmp_path, network):
    write_image(tmp_path / "image", compile_network(network, CONFIG))
    assert farthing("inspect", tmp_path / "image").exit_code == 0
    result = farthing("inspect", tmp_path / "image", "--preset", "small")
    assert result.exit_code == 1 and "expected no --preset with an image" in result.stderr


def test_what_is_achieved_comes_from_cycles(network):
    fast, slow = (network_report.measure_roofline(network, CONFIG, clock, 1e5) for clock in (100, 50))
    assert slow.achieved
    for name, point in slow.achieved.items():
        assert fast.achieved[name].performance == pytest.approx(2 * point.performance)
        assert fast.achieved[name].intensity == point.intensity


def test_roofline_draws(file, tmp_path, network):
    pytest.importorskip("matplotlib")
    contents = {}
    for name in ("one.svg", "two.svg", "one.png"):
        result = farthing("roofline", file, "-o", tmp_path / name, "--clock", "40")
        assert result.exit_code == 0, result.output
        contents[name] = (tmp_path / name).read_bytes()
    assert contents["one.svg"] == contents["two.svg"]
    assert contents["one.png"].startswith(b"\x89PNG")
    root = ElementTree.fromstring(contents["one.svg"])
    # Matplotlib keeps a text that it draws as a comment beside its outlines.
    text = contents["one.svg"].decode()
    assert root.tag.endswith("svg") and "random, preset small at 40 MHz" in text
    assert "activation memory, 1.36GB/s" in text and "host link, 100kB/s" in text
    assert "attainable" in result.stdout


def test_roofline_takes_pictures_only(file, tmp_path):
    pytest.importorskip("matplotlib")
    result = farthing("roofline", file, "-o", tmp_path / "roofline.txt")
    assert result.exit_code == 1
    assert "expected a file called .svg or .png, got roofline.txt" in result.stderr
    assert not (tmp_path / "roofline.txt").exists()


def test_an_image_has_no_roofline(tmp_path, network):
    write_image(tmp_path / "image", compile_network(network, CONFIG))
    result = farthing("roofline", tmp_path / "image", "-o", tmp_path / "roofline.svg")
    assert result.exit_code == 1 and "expected a network file" in result.stderr


def test_labels_name_runs_of_layers():
    plot = pytest.importorskip("fpga.roofline_plot")
    assert plot.number_ranges([3]) == "3"
    assert plot.number_ranges([1, 3, 4, 5, 9]) == "1,3-5,9"


def crowded(seed):
    """A roofline of 22 layers, many of them on the same spots."""
    random = np.random.default_rng(seed)
    machine = make_machine(CONFIG, 50)

    def points():
        intensity = np.round(10 ** random.uniform(0, 2, 22), 1)
        return {
            f"layer{number}": Point(
                intensity=value, performance=float(10 ** random.uniform(8, 9) / value**0.5)
            )
            for number, value in enumerate(intensity)
        }

    whole = {state: Point(intensity=1e4, performance=1e8) for state in ("before", "after", "achieved")}
    return Roofline(machine=machine, before=points(), after=points(), achieved=points(), network=whole)


@pytest.mark.parametrize("seed", range(3))
def test_texts_of_a_picture_are_apart(seed):
    """Numbers beside points do not overlap, and stay in their panel."""
    plot, text = pytest.importorskip("fpga.roofline_plot"), pytest.importorskip("matplotlib.text")
    figure = plot.draw_roofline(crowded(seed), "title", "note")
    figure.canvas.draw()
    for panel in figure.axes[:2]:
        # Without the line that leads to the point.
        boxes = [text.Text.get_window_extent(label) for label in panel.texts]
        assert len(boxes) > 10
        for index, box in enumerate(boxes):
            assert panel.get_window_extent().padded(1).count_contains(box.get_points()) == 2
            assert not any(box.overlaps(other) for other in boxes[:index])


def test_a_network_that_computes_nothing_is_refused(network):
    plot = pytest.importorskip("fpga.roofline_plot")
    roofline = network_report.measure_roofline(network, CONFIG, 50, 1e5)
    empty = type(roofline)(machine=roofline.machine, before={}, after={}, achieved={}, network={})
    with pytest.raises(ValueError, match="expected a layer that computes something"):
        plot.draw_roofline(empty, "title")
    assert np.isfinite([point.performance for point in roofline.after.values()]).all()
