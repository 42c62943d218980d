"""What cannot run is refused in words: layer, limit, what came, what to do."""

import re

import numpy as np
import pytest

from sw.compiler import compile_network
from sw.network import AveragePool, MaxPool

from .layers import TINY, changed, check_descriptors, convolution, dense, info, network


def refusals():
    """(id, network, configuration, message)"""
    flat, wide = info(), info(channels=16)
    big = (1 << 39) - 1
    yield (
        "kernel",
        network(flat, convolution(flat, kernel=(5, 3))),
        TINY,
        r"layer layer: expected a kernel of at most 3x3 .* got 5x3; .* 2 layers of 3x3, .*global average",
    )
    yield (
        "channels",
        network(info(17), convolution(info(17))),
        TINY,
        r"layer input: expected at most 16 channels .* got 17; take",
    )
    yield (
        "outputs",
        network(flat, convolution(flat, outputs=20)),
        TINY,
        r"layer layer: expected at most 16 channels .* got 20",
    )
    yield (
        "bases",
        network(flat, convolution(flat, bases=5)),
        TINY,
        r"layer layer: expected at most 4 bases .* got 5",
    )
    long = info(4, 2, 17)
    yield (
        "line",
        network(long, changed(convolution(long, kernel=(1, 7)), padding=(0, 0, 0, 0))),
        TINY.replace(line=6, kernel_width=7),
        r"layer layer: expected one output to need a map of at most 6x6 \(line\), got 1x7; take .*longer line",
    )
    yield (
        "bank",
        network(info(4, 16, 17), MaxPool(name="pool", input="input", window=(2, 2), stride=2)),
        TINY,
        r"layer input: expected a tensor of at most 256 chunks .* got 272",
    )
    layers = [
        changed(convolution(flat), name=f"l{at}", input=f"l{at - 1}" if at else "input") for at in range(3)
    ]
    yield (
        "layers",
        network(flat, *layers),
        TINY.replace(layers=2),
        r"network test: expected at most 2 steps of all layers \(layers\), got 3; take",
    )
    yield (
        "tiles",
        network(long, convolution(long)),
        TINY.replace(layers=1),
        r"network test: expected at most 1 steps of all layers \(layers\), got 2; .* longer line",
    )
    yield (
        "basis words",
        network(flat, *layers),
        TINY.replace(basis_words=5),
        r"layer l2: expected at most 5 bases of all layers .* got 6",
    )
    yield (
        "scale words",
        network(flat, *layers),
        TINY.replace(scale_words=5),
        r"layer l2: expected at most 5 words of 2 requantisation entries of all layers \(scale_words\), got 6;",
    )
    average = AveragePool(
        name="average",
        input="input",
        window=(flat.height, flat.width),
        stride=1,
        multiplier=900,
        shift=15,
        low=0,
        high=255,
    )
    yield (
        "average scales",
        network(flat, average),
        TINY.replace(scale_words=3, requantisers=1),
        r"layer average: expected at most 3 words of 1 requantisation entries .* got 4",
    )
    yield (
        "coefficients",
        network(wide, convolution(wide, outputs=16, bases=4, zeros=0, empty=0)),
        TINY.replace(coefficient_words=64),
        r"layer layer: expected at most 64 words of coefficients .*, got \d+; .*make more coefficients zero",
    )
    yield (
        "z",
        network(wide, dense(wide, 1)),
        TINY.replace(z_bits=12),
        r"layer layer: expected every z \(z_bits\) to fit 12 bits, signed, got a range of 0..4080; widen",
    )
    yield (
        "accumulator",
        network(wide, dense(wide, 9)),
        TINY.replace(accumulator_bits=16),
        r"layer layer: expected every sum \(accumulator_bits\) to fit 16 bits, signed, got a range of 0..36720; widen",
    )
    step = MaxPool(name="pool", input="input", window=(1, 1), stride=8)
    yield "step", network(flat, step), TINY, r"layer pool: expected at most 7 as the step of a pooling, got 8"
    padded = MaxPool(name="pool", input="input", window=(9, 9), stride=1, padding=(8, 8, 8, 8))
    yield "places", network(flat, padded), TINY, r"layer pool: expected at most 7 places of padding .* got 8"
    table = changed(convolution(flat), table=np.zeros(256, np.int64))
    yield (
        "table",
        network(flat, table),
        TINY,
        r"layer layer: expected no activation table, .*; take a configuration with tables, or ReLU",
    )
    other = changed(table, name="other", table=np.ones(256, np.int64))
    yield (
        "tables",
        network(flat, table, other),
        TINY.replace(tables=1),
        r"layer other: expected at most 1 different activation tables \(tables\), got 2; take",
    )
    yield (
        "average sum",
        network(info(4, 12, 12), changed(average, window=(12, 12))),
        TINY.replace(z_bits=15, accumulator_bits=15),
        r"layer average: expected every sum .* 0..36720; widen",
    )
    yield (
        "multiplier",
        network(flat, changed(dense(flat, 1), multiplier=np.array([300]))),
        TINY.replace(multiplier_bits=9),
        r"layer layer: expected multipliers .* 9 bits, signed, got a range of 300..300",
    )
    yield (
        "bias",
        network(flat, changed(dense(flat, 1), bias=np.array([-300]))),
        TINY.replace(bias_bits=9),
        r"layer layer: expected biases .* 9 bits, signed, got a range of -300..-300",
    )
    top = TINY.replace(bias_bits=40, accumulator_bits=40)
    heavy = changed(dense(flat, 127), bias=np.array([big]), multiplier=np.array([32767]))
    yield (
        "sum",
        network(flat, heavy),
        top.replace(bias_bits=40 - 8 + 1, multiplier_bits=16),
        r"layer layer: expected biases",
    )
    narrow = changed(heavy, bias=np.array([0]))
    yield (
        "sum of product",
        network(flat, narrow),
        TINY.replace(bias_bits=16),
        r"layer layer: expected the requantisation sum .* 24 bits",
    )
    yield (
        "residual is input",
        network(flat, convolution(flat, residual="input")),
        TINY,
        r"layer layer: expected input and residual in different banks, got input for both; .*window of 1x1",
    )
    yield (
        "rows",
        network(flat, convolution(flat)),
        TINY.replace(pes=129, requantisers=1),
        r"configuration tiny: expected at most 256 rows in all PEs, .* got 129 \* 2",
    )


@pytest.mark.parametrize(
    ("made", "config", "message"), [pytest.param(*case[1:], id=case[0]) for case in refusals()]
)
def test_refusals_name_layer_limit_and_what_came(made, config, message):
    with pytest.raises(ValueError, match=message) as caught:
        compile_network(made, config)
    assert re.search(r"; \w+", str(caught.value)), "the message says what to do"


def test_unknown_layer_is_refused():
    class Softmax(MaxPool):
        pass

    with pytest.raises(ValueError, match=r"layer soft: expected one of Convolution, .* got Softmax"):
        network(info(), Softmax(name="soft", input="input", window=1, stride=1))


def test_a_copy_is_added_where_the_input_cannot_be():
    source = info(6)
    copy = MaxPool(name="copy", input="input", window=(1, 1), stride=1)
    check_descriptors(1, network(source, copy, convolution(source, outputs=6, residual="copy")), TINY)


def test_stride_3_is_a_pooling_of_every_third():
    source = info(6, 8, 8)
    layer = convolution(source, outputs=6, padding=(1, 1, 1, 1))
    with pytest.raises(ValueError, match=r"stride of 1 or 2, got 3; use a stride of 1 and .* a step of 3"):
        network(source, changed(layer, stride=3))
    every_third = MaxPool(name="third", input="layer", window=(1, 1), stride=3)
    check_descriptors(1, network(source, layer, every_third), TINY)
