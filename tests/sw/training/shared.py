"""A training that ``accelerate launch`` starts in several processes; each writes what it has in the end into a folder."""

import json
import sys
from pathlib import Path

import torch
from accelerate import PartialState

from sw.training import TrainingSettings, repeatable, train

from .patterns import patterns, small_network, weights


def alternate(network, epoch):
    """Which parameters are trained changes, and the first epoch begins with some that are not."""
    network.unit("first").weight.requires_grad_(epoch > 0)
    network.unit("second").weight.requires_grad_(epoch < 2)


def main(folder):
    """Trains, stops in the middle, goes on; and once more without stopping."""
    settings = TrainingSettings(epochs=3, batch=32, rate=0.05, averaging=0.9, checkpoint_minutes=0.0)
    results = {}

    def stop(network, fraction):
        if fraction > 0.4:
            raise InterruptedError

    for name, on_step in (("stopped", stop), ("stopped", None), ("whole", None)):
        options = {"on_epoch": alternate, "on_step": on_step, "checkpoint": folder / f"{name}.pt"}
        try:
            with repeatable(0):
                network = small_network()
                records = train(network, patterns(), settings, **options)
        except InterruptedError:
            continue
        kept = {key: value.hex() for key, value in weights(network).items()}
        results[name] = [kept, records[-1].test_accuracy]
    state = PartialState()
    results["processes"] = state.num_processes
    (folder / f"{state.process_index}.json").write_text(json.dumps(results))
    if state.num_processes > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
