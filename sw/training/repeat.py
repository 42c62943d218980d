"""A frame that makes runs repeat exactly on one machine."""

import contextlib
import os

import torch

__all__ = ["repeatable"]


@contextlib.contextmanager
def repeatable(seed):
    """Within it, the same calls give the same numbers: seed, deterministic kernels and one thread.

    The number of threads decides the order of sums, so it must not hang on the machine. One is nearly as
    fast as two for small networks, and far faster where other programs keep the processor busy.
    """
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    if torch.cuda.is_available():
        # Without it, torch refuses the matrix products of a GPU as not repeatable.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Filling memory that is written anyway costs time and changes no result here.
    filling = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            torch.utils.deterministic.fill_uninitialized_memory = filling
