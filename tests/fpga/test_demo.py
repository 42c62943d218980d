import functools
import json

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from fpga.cli import main
from fpga.steps import Steps
from hw.config import Config
from sim import reference
from sim.network import simulate
from sw.compiler import compile_network
from sw.image import read_image
from sw.unpack import unpack


@pytest.fixture(scope="module")
def compressed():
    """A network that was trained for a moment; the demonstration itself trains for a minute."""
    pytest.importorskip("torch")
    from sw import digits

    return digits.compress_digits(seed=3, recipe=digits.QUICK, images=640)


@pytest.fixture
def demo(compressed, monkeypatch, tmp_path):
    """Runs the command with that network; gives its result and the folder."""
    monkeypatch.setattr("fpga.demo.compress_digits", lambda **options: compressed)

    def run(*arguments):
        return CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "out"), *arguments])

    run.folder = tmp_path / "out"
    return run


@pytest.fixture
def no_hardware(monkeypatch):
    """Steps that other tests see, and that an error before or after them does not need."""
    monkeypatch.setattr("fpga.demo.generate", lambda config: "module farthing; endmodule\n")
    monkeypatch.setattr("fpga.demo.accelerator_verilog", lambda config: "module top(input clk); endmodule\n")


@pytest.mark.slow
def test_every_tensor_equals_the_reference(demo, compressed):
    result = demo("--images", "2", "--seed", "3")
    assert result.exit_code == 0, result.output
    report = json.loads((demo.folder / "report.json").read_text())
    assert report["images"] == 2 and report["mismatches"] == 0 and report["first_mismatches"] == []
    names = [layer.name for layer in compressed.network.layers]
    assert [layer["name"] for layer in report["layers"]] == names
    assert all(layer["match"] and layer["cycles"] > 0 for layer in report["layers"])
    assert all(0 < layer["utilisation"] <= 1 for layer in report["layers"])
    assert report["tensors_compared"] == 2 * (len(names) + 1)
    assert report["cycles_per_image"] >= sum(layer["cycles"] for layer in report["layers"]) - 1
    # Channels that nothing is left of are gone.
    stem, block = (compressed.network.layers[names.index(name)].coefficients for name in ("stem", "block1"))
    dense = {"stem": 784 * len(stem) * 9, "block1": 49 * block.shape[0] * block.shape[1] * 9}
    for layer in report["layers"]:
        if layer["name"] in dense:
            assert layer["dense_ideal_cycles"] == dense[layer["name"]] / Config.preset("small").multipliers
    assert report["accuracy_float"] == compressed.compressed.accuracy_before
    dataset = compressed.dataset
    assert report["accuracy_integer"] == reference.accuracy(
        compressed.network, dataset.test_images, dataset.test_labels
    )
    assert report["accuracy_rtl"] == report["accuracy_reference_on_images"]
    assert report["compression_ratio"] == report["dense_bits"] / report["image_bits"] > 1
    assert report["seed"] == 3 and report["preset"] == "small"
    assert report["versions"]["numpy"] == np.__version__
    assert (demo.folder / report["verilog"]).read_text().startswith("// farthing ")
    for layer in names:
        assert layer in result.stdout
    assert "0 mismatches" in result.stdout

    # The image file holds the network that was compared.
    kept = unpack(read_image(demo.folder / report["image"]))
    images = dataset.test_images[:2]
    expected = reference.run(compressed.network, images)[names[-1]]
    assert np.array_equal(reference.run(kept, images)[names[-1]], expected)


@pytest.mark.slow
def test_a_difference_fails_the_demonstration(demo, monkeypatch):
    damaged = functools.partial(simulate, corrupt="expected", waves_on_mismatch=False)
    monkeypatch.setattr("fpga.demo.simulate", damaged)
    result = demo("--images", "2")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert (
        line.startswith("farthing: expected equal tensors on 2 images, got 1 mismatches")
        and "report.json" in line
    )
    report = json.loads((demo.folder / "report.json").read_text())
    assert report["mismatches"] == 1
    assert (
        "layer stem" in report["first_mismatches"][0]
        and "channel 0, row 0, column 0" in report["first_mismatches"][0]
    )
    assert [layer["name"] for layer in report["layers"] if not layer["match"]] in ([], ["stem"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--preset", "tiny"), "expected at most 16 channels"),
        (("--images", "1001"), "from 1 to 1000 images, got 1001"),
    ],
)
def test_refused_before_training(demo, monkeypatch, arguments, words):
    monkeypatch.setattr("fpga.demo.compress_digits", lambda **options: pytest.fail("trained all the same"))
    result = demo(*arguments)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("farthing: ") and words in line and "got" in line
    assert not demo.folder.exists()


@pytest.mark.slow
def test_missing_compiler_shows_before_training(demo, no_hardware, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fpga.demo.compress_digits", lambda **options: pytest.fail("trained all the same"))
    result = demo()
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("farthing: ") and "compiler" in line


@pytest.mark.slow
def test_wrong_image_size(compressed, tmp_path):
    config = Config.preset("small")
    program = compile_network(compressed.network, config)
    images = np.zeros((1, 1, 28, 27), np.uint8)
    with pytest.raises(ValueError, match=r"expected .*28.*got .*27"):
        simulate(program, compressed.network, images, config=config, work_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_steps_are_timed():
    console = Console(record=True, width=80, force_terminal=False)
    steps = Steps(console)
    with steps.step("first") as show:
        show(0.5, "half")
    with pytest.raises(ValueError, match="broken"), steps.step("second"):
        raise ValueError("broken")
    assert list(steps.seconds) == ["first"]
    assert console.export_text() == "first: 0.0 s\n"
