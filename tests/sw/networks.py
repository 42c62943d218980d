"""Random integer networks that a configuration can run, and inputs for them."""

import numpy as np

from sw.compiler import compile_network
from sw.network import INPUT, AveragePool, Convolution, IntegerNetwork, MaxPool, TensorInfo

__all__ = ["random_convolution", "random_input", "random_network"]


def random_convolution(
    random,
    *,
    name="layer",
    input="input",
    source,
    outputs,
    bases,
    kernel=(3, 3),
    stride=1,
    padding=None,
    signed=False,
    zeros=0.6,
    empty=0.2,
    residual=None,
    extremes=False,
    own=False,
):
    """A convolution whose outputs use their range.

    Parameters
    ----------
    random : numpy.random.Generator
    source : TensorInfo
        The tensor that is read.
    padding : tuple of int, optional
        (top, left, bottom, right); what keeps the size of the map if not given.
    zeros : float
        Part of the coefficients that are zero.
    empty : float
        Part of the (output channel, basis) pairs that have no coefficient at all.
    own : bool
        Every output channel has bases of its own.
    extremes : bool
        Coefficients and taps as large as they go, so that sums come near their bounds.
    """
    height, width = kernel
    shape = (outputs, source.channels, bases)
    signs = random.choice([-1, 1], shape)
    coefficients = np.where(random.random(shape) < zeros, 0, signs)
    coefficients *= random.random((outputs, 1, bases)) >= empty
    most = 128 if extremes else 41
    taps = random.integers(
        1 - most - extremes, most, (outputs, bases, height, width) if own else (bases, height, width)
    )
    kernels = np.einsum("kcm,kmrs->kcrs", coefficients, np.broadcast_to(taps, (outputs, *taps.shape[-3:])))
    spread = np.sqrt((kernels.astype(float) ** 2).sum(axis=(1, 2, 3))) * 80 + 1
    shift = int(random.integers(12, 20))
    multiplier = np.clip(np.rint(60 / spread * (1 << shift)), 1, 32767).astype(np.int64)
    multiplier[random.random(outputs) < 0.1] *= -1
    bias = random.integers(-20, 60, outputs).astype(np.int64) << shift
    if padding is None:
        padding = _same((height, width), (source.height, source.width), stride)
    return Convolution(
        name=name,
        input=input,
        coefficients=coefficients.astype(np.int8),
        bases=taps.astype(np.int8),
        stride=stride,
        padding=padding,
        multiplier=multiplier,
        bias=bias,
        shift=shift,
        low=-128 if signed else 0,
        high=127 if signed else 255,
        residual=residual,
        residual_multiplier=0 if residual is None else int(random.integers(0, min(1 << shift, 32768))),
    )


def _same(kernel, size, stride):
    """Padding of a "same" layer: what is odd goes after the map."""
    total = [
        max(0, (-(-length // stride) - 1) * stride + taps - length)
        for taps, length in zip(kernel, size, strict=True)
    ]
    before = [pad // 2 for pad in total]
    return (*before, *(pad - half for pad, half in zip(total, before, strict=True)))


def _candidate(random, config, layers, size):
    chunk = config.chunk
    most = min(config.channels, 3 * chunk)
    info = TensorInfo(
        channels=int(random.integers(1, most + 1)),
        height=int(random.integers(2, size + 1)),
        width=int(random.integers(2, size + 1)),
        signed=bool(random.integers(2)),
    )
    tensors, made = {INPUT: info}, []
    name = INPUT
    for number in range(layers):
        source, label = tensors[name], f"layer{number}"
        if min(source.height, source.width) >= 2 and random.random() < 0.15:
            window = int(random.integers(1, min(3, source.height, source.width) + 1))
            layer = MaxPool(
                name=label, input=name, window=(window, window), stride=int(random.integers(1, 4))
            )
        elif number > layers // 2 and source.height * source.width > 1 and random.random() < 0.3:
            shift = int(random.integers(10, 17))
            average = int((1 << shift) / (source.height * source.width))
            signed = source.signed
            layer = AveragePool(
                name=label,
                input=name,
                window=(source.height, source.width),
                stride=1,
                multiplier=min(average, 32767),
                shift=shift,
                low=-128 if signed else 0,
                high=127 if signed else 255,
            )
        else:
            layer = _random_layer(random, config, label, name, tensors, most)
        made.append(layer)
        network = IntegerNetwork(name="random", input=info, input_scale=1 / 64, layers=tuple(made))
        tensors = network.tensors()
        name = label
    return network


def _random_layer(random, config, label, name, tensors, most):
    source = tensors[name]
    kernel = (
        int(random.integers(1, config.kernel_height + 1)),
        int(random.integers(1, config.kernel_width + 1)),
    )
    if random.random() < 0.5:
        kernel = (config.kernel_height, config.kernel_width)
    stride = int(random.choice([1, 1, 2]))
    padding = None
    if random.random() < 0.2 and kernel[0] <= source.height and kernel[1] <= source.width:
        padding = (0, 0, 0, 0)
    outputs = int(random.integers(1, most + 1))
    arguments = {
        "name": label,
        "input": name,
        "source": source,
        "bases": int(random.integers(1, min(config.bases, 4) + 1)),
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "signed": bool(random.integers(2)),
        "zeros": float(random.choice([0.0, 0.5, 0.9])),
        "empty": float(random.choice([0.0, 0.3, 0.7])),
        "extremes": bool(random.random() < 0.1),
        "own": bool(random.random() < 0.25),
    }
    plain = random_convolution(random, outputs=outputs, **arguments)
    if random.random() < 0.5:
        return plain
    info = IntegerNetwork(name="shape", input=source, input_scale=1.0, layers=(_at_input(plain),)).tensors()[
        label
    ]
    others = [
        other
        for other, found in tensors.items()
        if other != name and (found.height, found.width) == (info.height, info.width)
    ]
    if not others:
        return plain
    other = others[int(random.integers(len(others)))]
    return random_convolution(random, outputs=tensors[other].channels, residual=other, **arguments)


def _at_input(layer):
    return Convolution(**{**vars(layer), "input": INPUT})


def random_network(seed, config, *, layers=4, size=8, attempts=50):
    """A random network that ``config`` can run, the same for the same arguments.

    Convolutions of all kernels and strides that fit, with and without padding and residual, pooling, signed and
    unsigned tensors, dense and nearly empty coefficients.

    Parameters
    ----------
    seed : int
    config : Config
    layers : int
        Number of layers.
    size : int
        Most rows and columns of the input.
    attempts : int
        Networks that are drawn until one fits the memories.
    """
    refusals = []
    for attempt in range(attempts):
        network = _candidate(np.random.default_rng([seed, attempt]), config, layers, min(size, config.line))
        try:
            compile_network(network, config)
        except ValueError as error:
            refusals.append(str(error))
        else:
            return network
    raise RuntimeError(f"seed {seed}: no network out of {attempts} fits {config.name}: {refusals}")


def random_input(seed, network, *, zeros=0.5):
    """Input for a network, int64 [C, H, W], about ``zeros`` of it zero."""
    random = np.random.default_rng(seed)
    info = network.input
    tensor = random.integers(info.low, info.high + 1, info.shape)
    return np.where(random.random(info.shape) < zeros, 0, tensor).astype(np.int64)
