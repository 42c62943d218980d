"""Runs that are stopped and go on are, to the bit, those that are not."""

import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from .interrupted import SETTINGS, STEPS, at, run
from .patterns import patterns, small_network

ROOT = Path(__file__).parents[3]


class Stopped(Exception):
    """What stops a run in this process."""


def stop():
    raise Stopped


@pytest.fixture(scope="module")
def whole():
    """Weights and records of a run that nothing stopped."""
    return run(None)


def same(records):
    """All of records but their time."""
    return [dataclasses.replace(record, seconds=0.0) for record in records]


def test_checkpoints_change_nothing(whole, tmp_path):
    assert run(tmp_path / "run.pt")[0] == whole[0]
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("step", [2, STEPS, STEPS + 1, STEPS + 5, 3 * STEPS - 1, 3 * STEPS])
def test_stopped_runs_go_on(whole, tmp_path, step):
    path = tmp_path / "deep" / "folder" / "run.pt"
    with pytest.raises(Stopped):
        run(path, on_step=at(step, stop))
    # Other first weights and generators: all must come from the file.
    steps = []
    result, records = run(path, seed=5, on_step=lambda network, fraction: steps.append(fraction))
    assert result == whole[0] and same(records) == same(whole[1])
    # All of the step that was stopped is done again, and nothing before it.
    assert steps[0] == step / (3 * STEPS)


def test_a_run_may_be_stopped_again_and_again(whole, tmp_path):
    for seed, step in enumerate((3, 4, 11, 20)):
        with pytest.raises(Stopped):
            run(tmp_path / "run.pt", seed=seed, on_step=at(step, stop))
    assert run(tmp_path / "run.pt", seed=9)[0] == whole[0]


def test_a_finished_run_is_read_back(whole, tmp_path):
    run(tmp_path / "run.pt")
    result, records = run(tmp_path / "run.pt", seed=5, on_step=at(1, stop))
    assert result == whole[0] and same(records) == same(whole[1])


def test_optimisers_with_more_state(tmp_path):
    settings = dataclasses.replace(SETTINGS, optimiser="adamw", rate=0.01, averaging=None, epochs=2)
    expected, _ = run(None, settings=settings)
    with pytest.raises(Stopped):
        run(
            tmp_path / "run.pt",
            settings=settings,
            on_step=lambda network, fraction: fraction > 0.6 and stop(),
        )
    assert run(tmp_path / "run.pt", seed=5, settings=settings)[0] == expected


@pytest.mark.slow
@pytest.mark.parametrize(("step", "how"), [(13, []), (13, ["write"])])
def test_killed_runs_go_on(whole, tmp_path, step, how):
    path = tmp_path / "run.pt"
    command = [sys.executable, "-m", "tests.sw.training.interrupted", str(path), str(step), *how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert torch.load(path, weights_only=True)["state"]["step"] == step - STEPS - 1
    result, records = run(path, seed=5)
    assert result == whole[0] and same(records) == same(whole[1])


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"rate": 0.1}, {}, r"with rate 0\.1, got one with 0\.05: delete it, or name another"),
        ({"precision": "bfloat16"}, {}, "with precision 'bfloat16', got one with 'float32'"),
        ({}, {"network": small_network(outputs=5)}, "with network '"),
        ({}, {"dataset": patterns(seed=1)}, "with data set '"),
        ({}, {"groups": lambda network: [{"params": network.parameters(), "rate": 2.0}]}, "with rates "),
        (
            {},
            {"about": {"pruning": {"share": 0.9}}},
            r"with about\.pruning\.share 0\.9, got one with 0\.8: delete it",
        ),
        (
            {},
            {"about": {"pruning": {"share": 0.8, "settings": SETTINGS}, "later": None}},
            "with about\\.later None",
        ),
    ],
)
def test_checkpoints_of_another_run_are_refused(tmp_path, changes, options, message):
    path = tmp_path / "run.pt"
    about = {"pruning": {"share": 0.8, "settings": SETTINGS}}
    with pytest.raises(Stopped):
        run(path, on_step=at(2, stop), about=about)
    content = path.read_bytes()
    options = {"about": about} | options
    with pytest.raises(ValueError, match=message) as caught:
        run(path, settings=dataclasses.replace(SETTINGS, **changes), **options)
    assert str(caught.value).startswith(f"{path}: expected ") and "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_where_and_how_often_is_no_part_of_a_run(tmp_path, whole):
    path = tmp_path / "run.pt"
    with pytest.raises(Stopped):
        run(path, on_step=at(11, stop), about={"later": (SETTINGS, None)})
    settings = dataclasses.replace(SETTINGS, checkpoint_minutes=5.0, device="cpu")
    assert run(path, settings=settings, about={"later": (settings, None)})[0] == whole[0]


def test_minutes_between_checkpoints(tmp_path):
    path = tmp_path / "run.pt"
    settings = dataclasses.replace(SETTINGS, checkpoint_minutes=5.0)
    for step, saved in ((STEPS, (0, 0)), (STEPS + 3, (1, 0))):
        with pytest.raises(Stopped):
            run(path, settings=settings, on_step=at(step, stop))
        state = torch.load(path, weights_only=True)["state"]
        assert (state["epoch"], state["step"]) == saved


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("kind", ["text", "half", "weights", "harmful"])
def test_files_that_are_no_checkpoint_are_refused(tmp_path, kind):
    path = tmp_path / "run.pt"
    if kind == "weights":
        torch.save(small_network().state_dict(), path)
    elif kind == "harmful":
        torch.save({"run": Harmful(), "state": {}}, path)
    else:
        with pytest.raises(Stopped):
            run(path, on_step=at(2, stop))
        content = path.read_bytes()
        path.write_bytes(b"hello" if kind == "text" else content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"run\.pt: expected a checkpoint of a training run") as caught:
        run(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"run\.pt: expected to write a checkpoint, got"):
        run(tmp_path / "file" / "run.pt")


def test_global_generators_end_where_they_would_have(tmp_path):
    run(None)
    expected = np.random.rand()  # noqa: NPY002
    with pytest.raises(Stopped):
        run(tmp_path / "run.pt", on_step=at(6, stop))
    run(tmp_path / "run.pt", seed=5)
    assert np.random.rand() == expected  # noqa: NPY002
