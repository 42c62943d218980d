"""Random integer networks that a configuration can run, and inputs for them."""

import numpy as np

from hw.config import Config
from sw.compiler import compile_network
from sw.network import INPUT, AveragePool, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo
from sw.ordering import choose_orders
from sw.placement import place_tensors

__all__ = [
    "EVERY_KIND",
    "random_convolution",
    "random_input",
    "random_network",
    "random_placed_network",
]

#: What random networks are made of beside plain convolutions, square windows of maxima and averages of whole maps.
EVERY_KIND = ("clamp", "depthwise", "windows", "table", "concatenation")


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
    depthwise=False,
    clamp=False,
    table=False,
    config=None,
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
    depthwise : bool
        Every output channel reads the input channel of its number; ``outputs`` must be as many.
    clamp : bool
        Results do not use the whole range of the type.
    table : bool
        Results go through a table, whose range is that of ``signed``.
    config : Config, optional
        Sums and multipliers stay within its widths.
    extremes : bool
        Coefficients and taps as large as they go, so that sums come near their bounds.
    """
    height, width = kernel
    shape = (outputs, source.channels, bases)
    signs = random.choice([-1, 1], shape)
    coefficients = np.where(random.random(shape) < zeros, 0, signs)
    coefficients *= random.random((outputs, 1, bases)) >= empty
    if depthwise:
        coefficients = signs * np.eye(outputs, dtype=np.int64)[:, :, None]
    most = 128 if extremes else 41
    taps = random.integers(
        1 - most - extremes, most, (outputs, bases, height, width) if own else (bases, height, width)
    )
    kernels = np.einsum("kcm,kmrs->kcrs", coefficients, np.broadcast_to(taps, (outputs, *taps.shape[-3:])))
    limits = Config() if config is None else config
    worst = 256 * int(np.abs(kernels).sum(axis=(1, 2, 3)).max())
    if config is not None and worst >= 1 << limits.accumulator_bits - 1:
        taps = np.trunc(taps / (worst / (1 << limits.accumulator_bits - 1))).astype(np.int64)
        kernels = np.einsum(
            "kcm,kmrs->kcrs", coefficients, np.broadcast_to(taps, (outputs, *taps.shape[-3:]))
        )
    spread = np.sqrt((kernels.astype(float) ** 2).sum(axis=(1, 2, 3))) * 80 + 1
    shift = int(random.integers(12, 20))
    most = (1 << limits.multiplier_bits - 1) - 1
    multiplier = np.clip(np.rint(60 / spread * (1 << shift)), 1, most).astype(np.int64)
    multiplier[random.random(outputs) < 0.1] *= -1
    bias = random.integers(-20, 60, outputs).astype(np.int64) << shift
    if padding is None:
        padding = _same((height, width), (source.height, source.width), stride)
    low, high = (-128, 127) if signed else (0, 255)
    values = random.integers(low, high + 1, 256) if table else None
    if table:
        low, high = ((-128, 127), (0, 255))[int(random.integers(2))]
    if clamp:
        low, high = int(random.integers(low, 0 if low < 0 else 30)), int(random.integers(30, high + 1))
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
        low=low,
        high=high,
        groups=outputs if depthwise else 1,
        table=values,
        table_signed=table and signed,
        residual=residual,
        residual_multiplier=0 if residual is None else int(random.integers(0, min(1 << shift, most + 1))),
    )


def _same(kernel, size, stride):
    """Padding of a "same" layer: what is odd goes after the map."""
    total = [
        max(0, (-(-length // stride) - 1) * stride + taps - length)
        for taps, length in zip(kernel, size, strict=True)
    ]
    before = [pad // 2 for pad in total]
    return (*before, *(pad - half for pad, half in zip(total, before, strict=True)))


def _candidate(random, config, layers, size, kinds):
    chunk = config.chunk
    most = min(config.channels, 3 * chunk)
    info = TensorInfo(
        channels=int(random.integers(1, most + 1)),
        height=int(random.integers(2, size + 1)),
        width=int(random.integers(2, size + 1)),
        signed=bool(random.integers(2)),
    )
    draft = _Draft(random, config, kinds, info, most)
    while (room := layers - len(draft.layers)) > 0:
        source = draft.last
        if room >= 2 and "concatenation" in kinds and random.random() < 0.4:
            draft.add_dense_block(int(random.integers(1, min(3, room // 2) + 1)))
        elif room >= 2 and "depthwise" in kinds and source.channels > 1 and random.random() < 0.15:
            draft.add_separable()
        elif min(source.height, source.width) >= 2 and random.random() < 0.15:
            draft.add_max_pool()
        elif len(draft.layers) > layers // 2 and source.height * source.width > 1 and random.random() < 0.3:
            draft.add_average()
        else:
            draft.add(
                _random_layer(random, config, draft.label, draft.name, draft.tensors, most, kinds),
            )
    return draft.network


class _Draft:
    """A network that grows: ``name`` is the tensor that is to be read next, ``label`` the name of the next layer."""

    def __init__(self, random, config, kinds, info, most):
        self._random = random
        self._config = config
        self._kinds = kinds
        self._info = info
        self._most = most
        self.layers = []
        self.tensors = {INPUT: info}
        self.name = INPUT

    @property
    def label(self):
        return f"layer{len(self.layers)}"

    @property
    def last(self):
        return self.tensors[self.name]

    @property
    def network(self):
        return IntegerNetwork(name="random", input=self._info, input_scale=1 / 64, layers=tuple(self.layers))

    def add(self, layer):
        self.layers.append(layer)
        self.tensors = self.network.tensors()
        self.name = layer.name

    def add_convolution(self, outputs, kernel, **changes):
        config, random = self._config, self._random
        arguments = {
            "config": config,
            "bases": int(random.integers(1, min(config.bases, 4) + 1)),
            "signed": bool(random.integers(2)),
            "clamp": "clamp" in self._kinds and random.random() < 0.3,
        }
        self.add(
            random_convolution(
                random,
                name=self.label,
                input=self.name,
                source=self.last,
                outputs=outputs,
                kernel=kernel,
                **(arguments | changes),
            )
        )

    def add_separable(self):
        """One kernel for each channel, then a 1x1 convolution."""
        kernel = (self._config.kernel_height, self._config.kernel_width)
        stride = int(self._random.choice([1, 2]))
        self.add_convolution(self.last.channels, kernel, bases=1, own=True, depthwise=True, stride=stride)
        self.add_convolution(int(self._random.integers(1, self._most + 1)), (1, 1))

    def add_dense_block(self, steps):
        """Each step reads all there is and adds to it; now and then an older tensor instead of a new one."""
        random = self._random
        parts, flat = [self.name], random.random() < 0.5
        for _ in range(steps):
            source = self.last
            others = [
                name
                for name, info in self.tensors.items()
                if (info.height, info.width, info.signed) == (source.height, source.width, source.signed)
                and name not in parts
            ]
            if others and random.random() < 0.2:
                part = others[int(random.integers(len(others)))]
            else:
                odd = self._config.kernel_height % 2 and self._config.kernel_width % 2
                kernel = (self._config.kernel_height, self._config.kernel_width) if odd else (1, 1)
                self.add_convolution(
                    int(random.integers(1, self._config.chunk + 3)), kernel, signed=source.signed
                )
                part = self.name
            parts.append(part)
            whole = Concatenation(name=self.label, inputs=tuple(parts))
            self.add(whole)
            parts = parts if flat else [whole.name]

    def add_max_pool(self):
        random, source = self._random, self.last
        most = [min(3, source.height), min(3, source.width)]
        if "windows" in self._kinds:
            window = tuple(int(random.integers(1, length + 1)) for length in most)
            padding = tuple(int(random.integers(0, length)) for length in (*window, *window))
        else:
            window, padding = (int(random.integers(1, min(most) + 1)),) * 2, (0, 0, 0, 0)
        stride = int(random.integers(1, 4))
        self.add(MaxPool(name=self.label, input=self.name, window=window, stride=stride, padding=padding))

    def add_average(self):
        random, source = self._random, self.last
        window, stride = (source.height, source.width), 1
        if "windows" in self._kinds and random.random() < 0.6:
            window = tuple(int(random.integers(1, min(3, length) + 1)) for length in window)
            stride = int(random.integers(1, 4))
        shift = int(random.integers(10, 17))
        self.add(
            AveragePool(
                name=self.label,
                input=self.name,
                window=window,
                stride=stride,
                multiplier=min(
                    int((1 << shift) / (window[0] * window[1])), (1 << self._config.multiplier_bits - 1) - 1
                ),
                shift=shift,
                low=-128 if source.signed else 0,
                high=127 if source.signed else 255,
            )
        )


def _random_layer(random, config, label, name, tensors, most, kinds):
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
        "config": config,
        "bases": int(random.integers(1, min(config.bases, 4) + 1)),
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "signed": bool(random.integers(2)),
        "zeros": float(random.choice([0.0, 0.5, 0.9])),
        "empty": float(random.choice([0.0, 0.3, 0.7])),
        "extremes": bool(random.random() < 0.1),
        "own": bool(random.random() < 0.25),
        "clamp": "clamp" in kinds and random.random() < 0.2,
        "table": "table" in kinds and config.tables > 0 and random.random() < 0.3,
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


def random_network(seed, config, *, layers=4, size=8, attempts=500, kinds=EVERY_KIND, check=compile_network):
    """A random network that ``config`` can run, the same for the same arguments.

    Convolutions of all kernels and strides that fit, with and without padding and residual, pooling, signed and
    unsigned tensors, dense and nearly empty coefficients, and what ``kinds`` says.

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
    kinds : sequence of str
        Of ``EVERY_KIND``.
    check : function of network and configuration
        Raises ``ValueError`` if the network is not to be taken.
    """
    refusals = []
    for attempt in range(attempts):
        network = _candidate(
            np.random.default_rng([seed, attempt]), config, layers, min(size, config.line), kinds
        )
        try:
            check(network, config)
        except ValueError as error:
            refusals.append(str(error))
        else:
            return network
    raise RuntimeError(f"seed {seed}: no network out of {attempts} fits {config.name}: {refusals}")


def random_placed_network(seed, config, **changes):
    """A random network of every kind whose tensors fit, compiled or not."""

    def check(network, config):
        place_tensors(network, config, choose_orders(network, config))

    return random_network(seed, config, check=check, **changes)


def random_input(seed, network, *, zeros=0.5):
    """Input for a network, int64 [C, H, W], about ``zeros`` of it zero."""
    random = np.random.default_rng(seed)
    info = network.input
    tensor = random.integers(info.low, info.high + 1, info.shape)
    return np.where(random.random(info.shape) < zeros, 0, tensor).astype(np.int64)
