"""Cycles of whole networks on this accelerator and on the models of others, and what is stored of them.

The stored file is ``bench/results/performance.json``. Cycles are those of the cycle model, which are the RTL's; ``rtl_checked_layers``
counts the layers that were also run as RTL. Clock, LUTs, multipliers and block RAMs come from a build of the preset and stay with the
hash of the Verilog that was built.
"""

import hashlib
import json
from pathlib import Path

from sim.baselines import BASELINES, best_shape
from sim.counting import count
from sim.cycle_model import layer_cycles
from sw.compiler import compile_network

from .workloads import BOARD, WORKLOADS, build

__all__ = [
    "BOUND",
    "RESULT",
    "build_board",
    "load",
    "measure",
    "network_cycles",
    "store",
    "update",
    "verilog_hash",
]

RESULT = Path(__file__).parent / "results" / "performance.json"
#: Written by ``python -m bench.cycle_model``.
_CYCLE_MODEL = Path(__file__).parent / "results" / "cycle_model.json"
#: Layers with fewer cycles of work are not counted in ``min_utilisation``: their start and end weigh too much.
BOUND = 10_000
#: Clock that place and route of the bitstream is asked for, in Hz: paths that are in time are not made faster. At 80 MHz some wires stay late.
ASKED = 75_000_000
#: What ``measure`` does not make: it stays as stored.
_KEPT = (
    "rtl_checked_layers",
    "rtl_layers",
    "rtl_verilog_sha256",
    "fmax_mhz",
    "luts",
    "dsps",
    "block_rams",
    "verilog_sha256",
)


def network_cycles(name):
    """Cycles of one network, all layers: quick, as it needs no model of others."""
    work = build(name)
    return int(layer_cycles(compile_network(work.network, work.config), work.tensors).sum())


def measure(name, config=None):
    """Everything about one network but what needs RTL or a bitstream."""
    work = build(name, config)
    program = compile_network(work.network, work.config)
    cycles = layer_cycles(program, work.tensors)[0]
    counts = count(work.network, work.tensors, work.config)
    dense = work.dense_layers()
    shapes, others = {}, {}
    for model_name, model in BASELINES.items():
        shape, found = best_shape(model, dense.values(), work.config.multipliers)
        shapes[model_name] = list(shape)
        others[model_name] = dict(zip(dense, found, strict=True))
    layers = [
        {
            "name": layer.name,
            "cycles": int(spent),
            "bound_cycles": round(counted.bound_cycles),
            "utilisation": round(counted.utilisation(int(spent)), 4),
            **{model: round(found[layer.name]) for model, found in others.items() if layer.name in found},
        }
        for layer, spent, counted in zip(work.network.layers, cycles, counts, strict=True)
    ]
    total = int(cycles.sum())
    compressed = work.compressed_layers()
    alone = sum(layer["cycles"] for layer in layers if layer["name"] in compressed)
    large = [layer["utilisation"] for layer in layers if layer["bound_cycles"] > BOUND]
    return {
        "cycles": total,
        **{f"speedup_{model}": round(sum(found.values()) / total, 3) for model, found in others.items()},
        "compressed": {
            "cycles": alone,
            **{
                f"speedup_{model}": round(sum(found[name] for name in compressed) / alone, 3)
                for model, found in others.items()
            },
        },
        "sparsity": round(work.sparsity, 4),
        "activation_zeros": round(work.activation_zeros, 4),
        "structure": vars(work.structure),
        "min_utilisation": min(large, default=None),
        "multipliers": work.config.multipliers,
        "adders": work.config.adders,
        "macs": sum(layer.dense_macs for layer in dense.values()),
        "effectual_macs": sum(layer.effectual_macs for layer in dense.values()),
        "shapes": shapes,
        "configuration": work.config.to_dict(),
        "layers": layers,
    }


def verilog_hash(config):
    """Hash of the accelerator's Verilog."""
    from fpga.verilog import generate

    return hashlib.sha256(generate(config).encode()).hexdigest()


def load():
    """What is stored."""
    return json.loads(RESULT.read_text()) if RESULT.exists() else {}


def store(results):
    """Write what was measured, networks in their order; what is derived of kept numbers is made anew."""
    for name in WORKLOADS:
        record = results.get(name, {})
        if record.get("fmax_mhz"):
            record["inferences_per_second"] = round(record["fmax_mhz"] * 1e6 / record["cycles"], 1)
    measured = json.loads(_CYCLE_MODEL.read_text())
    results["cycle_model"] = {key: measured[key] for key in ("exact_layers", "wrong_layers", "speed_ratio")}
    RESULT.write_text(json.dumps(results, indent=2) + "\n")


def update(results, name, record):
    """Put a new record of a network in place of an old one; numbers of RTL and of the bitstream stay."""
    old = results.get(name, {})
    empty = {"rtl_checked_layers": 0, "rtl_layers": 0}
    if WORKLOADS[name][1] == BOARD:
        empty |= dict.fromkeys(("fmax_mhz", "inferences_per_second", "luts", "dsps", "block_rams"))
    results[name] = record | empty | {key: old[key] for key in _KEPT if key in old}


def build_board(results):
    """Place and route preset ``ulx3s-85f``, unless it is built, and put its numbers into the records of the networks that run on it.

    It is asked for ``ASKED``, at which the line is faster by as much, so that nothing else changes.
    """
    from fpga.boards import find_board
    from fpga.build import build as build_core
    from hw.accelerator import Accelerator

    board = find_board("ulx3s-85f")
    board = board.replace(frequency=ASKED, baud=board.baud * ASKED // board.frequency, rip_up=True)
    folder = Path("build") / "bench" / f"{board.name}-{BOARD.name}"
    details = {"preset": BOARD.name, "configuration": BOARD.to_dict()}
    report = build_core(board, lambda: Accelerator(BOARD), folder, details=details, slow=True)
    numbers = {
        # The PLL's clock is far faster than what runs behind its gate.
        "fmax_mhz": min(clock["achieved_mhz"] for clock in report["clocks"].values()),
        **{name: report["resources"][name]["used"] for name in ("luts", "dsps", "block_rams")},
        "verilog_sha256": verilog_hash(BOARD),
    }
    for name, (_, usual) in WORKLOADS.items():
        if usual == BOARD and name in results:
            results[name] |= numbers
