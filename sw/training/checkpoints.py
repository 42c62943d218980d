"""State of a training run in a file that is whole at every moment, and that only the same run goes on from."""

import hashlib
import io
import pickle
import random
from pathlib import Path

import numpy as np
import torch

from ..files import replace_file
from .settings import plain

__all__ = ["Checkpoint", "identity", "random_state", "restore_random_state"]


class Checkpoint:
    """A file with the state of one run.

    Parameters
    ----------
    path : path
        Its folder is made if it is missing.
    run : dict
        As from ``identity``.
    """

    def __init__(self, path, run):
        self._path = Path(path)
        self._run = run

    def save(self, state):
        """Replaces the file in one step; ``state`` is of tensors, numbers, strings and containers.

        Raises
        ------
        ValueError
            If the file cannot be written.
        """
        content = io.BytesIO()
        torch.save({"run": self._run, "state": state}, content)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, content.getvalue())
        except OSError as error:
            raise ValueError(
                f"{self._path}: expected to write a checkpoint, got {error.strerror or error}"
            ) from None

    def load(self):
        """The state last saved, or ``None`` if there is none.

        Raises
        ------
        ValueError
            If the file is of another run, naming the first difference, or no checkpoint.
        """
        if not self._path.exists():
            return None
        try:
            content = torch.load(self._path, weights_only=True, map_location="cpu")
            run, state = content["run"], content["state"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"{self._path}: expected a checkpoint of a training run, got a file that is none "
                f"({type(error).__name__}): delete it, or name another"
            ) from None
        if run != self._run:
            name, wanted, got = _difference(self._run, run)
            raise ValueError(
                f"{self._path}: expected a checkpoint of this run with {name} {wanted!r}, got one with {got!r}: "
                "delete it, or name another"
            )
        return state


def identity(network, dataset, settings, **others):
    """What a run is, in plain values: settings, shapes of the network, data set, and ``others``."""
    shapes = [(name, tuple(value.shape), str(value.dtype)) for name, value in network.state_dict().items()]
    images = (dataset.train_images.shape, dataset.classes, dataset.train_labels.tobytes())
    return {**plain(settings), **plain(others), "network": _digest(shapes), "data set": _digest(images)}


def _difference(one, other):
    """Name and both values of the first thing in which two dictionaries differ."""
    names = [*one, *other]
    # What is there as None differs from what is not there.
    name = next(name for name in names if (name in one, one.get(name)) != (name in other, other.get(name)))
    values = one.get(name), other.get(name)
    if all(isinstance(value, dict) for value in values):
        deeper, *values = _difference(*values)
        name = f"{name}.{deeper}"
    return name, *values


def _digest(value):
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def random_state(device):
    """State of all global random generators: of torch, Python and numpy."""
    numbers = np.random.get_state(legacy=False)  # noqa: NPY002 - code that uses the global generator must go on with it
    return {
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": random.getstate(),
        "numpy": {**numbers, "state": {**numbers["state"], "key": numbers["state"]["key"].tolist()}},
    }


def restore_random_state(state, device):
    """The opposite of ``random_state``."""
    torch.set_rng_state(state["torch"])
    if state["device"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["device"], device)
    random.setstate(state["python"])
    numbers = state["numpy"]
    key = np.array(numbers["state"]["key"], np.uint32)
    np.random.set_state({**numbers, "state": {**numbers["state"], "key": key}})  # noqa: NPY002 - as above
