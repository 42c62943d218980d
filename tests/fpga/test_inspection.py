import numpy as np
import pytest
from click.testing import CliRunner

from fpga.cli import main
from hw.config import Config
from sw.compiler import compile_network
from sw.image import write_image
from sw.network import Convolution, IntegerNetwork, MaxPool, TensorInfo


@pytest.fixture
def image(tmp_path):
    coefficients = np.zeros((2, 3, 1), np.int8)
    coefficients[0, :2] = 1
    coefficients[1, 2] = -1
    layers = (
        Convolution(
            name="edges",
            input="input",
            coefficients=coefficients,
            bases=np.arange(9, dtype=np.int8).reshape(1, 3, 3),
            stride=1,
            padding=(1, 1, 1, 1),
            multiplier=np.full(2, 3, np.int64),
            bias=np.zeros(2, np.int64),
            shift=4,
            low=-128,
            high=127,
        ),
        MaxPool(name="half", input="edges", window=(2, 2), stride=2),
    )
    info = TensorInfo(channels=3, height=6, width=4, signed=False)
    network = IntegerNetwork(name="drawing", input=info, input_scale=1.0, layers=layers)
    write_image(tmp_path / "image", compile_network(network, Config.preset("tiny")))
    return tmp_path / "image"


def inspect(path):
    return CliRunner().invoke(main, ["inspect", str(path)])


def test_tables(image):
    result = inspect(image)
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines()]
    rows = [row for row in rows if row]
    multiply_adds = str(2 * 3 * 9 * 6 * 4)
    assert rows[0] == [
        "edges",
        "convolution",
        "1",
        "2 x 6 x 4",
        "-128..127",
        f"{int(multiply_adds):,}",
        "1",
        "50.0%",
        "1",
        "1.00",
    ]
    assert rows[1] == ["half", "max pool", "1", "2 x 3 x 2", "-128..127", "", "", "", "", ""]
    sections = dict(row for row in rows if len(row) == 2)
    bits = [int(value.replace(",", "")) for value in sections.values()]
    assert set(sections) == {"program", "basis", "scale", "coefficient", "all"}
    assert sum(bits[:-1]) == bits[-1]
    assert "drawing for preset tiny" in result.stdout and "input 3 x 6 x 4, 0..255" in result.stdout


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-40], "truncated: expected"),
        (lambda content: content[:5], "truncated: expected"),
        (lambda content: b"", "not a farthing image"),
        (lambda content: b"PK" + content, "not a farthing image"),
        (lambda content: content + b"\0", "too long: expected"),
        (lambda content: content[:200] + bytes([content[200] ^ 4]) + content[201:], "checksum mismatch"),
    ],
)
def test_damaged_image(image, damage, message):
    image.write_bytes(damage(image.read_bytes()))
    result = inspect(image)
    assert result.exit_code == 1 and result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"farthing: {image}: ") and message in line


def test_a_folder_is_no_image(tmp_path):
    result = inspect(tmp_path)
    assert result.exit_code == 1
    assert result.stderr == (
        f"farthing: expected a file that can be used, got 'Is a directory' for {tmp_path}; check its name\n"
    )
