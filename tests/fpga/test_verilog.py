import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hw.config import Config

ROOT = Path(__file__).parents[2]


def generate(preset, output, seed, folder):
    """The file of ``farthing verilog``, written by a process with another order of hash tables."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from fpga.cli import main; main()",
            "verilog",
            "--preset",
            preset,
            "-o",
            output,
        ],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        timeout=300,
        check=True,
    )
    return output.read_text()


@pytest.mark.slow
def test_verilog_is_the_same_everywhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    text = generate("tiny", tmp_path / "a.v", 1, tmp_path)
    assert text == generate("tiny", tmp_path / "b.v", 2, tmp_path / "elsewhere")

    config = Config.preset("tiny")
    assert text.startswith("// farthing ")
    assert f"preset tiny, configuration digest {config.digest:08x}\n" in text
    assert re.search(r"^module farthing\(", text, re.MULTILINE)
    for port in ("i__payload", "i__valid", "i__ready", "o__payload", "o__valid", "o__ready", "clk", "rst"):
        assert re.search(rf"^  (in|out)put (\[\d+:0\] )?{port};", text, re.MULTILINE), port
    assert not re.search(r"(?<![\w/*])/\w+/", text), "a path"
    assert str(ROOT) not in text and ".py" not in text
