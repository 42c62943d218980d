"""Back from the packed bytes to a network."""

import numpy as np

from hw.config import PRESETS
from sim.reference import kernels, run
from sw.compiler import compile_network
from sw.network import Convolution
from sw.unpack import unpack

from .layers import networks
from .networks import random_input, random_network


@networks
def test_unpacked_network_is_the_same(preset, seed):
    made = random_network(seed, PRESETS[preset])
    program = compile_network(made, PRESETS[preset])
    back = unpack(program)
    assert [layer.name for layer in back.layers] == [layer.name for layer in made.layers]
    assert back.tensors() == made.tensors()
    assert back.input_scale == made.input_scale
    for layer, got in zip(made.layers, back.layers, strict=True):
        if not isinstance(layer, Convolution):
            assert vars(got) == vars(layer)
            continue
        for name in ("input", "stride", "shift", "low", "high", "residual", "residual_multiplier"):
            assert getattr(got, name) == getattr(layer, name), name
        for name in ("coefficients", "multiplier", "bias"):
            np.testing.assert_array_equal(getattr(got, name), getattr(layer, name), err_msg=name)
        height, width = layer.kernel
        rebuilt, expected = kernels(got), kernels(layer)
        np.testing.assert_array_equal(rebuilt[:, :, -height:, -width:], expected)
        assert np.abs(rebuilt).sum() == np.abs(expected).sum()
    images = np.stack([random_input(seed + at, made) for at in range(2)])
    np.testing.assert_array_equal(
        run(back, images)[program.output_name], run(made, images)[program.output_name]
    )
