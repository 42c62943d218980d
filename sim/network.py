"""Run a network on the simulated accelerator and compare every tensor with the reference."""

import dataclasses
import hashlib
import importlib.metadata
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import hw
from hw.accelerator import Accelerator
from hw.protocol import Target
from hw.uart import SerialCore
from sw.image import write_image
from sw.network import INPUT
from sw.records import decode_lists, encode_list

from . import reference
from .runner import run_bench
from .simulators import BenchFailure, build_simulator, cache_folder, to_verilog

__all__ = [
    "CORRUPTIONS",
    "Mismatch",
    "NetworkRun",
    "StreamRun",
    "accelerator_verilog",
    "simulate",
    "simulate_stream",
]

#: What ``simulate(corrupt=...)`` can damage, to see that it is noticed.
CORRUPTIONS = ("coefficient", "basis", "expected")

#: Cycles that one request may take before the simulation is given up.
LIMIT_CYCLES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A tensor that differs from the reference: where first, and how often."""

    image: int
    layer: str
    #: False if the layer had been run by itself, true if the whole program had been run at once.
    whole: bool
    channel: int
    row: int
    column: int
    expected: int
    got: int
    #: Elements that differ, of how many.
    count: int
    size: int

    def __str__(self):
        run = " after a run of the whole network" if self.whole else ""
        return (
            f"image {self.image}, layer {self.layer}{run}: {self.count} of {self.size} values differ, first at channel "
            f"{self.channel}, row {self.row}, column {self.column}: expected {self.expected}, got {self.got}"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkRun:
    """What the simulated accelerator did."""

    layer_names: tuple[str, ...]
    #: Images that were run; fewer than were given if one differed.
    images: int
    #: int64 [images, K, H, W]: results of runs of the whole network.
    outputs: np.ndarray
    #: int64 [images, layers]: cycles of all steps of each layer, as the device counts them.
    layer_cycles: np.ndarray
    #: int64 [images]: cycles of the whole network, as the device counts them.
    cycles: np.ndarray
    #: Tensors of the first image that differed, in the order in which they were made.
    mismatches: tuple[Mismatch, ...]
    #: Waveform of that image up to the first tensor that differs, or ``None``.
    waves: Path | None
    #: Tensors compared for each image.
    tensors: int
    #: Clock cycles of the simulation, loading and reading included; wall clock of running and of building it.
    simulated_cycles: int
    seconds: float
    build_seconds: float

    @property
    def passed(self):
        """Every tensor of every image equals the reference."""
        return not self.mismatches


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamRun:
    """Images that the simulated accelerator ran one after the other."""

    #: Whether each image was loaded while the one before ran.
    overlapped: bool
    #: int64 [images, K, H, W].
    outputs: np.ndarray
    #: int64 [images]: cycles of each run, as the device counts them.
    cycles: np.ndarray
    #: Clock cycles from the first run to the answer that the last is over: runs, and what of loading and reading
    #: took time of its own, with a byte a cycle each way.
    stream_cycles: int
    #: Results that differ from the reference.
    mismatches: tuple[Mismatch, ...]

    @property
    def passed(self):
        """Every result equals the reference."""
        return not self.mismatches


def simulate(
    program,
    network,
    images,
    *,
    config,
    work_dir,
    every_tensor=True,
    progress=None,
    corrupt=None,
    waves_on_mismatch=True,
    limit_cycles=LIMIT_CYCLES,
    limit_seconds=3600,
):
    """Run images on the accelerator in Verilator, through its host link.

    For each image every layer is run by itself and its tensor read and compared, as tensors give up their place
    later on; then the whole program is run, the result compared and the cycle counters read. The comparison is
    equality with ``sim.reference``. The first image that differs ends the run; it is run once more with waves on.

    Parameters
    ----------
    program : sw.program.Program
        ``network`` compiled for ``config``.
    network : sw.network.IntegerNetwork
    images : integer array [n, C, H, W]
    config : hw.config.Config
    work_dir : path
        Folder for reports, logs and waves.
    every_tensor : bool
        False runs only the whole program and compares only results.
    progress : function of (done, images), optional
        Called now and then while the simulation runs.
    corrupt : one of ``CORRUPTIONS``, optional
        Flip one coefficient or one tap of the program, or one expected value of the first layer.
    waves_on_mismatch : bool
        Whether to repeat an image that differs.
    limit_cycles, limit_seconds : int
        Cycles of one request, and wall clock of the simulation, after which it is given up.

    Returns
    -------
    NetworkRun

    Raises
    ------
    BenchFailure
        If the simulation came to no result: the device refused a request or did not answer.
    """
    if corrupt not in (None, *CORRUPTIONS):
        raise ValueError(f"expected a corruption from {', '.join(CORRUPTIONS)}, got {corrupt!r}")
    tensors = _reference_tensors(program, network, images, config)
    if corrupt == "expected":
        tensors[program.layer_names[0]][0, 0, 0, 0] ^= 1
    elif corrupt:
        program = _corrupt(program, corrupt)
    bench = _Bench(program, tensors, accelerator_verilog(config), every_tensor, limit_cycles, limit_seconds)
    work_dir = Path(work_dir).absolute()
    start = time.monotonic()
    build_simulator(bench.verilog, "top")
    built = time.monotonic()
    report, outputs = bench.run(work_dir / "run", slice(None), progress=progress)
    finished = time.monotonic()
    if progress:
        progress(len(outputs["outputs"]), len(tensors[INPUT]))
    mismatches = tuple(Mismatch(**fields) for fields in report["mismatches"])
    waves = None
    if mismatches and waves_on_mismatch:
        first = mismatches[0]
        folder = work_dir / "run-with-waves"
        bench.run(folder, slice(first.image, first.image + 1), waves="vcd")
        waves = work_dir / f"mismatch-image{first.image}-{first.layer}.vcd"
        shutil.move(folder / "dump.vcd", waves)
    return NetworkRun(
        layer_names=program.layer_names,
        images=len(outputs["outputs"]),
        outputs=outputs["outputs"],
        layer_cycles=outputs["counters"],
        cycles=outputs["run_cycles"],
        mismatches=mismatches,
        waves=waves,
        tensors=(len(program.layer_names) if every_tensor else 0) + 1,
        simulated_cycles=report["simulated_cycles"],
        seconds=finished - built,
        build_seconds=built - start,
    )


def simulate_stream(
    program,
    network,
    images,
    *,
    config,
    work_dir,
    overlap=True,
    limit_cycles=LIMIT_CYCLES,
    limit_seconds=3600,
):
    """Run images one after the other as a user would, and compare their results with ``sim.reference``.

    Each image is loaded while the one before runs if ``overlap``, and if the program frees the words of the input
    during a run (``input_free``). Parameters are those of ``simulate``.

    Returns
    -------
    StreamRun

    Raises
    ------
    BenchFailure
        If the simulation came to no result: the device refused a request or did not answer.
    """
    tensors = _reference_tensors(program, network, images, config)
    overlapped = overlap and any(step["input_free"] for step in program.layers)
    bench = _Bench(
        program, tensors, accelerator_verilog(config), False, limit_cycles, limit_seconds, overlapped
    )
    report, outputs = bench.run(Path(work_dir).absolute() / "stream", slice(None))
    return StreamRun(
        overlapped=overlapped,
        outputs=outputs["outputs"],
        cycles=outputs["run_cycles"],
        stream_cycles=report["stream_cycles"],
        mismatches=tuple(Mismatch(**fields) for fields in report["mismatches"]),
    )


def _reference_tensors(program, network, images, config):
    """All tensors of the reference, or ``ValueError`` if there is nothing that could be simulated."""
    if program.config != config:
        raise ValueError(f"expected a program for {config.name}, got one for {program.config.name}")
    tensors = reference.run(network, images)
    if not len(tensors[INPUT]):
        raise ValueError("expected at least one image, got none")
    return tensors


def accelerator_verilog(config, divisor=None):
    """Verilog of the accelerator, module ``top``; kept, as elaboration takes seconds.

    With a ``divisor`` it has the pins of a serial line with so many cycles a bit, without it byte streams.
    """
    sources = sorted(Path(hw.__file__).parent.glob("*.py"))
    key = hashlib.sha256(
        json.dumps([config.to_dict(), divisor, importlib.metadata.version("amaranth")]).encode()
    )
    for source in sources:
        key.update(source.name.encode() + source.read_bytes())
    kept = cache_folder() / f"accelerator-{key.hexdigest()[:32]}.v"
    if kept.is_file():
        return kept.read_text()
    core = Accelerator(config)
    text = to_verilog(core if divisor is None else SerialCore(core, divisor))
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = kept.with_suffix(f".{time.monotonic_ns()}")
    new.write_text(text)
    new.replace(kept)
    return text


@dataclass(frozen=True)
class _Bench:
    """One simulation, repeatable for part of the images."""

    program: object
    tensors: dict
    verilog: str
    every_tensor: bool
    limit_cycles: int
    limit_seconds: int
    #: To run images as a stream: whether each is loaded during the run before.
    overlap: bool | None = None

    def run(self, folder, images, *, waves=None, progress=None):
        """Report and arrays of the bench, which may have found differences but must have come to its end."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("report.json", "outputs.npz", "progress"):
            (folder / name).unlink(missing_ok=True)
        write_image(folder / "program.farthing", self.program)
        tensors = {name: tensor[images] for name, tensor in self.tensors.items()}
        np.savez(folder / "tensors.npz", **tensors)
        parameters = {
            "folder": str(folder),
            "every_tensor": self.every_tensor,
            "overlap": self.overlap,
            "stop_at_first": waves is not None,
            "limit_cycles": self.limit_cycles,
        }
        count = len(tensors[INPUT])

        def watch():
            done = folder / "progress"
            progress(int(done.read_text() or 0) if done.is_file() else 0, count)

        try:
            run_bench(
                self.verilog,
                "sim.benches.network",
                parameters=parameters,
                waves=waves,
                work_dir=folder,
                limit_seconds=self.limit_seconds,
                watch=watch if progress else None,
            )
        except BenchFailure:
            if not (folder / "outputs.npz").is_file():
                raise
        report = json.loads((folder / "report.json").read_text())
        with np.load(folder / "outputs.npz") as outputs:
            return report, dict(outputs)


def _corrupt(program, what):
    """The program with one bit changed in what the first layer uses: a sign, or a tap of the same ``z``."""
    sections = list(program.sections)
    number = next(at for at, section in enumerate(sections) if section.target is Target.COEFFICIENT)
    lists = [words for words, _ in decode_lists(sections[number].data, program.config)]
    row, place = next(
        (row, place) for row, words in enumerate(lists) for place, word in enumerate(words) if word.map
    )
    word = lists[row][place]
    if what == "coefficient":
        lists[row][place] = word._replace(negative=word.negative ^ (word.map & -word.map))
        changed = b"".join(encode_list(words, program.config) for words in lists)
    else:
        number = next(at for at, section in enumerate(sections) if section.target is Target.BASIS)
        # The last tap is part of the smallest kernel, too.
        changed = bytearray(sections[number].data)
        changed[(word.basis + 1) * program.config.taps - 1] ^= 0x40
    sections[number] = dataclasses.replace(sections[number], data=bytes(changed))
    return dataclasses.replace(program, sections=tuple(sections))
