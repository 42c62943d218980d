"""One step of a bench in a process of its own: ``python -m sim.worker build|test JOB.json``.

cocotb's runner exits, changes its environment and behaves otherwise under pytest; here it cannot reach
the caller, and the caller can end the whole process group when a limit has passed.
"""

import json
import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

__all__ = ["main"]


def main(step, job_file):
    """Do ``step``, a method of cocotb's runner, with the arguments in ``job_file``."""
    job = json.loads(Path(job_file).read_text())
    getattr(get_runner("verilator"), step)(**job)


if __name__ == "__main__":
    main(*sys.argv[1:])
