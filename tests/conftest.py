"""What every test has in common: one cache of simulators, repeatable random numbers, benches that leave nothing."""

import os
import random
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
SEED = 20

# Unless the caller chose a place: all tests, wherever they run, share one cache of built simulators.
os.environ.setdefault("FARTHING_CACHE", str(ROOT / "build" / "simulators"))


def pytest_report_header():
    """The settings on which a repetition depends."""
    seed = os.environ.get("PYTHONHASHSEED", "random")
    return f"farthing: simulators in {os.environ['FARTHING_CACHE']}, PYTHONHASHSEED {seed}"


def pytest_runtest_setup(item):
    """Global random numbers start anew for each test; a failing test shows the seed in its captured output."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - code that still uses the global generator must repeat as well
    # Networks take their first weights from torch, which not every installation has.
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)
    print(f"global seed {SEED}")
