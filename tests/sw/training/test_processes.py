"""Several processes, as ``accelerate launch`` starts them, train one network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sw.training.processes import Processes

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path):
    launch = "launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", *launch.split()]
    command += ["--main_process_port", "0", "-m", "tests.sw.training.shared", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{index}.json").read_text()) for index in range(2))
    assert first == second and first["processes"] == 2
    assert first["stopped"] == first["whole"]
    assert first["whole"][1] > 0.6


def test_one_process_is_the_first_of_one():
    processes = Processes("cpu")
    assert (processes.index, processes.count, processes.first) == (0, 1, True)
    assert processes.device == torch.device("cpu")
    assert processes.sums(2, torch.tensor(3.5), True) == [2.0, 3.5, 1.0]
    assert processes.gather("state") == ["state"]
