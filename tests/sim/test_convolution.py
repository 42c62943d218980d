"""PE and block in Verilator, on layers that the compiler packed, against plain convolution."""

import numpy as np
import pytest

from hw.bases import basis_write_layout
from hw.block import Block
from hw.butterfly import ControlDecoder
from hw.coefficients import coefficient_write_layout, row_write_layout
from hw.config import Config
from hw.feeder import Feeder
from hw.formats import Layer, coefficient_layout, header_layout, ring_layout
from hw.pe import ProcessingElement
from hw.pe_array import PeArray
from hw.protocol import Target
from sim.reference import kernels
from sim.runner import BenchFailure, run_bench
from sim.streams import TRAFFIC
from sw import sparsemap
from sw.compiler import compile_network
from sw.network import IntegerNetwork, TensorInfo
from sw.records import decode_lists, decode_scales
from tests.sw.networks import random_convolution

#: Compiling simulators takes a minute.
pytestmark = pytest.mark.slow

SEED = 13

#: Kernel, stride, padding, height, width, signed input, zero coefficients, zero activations.
SHAPES = [
    ((3, 3), 1, None, 4, 5, False, 0.5, 0.5),
    ((3, 3), 2, None, 5, 4, True, 0.8, 0.2),
    ((1, 1), 1, None, 3, 3, False, 0.2, 0.9),
    ((2, 3), 1, (0, 1, 1, 1), 3, 6, True, 0.9, 0.0),
    ((1, 1), 1, None, 1, 1, True, 0.0, 0.0),
]


def partial_sums(layer, image):
    """``acc[k, y, x]`` of one image by shifting it under the kernels."""
    top, left, bottom, right = layer.padding
    padded = np.pad(image, ((0, 0), (top, bottom), (left, right)))
    kernel = kernels(layer)
    height, width = padded.shape[1] - kernel.shape[2] + 1, padded.shape[2] - kernel.shape[3] + 1
    sums = np.zeros((len(kernel), height, width), np.int64)
    for row in range(kernel.shape[2]):
        for column in range(kernel.shape[3]):
            window = padded[:, row : row + height, column : column + width]
            sums += np.tensordot(kernel[:, :, row, column], window, 1)
    return sums[:, :: layer.stride, :: layer.stride]


def coefficient_words(program, config):
    """All words to write to the memories of rows, each with the number of its row."""
    write, word, header = coefficient_write_layout(config), coefficient_layout(config), header_layout(config)
    writes = []
    for section in program.sections:
        if section.target is Target.COEFFICIENT:
            address = section.address
            for words, _ in decode_lists(section.data, config):
                bits = [header.const({"count": len(words)}).as_bits()]
                bits += [word.const(fields._asdict()).as_bits() for fields in words]
                for value in bits:
                    data = word.from_bits(value)
                    writes.append((section.index, write.const({"address": address, "data": data}).as_bits()))
                    address += 1
    return writes


def basis_words(program, config):
    write = basis_write_layout(config)
    data = b"".join(section.data for section in program.sections if section.target is Target.BASIS)
    taps = np.frombuffer(data, np.int8).reshape(-1, config.taps).tolist()
    return [
        write.const({"every": 1, "basis": number, "taps": row}).as_bits() for number, row in enumerate(taps)
    ]


def ring_words(image, fields, config):
    """What the ring gets, one word a chunk: the map as it is fed, for all passes."""
    layout = ring_layout(config)
    words = []
    bank = np.zeros((config.activation_words, config.chunk), np.int64)
    chunks = sparsemap.split_chunks(image, config.chunk)
    bank[fields["input_base"] : fields["input_base"] + len(chunks)] = chunks
    for chunk in Feeder.model(bank, fields).tolist():
        if config.accumulation == "tree":
            words.append(layout.const({"values": chunk}).as_bits())
            continue
        mask = [int(value != 0) for value in chunk]
        values = [value for value in chunk if value]
        fields = {
            "mask": sum(bit << lane for lane, bit in enumerate(mask)),
            "values": values + [0] * (config.chunk - len(values)),
            "controls": sum(int(bit) << at for at, bit in enumerate(ControlDecoder.model(mask))),
        }
        words.append(layout.const(fields).as_bits())
    return words


def make_job(rng, config, kernel, stride, padding, height, width, signed, zeros, idle):
    """A random layer, packed, and all partial sums that every PE must give for it."""
    channels = int(rng.integers(1, min(3 * config.chunk, config.channels) + 1))
    source = TensorInfo(channels=channels, height=height, width=width, signed=signed)
    layer = random_convolution(
        rng,
        source=source,
        outputs=2 * config.pes - 1,
        bases=3,
        kernel=kernel,
        stride=stride,
        padding=padding,
        zeros=zeros,
    )
    network = IntegerNetwork(name="one", input=source, input_scale=1.0, layers=(layer,))
    program = compile_network(network, config)
    image = rng.integers(source.low, source.high + 1, source.shape) * (rng.random(source.shape) >= idle)
    sums = partial_sums(layer, image)
    (fields,) = program.layers
    scales = next(section.data for section in program.sections if section.target is Target.SCALE)
    entries = decode_scales(scales, config)
    order, silent = program.tensors["layer"].order, np.zeros_like(sums[0])
    expected = []
    for number in range(config.pes):
        results = [
            sums[order[slot]] if entries[slot].enable else silent
            for slot in range(number, len(entries), config.pes)
        ]
        masked = np.concatenate(results, axis=None) & (1 << config.accumulator_bits) - 1
        expected.append(masked.tolist())
    chunks, pixel_chunks = ring_words(image, fields, config), fields["input_chunks"]
    pixels = [chunks[at : at + pixel_chunks] for at in range(0, len(chunks), pixel_chunks)]
    coefficients, to_row = coefficient_words(program, config), row_write_layout(config)
    write = to_row["write"].shape
    classes = config.classes if fields["squares"] else 1
    turned = (2 * fields["last_upper"] + fields["last_left"]) % classes
    return {
        "layer": Layer.const(fields).as_bits(),
        "coefficients": [
            to_row.const({"row": row, "write": write.from_bits(bits)}).as_bits() for row, bits in coefficients
        ],
        "row_coefficients": [
            [bits for of_row, bits in coefficients if of_row == row] for row in range(config.rows)
        ],
        "bases": basis_words(program, config),
        "chunks": chunks,
        "row_chunks": [
            [chunk for pixel in pixels[row % classes ^ turned :: classes] for chunk in pixel]
            for row in range(config.rows)
        ],
        "pixel_chunks": pixel_chunks,
        "expected": expected,
    }


def bench(design, config, name, shapes=SHAPES, damage=0):
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    jobs = [make_job(rng, config, *shape) for shape in shapes]
    jobs[0]["expected"][0][0] ^= damage
    return run_bench(
        design,
        "sim.benches.convolution",
        test_filter=rf"\.{name}",
        parameters={"seed": SEED, "rows": config.rows, "jobs": jobs},
        seed=SEED,
    )


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_pe(preset):
    config = Config.preset(preset)
    assert len(bench(ProcessingElement(config), config, "pe").tests) == len(TRAFFIC)


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_block(preset):
    config = Config.preset(preset)
    assert len(bench(Block(config), config, "block").tests) == len(TRAFFIC)


def test_blocks_work_as_one():
    """Rings of several blocks fill up at different times, and get every chunk once."""
    config = Config.preset("tiny").replace(pes=4, blocks=2)
    assert len(bench(PeArray(config), config, "block").tests) == len(TRAFFIC)


def test_wrong_sum_fails():
    config = Config.preset("tiny")
    with pytest.raises(BenchFailure, match="results of PE 0"):
        bench(ProcessingElement(config), config, "pe", shapes=SHAPES[-1:], damage=1)
