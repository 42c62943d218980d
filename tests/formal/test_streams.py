"""Every stream of every component keeps the rules of streams, whatever the others at its ports do."""

import importlib
import inspect
import pkgutil

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

import hw
from hw.skid import SkidBuffer

from .components import COMPONENTS, WITHOUT
from .harness import Harness
from .prover import Proof, prove, waiting_valids

#: Components that are proved in one go, and cycles within which every output of theirs has waited and been taken.
GROUPS = {
    (
        "SkidBuffer",
        "DoubleBuffer",
        "SparseMapEncoder",
        "SparseMapDecoder",
        "Dilution",
        "Concentration",
        "Matcher",
    ): 10,
    (
        "CoefficientWalker",
        "WordMemory",
        "ActivationMemory",
        "ReadSelect",
        "Feeder",
        "AveragePool",
        "WindowReader",
        "Requantiser",
        "Sequencer",
        "Store",
    ): 12,
    (
        "Loader",
        "FrameReceiver",
        "FrameSerializer",
        "FrameTransmitter",
        "AxiLiteRegisters",
        "WordPacker",
        "WordUnpacker",
    ): 12,
    ("SerialSums", "SerialMachine"): 20,
    ("Row",): 20,
    ("BasisMac",): 30,
    ("HostLink",): 40,
    ("Uart",): 46,
}


def _proof(names, cycles):
    return Proof(
        name=f"streams of {', '.join(names)}",
        claim="what is offered, payload and all, stays until it is taken",
        build=lambda: {name: COMPONENTS[name]() for name in names},
        cover=cycles,
    )


PROOFS = [_proof(names, cycles) for names, cycles in GROUPS.items()]


class Careless(wiring.Component):
    """Breaks one rule of streams, or none."""

    def __init__(self, fault):
        self._fault = fault
        super().__init__({"i": In(stream.Signature(2)), "o": Out(stream.Signature(2))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.skid = skid = SkidBuffer(2)
        m.d.comb += [
            skid.i.payload.eq(self.i.payload),
            skid.i.valid.eq(self.i.valid),
            self.i.ready.eq(skid.i.ready),
            self.o.payload.eq(skid.o.payload),
            self.o.valid.eq(skid.o.valid),
            skid.o.ready.eq(self.o.ready),
        ]
        if self._fault == "falls":
            m.d.comb += self.o.valid.eq(skid.o.valid & ~self.i.valid)
        if self._fault == "changes":
            m.d.comb += self.o.payload.eq(skid.o.payload ^ self.i.valid)
        if self._fault == "waits":
            m.d.comb += self.o.valid.eq(skid.o.valid & self.o.ready)
        return m


@pytest.mark.slow
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_offers_stay(proof, tmp_path):
    prove(proof, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["falls", "changes", "waits"])
def test_carelessness_is_found(fault, tmp_path):
    with pytest.raises(AssertionError, match="not proved"):
        prove(Proof(name=fault, claim="", build=lambda: Harness(Careless(fault))), tmp_path)


@pytest.mark.slow
def test_valid_never_waits_for_ready(tmp_path):
    harnesses = {name: build() for name, build in COMPONENTS.items()}
    assert sum(len(harness.outputs) for harness in harnesses.values()) > len(harnesses)
    assert waiting_valids(harnesses, tmp_path) == []


def test_a_valid_that_waits_is_found(tmp_path):
    harnesses = {fault: Harness(Careless(fault)) for fault in ("none", "waits", "falls")}
    assert waiting_valids(harnesses, tmp_path) == [("waits", "o")]


def test_every_component_with_streams_is_listed():
    found = set()
    for module in pkgutil.iter_modules(hw.__path__):
        for name, kind in inspect.getmembers(importlib.import_module(f"hw.{module.name}"), inspect.isclass):
            mine = issubclass(kind, wiring.Component) and kind.__module__ == f"hw.{module.name}"
            source = inspect.getsource(kind) if mine else ""
            if "stream.Signature(" in source or "block_ports(" in source:
                found.add(name)
    assert found == COMPONENTS.keys() | WITHOUT.keys()
    assert not COMPONENTS.keys() & WITHOUT.keys()
    assert sorted(COMPONENTS) == sorted(name for names in GROUPS for name in names)
