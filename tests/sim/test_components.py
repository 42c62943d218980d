"""Components as Verilog in Verilator, driven through cocotb, against independent expectations."""

import pytest

from hw.activations import ActivationMemory
from hw.config import Config
from hw.ring import InputRing
from hw.sparsemap import SparseMapDecoder, SparseMapEncoder
from sim.benches.butterfly import GatherAndScatter
from sim.runner import run_bench
from sim.streams import TRAFFIC

#: Compiling simulators takes a minute.
pytestmark = pytest.mark.slow

PRESETS = ("tiny", "small")
SEED = 11


def bench(design, module, tests, *, config=None, **changes):
    """Run all tests of a bench that match, and see that exactly ``tests`` ran."""
    test_filter = changes.pop("test_filter", None)
    parameters = {"seed": SEED, **changes}
    if config is not None:
        parameters["config"] = config.to_dict()
    print(f"{module}, seed {SEED}")
    result = run_bench(
        design, f"sim.benches.{module}", test_filter=test_filter, parameters=parameters, seed=SEED
    )
    assert len(result.tests) == tests, result.tests


@pytest.mark.parametrize(("width", "bits"), [(2, 1), (4, 8), (16, 1), (64, 3)])
def test_butterfly(width, bits):
    bench(GatherAndScatter(width, bits), "butterfly", 1, width=width, bits=bits)


@pytest.mark.parametrize("preset", PRESETS)
def test_sparsemap_decoder(preset):
    config = Config.preset(preset)
    bench(SparseMapDecoder(config.chunk, 8), "sparsemap", len(TRAFFIC), config=config, test_filter="decodes")


@pytest.mark.parametrize("preset", PRESETS)
def test_sparsemap_encoder(preset):
    config = Config.preset(preset).replace(accumulation="concentration")
    bench(SparseMapEncoder(config), "sparsemap", len(TRAFFIC), config=config, test_filter="encodes")


@pytest.mark.parametrize(("preset", "readers"), [("tiny", 2), ("tiny", 4), ("small", 3)])
def test_input_ring(preset, readers):
    config = Config.preset(preset)
    bench(InputRing(config, readers), "ring", len(TRAFFIC) + 1, config=config, readers=readers)


@pytest.mark.parametrize("preset", PRESETS)
def test_activation_memory(preset):
    config = Config.preset(preset)
    bench(ActivationMemory(config), "activations", len(TRAFFIC) + 1, config=config)
