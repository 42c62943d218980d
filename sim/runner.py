"""Run a cocotb bench on a component, and believe nothing but tests that ran and passed."""

import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .simulators import BenchFailure, ToolMissing, build_simulator, run_worker, tail, to_verilog

__all__ = ["BenchFailure", "BenchResult", "ToolMissing", "bench_parameters", "run_bench"]

#: Environment variable that names the JSON file with the parameters of the running bench.
_PARAMETERS = "FARTHING_BENCH_PARAMETERS"


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """A bench that passed."""

    #: Names of the tests that ran.
    tests: tuple[str, ...]
    #: Seed of cocotb's random numbers.
    seed: int
    #: The simulator's whole log.
    log: str
    #: The waveform, or ``None``.
    waves: Path | None
    #: Wall clock of getting the simulator, from the cache or newly built, and of running it.
    build_seconds: float
    run_seconds: float


def bench_parameters():
    """Inside a bench: the parameters that ``run_bench`` was given."""
    return json.loads(Path(os.environ[_PARAMETERS]).read_text())


def run_bench(
    design,
    test_module,
    *,
    toplevel="top",
    test_filter=None,
    parameters=None,
    seed=1,
    waves=None,
    work_dir=None,
    limit_seconds=300,
    watch=None,
):
    """Build the simulator of a design and run the cocotb tests of a module on it.

    Parameters
    ----------
    design : amaranth component or str
        What is tested; a text is Verilog that contains the module ``toplevel``.
    test_module : str
        Importable name of the module with ``@cocotb.test`` functions.
    test_filter : str, optional
        Regular expression; only tests whose names it matches are run.
    parameters : dict, optional
        Anything JSON can hold; the bench gets it from ``bench_parameters()``.
    seed : int
        Seed of ``random`` in the bench.
    waves : None, "vcd" or "fst"
        Write ``dump.vcd`` or ``dump.fst`` to ``work_dir``, with a simulator built for it.
    work_dir : path, optional
        Folder for logs, results and waves; without it a temporary one that only a failure leaves behind.
    limit_seconds : float
        Wall clock limit of the simulation; after it all its processes are killed.
    watch : function, optional
        Called now and then while the simulation runs.

    Returns
    -------
    BenchResult

    Raises
    ------
    BenchFailure
        If a test failed, no test ran, the filter matched nothing, the simulator died or the limit passed.
    ToolMissing
        If a program that a build needs is not installed.
    """
    start = time.monotonic()
    text = design if isinstance(design, str) else to_verilog(design, toplevel)
    simulator = build_simulator(text, toplevel, waves=waves)
    built = time.monotonic()
    folder = Path(work_dir or tempfile.mkdtemp(prefix="farthing-bench-")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.xml"
    results.unlink(missing_ok=True)
    parameter_file = folder / "parameters.json"
    parameter_file.write_text(json.dumps(parameters or {}))
    job = {
        "test_module": test_module,
        "hdl_toplevel": toplevel,
        "hdl_toplevel_lang": "verilog",
        "build_dir": str(simulator),
        "test_dir": str(folder),
        "results_xml": str(results),
        "seed": seed,
        "waves": waves is not None,
        "log_file": str(folder / "test.log"),
        "test_filter": test_filter,
        "extra_env": {},
    }
    environment = {_PARAMETERS: str(parameter_file), "COCOTB_ANSI_OUTPUT": "0"}
    code = run_worker("test", job, folder, environment=environment, limit_seconds=limit_seconds, watch=watch)
    finished = time.monotonic()
    tests, failure = _judge(code, results, limit_seconds)
    if failure:
        raise BenchFailure(f"{test_module}: {failure} (seed {seed}, folder {folder})\n{tail(folder)}")
    log = (folder / "test.log").read_text(errors="replace")
    if work_dir is None and waves is None:
        shutil.rmtree(folder, ignore_errors=True)
    return BenchResult(
        tests=tests,
        seed=seed,
        log=log,
        waves=folder / f"dump.{waves}" if waves else None,
        build_seconds=built - start,
        run_seconds=finished - built,
    )


def _judge(code, results, limit_seconds):
    """Names of the tests that ran, and what is wrong, if anything is."""
    if code is None:
        return (), f"the simulation took more than {limit_seconds} s"
    if not results.is_file():
        return (), f"the simulator died with exit code {code} before it wrote results"
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    ran = tuple(case.get("name") for case in cases if case.find("skipped") is None)
    bad = [
        case.get("name")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    if bad:
        return ran, f"{len(bad)} of {len(cases)} tests failed: {', '.join(bad)}"
    if not ran:
        return ran, "no test ran: none there, all skipped, or the filter matched nothing"
    if code:
        return ran, f"the simulator died with exit code {code} after its tests"
    return ran, None
